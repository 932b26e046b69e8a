"""Which rows the list of flows has, and which of them have been read: no widgets and no questions."""

import bisect
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from rustnet.query.views.flow_list import FlowGroup, FlowIndex, ListedFlow
from rustnet.query.views.flow_order import Group

MOST_KEPT = 4_000
"""Most flows of a section that are kept; beyond it, those far from the screen are dropped."""


@dataclasses.dataclass(slots=True, eq=False)
class Section:
    """A part of the list: all flows, or those of one group below its title."""

    group: FlowGroup | None
    count: int
    """Flows in it, as far as known."""
    expanded: bool = True
    index: FlowIndex | None = None
    """Numbers of its flows in order, once they have been read."""
    flows: dict[int, ListedFlow] = dataclasses.field(default_factory=dict)
    """Flows that have been read, by their place."""

    @property
    def title(self) -> int:
        """Rows of its title."""
        return 0 if self.group is None else 1

    @property
    def rows(self) -> int:
        """Rows that it takes."""
        return self.title + (self.count if self.expanded else 0)

    @property
    def key(self) -> Group | None:
        """What its flows have in common."""
        return None if self.group is None else Group(self.group.name)

    def add(self, first: int, flows: Sequence[ListedFlow], near: int) -> None:
        """Keep flows from place ``first`` on; ``near`` is a place on the screen."""
        if len(self.flows) + len(flows) > MOST_KEPT:
            half = MOST_KEPT // 4
            self.flows = {place: flow for place, flow in self.flows.items() if abs(place - near) <= half}
        for place, flow in enumerate(flows, first):
            self.flows[place] = flow


@dataclasses.dataclass(frozen=True, slots=True)
class Spot:
    """What a row of the screen is: the title of a section, or a flow in it."""

    section: Section
    place: int | None
    """Place of the flow in the section; None: the section's title."""

    @property
    def flow(self) -> ListedFlow | None:
        """The flow, if it is one that has been read."""
        return None if self.place is None else self.section.flows.get(self.place)


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Flows of a section that the screen lacks."""

    group: Group | None
    first: int
    end: int
    ids: tuple[int, ...] | None
    """Their numbers, if they are known."""
    from_end: bool
    """They are the last ones."""


class FlowRows:
    """The rows of the list."""

    def __init__(self, sections: Iterable[Section] = ()) -> None:
        self.sections: list[Section] = list(sections)
        self._starts: list[int] = []
        self.total = 0
        self.measure()

    def measure(self) -> None:
        """Count the rows again."""
        self._starts = []
        self.total = 0
        for section in self.sections:
            self._starts.append(self.total)
            self.total += section.rows

    @property
    def grouped(self) -> bool:
        """Whether the list has groups."""
        return bool(self.sections) and self.sections[0].group is not None

    def spot(self, row: int) -> Spot | None:
        """What row ``row`` is; None beyond the end."""
        if not 0 <= row < self.total:
            return None
        at = bisect.bisect_right(self._starts, row) - 1
        section = self.sections[at]
        place = row - self._starts[at] - section.title
        return Spot(section, place if place >= 0 else None)

    def row_of(self, section: Section, place: int | None) -> int:
        """Row of a place in a section, or of its title."""
        start = self._starts[self.sections.index(section)]
        return start if place is None else start + section.title + place

    def section_of(self, key: Group | None) -> Section | None:
        """Section of a group."""
        return next((section for section in self.sections if section.key == key), None)

    def find(self, flow_id: int) -> int | None:
        """Row of a flow, if it has been read or the order of its section is known."""
        for section in self.sections:
            if not section.expanded:
                continue
            for place, flow in section.flows.items():
                if flow.flow_id == flow_id:
                    return self.row_of(section, place)
        for section in self.sections:
            known = section.index.place(flow_id) if section.index is not None and section.expanded else None
            if known is not None:
                return self.row_of(section, known)
        return None

    def spots(self, rows: Iterable[int]) -> Iterator[Spot]:
        """What some rows are."""
        return (spot for row in rows if (spot := self.spot(row)) is not None)

    def lacking(self, rows: range, margin: int = 0) -> tuple[Wanted, ...]:
        """Flows in these rows that have not been read, with ``margin`` more on both sides if there are any."""
        missing = [spot for spot in self.spots(rows) if spot.place is not None and spot.flow is None]
        if not missing:
            return ()
        wanted: dict[int, tuple[Section, int, int]] = {}
        for spot in self.spots(range(max(0, rows.start - margin), min(self.total, rows.stop + margin))):
            if spot.place is not None:
                _, first, end = wanted.get(id(spot.section), (spot.section, spot.place, spot.place))
                wanted[id(spot.section)] = (spot.section, min(first, spot.place), max(end, spot.place + 1))
        lacks = {id(spot.section) for spot in missing}
        return tuple(self._wanted(*each) for key, each in wanted.items() if key in lacks)

    @staticmethod
    def _wanted(section: Section, first: int, end: int) -> Wanted:
        ids = None if section.index is None else tuple(section.index.part(first, end))
        return Wanted(section.key, first, end, ids, ids is None and end == section.count and first > section.count // 2)
