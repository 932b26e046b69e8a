"""Activity: what it shows, its keys and clicks, and the way to the flows of a process."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rustnet.query.session import open_session
from rustnet.query.views.activity import activity
from rustnet.query.views.spec import ViewSpec
from rustnet.tui.screens.activity import ActivityPane, process_filter
from tests.tui.many_protocols import fixed_redactor
from tests.tui.screen_actions import click_title, click_word, double_click_row, golden, shown
from tests.tui.support import SIZES, browser, screen_text, settle


def _titles(pane: ActivityPane) -> str:
    return pane.grid.render_line(0).text


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("redact", ["off", "on"])
async def test_golden(web: Path, size: tuple[int, int], redact: str) -> None:
    app: Any = browser(web, redact=redact, redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, "activity")
        await golden(pilot, "activity" if redact == "off" else "activity-redacted")


@pytest.mark.parametrize("size", SIZES)
async def test_tree_golden(web: Path, size: tuple[int, int]) -> None:
    app: Any = browser(web)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, "activity")
        await pilot.press("a")
        await settle(pilot)
        await golden(pilot, "activity-tree")


async def test_direction_by_key_and_click(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        assert _titles(pane).index("Sent") < _titles(pane).index("Received")
        rows = [row.sent for row in pane.rows]
        assert rows == sorted(rows, reverse=True)
        await pilot.press("d")
        await settle(pilot)
        assert _titles(pane).index("Received") < _titles(pane).index("Sent")
        rows = [row.received for row in pane.rows]
        assert rows == sorted(rows, reverse=True)
        await click_word(pilot, "Sent")
        assert pane.sent
        await click_word(pilot, "Received")
        assert not pane.sent


async def test_tree_by_key_and_click(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        assert "└─" not in screen_text(app)
        await pilot.press("a")
        await settle(pilot)
        assert "└─ curl (24)" in screen_text(app)
        await click_word(pilot, "List")
        assert "└─" not in screen_text(app)
        await click_word(pilot, "Tree")
        assert pane.as_tree


async def test_enter_and_double_click_show_the_flows(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        await pilot.press("down", "enter")
        await settle(pilot, lambda: app.tab == "overview")
        assert app.spec.filter == process_filter(pane.rows[1])
        with open_session(web) as session:
            assert len(session.flows(app.spec.filter)) >= pane.rows[1].flows > 0
        await pilot.press("escape")
        await settle(pilot, lambda: app.tab == "activity")
        assert app.spec.filter == ""
        assert pane.grid.cursor == 1
        await double_click_row(pilot, pane.grid, 0)
        await settle(pilot, lambda: app.tab == "overview")
        assert app.spec.filter == process_filter(pane.rows[0])


async def test_sorting_by_key_and_title(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        await pilot.press("s")
        assert pane.grid.sort_key == "process"
        names = [pane.grid.value_at(at, "process") for at in range(len(pane.rows))]
        assert names == sorted(names, key=str.lower)
        await pilot.press("S")
        assert [pane.grid.value_at(at, "process") for at in range(len(pane.rows))] == names[::-1]
        await click_title(pilot, pane.grid, "Share")
        assert pane.grid.sort_key == "share"


async def test_it_follows_filter_and_time(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        every = pane.snapshot
        app.change(filter="app:tls")
        await settle(pilot, lambda: pane.snapshot is not every)
        assert 0 < pane.snapshot.flows < every.flows
        app.change(filter="", at=app.session_facts.first_ns)
        await settle(pilot, lambda: pane.snapshot.head == app.session_facts.first_ns)
        with open_session(web) as session:
            assert pane.snapshot == activity(session, ViewSpec(at=app.session_facts.first_ns))
        assert pane.snapshot.flows == 1


async def test_sql_and_copy(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        with open_session(web) as session:
            assert len(session.sql(pane.statement().text())) == len(pane.rows)
        await pilot.press("c")
        await settle(pilot)
        assert app.last_copy == pane.grid.value_at(0, "process")


async def test_accessible_mode_has_no_graphics(web: Path) -> None:
    app: Any = browser(web, accessible=True)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        assert "Last minute" not in _titles(pane)
        assert not set("▁▂▃▄▅▆▇█") & set("".join(screen_text(app).splitlines()[2:-4]))
        assert "process known" in screen_text(app)


async def test_reset(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "activity")
        await pilot.press("d", "a", "s", "r")
        await settle(pilot)
        assert (pane.sent, pane.as_tree, pane.grid.sort_key) == (True, False, "")


def test_filter_of_a_process(web: Path) -> None:
    """Any name can be filtered by."""
    with open_session(web) as session:
        rows = activity(session, ViewSpec()).rows
        for row in rows:
            assert len(session.flows(process_filter(row))) >= row.flows
        for name in ('a "b" c', "back\\slash", "/usr/bin/x y", "(deleted)", "*", "NOT"):
            text = process_filter(replace(rows[0], name=name, known=True))
            assert len(session.flows(text)) == 0
