"""The pcapng that redacted packets are written to: interfaces, packets, statistics and names of addresses."""

import struct
from collections.abc import Iterable
from ipaddress import ip_address
from typing import BinaryIO

from rustnet import __version__
from rustnet.export.pcapng import PcapngWriter
from rustnet.export.redacted_packets.counts import PacketCounts
from rustnet.policy.redaction.redactor import Redactor
from rustnet.records import Kind
from rustnet.sources.frames import Interface, SourceInfo

_ENHANCED, _NAMES = 6, 4
_HEAD = struct.Struct("<IIIIIII")
_END = struct.Struct("<I")
_FLAGS = struct.Struct("<HHIHH")
_KNOWN_FLAGS = 0x1FF
"""Direction, kind of reception and length of the frame check sequence."""
_FILL = tuple(map(bytes, range(4)))
_MAX_NAME = 1024
EARLY = -9_200_000_000 * 1_000_000_000
"""Nanoseconds by which interfaces for packets before 1970 are ahead (`PcapngWriter`)."""


class RedactedWriter(PcapngWriter):
    """Writes redacted packets: what describes an interface is replaced, what describes the section is left out."""

    def __init__(self, stream: BinaryIO, redactor: Redactor, counts: PacketCounts) -> None:
        super().__init__(stream)
        self._redactor = redactor
        self._counts = counts
        self._interface_of: dict[int, int] = {}
        self._described: dict[int, tuple[Interface, int]] = {}
        self._spans: dict[int, list[int]] = {}
        """By interface: times of its first and its last packet, packets."""
        self._waiting: list[bytes | memoryview] = []

    def begin(self) -> None:
        """Begin a section of one capture."""
        self.section(application=f"rustnet {__version__}")
        self._interface_of = {}
        self._described = {}
        self._spans = {}

    def put(self, key: int, interface: Interface, ts: int, data: bytes | memoryview, length: int, flags: int) -> None:
        """Append a packet of an interface; the bytes are written by `flush`."""
        number = self._interface_of.get(key) if ts >= 0 else None
        if number is None:
            self.flush()
            number = self._number(key, interface, ts)
        span = self._spans[number]
        span[1] = ts
        span[2] += 1
        if ts < 0:
            ts -= EARLY
        captured = len(data)
        options = _FLAGS.pack(2, 4, flags & _KNOWN_FLAGS, 0, 0) if flags & _KNOWN_FLAGS else b""
        fill = -captured & 3
        size = 32 + captured + fill + len(options)
        waiting = self._waiting
        waiting.append(_HEAD.pack(_ENHANCED, size, number, ts >> 32, ts & 0xFFFFFFFF, captured, length))
        waiting.append(data)
        waiting.append(_FILL[fill] + options + _END.pack(size))
        self.packets += 1

    def flush(self) -> None:
        """Write the packets that wait."""
        self._stream.write(b"".join(self._waiting))
        self._waiting.clear()

    def _number(self, key: int, interface: Interface, ts: int) -> int:
        value = self._redactor.value
        replaced = Interface(
            interface.link_type,
            interface.snaplen,
            value(Kind.OBJECT, interface.name, "name", "VARCHAR", "interfaces"),
            value(Kind.FREE_TEXT, interface.description, "description", "VARCHAR", "interfaces"),
            fcs_bits=interface.fcs_bits,
        )
        if interface.filter:
            self._counts.dropped["capture_filters"] += 1
        number = self._interface(key, replaced, ts < 0)
        if ts >= 0:
            self._interface_of[key] = number
            self._described[number] = interface, number
        self._spans.setdefault(number, [ts, ts, 0])
        return number

    def finish(self, info: SourceInfo) -> None:
        """End a section: statistics of interfaces, names of addresses; count what of the capture is left out."""
        self.flush()
        for interface, number in self._described.values():
            if interface.dropped_interface is not None or interface.dropped_kernel is not None:
                begun, ended, packets = self._spans[number]
                self.statistics(number, begun, ended, packets, interface.dropped_interface, interface.dropped_kernel)
        self._names(info.names)
        for name, count in (
            ("decryption_secrets", info.secrets),
            ("section_comments", len(info.comments)),
            ("process_blocks", len(info.processes)),
            ("unknown_blocks", info.skipped_blocks),
            ("section_description", sum(map(bool, (info.application, info.hardware, info.os)))),
        ):
            if count:
                self._counts.dropped[name] += count

    def _names(self, names: Iterable[tuple[str, str]]) -> None:
        """Write records of name resolution with replacements."""
        records = b""
        for address, name in names:
            value = self._redactor.value
            try:
                packed = ip_address(value(Kind.ADDRESS, address, "ip", "VARCHAR", "names")).packed
            except ValueError:
                continue
            text = str(value(Kind.HOST, name, "name", "VARCHAR", "names")).encode()[:_MAX_NAME]
            content = packed + text + b"\0"
            records += struct.pack("<HH", 1 if len(packed) == 4 else 2, len(content)) + content
            records += bytes(-len(content) % 4)
            self._counts.rewritten_names += 1
        if records:
            self._block(_NAMES, b"", b"", records + bytes(4))
