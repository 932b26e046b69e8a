"""Captures of real programs, and sessions crafted by scapy, against the reference."""

import warnings
from pathlib import Path

import pytest

from rustnet.sources.files import open_source
from tests.engine.agreement import ask_engine, ask_reference, differences
from tests.support.packets import START, Captured
from tests.support.paths import CORPUS, ROOT
from tests.support.uncompiled import RUNS_PURE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Dot1Q, Ether
    from scapy.packet import Packet

SAMPLES = sorted((ROOT / "sample_pcaps").glob("*.pcap"))
MOST = 3_000 if not RUNS_PURE else 300


def plain_packets(path: Path) -> list[Captured]:
    """Packets of a capture that the reference understands: whole Ethernet frames, no options, fragments or tunnels."""
    found: list[Captured] = []
    source = open_source(str(path))
    try:
        for frames in source.batches():
            for i in range(frames.count):
                data = frames.frame(i)
                whole = frames.captured[i] == frames.length[i] and frames.link[i] == 1
                if whole and len(found) < MOST and understood(data):
                    found.append(Captured(frames.ts[i], data))
    finally:
        source.close()
    return found


def understood(data: bytes) -> bool:
    """Whether the reference reads a frame."""
    at = 12
    while data[at : at + 2] == b"\x81\0" and at == 12:
        at += 4
    kind, at = data[at : at + 2], at + 2
    if kind == b"\x08\0" and len(data) >= at + 28:
        plain = data[at] == 0x45 and not (data[at + 6] & 0x3F or data[at + 7])
        number, body, ports = data[at + 9], at + 20, int.from_bytes(data[at + 2 : at + 4], "big") - 20
    elif kind == b"\x86\xdd" and len(data) >= at + 48:
        plain, number, body = True, data[at + 6], at + 40
        ports = int.from_bytes(data[at + 4 : at + 6], "big")
    else:
        return False
    if not plain or ports > len(data) - body:
        return False
    if number == 6:
        return ports >= 20 and 20 <= (data[body + 12] >> 4) * 4 <= ports
    tunnels = {4789, 8472, 6081, 2152, 3544, 1701, 5247}
    ends = {int.from_bytes(data[body + x : body + x + 2], "big") for x in (0, 2)}
    return (
        number == 17 and ports >= 8 and not ends & tunnels and int.from_bytes(data[body + 4 : body + 6], "big") == ports
    )


def agree(packets: list[Captured]) -> None:
    engine, reference = ask_engine(packets, [len(packets) // 3]), ask_reference(packets)
    assert differences(engine[0], reference[0]) == []
    assert engine[1:] == reference[1:]


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_samples(path: Path) -> None:
    packets = plain_packets(path)
    assert packets
    agree(packets)


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public test captures are not beside the project")
def test_corpus() -> None:
    seen = 0
    for path in sorted(CORPUS.rglob("*.pcap*"))[:: 1 if not RUNS_PURE else 20]:
        if path.stat().st_size > 150_000:
            continue
        try:
            packets = plain_packets(path)
        except Exception as problem:  # noqa: BLE001 - not a capture: the sources' own tests look at that
            assert type(problem).__name__ == "InputError"  # noqa: PT017
            continue
        if packets:
            agree(packets)
            seen += 1
    assert seen > 50 or RUNS_PURE


def session(client: Packet, server: Packet, loss: int) -> list[bytes]:
    """An HTTP session as scapy writes it, with every ``loss``-th packet left out."""
    to, back = TCP(sport=40_000, dport=80), TCP(sport=80, dport=40_000)
    ask, body = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", bytes(range(256)) * 20
    made = [
        client / to.copy() / b"",
        server / TCP(sport=80, dport=40_000, flags="SA", seq=0xFFFFF000, ack=1, options=[("MSS", 1460), ("WScale", 7)]),
        client / TCP(sport=40_000, dport=80, flags="A", seq=1, ack=0xFFFFF001),
        client / TCP(sport=40_000, dport=80, flags="PA", seq=1, ack=0xFFFFF001) / ask,
    ]
    for at in range(0, len(body), 1_000):
        seq = (0xFFFFF001 + at) & 0xFFFFFFFF
        part = body[at : at + 1_000]
        made.append(server / TCP(sport=80, dport=40_000, flags="A", seq=seq, ack=1 + len(ask)) / part)
        ack = (seq + len(part)) & 0xFFFFFFFF
        made.append(client / TCP(sport=40_000, dport=80, flags="A", seq=1 + len(ask), ack=ack))
    end = (0xFFFFF001 + len(body)) & 0xFFFFFFFF
    made.append(server / TCP(sport=80, dport=40_000, flags="FA", seq=end, ack=1 + len(ask)))
    made.append(client / TCP(sport=40_000, dport=80, flags="FA", seq=1 + len(ask), ack=(end + 1) & 0xFFFFFFFF))
    made.append(server / TCP(sport=80, dport=40_000, flags="A", seq=(end + 1) & 0xFFFFFFFF, ack=2 + len(ask)))
    made.append(client / UDP(sport=5, dport=53) / b"query")
    del back
    return [bytes(packet) for i, packet in enumerate(made) if not loss or i % loss]


@pytest.mark.parametrize("loss", [0, 2, 3, 5, 7])
@pytest.mark.parametrize("version", [4, 6, 14])
def test_scapy_sessions(version: int, loss: int) -> None:
    link = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    if version == 14:
        link = link / Dot1Q(vlan=12)
    if version == 6:
        client, server = (
            link / IPv6(src="2001:db8::1", dst="2001:db8::2"),
            link / IPv6(src="2001:db8::2", dst="2001:db8::1"),
        )
    else:
        client, server = link / IP(src="10.0.0.1", dst="10.0.0.2"), link / IP(src="10.0.0.2", dst="10.0.0.1")
    packets = [Captured(START + i * 700_000, data) for i, data in enumerate(session(client, server, loss))]
    agree(packets)
    if not loss:
        flow = ask_engine(packets)[0][0]
        assert (flow["conn_state"], flow["state"], flow["dst_payload"]) == ("SF", "CLOSED", 5_120)
