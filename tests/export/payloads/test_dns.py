"""DNS, mDNS and LLMNR in redacted captures."""

import struct
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.dissect.dns.message import parse
from rustnet.export.redacted_packets.payload import Interval
from rustnet.policy.redaction import SHARE, STRICT, TIMING_ONLY, Policy
from rustnet.records import Kind
from tests.dissect.samples_web import HERE, answer, dns, framed, name, question
from tests.export.payloads.support import SERVER, context, datagram, redactor, stream
from tests.support.effort import examples

SECRET = "payroll.secret-site.example.com"
BOTH = pytest.mark.parametrize("policy", [SHARE, STRICT], ids=lambda policy: policy.name)


def host(text: str, policy: Policy = SHARE) -> str:
    return str(redactor(policy).value(Kind.HOST, text))


def agrees(packet: str, table: str) -> bool:
    """Whether a name in a packet is a table's at the length that it had."""
    pairs = list(zip(packet.split("."), table.split("."), strict=True))
    return all(
        one == other or one.rstrip("_") == other or other.removeprefix("h-").startswith(one.rstrip("_"))
        for one, other in pairs
    )


def response(*records: bytes, asked: str = SECRET) -> bytes:
    return dns(0x8180, (question(asked),), records)


@BOTH
def test_names_agree_with_tables(policy: Policy) -> None:
    message = response(
        answer(HERE, 5, name("edge-node.cdn-customer.net")),
        answer(name("edge-node.cdn-customer.net"), 1, bytes([93, 184, 216, 34])),
        answer(HERE, 28, bytes.fromhex("26000000000000000000000000000001")),
    )
    data, kept = datagram(message, context("dns", policy=policy))
    assert kept == len(message)
    before, after = parse(message), parse(data)
    assert after.fault is None
    assert after.name is not None
    assert agrees(after.name, host(SECRET, policy))
    assert after.answer_names is not None
    assert agrees(after.answer_names[1], host("edge-node.cdn-customer.net", policy))
    assert before.answers is not None
    assert after.answers is not None
    assert after.answers[1:] == [redactor(policy).value(Kind.ADDRESS, ip) for ip in before.answers[1:]]
    assert after.answer_types == before.answer_types
    assert (after.txid, after.flags, after.ttl) == (before.txid, before.flags, before.ttl)
    for word in (b"payroll", b"secret", b"edge-node", b"customer", bytes([93, 184, 216, 34])):
        assert word not in data.lower()


def test_labels_of_each_length() -> None:
    for size in range(1, 64):
        original = "q" * size
        data, _ = datagram(dns(questions=(question(f"{original}.test"),)), context("dns"))
        label = data[13 : 13 + data[12]].decode()
        assert len(label) == size
        assert label != original
        table = host(f"{original}.test").split(".")[0]
        if size >= 10:
            assert label == table + "_" * (size - 10)
        else:
            assert table[2:].startswith(label.rstrip("_"))


def test_pointers_stay_valid() -> None:
    message = response(
        answer(HERE, 15, b"\0\x0a\x04mail\xc0\x14"),
        answer(b"\xc0\x14", 2, b"\3ns1" + HERE),
        answer(HERE, 6, b"\x02ns\xc0\x14" + b"\x05admin\xc0\x14" + struct.pack(">5I", 2024010101, 1, 2, 3, 4)),
        answer(HERE, 33, struct.pack(">HHH", 1, 2, 5060) + name("sip-server.example.org")),
    )
    data, kept = datagram(message, context("dns"))
    assert kept == len(message)
    after = parse(data)
    assert after.fault is None
    domain = after.name.split(".", 1)[1]  # type: ignore[union-attr]
    assert after.answer_names == [after.name, domain, after.name, after.name]
    assert after.answers is not None
    assert after.answers[0].endswith(domain)
    assert after.answers[1].endswith(after.name or "-")
    assert after.answers[2].endswith(" 2024010101 1 2 3 4")
    assert after.answers[3].startswith("1 2 5060 ")


def test_texts_keys_and_unknown_types_are_removed() -> None:
    token = b"google-site-verification=SeCrEt"
    records = [
        answer(HERE, 16, bytes([len(token)]) + token),
        answer(HERE, 10, token),
        answer(HERE, 99, bytes([len(token)]) + token),
        answer(HERE, 48, b"\1\1\3\x08" + token),
        answer(HERE, 46, bytes(18) + name("signer-zone.example") + token),
        answer(HERE, 65280, token),
        answer(HERE, 257, b"\0\5issue" + token),
    ]
    data, kept = datagram(response(*records), context("dns"))
    assert kept == len(data)
    assert b"SeCrEt" not in data
    assert b"signer" not in data
    after = parse(data)
    assert after.fault is None
    assert after.answers is not None
    assert after.answers[0] == "\\000" * len(token)
    assert after.answers[3] == f"257 3 8 {b64encode(bytes(len(token))).decode()}"


def test_service_parameters() -> None:
    parameters = (
        b"\0\1\0\x0c\2h2\x08private1" + b"\0\3\0\2\x20\xfb" + b"\0\4\0\x04\x5d\xb8\xd8\x22" + b"\0\5\0\4\1\2\3\4"
        + b"\0\6\0\x10" + bytes.fromhex("26000000000000000000000000000001")
    )  # fmt: skip
    data, _ = datagram(response(answer(HERE, 65, b"\0\1" + name("svc-target.example") + parameters)), context("dns"))
    after = parse(data)
    assert after.answers is not None
    ips = [redactor().value(Kind.ADDRESS, ip) for ip in ("93.184.216.34", "2600::1")]
    target = after.answers[0].split()[1]
    assert agrees(target, host("svc-target.example"))
    assert after.answers[0] == f"1 {target} alpn=xx,xxxxxxxx port=8443 ipv4hint={ips[0]} ech=AAAAAA== ipv6hint={ips[1]}"


def test_client_subnet_and_cookie() -> None:
    options = b"\0\x08\0\x07\0\1\x18\0\x5d\xb8\xd8" + b"\0\x0a\0\x08cookie!!" + b"\0\x0f\0\x08\0\x12secret"
    extra = b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, len(options)) + options
    data, _ = datagram(dns(0x8180, (question(SECRET),), additionals=(extra,)), context("dns"))
    after = parse(data)
    assert after.client_subnet == redactor().value(Kind.ADDRESS, "93.184.216.0/24")
    assert (after.edns_size, after.edns_flags) == (1232, 0x8000)
    assert b"cookie" not in data
    assert b"secret" not in data


@pytest.mark.parametrize("original", [f"{n}.216.184.93.in-addr.arpa" for n in range(1, 255, 7)] + ["10.200.100.30"])
def test_numbers_of_addresses(original: str) -> None:
    data, kept = datagram(dns(questions=(question(original, 12),)), context("dns"))
    assert kept == len(data)
    shown = parse(data).name or ""
    numbers = [str(int(label)) if label.isdigit() else label for label in shown.split(".")]
    # Either the address of the tables, or no address at all.
    if any(label.isdigit() for label in numbers):
        assert ".".join(numbers) == host(original)
    else:
        assert len(shown) == len(original)


def test_nibbles_always_fit() -> None:
    original = ".".join(reversed("2600" + "0" * 27 + "7")) + ".ip6.arpa"
    data, _ = datagram(dns(questions=(question(original, 12),)), context("dns"))
    assert parse(data).name == host(original)


def test_multicast_service_names() -> None:
    instance = b"\x12Jane Doe's MacBook"
    message = dns(
        0x8400,
        (),
        (
            answer(name("_ipp._tcp.local"), 12, instance + HERE),
            answer(instance + HERE, 16, b"\x0bnote=Office"),
            answer(b"\x0dJane.Doe-PC-1" + b"\5local\0", 1, bytes([10, 0, 0, 9]), 120, 0x8001),
        ),
    )
    data, kept = datagram(message, context("mdns", port=5353))
    assert kept == len(message)
    after = parse(data, lower=False)
    assert after.fault is None
    assert after.answers is not None
    table = host("Jane Doe's MacBook._ipp._tcp.local")
    assert after.answers[0].split(".")[0].rstrip("_") == table.split(".")[0]
    for word in (b"Jane", b"MacBook", b"Office", b"Doe"):
        assert word not in data


def test_hostile_pointers_are_cut() -> None:
    for pointer in (b"\xc0\x00", b"\xc0\x0d", b"\xc0\x50", b"\xff\xff"):
        message = response(answer(pointer, 1, b"\x5d\xb8\xd8\x22"))
        data, kept = datagram(message, context("dns"))
        assert kept == 12 + len(question(SECRET))
        assert b"\x5d\xb8" not in data


def test_bytes_after_the_message_are_cut() -> None:
    message = dns(questions=(question(SECRET),))
    data, kept = datagram(message + b"exfiltrated", context("dns"))
    assert kept == len(message)
    assert b"exfil" not in data


def test_stream_with_a_hole() -> None:
    one = response(answer(HERE, 1, b"\x5d\xb8\xd8\x22"))
    whole = framed(one) * 3
    what = context("dns", "tcp", client=SERVER)
    data, spans = stream(whole, what)
    assert spans == [(0, len(whole))]
    assert data == framed(datagram(one, what)[0]) * 3
    size = len(framed(one))
    hole = Interval(size + 20, size + 25)
    cut, spans = stream(whole[: hole.start] + bytes(5) + whole[hole.stop :], what, [hole])
    assert cut[:size] == data[:size]
    assert spans[-1].stop <= hole.start


def test_nothing_of_names_under_a_policy_that_hides_them() -> None:
    assert datagram(response(), context("dns", policy=TIMING_ONLY))[1] == 0


LABEL = st.one_of(st.from_regex(rb"[a-z0-9-]{1,12}", fullmatch=True), st.binary(min_size=1, max_size=63))


@settings(max_examples=examples(300))
@given(st.lists(LABEL, min_size=1, max_size=5))
def test_any_labels(labels: list[bytes]) -> None:
    raw = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    message = dns(questions=(raw + b"\0\1\0\1",))
    data, kept = datagram(message, context("dns"))
    if len(raw) > 255:
        assert kept == 12
        return
    assert kept == len(message)
    for label in labels:
        if len(label) >= 12:
            assert label not in data
