"""The SQL screen: editing, completing, running, stopping, history, plots, saving."""

import time
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import ContentSwitcher

from rustnet.errors import RustnetError
from rustnet.query.session import open_session
from rustnet.query.views.console import completions, names, run_statement, save_query, saved_statement
from rustnet.tui.app import Browser
from rustnet.tui.screens.sql import SqlPane
from rustnet.tui.widgets.grid import Grid
from tests.tui.support import browser, check_golden, screen_text, settle

ENDLESS = "SELECT count(*) FROM range(100000000000) a(x) WHERE hash(x) % 7 = sin(x)"


async def opened(app: Browser, pilot: "Pilot[Any]", text: str | None = None) -> SqlPane:
    """Show the screen, with a statement in the editor."""
    await settle(pilot)
    app.show_tab("sql")
    await settle(pilot)
    pane = app.pane
    assert isinstance(pane, SqlPane)
    if text is not None:
        pane.editor.load_text(text)
        pane.editor.move_cursor(pane.editor.document.end)
        await settle(pilot)
    return pane


async def run(pilot: "Pilot[Any]", pane: SqlPane) -> None:
    """Run the statement to its end."""
    await pilot.press("f5")
    await settle(pilot, lambda: pane.runner.idle)


async def test_a_statement_is_run_and_its_rows_are_shown(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await opened(app, pilot, "SELECT hostname, src_bytes FROM flows WHERE app = 'tls' ORDER BY 1")
        await run(pilot, pane)
        text = screen_text(app)
        assert "api.shop.example" in text
        assert "2 rows in" in text
        await pilot.press("f6")
        await pilot.press("j", "c")
        await settle(pilot)
        assert app.last_copy == "www.shop.example"


async def test_errors_say_where_and_the_rows_before_stay(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await opened(app, pilot, "SELECT 4711 AS seen")
        await run(pilot, pane)
        for wrong, words in (("SELECT nothing FROM flows", "nothing"), ("DELETE FROM flows", "SQL"),
                             ("SELECT * FROM read_csv('/etc/passwd')", "passwd")):  # fmt: skip
            pane.editor.load_text(wrong)
            await run(pilot, pane)
            text = screen_text(app)
            assert words in text, wrong
            assert "4,711" in text or "4711" in text


async def test_a_long_statement_is_stopped_and_holds_nothing_up(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await opened(app, pilot, ENDLESS)
        await pilot.press("f5")
        end = time.monotonic() + 10
        while pane.runner.running_seconds < 0.5:
            assert time.monotonic() < end
            await pilot.pause(0.05)
        assert "F7 stops it" in screen_text(app)
        app.show_tab("overview")
        await settle(pilot)  # the other screens have a session of their own
        app.show_tab("sql")
        await settle(pilot)
        begun = time.monotonic()
        await pilot.press("f7")
        await settle(pilot, lambda: pane.runner.idle)
        assert time.monotonic() - begun < 3
        assert "stopped" in screen_text(app)


async def test_tab_completes_tables_columns_and_saved_queries(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await opened(app, pilot, "SELECT sn")
        pane.editor.load_text("SELECT sn FROM tls")
        pane.editor.move_cursor((0, 9))
        await settle(pilot)
        pane.editor.load_text("SELECT * FROM tl")
        pane.editor.move_cursor(pane.editor.document.end)
        await settle(pilot)
        await pilot.press("tab")
        await settle(pilot)
        assert pane.editor.text == "SELECT * FROM tls"
        pane.editor.load_text("dns-q")
        pane.editor.move_cursor(pane.editor.document.end)
        await settle(pilot)
        await pilot.press("tab")
        await settle(pilot)
        assert "SELECT" in pane.editor.text
        assert "$" not in pane.editor.text
        await run(pilot, pane)
        assert pane.query_one(Grid).row_count > 0


async def test_history_goes_back_and_forth_and_survives(web: Path, tmp_path: Path) -> None:
    app = browser(web, state_folder=tmp_path / "state")
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await opened(app, pilot, "SELECT 1")
        await run(pilot, pane)
        pane.editor.load_text("SELECT 2")
        await run(pilot, pane)
        pane.editor.load_text("SELECT 3 -- not run")
        await pilot.press("f11", "f11")
        assert pane.editor.text == "SELECT 1"
        await pilot.press("f12", "f12")
        assert pane.editor.text == "SELECT 3 -- not run"
    file = tmp_path / "state" / "statements.json"
    assert file.stat().st_mode & 0o777 == 0o600
    again = browser(web, state_folder=tmp_path / "state")
    async with again.run_test(size=(100, 30)) as pilot:
        pane = await opened(again, pilot, "")
        await pilot.press("f11")
        assert pane.editor.text == "SELECT 2"


async def test_a_result_is_plotted(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await opened(app, pilot)
        await run(pilot, pane)
        await pilot.press("f2")
        await settle(pilot)
        assert pane.query_one("#results", ContentSwitcher).current == "bars"
        assert "█" in screen_text(app)
        pane.editor.load_text("SELECT ts, length FROM packets")
        await run(pilot, pane)
        await pilot.press("f2")
        await settle(pilot)
        assert pane.query_one("#results", ContentSwitcher).current == "chart"
        await pilot.press("f2")
        await settle(pilot)
        assert pane.query_one("#results", ContentSwitcher).current == "grid"


async def test_a_statement_becomes_a_saved_query(web: Path, tmp_path: Path) -> None:
    folder = tmp_path / "queries"
    app = browser(web, queries=folder)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, "SELECT count(*) AS flows FROM flows;")
        await pilot.press("f4")
        await settle(pilot)
        await pilot.press(*"my-flows", "enter")
        await pilot.press(*"All", "space", *"flows", "enter")
        await settle(pilot)
        assert "saved as" in screen_text(app)
    assert (folder / "my-flows.sql").read_text("utf-8") == (
        "-- title: All flows\n-- description: A statement of the browser.\nSELECT count(*) AS flows FROM flows\n"
    )
    with open_session(web) as session:
        assert run_statement(session, saved_statement("my-flows", (folder,)).text()).rows == [(20,)]


async def test_the_time_that_is_shown_is_a_parameter(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        middle = (app.session_facts.first_ns or 0) + 400_000_000
        app.change(at=middle)
        pane = await opened(app, pilot, "SELECT count(*) AS n FROM flows_at(make_timestamp_ns($at))")
        await run(pilot, pane)
        with open_session(web) as session:
            expected = session.sql("SELECT count(*) FROM flows WHERE epoch_ns(started_at) <= ?", [middle]).rows[0][0]
        assert 0 < expected < 20
        grid = pane.query_one(Grid)
        assert grid.rows == [(expected,)]


def test_columns_of_the_statements_tables_come_first(web: Path) -> None:
    with open_session(web) as session:
        known = names(session)
        assert completions("SELECT * FROM flows WHERE dst_p", known)[0].text == "dst_port"
        assert [c.text for c in completions("SELECT t.s FROM tls t WHERE t.sn", known)] == ["sni"]
        assert completions("SELECT * FROM dn", known)[0].text == "dns"  # dnp3 has no rows
        assert completions("sel", known)[0].rest == "ect"
        assert completions("SELECT 1 ", known) == []
        assert len(completions("s", known)) <= 50


def test_names_of_saved_queries_are_checked_and_files_are_never_replaced(tmp_path: Path) -> None:
    for name in ("../up", "", "A b", "x" * 70, ".hidden"):
        with pytest.raises(RustnetError):
            save_query(tmp_path, name, "", "SELECT 1")
    save_query(tmp_path, "one", "", "SELECT 1")
    with pytest.raises(RustnetError, match="already"):
        save_query(tmp_path, "one", "", "SELECT 2")
    assert (tmp_path / "one.sql").read_text("utf-8").endswith("\nSELECT 1\n")


async def test_the_screen_as_text(web: Path) -> None:
    for size in ((80, 24), (200, 50)):
        app = browser(web)
        async with app.run_test(size=size) as pilot:
            pane = await opened(app, pilot, "SELECT app, count(*) AS flows FROM flows GROUP BY app ORDER BY app")
            await run(pilot, pane)
            pane._state("5 rows")
            await settle(pilot)
            check_golden(app, "sql")
