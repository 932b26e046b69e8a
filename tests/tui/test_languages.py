"""Every screen in every language at the smallest size: no label is cut, none is left in English."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet import i18n
from rustnet.i18n import _
from rustnet.present.text import width
from rustnet.tui.app_commands import LANGUAGE_NAMES
from rustnet.tui.bindings import hints
from rustnet.tui.main_screen import TABS
from rustnet.tui.widgets.table import Table
from tests.tui.support import browser, screen_text, settle

HINTS = 3
"""Hints that there is always room for."""


@pytest.fixture(params=i18n.LANGUAGES)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    i18n.use(request.param)
    yield str(request.param)
    i18n.use("auto")


async def test_no_label_is_cut_at_80_by_24(web: Path, language: str) -> None:
    app = browser(web)
    wrong = []
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for name, title in TABS:
            app.show_tab(name)
            await settle(pilot)
            lines = screen_text(app).splitlines()
            if f" {_(title)} " not in lines[0]:
                wrong.append(f"{name}: title {_(title)!r}")
            shown = [f" {key} {word} " for key, word in hints(name, {})[:HINTS]]
            wrong += [f"{name}: hint {text!r}" for text in shown if text.strip() not in lines[-1]]
            if max(map(width, lines)) > 80:
                wrong.append(f"{name}: too wide")
            for table in app.pane.query(Table) if app.pane is not None else ():
                if table.display and table.region.width and "…" in table.render_line(0).text:
                    wrong.append(f"{name}: {table.render_line(0).text.strip()}")
    assert wrong == []


async def test_help_and_palette_open_in_the_language(web: Path, language: str) -> None:
    app = browser(web)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("h")
        await settle(pilot)
        assert _("Esc or a click closes") in screen_text(app)
        await pilot.press("escape", "colon")
        await pilot.pause(0.4)
        await settle(pilot)
        await pilot.press("escape")


async def test_the_language_can_be_changed(web: Path) -> None:
    assert set(LANGUAGE_NAMES) == set(i18n.LANGUAGES)
    app = browser(web)
    try:
        async with app.run_test(size=(120, 30)) as pilot:
            await settle(pilot)
            for code in ("de", "ja", "en"):
                app.choose_language(code)
                await settle(pilot)
                text = screen_text(app)
                assert f"1 {_('Overview')}" in text
                assert "www.shop.example" in text
    finally:
        i18n.use("auto")
