"""Ranges of numbers with values as steps: the first numbers at which the value changes."""

from collections.abc import Iterable
from typing import Any

Step = tuple[int, Any]
"""First number from which a value holds, and the value."""
Range = tuple[int, int, Any]
"""First and last number, and the value."""


def put(steps: list[Step], first: int, value: Any) -> None:
    """Append a step, unless the value is that of the step before."""
    if steps and steps[-1][0] == first:
        steps.pop()
    if not steps or steps[-1][1] != value:
        steps.append((first, value))


def changes(ranges: Iterable[Range], last: int, nothing: Any) -> list[Step]:
    """First numbers, from 0 to ``last``, at which the value changes; between the ranges it is ``nothing``.

    Where ranges overlap, the one that begins later, which is the smaller one, holds to its end.
    """
    steps: list[Step] = []
    put(steps, 0, nothing)
    holding: list[tuple[int, Any]] = [(last, nothing)]

    def end_before(first: int) -> None:
        while holding[-1][0] < first:
            end = holding.pop()[0]
            while holding[-1][0] <= end < last:
                holding.pop()
            put(steps, end + 1, holding[-1][1])

    for low, high, value in sorted(ranges, key=lambda each: (each[0], -each[1])):
        end_before(low)
        put(steps, low, value)
        holding.append((high, value))
    end_before(last)
    return steps
