"""Jumps of sequence numbers for the reference: a loss, or the numbers of another stream.

A jump is more than a megabyte ahead, or as much before the first number seen, or a SYN with another number. It is
possibly a loss where 100 Gb/s could have carried what is skipped since the direction's last packet. Three segments that
go on after it without one of the old numbers between them, or an acknowledgement of it, decide that; without that, or
if it is no possible loss, what is there, or acknowledges it, is counted and otherwise ignored.
"""

from dataclasses import dataclass

FAR = 1 << 20
RATE = 12.5
ENOUGH = 3
SYN, RST, ACK = 2, 4, 16


@dataclass
class Elsewhere:
    """Where a direction jumped to; numbers of 32 bits."""

    possible: bool
    start: int
    next: int
    run: int
    ts: int


def apart(later: int, earlier: int) -> int:
    """Signed distance of two 32-bit numbers."""
    difference = (later - earlier) % 2**32
    return difference - 2**32 if difference >= 2**31 else difference


def near(number: int, elsewhere: Elsewhere, expected: int) -> bool:
    """Whether a number belongs to where a direction jumped to, and not to where it was."""
    there = abs(apart(number, elsewhere.next))
    return there <= FAR and there < abs(apart(number, expected))
