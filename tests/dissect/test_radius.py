import struct

import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.radius import MAX_ROWS, RADIUS, Radius
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import RADIUS_ACCEPT, RADIUS_REQUEST, radius


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Radius]]:
    flow = Flow(RADIUS, "udp")
    for from_src, data in said:
        if not flow.talk.finished:
            flow.datagram(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Radius)]


def test_the_example_of_the_rfc() -> None:
    _, (asked, answer) = talk((CLIENT, RADIUS_REQUEST), (SERVER, RADIUS_ACCEPT))
    assert (asked.message, asked.username, asked.auth_method) == ("Access-Request", "nemo", "pap")
    assert (asked.nas_ip, asked.nas_port, asked.response_ms) == ("192.168.1.16", 3, None)
    assert (answer.message, answer.response_ms) == ("Access-Accept", 1.0)


def test_no_secret_is_kept() -> None:
    secrets = (b"SecretPassword!!", b"SecretChapAnswer")
    _, (row,) = talk((CLIENT, radius(1, 7, (1, b"u"), (2, secrets[0]), (3, b"\1" + secrets[1]), (80, bytes(16)))))
    assert row.auth_method == "chap"
    kept = repr([getattr(row, name) for name in row.__slots__])  # type: ignore[attr-defined]
    assert "Secret" not in kept


def test_accounting() -> None:
    attributes = (
        (40, struct.pack(">I", 2)),
        (44, b"0000001A"),
        (46, struct.pack(">I", 3600)),
        (42, struct.pack(">I", 5)),
        (52, struct.pack(">I", 1)),
        (43, struct.pack(">I", 9)),
        (8, bytes([10, 0, 0, 5])),
        (31, b"02-00-00-00-00-01"),
        (30, b"AP:ssid"),
        (32, b"nas1"),
        (26, struct.pack(">I", 9) + b"\1\6abcd"),
        (26, struct.pack(">I", 311) + b"\x0b\6abcd"),
        (26, b"x"),
        (95, bytes.fromhex("20010db8000000000000000000000001")),
    )
    _, (row, answer) = talk((CLIENT, radius(4, 3, *attributes)), (SERVER, radius(5, 3)))
    assert (row.accounting_status, row.accounting_session, row.session_seconds) == ("Stop", "0000001A", 3600)
    assert (row.input_octets, row.output_octets) == ((1 << 32) + 5, 9)
    assert (row.framed_ip, row.calling_station, row.called_station) == ("10.0.0.5", "02-00-00-00-00-01", "AP:ssid")
    assert (row.nas_identifier, row.nas_ip, row.vendors) == ("nas1", "2001:db8::1", ["9", "311"])
    assert row.auth_method == "mschap"
    assert answer.response_ms == 1.0


COA = radius(43, 9, (44, b"0000001A"), (4, bytes([192, 0, 2, 9])))


def test_changes_of_authorization() -> None:
    asked, refused, closed, gone = talk(
        (CLIENT, COA),
        (SERVER, radius(45, 9, (101, struct.pack(">I", 503)))),
        (CLIENT, radius(40, 10, (1, b"jane"))),
        (SERVER, radius(42, 10, (101, struct.pack(">I", 999)))),
    )[1]
    assert (asked.message, asked.accounting_session, asked.nas_ip) == ("CoA-Request", "0000001A", "192.0.2.9")
    assert (refused.message, refused.error_cause, refused.response_ms) == ("CoA-NAK", "Session-Context-Not-Found", 1.0)
    assert (closed.message, closed.username) == ("Disconnect-Request", "jane")
    assert (gone.message, gone.error_cause) == ("Disconnect-NAK", "999")


def test_names_of_rare_codes() -> None:
    _, made = talk(*((CLIENT, radius(code, 1)) for code in (7, 21, 26, 33, 50, 52)))
    assert [row.message for row in made] == [
        "Password-Request", "Resource-Free-Request", "NAS-Reboot-Request", "Event-Request", "IP-Address-Allocate",
        "Protocol-Error",
    ]  # fmt: skip


def test_a_pair_on_any_port() -> None:
    def offered(*said: tuple[bool, bytes]) -> DispatchedFlow:
        return DispatchedFlow(said, port=9999, transport="udp")

    asked, answer = (CLIENT, radius(40, 7, (1, b"jane"))), (SERVER, radius(41, 7))
    flow = offered(asked, answer)
    assert [(r["message"], r.get("username"), r.get("response_ms")) for r in flow.rows(Radius)] == [
        ("Disconnect-Request", "jane", None), ("Disconnect-ACK", None, 1.0),
    ]  # fmt: skip
    assert flow.sink.stamps == [(1_001_000_000, 1), (1_002_000_000, 2)]
    assert flow.talk.app == "radius"
    for other in (radius(41, 8), radius(44, 7), radius(2, 7), b"\x29\7\0\x15" + bytes(17)):
        assert offered(asked, (SERVER, other)).sink.rows == []
    assert offered(asked, asked, asked).sink.rows == []


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, b"\1"))
    with pytest.raises(DissectError):
        talk((CLIENT, radius(99, 1)))
    flow, (row,) = talk((CLIENT, RADIUS_REQUEST[:40]))
    assert row.username == "nemo"
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_radius"]
    _, (row,) = talk((CLIENT, radius(1, 1, (1, b"a\0b"), (4, b"12"))))
    assert (row.username, row.nas_ip) == ("a", None)


def test_rows_are_bounded() -> None:
    flow, rows = talk(*((CLIENT, radius(1, n & 255, (1, b"u"))) for n in range(MAX_ROWS + 10)))
    assert len(rows) == MAX_ROWS
    assert flow.talk.finished


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (RADIUS_REQUEST, 1812, YES),
        (RADIUS_REQUEST, 9999, YES),
        (RADIUS_REQUEST + b"\0", 1812, NO),
        (radius(77, 1), 1812, NO),
        (radius(1, 1, (1, b"u")), 9999, NO),
        (radius(1, 1, (1, b"u"), (4, b"123"), (5, bytes(4))), 9999, NO),
        (radius(1, 1, (1, b"u"))[:-1] + b"\0", 1812, YES),
        (radius(43, 1, (44, b"1A"), (80, bytes(16))), 9999, YES),
        (radius(43, 1, (44, b"1A"), (80, bytes(15))), 9999, NO),
        (radius(50, 1, (44, b"1A"), (1, b"u"), (4, bytes(4))), 9999, NO),
        (COA, 1700, YES),
        (radius(41, 1), 1700, YES),
        (radius(1, 1, (1, b"u"))[:-1] + b"\0", 1700, YES),
        (b"\2\1\0\x18\0\1\2\3\4\5\6\7" + b'{"stat":{}}'.ljust(12), 1700, NO),
        (COA[:-1], 1700, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(RADIUS, "udp", dst_port=port).probe(data) == verdict
