"""What an open browser costs a replay, and whether it stays fluent: ``python -m benchmarks.browsing``.

The capture `bulk` is replayed with and without a browser that follows it from a process of its own, in turn. That
process has started before the replay, and waits for the session. The browser runs in a terminal of its own of 200
columns and 50 rows, so what it draws is encoded and written, too. While it follows, a ticker of 5 ms measures how long
its thread was busy at a time.
"""

import argparse
import asyncio
import contextlib
import fcntl
import itertools
import json
import os
import pty
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks import measure
    from rustnet.query.session import Session

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

TICK = 0.005
COLUMNS, ROWS = 200, 50
MOST_RATIO = 1.1
LONGEST_FRAME = 0.25
TOUR = ("3", "4", "5", "6", "7", "1")
"""Keys that the tour presses, one a second."""


@dataclass
class Seen:
    """What a browser measured of itself while it followed."""

    longest_ms: float
    """Longest time for which its thread did not answer."""
    p99_ms: float
    ticks: int
    frames: int
    longest_frame_ms: float
    """Longest time that one frame took to be drawn."""
    longest_frame_cpu_ms: float
    """The same in processor time: what another process takes away does not count."""
    questions: int
    answering_s: float
    """Time that its questions took."""
    first_rows_s: float
    """Time from the session's first answer to the first screen with rows."""
    peak_mib: float
    cpu_s: float
    """Processor time of its process, its start included."""


def opened(session: Path) -> "Session":
    """Open a session as soon as it is there."""
    from rustnet.errors import RustnetError  # noqa: PLC0415 -- not in the other process
    from rustnet.query.session import open_session  # noqa: PLC0415
    from rustnet.tui import MEMORY_LIMIT, THREADS  # noqa: PLC0415

    while True:
        with contextlib.suppress(RustnetError):
            return open_session(session, threads=THREADS, memory_limit=MEMORY_LIMIT)
        time.sleep(0.02)


def follow(path: Path, figures: Path, *, tour: bool) -> None:
    """Show a session while it is being written, and store the figures: in a process and terminal of its own."""
    from rustnet.tui import prepare  # noqa: PLC0415 -- not in the other process

    prepare()
    from textual.screen import Screen  # noqa: PLC0415

    from rustnet.tui.app import Browser  # noqa: PLC0415
    from rustnet.tui.settings import BrowserSettings  # noqa: PLC0415

    figures.with_suffix(".ready").touch()
    session = opened(path)
    begun = time.perf_counter()
    lags: list[float] = []
    frames: list[tuple[float, float]] = []
    first: list[float] = []

    class Measured(Browser):
        """The browser with its ticker."""

        def on_mount(self) -> None:
            """Begin to measure."""
            super().on_mount()
            self.run_worker(self._ticker(), name="ticker")
            if tour:
                self.run_worker(self._travel(), name="tour")

        async def _ticker(self) -> None:
            while self.progress is None or self.progress.written:
                before = time.perf_counter()
                await asyncio.sleep(TICK)
                if self.pane is not None and self.pane.generation:
                    first.append(time.perf_counter() - begun)
                    lags.append(time.perf_counter() - before - TICK)
            self.exit(0)

        async def _travel(self) -> None:
            for key in itertools.cycle(TOUR):
                await asyncio.sleep(1)
                await self.action_simulate_key(key)

    draw: Any = Screen._on_timer_update

    def timed(screen: Any) -> None:
        before, used = time.perf_counter(), time.thread_time()
        draw(screen)
        frames.append((time.perf_counter() - before, time.thread_time() - used))

    Screen._on_timer_update = timed  # type: ignore[assignment, method-assign]
    app = Measured(session, BrowserSettings())
    app.run()
    session.close()
    lags.sort()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seen = Seen(
        lags[-1] * 1e3, lags[int(len(lags) * 0.99)] * 1e3, len(lags), len(frames),
        max(wall for wall, _used in frames) * 1e3, max(used for _wall, used in frames) * 1e3,
        app.runner.asked, app.runner.busy_seconds, first[0], usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime,
    )  # fmt: skip
    figures.write_text(json.dumps(asdict(seen)), "utf-8")


@contextlib.contextmanager
def browser(session: Path, figures: Path, *, tour: bool) -> Iterator[None]:
    """Run `follow` in a terminal whose output is read and thrown away."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "benchmarks.browsing", "--follow", str(session), str(figures)]
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
    errors = figures.with_suffix(".errors").open("wb")
    child = subprocess.Popen(
        [*command, *(["--tour"] if tour else [])],
        stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True, cwd=ROOT,
    )  # fmt: skip
    os.close(slave)

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(master, 65_536):
                errors.seek(0)
                errors.write(data[-4096:])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while child.poll() is None and not figures.with_suffix(".ready").exists():
            time.sleep(0.02)
        yield
        child.wait(120)
    finally:
        child.kill()
        child.wait()
        os.close(master)
        errors.close()


def replayed(capture: Path, session: Path) -> "measure.Run":
    """One replay into a new session."""
    from benchmarks import measure  # noqa: PLC0415 -- imports numpy, which the browser's process must not

    return measure.process("replay", "--no-tui", "--no-sidecar", "--db", str(session), str(capture))


def new(folder: Path) -> Path:
    """Path of a session that does not exist."""
    for old in folder.glob("s.duckdb*"):
        old.unlink()
    return folder / "s.duckdb"


def compare(capture: Path, folder: Path, repeats: int, *, tour: bool) -> int:
    """Replay with and without a browser in turn, and print what it takes; returns 1 if a goal is missed."""
    alone: list[measure.Run] = []
    beside: list[measure.Run] = []
    seen: list[Seen] = []
    for turn in range(repeats):
        alone.append(replayed(capture, new(folder)))
        session, figures = new(folder), folder / f"{turn}.json"
        with browser(session, figures, tour=tour):
            beside.append(replayed(capture, session))
        seen.append(Seen(**json.loads(figures.read_text("utf-8"))))
        print(f"{turn + 1}: alone {words(alone[-1])}, with the browser {words(beside[-1])}\n   {seen[-1]}", flush=True)
    ratio = statistics.median(b.seconds / a.seconds for a, b in zip(alone, beside, strict=True))
    longest = max(one.longest_ms for one in seen)
    print(f"ratio {ratio:.3f} (goal {MOST_RATIO}), longest frame {longest:.0f} ms (goal {LONGEST_FRAME * 1e3:.0f})")
    return int(ratio > MOST_RATIO or longest > LONGEST_FRAME * 1e3)


def words(run: "measure.Run") -> str:
    """What a replay took."""
    return f"{run.seconds:.2f} s ({run.cpu_seconds:.2f} s of processors)"


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tour", action="store_true", help="let the browser go through its screens meanwhile")
    parser.add_argument("--follow", nargs=2, type=Path, metavar=("SESSION", "FIGURES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.follow:
        follow(*options.follow, tour=options.tour)
        return 0
    from benchmarks import captures  # noqa: PLC0415 -- imports numpy

    with tempfile.TemporaryDirectory(prefix="rustnet-browsing-") as name:
        folder = Path(name)
        capture = folder / "bulk.pcap"
        captures.bulk(capture, options.packets)
        return compare(capture, folder, options.repeats, tour=options.tour)


if __name__ == "__main__":
    sys.exit(main())
