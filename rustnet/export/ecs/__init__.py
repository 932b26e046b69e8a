"""Writes a session as JSON lines with the fields of the Elastic Common Schema, in the order of time.

docs/exports.md says what maps to what, and what has no place in the schema.
"""

from rustnet.export.ecs.common import ECS_VERSION, Common
from rustnet.export.ecs.flows import flow_source
from rustnet.export.ecs.messages import message_sources
from rustnet.export.folder import ExportFolder
from rustnet.export.timeline import Timeline
from rustnet.i18n import _
from rustnet.query.session import Session

__all__ = ["ECS_VERSION", "NAME", "write_ecs"]

NAME = "ecs.jsonl"
"""Name of the file."""


def write_ecs(session: Session, folder: ExportFolder) -> list[str]:
    """Write ``ecs.jsonl``; returns sentences on what has no place in it."""
    common = Common(session)
    sources = [*message_sources(common), flow_source(common)]
    with folder.create(NAME) as stream:
        for text in Timeline(session, sources):
            stream.write(text.encode())
            stream.write(b"\n")
    return [_("without a place: messages but DNS, HTTP and TLS, round-trip times, retransmissions, packets, anomalies")]
