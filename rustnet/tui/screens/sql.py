"""SQL: an editor with completion and history, and the result as a grid or a plot."""

import contextlib
from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from rustnet.errors import RustnetError
from rustnet.i18n import _, ngettext
from rustnet.query.execute import ResultSet
from rustnet.query.session import Session, open_session
from rustnet.query.views.console import Names, names, run_statement, save_query, saved_statement
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.records import Kind
from rustnet.tui import MEMORY_LIMIT, THREADS
from rustnet.tui.bindings import bindings
from rustnet.tui.dialogs.save_query import SaveQueryDialog
from rustnet.tui.history import History
from rustnet.tui.pane import Pane
from rustnet.tui.runner import Runner
from rustnet.tui.widgets.charts import Bar, Series
from rustnet.tui.widgets.grid import Grid, GridColumn
from rustnet.tui.widgets.plot import Bars, Chart
from rustnet.tui.widgets.sql_editor import SqlEditor

BEGINNING = (
    "SELECT app, count(*) AS flows, sum(src_bytes + dst_bytes) AS bytes\nFROM flows GROUP BY app ORDER BY bytes DESC"
)
"""Statement in the editor at the start."""
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "HUGEINT")
MOST_BARS = 40


class SqlPane(Pane):
    """The SQL screen: its statements have a session of their own, so that they never hold up the other screens."""

    NAME = "sql"
    SCOPED_CSS = False  # the classes for small screens are on the screen
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("sql")]
    DEFAULT_CSS = """
    SqlPane { layout: vertical; }
    SqlPane #completions { height: 1; color: $foreground-muted; padding: 0 1; }
    SqlPane #state { height: 1; padding: 0 1; color: $foreground-muted; }
    SqlPane #state.error { color: $error; height: auto; max-height: 5; }
    SqlPane #results { height: 1fr; }
    .-low SqlPane SqlEditor, .-short SqlPane SqlEditor { height: 5; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._runner: Runner | None = None
        self._session: Session | None = None
        self._result: ResultSet | None = None
        self._ran = ""
        self._history: History | None = None
        self._shown = ("", "")
        """The statement as it was put into the editor, and what it means: in redact mode the two differ."""

    def compose(self) -> ComposeResult:
        """Editor, completions, state, result."""
        yield SqlEditor()
        yield Static(Content(""), id="completions")
        yield Static(
            Content(_("F5 runs the statement, F7 stops it, Tab completes, F11 and F12 go through older ones")),
            id="state",
        )
        with ContentSwitcher(id="results", initial="grid"):
            yield Grid(id="grid")
            yield Chart(id="chart")
            yield Bars(id="bars")

    def on_mount(self) -> None:
        """Open the session of this screen."""
        self._history = History(self.browser.settings.state_file("statements"))
        self._session = open_session(self.browser.session.path, threads=THREADS, memory_limit=MEMORY_LIMIT)
        self._runner = Runner(self._session, self.browser.call_later, "rustnet-sql")
        self._put(BEGINNING)
        self.set_interval(0.2, self._show_running)

    def on_unmount(self) -> None:
        """Stop what runs."""
        if self._runner is not None:
            self._runner.close()
        if self._session is not None:
            self._session.close()

    @property
    def editor(self) -> SqlEditor:
        """The editor."""
        return self.query_one(SqlEditor)

    @property
    def runner(self) -> Runner:
        """What runs the statements."""
        assert self._runner is not None
        return self._runner

    # ---- names for completion ----------------------------------------------------------------------------------------

    def follow(self) -> bool:
        """Leave the result as it is: the user runs statements."""
        return True

    def request(self) -> object:
        """Names change with the session only."""
        return self.browser.session_facts.being_written

    def refresh_if_old(self) -> None:
        """Read the names once; they do not depend on what is shown."""
        if not self.editor.names.tables:
            self.reload()

    def load(self, session: Session, spec: ViewSpec, request: Any) -> Names:  # noqa: ARG002
        """Read the names of the session."""
        return names(session, self._folders())

    def show(self, snapshot: Names) -> None:
        """Complete with these names."""
        self.editor.names = snapshot
        self.editor.complete()

    def _folders(self) -> tuple[Any, ...]:
        folder = self.browser.settings.queries
        return (folder,) if folder is not None and folder.is_dir() else ()

    def on_sql_editor_completed(self, event: SqlEditor.Completed) -> None:
        """Show the completions below the editor."""
        parts: list[tuple[str, str]] = []
        for at, completion in enumerate(event.shown):
            parts += [(completion.text, "reverse" if at == event.at else ""), ("  ", "")]
        self.query_one("#completions", Static).update(Content.assemble(*parts) if parts else Content(""))

    def on_sql_editor_chosen(self, event: SqlEditor.Chosen) -> None:
        """Put a saved query's statement into the editor."""
        try:
            statement = saved_statement(event.name, self._folders())
        except RustnetError as error:
            self._state(self.browser.presenter.error(error), error=True)
            return
        self._put(statement.text())

    def _put(self, text: str) -> None:
        """Put a statement into the editor, as it may be shown."""
        self._shown = (self.browser.presenter.sql(text), text)
        self.editor.load_text(self._shown[0])
        self.editor.move_cursor(self.editor.document.end)

    def _meant(self) -> str:
        """The statement that is meant by the text of the editor. Raises `RustnetError`."""
        shown, text = self._shown
        return text if self.editor.text == shown else self.browser.presenter.typed_sql(self.editor.text)

    # ---- running -----------------------------------------------------------------------------------------------------

    def action_run(self) -> None:
        """Run the statement."""
        if not self.editor.text.strip():
            return
        try:
            text = self._meant()
        except RustnetError as error:
            self._wrong(error)
            return
        if self._history is not None:
            self._history.add(text, store=not self.browser.presenter.redacting)
        at = self.browser.spec.at if self.browser.spec.at is not None else self.browser.session_facts.last_ns
        self._ran = text
        self.runner.submit("statement", lambda session: run_statement(session, text, at), self._came, self._wrong)

    def action_stop(self) -> None:
        """Stop the statement."""
        if self.runner.running_seconds:
            self.runner.cancel()
            self._state(_("stopped; what is shown is the result before"))

    def back(self) -> bool:
        """Stop a running statement, or leave the result for the editor."""
        if self.runner.running_seconds:
            self.action_stop()
            return True
        if self.editor.has_focus:
            return False
        self.editor.focus()
        return True

    def focus_first(self) -> None:
        """Begin in the editor."""
        self.editor.focus()

    def _came(self, result: ResultSet) -> None:
        self._result = result
        columns = [
            _grid_column(name, sql_type, kind if isinstance(kind, Kind) else None)
            for name, sql_type, kind in zip(result.columns, result.types, result.kinds, strict=True)
        ]
        self.query_one("#grid", Grid).show(columns, result.rows, keep=False)
        self.query_one("#results", ContentSwitcher).current = "grid"
        rows = ngettext("{count} row", "{count} rows", len(result.rows)).format(count=f"{len(result.rows):,}")
        words = _("{rows} in {ms} ms").format(rows=rows, ms=f"{1000 * result.elapsed:,.0f}")
        if result.truncated:
            words = _("the first {rows} in {ms} ms; there are more: add LIMIT or WHERE").format(
                rows=rows, ms=f"{1000 * result.elapsed:,.0f}"
            )
        self._state(words)

    def _wrong(self, error: RustnetError) -> None:
        self._state(self.browser.presenter.error(error), error=True)

    def _state(self, words: str, *, error: bool = False) -> None:
        line = self.query_one("#state", Static)
        line.set_class(error, "error")
        line.update(Content(words))

    def _show_running(self) -> None:
        seconds = self.runner.running_seconds
        if seconds > 0.2:
            self._state(_("running for {seconds} s; F7 stops it").format(seconds=f"{seconds:.1f}"))

    def statement(self) -> Statement | None:
        """The statement that was run last."""
        return Statement(self._ran or self._draft())

    def presentation_changed(self) -> None:
        """Draw the grid again, and show the statement as it may be shown now."""
        shown, text = self._shown
        typed = self.editor.text
        if typed != shown:
            text = typed
            if not self.browser.presenter.redacting:
                with contextlib.suppress(RustnetError):
                    text = self.browser.presenter.redactor.original_sql(typed)
        self._put(text)
        self.query_one("#grid", Grid).redraw()
        if self.query_one("#results", ContentSwitcher).current == "bars":
            self.action_plot()  # back to the rows

    # ---- history, saving, plots --------------------------------------------------------------------------------------

    def action_older(self) -> None:
        """Take over an older statement."""
        self._take(self._history.older(self._draft()) if self._history else None)

    def action_newer(self) -> None:
        """Take over a newer statement."""
        self._take(self._history.newer() if self._history else None)

    def _draft(self) -> str:
        with contextlib.suppress(RustnetError):
            return self._meant()
        return self.editor.text

    def _take(self, text: str | None) -> None:
        if text is not None:
            self._put(text)

    def action_save(self) -> None:
        """Save the statement as a named query."""
        folder = self.browser.settings.queries
        if folder is None:
            self._state(_("there is no folder for queries: set queries in the configuration"), error=True)
            return

        def save(answer: tuple[str, str] | None) -> None:
            if answer is None:
                return
            try:
                path = save_query(folder, *answer, self._meant())
            except RustnetError as error:
                self._state(self.browser.presenter.error(error), error=True)
                return
            shown = self.browser.presenter.text(str(path), kind=Kind.PATH)
            self._state(_("saved as {path}").format(path=shown))
            self.reload()

        self.browser.push_screen(SaveQueryDialog(), save)

    def action_plot(self) -> None:
        """Plot the result, or go back to its rows."""
        switcher = self.query_one("#results", ContentSwitcher)
        if switcher.current != "grid":
            switcher.current = "grid"
            return
        result = self._result
        numbers = [] if result is None else [at for at, kind in enumerate(result.types) if _is_number(kind)]
        if result is None or not result.rows or not numbers:
            self._state(_("a plot needs a column of numbers: the first other column names its values"), error=True)
            return
        first = 0
        drawn = [at for at in numbers if at != first] or [first]
        if result.types[first] == "TIMESTAMP_NS" or first in numbers:
            self._plot_lines(result, first, drawn)
        else:
            self._plot_bars(result, first, drawn[0])

    def _plot_lines(self, result: ResultSet, first: int, drawn: list[int]) -> None:
        rows = sorted((row for row in result.rows if row[first] is not None), key=lambda row: row[first])
        series = [Series(result.columns[at], [_float(row[at]) for row in rows]) for at in drawn[:6]]
        times: Sequence[int] = [row[first] for row in rows] if result.types[first] == "TIMESTAMP_NS" else ()
        chart = self.query_one("#chart", Chart)
        chart.show_series(series, times)
        self.query_one("#results", ContentSwitcher).current = "chart"

    def _plot_bars(self, result: ResultSet, first: int, at: int) -> None:
        kind, value_kind = result.kinds[first], result.kinds[at]
        present = self.browser.presenter.text
        bars = [
            Bar(
                present(
                    row[first], result.columns[first], result.types[first], kind if isinstance(kind, Kind) else None
                )
                or "-",
                _float(row[at]) or 0.0,
                present(
                    row[at], result.columns[at], result.types[at], value_kind if isinstance(value_kind, Kind) else None
                ),
            )
            for row in result.rows[:MOST_BARS]
        ]
        self.query_one("#bars", Bars).show_bars(bars)
        self.query_one("#results", ContentSwitcher).current = "bars"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _is_number(sql_type: str) -> bool:
    return "[" not in sql_type and any(part in sql_type for part in _NUMBERS)


def _grid_column(name: str, sql_type: str, kind: Kind | None) -> GridColumn:
    """Column of a result: its width depends on its type alone."""
    if _is_number(sql_type):
        return GridColumn(name, name, kind, sql_type, width=max(10, min(len(name) + 2, 20)), right=True)
    if sql_type.startswith("TIMESTAMP"):
        return GridColumn(name, name, kind, sql_type, width=28)
    if sql_type == "BOOLEAN":
        return GridColumn(name, name, kind, sql_type, width=max(6, min(len(name) + 2, 16)))
    return GridColumn(name, name, kind, sql_type, width=max(18, min(len(name) + 2, 30)), weight=1)


PANE = SqlPane
