"""Headers of redacted packets: replaced as in tables, checksums right, and nothing that was not understood."""

import struct
from functools import cache
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.export.redacted_packets.base import WRONG
from rustnet.export.redacted_packets.binary import BinaryAddresses
from rustnet.export.redacted_packets.common import CommonRewriter
from rustnet.export.redacted_packets.counts import CUT_REASONS, PacketCounts
from rustnet.export.redacted_packets.link import PacketRewriter
from rustnet.export.redacted_packets.sctp import crc32c
from rustnet.policy.redaction import POLICIES, SHARE, STRICT, Policy, Redactor, key_of_passphrase
from tests.support.packets import checksum, ip
from tests.support.redacted_frames import (
    MARK,
    RECEIVER,
    RECEIVER6,
    RECEIVER_MAC,
    SENDER,
    SENDER6,
    SENDER_MAC,
    SORTS,
    THIRD,
    THIRD6,
    frame,
    packed,
    segment,
    summed,
    tcp4,
    udp4,
)

KEY = key_of_passphrase("key of the tests of packets")
OTHER_MARK = b"0therw1se-Zt!bQx"
ORIGINALS = [packed(each) for each in (SENDER, RECEIVER, THIRD, SENDER6, RECEIVER6, THIRD6)] + [
    SENDER_MAC, RECEIVER_MAC, bytes.fromhex("5ec12e7a"), packed("233.88.77.191"), packed("ff1e::4f:1191"),
    packed("2a10:4646:99:7::")[:8],
]  # fmt: skip


@cache
def redactor_of(policy: str) -> Redactor:
    return Redactor(KEY, POLICIES[policy])


def rewriter(policy: Policy = SHARE) -> CommonRewriter:
    redactor = redactor_of(policy.name)
    return CommonRewriter(redactor, BinaryAddresses(redactor), PacketCounts())


def rewritten(name: str, mark: bytes = MARK, policy: Policy = SHARE) -> bytes:
    sort = SORTS[name]
    return bytes(rewriter(policy).rewrite(sort.make(mark), sort.link))


def replaced(address: str) -> bytes:
    return packed(redactor_of("share").names.address(address))


@pytest.mark.parametrize("policy", [SHARE, STRICT], ids=lambda policy: policy.name)
@pytest.mark.parametrize("name", SORTS)
def test_nothing_of_the_original_is_left(name: str, policy: Policy) -> None:
    raw = SORTS[name].make(MARK)
    shown = rewritten(name, policy=policy)
    assert len(shown) <= len(raw)
    assert MARK[:5] not in shown
    for original in ORIGINALS:
        assert original not in shown, original.hex(":")


@pytest.mark.parametrize("name", SORTS)
def test_the_payload_has_no_influence(name: str) -> None:
    """Not even by a checksum: another payload of the same length gives the same packet."""
    assert rewritten(name) == rewritten(name, OTHER_MARK)


@pytest.mark.parametrize("name", SORTS)
def test_wrong_checksums_say_nothing(name: str) -> None:
    sort = SORTS[name]

    def damaged(mark: bytes) -> bytes:
        raw = bytearray(sort.make(mark))
        raw[-1] ^= 0x5A  # of the payload, so that checksums do not fit
        return bytes(rewriter().rewrite(bytes(raw), sort.link))

    if name not in ("neighbour", "listener report"):  # which have no payload
        assert damaged(MARK) == damaged(OTHER_MARK)


@pytest.mark.parametrize("name", SORTS)
def test_a_cut_packet_gives_the_start_of_the_whole_one(name: str) -> None:
    """At any length: no error, and no byte more than the whole packet shows, but for checksums."""
    sort, raw = SORTS[name], SORTS[name].make(MARK)
    tool = rewriter()
    for size in range(len(raw)):
        shown = bytes(tool.rewrite(raw[:size], sort.link))
        assert len(shown) <= size
        assert MARK[:5] not in shown
        assert all(original not in shown for original in ORIGINALS)
    assert tool.counts.cut["failed"] == 0


def test_ethernet_and_tcp_are_rewritten_as_tables_are() -> None:
    shown = rewritten("tcp4")
    names = redactor_of("share").names
    assert shown[:6] == bytes.fromhex(names.mac(RECEIVER_MAC.hex(":")).replace(":", ""))
    assert shown[6:12] == bytes.fromhex(names.mac(SENDER_MAC.hex(":")).replace(":", ""))
    assert shown[26:34] == replaced(SENDER) + replaced(RECEIVER)
    assert checksum(shown[14:34]) == 0
    whole = shown + bytes(len(MARK))  # as if it had been captured whole, with zeros
    assert checksum(shown[26:34] + struct.pack(">HH", 6, len(whole) - 34) + whole[34:]) == 0
    raw = frame(tcp4(MARK))
    assert shown[34:50] == raw[34:50]  # ports, numbers, flags, window stay under this policy
    assert len(shown) == 54


def test_a_wrong_checksum_stays_wrong() -> None:
    raw = bytearray(frame(tcp4(b"")))
    raw[50:52] = b"\x12\x34"
    right = bytes(rewriter().rewrite(frame(tcp4(b"")), 1))
    shown = bytes(rewriter().rewrite(bytes(raw), 1))
    assert int.from_bytes(shown[50:52]) == int.from_bytes(right[50:52]) ^ WRONG
    assert checksum(right[26:34] + struct.pack(">HH", 6, 20) + right[34:]) == 0


def test_no_checksum_of_udp_stays_none() -> None:
    raw = bytearray(frame(udp4(MARK)))
    raw[40:42] = bytes(2)
    assert bytes(rewriter().rewrite(bytes(raw), 1))[40:42] == bytes(2)


def test_a_quoted_packet_is_the_rewritten_one() -> None:
    shown = rewritten("icmp error")
    quoted = shown[14 + 20 + 8 :]
    alone = bytes(rewriter().rewrite(frame(udp4(MARK)), 1))[14:]
    assert quoted == alone
    assert checksum(shown[34:] + bytes(len(MARK))) == 0


@pytest.mark.parametrize(
    ("name", "inner"),
    [("gre", 42), ("ipip", 34), ("vxlan", 42 + 8 + 14), ("geneve", 42 + 8 + 20 + 14), ("gtp", 50), ("l2tp", 52),
     ("capwap", 42 + 20 + 34), ("gre in udp", 50), ("vxlan-gpe", 50), ("vxlan-gpe ethernet", 50 + 14),
     ("vxlan-gpe labels", 54), ("lisp", 50), ("mpls in udp", 46), ("mpls in ip", 38), ("pim register", 42),
     ("gre wccp", 42), ("gre wireless", 38 + 34), ("eoip", 42 + 14), ("tzsp wireless", 42 + 5 + 34),
     ("ayiya", 42 + 8 + 16 + 20),
     ("pppoe", 22), ("mpls", 18), ("vlans", 22), ("snap", 22), ("loopback", 4), ("ppp", 4), ("cooked", 16),
     ("dot11", 34), ("radiotap", 24 + 34), ("ppi", 24 + 14), ("pktap", 108 + 14)],
)  # fmt: skip
def test_inner_packets_are_rewritten_as_others(name: str, inner: int) -> None:
    assert rewritten(name)[inner:] == bytes(rewriter().rewrite(frame(tcp4(MARK)), 1))[14:]


def test_addresses_of_messages_are_replaced() -> None:
    assert replaced(THIRD6) in rewritten("neighbour")
    assert replaced(THIRD6) in rewritten("router")
    prefix = packed(redactor_of("share").names.address("2a10:4646:99:7::/64").partition("/")[0])
    assert prefix in rewritten("router")
    assert replaced(THIRD) in rewritten("icmp redirect")
    assert replaced("233.88.77.191") + replaced(THIRD) in rewritten("igmp")
    assert replaced("ff1e::4f:1191") + replaced(THIRD6) in rewritten("listener report")
    assert replaced(THIRD6) in rewritten("sctp")
    assert rewritten("routing").count(replaced(THIRD6)) == 2
    inverted = bytes(byte ^ 255 for byte in replaced(THIRD))
    assert inverted in rewritten("teredo")


def test_sctp_has_its_checksum() -> None:
    """Where the packet is whole: it has no data."""
    head = struct.pack(">HHII", 2905, 2905, 0x5EC12E7A, 0)
    acknowledgement = struct.pack(">BBHIIHH", 3, 0, 16, 77, 65_535, 0, 0)
    value = crc32c(head + acknowledgement)
    for given_value, difference in ((value, 0), (value ^ 1, 0x5555_5555)):
        body = head[:8] + given_value.to_bytes(4, "little") + acknowledgement
        shown = bytes(rewriter().rewrite(frame(ip(SENDER, RECEIVER, 132, body)), 1))[34:]
        assert shown[12:] == acknowledgement
        assert int.from_bytes(shown[8:12], "little") == crc32c(shown[:8] + bytes(4) + shown[12:]) ^ difference
    assert rewritten("sctp")[42:46] == bytes(4)
    assert crc32c(b"123456789") == 0xE3069283  # the published check value


def test_options_that_identify_become_padding() -> None:
    tool = rewriter()
    timestamps, sack = b"\x08\x0a" + b"\0\1\2\3" + b"\4\5\6\7", b"\x05\x0a" + bytes(range(8))
    secret = b"\x13\x12" + MARK
    raw = frame(tcp4(b"", b"\x02\x04\x05\xb4" + timestamps + sack + secret[:14] + b"\1\1"))
    shown = bytes(tool.rewrite(raw, 1))
    assert shown[54:58] == b"\x02\x04\x05\xb4"
    assert shown[58:78] == timestamps + sack
    assert set(shown[78:]) == {1}
    assert tool.counts.options_removed == 1


def test_strict_replaces_numbers_that_identify() -> None:
    raw = frame(tcp4(MARK))
    shown = rewritten("tcp4", policy=STRICT)
    numbers = redactor_of("strict").numbers
    assert int.from_bytes(shown[18:20]) == numbers.ip_id(4711)
    assert int.from_bytes(shown[34:36]) == numbers.port(40123)
    assert shown[36:38] == raw[36:38]
    there = packed(SENDER) + raw[34:36] + packed(RECEIVER) + raw[36:38]
    back = packed(RECEIVER) + raw[36:38] + packed(SENDER) + raw[34:36]
    assert int.from_bytes(shown[38:42]) == (7_000_001 + numbers.sequence_shift(there)) % 2**32
    assert int.from_bytes(shown[42:46]) == (9_000_001 + numbers.sequence_shift(back)) % 2**32
    assert checksum(shown[14:34]) == 0


def test_fragments_keep_their_length_as_zeros() -> None:
    first, later = rewritten("first fragment"), rewritten("later fragment")
    assert len(first) == len(later) == 14 + 20 + 800
    assert not any(first[14 + 20 + 8 :])
    assert not any(later[14 + 20 :])


def test_what_is_not_understood_is_counted() -> None:
    tool = rewriter()
    assert not bytes(tool.rewrite(MARK, 220))
    assert tool.counts.cut == {"unknown_link_type": 1}
    tool.rewrite(SORTS["unknown ethertype"].make(MARK), 1)
    assert tool.counts.cut["unknown_ethertype"] == 1
    assert set(tool.counts.cut) <= set(CUT_REASONS)


def test_packets_within_packets_are_followed_to_a_depth() -> None:
    packet = tcp4(MARK)
    for _ in range(200):
        packet = ip(SENDER, RECEIVER, 4, packet)
    tool = rewriter()
    shown = bytes(tool.rewrite(frame(packet), 1))
    assert tool.counts.cut["too_many_headers"] == 1
    assert len(shown) < 14 + 20 * 12


def test_the_same_address_is_the_same_in_both_families_forms() -> None:
    mapped = f"::ffff:{SENDER}"
    shown = bytes(rewriter().rewrite(summed(ip(mapped, RECEIVER6, 6, segment(MARK))), 229))
    assert shown[8:24] == ip_address(redactor_of("share").names.address(mapped)).packed
    assert shown[20:24] == replaced(SENDER)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[bytes, int, bool]:
    """A frame with some bytes changed, perhaps cut or longer, perhaps under another link type."""
    sort = SORTS[draw(st.sampled_from(sorted(SORTS)))]
    raw = bytearray(sort.make(MARK))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=6)):
        if at < len(raw):
            raw[at] = value
    size = draw(st.integers(0, len(raw)))
    raw = raw[:size] if draw(st.booleans()) else raw
    link = draw(st.sampled_from([sort.link] * 4 + sorted({each.link for each in SORTS.values()})))
    return bytes(raw), link, link == sort.link


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_hostile_packets(given_packet: tuple[bytes, int, bool]) -> None:
    raw, link, its_own = given_packet
    tool = rewriter()
    shown = bytes(tool.rewrite(raw, link))
    assert len(shown) <= len(raw)
    assert tool.counts.cut["failed"] == 0
    assert MARK not in shown
    if its_own:  # else numbers of another header may be the same bytes
        assert SENDER_MAC not in shown
        assert RECEIVER_MAC not in shown


@settings(max_examples=300, deadline=None)
@given(mutated(), st.booleans())
def test_frequent_packets_are_rewritten_as_all_others(
    given_packet: tuple[bytes, int, bool], some_payload: bool
) -> None:
    results = []
    for kind in (CommonRewriter, PacketRewriter):
        tool = kind(redactor_of("share"), BinaryAddresses(redactor_of("share")), PacketCounts())
        if some_payload:

            def keep(start: int, stop: int, *_numbers: int, tool: PacketRewriter = tool) -> int:
                tool.out[start : start + 3] = b"abc"[: stop - start]
                return min(start + 3, stop)

            tool.segment = tool.payload = keep
        results.append((bytes(tool.rewrite(*given_packet[:2])), tool.counts))
    assert results[0] == results[1]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted({each.link for each in SORTS.values()})))
def test_any_bytes(raw: bytes, link: int) -> None:
    tool = rewriter()
    assert len(tool.rewrite(raw, link)) <= len(raw)
    assert tool.counts.cut["failed"] == 0
