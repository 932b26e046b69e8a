"""Processes of ``rustnet live`` that are killed at any moment: what was stored stays, and no process is left over."""

import os
import pty
import random
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from rustnet.errors import ExitCode
from rustnet.query.session import open_session
from rustnet.sandbox.privileges import NOBODY
from tests.live.namespaces import Namespace, sender
from tests.live.running import MARK, RUSTNET, Live
from tests.live.test_privileges import AS_ROOT, AS_USER, USER, place, status
from tests.support.effort import wait_until
from tests.support.packets import udp_frame

__all__ = ["place"]

pytestmark = pytest.mark.root
LOST_SECONDS = 2.0
"""Packets that may be lost are at most so old when a process is killed."""
PAUSE = 0.002
PAUSE_NS = 2_000_000
UNREAD_SECONDS = 0.25
"""Packets that are not read yet when a capture is stopped are at most so old: they are gathered for some time."""
SEED = int(os.environ.get("RUSTNET_SEED", "17"))


def most_lost() -> float:
    """Seconds that may be lost: more on a machine that has several times the work that it can do."""
    return LOST_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) / 2)


class Sending(threading.Thread):
    """Sends a frame after the other from an interface of its namespace, and notes when."""

    def __init__(self, interface: str) -> None:
        super().__init__(daemon=True)
        self.socket = sender(interface)
        self.times: list[int] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(PAUSE):
            number = len(self.times)
            frame = udp_frame(("10.0.0.1", 40_000), ("10.0.0.2", 9), struct.pack(">I", number))
            now = time.time_ns()
            self.socket.send(frame)
            self.times.append(now)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()
        self.socket.close()

    def between(self, first: int, last: int) -> int:
        """Number of frames that were sent between two times."""
        return sum(first <= each <= last for each in self.times)


@pytest.fixture
def talk(namespace: Namespace) -> Iterator[Sending]:
    namespace.veth("a", "b")
    with Sending("a") as sending:
        yield sending


def processes(live: Live) -> dict[str, int]:
    """Processes of a run without a screen, by what they do."""
    others = set(live.processes()) - {live.process.pid}
    probe = next(pid for pid in others if int(status(pid)["CapEff"], 16))
    (parser,) = others - {probe}
    return {"writer": live.process.pid, "probe": probe, "parser": parser}


def lost_seconds(path: Path, talk: Sending, began: int, killed: int) -> float:
    """Age of the oldest packet that is not stored of those that were sent before a process was killed.

    Those that were sent before the capture had certainly begun do not count.
    """
    with open_session(path) as session:
        numbers = session.sql("SELECT number FROM packets ORDER BY number").rows
        first, last, gaps = session.sql(
            "SELECT epoch_ns(min(ts)), epoch_ns(max(ts)), count(*) - count(DISTINCT ts) FROM packets"
        ).rows[0]
    assert numbers == [(i + 1,) for i in range(len(numbers))], "none is missing between others"
    assert not gaps
    if last is None:
        return (killed - began) / 1e9
    # A frame is stamped just after its time is noted, and the next one is sent 2 ms later.
    assert talk.between(first - PAUSE_NS, last) - len(numbers) in {0, 1}
    missing = [each for each in talk.times if last < each < killed]
    return (killed - missing[0]) / 1e9 if missing else 0.0


def gone(live_pids: "list[int]") -> bool:
    return not any(Path(f"/proc/{pid}").exists() and status(pid)["State"][0] != "Z" for pid in live_pids)


def kill_once(place: Path, talk: Sending, victim: str, delay: float) -> tuple[float, str]:
    """Kill one process of a run after some time; returns the seconds that were lost, and what was printed."""
    session = place / f"{victim}-{time.monotonic_ns()}.duckdb"
    live = Live(session, "-i", "b", wrapper=AS_USER).started()
    began = time.time_ns()
    try:
        known = processes(live)
        time.sleep(delay)
        killed = time.time_ns()
        os.kill(known[victim], signal.SIGKILL)
        if victim == "probe":
            time.sleep(0.3)
            live.stop()
        else:
            live.output, live.errors = live.process.communicate(timeout=30)
        wait_until(lambda: gone([*known.values()]), 5)
        assert live.processes() == []
    finally:
        if live.process.poll() is None:
            live.process.kill()
            live.process.wait()
    expected = {"writer": -signal.SIGKILL, "probe": ExitCode.DONE, "parser": ExitCode.INPUT}
    assert live.process.returncode == expected[victim], live.errors
    with open_session(session) as opened:
        finished = opened.sql("SELECT finished, complete FROM captures").rows
        anomalies = {kind for (kind,) in opened.sql("SELECT kind FROM anomalies").rows}
        partial = opened.partial_captures()
        counts = opened.sql("SELECT (SELECT count(*) FROM packets), (SELECT count(*) FROM flows)").rows[0]
    assert bool(counts[0]) == bool(counts[1]), "packets that are stored have their flows"
    assert all("replay" not in each.words("s") for each in partial)
    if victim == "writer":
        assert finished in ([(False, False)], []), "it says that its end is missing"
        assert bool(partial) == bool(finished)
    else:
        assert finished == [(victim == "probe", victim == "probe")]
        assert {"probe": "probe_ended", "parser": "parser_failed"}[victim] in anomalies
    return lost_seconds(session, talk, began, killed), live.errors


def clear(place: Path) -> None:
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path)  # what a killed process spilled; the next opening for writing removes it too
        else:
            path.unlink()


def rounds(place: Path, talk: Sending, victim: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(f"{SEED} {victim}")
    lost = []
    for _ in range(count):
        delay = chance.uniform(0, 4)
        lost.append(kill_once(place, talk, victim, delay)[0])
        print(f"{victim} killed after {delay:.2f} s: {lost[-1]:.2f} s lost")  # noqa: T201
        clear(place)
    with capsys.disabled():
        sys.stdout.write(f"\n{victim} killed {count} times: at most {max(lost):.2f} s lost\n")
    assert max(lost) <= most_lost()


@pytest.mark.parametrize("victim", ["writer", "probe", "parser"])
def test_a_killed_process_costs_little_and_leaves_no_other(
    talk: Sending, place: Path, victim: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds(place, talk, victim, 1, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["writer", "probe", "parser"])
def test_killed_many_times(talk: Sending, place: Path, victim: str, capsys: pytest.CaptureFixture[str]) -> None:
    rounds(place, talk, victim, 50, capsys)


# ---- with a screen ---------------------------------------------------------------------------------------------------


class Screen(Live):
    """A run of ``rustnet live`` on a terminal, which nobody reads but the test."""

    def __init__(self, session: Path, *options: str, wrapper: tuple[str, ...] = AS_USER) -> None:
        self.session = session
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.output = self.errors = ""
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *wrapper, *RUSTNET, "live", "--db", str(session), *options],
            stdin=theirs, stdout=theirs, stderr=theirs, text=True,
            env={**os.environ, MARK: self.mark, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        )  # fmt: skip
        os.close(theirs)
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        try:
            while os.read(self.terminal, 1 << 16):
                pass
        except OSError:  # its other end is closed
            pass

    def roles(self) -> dict[str, int]:
        """Its processes, by what they do."""
        parents = {pid: int(status(pid)["PPid"]) for pid in self.processes()}
        probe = next(pid for pid in parents if int(status(pid)["CapEff"], 16))
        watcher = self.process.pid
        child = {parent: pid for pid, parent in parents.items() if pid != probe}
        browser = child[watcher]
        writer = child[browser]
        return {"watcher": watcher, "browser": browser, "writer": writer, "parser": child[writer], "probe": probe}

    def close(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.terminal)


def kill_on_screen(place: Path, talk: Sending, victim: str, delay: float) -> None:
    session = place / f"{victim}-{time.monotonic_ns()}.duckdb"
    screen = Screen(session, "-i", "b")
    try:
        screen.started()
        began = time.time_ns()
        wait_until(lambda: len(screen.processes()) == 5)
        roles = screen.roles()
        assert {status(pid)["Uid"].split()[0] for name, pid in roles.items() if name != "probe"} == {str(USER)}
        assert {status(pid)["CapEff"] for name, pid in roles.items() if name != "probe"} == {"0" * 16}
        time.sleep(delay)
        killed = time.time_ns()
        os.kill(roles[victim], signal.SIGKILL)
        wait_until(lambda: gone([*roles.values()]), 15)
    finally:
        screen.close()
    with open_session(session) as opened:
        finished = opened.sql("SELECT finished FROM captures").rows
    assert finished == [(True,)], "what was read is stored to its end"
    assert lost_seconds(session, talk, began, killed) <= UNREAD_SECONDS


def test_on_a_terminal_only_the_probe_keeps_powers_though_root_stays(namespace: Namespace, tmp_path: Path) -> None:
    screen = Screen(tmp_path / "s.duckdb", "-i", "lo", wrapper=AS_ROOT)
    try:
        screen.started()
        wait_until(lambda: len(screen.processes()) == 5)
        roles = screen.roles()
        assert {name: status(pid)["CapPrm"] for name, pid in roles.items() if name != "probe"} == dict.fromkeys(
            ("watcher", "browser", "writer", "parser"), "0" * 16
        )
        assert status(roles["parser"])["Uid"].split() == [str(NOBODY)] * 4
        os.kill(roles["watcher"], signal.SIGTERM)
        wait_until(lambda: gone([*roles.values()]), 15)
    finally:
        screen.close()


@pytest.mark.parametrize("victim", ["browser", "watcher"])
def test_the_death_of_the_browser_loses_nothing(talk: Sending, place: Path, victim: str) -> None:
    kill_on_screen(place, talk, victim, 1.0)


def test_the_death_of_the_writer_ends_all_but_the_browser(talk: Sending, place: Path) -> None:
    screen = Screen(place / "s.duckdb", "-i", "b")
    try:
        screen.started()
        began = time.time_ns()
        wait_until(lambda: len(screen.processes()) == 5)
        roles = screen.roles()
        time.sleep(1.0)
        killed = time.time_ns()
        os.kill(roles["writer"], signal.SIGKILL)
        wait_until(lambda: gone([roles[name] for name in ("writer", "parser", "probe")]), 5)
        assert not gone([roles["browser"]])
        os.kill(roles["watcher"], signal.SIGTERM)
        wait_until(lambda: gone([*roles.values()]), 15)
    finally:
        screen.close()
    assert lost_seconds(place / "s.duckdb", talk, began, killed) <= most_lost()


@pytest.mark.slow
def test_the_browser_killed_many_times(talk: Sending, place: Path) -> None:
    chance = random.Random(f"{SEED} browser")
    for _ in range(50):
        kill_on_screen(place, talk, "browser", chance.uniform(0, 4))
        clear(place)


# ---- other ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stores_everything(talk: Sending, place: Path, number: int) -> None:
    with Live(place / "s.duckdb", "-i", "b", wrapper=AS_USER) as live:
        began, known = time.time_ns(), processes(live)
        time.sleep(0.7)
        killed = time.time_ns()
        assert live.stop(number) == ExitCode.DONE
    assert gone([*known.values()])
    assert lost_seconds(place / "s.duckdb", talk, began, killed) <= UNREAD_SECONDS
    assert live.rows("SELECT finished, complete FROM captures") == [(True, True)]


def test_a_full_disk_ends_in_a_session_that_opens(talk: Sending, place: Path) -> None:
    small = place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=6m,uid={USER},gid={USER},mode=700", "none", small], check=True)
    try:
        live = Live(small / "s.duckdb", "-i", "b", wrapper=AS_USER).started()
        known = processes(live)
        live.wait_for("SELECT 1 FROM packets")
        time.sleep(1.5)  # until something is permanent
        with (small / "fill").open("wb") as filling:
            try:
                while True:
                    filling.write(bytes(1 << 16))
                    filling.flush()
            except OSError:
                pass
        end = time.monotonic() + 20
        while live.process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        live.stop()
        assert gone([*known.values()])
        (small / "fill").unlink()
        assert live.process.returncode in {ExitCode.FAILURE, ExitCode.LOSSES}, live.errors
        assert "No space left" in live.errors or "full" in live.errors
        assert live.rows("SELECT count(*) > 0 FROM packets") == [(True,)]
    finally:
        subprocess.run(["umount", "-l", small], check=True)
