"""The page of screens, keys and settings is what the tables say."""

from pathlib import Path

from rustnet.cli.browser_page import SCREENS, page
from rustnet.tui.bindings import ACTIONS
from rustnet.tui.main_screen import TABS

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "browser.md").read_text("utf-8") == page(), (
        "python -m rustnet.cli.browser_page > docs/browser.md"
    )


def test_every_screen_and_action_is_on_the_page() -> None:
    assert list(SCREENS) == [name for name, _title in TABS]
    text = page()
    for action in ACTIONS:
        assert f"| {action.help} |" in text
