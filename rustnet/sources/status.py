"""Return codes of the record walk, and limits shared with its callers."""

NEED = 0
"""The record at ``pos`` extends beyond the available bytes."""
FULL = 1
"""The batch is full."""
BAD = 2
"""The record at ``pos`` has an invalid length, so the next record cannot be located."""
BLOCK = 3
"""The caller has to read the block at ``pos``, which is complete unless it begins a section."""
EVENT = 4
"""A packet was read, ``pos`` is after it, and the caller has to read its options or report its clamped time."""
BAD_PACKET = 5
"""The packet block at ``pos`` is inconsistent, but its length is valid."""
BAD_INTERFACE = 6
"""The packet block at ``pos`` refers to an interface that its section has not described."""

LONG = 7
"""The block at ``pos`` is longer than a batch may hold; the caller has to pass over it."""

EDGE = 8
"""Zeros, or what looks like the header of another file, stand at ``pos`` instead of a record."""

TS_MAX = 9_200_000_000_000_000_000
"""Largest time in nanoseconds (July 2261), and negated the smallest; times beyond are clamped. Some months can still be
added without exceeding 64 bits."""
