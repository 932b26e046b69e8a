"""The command palette: every action of the table of keys, and what has no key."""

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape

from rustnet.i18n import _
from rustnet.tui.bindings import ACTIONS, keys_of

if TYPE_CHECKING:
    from rustnet.tui.app import Browser


class Commands(Provider):
    """Commands for the screen that is shown."""

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    def _every(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Title, keys and call of every command."""
        browser = self.browser
        for action in ACTIONS:
            if action.where in ("everywhere", "time", browser.tab) and action.id != "palette":
                keys = " ".join(keys_of(action, browser.settings.keys))
                yield _(action.help), keys, functools.partial(browser.run_palette_action, action.action)
        for title, call in browser.palette_commands():
            yield title, "", call

    async def discover(self) -> Hits:
        """All commands."""
        for title, keys, call in self._every():
            yield DiscoveryHit(Content(title), call, text=title, help=escape(keys) or None)

    async def search(self, query: str) -> Hits:
        """Commands whose title is like the query."""
        matcher = self.matcher(query)
        for title, keys, call in self._every():
            score, offsets = matcher.fuzzy_search.match(query, title)
            if score > 0:
                shown = Content(title)  # `Matcher.highlight` would read markup in it, which names may contain
                for offset in offsets:
                    shown = shown.stylize(matcher.match_style, offset, offset + 1)
                yield Hit(score, shown, call, text=title, help=escape(keys) or None)
