"""Classic pcap (draft-ietf-opsawg-pcap): one link type, packets exactly as they were captured."""

import struct
from typing import BinaryIO

from rustnet.errors import RustnetError

_MICROSECONDS = 0xA1B2C3D4
_NANOSECONDS = 0xA1B23C4D
_SECOND = 1_000_000_000
DEFAULT_SNAPLEN = 262_144
"""Used if the original has no snap length: the largest value that other programs accept."""


class PcapWriter:
    """Writes a little-endian pcap file to ``stream``, which stays open.

    ``nanoseconds`` selects the resolution of times: nanoseconds or microseconds.
    """

    def __init__(self, stream: BinaryIO, link_type: int, *, snaplen: int = 0, nanoseconds: bool = True) -> None:
        self._stream = stream
        self._unit = 1 if nanoseconds else 1000
        self.packets = 0
        magic = _NANOSECONDS if nanoseconds else _MICROSECONDS
        stream.write(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen or DEFAULT_SNAPLEN, link_type))

    def write(self, ts: int, data: bytes | memoryview, length: int) -> None:
        """Append a packet: time in nanoseconds since 1970 UTC, captured bytes, and its length on the wire.

        Raises `RustnetError` for a time that pcap cannot hold (before 1970, or after 2106).
        """
        seconds, rest = divmod(ts, _SECOND)
        if not 0 <= seconds <= 0xFFFFFFFF:
            raise RustnetError("a packet's time is outside 1970 to 2106, the range of pcap: write pcapng instead")
        self._stream.write(struct.pack("<IIII", seconds, rest // self._unit, len(data), length))
        self._stream.write(data)
        self.packets += 1
