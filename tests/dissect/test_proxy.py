"""PROXY protocol: headers of both versions, whole and in pieces, ahead of every protocol, and what is none."""

import socket
import struct

import pytest

from rustnet.dissect.dns.parser import Dns
from rustnet.dissect.framework.conversation import NO, YES
from rustnet.dissect.http.record import Http
from rustnet.dissect.proxy import MAX_STACKED, PROXY, SIGNATURE, Proxy
from rustnet.dissect.registry import DISSECTORS
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, believed
from tests.dissect.samples import SAMPLES
from tests.dissect.test_beginnings import HTTP, stored

V1 = b"PROXY TCP4 203.0.113.9 198.51.100.20 51000 443\r\n"
V1_SIX = b"PROXY TCP6 2001:db8::9 2001:DB8::20 51000 443\r\n"
V1_UNKNOWN = (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n")


def v2(command: int, family: int, addresses: bytes = b"", *parts: tuple[int, bytes]) -> bytes:
    body = addresses + b"".join(bytes([kind]) + struct.pack(">H", len(value)) + value for kind, value in parts)
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(body)) + body


FOUR = socket.inet_aton("203.0.113.9") + socket.inet_aton("198.51.100.20") + struct.pack(">HH", 51000, 443)
SIX = bytes.fromhex("20010db8" + "0" * 22 + "09" + "20010db8" + "0" * 22 + "20") + struct.pack(">HH", 51000, 443)
V2 = v2(1, 0x11, FOUR)
TLS_PART = b"\x07\0\0\0\0" + b"\x21\0\x07TLSv1.3" + b"\x22\0\x04jane" + b"\x23\0\x16TLS_AES_256_GCM_SHA384"[:25]
LONG = v2(1, 0x21, SIX, (1, b"h2"), (2, b"px.example.net"), (3, bytes(4)), (5, b"\xde\xad"), (0x20, TLS_PART),
          (0x30, b"blue"), (4, bytes(3)))  # fmt: skip


def header(*said: tuple[bool, bytes]) -> dict[str, object]:
    (row,) = DispatchedFlow(said).rows(Proxy)
    return row


ENDS = {"proxied_src_ip": "203.0.113.9", "proxied_src_port": 51000, "proxied_dst_ip": "198.51.100.20",
        "proxied_dst_port": 443}  # fmt: skip
ENDS_SIX = {**ENDS, "proxied_src_ip": "2001:db8::9", "proxied_dst_ip": "2001:db8::20"}


def test_headers_of_text() -> None:
    assert header((CLIENT, V1)) == {"version": "1", "command": "PROXY", "address_family": "TCP4", **ENDS}
    assert header((CLIENT, V1_SIX)) == {"version": "1", "command": "PROXY", "address_family": "TCP6", **ENDS_SIX}
    for line in V1_UNKNOWN:
        assert header((CLIENT, line)) == {"version": "1", "command": "PROXY", "address_family": "UNKNOWN"}


def test_headers_of_bytes() -> None:
    assert header((CLIENT, V2)) == {"version": "2", "command": "PROXY", "address_family": "TCP4", **ENDS}
    assert header((CLIENT, v2(0, 0x11, FOUR))) == {"version": "2", "command": "LOCAL", "address_family": "TCP4"}
    assert header((CLIENT, v2(0, 0))) == {"version": "2", "command": "LOCAL", "address_family": "UNKNOWN"}
    assert header((CLIENT, v2(1, 0, b"xyz"))) == {"version": "2", "command": "PROXY", "address_family": "UNKNOWN"}
    unix = header((CLIENT, v2(1, 0x31, b"/run/a.sock".ljust(108, b"\0") + b"/run/b.sock".ljust(108, b"\0"))))
    assert unix == {"version": "2", "command": "PROXY", "address_family": "UNIX", "socket_path": "/run/b.sock"}


def test_addresses_of_ipv4_within_ipv6_keep_their_dots() -> None:
    """As proxies that listen on both write them."""
    ends = {**ENDS, "proxied_src_ip": "::ffff:203.0.113.9", "proxied_dst_ip": "::ffff:198.51.100.20"}
    row = header((CLIENT, b"PROXY TCP6 ::ffff:203.0.113.9 ::FFFF:C633:6414 51000 443\r\n"))
    assert row == {"version": "1", "command": "PROXY", "address_family": "TCP6", **ends}
    mapped = bytes(10) + b"\xff\xff"
    row = header((CLIENT, v2(1, 0x21, mapped + FOUR[:4] + mapped + FOUR[4:])))
    assert row == {"version": "2", "command": "PROXY", "address_family": "TCP6", **ends}


def test_what_follows_the_addresses() -> None:
    assert header((CLIENT, LONG)) == {
        "version": "2", "command": "PROXY", "address_family": "TCP6", **ENDS_SIX, "alpn": "h2",
        "authority": "px.example.net", "unique_id": "dead", "namespace": "blue", "tls_version": "TLSv1.3",
        "client_cn": "jane", "cipher": "TLS_AES_256_GCM_SHA384", "client_verified": True,
    }  # fmt: skip
    refused = header((CLIENT, v2(1, 0x11, FOUR, (0x20, b"\x03\0\0\0\1"))))
    assert refused["client_verified"] is False
    assert "client_verified" not in header((CLIENT, v2(1, 0x11, FOUR, (0x20, b"\x01\0\0\0\0"))))


@pytest.mark.parametrize("front", [V1, V1_SIX, *V1_UNKNOWN, V2, LONG, v2(0, 0)])
@pytest.mark.parametrize("name", sorted(n for n, known in SAMPLES.items() if n != "proxy" and known))
def test_what_is_behind_a_header_is_read_as_if_it_was_not_there(name: str, front: bytes) -> None:
    for sample in SAMPLES[name]:
        if sample.transport == "tcp":
            plain = DispatchedFlow(sample.talk, sample.port)
            first, data = sample.talk[0]
            sender = CLIENT if first else SERVER
            for said in (
                [(CLIENT, front), *sample.talk],
                [(sender, front + data), *sample.talk[1:]],
            ):
                changed = DispatchedFlow(said, sample.port)
                assert changed.talk.app == plain.talk.app
                rows = [row for row in stored(changed) if row[0] is not Proxy]
                assert rows == stored(plain)
                assert len(changed.rows(Proxy)) == 1
                assert changed.sink.anomalies == plain.sink.anomalies


@pytest.mark.parametrize("front", [V1, V2, LONG])
@pytest.mark.parametrize("chunk", [1, 7, 60])
def test_headers_in_pieces(front: bytes, chunk: int) -> None:
    pieces = [(CLIENT, front[at : at + chunk]) for at in range(0, len(front), chunk)]
    if len(pieces) < 64:  # as many pieces as a stream may begin with
        dispatched = DispatchedFlow([*pieces, *HTTP], 80)
        assert len(dispatched.rows(Proxy)) == 1
        assert [(row["uri"], row["status"]) for row in dispatched.rows(Http)] == [("/next", 204)]
    (sample, *_) = SAMPLES["tls"]
    (first, data), *rest = sample.talk
    split = front[: len(front) - 3], front[len(front) - 3 :] + data
    dispatched = DispatchedFlow([(first, split[0]), (first, split[1]), *rest], 443)
    assert dispatched.talk.app == "tls"
    assert dispatched.rows(Tls) == DispatchedFlow(sample.talk, 443).rows(Tls)


def test_the_client_is_that_of_the_first_header() -> None:
    other = V1.replace(b"203.0.113.9", b"203.0.113.77")
    for front in (V1 + other, V2 + other, V1_UNKNOWN[0] + V1 + other):
        dispatched = DispatchedFlow([(CLIENT, front), *HTTP], 80)
        assert dispatched.talk.proxied is not None
        assert dispatched.talk.proxied[:2] == ("203.0.113.9", 51000)
        assert len(dispatched.rows(Http)) == 1
    assert DispatchedFlow([(CLIENT, V1_UNKNOWN[0]), *HTTP], 80).talk.proxied == (None, None, 1)
    assert DispatchedFlow(HTTP, 80).talk.proxied is None


def test_many_headers_are_bounded() -> None:
    dispatched = DispatchedFlow([(CLIENT, V1 * 1000)])
    assert len(dispatched.rows(Proxy)) == MAX_STACKED
    assert dispatched.talk.app is None


NOT = [
    b"PROXY TCP4 203.0.113.9 198.51.100.20 51000 65536\r\n", b"PROXY TCP4 2001:db8::1 198.51.100.20 51000 443\r\n",
    b"PROXY TCP5 203.0.113.9 198.51.100.20 51000 443\r\n", b"PROXY TCP4 203.0.113.999 198.51.100.20 51000 443\r\n",
    b"PROXY TCP4 203.0.113.9 198.51.100.20 51000 443\n", b"PROXY NOTICE hello\r\n", b"PROXY\r\n",
    SIGNATURE + b"\x11\x11\0\x0c" + FOUR, SIGNATURE + b"\x21\x41\0\x0c" + FOUR,
    SIGNATURE + b"\x21\x11\0\x0b" + FOUR[:-1],
    b"\r\n\r\n\0\r\nQUIX\n" + V2[12:],
]  # fmt: skip


@pytest.mark.parametrize("said", NOT)
def test_what_is_no_header(said: bytes) -> None:
    assert not believed(PROXY, said)
    assert Flow(PROXY, "tcp").probe(said) == NO
    assert Flow(PROXY, "udp").probe(said) == NO


def test_a_lost_part_of_a_header_does_not_lose_the_flow() -> None:
    dispatched = DispatchedFlow([], 80)
    dispatched.flow.talk = dispatched.talk
    dispatched.offer(V2[:20], CLIENT, "tcp")
    dispatched.dispatcher.gap(dispatched.flow, CLIENT, 8, 2, 2)
    for sender, data in HTTP:
        dispatched.offer(data, sender, "tcp")
    dispatched.dispatcher.close(dispatched.flow)
    assert [row["uri"] for row in dispatched.rows(Http) if "uri" in row] == ["/next"]


def test_datagrams() -> None:
    """Each of a proxy's datagrams has a header; the answers have none."""
    (sample, *_) = SAMPLES["dns"]
    (_, query), (_, answer) = sample.talk
    front = v2(1, 0x12, FOUR)
    said = [(CLIENT, front + query), (SERVER, answer)]
    dispatched = DispatchedFlow(said * 3, 53, "udp")
    assert dispatched.talk.app == "dns"
    assert dispatched.rows(Dns) == DispatchedFlow(sample.talk * 3, 53, "udp").rows(Dns)
    assert [row["address_family"] for row in dispatched.rows(Proxy)] == ["UDP4"]
    other = v2(1, 0x12, FOUR[:-3] + b"\1" + FOUR[-2:])
    assert len(DispatchedFlow([*said, (CLIENT, other + query)], 53, "udp").rows(Proxy)) == 2
    assert Flow(PROXY, "udp").probe(front + query) == YES
    alone = DispatchedFlow([(CLIENT, v2(0, 0)), *said], 53, "udp")
    assert (alone.talk.app, len(alone.rows(Dns))) == ("dns", len(dispatched.rows(Dns)) // 3)
    assert dispatched.talk.proxied == ("203.0.113.9", 51000, 1)


def test_no_other_protocol_takes_a_header() -> None:
    for port in sorted({port for d in DISSECTORS if "tcp" in d.transports for port in d.ports}):
        for front in (V1, V2, V1_UNKNOWN[0]):
            assert len(DispatchedFlow([(CLIENT, front)], port).rows(Proxy)) == 1, port
