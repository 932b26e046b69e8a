"""Helps the tests of the screens with lists: sessions of samples by relative paths, clicks on words and rows."""

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.present.text import width
from rustnet.tui.widgets.part_line import PartLine
from rustnet.tui.widgets.table import Table
from tests.support.paths import ROOT
from tests.tui.support import browser, check_golden, settle


def sample(factory: pytest.TempPathFactory, name: str) -> Path:
    """Replay a sample, whose path in the session is the same on every machine."""
    path = factory.mktemp("sample") / "s.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        report = ingest([f"sample_pcaps/{name}"], str(path), Options(workers=0))
    assert not report.failed
    return path


async def shown(pilot: "Pilot[Any]", tab: str) -> Any:
    """Show a tab and return its pane."""
    app: Any = pilot.app
    await settle(pilot)
    app.show_tab(tab)
    await settle(pilot, lambda: app.pane is not None and tab == app.pane.NAME and app.pane.generation > 0)
    return app.pane


async def click_word(pilot: "Pilot[Any]", word: str) -> None:
    """Click on the name of a part."""
    for line in pilot.app.query(PartLine):
        text = line.render_line(0).text
        if line.region.height and word in text:
            at = width(text[: text.index(word)])
            await pilot.click(offset=(line.region.x + at + 1, line.region.y))
            await settle(pilot)
            return
    raise AssertionError(f"no part {word}")


async def double_click_row(pilot: "Pilot[Any]", table: Table, row: int) -> None:
    """Open a row by a double click."""
    await pilot.click(offset=(table.region.x + 4, table.region.y + 1 + row), times=2)
    await settle(pilot)


async def click_title(pilot: "Pilot[Any]", table: Table, title: str) -> None:
    """Click on the title of a column."""
    text = table.render_line(0).text
    await pilot.click(offset=(table.region.x + text.index(title) + 1, table.region.y))
    await settle(pilot)


async def golden(pilot: "Pilot[Any]", name: str) -> None:
    """Compare the screen with the stored text, with the time bar laid out for its width."""
    app: Any = pilot.app
    await settle(pilot, lambda: app.progress is not None)
    app.lay_out_time()
    await settle(pilot)
    check_golden(app, name)


__all__ = ["browser", "click_title", "click_word", "double_click_row", "golden", "sample", "settle", "shown"]
