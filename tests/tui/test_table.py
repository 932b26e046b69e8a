"""The table of the browser: columns by width, keys, and every action of the mouse."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from rustnet.tui.widgets.columns import Column, Placed, border_at, column_at, layout, moved
from rustnet.tui.widgets.grid import Grid, GridColumn
from rustnet.tui.widgets.table import COPY_SECONDS, Cell, Row, Table, fit

OVERVIEW = (
    Column("process", "Process", 22, 2),
    Column("remote", "Remote", 21, 4),
    Column("local", "Local", 18, 1, drop=3),
    Column("country", "Loc", 4, drop=1),
    Column("service", "Service", 10, drop=2),
    Column("app", "App", 24, 3, drop=5, compact=14),
    Column("state", "State", 12, drop=6),
    Column("rtt", "RTT", 7, right=True, drop=4),
    Column("bytes", "Rx/Tx", 11, right=True),
)


def keys(placed: Sequence[Placed]) -> list[str]:
    """Keys of placed columns."""
    return [p.column.key for p in placed]


@pytest.mark.parametrize(
    ("width", "dropped"),
    [
        (139, set()),
        (137, {"country"}),
        (130, {"country", "service"}),
        (115, {"country", "service", "local"}),
        (100, {"country", "service", "local", "rtt"}),
        (80, {"country", "service", "local", "rtt", "state"}),
    ],
)
def test_columns_are_left_out_in_their_order(width: int, dropped: set[str]) -> None:
    assert {c.key for c in OVERVIEW} - set(keys(layout(OVERVIEW, width))) == dropped


@pytest.mark.parametrize("width", [20, 60, 80, 99, 100, 138, 139, 160, 200, 311])
def test_columns_fill_the_width_without_overlap(width: int) -> None:
    placed = layout(OVERVIEW, width)
    assert all(a.end + 1 == b.x for a, b in itertools.pairwise(placed))
    assert placed[-1].end <= width
    if width >= 80:
        assert placed[-1].end == width - 1  # what is left over goes to the columns with a weight


def test_a_chosen_width_stays() -> None:
    placed = layout(OVERVIEW, 200, {"remote": 30})
    assert {p.column.key: p.width for p in placed}["remote"] == 30
    assert placed[-1].end == 199


def test_places_of_columns() -> None:
    placed = layout(OVERVIEW, 80)
    first = placed[0]
    assert column_at(placed, 0) is None
    assert column_at(placed, first.end) == first
    assert border_at(placed, first.end - 1) == border_at(placed, first.end + 1) == first
    assert border_at(placed, first.end - 2) is None
    assert moved("abcd", "a", "c") == ("b", "c", "a", "d")
    assert moved("abcd", "d", "b") == ("a", "d", "b", "c")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ab", "ab  "),
        ("abcdef", "abc…"),
        ("日本語", "日 …"),
        ("a\x1b[3", "a\\x…"),
        ("e\u0301" * 9, "e\u0301e\u0301e\u0301…"),
    ],
)
def test_texts_fit_exactly(text: str, shown: str) -> None:
    assert fit(text, 4) == shown


class Numbers(Table):
    """A table whose rows are computed."""

    WRAPS = True

    def row_at(self, index: int, placed: Sequence[Placed]) -> Row | None:
        """Row with its number in each column."""
        return Row([Cell(f"{p.column.key} {index}") for p in placed])


class TableApp(App[None]):
    """An app with one table that notes the table's messages."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        self.seen: list[tuple[object, ...]] = []
        self.copied: list[str] = []

    def compose(self) -> ComposeResult:
        """Show the table."""
        yield self.table

    def copy(self, text: str) -> None:
        """Note what was copied."""
        self.copied.append(text)

    def on_table_opened(self, event: Table.Opened) -> None:
        """Note it."""
        self.seen.append(("opened", event.row))

    def on_table_sorted(self, event: Table.Sorted) -> None:
        """Note it."""
        self.seen.append(("sorted", event.key))

    def on_table_arranged(self, event: Table.Arranged) -> None:
        """Note it."""
        self.seen.append(("arranged", event.order, event.widths))


def screen(app: App[None]) -> list[str]:
    """Lines on the screen."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def run(
    table: Table, steps: Callable[[TableApp, Pilot[None]], Awaitable[None]], size: tuple[int, int] = (80, 24)
) -> None:
    """Run ``steps`` on an app with the table."""

    async def main() -> None:
        app = TableApp(table)
        async with app.run_test(size=size) as pilot:
            table.focus()
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(main())


def numbers(rows: int = 1_000_000) -> Numbers:
    """Create a table of so many rows."""
    table = Numbers(OVERVIEW)
    table.set_row_count(rows)
    return table


@pytest.mark.parametrize(
    ("pressed", "row"),
    [
        ("j", 1),
        ("down", 1),
        ("k", 999_999),
        ("up", 999_999),
        ("G", 999_999),
        ("end", 999_999),
        ("pagedown", 22),
        ("ctrl+f", 22),
        ("G g", 0),
        ("end home", 0),
        ("pagedown pageup", 0),
        ("ctrl+f ctrl+b", 0),
        ("j k k", 0),  # a key that is held down stops at the end
    ],
)
def test_keys_move_the_cursor(pressed: str, row: int) -> None:
    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        for key in pressed.split():
            await pilot.press(key)
        await pilot.pause()
        assert app.table.cursor == row
        assert row in app.table.visible_rows()
        line = screen(app)[row - app.table.top + 1]
        assert line.startswith(f"▌process {row} ")
        assert app.cursor_position.y == row - app.table.top + 1

    run(numbers(), steps)


def test_opening_and_copying_by_key() -> None:
    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        await pilot.press("j", "enter", "c")
        await pilot.pause()
        assert app.seen == [("opened", 1)]
        assert app.copied == ["process 1"]

    run(numbers(), steps)


def test_clicks_select_copy_and_open() -> None:
    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        await pilot.click(Table, offset=(30, 5))
        assert (app.table.cursor, app.copied) == (4, [])
        await asyncio.sleep(0.6)  # else it is a double click
        await pilot.click(Table, offset=(30, 5))
        await asyncio.sleep(COPY_SECONDS + 0.1)
        assert app.copied == ["remote 4"]
        await pilot.click(Table, offset=(3, 9), times=2)
        await asyncio.sleep(COPY_SECONDS + 0.1)
        assert app.seen == [("opened", 8)]
        assert app.copied == ["remote 4"]

    run(numbers(), steps)


def test_the_wheel_scrolls() -> None:
    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        await pilot._post_mouse_events([events.MouseScrollDown], Table, button=0)
        await pilot.pause()
        assert app.table.top > 0
        assert screen(app)[1].startswith(f" process {app.table.top}")

    run(numbers(), steps)


def test_a_click_on_a_title_sorts() -> None:
    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        app.table.set_sort("process", descending=True)
        await pilot.pause()
        assert screen(app)[0].startswith(" Process ↓")
        await pilot.click(Table, offset=(app.table.placed[1].x + 2, 0))
        assert app.seen == [("sorted", "remote")]

    run(numbers(), steps)


def test_a_border_drags_and_fits() -> None:
    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        first = app.table.placed[0]
        await pilot.hover(Table, offset=(first.end, 0))
        assert app.table.styles.pointer == "ew-resize"
        await pilot.mouse_down(Table, offset=(first.end, 0))
        await pilot.hover(Table, offset=(first.end + 7, 0))
        await pilot.mouse_up(Table, offset=(first.end + 7, 0))
        order = tuple(c.key for c in OVERVIEW)
        assert app.seen == [("arranged", order, {"process": first.width + 7})]
        assert app.table.placed[0].width == first.width + 7
        await pilot.click(Table, offset=(app.table.placed[0].end, 0), times=2)
        assert app.table.placed[0].width == len("process 22")

    run(numbers(), steps)


def test_a_title_drags_to_another_place() -> None:
    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        placed = app.table.placed
        await pilot.mouse_down(Table, offset=(placed[0].x + 2, 0))
        await pilot.hover(Table, offset=(placed[1].x + 5, 0))
        await pilot.mouse_up(Table, offset=(placed[1].x + 5, 0))
        assert keys(app.table.placed)[:2] == ["remote", "process"]
        assert app.seen[0][:2] == ("arranged", ("remote", "process", *(c.key for c in OVERVIEW[2:])))

    run(numbers(), steps)


def test_rows_that_are_not_there_yet() -> None:
    class Empty(Table):
        """A table whose rows were not read yet."""

    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        app.table.set_row_count(3)
        await pilot.pause()
        assert screen(app)[1:5] == [" ·", " ·", " ·", ""]

    run(Empty(OVERVIEW), steps)


COLUMNS = [GridColumn("name", "Name", width=12, weight=1), GridColumn("bytes", "Bytes", width=9, right=True)]
ROWS = [("b", 20), ("a", 3), ("c", None)]


def plain(value: object, column: GridColumn) -> str:
    """Text of a value."""
    return "-" if value is None else str(value)


class GridApp(TableApp):
    """An app with a grid."""

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Note it."""
        self.seen.append(("opened", event.row))


def test_a_grid_sorts_and_keeps_its_row() -> None:
    grid = Grid(text=plain)

    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        grid.show(COLUMNS, ROWS)
        await pilot.press("j")
        assert grid.current == ("a", 3)
        await pilot.click(Grid, offset=(grid.placed[1].x + 2, 0))
        await pilot.pause()
        assert [line.split() for line in screen(app)[1:4]] == [["▌a", "3"], ["b", "20"], ["c", "-"]]
        assert grid.current == ("a", 3)
        await pilot.click(Grid, offset=(grid.placed[1].x + 2, 0))
        assert [grid.rows[n][0] for n in grid.order] == ["b", "a", "c"]
        await pilot.click(Grid, offset=(grid.placed[1].x + 2, 0))
        assert grid.order == [0, 1, 2]
        await pilot.press("right", "c")
        assert grid.current_value() == 3
        assert app.copied == ["3"]

    run(grid, steps)


def test_columns_of_a_grid_come_into_sight() -> None:
    grid = Grid(text=plain)
    wide = [GridColumn(f"c{n}", f"C{n}", width=30) for n in range(8)]

    async def steps(app: TableApp, pilot: Pilot[None]) -> None:
        grid.show(wide, [tuple(range(8))])
        await pilot.press(*["right"] * 9)
        await pilot.pause()
        assert keys(grid.placed)[:2] == ["c6", "c7"]
        assert screen(app)[1].split() == ["▌6", "7"]
        await pilot.press(*["left"] * 7)
        assert keys(grid.placed)[0] == "c0"

    run(grid, steps)


def test_a_grid_reports_under_its_own_name() -> None:
    grid = Grid(text=plain)

    async def main() -> None:
        app = GridApp(grid)
        async with app.run_test(size=(80, 24)) as pilot:
            grid.show(COLUMNS, ROWS)
            grid.focus()
            await pilot.press("enter")
            await pilot.pause()
            assert app.seen == [("opened", 0)]

    asyncio.run(main())
