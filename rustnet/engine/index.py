"""`PacketIndex`: the rows of the ``packets`` table that one batch of frames after another fills, and their sums."""

import numpy as np

from rustnet.sources.frames import Frames

CAPACITY = 1 << 17
"""Packets in one index; a batch of frames must fit into what is left of it."""

NO_TS = -9_223_372_036_854_775_807


class PacketIndex:
    """Columns of up to `CAPACITY` packets, and sums over all packets of the capture.

    Columns are NumPy arrays of which the first ``count`` entries are valid; `take` hands them over and starts anew.
    """

    def __init__(self) -> None:
        self.wire_bytes = 0
        self.captured_bytes = 0
        self.truncated = 0
        self.out_of_order = 0
        self.first_ts = NO_TS
        self.last_ts = NO_TS
        self.previous_ts = NO_TS
        self.arrays: dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]] = {}
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
        self.number = memoryview(made["number"])
        self.ts = memoryview(made["ts"])
        self.flow_id = memoryview(made["flow_id"])
        self.from_src = memoryview(made["from_src"])
        self.length = memoryview(made["length"])
        self.captured = memoryview(made["captured"])
        self.payload = memoryview(made["payload"])
        self.tcp_flags = memoryview(made["tcp_flags"])
        self.file_offset = memoryview(made["file_offset"])
        self.interface = memoryview(made["interface"])

    def frame(self, frames: Frames, i: int, number: int) -> int:
        """Enter frame ``i`` of a batch, not yet decoded; returns its row."""
        row = self.count
        self.count = row + 1
        ts = frames.ts[i]
        length = frames.length[i]
        captured = frames.captured[i]
        self.number[row] = number
        self.ts[row] = ts
        self.length[row] = length
        self.captured[row] = captured
        self.file_offset[row] = frames.file_offset[i]
        self.interface[row] = frames.interface[i] & 0xFFFF
        self.flow_id[row] = 0
        self.from_src[row] = 0
        self.payload[row] = 0
        self.tcp_flags[row] = 0
        self.wire_bytes += length
        self.captured_bytes += captured
        if captured < length:
            self.truncated += 1
        if ts < self.previous_ts:
            self.out_of_order += 1
        self.previous_ts = ts
        if self.first_ts == NO_TS or ts < self.first_ts:
            self.first_ts = ts
        if ts > self.last_ts:
            self.last_ts = ts
        return row

    def take(self) -> "dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]]":
        """The columns of the packets since the last call."""
        taken = {name: array[: self.count] for name, array in self.arrays.items()}
        taken["ts"] = taken["ts"].view("datetime64[ns]")
        taken["from_src"] = taken["from_src"].view(np.bool_)
        self.renew()
        return taken
