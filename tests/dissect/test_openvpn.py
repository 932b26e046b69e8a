import struct

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.openvpn import OPENVPN, Openvpn
from rustnet.dissect.tls.parser import Tls
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import CLIENT_SESSION, SERVER_SESSION, control, framed, openvpn_talk

STAMP = struct.pack(">II", 1, 0x63CF4FF5)
CRYPT = b"\x38" + CLIENT_SESSION + STAMP + bytes(range(32, 69))


def talk(said: tuple[tuple[bool, bytes], ...], transport: str = "udp") -> tuple[Flow, Openvpn, list[Tls]]:
    flow = Flow(OPENVPN, transport)
    for from_src, data in said:
        if flow.talk.finished:
            continue
        if transport == "udp":
            flow.datagram(data, from_src)
        else:
            flow.tick()
            flow.feed(data, from_src)
    flow.close()
    (row,) = [row for row in flow.rows if isinstance(row, Openvpn)]
    return flow, row, [row for row in flow.rows if isinstance(row, Tls)]


@pytest.mark.parametrize("hmac", [0, 16, 20, 32, 48, 64])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_session_and_the_handshake_inside(hmac: int, transport: str) -> None:
    said = openvpn_talk(hmac)
    flow, row, (tls,) = talk(said if transport == "udp" else framed(said), transport)
    assert (row.reset, row.transport) == ("client-reset-v2", transport)
    assert (row.client_session, row.server_session) == (CLIENT_SESSION.hex(), SERVER_SESSION.hex())
    assert (row.control_channel, row.hmac_bits) == (("tls-auth", hmac * 8) if hmac else ("plain", None))
    assert (row.established, row.response_ms) == (True, 1.0)
    assert (tls.sni, tls.subject) == ("www.example.org", "CN=server.example")
    assert (flow.talk.state, flow.talk.finished) == ("ESTABLISHED", True)


def test_control_packets_out_of_order_and_repeated() -> None:
    said = list(openvpn_talk(20))
    said[3], said[4] = said[4], said[3]
    _, _, (tls,) = talk((*said[:6], *said[2:5], *said[6:]))
    assert tls.subject == "CN=server.example"


def test_tls_crypt() -> None:
    server = b"\x40" + SERVER_SESSION + STAMP + bytes(range(32, 81))
    _, row, tls = talk(
        ((CLIENT, CRYPT), (SERVER, server), (CLIENT, b"\x20" + bytes(80)), (CLIENT, b"\x48" + bytes(80)))
    )
    assert (row.control_channel, row.established, tls) == ("tls-crypt", True, [])
    assert row.server_session == SERVER_SESSION.hex()
    second = b"\x50" + CLIENT_SESSION + STAMP + bytes(range(200))
    _, row, _ = talk(((CLIENT, second),))
    assert (row.control_channel, row.reset) == ("tls-crypt-v2", "client-reset-v3")


def test_one_sided_captures() -> None:
    said = openvpn_talk()
    _, row, (tls,) = talk(tuple((side, data) for side, data in said if side == SERVER))
    assert (row.client_session, row.server_session, row.reset) == (None, SERVER_SESSION.hex(), "server-reset-v2")
    assert tls.subject == "CN=server.example"


def test_junk_inside_costs_only_the_tls_row() -> None:
    said = openvpn_talk()[:2]
    flow, row, tls = talk(
        (*said, (CLIENT, control(4, CLIENT_SESSION, 1, b"\xffjunk" * 9)), (CLIENT, b"\x30" + bytes(40)))
    )
    assert (row.established, tls) == (True, [])
    assert flow.talk.finished


def test_nothing_is_read_for_ever() -> None:
    reset = control(7, CLIENT_SESSION, 0)
    flow, _, _ = talk(tuple((CLIENT, reset) for _ in range(500)))
    assert flow.talk.packet == 200
    flow, _, _ = talk((*openvpn_talk()[:2], *((CLIENT, control(4, CLIENT_SESSION, n, b"x")) for n in range(5, 180))))
    assert len(flow.parser.waiting[1]) <= 64  # type: ignore[attr-defined]


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk(((CLIENT, b"\x20" + bytes(40)),))
    with pytest.raises(DissectError):
        talk(((CLIENT, b"\x38" + bytes(50)),))


@pytest.mark.parametrize(
    ("data", "transport", "verdict"),
    [
        (control(7, CLIENT_SESSION, 0), "udp", YES),
        (control(8, SERVER_SESSION, 0, b"", (0,), 64), "udp", YES),
        (CRYPT, "udp", YES),
        (CRYPT + b"\0", "udp", NO),
        (CRYPT[:9] + bytes(8) + CRYPT[17:], "udp", NO),
        (b"\x38" + bytes(13), "udp", NO),
        (control(7, CLIENT_SESSION, 0)[:-1] + b"\1", "udp", NO),
        (b"8" * 42, "udp", NO),
        (b"\0", "tcp", MORE),
        (b"\0\x0e8", "tcp", MORE),
        (b"\0\x0e\x48", "tcp", NO),
        (b"\0\x0e" + control(7, CLIENT_SESSION, 0), "tcp", YES),
    ],
)
def test_probe(data: bytes, transport: str, verdict: int) -> None:
    assert Flow(OPENVPN, transport, dst_port=9999).probe(data) == verdict
