"""Measure the browser on a large session, from a key to the painted rows: ``python -m benchmarks.browser``.

The session is that of `benchmarks.queries`, by default 1,000,000 flows and 20,000,000 packets. The real app runs
without a terminal, in two sizes. A step begins when its key is posted and ends when a frame was drawn in which all rows
on the screen are of the list that the key asked for; nothing is read ahead of the key except what the app itself
reads. Processor time is that of all threads: on a machine that does something else it says more than the seconds.

The time from the start of the program to its first rows is measured on a pseudo-terminal.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import pty
import random
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.queries import write_session

GOAL_MS = 200.0
GOAL_RSS_MB = 300
GOAL_OPEN_SECONDS = 1.0
PATIENCE = 20.0
"""Seconds after which a step has failed."""
SIZES = ((200, 50), (80, 24))
SECONDS = 10**9


@dataclass(slots=True)
class Step:
    """Times of one step."""

    name: str
    goal: bool = True
    """Whether it has to keep the goal."""
    times: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float:
        """Milliseconds within which 95 % of the runs are."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]

    def line(self) -> str:
        """One line of the report."""
        mark = "" if not self.goal else "  ok" if self.p95 <= GOAL_MS else "  SLOW"
        return (
            f"  {self.name:<34}{statistics.median(self.times):>8.0f}{self.p95:>8.0f}{max(self.times):>8.0f}"
            f"{statistics.median(self.busy):>8.0f}{len(self.times):>5}{mark}\n"
        )


class Probe:
    """Runs steps on an app, and waits for the frame that shows their result."""

    def __init__(self, app: Any, pilot: Any) -> None:
        self.app = app
        self.pilot = pilot
        self.steps: dict[str, Step] = {}
        self.reached: Callable[[], bool] = lambda: False
        self.painted: asyncio.Event = asyncio.Event()
        self.at = 0.0
        table = self.table
        draw = table.render_lines

        def drawn(crop: Any) -> Any:
            strips = draw(crop)
            if not self.painted.is_set() and table.complete and self.reached():
                self.at = time.perf_counter()
                self.painted.set()
            return strips

        table.render_lines = drawn

    @property
    def table(self) -> Any:
        """The list of flows."""
        from rustnet.tui.widgets.flow_table import FlowTable  # noqa: PLC0415 -- Textual, after its environment

        return self.app.screen_stack[0].query_one(FlowTable)

    async def quiet(self) -> None:
        """Wait until the app has nothing to do."""
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(0.02)
            quiet = quiet + 1 if self.app.runner.idle else 0

    async def step(
        self, name: str, do: str | Callable[[], object], reached: Callable[[], bool], *, goal: bool = True
    ) -> None:
        """Press a key, or call a function, and wait for the frame in which ``reached`` holds."""
        from textual.events import Key  # noqa: PLC0415 -- Textual, after its environment

        self.reached = reached
        self.painted.clear()
        busy = time.process_time()
        begun = time.perf_counter()
        if isinstance(do, str):
            self.app.post_message(Key(do, do if len(do) == 1 else None))
        else:
            do()
        try:
            await asyncio.wait_for(self.painted.wait(), PATIENCE)
            taken = (self.at - begun) * 1000
        except TimeoutError:
            taken = PATIENCE * 1000
        step = self.steps.setdefault(name, Step(name, goal))
        step.times.append(taken)
        step.busy.append((time.process_time() - busy) * 1000)
        await self.quiet()


async def measure(path: Path, size: tuple[int, int], repeats: int) -> tuple[list[Step], float]:
    """Run all steps in one size; returns them, and the seconds until the first rows within this process."""
    from rustnet.query.session import open_session  # noqa: PLC0415 -- what is measured
    from rustnet.tui import MEMORY_LIMIT, THREADS, prepare  # noqa: PLC0415

    prepare()
    from rustnet.tui.app import Browser  # noqa: PLC0415
    from rustnet.tui.settings import BrowserSettings  # noqa: PLC0415

    begun = time.perf_counter()
    session = open_session(path, threads=THREADS, memory_limit=MEMORY_LIMIT)
    app = Browser(session, BrowserSettings())
    try:
        async with app.run_test(size=size) as pilot:
            while not app.screen_stack[0].query("FlowTable") or not Probe(app, pilot).table.complete:
                await asyncio.sleep(0.005)
            first = time.perf_counter() - begun
            probe = Probe(app, pilot)
            await probe.quiet()
            await walk(probe, repeats)
            return list(probe.steps.values()), first
    finally:
        session.close()


async def walk(probe: Probe, repeats: int) -> None:
    """Do every step."""
    table, app = probe.table, probe.app
    table.focus()
    draw = random.Random(1)

    def loaded(known: int) -> Callable[[], bool]:
        return lambda: table.generation > known

    for _ in range(repeats):
        await probe.step("page down", "pagedown", lambda target=table.cursor: table.cursor > target)  # type: ignore[misc]
    for _ in range(repeats):
        place = draw.randrange(table.row_count - 100)
        await probe.step(
            "scroll to any place",
            lambda place=place: table.scroll_to(y=place, animate=False),  # type: ignore[misc]
            lambda place=place: table.top == place,  # type: ignore[misc]
        )
    keys = [place.column.key for place in table.placed]
    for _ in range(max(2, repeats // 5)):
        for _key in (*keys, "time"):
            await probe.step("sort by the next column", "s", loaded(table.generation))
            await probe.step("sort the other way round", "S", loaded(table.generation))
            await probe.step("jump to end", "G", lambda: table.cursor == table.row_count - 1)
            await probe.step("jump to top", "g", lambda: table.cursor == 0)
    await filters(probe, repeats)
    for _ in range(repeats):
        await probe.step("group by process", "a", lambda: table.rows.grouped and table.row_count < 10_000)
        await probe.step("open a group", "l", lambda: table.rows.sections[0].expanded)
        await probe.step("no groups", "a", lambda: not table.rows.grouped)
        table.forget_groups()
    facts = app.session_facts
    first, last = facts.first_ns, facts.last_ns
    for _ in range(repeats):
        at = draw.randrange(first + 5 * SECONDS, last)
        await probe.step("go to a time", lambda at=at: app.change(at=at), lambda at=at: table.snapshot.spec.at == at)  # type: ignore[misc]
    app.change(at=None)
    await probe.quiet()


async def filters(probe: Probe, repeats: int) -> None:
    """Filter by columns, then by text and by regular expressions, as typed and kept."""
    from rustnet.tui.widgets.filter_line import FilterLine  # noqa: PLC0415 -- Textual, after its environment

    table, app = probe.table, probe.app
    line = app.screen_stack[0].query_one(FilterLine)
    kinds = (
        ("column filter", ["port:443", "app:dns", "proto:udp", "bytes:>10K", "state:sf", "dst:10.0.9.0/24"], True),
        ("free text", ["host1234", "program7", "site99"], False),
        ("regular expression", ["/host12[0-9]/", "sni:/^host7+/"], False),
    )
    for name, texts, goal in kinds:
        for number in range(max(len(texts), repeats // 2 if goal else len(texts))):
            text = texts[number % len(texts)]
            line.open()
            line.fill(text)
            await probe.step(name, "enter", lambda text=text: table.snapshot.spec.filter == text, goal=goal)  # type: ignore[misc]
            app.change(filter="", remember=False)
            await probe.quiet()


def opening(path: Path) -> float:
    """Seconds from the start of ``rustnet browse`` on a terminal to the first row of the list."""
    program = Path(sys.executable).with_name("rustnet")
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "RUSTNET_LANGUAGE": "en"}
    begun = time.perf_counter()
    child = subprocess.Popen(
        [program, "--no-config", "browse", path],
        stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(other)
    seen = b""
    try:
        while b"program" not in seen and time.perf_counter() - begun < PATIENCE:
            data = os.read(main, 65_536)
            seen = seen[-100:] + data
            if b"\x1b[c" in data:  # who are you: answered as a terminal does at once
                os.write(main, b"\x1b]11;rgb:0000/0000/0000\x1b\\\x1b[?62;c")
        return time.perf_counter() - begun
    finally:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            while os.read(main, 65_536):
                pass
        child.wait(10)
        os.close(main)


def main() -> int:
    """Make the session, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--packets", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=30, help="runs of each step")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="make the session here if it is not there, and leave it"
    )
    parser.add_argument("--size", type=int, nargs=2, metavar="N", help="measure in this size only, without the start")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rustnet-bench-") as folder:
        path = chosen.keep or Path(folder) / "large.duckdb"
        if not path.exists():
            begun = time.perf_counter()
            write_session(path, chosen.flows, chosen.packets)
            sys.stdout.write(f"session made in {time.perf_counter() - begun:.0f} s\n")
        if chosen.size:
            return report_size(path, chosen.repeats, (chosen.size[0], chosen.size[1]))
        return report(path, chosen.repeats)


def report(path: Path, repeats: int) -> int:
    """Print the time to the first rows, then all steps, each size in a process of its own; returns the missed goals."""
    opened = sorted(opening(path) for _ in range(5))
    missed = int(opened[2] > GOAL_OPEN_SECONDS)
    sys.stdout.write(
        f"start of the program to its first rows: {opened[2]:.2f} s ({opened[0]:.2f} to {opened[-1]:.2f})\n"
    )
    sys.stdout.flush()
    for width, height in SIZES:
        words = ["--keep", str(path), "--repeats", str(repeats), "--size", str(width), str(height)]
        missed += subprocess.run([sys.executable, "-m", "benchmarks.browser", *words], check=False).returncode
    sys.stdout.write(f"\ngoals missed: {missed}\n")
    return missed


def peak_mb() -> int:
    """Most memory that this process had; ``ru_maxrss`` may be that of the process which started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) >> 10


def report_size(path: Path, repeats: int, size: tuple[int, int]) -> int:
    """Print a line for each step in one size; returns how many miss their goal."""
    steps, first = asyncio.run(measure(path, size, repeats))
    sys.stdout.write(f"\n{size[0]}x{size[1]}, key to paint in ms (first rows after {first:.2f} s)\n")
    sys.stdout.write(f"  {'step':<34}{'median':>8}{'p95':>8}{'max':>8}{'CPU':>8}{'runs':>5}\n")
    for step in steps:
        sys.stdout.write(step.line())
    rss = peak_mb()
    sys.stdout.write(f"  memory of this process at most: {rss} MB\n")
    return sum(step.goal and step.p95 > GOAL_MS for step in steps) + (rss > GOAL_RSS_MB)


if __name__ == "__main__":
    sys.exit(main())
