"""Replacements of addresses that keep their structure.

Two addresses that share their first n bits have replacements that share their first n bits, and no more (Crypto-PAn).
Networks reserved for a purpose stay within their range, which implies that the bits on the way to them stay: an address
next to a small reserved network keeps more of its first bits than others.
"""

import ipaddress
import threading
from functools import cache, cached_property

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from rustnet.policy.networks import NETWORKS

_SAME = (
    "0.0.0.0/8", "127.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/24", "224.0.1.0/24", "239.255.255.250/32",
    "255.255.255.255/32", "::/128", "::1/128", "ff00::/12",
)  # fmt: skip
"""Networks whose addresses mean the same everywhere and identify nobody: unspecified, loopback, groups of protocols."""
_NOT_SAME = ("ff02::1:ff00:0/104", "ff02::2:ff00:0/104", "ff05::1:3:0/112")
"""Parts of them whose last bits come from a host's own address or name."""
_USUAL = ("fe80::/64",)
"""Networks within a reserved one that are all of it in practice."""
_LONGER = {"ff00::/8": 16}
"""First bits that stay within a network, where they are more than its own: flags and scope of a multicast group."""

_HALVES = 65_536
"""Most first halves of addresses of which it is known how many bits stay."""

MAPPED = 0xFFFF << 32
_V4 = (1 << 32) - 1


_FIRST_BIT = bytes(b"01"[byte >> 7] for byte in range(256))


def _before(level: int) -> int:
    """The first bits of a block, up to a level."""
    return ((1 << level) - 1) << (128 - level)


class CryptoPan:
    """The prefix-preserving permutation of Xu, Fan, Ammar and Moon, for numbers of up to 128 bits.

    The key has 32 bytes: 16 of AES, 16 from which the padding is made, as in the published implementation.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(AES(key[:16]), ECB()).encryptor()  # noqa: S305 -- single blocks, as published
        self._lock = threading.Lock()
        self._pad = int.from_bytes(self._encrypt(key[16:32]))
        self._tables: dict[int, tuple[int, int, int]] = {}

    def _encrypt(self, blocks: bytes) -> bytes:
        with self._lock:
            return self._cipher.update(blocks)

    def _table(self, bits: int) -> tuple[int, int, int]:
        """Numbers of as many blocks as there are bits: a one in each block, the bits before each, the padding."""
        known = self._tables.get(bits)
        if known is None:
            ones = sum(1 << 128 * block for block in range(bits))
            before = sum(_before(level) << 128 * (bits - 1 - level) for level in range(bits))
            known = self._tables[bits] = ones, before, self._pad * ones
        return known

    def flips(self, number: int, bits: int) -> int:
        """Bits of ``number`` that change; each depends on the bits before it alone."""
        ones, before, pads = self._table(bits)
        # All blocks at once, as one long number: many times faster than one after another.
        blocks = pads ^ (((number << (128 - bits)) ^ self._pad) * ones & before)
        return int(self._encrypt(blocks.to_bytes(16 * bits))[::16].translate(_FIRST_BIT), 2)

    def replace(self, number: int, bits: int) -> int:
        """Replacement of a number, as published."""
        return number ^ self.flips(number, bits)

    def flip(self, prefix: int, bits: int, level: int) -> int:
        """Whether the bit ``level`` changes, by the bits before it; the others of ``prefix`` do not count."""
        high = ((prefix << (128 - bits)) ^ self._pad) & _before(level)
        return self._encrypt((self._pad ^ high).to_bytes(16))[0] >> 7


class Tree:
    """A permutation of numbers of some bits that keeps prefixes, keeps some networks, and no other number as it is."""

    def __init__(
        self,
        pan: CryptoPan,
        bits: int,
        kept: list[tuple[int, int, int]],
        same: list[tuple[int, int, bool]],
        least: int = 0,
    ) -> None:
        self.pan = pan
        self.bits = bits
        self.least = least
        """How many of the first bits stay in any case."""
        self.kept = kept
        """Networks: their first bits, how many these are, and how many stay within; the longest first."""
        self.same = same
        """First bits of networks whose numbers stay, and how many; false: a part of one, whose numbers do not."""
        self._half = bits // 2
        long = [(prefix, length) for prefix, length, _ in (*kept, *same) if length > self._half]
        self._long = frozenset(prefix >> (length - self._half) for prefix, length in long)
        """First halves of networks whose prefix is longer."""
        self._known: dict[int, int] = {}
        """How many bits stay, by the first half of a number, where no network is longer."""

    def fixed(self, number: int) -> int:
        """How many of the first bits stay, because of the networks that are on their way."""
        half = number >> (self.bits - self._half)
        if half in self._long:
            return self._fixed(number)
        known = self._known.get(half)
        if known is None:
            if len(self._known) >= _HALVES:
                self._known.clear()
            known = self._known[half] = self._fixed(number)
        return known

    def _fixed(self, number: int) -> int:
        for prefix, length, stays in self.same:
            if number >> (self.bits - length) == prefix:
                return self.bits if stays else length
        most = self.least
        for prefix, length, within in self.kept:
            if within <= most:
                continue
            differ = (number >> (self.bits - length)) ^ prefix
            most = max(most, length - differ.bit_length() + 1 if differ else within)
        return most

    def replace(self, number: int) -> int:
        """Replacement of a number."""
        fixed = self.fixed(number)
        if fixed >= self.bits:
            return number
        flips = self.pan.flips(number, self.bits) & ((1 << (self.bits - fixed)) - 1)
        # A number whose first bits happen to stay changes in its last one, so that none stays as it is.
        return number ^ max(1, flips)

    def original(self, replacement: int) -> int:
        """Number that has this replacement."""
        fixed = self.fixed(replacement)  # what is kept or on the way to it is the same before and after
        number, changed = replacement, False
        for level in range(fixed, self.bits):
            place = self.bits - 1 - level
            flip = 1 if place == 0 and not changed else self.pan.flip(number, self.bits, level)
            number ^= flip << place
            changed = changed or bool(flip)
        return number


def _networks(version: int, *texts: str) -> list[tuple[int, int]]:
    parsed = [ipaddress.ip_network(text) for text in texts]
    return [
        (int(net.network_address) >> (net.max_prefixlen - net.prefixlen), net.prefixlen)
        for net in parsed
        if net.version == version
    ]


@cache
def _tables(version: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, bool]]]:
    """Networks that stay within their range, the longest first, and those whose addresses stay."""
    reserved = [network for network, _scope in NETWORKS if network not in _LONGER]
    kept = {(*net, net[1]) for net in _networks(version, *reserved, *_SAME, *_NOT_SAME, *_USUAL)}
    kept |= {(*net, length) for text, length in _LONGER.items() for net in _networks(version, text)}
    same = [(*net, False) for net in _networks(version, *_NOT_SAME)] + [
        (*net, True) for net in _networks(version, *_SAME)
    ]
    return sorted(kept, key=lambda net: -net[1]), same


class HardwareTree:
    """A permutation of hardware addresses: that of each half, of a vendor or locally administered, within itself."""

    def __init__(self, of_vendors: Tree, local: Tree) -> None:
        self._of_vendors = of_vendors
        self._local = local

    def _tree(self, number: int) -> Tree:
        return self._local if number >> 40 & 3 == 2 else self._of_vendors  # groups such as 33:33 stay groups

    def replace(self, number: int) -> int:
        """Replacement of a number of 48 bits."""
        return self._tree(number).replace(number)

    def original(self, replacement: int) -> int:
        """Number that has this replacement."""
        return self._tree(replacement).original(replacement)


class Addresses:
    """Replacements of IPv4, IPv6 and hardware addresses under one key."""

    def __init__(self, key: bytes, hardware_key: bytes) -> None:
        self.pan = CryptoPan(key)
        self._hardware_key = hardware_key
        self.v4 = Tree(self.pan, 32, *_tables(4))
        self.v6 = Tree(self.pan, 128, *_tables(6))

    @cached_property
    def hardware(self) -> "HardwareTree":
        """Permutation of hardware addresses that keeps the vendor's 24 bits; of those without one, the first 8.

        Addresses that a machine gave itself have no vendor: all their bits but those that say so may be random.
        """
        pan = CryptoPan(self._hardware_key)
        return HardwareTree(Tree(pan, 48, [], [], least=24), Tree(pan, 48, [], [], least=8))

    def number(self, number: int, *, back: bool = False) -> int:
        """Replacement, or original, of an address of 128 bits; an IPv4 address in it is replaced as such."""
        v4 = self.v4.original if back else self.v4.replace
        if number >> 32 == 0xFFFF or (number >> 32 == 0 and number > 1) or number >> 32 == 0x64FF9B << 64:
            return number & ~_V4 | v4(number & _V4)  # IPv4-mapped, IPv4-compatible, NAT64
        if number >> 112 == 0x2002:  # 6to4
            inner = number >> 80 & _V4
            outer = number & ~(_V4 << 80)
            if back:
                before = outer | v4(inner) << 80
                for place in reversed(range(80)):
                    before ^= self.pan.flip(before, 128, 127 - place) << place
                return before
            return outer ^ self.pan.flips(number, 128) & ((1 << 80) - 1) | v4(inner) << 80
        return self.v6.original(number) if back else self.v6.replace(number)

    def address(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, *, back: bool = False
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """Replacement, or original, of an address; a zone is left out."""
        if address.version == 4:
            tree = self.v4
            return ipaddress.IPv4Address(tree.original(int(address)) if back else tree.replace(int(address)))
        return ipaddress.IPv6Address(self.number(int(address), back=back))
