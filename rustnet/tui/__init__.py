"""The browser: a terminal interface over a session, by Textual; it holds no SQL."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rustnet.query.session import Session
    from rustnet.tui.settings import BrowserSettings

THREADS = 2
"""Threads of DuckDB in the browser's process."""
MEMORY_LIMIT = "192MB"
"""Memory of DuckDB in the browser's process."""


def prepare() -> None:
    """Set what Textual reads from the environment when it is imported."""
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")  # it mistakes cells for pixels after some resize reports
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("ESCDELAY", "25")


def run(session: "Session", settings: "BrowserSettings") -> int:
    """Show a session until the user leaves; returns the exit code."""
    prepare()
    from rustnet.tui.app import Browser  # noqa: PLC0415 -- Textual, after its environment

    browser = Browser(session, settings)
    code = browser.run()
    return browser.return_code or 0 if code is None else code
