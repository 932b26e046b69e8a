"""The list of flows as a table: it asks for the rows near the screen when it scrolls, and never while it draws."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.message import Message

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.query.session import Session
from rustnet.query.views import flow_list
from rustnet.query.views.flow_list import Context, FlowIndex, ListedFlow
from rustnet.query.views.flow_order import LARGEST_FIRST, Order
from rustnet.query.views.spec import ViewSpec
from rustnet.tui.widgets.columns import Placed
from rustnet.tui.widgets.flow_cells import COLUMNS, USUAL, FlowCells, Look, titled
from rustnet.tui.widgets.flow_reading import ListRequest, ListSnapshot, Rows, read_rows, same_list
from rustnet.tui.widgets.flow_rows import FlowRows, Section, Spot, Wanted
from rustnet.tui.widgets.table import Row, Table

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

MARGIN = 8
"""Rows above and below the screen that are read with it."""
INDEX_DELAY = 0.25
"""Seconds without a question after which the order of the whole list is read."""
NEXT_DELAY = 0.05
"""Seconds without a question after which the next page is read."""
HOLD_SECONDS = 3.0
"""After a key the order of a list that grows stays for so long."""

ROWS_KEY, COUNT_KEY, NEXT_KEY, INDEX_KEY = "overview.rows", "overview.count", "overview.next", "overview.index"
"""Keys of the runner's questions."""


class FlowTable(Table):
    """The list of flows."""

    WRAPS: ClassVar[bool] = True
    GUTTER: ClassVar[int] = 2

    class Chosen(Message):
        """A flow was opened."""

        def __init__(self, flow: ListedFlow) -> None:
            super().__init__()
            self.flow = flow

    class Counted(Message):
        """The number of flows, or what is shown of them, has changed."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._column = ""
        self.rows = FlowRows()
        self.order = Order()
        self.grouped = False
        self.names = True
        self.services = True
        self.chosen_columns: tuple[str, ...] = ()
        """Columns that the user chose; empty: the usual ones."""
        self.snapshot: ListSnapshot | None = None
        self.generation = 0
        """Number of the list that is shown; answers for an older one are dropped."""
        self.painted = 0
        """Number of the last list of which every visible row was drawn."""
        self.count: int | None = None
        """Flows of the list; None until they have been counted."""
        self.new = 0
        """Flows that came since the list was read."""
        self._cells: FlowCells | None = None
        self._expanded: set[str | None] = set()
        self._asked: tuple[Wanted, ...] = ()
        self._last_wanted = False
        self._touched = 0.0
        self._wanted_flow: int | None = None

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    # ---- what is shown -------------------------------------------------------------------------------------------

    def request(self) -> ListRequest:
        """What to ask for: the rows at the screen's place."""
        limit = min(flow_list.MOST_ROWS, max(flow_list.FIRST_ROWS, self.page_rows + MARGIN))
        first = 0 if self.grouped else max(0, self.top - MARGIN // 2)
        return ListRequest(
            dataclasses.replace(self.order, names=self.names, services=self.services), self.grouped, first, limit
        )

    def show(self, snapshot: ListSnapshot) -> None:
        """Show a list; the cursor stays on its flow if it is the same list as of another time."""
        old, self.snapshot = self.snapshot, snapshot
        same = old is not None and same_list(old, snapshot)
        spot = self.rows.spot(self.cursor) if same else None
        line = self.cursor - self.top
        self.generation += 1
        self._asked = ()
        for key in (ROWS_KEY, NEXT_KEY, INDEX_KEY, COUNT_KEY):
            self.browser.runner.cancel(key)
        self.rows = FlowRows(self._sections(snapshot, same=same))
        self.count, self.new = snapshot.count, 0
        self.empty = _why_empty(snapshot.spec)
        self._cells = None
        self.set_sort(self.order.key, descending=self.order.descending)
        self.choose_columns()
        if not same:
            self.scroll_to(y=0, animate=False)
        self._rows_changed()
        self._place_cursor(spot, line, same=same)
        if snapshot.count is None:
            self._ask_count()
        if self._wanted_flow is not None:
            self._go_to_wanted()
        self._ask_index()
        self.want()

    def _sections(self, snapshot: ListSnapshot, *, same: bool) -> list[Section]:
        if snapshot.groups is not None:
            return [Section(g, g.flows, expanded=g.name in self._expanded) for g in snapshot.groups.groups]
        first, flows = snapshot.request.first, snapshot.flows
        known = snapshot.count
        if known is None:
            known = max(first + len(flows), self.rows.total if same else 0)
        section = Section(None, known, index=snapshot.index)
        section.add(first, flows, first)
        return [section]

    def _place_cursor(self, spot: Spot | None, line: int, *, same: bool) -> None:
        """Put the cursor on the flow or group that it was on, at the same height of the screen."""
        if not same:
            self.cursor = 0
            return
        row: int | None = None
        if spot is not None and spot.flow is not None:
            row = self.rows.find(spot.flow.flow_id)
        elif spot is not None and spot.place is None:
            section = self.rows.section_of(spot.section.key)
            row = None if section is None else self.rows.row_of(section, None)
        if row is not None and row != self.cursor:
            self.cursor = row
            self.scroll_to(y=max(0, row - line), animate=False)

    def _rows_changed(self) -> None:
        self.rows.measure()
        self.recount(self.rows.total)
        self.post_message(self.Counted())

    def choose_columns(self) -> None:
        """Show the columns that the user chose, or the usual ones."""
        look = self.look
        if look is None:
            return
        keys = [key for key in self.chosen_columns if key in COLUMNS] or list(USUAL)
        columns = [titled(COLUMNS[key], look) for key in keys]
        if tuple(columns) != self.columns:
            self.set_columns(columns)
        self.redraw()

    @property
    def look(self) -> Look | None:
        """How flows are shown."""
        known = None if self.snapshot is None else self.snapshot.known
        return (
            None
            if known is None
            else Look.of(known, names=self.names, services=self.services, words=self.browser.settings.accessible)
        )

    @property
    def cells(self) -> FlowCells | None:
        """What makes cells of flows."""
        if self._cells is None and self.look is not None:
            self._cells = FlowCells(self.browser.presenter, self.look)
        return self._cells

    def presentation_changed(self) -> None:
        """Draw again, since values are presented in another way."""
        self._cells = None
        self.choose_columns()

    # ---- questions -----------------------------------------------------------------------------------------------

    def want(self) -> None:
        """Ask for the rows on the screen that have not been read."""
        snapshot = self.snapshot
        if snapshot is None or not self.is_mounted:
            return
        wanted = self.rows.lacking(self.visible_rows(), MARGIN)
        if not wanted or wanted == self._asked:
            return
        self._asked = wanted
        self._ask_rows(ROWS_KEY, snapshot, wanted, priority=0)

    def _ask_rows(self, key: str, snapshot: ListSnapshot, wanted: tuple[Wanted, ...], *, priority: int) -> None:
        generation = self.generation
        order = snapshot.request.order

        def work(session: Session) -> Rows:
            return read_rows(session, snapshot.spec, snapshot.known, order, wanted)

        def done(answer: Rows) -> None:
            if generation == self.generation:
                self._rows_came(answer, eager=priority == 0)

        delay = NEXT_DELAY if priority else 0.0
        self.browser.runner.submit(key, work, done, self._failed, priority=priority, delay=delay)

    def _failed(self, error: RustnetError) -> None:
        self._asked = ()
        self.browser.failed(error)

    def _rows_came(self, answer: Rows, *, eager: bool) -> None:
        spot = self.rows.spot(self.top)
        for key, first, flows in answer:
            section = self.rows.section_of(key)
            if section is not None:
                near = (spot.place or 0) if spot is not None and spot.section is section else first
                section.add(first, flows, near)
        self._asked = ()
        self.redraw()
        self.want()
        if eager and not self._asked:
            self._ask_next()

    def _ask_next(self) -> None:
        """Read the page after the one on the screen ahead."""
        rows = self.visible_rows()
        ahead = range(rows.stop, min(self.rows.total, rows.stop + self.page_rows))
        wanted = self.rows.lacking(ahead, 0)
        if wanted and self.snapshot is not None:
            self._ask_rows(NEXT_KEY, self.snapshot, wanted, priority=2)

    def _ask_count(self) -> None:
        snapshot, generation = self.snapshot, self.generation
        assert snapshot is not None

        def done(count: int) -> None:
            if generation != self.generation:
                return
            self.count = count
            if self.rows.sections and self.rows.sections[0].group is None:
                self.rows.sections[0].count = count
            self._rows_changed()
            if self._last_wanted:
                self.action_last()
            self.want()

        self.browser.runner.submit(
            COUNT_KEY,
            lambda session: flow_list.count(session, snapshot.spec, snapshot.known),
            done, self.browser.failed, priority=1,
        )  # fmt: skip

    def _ask_index(self) -> None:
        """Read the order of the whole list, if nobody writes the session and it has more rows than the screen."""
        snapshot, generation = self.snapshot, self.generation
        if (
            snapshot is None
            or snapshot.known.being_written
            or snapshot.groups is not None
            or snapshot.index is not None
        ):
            return
        if self.count is not None and self.count <= len(snapshot.flows):
            return

        def done(index: FlowIndex) -> None:
            if generation == self.generation:
                section = self.rows.sections[0]
                section.index, section.count = index, len(index)
                self.count = len(index)
                self._rows_changed()
                self._go_to_wanted()
                self.want()

        self.browser.runner.submit(
            INDEX_KEY,
            lambda session: flow_list.index(session, snapshot.spec, snapshot.known, snapshot.request.order),
            done, self.browser.failed, priority=3, delay=INDEX_DELAY,
        )  # fmt: skip

    # ---- drawing -------------------------------------------------------------------------------------------------

    def row_at(self, index: int, placed: Sequence[Placed]) -> Row | None:
        """Row ``index``, or None if it has not been read yet."""
        spot, cells = self.rows.spot(index), self.cells
        if spot is None or cells is None:
            return None
        widths = [(place.column.key, place.width) for place in placed]
        if spot.place is None:
            group = spot.section.group
            return None if group is None else cells.title(group, widths, expanded=spot.section.expanded)
        flow = spot.flow
        if flow is None:
            return None
        branch = ""
        if spot.section.group is not None:
            branch = "└─" if spot.place == spot.section.count - 1 else "├─"
        return cells.row(flow, widths, branch)

    def value_at(self, index: int, key: str) -> str:
        """Whole text of a cell; without a key, the remote address, as in RustNet."""
        spot, cells = self.rows.spot(index), self.cells
        if spot is None or cells is None:
            return ""
        if spot.place is None:
            row = self.row_at(index, self.placed)
            return "" if row is None else row.cells[0].text
        flow = spot.flow
        if flow is None:
            return ""
        return cells.address(flow.remote, port=False) if not key else cells.cell(flow, key, 1_000).text

    def selected_column(self) -> str:
        """Column whose value is copied and viewed; "" is the remote address."""
        return self._column if any(place.column.key == self._column for place in self.placed) else ""

    def action_column(self, step: int) -> None:
        """Select the next column, or the previous one; before the first one, none."""
        keys = ["", *(place.column.key for place in self.placed)]
        at = keys.index(self.selected_column()) + step
        self._column = keys[max(0, min(len(keys) - 1, at))]
        self.redraw()

    def clear_column(self) -> bool:
        """Select no column any more; returns whether one was selected."""
        selected, self._column = self.selected_column(), ""
        if selected:
            self.redraw()
        return bool(selected)

    @property
    def complete(self) -> bool:
        """Whether every row on the screen has been read."""
        return self.snapshot is not None and not self.rows.lacking(self.visible_rows())

    # ---- cursor --------------------------------------------------------------------------------------------------

    @property
    def spot(self) -> Spot | None:
        """What the cursor is on."""
        return self.rows.spot(self.cursor)

    @property
    def current(self) -> ListedFlow | None:
        """Flow at the cursor, if it is one that has been read."""
        spot = self.spot
        return None if spot is None else spot.flow

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scroll, and ask for the rows that come into sight."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.want()

    def place_columns(self) -> None:
        """Place the columns, and ask for rows that a larger table shows."""
        super().place_columns()
        self.want()

    def watch_cursor(self, old: int, new: int) -> None:
        """Select another row."""
        self._last_wanted = False
        super().watch_cursor(old, new)

    def on_key(self) -> None:
        """Note that somebody works with the list."""
        self._touched = time.monotonic()

    def on_mouse_down(self, event: events.MouseDown) -> None:  # noqa: ARG002 -- Headed has its own handler, too
        """Note that somebody works with the list."""
        self._touched = time.monotonic()

    def on_mouse_scroll_down(self) -> None:
        """Note that somebody works with the list."""
        self._touched = time.monotonic()

    def on_mouse_scroll_up(self) -> None:
        """Note that somebody works with the list."""
        self._touched = time.monotonic()

    @property
    def held(self) -> bool:
        """Whether somebody works with the list, so that its order must stay."""
        return time.monotonic() - self._touched < HOLD_SECONDS

    def action_last(self) -> None:
        """Select the last row, also if the flows have not been counted yet."""
        super().action_last()
        self._last_wanted = self.count is None

    def go_to_flow(self, flow_id: int) -> None:
        """Select a flow, as soon as its place is known."""
        self._wanted_flow = flow_id
        self._go_to_wanted()

    def _go_to_wanted(self) -> None:
        if self._wanted_flow is None:
            return
        row = self.rows.find(self._wanted_flow)
        if row is not None:
            self._wanted_flow = None
            self.cursor = row

    def action_open(self) -> None:
        """Open the flow at the cursor; on the title of a group, do nothing, as in RustNet."""
        if self.current is not None:
            self.post_message(self.Chosen(self.current))

    def on_table_opened(self, event: Table.Opened) -> None:
        """Open the flow, or the group, that was clicked twice."""
        event.stop()
        spot = self.spot
        if spot is not None and spot.place is None:
            self.fold()
        else:
            self.action_open()

    # ---- groups --------------------------------------------------------------------------------------------------

    def fold(self, *, expand: bool | None = None) -> bool:
        """Open or close the group at the cursor, also from one of its flows; returns whether there is a group."""
        spot = self.spot
        if spot is None or spot.section.group is None:
            return False
        section = spot.section
        wanted = not section.expanded if expand is None else expand
        if wanted == section.expanded:
            return True
        section.expanded = wanted
        name = section.group.name if section.group is not None else None
        (self._expanded.add if wanted else self._expanded.discard)(name)
        self._rows_changed()
        row = self.rows.row_of(section, None)
        if not wanted:
            self.cursor = row
        self.redraw()
        self.want()
        return True

    def forget_groups(self) -> None:
        """Close all groups."""
        self._expanded.clear()

    # ---- sorting -------------------------------------------------------------------------------------------------

    def sort_by(self, key: str, *, descending: bool) -> None:
        """Sort by a column; the owner asks again."""
        self.order = dataclasses.replace(self.order, key=key or "time", descending=descending)
        self.set_sort(self.order.key, descending=descending)
        self.post_message(self.Reordered())

    class Reordered(Message):
        """Another order was chosen."""

    def action_sort_next(self) -> None:
        """Sort by the next visible column, after the last one by the beginning."""
        keys = ["time", *(p.column.key for p in self.placed if p.column.key != "time")]
        at = keys.index(self.order.key) if self.order.key in keys else 0
        key = keys[(at + 1) % len(keys)]
        self.sort_by(key, descending=key in LARGEST_FIRST)

    def on_table_sorted(self, event: Table.Sorted) -> None:
        """Sort by the clicked title, or the other way round."""
        event.stop()
        if event.key == self.order.key:
            self.sort_by(event.key, descending=not self.order.descending)
        else:
            self.sort_by(event.key, descending=event.key in LARGEST_FIRST)

    def on_table_arranged(self, event: Table.Arranged) -> None:
        """Keep the order of the columns."""
        self.chosen_columns = event.order

    # ---- a list that grows ---------------------------------------------------------------------------------------

    def ask_values(self) -> None:
        """Read the flows on the screen again, and how many there are now, without changing the order."""
        snapshot, generation = self.snapshot, self.generation
        if snapshot is None:
            return
        ids = [spot.flow.flow_id for spot in self.rows.spots(self.visible_rows()) if spot.flow is not None]

        def work(session: Session) -> tuple[Context, int, tuple[ListedFlow, ...]]:
            known = flow_list.context(session, snapshot.spec, snapshot.known)
            return known, flow_list.count(session, snapshot.spec, known), flow_list.flows_of(session, known, ids)

        def done(answer: tuple[Context, int, tuple[ListedFlow, ...]]) -> None:
            if generation != self.generation:
                return
            known, count, flows = answer
            self.snapshot = dataclasses.replace(snapshot, known=known)
            self.new = max(0, count - self.count) if self.count is not None else 0
            newer = {flow.flow_id: flow for flow in flows}
            for section in self.rows.sections:
                for place, flow in section.flows.items():
                    section.flows[place] = newer.get(flow.flow_id, flow)
            self.presentation_changed()
            self.post_message(self.Counted())

        self.browser.runner.submit(ROWS_KEY, work, done, self._failed, priority=1)

    def take_widths(self, columns: tuple[str, ...], widths: Mapping[str, int]) -> None:
        """Take over columns and widths that the user chose earlier."""
        self.chosen_columns, self.widths = columns, dict(widths)


def _why_empty(spec: ViewSpec) -> str:
    """What to say of a list without flows."""
    if spec.filter:
        return _("no flow matches the filter; Esc clears it")
    if not spec.closed:
        return _("no flow is open; t shows those that have ended")
    if spec.since is not None:
        return _("no flow has packets since then; x counts from the beginning again")
    return _("no flow has begun by then") if spec.at is not None else _("there are no flows")
