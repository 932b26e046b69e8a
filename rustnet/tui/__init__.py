"""The browser: a terminal interface over a session, by Textual; it holds no SQL."""

from typing import TYPE_CHECKING

from rustnet.tui.background import light_background
from rustnet.tui.terminal import prepare, run_application

if TYPE_CHECKING:
    from rustnet.query.session import Session
    from rustnet.tui.settings import BrowserSettings
    from rustnet.tui.writer import Writer

__all__ = ["MEMORY_LIMIT", "THREADS", "preload", "prepare", "run"]

THREADS = 2
"""Threads of DuckDB in the browser's process."""
MEMORY_LIMIT = "128MB"
"""Memory of DuckDB in the browser's process: with more, its statements over millions of flows are not faster."""


def run(session: "Session", settings: "BrowserSettings", writer: "Writer | None" = None) -> int:
    """Show a session until the user leaves; returns the exit code. ``writer`` is the process that writes it."""
    prepare()
    from rustnet.tui.app import Browser  # noqa: PLC0415 -- Textual, after its environment

    light = light_background() if settings.color else False
    debug = settings.debug and settings.redact == "off"  # the text of an exception may be captured data
    return run_application(lambda: Browser(session, settings, writer, light=light), debug=debug)


def preload() -> None:
    """Import what `run` needs."""
    prepare()
    import rustnet.tui.app  # noqa: F401, PLC0415
