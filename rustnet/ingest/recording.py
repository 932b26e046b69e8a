"""What a run writes its packets to: `Recording`, and how the process that parses gets the files.

That process opens nothing. It asks for the next segment of a recording, states what it wrote to the previous one, and
gets a descriptor.
"""

import os
from dataclasses import dataclass, field
from io import FileIO
from typing import Literal, Protocol

from rustnet.errors import UsageError
from rustnet.sources.linktypes import link_name

MOST_SEGMENTS = 1 << 16
"""Segments that rows of packets can name; recording goes on in further ones."""
SECOND = 1_000_000_000


def _system() -> str:
    """Name of the operating system, for the header of files."""
    if not hasattr(os, "uname"):
        return ""
    system = os.uname()
    return f"{system.sysname} {system.release} {system.machine}"


@dataclass(frozen=True, slots=True)
class Recording:
    """Files that the packets of a run are written to, as they were read."""

    path: str
    """The file, or what the names of segments are made of."""
    format: Literal["pcap", "pcapng"]
    rotate_bytes: int = 0
    """Size from which a segment is followed by the next one; 0: not limited."""
    rotate_seconds: int = 0
    """Packet time after which a segment is followed by the next one; 0: not limited."""
    keep: int = 0
    """Number of segments that are kept, the latest ones; 0: all."""
    sidecar: bool = False
    """A sidecar with the owners is written next to each file."""
    filter: str = ""
    """Expression of the capture filter, which pcapng states."""
    system: str = field(default_factory=_system)

    @property
    def rotates(self) -> bool:
        """Whether it may consist of several files."""
        return bool(self.rotate_bytes or self.rotate_seconds)


@dataclass(frozen=True, slots=True)
class Ended:
    """What was written to a segment."""

    bytes: int
    """Its size up to the end of the last whole packet."""
    packets: int
    first_packet: int
    """Number of its first packet within the capture; 0 without packets."""
    first_ts: int
    last_ts: int


class Segments(Protocol):
    """Opens the files of the recordings of a run."""

    def next(self, recording: int, ts: int, packet: int, ended: Ended | None) -> FileIO:
        """Open the next segment, which begins with the packet of this time and number; ``ended`` is the previous one.

        Raises `RustnetError`.
        """

    def end(self, recording: int, ended: Ended, problem: str) -> None:
        """Note the end of the last segment; ``problem`` is why the recording ended before its time, or empty."""


def check_link_types(recordings: "tuple[Recording, ...]", link_types: set[int]) -> None:
    """Raise `UsageError` if a recording cannot hold packets of all these link types."""
    for each in recordings:
        if each.format == "pcap" and len(link_types) > 1:
            raise UsageError(several_link_types(each.path, link_types))


def several_link_types(path: str, link_types: set[int]) -> str:
    """Why classic pcap cannot hold packets of several link types; in English, as it is stored."""
    names = ", ".join(link_name(link) for link in sorted(link_types))
    return f"{path}: pcap holds packets of one link type, and there are {names}: record pcapng instead"
