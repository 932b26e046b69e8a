import struct

import pytest

from rustnet.dissect.bgp import BGP, Bgp, _path
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import ATTRIBUTES, BGP_CEASE, BGP_OPEN, BGP_TALK, BGP_UPDATE, KEEPALIVE, attribute

MARKER = b"\xff" * 16


def update(attributes: bytes, networks: bytes = b"") -> bytes:
    body = b"\0\0" + struct.pack(">H", len(attributes)) + attributes + networks
    return MARKER + struct.pack(">HB", 19 + len(body), 2) + body


def test_session() -> None:
    opened, _, updated, ceased = rows(Bgp, BGP, *BGP_TALK, transport="tcp")
    assert (opened.message, opened.version, opened.asn) == ("OPEN", "4", 4_200_000_001)
    assert (opened.hold_seconds, opened.router_id, opened.hostname) == (180, "10.0.0.1", "r1")
    assert opened.capabilities == ["multiprotocol 2/1", "as4", "fqdn"]
    assert updated.prefixes == ["203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32"]
    assert (updated.prefix_count, updated.withdrawn, updated.withdrawn_count) == (3, ["192.0.2.0/24"], 1)
    assert (updated.as_path, updated.origin, updated.med) == ("64500 4200000001", "IGP", 50)
    assert (updated.next_hop, updated.communities) == ("2001:db8::42", ["64500:100"])
    assert (ceased.error, ceased.error_text) == ("cease: administrative shutdown", "maint")


def test_paths() -> None:
    assert _path(b"\2\2" + struct.pack(">HH", 64500, 64501), wide=False) == "64500 64501"
    assert _path(b"\2\2" + struct.pack(">HH", 64500, 64501), wide=True) == "64500 64501"
    assert _path(b"\2\1\0\0\xfb\xf4\1\2\0\0\0\1\0\0\0\2", wide=False) == "64500 {1,2}"
    assert _path(b"", wide=True) is None
    assert _path(b"\2\xff", wide=True) is None


def test_many_networks_are_counted() -> None:
    networks = b"".join(b"\x18\x0a" + struct.pack(">H", i) for i in range(500))
    (row,) = rows(Bgp, BGP, (CLIENT, update(attribute(1, b"\2"), networks)), transport="tcp")
    assert (row.prefix_count, len(row.prefixes or []), row.origin) == (500, 64, "INCOMPLETE")


def test_withdrawn_ipv6() -> None:
    (row,) = rows(Bgp, BGP, (CLIENT, update(attribute(15, b"\0\2\1\x10\x20\x01"))), transport="tcp")
    assert (row.withdrawn, row.withdrawn_count) == (["2001::/16"], 1)


def test_malformed() -> None:
    for data in (
        MARKER + b"\0\x12\1",
        MARKER + b"\0\x13\x09",
        MARKER + b"\0\x17\2\0\x09\0\0",
        update(ATTRIBUTES)[:21] + b"\xff\xff" + update(ATTRIBUTES)[23:],
        b"\xfe" + BGP_OPEN[1:],
    ):
        with pytest.raises(DissectError):
            parsed(BGP, [(CLIENT, data)])


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (BGP_OPEN, YES),
        (BGP_UPDATE, YES),
        (BGP_CEASE, YES),
        (KEEPALIVE, YES),
        (MARKER[:9], MORE),
        (MARKER + b"\0", MORE),
        (MARKER + b"\0\x13\1", NO),
        (MARKER + b"\0\x40\x07", NO),
        (b"\xff\xfb\x18" + bytes(20), NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(BGP, dst_port=9999).probe(data, SERVER) == verdict
