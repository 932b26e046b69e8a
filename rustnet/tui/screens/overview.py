"""The list of all flows: grouped or not, filtered as you type, with the session's numbers at its side."""

import dataclasses
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.strip import Strip
from textual.widget import Widget

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.text import cut
from rustnet.present.values import clock_time
from rustnet.query.filters import FilterError
from rustnet.query.session import Session
from rustnet.query.views.flow_list import Context
from rustnet.query.views.flow_order import SORTS, Order
from rustnet.query.views.session_numbers import SessionNumbers, session_numbers
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.tui.bindings import bindings
from rustnet.tui.kept_columns import read_columns, write_columns
from rustnet.tui.neighbours import TableNeighbours
from rustnet.tui.pane import Pane
from rustnet.tui.widgets.filter_line import FilterLine, counted
from rustnet.tui.widgets.flow_cells import COLUMNS, USUAL, Look, titled
from rustnet.tui.widgets.flow_reading import ListRequest, ListSnapshot, load_list
from rustnet.tui.widgets.flow_table import FlowTable
from rustnet.tui.widgets.sidebar import LEAST_AREA, WIDTH, Sidebar

ROOMY = 142 + WIDTH
"""Width from which on the sidebar is shown unless it was closed: the list has all its columns beside it."""
SIDE_KEY = "overview.side"


class ListLine(Widget):
    """One line below the list: what it shows, in which order, and how much of it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"list-line--text", "list-line--new"}
    DEFAULT_CSS = """
    ListLine { height: 1; }
    ListLine .list-line--text { color: $foreground 60%; }
    ListLine .list-line--new { color: $accent; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = ""
        self._new = ""
        self._right = ""

    def show(self, left: str, right: str, new: str = "") -> None:
        """Show texts at both ends; ``new`` stands out."""
        if (left, right, new) != (self._left, self._right, self._new):
            self._left, self._right, self._new = left, right, new
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 -- there is one line
        """Draw the line: the numbers at the right always, as much of the rest as fits."""
        room = self.size.width
        text = self.get_component_rich_style("list-line--text")
        right = cut(self._right, max(0, room - 2))
        new = f" {self._new}" if self._new else ""
        left = cut(self._left, max(0, room - len(right) - len(new) - 3))
        used = Strip([Segment(f" {left}", text), Segment(new, self.get_component_rich_style("list-line--new"))])
        gap = max(1, room - used.cell_length - Strip([Segment(right)]).cell_length - 1)
        return Strip([*used, Segment(" " * gap, text), Segment(f"{right} ", text)]).adjust_cell_length(room, text)


class Overview(Pane):
    """The tab of all flows."""

    NAME = "overview"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("overview")]
    DEFAULT_CSS = """
    Overview { layout: vertical; }
    Overview Horizontal { height: 1fr; }
    Overview FlowTable { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: Context | None = None
        self.side_wanted: bool | None = None
        """Whether the user wants the sidebar; None: where there is room."""
        self._side_asked: tuple[ViewSpec, bool] | None = None
        self._started = False

    @property
    def table(self) -> FlowTable:
        """The list."""
        return self.query_one(FlowTable)

    def compose(self) -> ComposeResult:
        """The list, the sidebar, and a line about the list."""
        with Horizontal():
            yield FlowTable(id="flows")
            yield Sidebar()
        yield ListLine()

    def on_mount(self) -> None:
        """Begin with the settings."""
        self._take_settings()

    def _take_settings(self) -> None:
        settings = self.browser.settings
        table = self.table
        columns, widths = settings.columns, settings.widths
        if not columns and not widths:
            columns, widths = read_columns(settings.state_file("columns"))
        table.take_widths(columns, widths)
        key = settings.sort.removeprefix("-")
        table.order = Order(key, settings.sort.startswith("-")) if key in SORTS else Order()
        table.grouped = settings.grouped
        self._started = True

    # ---- what the frame asks -----------------------------------------------------------------------------------------

    def request(self) -> ListRequest:
        """What the list shows."""
        return self.table.request()

    def load(self, session: Session, spec: ViewSpec, request: ListRequest) -> ListSnapshot:
        """Read the list."""
        snapshot = load_list(session, spec, request, self.known)
        self.known = snapshot.known
        return snapshot

    def show(self, snapshot: ListSnapshot) -> None:
        """Show the list."""
        self.table.show(snapshot)
        self._show_line()
        self._ask_side()

    def _failed(self, error: RustnetError) -> None:
        """Show the error of a filter where it is typed."""
        line = next(iter(self.screen.query(FilterLine)), None)
        if isinstance(error, FilterError) and line is not None and line.is_open:
            line.set_error(error)
        else:
            super()._failed(error)

    def statement(self) -> Statement | None:
        """Return the SQL of the list."""
        return None if self.table.snapshot is None else self.table.snapshot.statement

    def focus_first(self) -> None:
        """Give the focus to the list."""
        self.table.focus()

    def back(self) -> bool:
        """Select no column any more."""
        return self.table.clear_column()

    def reset(self) -> None:
        """Reset grouping, order and history."""
        self.table.forget_groups()
        self._take_settings()
        self.table.grouped = self.browser.settings.grouped

    def cursor_place(self) -> object:
        """Flow at the cursor."""
        flow = self.table.current
        return None if flow is None else flow.flow_id

    def restore_cursor(self, place: object) -> None:
        """Select a flow again."""
        if isinstance(place, int):
            self.table.go_to_flow(place)

    def presentation_changed(self) -> None:
        """Draw the values in another way."""
        self.table.presentation_changed()

    # ---- the lines around the list -----------------------------------------------------------------------------------

    def summary(self) -> str:
        """How many flows match, and how long that took."""
        snapshot = self.table.snapshot
        if snapshot is None:
            return ""
        return counted(self.table.count, snapshot.known.total, snapshot.seconds)

    def on_flow_table_counted(self) -> None:
        """Show the numbers of the list."""
        self._show_line()

    def on_table_moved(self) -> None:
        """Show which row is selected."""
        self._show_line()

    def _show_line(self) -> None:
        snapshot = self.table.snapshot
        if snapshot is None:
            return
        for line in self.screen.query(FilterLine):
            line.set_info(self.summary())
        self.query_one(ListLine).show(" · ".join(self._parts(snapshot)), self._numbers(snapshot), self._new())

    def _parts(self, snapshot: ListSnapshot) -> list[str]:
        """What the list shows."""
        spec, known, order = snapshot.spec, snapshot.known, snapshot.request.order
        parts = [_("all flows") if spec.closed else _("open flows")]
        if snapshot.request.grouped:
            parts.append(_("by process"))
        title = next((c.title for c in self.table.columns if c.key == order.key), "")
        arrow = "↓" if order.descending else "↑"
        parts.append(_("sorted by {column} {arrow}").format(column=title or _("beginning"), arrow=arrow))
        if spec.since is not None:
            parts.append(_("with packets since {time}").format(time=clock_time(spec.since)))
        hidden = 0 if spec.loopback or known.loopback == known.total else known.loopback
        if hidden:
            parts.append(_("{count} loopback flows hidden").format(count=f"{hidden:,}"))
        if snapshot.groups is not None and snapshot.groups.more:
            parts.append(_("{count} groups more").format(count=f"{snapshot.groups.more:,}"))
        return parts

    def _numbers(self, snapshot: ListSnapshot) -> str:
        row = f"{self.table.cursor + 1:,}" if self.table.row_count else "0"
        return f"{_('row {row}').format(row=row)} · {counted(self.table.count, snapshot.known.total, snapshot.seconds)}"

    def _new(self) -> str:
        return _("+{count} new").format(count=f"{self.table.new:,}") if self.table.new else ""

    # ---- the sidebar -------------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Show or hide the sidebar for the new width."""
        self._show_side(event.size.width)

    def _show_side(self, area: int) -> None:
        wanted = area >= ROOMY if self.side_wanted is None else self.side_wanted
        side = self.query_one(Sidebar)
        side.set_class(wanted and area >= LEAST_AREA, "-shown")
        self._ask_side()

    def _ask_side(self) -> None:
        """Read the numbers of the sidebar if it is shown and they are old."""
        side, known = self.query_one(Sidebar), self.known
        spec = dataclasses.replace(self.browser.spec, filter="")
        if known is None or not side.has_class("-shown") or self._side_asked == (spec, False):
            return
        self._side_asked = (spec, known.being_written)

        def done(numbers: SessionNumbers) -> None:
            side.show(numbers, mixed=known.being_written or known.at is not None)

        self.browser.runner.submit(
            SIDE_KEY,
            lambda session: session_numbers(session, spec, known.moment),
            done,
            self.browser.failed,
            priority=2,
        )

    # ---- a session that is being written -----------------------------------------------------------------------------

    def follow(self) -> bool:
        """Read the list again; rows stay where they are while somebody works with them."""
        if self._terminal_is_slow():
            return False
        if self.table.held:
            self.table.ask_values()
            return False
        self.reload()
        return True

    def _terminal_is_slow(self) -> bool:
        """Whether the terminal has not taken the last frames yet."""
        writer = getattr(self.browser._driver, "_writer_thread", None)
        queue = getattr(writer, "_queue", None)
        return queue is not None and queue.qsize() > 0

    # ---- actions -----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Leave the keys of groups to others where there are none."""
        return action != "fold" or self._folds()

    def _folds(self) -> bool:
        tables = self.query(FlowTable)
        return bool(tables) and tables.first().grouped

    def action_group(self) -> None:
        """Group by process, or not."""
        self.table.grouped = not self.table.grouped
        self.reload()

    def action_fold(self) -> None:
        """Open or close the group at the cursor."""
        self.table.fold()

    def action_history(self) -> None:
        """Show ended flows, or not."""
        self.browser.change(closed=not self.browser.spec.closed, remember=False)

    def action_loopback(self) -> None:
        """Show flows between loopback addresses, or not."""
        self.browser.change(loopback=not self.browser.spec.loopback, remember=False)

    def action_sidebar(self) -> None:
        """Show the session's numbers at the side, or not."""
        if self.size.width < LEAST_AREA:
            self.browser.say(_("the sidebar needs a wider terminal"))
            return
        self.side_wanted = not self.query_one(Sidebar).has_class("-shown")
        self._show_side(self.size.width)

    def action_columns(self) -> None:
        """Choose the columns of the list."""
        from rustnet.tui.dialogs.columns import ColumnsDialog  # noqa: PLC0415 -- a dialog

        table = self.table
        look = table.look or Look()
        every = [titled(column, look) for column in COLUMNS.values()]

        def chosen(keys: tuple[str, ...] | None) -> None:
            if keys:
                table.chosen_columns = keys
                table.choose_columns()

        self.browser.push_screen(ColumnsDialog(every, table.chosen_columns or USUAL), chosen)

    def keep_columns(self, *, usual: bool = False) -> None:
        """Keep the columns and their widths for later runs; ``usual``: have the usual ones again."""
        table, path = self.table, self.browser.settings.state_file("columns")
        if usual:
            table.take_widths((), {})
            table.choose_columns()
        if path is None:
            return
        try:
            write_columns(path, table.chosen_columns, table.widths)
        except OSError as error:
            self.browser.say(_("the columns cannot be kept: {reason}").format(reason=error.strerror), error=True)
            return
        self.browser.say(_("the columns are kept for later runs"))

    def action_ports(self) -> None:
        """Show services, or ports."""
        self.table.services = not self.table.services
        self._look_changed("service")

    def action_names(self) -> None:
        """Show names, or addresses."""
        self.table.names = not self.table.names
        self._look_changed("remote")

    def _look_changed(self, key: str) -> None:
        self.table.presentation_changed()
        if self.table.order.key == key:
            self.reload()

    def on_flow_table_reordered(self) -> None:
        """Read the list in the new order."""
        self.reload()

    def on_flow_table_chosen(self, event: FlowTable.Chosen) -> None:
        """Open a flow."""
        self.browser.open_flow(event.flow.flow_id, self.neighbours)

    @property
    def neighbours(self) -> TableNeighbours:
        """The list, for walking it from the details of a flow."""
        return TableNeighbours(self.table)

    def action_export(self) -> None:
        """Export the selected flow."""
        flow = self.table.current
        if flow is None:
            self.browser.say(_("no flow is selected"))
            return
        from rustnet.export.captured import Originals  # noqa: PLC0415 -- for a dialog
        from rustnet.tui.dialogs.export import ExportDialog  # noqa: PLC0415 -- a dialog

        self.app.push_screen(ExportDialog(flow.flow_id, Originals(self.browser.session.path)))


PANE = Overview
