"""Packets of a live capture, in the files that they were recorded to: each file is read without the others."""

import functools
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rustnet.query.selection import Selection

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session


@dataclass(frozen=True, slots=True)
class Share:
    """The selected packets of one file."""

    file: int
    """Index of the file."""
    packets: int
    numbers: Callable[[], Iterator[int]]
    """Their numbers within the file, ascending, each once."""
    first_packet: int
    """Number of the file's first packet within the capture."""

    def of_capture(self, number: int) -> int:
        """Number within the capture of the packet with a number within the file."""
        return number + self.first_packet - 1


def shares(session: "Session", selected: Selection, capture_id: int) -> tuple[list[Share], int]:
    """Selected packets of a recorded capture by file, and the number of those that are in no file."""
    rows = session.execute_own(
        "SELECT file, first_packet FROM capture_files WHERE capture_id = ? AND first_packet IS NOT NULL", (capture_id,)
    ).rows
    first = dict(typing.cast("list[tuple[int, int]]", rows))
    result, nowhere = [], 0
    for file, packets in selected.counts_by_file(session, capture_id).items():
        if file is None or file not in first:
            nowhere += packets
            continue
        numbers = functools.partial(_within, session, selected, capture_id, file, first[file])
        result.append(Share(file, packets, numbers, first[file]))
    return result, nowhere


def _within(session: "Session", selected: Selection, capture_id: int, file: int, first: int) -> Iterator[int]:
    for number in selected.numbers(session, capture_id, file):
        yield number - first + 1
