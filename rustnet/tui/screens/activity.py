"""Activity: processes by what they send and receive, as a list or a tree, and how much of the traffic has an owner."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from rustnet.i18n import N_, _, ngettext
from rustnet.policy.ownership import REASONS
from rustnet.present.values import humanised, percent, short_moment
from rustnet.query.session import Session
from rustnet.query.views.activity import NOW_SECONDS, Activity, ProcessRow, activity
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.records import Kind
from rustnet.tui.bindings import bindings
from rustnet.tui.pane import Pane
from rustnet.tui.widgets.charts import sparkline
from rustnet.tui.widgets.grid import Grid, GridColumn
from rustnet.tui.widgets.listing_grid import NOTHING, rate
from rustnet.tui.widgets.part_line import PartLine
from rustnet.tui.widgets.plot import Meter

PULSE = 12
"""Columns of the last minute's course."""
WELL_COVERED = 0.9
"""Share of bytes with an owner from which on the coverage is good."""
MOST_REASONS = 3
"""Reasons of flows without an owner that are named."""


@dataclass(frozen=True, slots=True)
class Request:
    """State of the screen."""

    tree: bool


class ActivityPane(Pane):
    """The Activity screen."""

    NAME = "activity"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("activity")]
    SCOPED_CSS: ClassVar[bool] = False
    DEFAULT_CSS = """
    ActivityPane { layout: vertical; }
    ActivityPane #modes { height: 1; }
    ActivityPane #modes PartLine { width: 32; }
    ActivityPane .words { height: 1; padding: 0 1; color: $foreground; text-wrap: nowrap; text-overflow: ellipsis; }
    ActivityPane .faint { color: $foreground-muted; }
    ActivityPane Meter { padding: 0 1; }
    ActivityPane Grid { margin-top: 1; }
    .-low ActivityPane Grid { margin-top: 0; }
    .-low ActivityPane #unowned { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent = True
        """The columns are about what processes send, not about what they receive."""
        self.as_tree = False
        self.snapshot: Activity | None = None
        self.direction = PartLine((("sent", _("Sent")), ("received", _("Received"))))
        self.order = PartLine((("list", _("List")), ("tree", _("Tree"))))

    def compose(self) -> ComposeResult:
        """Modes, totals, coverage, processes."""
        with Horizontal(id="modes"):
            yield self.direction
            yield self.order
        yield Static(Content(""), id="totals", classes="words")
        yield Meter(id="coverage")
        yield Static(Content(""), id="unowned", classes="words faint")
        yield Grid(text=self._text, cell_style=self._style, id="processes")

    @property
    def grid(self) -> Grid:
        """The table of processes."""
        return self.query_one("#processes", Grid)

    # ---- asking and showing ------------------------------------------------------------------------------------------

    def request(self) -> Request:
        """Only the tree needs another question."""
        return Request(self.as_tree)

    def load(self, session: Session, spec: ViewSpec, request: Request) -> Activity:
        """Ask for the processes."""
        return activity(session, spec, tree=request.tree)

    def statement(self) -> Statement | None:
        """The SQL of the processes."""
        return None if self.snapshot is None else self.snapshot.statement

    def show(self, snapshot: Activity) -> None:
        """Show processes and coverage."""
        self.snapshot = snapshot
        self._show()

    def _show(self, *, keep: bool = True) -> None:
        snapshot = self.snapshot
        if snapshot is None:
            return
        self.direction.set("sent" if self.sent else "received")
        self.order.set("tree" if self.as_tree else "list")
        self.query_one("#totals", Static).update(Content(self._totals(snapshot)))
        self._show_coverage(snapshot)
        self.query_one("#unowned", Static).update(Content(self._unowned(snapshot)))
        if not self.as_tree and not self.grid.sort_key:
            rows = sorted(snapshot.rows, key=lambda row: -(row.sent if self.sent else row.received))
        else:
            rows = snapshot.rows
        self.rows = rows
        self._several_hosts = len({row.host for row in rows if row.host}) > 1
        self.grid.show(self._columns(), [self._row(row) for row in rows], keep=keep)

    rows: Sequence[ProcessRow] = ()
    _several_hosts = False

    def _totals(self, snapshot: Activity) -> str:
        if snapshot.head is None:
            return _("This session has no packets.")
        totals = snapshot.totals
        words = _("now ↑ {sent_now} ↓ {received_now} · in all ↑ {sent} ↓ {received} · now: {seconds} s before {time}")
        line = words.format(
            sent_now=rate(totals.sent_now), received_now=rate(totals.received_now), seconds=NOW_SECONDS,
            time=short_moment(snapshot.head), sent=humanised(totals.sent), received=humanised(totals.received),
        )  # fmt: skip
        if totals.processes > len(snapshot.rows):
            more = _("listed: {n} of {whole} processes").format(
                n=f"{len(snapshot.rows):,}", whole=f"{totals.processes:,}"
            )
            line = f"{line} · {more}"
        return line

    def _show_coverage(self, snapshot: Activity) -> None:
        share = snapshot.owned_bytes / snapshot.bytes if snapshot.bytes else None
        words = _("process known: {bytes} of bytes, {flows} of {n} flows").format(
            bytes=percent(snapshot.owned_bytes, snapshot.bytes) if snapshot.bytes else NOTHING,
            flows=percent(snapshot.owned_flows, snapshot.flows) if snapshot.flows else NOTHING, n=f"{snapshot.flows:,}",
        )  # fmt: skip
        style = "good" if share is not None and share >= WELL_COVERED else "plain"
        self.query_one("#coverage", Meter).show_value(share, 1.0, words, style)

    def _unowned(self, snapshot: Activity) -> str:
        """Why flows have no process, and what is not counted."""
        notes = []
        if snapshot.uncounted:
            words = ngettext(
                "{n} tunnel goes on after this time: its bytes are not counted",
                "{n} tunnels go on after this time: their bytes are not counted",
                snapshot.uncounted,
            )
            notes.append(words.format(n=f"{snapshot.uncounted:,}"))
        reasons = []
        for reason in snapshot.unowned[:MOST_REASONS]:
            known = REASONS.get(reason.reason or "")
            words = ngettext("{n} flow ({bytes}): {why}", "{n} flows ({bytes}): {why}", reason.flows)
            why = _(known) if known else _("not judged")
            reasons.append(words.format(n=f"{reason.flows:,}", bytes=humanised(reason.bytes), why=why))
        if reasons:
            notes.append(_("without: {reasons}").format(reasons=" · ".join(reasons)))
        elif snapshot.flows:
            notes.append(_("Every flow has its process."))
        return " · ".join(notes)

    def _columns(self) -> list[GridColumn]:
        accessible = self.browser.settings.accessible
        total = N_("Sent") if self.sent else N_("Received")
        columns = [
            GridColumn("process", _("Process"), width=22, weight=3),
            GridColumn("pulse", _("Last minute"), width=PULSE, drop=5),
            GridColumn("now", _("Now"), width=10, right=True),
            GridColumn("peak", _("Peak 60 s"), width=10, right=True, drop=3),
            GridColumn("minute", _("60 s %"), width=6, right=True, drop=2),
            GridColumn("share", _("Share"), width=6, right=True),
            GridColumn("total", _(total), width=10, right=True),
            GridColumn("other", _("Received") if self.sent else _("Sent"), width=10, right=True, drop=7),
            GridColumn("flows", _("Open/flows"), width=11, right=True, drop=8),
            GridColumn("destinations", _("Remotes"), width=10, right=True, drop=6),
            GridColumn("peer", _("Most with"), width=18, weight=2, drop=4),
            GridColumn("user", _("User"), width=13, drop=1),
        ]
        return [column for column in columns if not (accessible and column.name == "pulse")]

    def _row(self, row: ProcessRow) -> list[Any]:
        """Values to sort by; what they look like is the business of `_text`."""
        assert self.snapshot is not None
        totals = self.snapshot.totals
        mine, other = (row.sent, row.received) if self.sent else (row.received, row.sent)
        whole, minute = (totals.sent, totals.sent_minute) if self.sent else (totals.received, totals.received_minute)
        history = row.sent_history if self.sent else row.received_history
        cells: dict[str, Any] = {
            "process": ((row.name or "").lower(), row.pid or 0, self._process(row)),
            "pulse": (max(history, default=0), history),
            "now": row.sent_now if self.sent else row.received_now,
            "peak": row.sent_peak if self.sent else row.received_peak,
            "minute": (row.sent_minute if self.sent else row.received_minute) / (minute or 1),
            "share": mine / (whole or 1),
            "total": mine if row.flows else None,
            "other": other if row.flows else None,
            "flows": (row.flows, row.active) if row.flows else None,
            "destinations": row.destinations if row.flows else None,
            "peer": None if row.peer is None else (row.peer, row.peer_name),
            "user": row.user,
        }
        return [cells[column.name] for column in self._columns()]

    def _process(self, row: ProcessRow) -> str:
        if not row.known:
            return _("(no process known)")
        text = self.browser.presenter.text
        name = text(row.name, "name", kind=Kind.SOFTWARE) or NOTHING
        if row.pid is not None:
            name = f"{name} ({row.pid})"
        if row.container:
            name = f"{text(row.container, kind=Kind.OBJECT)} {name}"
        if self._several_hosts and row.host:
            name = f"{name} · {text(row.host, kind=Kind.HOST)}"
        return f"{row.stem}{name}" + (" ?" if row.contested else "")

    def _text(self, value: Any, column: GridColumn) -> str:
        """Text of a cell."""
        if value is None or (column.name in ("now", "peak", "minute", "share") and not value):
            return NOTHING
        return self._texts[column.name](value) if column.name in self._texts else f"{value:,}"

    @cached_property
    def _texts(self) -> dict[str, Callable[[Any], str]]:
        text = self.browser.presenter.text

        def share(value: float) -> str:
            return percent(round(value * 10**6), 10**6).replace(" ", "")

        def peer(value: tuple[str, str | None]) -> str:
            return text(value[1], "hostname", kind=Kind.HOST) if value[1] else text(value[0], kind=Kind.ADDRESS)

        return {
            "process": lambda value: str(value[2]),
            "pulse": lambda value: sparkline(value[1], PULSE) if value[0] else NOTHING,
            "now": rate, "peak": rate, "minute": share, "share": share, "total": humanised, "other": humanised,
            "flows": lambda value: f"{value[1]:,}/{value[0]:,}",
            "peer": peer, "user": lambda value: text(value, kind=Kind.USER),
        }  # fmt: skip

    def _style(self, number: int, name: str) -> str:
        row = self.rows[number]
        if not row.known or not row.flows:
            return "dim"
        if name == "process" and row.contested:
            return "warn"
        if name == "pulse":
            return "accent" if any(row.sent_history if self.sent else row.received_history) else "dim"
        return ""

    # ---- actions -----------------------------------------------------------------------------------------------------

    def action_direction(self) -> None:
        """Switch between what processes send and what they receive."""
        self.sent = not self.sent
        self._show()

    def action_tree(self) -> None:
        """Show processes below their parents, or by their traffic."""
        self.as_tree = not self.as_tree
        self.grid.sort_by("", descending=False)
        self.reload()

    def on_part_line_chosen(self, event: PartLine.Chosen) -> None:
        """Switch by a click on a word."""
        event.stop()
        if event.name in ("sent", "received") and (event.name == "sent") != self.sent:
            self.action_direction()
        elif event.name in ("list", "tree") and (event.name == "tree") != self.as_tree:
            self.action_tree()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show the flows of the process in the overview."""
        event.stop()
        number = self.grid.current_number
        if number is None:
            return
        row = self.rows[number]
        self.browser.change(filter=process_filter(row))
        self.browser.show_tab("overview", remember=False)

    def reset(self) -> None:
        """Show what processes send, as a list, by traffic."""
        self.sent, self.as_tree = True, False
        self.grid.sort_by("", descending=False)

    def cursor_place(self) -> object:
        """Row of the cursor."""
        return self.grid.cursor

    def restore_cursor(self, place: object) -> None:
        """Put the cursor back."""
        if isinstance(place, int):
            self.grid.cursor = place

    def presentation_changed(self) -> None:
        """Draw again."""
        self._show()


def process_filter(row: ProcessRow) -> str:
    """Filter of the flows of a process, by its name and its number."""
    if not row.known:
        return "owned:no"
    terms = []
    if row.name:
        quoted = row.name.replace("\\", "\\\\").replace('"', '\\"')
        terms.append(f'process:="{quoted}"')
    if row.pid is not None:
        terms.append(f"pid:{row.pid}")
    return " ".join(terms)


PANE = ActivityPane
