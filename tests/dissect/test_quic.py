from itertools import pairwise

import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.quic.crypto import secrets
from rustnet.dissect.quic.packet import CryptoStream, parameters, version_name
from rustnet.dissect.quic.packet import varint as read_varint
from rustnet.dissect.quic.parser import QUIC, Quic
from rustnet.engine import flow as engine_flow
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import (
    CHLO,
    DCID,
    GOOGLE_43,
    GOOGLE_46,
    HANDSHAKE,
    PARAMETERS,
    QUIC_TALK,
    SALT_1,
    SALT_2,
    SALT_29,
    SCID,
    SERVER_CID,
    SERVER_INITIAL,
    SHORT,
    chlo,
    crypto,
    hello,
    initial,
    server_hello,
    varint,
)
from tests.dissect.samples_web import numbers, vector


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, Quic]:
    flow = Flow(QUIC, "udp")
    for from_src, data in said:
        if not flow.talk.finished:
            flow.datagram(data, from_src)
    flow.close()
    (row,) = flow.rows
    assert isinstance(row, Quic)
    return flow, row


def timeouts(*said: tuple[bool, bytes]) -> list[tuple[str | None, float]]:
    """State and idle timeout of a flow, in seconds, after each datagram."""
    flow = Flow(QUIC, "udp")
    flow.talk.flow = engine_flow.Flow()
    seen = []
    for from_src, data in said:
        flow.datagram(data, from_src)
        seen.append((flow.talk.state, flow.talk.flow.timeout / 1e9))
    return seen


def server(frames: bytes, **more: object) -> bytes:
    return initial(frames, client=False, dcid=SCID, scid=SERVER_CID, **more)  # type: ignore[arg-type]


def test_header_protection_of_the_rfc() -> None:
    keys = secrets(1, DCID)[0]
    assert keys.client.mask(bytes.fromhex("d1b1c98dd7689fb8ec11d242b123dc9b"))[:5].hex() == "437b9aec36"  # A.2
    assert keys.server.mask(bytes.fromhex("2cd0991cd25b0aac406a5816b6394100"))[:5].hex() == "2ec0d8356a"  # A.3


def test_a_handshake() -> None:
    flow, row = talk(*QUIC_TALK)
    assert (row.sni, row.version, row.alpn, row.offered_alpn) == ("quic.example", "1", "h3", ["h3", "h3-29"])
    assert (row.dcid, row.scid, row.server_cid) == (DCID.hex(), SCID.hex(), SERVER_CID.hex())
    assert (row.cipher, row.key_group) == ("TLS_AES_128_GCM_SHA256", "x25519")
    assert (row.idle_timeout_ms, row.user_agent) == (30_000, "test/1.0")
    assert row.ja4 is not None
    assert row.ja4.startswith("q13d0204h3_")
    assert row.established
    assert (flow.talk.state, flow.talk.finished) == ("QUIC_CONNECTED", True)
    assert (flow.talk.hostname, flow.talk.hostname_source) == ("quic.example", "sni")
    assert flow.sink.stamps == [(1_001_000_000, 1)]


def test_states() -> None:
    flow = Flow(QUIC, "udp")
    seen = []
    for from_src, data in ((CLIENT, initial(crypto(hello()))), (SERVER, SERVER_INITIAL), (CLIENT, SHORT)):
        flow.datagram(data, from_src)
        seen.append(flow.talk.state)
    assert seen == ["QUIC_INITIAL", "QUIC_HANDSHAKE", "QUIC_CONNECTED"]


def test_a_hello_in_pieces_over_packets_that_come_out_of_order() -> None:
    data = hello("a-long-name.quic.example")
    cuts = [0, 10, 11, 60, 100, len(data)]
    pieces = [crypto(data[a:z], a) for a, z in pairwise(cuts)]
    first = initial(pieces[3] + b"\x01\0\0" + pieces[1], 0)
    second = initial(pieces[4] + b"\x01" + pieces[0], 1)
    third = initial(b"\x02\x05\x00\x00\x00" + pieces[2] + pieces[0], 3)
    _, row = talk((CLIENT, first), (CLIENT, third), (CLIENT, second))
    assert row.sni == "a-long-name.quic.example"


def test_coalesced_initials() -> None:
    data = hello()
    both = initial(crypto(data[:80]), 0, fill=0) + initial(crypto(data[80:], 80), 1)
    assert talk((CLIENT, both))[1].sni == "quic.example"


@pytest.mark.parametrize(
    ("version", "salt", "name"),
    [
        (0x6B3343CF, SALT_2, "2"),
        (0xFF00001D, SALT_29, "draft-29"),
        (0xFF000020, SALT_29, "draft-32"),
        (0xFF000022, SALT_1, "draft-34"),
        (0xFACEB013, SALT_1, "0xfaceb013"),
        (0x1A2A3A4A, SALT_1, "0x1a2a3a4a"),
    ],
)
def test_versions(version: int, salt: bytes, name: str) -> None:
    data = initial(crypto(hello()), version=version, salt=salt)
    assert Flow(QUIC, "udp", dst_port=9999).probe(data) == YES
    assert (talk((CLIENT, data))[1].version, talk((CLIENT, data))[1].sni) == (name, "quic.example")


def test_a_compatible_version() -> None:
    answer = server(crypto(server_hello()), version=0x6B3343CF, salt=SALT_2)
    _, row = talk((CLIENT, initial(crypto(hello()))), (SERVER, answer))
    assert (row.version, row.cipher) == ("2", "TLS_AES_128_GCM_SHA256")


def test_retry() -> None:
    retry = b"\xf0\0\0\0\x01" + vector(SCID, 1) + vector(SERVER_CID, 1) + b"token" + bytes(16)
    again = initial(crypto(hello()), dcid=SERVER_CID, key_cid=SERVER_CID, token=b"token")
    answer = server(crypto(server_hello()), key_cid=SERVER_CID)
    flow, row = talk((CLIENT, initial(crypto(hello()[:50]))), (SERVER, retry), (CLIENT, again), (SERVER, answer))
    assert (row.retry, row.token_sent, row.sni, row.cipher) == (True, True, "quic.example", "TLS_AES_128_GCM_SHA256")
    assert row.dcid == DCID.hex()
    assert Flow(QUIC, "udp").probe(retry, SERVER) == YES
    assert flow.talk.state == "QUIC_HANDSHAKE"


def test_version_negotiation() -> None:
    negotiation = (
        b"\xca\0\0\0\0" + vector(SCID, 1) + vector(DCID, 1) + b"\0\0\0\x01" + b"\xff\0\0\x1d" + b"\x0a\x1a\x2a\x3a"
    )
    assert Flow(QUIC, "udp").probe(negotiation, SERVER) == YES
    assert Flow(QUIC, "udp").probe(negotiation + b"abcd", SERVER) == NO
    odd = initial(crypto(hello()), version=0x0A0A0A0A, salt=bytes(20))
    _, row = talk((CLIENT, odd), (SERVER, negotiation), (CLIENT, initial(crypto(hello()))))
    assert row.server_versions == ["1", "draft-29", "0x0a1a2a3a"]
    assert (row.version, row.sni) == ("1", "quic.example")


def test_close() -> None:
    closing = b"\x1c" + varint(0x128) + b"\x06" + b"\x04fail"
    flow, row = talk((CLIENT, initial(crypto(hello()))), (SERVER, server(closing)))
    assert (row.close_code, row.close_reason, row.close_from_client) == (0x128, "fail", False)
    assert flow.talk.state == "QUIC_DRAINING"
    flow, row = talk(
        (CLIENT, initial(crypto(hello()))),
        (SERVER, server(closing)),
        (CLIENT, initial(b"\x1c\0\0\0", 1, dcid=SERVER_CID)),
    )
    assert (row.close_code, row.close_from_client) == (0x128, False)
    assert flow.talk.state == "QUIC_CLOSED"
    assert flow.talk.finished


def test_a_second_hello_is_asked_for() -> None:
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    again = server_hello()
    again = again[:6] + retry + again[38:]
    answers = crypto(again) + crypto(server_hello(), len(again))
    _, row = talk((CLIENT, initial(crypto(hello()))), (SERVER, server(answers)))
    assert (row.hello_retry, row.cipher) == (True, "TLS_AES_128_GCM_SHA256")


def test_early_data() -> None:
    early = b"\xd0\0\0\0\x01" + vector(DCID, 1) + vector(SCID, 1) + varint(30) + bytes(30)
    assert talk((CLIENT, initial(crypto(hello()))), (CLIENT, early))[1].early_data


def test_one_sided_captures() -> None:
    flow, row = talk((SERVER, SERVER_INITIAL), (SERVER, HANDSHAKE), *((SERVER, SHORT) for _ in range(20)))
    assert (row.version, row.sni, row.established) == ("1", None, True)
    assert flow.talk.finished
    flow, row = talk((CLIENT, initial(crypto(hello()))), *((CLIENT, SHORT) for _ in range(20)))
    assert row.sni == "quic.example"
    assert flow.talk.finished


def test_a_flow_seen_from_its_server() -> None:
    _, row = talk((SERVER, initial(crypto(hello()))), (CLIENT, SERVER_INITIAL))
    assert (row.sni, row.cipher) == ("quic.example", "TLS_AES_128_GCM_SHA256")


def test_packets_cut_short() -> None:
    data = initial(crypto(hello()), version=0xFF00001D, salt=SALT_29)[:300]
    assert Flow(QUIC, "udp").probe(data) == YES
    _, row = talk((CLIENT, data))
    assert (row.version, row.dcid, row.sni) == ("draft-29", DCID.hex(), None)


def test_what_cannot_be_decrypted_is_tried_a_few_times_only() -> None:
    flow = Flow(QUIC, "udp")
    for n in range(40):
        flow.datagram(initial(crypto(hello()), dcid=bytes([n] * 8)))
    assert len(flow.parser.trials) == 6  # type: ignore[attr-defined]


def test_malformed_frames() -> None:
    flow, row = talk((CLIENT, initial(crypto(hello()), 0)), (CLIENT, initial(b"\x06\0\x50", 1, fill=0)))
    assert row.sni == "quic.example"
    flow, _ = talk((CLIENT, initial(b"\x1f" + bytes(10), 0)))
    assert flow.sink.anomalies == [("malformed_quic", "unexpected frame type 31 in an Initial packet")]


@pytest.mark.parametrize(("data", "version"), [(GOOGLE_43, "Q043"), (GOOGLE_46, "Q046")])
def test_google(data: bytes, version: str) -> None:
    assert Flow(QUIC, "udp", dst_port=9999).probe(data) == YES
    rejected = b"\x08" + bytes(20) + b"REJ\0"
    flow, row = talk((CLIENT, data), (SERVER, rejected if version == "Q043" else data[:14] + rejected))
    assert (row.sni, row.version, row.user_agent, row.idle_timeout_ms) == (
        "g.example",
        version,
        "Chrome/9 Linux",
        30_000,
    )
    assert row.dcid == DCID.hex()
    assert flow.talk.state == "QUIC_HANDSHAKE"


def test_google_rejection_alone() -> None:
    rejected = b"\x08" + DCID + b"\1" + bytes(range(12)) + b"\x40\1\3\xd9\1\0\6\0"
    rejected += b"\xa0\1\2\x5bREJ\0\7\0\0\0STK\0" + bytes(40)
    flow = Flow(QUIC, "udp")
    assert flow.probe(rejected, SERVER) == YES
    assert Flow(QUIC, "udp", dst_port=9999).probe(rejected, SERVER) == NO
    for other in (rejected.replace(b"\xa0\1\2\x5b", b"\xa0\2\2\x5b"), rejected.replace(b"\7\0\0\0", b"\7\0\1\0")):
        assert flow.probe(other, SERVER) == NO
    _, row = talk((SERVER, rejected))
    assert (row.version, row.sni) == (None, None)


def test_google_with_encrypted_hellos() -> None:
    salt = bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")
    data = initial(b"\x08\0" + varint(len(CHLO)) + CHLO, version=0x51303530, salt=salt)
    _, row = talk((CLIENT, data))
    assert (row.sni, row.version) == ("g.example", "Q050")
    salt = bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")
    data = initial(b"\x08\0" + varint(len(hello())) + hello(), version=0x54303531, salt=salt)
    _, row = talk((CLIENT, data))
    assert (row.sni, row.version) == ("quic.example", "T051")


def test_malformed_google() -> None:
    broken = chlo({b"SNI\0": b"abc", b"VER\0": b""})[:12] + b"\xff" * 8
    with pytest.raises(DissectError):
        Flow(QUIC, "udp").datagram(GOOGLE_43[:30] + b"CHLO\xff\xff" + bytes(20))
    with pytest.raises(DissectError):
        Flow(QUIC, "udp").datagram(GOOGLE_43[:30] + b"CHLO\2\0\0\0AAAA\5\0\0\0BBBB\1\0\0\0" + broken)


def test_parameters_of_old_drafts() -> None:
    old = numbers(1, 4) + b"\x80\x00\x75\x30" + numbers(6, 1) + b"\5"
    assert parameters(vector(old)) == {1: b"\x80\x00\x75\x30", 6: b"\5"}
    assert parameters(PARAMETERS)[1] == b"\x80\x00\x75\x30"
    _, row = talk((CLIENT, initial(crypto(hello(parameters=vector(old), kind=0xFFA5)))))
    assert row.idle_timeout_ms == 30_000


def test_idle_timeouts() -> None:
    """60 seconds until connected, then 180 or 15 more than the client proposed, 15 once it is closed."""
    client = initial(crypto(hello()))
    answer = server(crypto(server_hello()))
    assert timeouts((CLIENT, client), (SERVER, answer), (SERVER, SHORT)) == [
        ("QUIC_INITIAL", 60), ("QUIC_HANDSHAKE", 60), ("QUIC_CONNECTED", 30 + 15),
    ]  # fmt: skip
    for proposed, seconds in ((b"", 180), (varint(0), 180), (varint(1), 15.001), (varint(600_000), 615)):
        own = bytes((1, len(proposed))) + proposed if proposed else b""
        assert timeouts((CLIENT, initial(crypto(hello(parameters=own)))), (SERVER, answer), (SERVER, SHORT))[-1] == (
            "QUIC_CONNECTED", seconds,
        )  # fmt: skip
    own = b"\x01\x08" + ((1 << 62) - 1 | 3 << 62).to_bytes(8, "big")
    assert (
        timeouts((CLIENT, initial(crypto(hello(parameters=own)))), (SERVER, answer), (SERVER, SHORT))[-1][1] == 86_400
    )
    closing = initial(b"\x1c\0\0\0", 1)
    assert timeouts((CLIENT, client), (CLIENT, closing))[-1] == ("QUIC_DRAINING", 15)


def test_numbers() -> None:
    for value in (0, 63, 64, 16383, 16384, 1 << 29):
        assert read_varint(varint(value), 0) == (value, len(varint(value)))
    assert read_varint(b"\xc0\0\0\0\0\0\0\7", 0) == (7, 8)
    assert [version_name(v) for v in (1, 0xFACEB002, 0x51303433, 0xFF00001B)] == ["1", "mvfst-27", "Q043", "draft-27"]


def test_a_stream_is_bounded() -> None:
    stream = CryptoStream()
    for n in range(1000):
        stream.add(10 + 2 * n, b"x")
    stream.add(1 << 20, b"far")
    assert len(stream.waiting) == 64
    stream.add(0, bytes(10))
    assert stream.data == bytes(10) + b"x"


@pytest.mark.parametrize(
    "data",
    [
        b"\xc3\0\0\0\x01" + b"\xff" * 40,
        b"\x83\0\0\0\x01" + bytes(40),
        b"\xc3\0\0\0\x02" + bytes(1300),
        b"\xc3\0\0\0\0" + bytes(40),
        b"\x0d" + bytes(8) + b"Q0x3" + bytes(20),
        b"\xca\x0a\x1a\x2a\x3a\x04abcd\0\0" + bytes(1300),
        SHORT,
    ],
)
def test_the_probe_says_no(data: bytes) -> None:
    assert Flow(QUIC, "udp").probe(data) == NO
