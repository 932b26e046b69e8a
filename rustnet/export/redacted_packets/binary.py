"""Replacements of addresses as they are in packets; the same as those of a `Redactor` in tables."""

from rustnet.policy.redaction.redactor import Redactor

REMEMBERED = 1 << 16
"""Addresses of each sort whose replacements are remembered."""


class _Known(dict[bytes, bytes]):
    """Replacements by original, worked out when they are first needed."""

    def __init__(self, addresses: "BinaryAddresses") -> None:
        super().__init__()
        self._addresses = addresses

    def __missing__(self, original: bytes) -> bytes:
        if len(self) >= REMEMBERED:
            self.clear()
        replacement = self[original] = self.replace(original)
        return replacement

    def replace(self, original: bytes) -> bytes:
        """Work out a replacement."""
        raise NotImplementedError


class _IPv4(_Known):
    def replace(self, original: bytes) -> bytes:
        return self._addresses.tree.v4.replace(int.from_bytes(original)).to_bytes(4)


class _IPv6(_Known):
    def replace(self, original: bytes) -> bytes:
        return self._addresses.tree.number(int.from_bytes(original)).to_bytes(16)


class _Hardware(_Known):
    def replace(self, original: bytes) -> bytes:
        return bytes.fromhex(self._addresses.redactor.names.mac(original.hex(":")).replace(":", ""))


class BinaryAddresses:
    """Replaces IPv4, IPv6 and hardware addresses of 4, 16 and 6 bytes: ``ipv4[original]`` and so on."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.tree = redactor.names.addresses
        self.ipv4: dict[bytes, bytes] = _IPv4(self)
        self.ipv6: dict[bytes, bytes] = _IPv6(self)
        self.hardware: dict[bytes, bytes] = _Hardware(self)
