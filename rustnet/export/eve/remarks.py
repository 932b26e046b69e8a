"""What of a session has no place in ``eve.json``, in sentences."""

from rustnet.export.eve.anomalies import WITH_A_PACKET
from rustnet.export.eve.header import IP_ONLY
from rustnet.export.eve.messages import EVENT_TABLES
from rustnet.export.left_out import count
from rustnet.i18n import _, ngettext
from rustnet.query.session import Session
from rustnet.store.schema import quote_identifier

_CORE = ("capture_id", "flow_id", "ts", "packet")
"""Columns that the tables of protocols begin with."""


def remarks(session: Session) -> list[str]:
    """Sentences on what was left out."""
    known = session.columns()
    sentences = []
    flows = count(session, f"SELECT count(*) FROM flows AS f WHERE NOT ({IP_ONLY})")  # noqa: S608 -- our own
    if flows:
        template = ngettext(
            "{n} flow below IP (ARP, LLDP …) is left out: Suricata has none",
            "{n} flows below IP (ARP, LLDP …) are left out: Suricata has none",
            flows,
        )
        sentences.append(template.format(n=f"{flows:,}"))
    if "anomalies" in known:
        others = count(session, f"SELECT count(*) FROM anomalies AS m WHERE NOT ({WITH_A_PACKET})")  # noqa: S608 -- our own
        if others:
            template = ngettext(
                "{n} anomaly that is about no packet is left out",
                "{n} anomalies that are about no packet are left out",
                others,
            )
            sentences.append(template.format(n=f"{others:,}"))
    tables = _without_events(session, known)
    if tables:
        sentences.append(
            _("messages without an event of Suricata are left out: {tables}").format(tables=", ".join(tables))
        )
    sentences.append(
        _("without a place: processes, countries and networks of addresses, round-trip times, details of anomalies")
    )
    return sentences


def _without_events(session: Session, known: dict[str, dict[str, str]]) -> list[str]:
    """Names of the tables with messages that are not written."""
    names = [
        name for name, columns in sorted(known.items())
        if tuple(columns)[:4] == _CORE and name not in EVENT_TABLES and name != "arp"
    ]  # fmt: skip
    kept = [name for name in names if count(session, f"SELECT count(*) FROM {quote_identifier(name)}")]  # noqa: S608 -- our own names
    if "dns" in known:
        other = session.execute_own("SELECT DISTINCT transport FROM dns WHERE transport <> 'dns' ORDER BY 1").rows
        kept += [row[0] for row in other]
    return kept
