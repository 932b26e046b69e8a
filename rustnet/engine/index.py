"""`PacketIndex`: the rows of the ``packets`` table that one batch of frames after another fills, and their sums."""

import numpy as np

from rustnet.engine.numbers import NULL
from rustnet.sources.frames import Frames

CAPACITY = 1 << 17
"""Packets in one index; a batch of frames must fit into what is left of it."""

COPIED = ("ts", "length", "captured", "file_offset", "interface")
"""Columns that come from the frames as they are."""

Column = np.ndarray[tuple[int], np.dtype[np.generic]]


class PacketIndex:
    """Columns of up to `CAPACITY` packets, and sums over all packets of the capture.

    Columns are NumPy arrays of which the first ``count`` entries are valid; `take` hands them over and starts anew.
    """

    def __init__(self) -> None:
        self.wire_bytes = 0
        self.captured_bytes = 0
        self.truncated = 0
        self.out_of_order = 0
        self.first_ts = NULL
        self.last_ts = NULL
        self.previous_ts = NULL
        self.arrays: dict[str, Column] = {}
        self.renew()

    def renew(self) -> None:
        """Make new arrays."""
        self.count = 0
        made = {
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
        }
        self.arrays = made
        self.flow_id = memoryview(made["flow_id"])
        self.from_src = memoryview(made["from_src"])
        self.payload = memoryview(made["payload"])
        self.tcp_flags = memoryview(made["tcp_flags"])

    def enter(self, frames: Frames) -> int:
        """Enter a batch of frames, not yet decoded; returns the row of the first."""
        row, count = self.count, frames.count
        end = row + count
        self.count = end
        if not count:
            return row
        arrays = self.arrays
        first = frames.first_number
        arrays["number"][row:end] = np.arange(first, first + count, dtype=np.int64)
        for name in COPIED:
            arrays[name][row:end] = frames.column(name)
        arrays["flow_id"][row:end] = NULL
        for name in ("from_src", "payload", "tcp_flags"):
            arrays[name][row:end] = 0
        self.sum_up(arrays["ts"][row:end], arrays["length"][row:end], arrays["captured"][row:end])
        return row

    def sum_up(self, ts: Column, length: Column, captured: Column) -> None:
        """Add a batch to the sums."""
        self.wire_bytes += int(length.sum(dtype=np.int64))
        self.captured_bytes += int(captured.sum(dtype=np.int64))
        self.truncated += int(np.count_nonzero(captured < length))
        last = len(ts) - 1
        self.out_of_order += int(np.count_nonzero(ts[1:] < ts[:last]))
        low, high = int(ts.min()), int(ts.max())
        if self.first_ts == NULL:
            self.first_ts, self.last_ts = low, high
        else:
            self.out_of_order += int(ts[0]) < self.previous_ts
            self.first_ts = min(self.first_ts, low)
            self.last_ts = max(self.last_ts, high)
        self.previous_ts = int(ts[last])

    def take(self) -> dict[str, Column]:
        """The columns of the packets since the last call."""
        taken = {name: array[: self.count] for name, array in self.arrays.items()}
        taken["ts"] = taken["ts"].view("datetime64[ns]")
        taken["from_src"] = taken["from_src"].view(np.bool_)
        self.renew()
        return taken
