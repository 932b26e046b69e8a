"""Looks: colours and styles of a few screens as pictures (SVG). RUSTNET_WRITE_GOLDEN=1 stores them."""

import re
from pathlib import Path

import pytest
import textual

from tests.tui.support import GOLDEN, WRITE, browser, settle

VERSION = "8.2.8"
"""Version of Textual with which the pictures were made; another one may draw them in another way."""


@pytest.mark.skipif(textual.__version__ != VERSION, reason=f"the pictures were made with Textual {VERSION}")
@pytest.mark.parametrize(
    ("name", "theme", "size", "keys"),
    [
        ("graph-nord", "nord", (100, 30), ("4",)),
        ("details-colour-blind", "colour-blind", (80, 24), ("G", "enter")),
    ],
)
async def test_a_screen_looks_as_it_did(
    web: Path, name: str, theme: str, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    app = browser(web, theme=theme)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        svg = re.sub(r"@font-face\s*\{[^}]*\}", "", app.export_screenshot(title="rustnet"))
        svg = re.sub(r"terminal-\d+", "terminal", svg)
        svg = re.sub(r"\d+(&#160;)ms", r"0\1ms", svg)  # how long a question took
    path = GOLDEN / f"{name}.svg"
    if WRITE:
        path.write_text(svg, "utf-8")
    assert svg == path.read_text("utf-8"), f"{path.name} differs"
