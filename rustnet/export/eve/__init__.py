"""Writes a session as Suricata's ``eve.json``: one JSON object per line, in the order of time.

docs/exports.md says what maps to what, and what has no place in the format.
"""

from rustnet.export.eve.anomalies import anomaly_source
from rustnet.export.eve.flows import flow_source
from rustnet.export.eve.header import Header
from rustnet.export.eve.messages import message_sources
from rustnet.export.eve.remarks import remarks
from rustnet.export.folder import ExportFolder
from rustnet.export.timeline import Timeline
from rustnet.query.session import Session

__all__ = ["NAME", "write_eve"]

NAME = "eve.json"
"""Name of the file."""


def write_eve(session: Session, folder: ExportFolder) -> list[str]:
    """Write ``eve.json``; returns sentences on what has no place in it."""
    header = Header(session)
    alerts = "flow_id" in session.columns().get("alerts", {})
    sources = [*message_sources(header), anomaly_source(header), flow_source(header, alerts=alerts)]
    with folder.create(NAME) as stream:
        for text in Timeline(session, sources):
            stream.write(text.encode())
            stream.write(b"\n")
    return remarks(session)
