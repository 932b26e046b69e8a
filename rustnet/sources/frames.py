"""`Frames`: the one form in which packets enter, whether they come from a file, a pipe or an interface.

A batch is one byte buffer and parallel columns. ``data[offset[i] : offset[i] + captured[i]]`` is frame ``i``.
Nothing downstream asks where a batch came from.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from rustnet.sources.limits import Limits

BATCH_PACKETS = 65_536
"""Capacity of a batch in packets."""

BUFFER_BYTES = 4 << 20
"""Size of a batch's byte buffer; one frame of at most `MAX_FRAME` always fits."""

MAX_FRAME = 1 << 20
"""A record that claims more captured bytes than this is damage, not a packet."""


def zeros(count: int, dtype: type[np.generic]) -> "memoryview[int]":
    """Make a column of zeros; its memory is taken from the system as it is touched."""
    return memoryview(np.zeros(count, dtype))  # type: ignore[arg-type]  # arrays are buffers before 3.12 too


Maker = Callable[[int, type[np.generic]], "memoryview[int]"]
"""What makes a column: `zeros`, or the like in memory that processes share."""


class Frames:
    """A batch of captured frames.

    Columns (``count`` valid entries): ``offset`` int64 into ``data``, ``captured`` and ``length`` uint32 bytes
    (``length`` is the frame's size on the wire), ``ts`` int64 nanoseconds since 1970 UTC, ``link`` uint16 link type
    (LINKTYPE registry), ``interface`` uint32 index into the source's interfaces, ``file_offset`` int64 position of
    the frame's first byte in the uncompressed input. ``buffer`` owns the bytes that ``data`` views, for whoever
    fills the batch. ``first_number`` is the number of frame 0, counted from 1
    through the whole capture. ``notes`` holds what a file says of single frames, by index in the batch. ``file`` is the
    index of the file that the frames come from; if they come from several, ``files`` has a uint16 index for each.
    ``clock`` is the time, in nanoseconds since 1970 UTC, at which a live source had no packets; None in all others.
    """

    def __init__(self, packets: int = BATCH_PACKETS, size: int = BUFFER_BYTES, make: "Maker" = zeros) -> None:
        self.buffer = make(size, np.uint8)
        self.data = self.buffer
        self.count = 0
        self.capacity = packets
        self.first_number = 1
        self.offset = make(packets, np.int64)
        self.captured = make(packets, np.uint32)
        self.length = make(packets, np.uint32)
        self.ts = make(packets, np.int64)
        self.link = make(packets, np.uint16)
        self.interface = make(packets, np.uint32)
        self.file_offset = make(packets, np.int64)
        self.notes: dict[int, Note] = {}
        self.file = 0
        self.files: memoryview[int] | None = None
        self.clock: int | None = None

    def column(self, name: str) -> "np.ndarray[tuple[int], np.dtype[np.generic]]":
        """One column's valid entries as a NumPy view (no copy)."""
        return np.asarray(getattr(self, name))[: self.count]

    def frame(self, i: int) -> bytes:
        """Copy of frame ``i``'s captured bytes."""
        start = self.offset[i]
        return bytes(self.data[start : start + self.captured[i]])


@dataclass(slots=True)
class Note:
    """What a capture file itself says of frames (pcapng packet options); frames that say the same share one."""

    comments: list[str] = field(default_factory=list)
    flags: int = 0
    """``epb_flags``: bits 0-1 are 1 inbound, 2 outbound."""
    process: int = -1
    """Index of Apple's process block within the section (option 0x8001), -1 without one."""
    effective_process: int = -1
    """Index of the process on whose behalf traffic flows (option 0x8003), -1 without one."""
    section: int = 0
    """Section of the file, counted from 0: process indices start anew in each."""
    said: int = -1
    """Number that `rustnet.attribute.packets` gave it, so that it is read once and not with each frame."""


@dataclass(slots=True)
class Interface:
    """One capture interface as its file describes it."""

    link_type: int
    snaplen: int = 0
    """0: unlimited or unknown."""
    name: str = ""
    description: str = ""
    section: int = 0
    packets: int = 0
    dropped_interface: int | None = None
    """Frames that the interface dropped (``isb_ifdrop``), where the file says so."""
    dropped_kernel: int | None = None
    """Frames that the operating system dropped (``isb_osdrop``)."""
    fcs_bits: int = 0
    """Length of the frame check sequence that classic pcap states; 0 where it states none."""
    filter: str = ""
    """Expression of the capture filter of a live interface."""


@dataclass(slots=True)
class Damage:
    """A part of an input that could not be read as it claims to be: it becomes an ``anomalies`` row."""

    kind: str
    """``cut_off``, ``bad_record_length``, ``bad_block``, ``bad_interface``, ``bad_option``, ``bad_timestamp``,
    ``bad_timestamp_unit``, ``bad_link_type``, ``captured_exceeds_length``, ``joined_files``, ``zero_gap``,
    ``zero_tail``, ``bad_compression``, ``read_error``, ``file_changed``, ``stopped_at_limit``, ``too_many``,
    ``more_damage``; of a live capture ``interface_down``, ``interface_up``, ``interface_gone``, ``interface_added``,
    ``interface_not_captured``, ``clock_jumped``; of the files that packets are recorded to ``recording_ended``.
    """
    packet: int
    """Number of the packet that it concerns, or of the last one before it (0: before the first)."""
    offset: int
    """Byte offset in the uncompressed input."""
    detail: str
    ts: int = 0


@dataclass(slots=True)
class SourceInfo:
    """What is known of an input; complete once its last batch has been read."""

    source: str
    """Path as given, or ``-`` for standard input."""
    kind: str = "file"
    """``file``, ``stdin``, ``fifo`` or ``live``."""
    format: str = ""
    """``pcap``, ``pcap-ns``, ``pcap-modified``, ``pcapng``, with ``+gzip`` … where compressed."""
    bytes: int | None = None
    """Size of the input as stored (compressed size where it is compressed)."""
    sha256: str | None = None
    """Hash of the input as stored; ``None`` until it was read to its end."""
    complete: bool = False
    """Every record was read up to a clean end of the input."""
    comments: list[str] = field(default_factory=list)
    """Section and interface comments."""
    application: str = ""
    """Program that wrote the file (``shb_userappl``)."""
    hardware: str = ""
    os: str = ""
    secrets: int = 0
    """Decryption secrets blocks seen (their contents are not stored)."""
    names: list[tuple[str, str]] = field(default_factory=list)
    """(address, name) of name resolution blocks."""
    processes: list[tuple[int, int, str, str]] = field(default_factory=list)
    """(section, pid, name, path) of Apple's process blocks, in order."""
    process_uuids: dict[int, str] = field(default_factory=dict)
    """UUID of the executable, by index in ``processes``, where the block has one."""
    annotated: bool = False
    """Some packets so far carry comments or name processes."""
    skipped_blocks: int = 0
    """Blocks of unknown type that were passed over."""
    assembly: str = ""
    """``joined`` or ``merged`` for several files that are read as one capture."""
    parts: int = 1
    """Captures in the input so far: files may have been joined byte by byte."""


@dataclass(slots=True)
class InputFile:
    """One of several files that are read as one capture."""

    info: SourceInfo
    first_packet: int | None = None
    """Number of its first packet within the capture; None without packets."""
    packets: int = 0
    first_ts: int | None = None
    last_ts: int | None = None


class Interval(NamedTuple):
    """What a live source counted on one interface since the time before, about a second."""

    at: int
    """End of the interval, in nanoseconds since 1970 UTC."""
    interface: int
    """Index into the source's interfaces."""
    packets: int
    """Packets that were read."""
    bytes: int
    """Their size on the wire."""
    dropped: int
    """Packets that the kernel dropped because they were not read in time."""
    freezes: int
    """Times at which the kernel's buffer was full."""


@runtime_checkable
class Measured(Protocol):
    """A source that counts packets and drops by time."""

    def take_statistics(self, last: bool = False) -> list[Interval]:
        """Take the counts of the intervals that have ended; the ``last`` time also those of the one that has not."""


class Source(Protocol):
    """An input that yields batches of frames in order, once.

    A batch belongs to the consumer until it asks for the next but one: two buffers alternate, so that one batch
    may still be read while the next is filled. With a ``ring`` of its own, set before the first batch, it belongs to
    the consumer until all others of the ring were had.
    """

    ring: Sequence[Frames]
    """Batches to fill in turn; without any the source makes its own."""

    info: SourceInfo
    interfaces: list[Interface]
    damage: list[Damage]
    files: list[InputFile]
    """The files that it reads as one capture, as far as they were opened; empty where it is one file."""
    limits: Limits
    """How much is read; to be set before the first batch."""

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read the input to its end; what cannot be read goes to ``damage`` and never raises.

        With ``patience`` an empty batch comes whenever there was nothing for so many seconds, so that the consumer can
        do what has to be done although no packet comes; it may come more often. Those of a live source have its clock.
        """

    def position(self) -> int:
        """Bytes of the stored input consumed so far (compare with ``info.bytes``)."""

    def close(self) -> None:
        """Release the input."""
