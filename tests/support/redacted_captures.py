"""Comparison of a capture with its redacted one: by replaying both, and by what tshark decodes of both."""

import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rustnet.export.redacted_packets.counts import PacketCounts
from rustnet.export.redacted_packets.writing import write_redacted_pcapng
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.policy.redaction import Redactor
from rustnet.query.session import open_session
from rustnet.records import Kind

SHAPE = """
SELECT protocol, coalesce(src_ip, ''), coalesce(src_port, 0), coalesce(dst_ip, ''), coalesce(dst_port, 0),
    coalesce(vlan_id, 0), coalesce(tunnel, ''), epoch_ns(started_at), epoch_ns(ended_at), src_packets, dst_packets,
    src_bytes, dst_bytes, fragments, CASE WHEN protocol = 'tcp' THEN conn_state END,
    CASE WHEN protocol = 'tcp' THEN history END
FROM flows ORDER BY first_packet, flow_id"""
SHAPE_NAMES = (
    "protocol", "src_ip", "src_port", "dst_ip", "dst_port", "vlan", "tunnel", "started", "ended", "src_packets",
    "dst_packets", "src_bytes", "dst_bytes", "fragments", "conn_state", "history",
)  # fmt: skip
FIELDS = (
    "eth.addr", "wlan.addr", "sll.src.eth", "ip.addr", "ipv6.addr", "arp.src.proto_ipv4", "arp.dst.proto_ipv4",
    "arp.src.hw_mac", "arp.dst.hw_mac", "icmpv6.nd.ns.target_address", "icmpv6.nd.na.target_address",
    "icmpv6.opt.linkaddr", "icmpv6.opt.prefix", "icmpv6.opt.rdnss", "icmp.redir_gw", "igmp.maddr",
    "icmpv6.mldr.mar.multicast_address", "ipv6.routing.rpl.full_address", "sctp.parameter_ipv4_address",
    "dns.a", "dns.aaaa", "dns.qry.name", "dns.resp.name", "dhcp.ip.your", "dhcp.hw.mac_addr", "dhcp.option.hostname",
    "tls.handshake.extensions_server_name", "http.host", "http.user_agent", "nbns.name", "frame.comment",
    "tcp.options.tfo.cookie", "tcp.options.mptcp.ipv4", "wlan.ssid",
)  # fmt: skip
"""Decoded fields that hold what identifies."""
CHECKS = tuple(f"{name}.check_checksum:TRUE" for name in ("ip", "tcp", "udp"))
STATUS = tuple(f"{name}.checksum.status" for name in ("ip", "tcp", "udp", "icmp", "icmpv6"))
ERROR = "8388608"
"""Severity of an error that tshark reports."""


@dataclass
class Decoded:
    """What tshark decodes of a capture."""

    packets: int = 0
    malformed: int = 0
    """Packets that are malformed, or for which it reports an error."""
    bad_checksums: int = 0
    values: set[str] = field(default_factory=set)
    """Values of the `FIELDS`."""


def decoded(path: Path) -> Decoded:
    """Decode a capture by tshark, checksums included."""
    checks = [word for check in CHECKS for word in ("-o", check)]
    names = ("_ws.malformed", "_ws.expert.severity", *STATUS, *FIELDS)
    fields = [f"-e{name}" for name in names]
    command = ["tshark", "-n", "-r", str(path), *checks, "-T", "fields", "-E", "aggregator=|", *fields]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}, timeout=600)
    result = Decoded()
    for line in done.stdout.decode("utf-8", "replace").split("\n")[:-1]:
        malformed, severity, *cells = line.split("\t")
        result.packets += 1
        result.malformed += bool(malformed) or ERROR in severity.split("|")
        result.bad_checksums += any("0" in cell.split("|") for cell in cells[: len(STATUS)])
        result.values.update(value for cell in cells[len(STATUS) :] for value in cell.split("|") if value)
    return result


@dataclass
class Compared:
    """Differences between a capture and its redacted one."""

    counts: PacketCounts
    packets: int = 0
    flows: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    """Flows by the first column in which they differ."""
    examples: list[Any] = field(default_factory=list)
    malformed: tuple[int, int] = (0, 0)
    bad_checksums: tuple[int, int] = (0, 0)
    leaked: list[str] = field(default_factory=list)
    tshark_packets: int = -1
    """Packets that tshark reads; -1: it was not asked."""


def replay(path: Path, session: Path) -> None:
    """Replay one capture."""
    report = ingest([str(path)], str(session), Options())
    assert not report.failed, report.failed


def redact(session: Path, redactor: Redactor, target: Path, *sources: Path) -> PacketCounts:
    """Write the redacted packets of a session."""
    with open_session(str(session)) as reader, target.open("wb") as stream:
        return write_redacted_pcapng(reader, redactor, stream, tuple(map(str, sources)))


def expected_shapes(session: Path, redactor: Redactor | None) -> list[tuple[Any, ...]]:
    """Shapes of the flows of a session, with replacements."""
    with open_session(str(session)) as reader:
        rows = reader.execute_own(SHAPE, ()).rows
    if redactor is None:
        return rows
    shapes = []
    for row in rows:
        cells = list(row)
        for at in (1, 3):
            cells[at] = redactor.value(Kind.ADDRESS, cells[at]) if cells[at] else ""
        for at in (2, 4):
            cells[at] = redactor.value(Kind.PORT, cells[at])
        for at in (7, 8):
            cells[at] = redactor.moment_ns(cells[at])
        shapes.append(tuple(cells))
    return shapes


def compare(path: Path, folder: Path, redactor: Redactor, *, with_tshark: bool = True) -> Compared:
    """Replay a capture, redact it, replay that, and compare."""
    session, target, again = folder / "a.duckdb", folder / "redacted.pcapng", folder / "b.duckdb"
    for old in (session, again):
        old.unlink(missing_ok=True)
    replay(path, session)
    result = Compared(redact(session, redactor, target, path))
    replay(target, again)
    before, after = expected_shapes(session, redactor), expected_shapes(again, None)
    result.flows = len(before)
    result.packets = result.counts.packets
    if len(before) != len(after):
        result.differences["count"] += abs(len(before) - len(after)) or 1
    rest = list((Counter(before) - Counter(after)).elements())
    others = list((Counter(after) - Counter(before)).elements())
    for one, other in zip(rest, others, strict=False):
        names = [name for name, a, b in zip(SHAPE_NAMES, one, other, strict=True) if a != b]
        result.differences[names[0]] += 1
        result.examples.append((names, one, other))
    if with_tshark:
        compare_decoded(path, target, redactor, result)
    return result


def compare_decoded(path: Path, target: Path, redactor: Redactor, result: Compared) -> None:
    """Compare what tshark decodes of both."""
    before, after = decoded(path), decoded(target)
    result.malformed = before.malformed, after.malformed
    result.bad_checksums = before.bad_checksums, after.bad_checksums
    result.tshark_packets = after.packets
    originals, shown = before.values, after.values
    names = {"<Root>", "in-addr.arpa", "ip6.arpa"}
    replaced = (redactor.names.host, redactor.names.mac, lambda text: redactor.value(Kind.SOFTWARE, text))
    stay = names | {value for value in originals if any(value == replace(value) for replace in replaced)}
    images = {redactor.names.host(value) for value in originals} | {redactor.names.mac(value) for value in originals}
    result.leaked = sorted((originals & shown) - stay - images)


def problems(result: Compared) -> list[str]:
    """What differs that should not, each beginning with a word for its sort."""
    counts = result.counts
    wrong = []
    if result.differences:
        wrong.append(f"flows {dict(result.differences)} of {result.flows}; {result.examples[:1]}")
    if result.malformed[1] > result.malformed[0]:
        wrong.append(f"malformed {result.malformed}")
    if result.bad_checksums[1] > result.bad_checksums[0]:
        wrong.append(f"checksums {result.bad_checksums}")
    if result.leaked:
        wrong.append(f"leaked {result.leaked[:5]}")
    if result.tshark_packets not in (-1, result.packets):
        wrong.append(f"tshark reads {result.tshark_packets} of {result.packets}")
    if counts.cut["failed"] or counts.failed_payloads:
        wrong.append(f"failed {counts.cut['failed']} {counts.failed_payloads}")
    return wrong
