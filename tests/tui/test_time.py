"""Time in the browser: every key and mouse action of it, the bar as text, and following a real replay."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rustnet.errors import RustnetError
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.present.values import show_times_in
from rustnet.query.session import open_session
from rustnet.query.views import timeline
from rustnet.tui.app import Browser, screen_text
from rustnet.tui.clock import Source
from rustnet.tui.dialogs.go_to import GoToDialog
from rustnet.tui.main_screen import TABS
from rustnet.tui.widgets import time_bar
from rustnet.tui.widgets.tab_line import TabLine
from rustnet.tui.widgets.time_bar import ANOMALY, GAP, PAUSED, PLAYING, TimeBar
from tests.tui.support import browser, check_text, settle

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
SECOND = 10**9


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of three captures, hours apart, one of them damaged."""
    made = tmp_path_factory.mktemp("time") / "s.duckdb"
    names = ("web.pcap", "damaged.pcap", "slow-link.pcap")
    ingest([str(SAMPLES / name) for name in names], str(made), Options(discover=False, workers=0))
    return made


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    import datetime as dt  # noqa: PLC0415

    show_times_in(dt.UTC)
    yield
    show_times_in(dt.UTC)


class Opened:
    """The browser over the session, with its bar."""

    def __init__(self, app: Browser, pilot: Any) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def widget(self) -> TimeBar:
        return self.app.frame.query_one(TimeBar)

    @property
    def bar(self) -> timeline.Bar:
        assert self.widget.bar is not None
        return self.widget.bar

    def at(self) -> int | None:
        assert self.app.spec.at == self.app.clock.position, "what is shown is what the clock says"
        return self.app.spec.at

    async def press(self, *keys: str) -> int | None:
        for key in keys:
            await self.pilot.press(key)
            await settle(self.pilot)
        return self.at()

    async def go_to(self, text: str) -> int | None:
        await self.press("T")
        assert isinstance(self.app.screen, GoToDialog)
        for char in text:
            await self.pilot.press({" ": "space", "+": "plus", "-": "minus"}.get(char, char))
        await self.press("enter")
        return self.at()

    @property
    def lines(self) -> list[str]:
        return screen_text(self.app).splitlines()

    @property
    def generation(self) -> int:
        """Number of answers that the screen has shown."""
        assert self.app.pane is not None
        return self.app.pane.generation

    def chips(self) -> list[str]:
        return [chip.text for chip in self.app.frame.query_one(TabLine)._chips]


def opened(path: Path, size: tuple[int, int] = (120, 32), **settings: Any) -> "Running":
    return Running(path, size, settings)


class Running:
    """Runs the app for a test."""

    def __init__(self, path: Path, size: tuple[int, int], settings: dict[str, Any]) -> None:
        self.app = browser(path, **settings)
        self._context = self.app.run_test(size=size)

    async def __aenter__(self) -> Opened:
        pilot = await self._context.__aenter__()
        await settle(pilot, lambda: self.app.progress is not None)
        return Opened(self.app, pilot)

    async def __aexit__(self, *error: object) -> None:
        await self._context.__aexit__(*error)  # type: ignore[arg-type]
        self.app.session.close()


# ---- keys ------------------------------------------------------------------------------------------------------------


async def test_steps_and_back_to_the_end(path: Path) -> None:
    async with opened(path) as o:
        first, last = o.bar.first, o.bar.last
        assert o.at() is None
        assert "at the end" in o.lines[-2]
        assert await o.press("full_stop") is None
        back = await o.press("comma")
        assert back == last - SECOND
        assert await o.press("comma", "comma") == last - 3 * SECOND
        assert await o.press("full_stop") == last - 2 * SECOND
        assert any(chip.startswith("AT ") for chip in o.chips())
        assert "2.0 s before the end" in o.lines[-2]
        assert await o.press("L") is None
        assert not any(chip.startswith("AT ") for chip in o.chips())
        assert await o.press("escape") == last - 2 * SECOND, "back to where it was"
        await o.press("T", "s", "t", "a", "r", "t", "enter")
        assert o.at() == first
        assert await o.press("comma") == first


async def test_a_step_leaves_out_time_without_packets(path: Path) -> None:
    async with opened(path) as o:
        start, end = o.bar.gaps[0]
        with open_session(path) as session:
            before, after = session.execute_own(
                "SELECT (SELECT epoch_ns(max(ts)) FROM packets WHERE epoch_ns(ts) < ?), "
                "(SELECT epoch_ns(min(ts)) FROM packets WHERE epoch_ns(ts) >= ?)",
                [start, end],
            ).rows[0]
        o.app.go_to(before)
        assert await o.press("full_stop") == after


async def test_space_plays_and_pauses(path: Path) -> None:
    async with opened(path) as o:
        hands = Hands()
        o.app.clock._now = hands
        await o.press("space")
        assert playing(o)
        assert o.at() == o.bar.first
        assert PLAYING in o.lines[-2]
        hands.time = 0.5
        o.app._tick()
        await settle(o.pilot)
        assert o.at() == o.bar.first + SECOND // 2
        await o.press("space")
        assert not playing(o)
        assert PAUSED in o.lines[-2]
        hands.time = 100
        o.app._tick()
        assert o.at() == o.bar.first + SECOND // 2
        await o.press("space")
        hands.time = 1000
        o.app._tick()
        await settle(o.pilot)
        assert o.at() is None, "played to its end"
        assert not playing(o)


def playing(o: Opened) -> bool:
    return o.app.clock.playing


class Hands:
    """A clock that goes on only when it is set."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


async def test_playing_stands_still_under_a_dialog(path: Path) -> None:
    async with opened(path) as o:
        hands = Hands()
        o.app.clock._now = hands
        await o.press("space", "h")
        hands.time = 50
        o.app._tick()
        await o.press("escape")
        assert o.at() == o.bar.first
        hands.time = 50.25
        o.app._tick()
        assert o.at() == o.bar.first + SECOND // 4


async def test_speeds(path: Path) -> None:
    async with opened(path) as o:
        assert o.app.clock.speed == 1
        await o.press("greater_than_sign", "greater_than_sign")
        assert o.app.clock.speed == 5
        assert "5" in o.lines[-2].split("AT")[0].split()[1]
        await o.press("less_than_sign")
        assert o.app.clock.speed == 2


async def test_anomalies(path: Path) -> None:
    with open_session(path) as session:
        rows = session.execute_own("SELECT DISTINCT epoch_ns(ts) FROM anomalies WHERE ts IS NOT NULL ORDER BY 1").rows
    times = [int(ns) for (ns,) in rows]
    assert len(times) > 1
    async with opened(path) as o:
        seen = [await o.press("left_curly_bracket") for _ in times]
        assert seen == times[::-1]
        assert await o.press("f9") == times[0], "there is no earlier one"
        assert [await o.press("f10") for _ in times[1:]] == times[1:]
        assert await o.press("right_curly_bracket") == times[-1]
        assert ANOMALY in o.lines[-3]


async def test_go_to_a_typed_time(path: Path) -> None:
    async with opened(path) as o:
        first, last = o.bar.first, o.bar.last
        assert await o.go_to("start") == first
        assert await o.go_to("end") is None
        assert await o.go_to("100%") == last
        assert await o.go_to("live") is None
        assert await o.go_to("#1:5") is not None
        with open_session(path) as session:
            (fifth,) = session.execute_own("SELECT epoch_ns(ts) FROM packets WHERE capture_id = 1 AND number = 5").rows[
                0
            ]
        assert o.at() == fifth
        there = await o.go_to("+10ms")
        assert there is not None
        assert there >= fifth + 10_000_000


async def test_a_wrong_time_is_explained_while_typing(path: Path) -> None:
    async with opened(path) as o:
        await o.press("T", "n", "o", "o", "n")
        assert "expected one of" in screen_text(o.app)
        await o.press("enter")
        assert isinstance(o.app.screen, GoToDialog), "nothing is left that could not be understood"
        await o.press("escape")
        assert o.at() is None
        await o.press("T", "number_sign", "5", "enter")
        assert "several captures" in screen_text(o.app)
        assert o.at() is None


async def test_the_settings_name_the_time_at_the_start(path: Path) -> None:
    async with opened(path, at="start") as o:
        await settle(o.pilot)
        assert o.at() == o.bar.first


async def test_reset_goes_to_the_end(path: Path) -> None:
    async with opened(path) as o:
        await o.press("comma", "r")
        assert o.at() is None


async def test_a_session_without_packets_has_no_bar(tmp_path: Path) -> None:
    ingest([str(SAMPLES / "web.pcap")], str(tmp_path / "s.duckdb"), Options(discover=False, workers=0))
    import duckdb  # noqa: PLC0415

    with duckdb.connect(str(tmp_path / "s.duckdb")) as con:
        con.execute("DELETE FROM packets")
    async with opened(tmp_path / "s.duckdb") as o:
        assert not o.widget.display
        for key in ("space", "comma", "greater_than_sign", "T", "L", "f9"):
            assert await o.press(key) is None
            assert len(o.app.screen_stack) == 1


# ---- the mouse -------------------------------------------------------------------------------------------------------


async def test_a_click_goes_to_the_time_of_its_cell(path: Path) -> None:
    async with opened(path) as o:
        for cell in (0, 7, len(o.bar.cells) - 2):
            await o.pilot.click(TimeBar, offset=(cell + 1, 0))
            await settle(o.pilot)
            assert o.at() == o.bar.time_of(cell)
        await o.pilot.click(TimeBar, offset=(len(o.bar.cells), 0))
        await settle(o.pilot)
        assert o.at() is None, "the last cell is the end"
        await o.pilot.click(TimeBar, offset=(20, 1))
        await settle(o.pilot)
        assert o.at() is None, "the text below is no bar"


async def test_a_drag_shows_the_time_at_once_and_the_session_soon(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_bar, "SCRUB_SECONDS", 1.0)  # longer than three moves take here
    async with opened(path) as o:
        asked: list[int | None] = []
        scrub = o.app.scrub

        def scrubbed(ns: int | None) -> None:
            asked.append(ns)
            scrub(ns)

        o.app.scrub = scrubbed  # type: ignore[method-assign]
        await o.pilot.mouse_down(TimeBar, offset=(5, 0))
        for column in (10, 20, 30):
            await o.pilot.hover(TimeBar, offset=(column, 0))
            assert o.widget.hover == column - 1
        assert not asked, "the mouse has not rested yet"
        await until(o, lambda: asked)
        await settle(o.pilot)
        assert asked == [o.bar.time_of(29)]
        assert o.at() == o.bar.time_of(29)
        await o.pilot.hover(TimeBar, offset=(31, 1))
        assert o.widget.hover == 30, "a drag goes on below the bar"
        await o.pilot.mouse_up(TimeBar, offset=(41, 1))
        await settle(o.pilot)
        assert o.at() == o.bar.time_of(40)
        assert await o.press("escape") is None, "a drag is one step for Escape"


async def test_the_mouse_over_the_bar_previews(path: Path) -> None:
    async with opened(path) as o:
        await o.pilot.hover(TimeBar, offset=(1, 0))
        await settle(o.pilot)
        assert "packet" in o.lines[-2]
        gap = next(number for number, cell in enumerate(o.bar.cells) if cell.gap)
        await o.pilot.hover(TimeBar, offset=(gap + 1, 0))
        await settle(o.pilot)
        assert "no packets for" in o.lines[-2]
        await o.pilot.hover(TimeBar, offset=(gap + 1, 1))
        await settle(o.pilot)
        assert "at the end" in o.lines[-2]
        assert o.at() is None


# ---- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "lines"), [(50, 2), (30, 2), (29, 1), (24, 1), (20, 1), (19, 0), (10, 0)])
async def test_lines_by_height(path: Path, rows: int, lines: int) -> None:
    async with opened(path, (80, rows)) as o:
        assert (o.widget.size.height if o.widget.display else 0) == lines
        await o.press("comma")
        assert o.at() is not None, "keys work without the bar"
        assert any(chip.startswith("AT ") for chip in o.chips())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_what_the_bar_looks_like(path: Path, size: tuple[int, int]) -> None:
    async with opened(path, size) as o:
        assert GAP in "".join(o.lines[-3:])
        await o.press("f9", "f9")
        await o.pilot.hover(TabLine)
        await o.pilot.pause(0.1)
        text = "\n".join(o.lines[-1 - o.widget.size.height : -1])
        check_text(text, f"time-{size[0]}x{size[1]}")


async def test_the_playhead_is_reversed(path: Path) -> None:
    async with opened(path) as o:
        o.app.go_to(o.bar.time_of(40))
        await settle(o.pilot)
        strip = o.widget.render_line(0)
        column = 0
        reversed_cells: list[int] = []
        for segment in strip:
            if segment.style is not None and segment.style.reverse:
                reversed_cells += range(column, column + len(segment.text))
            column += len(segment.text)
        assert reversed_cells == [41]


async def test_for_screen_readers_the_bar_is_words(path: Path) -> None:
    async with opened(path, accessible=True) as o:
        await o.press("comma")
        text = "\n".join(o.lines[-3:-1])
        assert "% of the session" in text
        assert not set(text) & set("▁▂▃▄▅▆▇█")


async def test_resizing_lays_the_bar_out_again(path: Path) -> None:
    async with opened(path) as o:
        assert len(o.bar.cells) == 118
        await o.pilot.resize_terminal(160, 40)
        await settle(o.pilot)
        assert len(o.bar.cells) == 158


# ---- every screen ----------------------------------------------------------------------------------------------------


SCREENS = [name for name, _title in TABS if name != "sql" and find_spec(f"rustnet.tui.screens.{name}")]


@pytest.mark.parametrize("name", SCREENS)
async def test_every_screen_shows_the_session_as_it_stood(path: Path, name: str) -> None:
    """Its question is asked for the time, and what it shows is that of a session that ends there."""
    async with opened(path, (120, 40)) as o:
        await o.press(str([tab for tab, _title in TABS].index(name) + 1))
        whole = body(o)
        o.app.go_to(o.bar.first + SECOND // 2)
        await settle(o.pilot)
        then = body(o)
        assert o.app.runner.idle
        assert "internal error" not in screen_text(o.app)
        if name != "details":  # it has no flow yet
            assert then != whole
        await o.press("L")
        assert body(o) == whole, "and back at the end it is whole again"


def body(o: Opened) -> list[str]:
    """What the screen shows between tabs and time, but for how long the answer took."""
    return [re.sub(r"\d+ ms$", "", line) for line in o.lines[2:-3]]


# ---- a session that is being written ---------------------------------------------------------------------------------


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[tuple[Path, "subprocess.Popen[bytes]"]]:
    """A replay of eleven seconds in twice that time, by another process."""
    session = tmp_path / "s.duckdb"
    command = [sys.executable, "-m", "rustnet", "replay", str(SAMPLES / "contested.pcap"), "--db", str(session)]
    with subprocess.Popen([*command, "--no-tui", "--speed", "0.5"], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 20
        while not begun(session):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield session, process
        process.kill()


def begun(path: Path) -> bool:
    """Whether a session is being written and has packets already."""
    try:
        with open_session(path) as session:
            return session.being_written and session.sql("SELECT count(*) FROM packets").rows[0][0] > 0
    except RustnetError:
        return False


async def test_a_replay_is_followed_paused_and_followed_to_its_end(
    replay: "tuple[Path, subprocess.Popen[bytes]]",
) -> None:
    path, process = replay
    async with opened(path) as o:
        clock = o.app.clock
        assert clock.source is Source.REPLAY
        assert clock.following
        assert "following" in o.lines[-2]
        head, shown = clock.head, o.generation
        assert head is not None
        await until(o, lambda: (clock.head or 0) > head and o.generation > shown)
        assert o.at() is None
        await o.press("space")
        paused = o.at()
        assert paused is not None
        shown = o.generation
        await until(o, lambda: clock.behind > SECOND)
        assert o.at() == paused, "what is shown stays"
        assert o.generation == shown, "and is not asked again"
        assert "PAUSED" in (chips := " ".join(o.chips()))
        assert "behind" in chips
        assert "behind" in o.lines[-2]
        assert await o.press("L") is None
        assert clock.following
        process.send_signal(signal.SIGINT)
        await until(o, lambda: not clock.written)
        with open_session(path) as session:
            (last,) = session.execute_own("SELECT epoch_ns(max(ts)) FROM packets").rows[0]
            (packets,) = session.execute_own("SELECT count(*) FROM packets").rows[0]
        assert clock.head == last
        assert o.app.progress is not None
        assert o.app.progress.timeline.packets == packets
        assert "at the end" in o.lines[-2]


async def until(o: Opened, true: Any) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        await o.pilot.pause(0.05)
    await o.pilot.pause(0.3)
