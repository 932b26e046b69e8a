import struct

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.rdp import RDP, Rdp
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import RDP_REQUEST, RDP_TALK, tpkt, x224
from tests.dissect.samples_web import tls_talk

TLS_CHOSEN = x224(0xD0, b"\x02\x1f\x08\0\x02\0\0\0")


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(RDP)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_own_security() -> None:
    flow, (row,) = talk(*RDP_TALK)
    assert row == {
        "cookie": "jane",
        "requested_protocols": ["ssl", "hybrid", "hybrid_ex"],
        "protocol": "rdp",
        "client_name": "DESK-1",
        "client_build": 19045,
        "keyboard_layout": "00000407",
        "width": 1920,
        "height": 1080,
    }
    assert flow.talk.finished


def test_tls_inside() -> None:
    flow = DispatchedFlow(((CLIENT, RDP_REQUEST), (SERVER, TLS_CHOSEN), *tls_talk(12)))
    assert [r["protocol"] for r in flow.rows(Rdp)] == ["hybrid"]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    assert flow.talk.app == "rdp"
    silent = DispatchedFlow(((CLIENT, RDP_REQUEST), *(s for s in tls_talk(12) if s[0])))
    assert [r["sni"] for r in silent.rows(Tls)] == ["www.example.org"]


def test_requests_and_refusals() -> None:
    _, (row,) = talk((CLIENT, x224(0xE0, b"Cookie: msts=3640205228.15629.0000\r\n")), (SERVER, x224(0xD0, b"")))
    assert (row["routing_token"], row["protocol"]) == ("msts=3640205228.15629.0000", "rdp")
    flow, (row,) = talk((CLIENT, RDP_REQUEST), (SERVER, x224(0xD0, b"\x03\0\x08\0\x05\0\0\0")))
    assert row["failure"] == "hybrid required"
    assert flow.talk.finished
    flow, rows = talk((CLIENT, RDP_REQUEST), (CLIENT, b"junk"))
    assert len(rows) == 1
    assert flow.sink.anomalies
    with pytest.raises(DissectError):
        talk((CLIENT, tpkt(b"\x02\xf0\x80junk")))
    flow = Flow(RDP)
    flow.feed(RDP_REQUEST)
    flow.lose(3, SERVER)
    assert len(flow.rows) == 1


def syn(version: int, ack: bool) -> bytes:
    head = struct.pack(">IHHIHH", 7 if ack else 0xFFFFFFFF, 64, 0x1005 if ack else 0x1801, 99, 1232, 1232)
    return (head + (b"" if ack else bytes(32)) + struct.pack(">HH", 1, version)).ljust(1232, b"\0")


def first(number: int, data: bytes) -> bytes:
    return struct.pack(">IHHHHII", 1, 64, 0xC, 1, 0, number, number) + data


def second(number: int, data: bytes) -> bytes:
    made = b"\xe0\x05\xc0" + bytes(6) + b"\x01\x07" + struct.pack("<HH", 100 + number, number) + data
    return made[7:8] + made[1:7] + made[:1] + made[8:]


def udp(*said: tuple[bool, bytes]) -> DispatchedFlow:
    return DispatchedFlow(said, port=3389, transport="udp")


def pieces(wrap: object, start: int = 1) -> list[tuple[bool, bytes]]:
    made = []
    count = {True: start, False: start}
    for side, data in tls_talk(12):
        for at in range(0, len(data), 500):
            made.append((side, wrap(count[side], data[at : at + 500])))  # type: ignore[operator]
            count[side] += 1
    return made


@pytest.mark.parametrize(("version", "wrap", "said"), [(2, first, "rdpeudp 2"), (0x0101, second, "rdpeudp 3")])
def test_udp(version: int, wrap: object, said: str) -> None:
    start = ((CLIENT, syn(version, False)), (SERVER, syn(version, True)))
    parts = pieces(wrap)
    flow = udp(*start, *parts)
    assert [r["protocol"] for r in flow.rows(Rdp)] == [said]
    assert [(r["sni"], r["version"]) for r in flow.rows(Tls)] == [("www.example.org", "TLS 1.2")]
    assert flow.talk.app == "rdp"
    at = next(i for i, (side, _) in enumerate(parts) if side == SERVER)
    twisted = [*parts[: at + 1], *reversed(parts[at + 1 : at + 3]), *parts[at:]]
    assert [r["sni"] for r in udp(*start, *twisted).rows(Tls)] == ["www.example.org"]
    lost = [*parts[: at + 1], *parts[at + 2 :]]
    assert [r["sni"] for r in udp(*start, *lost).rows(Tls)] == ["www.example.org"]


def test_udp_without_a_handshake() -> None:
    flow = udp((CLIENT, syn(2, False)), (SERVER, syn(2, True)), (CLIENT, first(1, b"\x16\xfe\xff")))
    assert [r["protocol"] for r in flow.rows(Rdp)] == ["rdpeudp 2"]
    assert flow.talk.finished
    for cut in range(8, 30):
        udp((CLIENT, syn(2, False)), (SERVER, syn(0x101, True)), (CLIENT, second(1, b"\x16\x03\x01")[:cut]))
        udp((CLIENT, syn(2, False)), (SERVER, syn(2, True)), (CLIENT, first(1, b"\x16\x03\x01")[:cut]))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (RDP_REQUEST, 9999, YES),
        (RDP_REQUEST[:12], 9999, MORE),
        (x224(0xE0, b""), 3389, YES),
        (x224(0xE0, b""), 9999, NO),
        (x224(0xE0, b"\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02"), 102, NO),
        (TLS_CHOSEN, 9999, YES),
        (b"\x03\0\0\x20\x01\xe0", 3389, NO),
        (b"GET / HTTP/1.1\r\n", 3389, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(RDP, dst_port=port).probe(data) == verdict


def test_probe_of_datagrams() -> None:
    assert Flow(RDP, "udp").probe(syn(2, False)) == YES
    assert Flow(RDP, "udp").probe(syn(2, True)) == YES
    assert Flow(RDP, "udp", dst_port=9999).probe(syn(2, False)) == NO
    assert Flow(RDP, "udp").probe(bytes(1232)) == NO
