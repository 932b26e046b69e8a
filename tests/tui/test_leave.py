"""Leaving the browser while the session is being written, and what its writer reports meanwhile."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rustnet.errors import ExitCode
from rustnet.query.session import open_session
from rustnet.tui.app import Browser
from rustnet.tui.dialogs.leave import LeaveDialog
from rustnet.tui.settings import BrowserSettings
from rustnet.tui.writer import WriterProgress, reading
from tests.tui.support import screen_text, settle


@dataclass
class Writing:
    """A process that writes, as the browser knows it."""

    temporary: bool = False
    ended: bool = False
    at: WriterProgress | None = None
    lines: list[str] = field(default_factory=list)
    stops: int = 0
    live: bool = False
    detached: bool = False

    def running(self) -> bool:
        return not self.ended

    def progress(self) -> WriterProgress | None:
        return self.at

    def messages(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines

    def stop(self) -> None:
        self.stops += 1

    def detach(self) -> None:
        self.detached = True


def progress(position: int, size: int | None, *, files: int = 1) -> WriterProgress:
    return WriterProgress("a.pcap", files - 1, files, position, size, 10, 2)


def test_how_far_it_is_in_words() -> None:
    assert reading(Writing(ended=True, at=progress(5, 10))) == ""
    assert reading(Writing()) == "READING"
    assert reading(Writing(at=progress(5, None))) == "READING"
    assert reading(Writing(at=progress(5, 10))) == "READING 50 %"
    assert reading(Writing(at=progress(10, 10))) == "READING 99 %"  # the passes are still to come
    assert reading(Writing(at=progress(0, 10, files=3))) == "READING 3/3 0 %"


@pytest.mark.parametrize(
    ("keys", "stops", "leaves"),
    [
        (["s"], 1, True),
        (["g"], 0, True),
        (["b"], 0, False),
        (["escape"], 0, False),
        (["enter"], 0, True),  # goes on: nothing is lost
        (["k", "enter"], 1, True),
        (["j", "enter"], 0, False),
    ],
)
async def test_it_asks_what_becomes_of_the_writer(web: Path, keys: list[str], stops: int, leaves: bool) -> None:
    writer = Writing()
    with open_session(web) as session:
        app = Browser(session, BrowserSettings(), writer)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("q")
            await settle(pilot)
            assert isinstance(app.screen, LeaveDialog)
            assert "still being read" in screen_text(app)
            await pilot.press(*keys)
            await pilot.pause()
            assert isinstance(app.screen, LeaveDialog) is False or leaves
        assert writer.stops == stops
        assert app.return_value == (ExitCode.DONE if leaves else None)


@pytest.mark.parametrize(("key", "stops", "detached"), [("s", 1, False), ("g", 0, True), ("b", 0, False)])
async def test_a_live_capture_can_go_on_without_the_browser(web: Path, key: str, stops: int, detached: bool) -> None:
    writer = Writing(live=True)
    assert reading(writer) == "LIVE"
    with open_session(web) as session:
        app = Browser(session, BrowserSettings(), writer)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("q")
            await settle(pilot)
            assert "being captured" in screen_text(app)
            await pilot.press(key)
            await pilot.pause()
        assert (writer.stops, writer.detached) == (stops, detached)


async def test_a_click_chooses(web: Path) -> None:
    writer = Writing()
    with open_session(web) as session:
        app = Browser(session, BrowserSettings(), writer)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("q")
            await settle(pilot)
            lines = screen_text(app).splitlines()
            row = next(number for number, line in enumerate(lines) if "s  Stop reading" in line)
            await pilot.click(offset=(lines[row].index("Stop reading"), row))
            await pilot.pause()
        assert writer.stops == 1
        assert app.return_value == ExitCode.DONE


@pytest.mark.parametrize("writer", [Writing(temporary=True), Writing(ended=True)])
async def test_nothing_is_asked_where_nothing_is_lost(web: Path, writer: Writing) -> None:
    with open_session(web) as session:
        app = Browser(session, BrowserSettings(), writer)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("q")
            await settle(pilot)
            assert not isinstance(app.screen, LeaveDialog)
            await pilot.press("q")
            await pilot.pause()
        assert app.return_value == ExitCode.DONE
        assert writer.stops == 0


async def test_what_the_writer_reports_is_shown(web: Path) -> None:
    writer = Writing(at=progress(42, 100), lines=["rustnet: error: [/b] bad.pcap: is no capture"])
    with open_session(web) as session:
        app = Browser(session, BrowserSettings(), writer)
        async with app.run_test(size=(120, 30), notifications=True) as pilot:
            await settle(pilot, lambda: "is no capture" in screen_text(app))
            assert "error: [/b] bad.pcap" in screen_text(app)
            assert "READING 42 %" in screen_text(app).splitlines()[0]
            writer.ended = True
            await settle(pilot, lambda: "READING" not in screen_text(app))
