"""Every key of the table runs its action where the table says, and something carries the action out."""

from pathlib import Path
from typing import Any

import pytest
from textual.actions import parse
from textual.dom import DOMNode

from rustnet.tui.app import Browser
from rustnet.tui.bindings import ACTIONS, Action, keys_in
from rustnet.tui.settings import BrowserSettings
from tests.tui.support import opened, settle

TABS = {
    "everywhere": "overview", "time": "graph", "table": "overview", "overview": "overview", "filter": "overview",
    "details": "details", "activity": "activity", "graph": "graph", "hosts": "hosts", "health": "health",
    "network": "network", "sql": "sql",
}  # fmt: skip
"""Tab in which the keys of each place are tried."""


class Recorder(Browser):
    """The browser, which notes actions instead of carrying them out."""

    def __init__(self, path: Path) -> None:
        super().__init__(opened(path), BrowserSettings())
        self.ran: list[str] = []
        self.recording = False

    async def run_action(self, action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None) -> bool:
        """Note the action if the target has it."""
        if not self.recording:
            return await super().run_action(action, default_namespace, namespaces)
        text = action if isinstance(action, str) else str(action[0])
        where, name, _values = parse(text)
        target: Any = self if where == "app" else self.screen if where == "screen" else default_namespace
        if not hasattr(target, f"action_{name}") or name.startswith("scroll_"):  # Textual's, where nothing scrolls
            return False  # then whatever is around it is asked
        self.ran.append(text)
        return True


async def _tried(path: Path, place: str) -> list[str]:
    """Press every key of a place; returns what went wrong."""
    app = Recorder(path)
    wrong: list[str] = []
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        if place == "details":
            await pilot.press("enter")
            await settle(pilot)
        elif place == "overview":
            await pilot.press("a")  # groups, to be folded
        elif place == "filter":
            await pilot.press("slash")
        elif TABS[place] != "overview":
            app.show_tab(TABS[place])
        await settle(pilot)
        app.recording = True
        for action in _actions(place):
            for key in (*keys_in(action.keys), *keys_in(action.fixed)):
                app.ran.clear()
                await pilot.press(key)
                await pilot.pause()
                if action.action not in app.ran:
                    wrong.append(f"{action.id}: {key} ran {app.ran or 'nothing'}")
        app.recording = False
    return wrong


def _actions(place: str) -> list[Action]:
    return [action for action in ACTIONS if action.where == place]


@pytest.mark.parametrize("place", TABS)
async def test_every_key_runs_its_action(web: Path, place: str) -> None:
    assert await _tried(web, place) == []
