"""Events ``flow`` of ``eve.json``."""

from collections.abc import Iterator

from rustnet.export.eve.header import FLOW_COLUMNS, IP_ONLY, Header, application, stamp
from rustnet.export.formats import COMPACT, dumps
from rustnet.export.timeline import Fields, Source

_COLUMNS = (
    *FLOW_COLUMNS, "started_at", "ended_at", "state", "end_reason", "src_packets", "dst_packets", "src_bytes",
    "dst_bytes", "src_flags", "dst_flags", "src_missed_bytes", "dst_missed_bytes", "src_mac", "dst_mac",
)  # fmt: skip

_NEW = frozenset({"SYN_SENT", "SYN_RECV"})
_CLOSED = frozenset({"LAST_ACK", "TIME_WAIT", "CLOSED"})
_REASONS = {
    "idle": "timeout", "fin": "timeout", "rst": "timeout", "evicted": "forced", "reused": "tcp_reuse",
    "end": "shutdown", "interrupted": "shutdown",
}  # fmt: skip
"""Why Suricata removes a flow from its table; closed ones after a timeout. One that is open has no reason."""
_FLAGS = ((2, "syn"), (1, "fin"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ecn"), (128, "cwr"))


def flow_source(header: Header, *, alerts: bool) -> Source:
    """Flows of IP; those below it are none to Suricata."""

    def texts(row: Fields) -> Iterator[str]:
        yield dumps(_flow(header, row), COMPACT)

    alerted = "f.flow_id IN (SELECT flow_id FROM alerts)" if alerts else "false"
    return Source("flows", "ended_at", texts, flow=_COLUMNS, more={"alerted": alerted}, where=IP_ONLY)


def _flow(header: Header, row: Fields) -> Fields:
    """Return the event of a flow."""
    event = header.common(row, "flow", None)
    macs = {name: [row[column]] for name, column in (("dest_macs", "f.dst_mac"), ("src_macs", "f.src_mac"))
            if row[column]}  # fmt: skip
    if macs:
        event["ether"] = macs
    app = application(row["f.app"], row["f.app_source"], row["f.protocol"])
    if app is not None:
        event["app_proto"] = app
    started, ended = row["f.started_at"], row["f.ended_at"]
    flow = {
        "pkts_toserver": row["f.src_packets"],
        "pkts_toclient": row["f.dst_packets"],
        "bytes_toserver": row["f.src_bytes"],
        "bytes_toclient": row["f.dst_bytes"],
        "start": stamp(started),
        "end": stamp(ended),
        "age": ended // 1_000_000_000 - started // 1_000_000_000,
        "state": _state(row),
        "reason": _REASONS.get(row["f.end_reason"]),
        "alerted": bool(row["alerted"]),
    }
    event["flow"] = {name: value for name, value in flow.items() if value is not None}
    if row["f.protocol"] == "tcp":
        event["tcp"] = _tcp(row)
    return event


def _state(row: Fields) -> str:
    """Suricata's state of a flow: ``new``, ``established`` or ``closed``."""
    state = row["f.state"]
    if row["f.protocol"] == "tcp" and state is not None:
        return "new" if state in _NEW else "closed" if state in _CLOSED else "established"
    return "established" if row["f.src_packets"] and row["f.dst_packets"] else "new"


def _tcp(row: Fields) -> Fields:
    """TCP's flags, of both directions and of each, and the state."""
    to_server, to_client = row["f.src_flags"] or 0, row["f.dst_flags"] or 0
    both = to_server | to_client
    tcp: Fields = {"tcp_flags": f"{both:02x}", "tcp_flags_ts": f"{to_server:02x}", "tcp_flags_tc": f"{to_client:02x}"}
    tcp |= {name: True for bit, name in _FLAGS if both & bit}
    if row["f.state"] is not None:
        tcp["state"] = row["f.state"].lower()
    for name, column in (("ts_gap", "f.src_missed_bytes"), ("tc_gap", "f.dst_missed_bytes")):
        if row[column]:
            tcp[name] = True
    return tcp
