"""Exports a session as Zeek's logs, into `zeek/` of a directory, and lists what has no place in them."""

from typing import TYPE_CHECKING

from rustnet.export.left_out import count
from rustnet.export.zeek.conn import BELOW_IP
from rustnet.export.zeek.logs import LOGS
from rustnet.export.zeek.writing import Columns, can_be_written, write_log
from rustnet.i18n import _, ngettext

if TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder
    from rustnet.query.session import Session


def write_zeek(session: "Session", folder: "ExportFolder", style: str = "tsv") -> list[str]:
    """Write a session as Zeek's logs, in the style `tsv` or `json`; returns sentences on what has no place in them."""
    present = session.columns()
    span = _span(session)
    for log in LOGS:
        if can_be_written(log, present):
            write_log(session, folder, log, present, span, as_json=style == "json")
    return _remarks(session, present)


def _span(session: "Session") -> tuple[int, int]:
    """Times of the first and the last packet, in nanoseconds."""
    first, last = session.execute_own("SELECT epoch_ns(min(first_ts)), epoch_ns(max(last_ts)) FROM captures").rows[0]
    return first or 0, last or 0


def _remarks(session: "Session", present: Columns) -> list[str]:
    remarks = []
    flows, below, resent = session.execute_own(
        f"""SELECT count(*), count(*) FILTER ({BELOW_IP}),
            count(*) FILTER (f.protocol = 'tcp' AND f.src_retransmissions + f.dst_retransmissions > 0) FROM flows f"""  # noqa: S608
    ).rows[0]
    if below:
        template = ngettext(
            "{n} flow below IP (ARP, LLDP …) is in no log", "{n} flows below IP (ARP, LLDP …) are in no log", below
        )
        remarks.append(template.format(n=f"{below:,}"))
    if resent:
        template = ngettext(
            "orig_bytes and resp_bytes of {n} connection count retransmitted bytes, which Zeek does not",
            "orig_bytes and resp_bytes of {n} connections count retransmitted bytes, which Zeek does not",
            resent,
        )
        remarks.append(template.format(n=f"{resent:,}"))
    untimed = count(session, "SELECT count(*) FROM anomalies WHERE ts IS NULL")
    if untimed:
        template = ngettext(
            "{n} anomaly has no time, and is not in weird.log",
            "{n} anomalies have no time, and are not in weird.log",
            untimed,
        )
        remarks.append(template.format(n=f"{untimed:,}"))
    operations = count(session, "SELECT count(*) FROM dns WHERE opcode <> 'QUERY'") if "dns" in present else 0
    if operations:
        template = ngettext(
            "{n} DNS message of another operation than a query is not in dns.log",
            "{n} DNS messages of other operations than queries are not in dns.log",
            operations,
        )
        remarks.append(template.format(n=f"{operations:,}"))
    if flows:
        remarks.append(_("fields that a session does not have are unset (-); docs/zeek.md lists them"))
    return remarks
