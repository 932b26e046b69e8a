"""The most frequent packets in one go: Ethernet, IPv4 without options, TCP or UDP, captured whole.

What it writes is the same as what the general way writes; a test compares both.
"""

from rustnet.export.redacted_packets.base import IP4, REMEMBERED_PAIRS, TCP, UDP, WRONG, remainder
from rustnet.export.redacted_packets.link import PacketRewriter
from rustnet.export.redacted_packets.tunnels import PORTS

_ETHERNET = 1
_HEAD = IP4.to_bytes(2) + b"\x45"
_TIMESTAMPS = b"\1\1\x08\x0a"
"""Start of TCP's options where they are time stamps alone."""


class CommonRewriter(PacketRewriter):
    """Rewrites packets, the most frequent ones faster."""

    def rewrite(self, raw: bytes, link: int) -> bytes | memoryview:
        """Rewrite a captured packet; what is not kept of its end is cut."""
        if link == _ETHERNET and raw[12:15] == _HEAD and len(raw) >= 42 and not self.changes_numbers:
            try:
                if (shown := self._common(raw)) is not None:
                    return shown
            except Exception:  # noqa: BLE001 -- hostile bytes: the general way counts them
                return super().rewrite(raw, link)
        return super().rewrite(raw, link)

    def _common(self, raw: bytes) -> bytes | None:
        """Rewrite a frequent packet; None for another one, of which nothing was counted."""
        length = (raw[16] << 8 | raw[17]) - 20
        stop = 34 + length
        if raw[20] & 0x3F or raw[21] or stop > len(raw):
            return None
        if raw[23] == TCP:
            return self._common_tcp(raw, length, stop) if length >= 20 else None
        return self._common_udp(raw, length, stop) if raw[23] == UDP and length >= 8 else None

    def _heads(self, raw: bytes) -> tuple[bytes, int, int]:
        """Rewritten Ethernet and IPv4 headers, and the sums of the addresses before and after."""
        ends = raw[26:34]
        known = self.pairs.get(ends)
        if known is None:
            if len(self.pairs) >= REMEMBERED_PAIRS:
                self.pairs.clear()
            replaced = self.ipv4_of[ends[:4]] + self.ipv4_of[ends[4:]]
            known = self.pairs[ends] = replaced, int.from_bytes(ends) % 0xFFFF, int.from_bytes(replaced) % 0xFFFF
        replaced, old, new = known
        hardware = self.hardware_of
        start = hardware[raw[:6]] + hardware[raw[6:12]] + raw[12:24]
        rest = (int.from_bytes(start[14:]) * 0x10000 + new) % 0xFFFF
        value = 0xFFFF - rest if rest else 0
        if int.from_bytes(raw[14:34]) % 0xFFFF:
            value = value ^ WRONG or WRONG << 1
        return start + value.to_bytes(2) + replaced, old, new

    def _common_tcp(self, raw: bytes, length: int, stop: int) -> bytes | None:
        header = (raw[46] >> 4) << 2
        if header != 20 and (header != 32 or raw[54:58] != _TIMESTAMPS):
            return None
        options = 34 + header
        if options > stop:
            return None
        heads, old, new = self._heads(raw)
        payload: bytes | bytearray = b""
        if stop > options:
            self.raw, self.out = raw, bytearray(stop)
            source, destination = raw[34] << 8 | raw[35], raw[36] << 8 | raw[37]
            kept = self.segment(options, stop, source, destination, int.from_bytes(raw[38:42]), raw[47])
            payload = self.out[options:kept]
        front, back = raw[34:50], raw[52:options]
        numbers = int.from_bytes(front) + int.from_bytes(back)  # both are whole words
        rest = (numbers + remainder(payload, 0, len(payload)) + new + TCP + length) % 0xFFFF
        value = 0xFFFF - rest if rest else 0
        if (remainder(raw, 34, stop) + old + TCP + length) % 0xFFFF:
            value = value ^ WRONG or WRONG << 1
        return b"".join((heads, front, value.to_bytes(2), back, payload))

    def _common_udp(self, raw: bytes, length: int, stop: int) -> bytes | None:
        source, destination = raw[34] << 8 | raw[35], raw[36] << 8 | raw[37]
        if raw[38] << 8 | raw[39] != length or source in PORTS or destination in PORTS:
            return None
        heads, old, new = self._heads(raw)
        payload: bytes | bytearray = b""
        if stop > 42:
            self.raw, self.out = raw, bytearray(stop)
            payload = self.out[42 : self.payload(42, stop, source, destination)]
        value = 0
        if raw[40] or raw[41]:
            numbers = int.from_bytes(raw[34:40]) + remainder(payload, 0, len(payload))
            rest = (numbers + new + UDP + length) % 0xFFFF
            value = (0xFFFF - rest if rest else 0) or 0xFFFF
            if (remainder(raw, 34, stop) + old + UDP + length) % 0xFFFF:
                value = value ^ WRONG or WRONG << 1
        return b"".join((heads, raw[34:40], value.to_bytes(2), payload))
