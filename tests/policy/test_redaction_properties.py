"""What holds for all values: one key joins, two do not, and the structure of names, paths and addresses stays."""

import ipaddress
import json
import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.policy.networks import NETWORKS
from rustnet.policy.redaction import POLICIES, Key, Redactor
from rustnet.policy.redaction.addresses import CryptoPan
from rustnet.records import Kind
from tests.support.paths import ROOT

KEY, OTHER = Key(bytes(range(32))), Key(bytes(range(1, 33)))
SHARE = Redactor(KEY)

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12).map(lambda text: f"x{text}x")
NAME = st.lists(LABEL, min_size=1, max_size=4).flatmap(
    lambda labels: st.sampled_from(("com", "co.uk", "github.io", "local", "invalid")).map(
        lambda end: ".".join((*labels, end))
    )
)
PATH = st.lists(LABEL, min_size=1, max_size=6).map(lambda parts: "/" + "/".join(parts) + "/notes.txt")


def reference(number: int, bits: int, key: bytes) -> int:
    """The published construction, bit by bit: the first bit of a block of the bits before and padding after them."""
    encryptor = Cipher(AES(key[:16]), ECB()).encryptor()
    padding = int.from_bytes(encryptor.update(key[16:32]))
    changed = 0
    for length in range(bits):
        before = number >> (bits - length) << (128 - length) if length else 0
        block = before | padding & ((1 << (128 - length)) - 1)
        changed = changed << 1 | encryptor.update(block.to_bytes(16))[0] >> 7
    return number ^ changed


@given(st.integers(0, 2**128 - 1), st.binary(min_size=32, max_size=32))
@settings(max_examples=30)
def test_ipv6_is_by_the_reference_construction(number: int, key: bytes) -> None:
    assert CryptoPan(key).replace(number, 128) == reference(number, 128, key)


@given(st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32))
@settings(max_examples=30)
def test_ipv4_is_by_the_reference_construction(number: int, key: bytes) -> None:
    assert CryptoPan(key).replace(number, 32) == reference(number, 32, key)


def test_a_global_address_is_replaced_by_that_construction() -> None:
    # Far from any reserved network but 0.0.0.0/8 and 2000::/3, whose first bits stay.
    pan_key = KEY.derived("addresses")
    for text, bits in (("151.101.1.69", 32), ("2a04:4e42::649", 128)):
        address = ipaddress.ip_address(text)
        replaced = int(ipaddress.ip_address(SHARE.value(Kind.ADDRESS, text)))
        fixed = (SHARE.names.addresses.v4 if bits == 32 else SHARE.names.addresses.v6).fixed(int(address))
        assert fixed < 8
        assert replaced & ((1 << (bits - fixed)) - 1) == reference(int(address), bits, pan_key) & (
            (1 << (bits - fixed)) - 1
        )


@given(st.sampled_from([network for network, _scope in NETWORKS]), st.data())
def test_prefixes_within_networks_of_a_purpose(network: str, data: st.DataObject) -> None:
    parsed = ipaddress.ip_network(network)
    numbers = st.integers(int(parsed[0]), int(parsed[-1]))
    version = IPv4Address if parsed.version == 4 else IPv6Address
    first, second = version(data.draw(numbers)), version(data.draw(numbers))
    one, two = (ipaddress.ip_address(SHARE.value(Kind.ADDRESS, str(each))) for each in (first, second))
    assert one in parsed
    assert two in parsed
    if int(first) >> 32 not in (0, 0xFFFF) or parsed.version == 4:  # an IPv4 address within one is replaced as such
        assert (int(one) ^ int(two)).bit_length() == (int(first) ^ int(second)).bit_length()


@given(NAME)
def test_a_name_keeps_its_labels_and_suffix(name: str) -> None:
    replaced = SHARE.value(Kind.HOST, name)
    assert replaced.count(".") == name.count(".")
    assert replaced.split(".")[-1] == name.rsplit(".", maxsplit=1)[-1]
    assert not {label for label in name.split(".") if label.startswith("x")} & set(replaced.split("."))
    assert SHARE.value(Kind.HOST, f"www.{name}") == f"www.{replaced}"
    assert SHARE.value(Kind.HOST, name.upper()).lower() == replaced
    assert SHARE.original(replaced) == name


@given(PATH)
def test_a_path_keeps_its_depth_and_ending(path: str) -> None:
    replaced = SHARE.value(Kind.PATH, path)
    assert replaced.count("/") == path.count("/")
    assert replaced.startswith("/")
    assert replaced.endswith(".txt")
    parents = path.rpartition("/")[0], replaced.rpartition("/")[0]
    assert SHARE.value(Kind.PATH, parents[0]) == parents[1]
    assert SHARE.original(replaced) == path


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
@given(st.lists(st.one_of(NAME, PATH, st.ip_addresses().map(str)), max_size=20))
@settings(max_examples=20)
def test_many_are_as_each(policy: "object", values: list[str]) -> None:
    redactor, again = (Redactor(KEY, POLICIES[policy.name], remembered) for remembered in (0, 50_000))  # type: ignore[attr-defined]
    for kind in (Kind.HOST, Kind.PATH, Kind.ADDRESS, Kind.MIXED, Kind.FREE_TEXT, None):
        assert redactor.many(kind, values) == [again.value(kind, value) for value in values]


def test_two_processes_agree_under_one_key() -> None:
    values = [
        (Kind.ADDRESS, "93.184.216.34"), (Kind.ADDRESS, "2a00:1450:4001::8a"), (Kind.MAC, "9c:5a:44:7d:be:e1"),
        (Kind.HOST, "www.acme.co.uk"), (Kind.USER, "ACME\\jane"), (Kind.PATH, "/home/jane/x.txt"), (Kind.URI, "/a?b=c"),
        (Kind.DIGEST, "abc"), (Kind.IDENTIFIER, 70_123), (Kind.AUTONOMOUS_SYSTEM, 3320), (Kind.MIXED, "jane@acme.com"),
    ]  # fmt: skip
    program = (
        "import json, sys\nfrom rustnet.policy.redaction import Key, Redactor\nfrom rustnet.records import Kind\n"
        "key, values = json.load(sys.stdin)\nredactor = Redactor(Key(bytes.fromhex(key)))\n"
        "print(json.dumps([redactor.value(Kind(kind), value) for kind, value in values]))"
    )

    def elsewhere(key: Key) -> list[object]:
        given_values = json.dumps([key.secret.hex(), values])
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, input=given_values, capture_output=True, text=True, check=True, cwd=ROOT)
        result: list[object] = json.loads(done.stdout)
        return result

    here = [SHARE.value(kind, value) for kind, value in values]
    assert elsewhere(KEY) == here
    other = elsewhere(OTHER)
    assert not [pair for pair in zip(here, other, strict=True) if pair[0] == pair[1]]


@given(st.lists(st.one_of(NAME, LABEL), min_size=1, max_size=10, unique=True))
def test_two_keys_join_nothing(values: list[str]) -> None:
    other = Redactor(OTHER)
    for kind in (Kind.USER, Kind.OBJECT, Kind.DIGEST, Kind.IDENTIFIER):
        assert not set(SHARE.many(kind, values)) & set(other.many(kind, values))
