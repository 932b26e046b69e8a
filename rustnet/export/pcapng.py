"""pcapng (draft-ietf-opsawg-pcapng): any mix of link types, with interfaces, comments and nanoseconds.

Little-endian, one section per original capture. Interfaces and processes are written when a packet first needs them.
"""

import functools
import struct
from collections.abc import Sequence
from typing import BinaryIO

from rustnet.sources.frames import Interface, Note

_SECTION, _INTERFACE, _ENHANCED, _STATISTICS, _PROCESS = 0x0A0D0D0A, 1, 6, 5, 0x80000001
_COMMENT, _HARDWARE, _OS, _APPLICATION = 1, 2, 3, 4
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL, _IF_FILTER, _IF_FCSLEN, _IF_TSOFFSET = 2, 3, 9, 11, 13, 14
_START, _END, _IF_DROPS, _ACCEPTED, _OS_DROPS, _DELIVERED = 2, 3, 5, 6, 7, 8
_FLAGS, _PROCESS_INDEX, _EFFECTIVE_INDEX = 2, 0x8001, 0x8003
_SECOND = 1_000_000_000
_EARLY = -9_200_000_000
"""Time offset in seconds of the additional interfaces for packets before 1970."""
_MAX_OPTION = 0xFFFF


def _option(code: int, value: bytes) -> bytes:
    value = value[:_MAX_OPTION]
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _text(code: int, text: str) -> bytes:
    """Encode a text option, cut to the maximum length; empty for an empty text."""
    if not text:
        return b""
    raw = text.encode("utf-8", "replace")[:_MAX_OPTION]
    return _option(code, raw.decode("utf-8", "ignore").encode())


@functools.lru_cache(maxsize=1024)
def _comment(text: str) -> bytes:
    """Encode a comment, cached because many packets share it."""
    return _text(_COMMENT, text)


class PcapngWriter:
    """Writes a pcapng file to ``stream``, which stays open. A file begins with `section`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.packets = 0
        self._interfaces: dict[tuple[int, bool], int] = {}
        self._processes: dict[tuple[int, int], int] = {}
        """Number in this section by (section, index) of the original; -1 if the original has no such block."""

    def section(self, *, application: str, hardware: str = "", os: str = "", comments: Sequence[str] = ()) -> None:
        """Begin a section, with its own interfaces."""
        self._interfaces = {}
        self._processes = {}
        options = b"".join(_text(_COMMENT, comment) for comment in comments)
        options += _text(_HARDWARE, hardware) + _text(_OS, os) + _text(_APPLICATION, application)
        self._block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), options)

    def write(
        self,
        key: int,
        interface: Interface,
        ts: int,
        data: bytes | memoryview,
        length: int,
        note: Note | None = None,
        processes: Sequence[tuple[int, int, str, str]] = (),
        comment: str = "",
    ) -> None:
        """Append a packet of ``interface``, identified within the section by ``key``.

        ``ts`` is in nanoseconds since 1970 UTC, ``length`` in bytes on the wire. ``note`` has comments, flags and
        the indexes in ``processes`` (section, pid, name, path) of Apple's process blocks; ``comment`` is added.
        """
        options = _comment(comment)
        if note:
            options += self._packet_options(note, processes)
        number = self._interface(key, interface, ts < 0)
        if ts < 0:
            ts -= _EARLY * _SECOND
        head = struct.pack("<IIIII", number, ts >> 32, ts & 0xFFFFFFFF, len(data), length)
        self._block(_ENHANCED, head, options, data)
        self.packets += 1

    def _interface(self, key: int, interface: Interface, early: bool) -> int:
        """Return the number of an interface within the section; describe it first if it is new."""
        number = self._interfaces.get((key, early))
        if number is None:
            number = self._interfaces[key, early] = len(self._interfaces)
            self.describe(interface, offset=_EARLY if early else 0)
        return number

    def describe(self, interface: Interface, resolution: int = 9, offset: int = 0) -> None:
        """Append an interface whose times are in units of ``10**-resolution`` seconds, ``offset`` seconds ahead."""
        options = _text(_IF_NAME, interface.name) + _text(_IF_DESCRIPTION, interface.description)
        options += _option(_IF_TSRESOL, bytes([resolution]))
        if interface.filter:
            options += _option(_IF_FILTER, b"\0" + interface.filter.encode("utf-8", "replace"))
        if interface.fcs_bits:
            options += _option(_IF_FCSLEN, bytes([interface.fcs_bits]))
        if offset:
            options += _option(_IF_TSOFFSET, struct.pack("<q", offset))
        self._block(_INTERFACE, struct.pack("<HHI", interface.link_type, 0, interface.snaplen), options)

    def statistics(
        self, number: int, begun: int, ended: int, packets: int, dropped_interface: int | None, dropped_os: int | None
    ) -> None:
        """Append what was counted on interface ``number`` of this section; times in nanoseconds since 1970 UTC."""
        options = b"".join(
            _option(code, struct.pack("<II", ts >> 32, ts & 0xFFFFFFFF))
            for code, ts in ((_START, begun), (_END, ended))
        )
        if dropped_interface is not None:
            options += _option(_IF_DROPS, struct.pack("<Q", dropped_interface))
        if dropped_os is not None:
            options += _option(_ACCEPTED, struct.pack("<Q", packets + dropped_os))
            options += _option(_OS_DROPS, struct.pack("<Q", dropped_os))
        options += _option(_DELIVERED, struct.pack("<Q", packets))
        self._block(_STATISTICS, struct.pack("<III", number, ended >> 32, ended & 0xFFFFFFFF), options)

    def _packet_options(self, note: Note, processes: Sequence[tuple[int, int, str, str]]) -> bytes:
        options = b"".join(_text(_COMMENT, comment) for comment in note.comments)
        if note.flags:
            options += _option(_FLAGS, struct.pack("<I", note.flags))
        for code, index in ((_PROCESS_INDEX, note.process), (_EFFECTIVE_INDEX, note.effective_process)):
            if index >= 0 and (number := self._process(note.section, index, processes)) >= 0:
                options += _option(code, struct.pack("<I", number))
        return options

    def _process(self, section: int, index: int, processes: Sequence[tuple[int, int, str, str]]) -> int:
        """Return the number of a process block in this section, written if it is new; -1 if there was none."""
        number = self._processes.get((section, index))
        if number is None:
            within = [p for p in processes if p[0] == section]
            number = sum(n >= 0 for n in self._processes.values()) if index < len(within) else -1
            self._processes[section, index] = number
            if number >= 0:
                _, pid, name, path = within[index]
                self._block(_PROCESS, struct.pack("<I", pid), _text(2, name) + _text(3, path))
        return number

    def _block(self, kind: int, head: bytes, options: bytes, data: bytes | memoryview = b"") -> None:
        fill = bytes(-len(data) % 4)
        if options:
            options += bytes(4)
        size = 12 + len(head) + len(data) + len(fill) + len(options)
        self._stream.write(struct.pack("<II", kind, size) + head)
        self._stream.write(data)
        self._stream.write(fill + options + struct.pack("<I", size))
