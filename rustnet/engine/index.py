"""`PacketIndex`: the rows of the ``packets`` table that one batch of frames after another fills, and their sums."""

from collections.abc import Mapping

import numpy as np

from rustnet.columnar import NULL, Array, Column, view
from rustnet.engine.numbers import OWN_NUMBER, SHARE_SHIFT
from rustnet.sources.frames import Frames

CAPACITY = 1 << 17
"""Packets in one index; a batch of frames must fit into what is left of it."""


class PacketIndex:
    """Columns of up to `CAPACITY` packets, and sums over all packets of the capture.

    Columns are NumPy arrays of which the first ``count`` entries are valid; `take` hands them over and starts new ones.
    """

    def __init__(self) -> None:
        self.wire_bytes = 0
        self.captured_bytes = 0
        self.truncated = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.first_ts = NULL
        self.last_ts = NULL
        self.previous_ts = NULL
        self.arrays: dict[str, Array] = {}
        self.renew()

    def renew(self) -> None:
        """Make new arrays."""
        self.count = 0
        made: dict[str, Array] = {
            "number": np.empty(CAPACITY, np.int64),
            "ts": np.empty(CAPACITY, np.int64),
            "flow_id": np.empty(CAPACITY, np.int64),
            "from_src": np.empty(CAPACITY, np.uint8),
            "length": np.empty(CAPACITY, np.uint32),
            "captured": np.empty(CAPACITY, np.uint32),
            "payload": np.empty(CAPACITY, np.uint32),
            "tcp_flags": np.empty(CAPACITY, np.uint8),
            "file_offset": np.empty(CAPACITY, np.int64),
            "interface": np.empty(CAPACITY, np.uint16),
            "file": np.empty(CAPACITY, np.uint16),
            "duplicate": np.empty(CAPACITY, np.uint8),
        }
        self.arrays = made
        self.flow_id = view(made["flow_id"])
        self.from_src = view(made["from_src"])
        self.payload = view(made["payload"])
        self.tcp_flags = view(made["tcp_flags"])
        self.duplicate = view(made["duplicate"])

    def enter(self, frames: Frames) -> int:
        """Enter a batch of frames, not yet decoded; returns the row of the first."""
        row, count = self.count, frames.count
        end = row + count
        self.count = end
        arrays = self.arrays
        arrays["flow_id"][row:end] = NULL
        for name in ("from_src", "payload", "tcp_flags", "duplicate"):
            arrays[name][row:end] = 0
        if not count:
            return row
        first = frames.first_number
        arrays["number"][row:end] = np.arange(first, first + count, dtype=np.int64)
        for name in ("ts", "length", "captured", "file_offset", "interface"):
            arrays[name][row:end] = frames.column(name)
        arrays["file"][row:end] = frames.file if frames.files is None else frames.column("files")
        self.sum_up(row, end)
        return row

    def point(self, columns: "Mapping[str, memoryview[int]]") -> None:
        """Write the packets' flows, directions, payloads and flags to ``columns``, from the next batch's first row on.

        Trackers that divide a capture share these columns; the process that reads the capture resets them and enters
        the frames.
        """
        self.flow_id = columns["flow_id"]
        self.from_src = columns["from_src"]
        self.payload = columns["payload"]
        self.tcp_flags = columns["tcp_flags"]
        self.duplicate = columns["duplicate"]

    def renumber(self, row: int, share: int, known: "memoryview[int]") -> None:
        """Replace the numbers that tracker ``share`` gave its flows by those in ``known``, in the rows from ``row`` on.

        To be called for the trackers in their order: what is replaced looks like numbers of the first one.
        """
        flow_ids = self.flow_id
        for i in range(row, self.count):
            flow_id = flow_ids[i]
            if flow_id > 0 and flow_id >> SHARE_SHIFT == share:
                flow_ids[i] = known[flow_id & OWN_NUMBER]

    def sum_up(self, row: int, end: int) -> None:
        """Add a batch's rows to the sums."""
        stamps, lengths, captured = (self.arrays[name][row:end] for name in ("ts", "length", "captured"))
        self.wire_bytes += int(lengths.sum(dtype=np.int64))
        self.captured_bytes += int(captured.sum(dtype=np.int64))
        self.truncated += int(np.count_nonzero(captured < lengths))
        last = end - row - 1
        self.out_of_order += int(stamps[0] < self.previous_ts) + int(np.count_nonzero(stamps[1:] < stamps[:last]))
        low = int(stamps.min())
        self.first_ts = low if self.first_ts == NULL else min(low, self.first_ts)
        self.last_ts = max(int(stamps.max()), self.last_ts)
        self.previous_ts = int(stamps[last])

    def take(self) -> dict[str, Column]:
        """The columns of the packets since the last call."""
        taken: dict[str, Column] = {name: array[: self.count] for name, array in self.arrays.items()}
        taken["ts"] = self.arrays["ts"][: self.count].view("datetime64[ns]")
        for name in ("from_src", "duplicate"):
            taken[name] = self.arrays[name][: self.count].view(np.bool_)
        self.duplicates += int(np.count_nonzero(self.arrays["duplicate"][: self.count]))
        self.renew()
        return taken
