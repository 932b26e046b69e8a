"""What the compiled walk tells its drivers, and the limits that both keep."""

NEED = 0
"""The record at ``pos`` goes beyond the bytes at hand."""
FULL = 1
"""The batch holds as many packets as it can."""
BAD = 2
"""The record at ``pos`` has an impossible length: the next one cannot be found by it."""
BLOCK = 3
"""The block at ``pos`` (whole, unless it begins a section) is for the driver."""
EVENT = 4
"""A packet was taken, ``pos`` is behind it, and its options or its clamped time are for the driver."""
BAD_PACKET = 5
"""The packet block at ``pos`` contradicts itself, but its framing holds."""
BAD_INTERFACE = 6
"""The packet block at ``pos`` names an interface that its section has not described."""

TS_MAX = 9_200_000_000_000_000_000
"""Largest time that is delivered, in nanoseconds (July 2261), and negated the smallest. Times beyond are clamped; the
distance to 2^63 lets whoever adds some months to a time stay within 64 bits."""
