"""Helps the browser's tests: sessions of the samples, waiting until a screen is settled, texts of screens."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rustnet.query.session import Session, open_session
from rustnet.tui import MEMORY_LIMIT, THREADS, prepare

prepare()

from textual.pilot import Pilot  # noqa: E402 -- after its environment

from rustnet.tui.app import Browser, screen_text  # noqa: E402
from rustnet.tui.settings import BrowserSettings  # noqa: E402
from rustnet.tui.widgets.status_line import StatusLine  # noqa: E402

__all__ = ["browser", "check_golden", "close_opened", "opened", "screen_text", "settle"]

GOLDEN = Path(__file__).with_name("golden")
WRITE = bool(os.environ.get("RUSTNET_WRITE_GOLDEN"))
SIZES = ((80, 24), (200, 50))
SETTLE_SECONDS = 20.0


OPENED: list[Session] = []
"""Sessions of the present test, which are closed at its end: each has threads."""


def opened(path: "str | os.PathLike[str]") -> Session:
    """Open a session as the browser does; it is closed at the end of the test."""
    session = open_session(path, threads=THREADS, memory_limit=MEMORY_LIMIT)
    OPENED.append(session)
    return session


def close_opened() -> None:
    """Close the sessions of a test."""
    while OPENED:
        OPENED.pop().close()


def browser(path: "str | os.PathLike[str]", **settings: Any) -> Browser:
    """Make the app over a session's file."""
    return Browser(opened(path), BrowserSettings(**settings))


async def settle(pilot: "Pilot[Any]", until: Callable[[], bool] | None = None) -> None:
    """Wait until no question runs and everything is drawn, and ``until`` is true."""
    app = pilot.app
    end = time.monotonic() + SETTLE_SECONDS
    quiet = 0
    while quiet < 3:
        await pilot.pause()
        runner = getattr(app, "runner", None)
        busy = runner is not None and not runner.idle
        busy = busy or any(not worker.is_finished for worker in app.workers)
        busy = busy or (until is not None and not until())
        busy = busy or any(
            line.note for line in app.screen_stack[0].query(StatusLine)
        )  # counts how long a question takes
        quiet = 0 if busy else quiet + 1
        if time.monotonic() > end:
            raise AssertionError(f"the screen did not settle:\n{screen_text(app)}")
        if busy:
            await asyncio.sleep(0.01)


def check_golden(app: Browser, name: str) -> None:
    """Compare what the screen shows with the stored text; RUSTNET_WRITE_GOLDEN=1 stores it."""
    check_text(screen_text(app) + "\n", f"{name}-{app.size.width}x{app.size.height}")


def check_text(text: str, name: str) -> None:
    """Compare a text with the stored one."""
    path = GOLDEN / f"{name}.txt"
    if WRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.exists(), f"{path.name} is missing; RUSTNET_WRITE_GOLDEN=1 writes it:\n{text}"
    assert text == path.read_text("utf-8"), f"{path.name} differs"
