"""Numbers that identify a machine: ephemeral ports, times to live, sequence numbers and identifiers of packets."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from rustnet.policy.redaction.keys import Key

EPHEMERAL = range(32_768, 65_536)
"""Ports that systems choose for clients: those of Linux, and within them the dynamic ones of IANA."""
SERVICES = frozenset((
    32_400, 32_469, 33_060, 33_434, 34_962, 34_963, 34_964, 34_980, 37_008, 40_000, 41_230, 41_641, 41_794, 41_795,
    44_818, 47_624, 47_808, 47_809, 47_810, 48_898, 48_899, 50_000, 50_051, 51_413, 51_820, 55_443, 55_555, 60_000,
    62_078, 64_738,
))  # fmt: skip
"""Services among them, which stay."""
INITIAL_TTLS = (32, 64, 128, 255)
"""Values with which systems begin; the difference to them counts the hops."""


@dataclass(frozen=True, slots=True)
class IdentifyingNumbers:
    """Which numbers that identify a machine are replaced; all others stay."""

    ports: bool = False
    """Ports from 32768 on, but for those of services: others of that range, the same for the same port."""
    ttl: bool = False
    """Times to live: the next value with which systems begin, so that the number of hops is not shown."""
    sequence: bool = False
    """Sequence numbers and time stamps of TCP: shifted by a number of the direction of a flow."""
    ip_id: bool = False
    """Identifiers of IP packets: others, the same for the same one, so that fragments stay together."""


class Numbers:
    """Replacements of numbers that identify a machine, under one key."""

    def __init__(self, key: Key, which: IdentifyingNumbers) -> None:
        self._key = key.derived("numbers")
        self.which = which

    def port(self, port: int) -> int:
        """Replacement of a port, if the policy asks for one."""
        return self._ports[port] if self.which.ports and 0 <= port < len(self._ports) else port

    def original_port(self, port: int) -> int:
        """Port that has this replacement."""
        return self._original_ports[port] if self.which.ports and 0 <= port < len(self._ports) else port

    def ttl(self, ttl: int) -> int:
        """Replacement of a time to live or hop limit, if the policy asks for one."""
        return next((value for value in INITIAL_TTLS if value >= ttl), ttl) if self.which.ttl and ttl > 0 else ttl

    def ip_id(self, number: int) -> int:
        """Replacement of the 16 bits that identify an IPv4 packet, if the policy asks for one; zero stays."""
        return self._ip_ids[number] if self.which.ip_id and 0 <= number < len(self._ip_ids) else number

    def fragment_id(self, number: int) -> int:
        """Replacement of the 32 bits that identify the fragments of an IPv6 packet, if the policy asks for one."""
        if not self.which.ip_id:
            return number
        left, right = number >> 16 & 0xFFFF, number & 0xFFFF
        for step in range(4):  # a Feistel network: a permutation
            left, right = right, left ^ self._hash(b"fragment", bytes((step,)), right.to_bytes(2)) & 0xFFFF
        return left << 16 | right

    def sequence_shift(self, direction: bytes) -> int:
        """What is added, modulo 2³², to sequence numbers of one direction of a flow; to the other's acknowledgements.

        ``direction`` are the original ends of that direction in a fixed form: the sender's address and port first.
        """
        return self._hash(b"sequence", direction) & 0xFFFF_FFFF if self.which.sequence else 0

    def timestamp_shift(self, sender: bytes) -> int:
        """What is added, modulo 2³², to TCP's time stamps of a sender, and to echoes of them; zero stays zero there."""
        return self._hash(b"timestamps", sender) & 0xFFFF_FFFF if self.which.sequence else 0

    def _hash(self, purpose: bytes, *parts: bytes) -> int:
        return int.from_bytes(hashlib.blake2b(b"".join(parts), key=self._key, digest_size=8, person=purpose).digest())

    @cached_property
    def _ports(self) -> list[int]:
        shuffled = self._shuffled("ports", [port for port in EPHEMERAL if port not in SERVICES])
        return [shuffled.get(port, port) for port in range(65_536)]

    @cached_property
    def _original_ports(self) -> list[int]:
        originals = [0] * 65_536
        for port, replacement in enumerate(self._ports):
            originals[replacement] = port
        return originals

    @cached_property
    def _ip_ids(self) -> list[int]:
        return [0, *self._shuffled("ip ids", list(range(1, 65_536))).values()]

    def _shuffled(self, purpose: str, numbers: list[int]) -> dict[int, int]:
        """A permutation under the key: for each number another one, or by chance itself."""
        stream = hashlib.shake_256(self._key + purpose.encode()).digest(16 * len(numbers))
        weight: Callable[[int], bytes] = lambda at: stream[16 * at : 16 * at + 16]  # noqa: E731
        return dict(zip(numbers, (numbers[at] for at in sorted(range(len(numbers)), key=weight)), strict=True))
