"""tshark reads rewritten payloads without more complaints than their originals, and the replaced names in them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.export.redacted_packets.payloads.registry import PROTOCOLS
from rustnet.policy.redaction import SHARE, STRICT, Policy
from rustnet.records import Kind
from tests.dissect.samples import SAMPLES, Sample
from tests.export.payloads.support import CLIENT, context, datagram, redactor, stream
from tests.support.packets import ACK, PSH, START, SYN, Captured, tcp_frame, udp_frame
from tests.support.pcap import pcap_file

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

PROBLEM = "_ws.malformed || _ws.expert.severity == error"
SERVER = "198.51.100.2"
MSS = 300
"""Bytes of a segment: messages are spread over several."""


def _frames(number: int, app: str, sample: Sample, policy: Policy) -> Iterator[tuple[bytes, bytes]]:
    """Packets of a conversation, and what is captured of them after rewriting."""
    client = (f"192.0.2.{number}", 40000 + number)
    ends = {True: (client, (SERVER, sample.port)), False: ((SERVER, sample.port), client)}
    if sample.transport == "udp":
        for side, data in sample.talk:
            what = context(app, "udp", sample.port, client=side, policy=policy)
            shown, kept = datagram(data, what)
            yield udp_frame(*ends[side], data), udp_frame(*ends[side], shown)[: 42 + kept]
        return
    memory: dict[str, object] = {}
    whole, spans, at = {}, {}, {True: 1, False: 1}
    for side in (CLIENT, not CLIENT):
        what = context(app, "tcp", sample.port, client=side, policy=policy)
        what.memory = memory
        whole[side], spans[side] = stream(b"".join(data for of, data in sample.talk if of is side), what)
        syn = tcp_frame(*ends[side], 0, 0 if side else 1, SYN if side else SYN | ACK)
        yield syn, syn
    for side, message in sample.talk:
        for start in range(0, len(message), MSS):
            data = message[start : start + MSS]
            first = at[side] - 1
            kept = max(
                (min(stop, first + len(data)) - first for a, stop in spans[side] if a < first + len(data)), default=0
            )
            shown = whole[side][first : first + len(data)]
            frame, after = (tcp_frame(*ends[side], at[side], at[not side], PSH | ACK, each) for each in (data, shown))
            yield frame, after[: 54 + max(0, kept)]
            at[side] += len(data)


def _tshark(path: Path, *options: str) -> list[str]:
    done = subprocess.run(
        ["tshark", "-r", str(path), *options], capture_output=True, text=True, check=True
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.parametrize("policy", [SHARE, STRICT], ids=lambda policy: policy.name)
def test_no_more_problems(tmp_path: Path, policy: Policy) -> None:
    before, after, owners = [], [], []
    conversations = [(app, each) for app in PROTOCOLS for each in SAMPLES[app] if each.transport in ("udp", "tcp")]
    for number, (app, sample) in enumerate(conversations, 1):
        for frame, shown in _frames(number, app, sample, policy):
            owners.append(app)
            ts = START + len(owners) * 1_000_000
            before.append(Captured(ts, frame))
            after.append(Captured(ts, shown, length=len(frame)))
    for name, packets in (("before", before), ("after", after)):
        (tmp_path / f"{name}.pcap").write_bytes(pcap_file(packets))
    problems = {
        name: {
            int(line)
            for line in _tshark(tmp_path / f"{name}.pcap", "-Y", PROBLEM, "-T", "fields", "-e", "frame.number")
        }
        for name in ("before", "after")
    }
    more = problems["after"] - problems["before"]
    assert not more, sorted({owners[number - 1] for number in more})


def test_names_that_tshark_reads(tmp_path: Path) -> None:
    packets: list[Captured] = []
    for number, app in enumerate(("dns", "tls", "http", "dhcp"), 1):
        for frame, shown in _frames(number, app, SAMPLES[app][0], SHARE):
            packets.append(Captured(START + len(packets) * 1_000_000, shown, length=len(frame)))
    path = tmp_path / "after.pcap"
    path.write_bytes(pcap_file(packets))
    fields = ("dns.qry.name", "tls.handshake.extensions_server_name", "http.host", "dhcp.option.hostname")
    read = _tshark(path, "-T", "fields", *(part for name in fields for part in ("-e", name)))
    values = {name: {row.split("\t")[at] for row in read} - {""} for at, name in enumerate(fields)}
    one = redactor()
    www = str(one.value(Kind.HOST, "www.example.com")).split(".")
    assert values["dns.qry.name"] == {f"www.{www[1][2:9]}.com"}
    assert all(values.values())
    assert not any("example.com" in value or "laptop" in value for shown in values.values() for value in shown)
