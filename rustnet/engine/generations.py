"""`Generations`: how many conversations between the same ends have ended."""

from typing import Any

import numpy as np

from rustnet.columnar import view

FIRST_SIZE = 1 << 10
MAX_SIZE = 1 << 18
"""Places at most: 3 MB. Two thirds of them are used; beyond that counting starts from 0 again."""


class Generations:
    """Hash table with open addressing: from a flow's hash, which is never 0 here, to a count."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove all entries."""
        self.size = FIRST_SIZE
        self.count = 0
        self.hashes: Any = view(np.zeros(FIRST_SIZE, np.uint64))
        self.counts: Any = view(np.zeros(FIRST_SIZE, np.uint32))

    def place(self, flow_hash: int) -> int:
        """Index of a hash, or of the empty entry where it belongs."""
        mask = self.size - 1
        at = flow_hash & mask
        while self.hashes[at] and self.hashes[at] != flow_hash:
            at = (at + 1) & mask
        return at

    def get(self, flow_hash: int) -> int:
        """Count of a hash; 0 for one that is not known."""
        return self.counts[self.place(flow_hash or 1)] if self.count else 0

    def put(self, flow_hash: int, count: int) -> None:
        """Store the count of a hash."""
        known = flow_hash or 1
        at = self.place(known)
        if not self.hashes[at]:
            if self.count * 3 >= self.size * 2:
                if self.size >= MAX_SIZE:
                    self.clear()
                else:
                    self.grow()
                at = self.place(known)
            self.hashes[at] = known
            self.count += 1
        self.counts[at] = count

    def grow(self) -> None:
        """Double the places."""
        hashes, counts, size = self.hashes, self.counts, self.size
        self.size = 2 * size
        self.hashes = view(np.zeros(self.size, np.uint64))
        self.counts = view(np.zeros(self.size, np.uint32))
        for i in range(size):
            if hashes[i]:
                at = self.place(hashes[i])
                self.hashes[at] = hashes[i]
                self.counts[at] = counts[i]
