"""The installed program in a terminal: how the browser is entered and left, and what it leaves behind."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rustnet.query.session import open_session
from tests.support.command_line import child
from tests.support.paths import ROOT
from tests.support.tmux import PROGRAM, TMUX, Terminal

SAMPLE = ROOT / "sample_pcaps" / "web.pcap"
LONG = ROOT / "sample_pcaps" / "bufferbloat.pcap.zst"
"""Ten seconds."""
READY = "Overview"

in_terminal = pytest.mark.skipif(
    TMUX is None or not PROGRAM.exists() or not sys.platform.startswith("linux"),
    reason="needs tmux, the installed command and /proc",
)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal of 80 columns and 24 lines in an empty directory."""
    made = Terminal(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of a shipped sample."""
    path = tmp_path_factory.mktemp("browse") / "web.duckdb"
    done = child("replay", SAMPLE, "--db", path)
    assert done.returncode == 0, done.stderr
    return path


def without_inspector(terminal: Terminal) -> list[str]:
    """Command lines of the program's processes but for the one that decodes a packet, if one was shown long enough."""
    return [line for line in terminal.processes().values() if "rustnet.inspect.warm" not in line]


def leave(terminal: Terminal) -> int:
    """Quit once everything is read; returns the exit code."""
    terminal.until(lambda _screen: len(without_inspector(terminal)) == 2, "the end of the writer")
    terminal.press("q", "q")
    return terminal.wait_for_exit()


# ---- a session ---------------------------------------------------------------------------------------------------


@in_terminal
def test_browsing_and_quitting(terminal: Terminal, session: Path) -> None:
    terminal.rustnet("browse", session)
    terminal.wait(READY)
    assert terminal.flags["alternate_on"] == "1"
    assert leave(terminal) == 0
    assert READY not in terminal.screen()
    terminal.wait_clean()
    terminal.wait_for_no_process()


@in_terminal
def test_ctrl_c_quits_at_once(terminal: Terminal, session: Path) -> None:
    terminal.rustnet("browse", session)
    terminal.wait(READY)
    terminal.press("C-c")
    assert terminal.wait_for_exit() == 130
    terminal.wait_clean()


@in_terminal
@pytest.mark.parametrize("to", [Terminal.command, Terminal.browser], ids=["command", "browser"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_and_the_terminal_is_clean(
    terminal: Terminal, session: Path, number: signal.Signals, to: Callable[[Terminal], int]
) -> None:
    terminal.rustnet("browse", session)
    terminal.wait(READY)
    os.kill(to(terminal), number)
    assert terminal.wait_for_exit() == 130
    terminal.wait_clean()
    terminal.wait_for_no_process()


@in_terminal
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_the_terminal_is_clean_after_a_sudden_death(terminal: Terminal, session: Path, number: signal.Signals) -> None:
    terminal.rustnet("browse", session)
    terminal.wait(READY)
    os.kill(terminal.browser(), number)
    assert terminal.wait_for_exit() == 128 + number
    assert f"the browser was ended by signal {number:d}" in terminal.screen()
    terminal.wait_clean()
    terminal.wait_for_no_process()


@in_terminal
def test_the_terminal_is_clean_when_the_process_that_watches_is_killed(terminal: Terminal, session: Path) -> None:
    terminal.rustnet("browse", session)
    terminal.wait(READY)
    os.kill(terminal.command(), signal.SIGKILL)
    terminal.wait_for_no_process()
    assert terminal.is_clean()


@in_terminal
def test_it_is_suspended_and_comes_back(terminal: Terminal, session: Path) -> None:
    terminal.rustnet("browse", session)
    terminal.wait(READY)
    terminal.press("C-z")
    terminal.wait("Stopped")
    assert terminal.is_clean()
    terminal.shell("fg")
    terminal.until(lambda screen: READY in screen and terminal.flags["alternate_on"] == "1", "the browser")
    assert leave(terminal) == 0
    terminal.wait_clean()


@in_terminal
def test_its_keys_come_from_the_terminal_if_stdin_is_a_pipe(terminal: Terminal, session: Path) -> None:
    terminal.shell(f"echo | {PROGRAM} --no-config browse {session}")
    terminal.wait(READY)
    assert leave(terminal) == 0
    terminal.wait_clean()


@in_terminal
def test_filter_time_and_redaction_are_those_of_the_command_line(terminal: Terminal, session: Path) -> None:
    terminal.rustnet("browse", session, "app:http", "or", "app:dns", "--at", "50%", "--redact")
    terminal.wait("AT 16:23:33.937")
    terminal.wait("REDACTED")
    terminal.wait("HTTP")
    assert "mcast" not in terminal.screen()
    assert leave(terminal) == 0


CRASH = """
import sys
from rustnet.tui import prepare
prepare()
from rustnet.tui.app import Browser
from rustnet.tui.main_screen import MainScreen
def fails(self, *words):
    captured = "password=tr0ub4dor"
    raise RuntimeError("value " + captured)
{method} = fails
from rustnet.cli.main import entry
entry()
"""


@in_terminal
@pytest.mark.parametrize("method", ["Browser._facts_came", "MainScreen.on_mount"])
@pytest.mark.parametrize("debug", [False, True])
def test_a_crash_is_one_line_without_captured_data(terminal: Terminal, session: Path, method: str, debug: bool) -> None:
    code = CRASH.format(method=method)
    terminal.run(sys.executable, "-c", code, *(["--debug"] if debug else []), "--no-config", "browse", session)
    assert terminal.wait_for_exit() == 1
    shown = terminal.screen().replace("\n", "")
    assert "internal error: the browser ended: RuntimeError in " in shown
    assert "please report it" in shown
    assert ('  File "' in shown) is debug
    assert ("tr0ub4dor" in shown) is debug
    assert "captured" not in shown
    terminal.wait_clean()
    terminal.wait_for_no_process()


@pytest.mark.parametrize("words", [("browse", "{session}"), ("browse", "{session}", "app:tls")])
def test_without_a_terminal_it_names_what_to_use_instead(session: Path, words: tuple[str, ...]) -> None:
    done = child(*(word.format(session=session) for word in words))
    assert done.returncode == 2
    assert done.stdout == b""
    assert (
        b"the browser needs a terminal: standard output is no terminal; use --serve, or 'rustnet flows'" in done.stderr
    )


@in_terminal
def test_errors_are_those_of_other_commands(terminal: Terminal, session: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("no session at all")
    for words, code, expected in (
        ((tmp_path / "none.duckdb",), 1, "none.duckdb"),
        ((foreign,), 1, "notes.txt"),
        ((session, "app:"), 2, "app:"),
        ((session, "--port", "80"), 2, "--port is for --serve"),
    ):
        terminal.rustnet("browse", *words)
        assert terminal.wait_for_exit() == code
        assert expected in terminal.screen()
        assert terminal.is_clean()


@in_terminal
def test_standard_error_must_be_the_terminal(terminal: Terminal, session: Path, tmp_path: Path) -> None:
    terminal.shell(f"{PROGRAM} --no-config browse {session} 2>{tmp_path}/err")
    assert terminal.wait_for_exit() == 2
    assert "standard error is no terminal" in (tmp_path / "err").read_text()


@in_terminal
def test_an_investigation_from_opening_to_quitting(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 120, 34)
    try:
        terminal.rustnet("replay", SAMPLE, "--db", "web.duckdb")
        terminal.wait("www.shop.example:80")
        _filter_and_group(terminal)
        _follow_and_export(terminal)
        _go_to_a_time_and_redact(terminal)
        assert leave(terminal) == 0
        assert terminal.is_clean()
        terminal.wait_for_no_process()
        exported = (tmp_path / "flow-10.txt").read_text()
        assert "GET" in exported
        assert "www.shop.example" in exported
        assert sorted(path.name for path in tmp_path.iterdir()) == [".config", "flow-10.txt", "tmp", "web.duckdb"]
        key = tmp_path / ".config" / "rustnet" / "redaction.key"
        assert key.stat().st_mode & 0o777 == 0o600
    finally:
        terminal.close()


def addresses(screen: str) -> set[str]:
    """Addresses of the sample that a screen shows."""
    return set(re.findall(r"192\.0\.2\.\d+", screen))


def _filter_and_group(terminal: Terminal) -> None:
    terminal.type("/app:htt")
    terminal.type("p")
    terminal.wait("2 of 20")
    terminal.wait("192.0.2.53:53", gone=True)
    terminal.press("Enter")
    terminal.type("a")
    terminal.wait("▸ curl (2)")
    terminal.type("l")
    terminal.wait("├─ 24")
    terminal.type("a")
    terminal.wait("curl (27)")


def _follow_and_export(terminal: Terminal) -> None:
    terminal.press("Enter")
    terminal.wait("192.0.2.11:59704")
    for part in ("Transport", "Ownership", "Messages", "Packets", "Stream"):
        terminal.press("n")
        terminal.wait(part)
    terminal.wait("> GET / HTTP/1.1")
    terminal.wait("< HTTP/1.1 200 OK")
    terminal.type("H")
    terminal.wait("47 45 54 20")  # GET and a space
    terminal.type("e")
    terminal.wait("Export flow 10")
    terminal.press("Down")
    terminal.wait("flow-10.txt")
    terminal.press("Tab", "Enter")
    terminal.wait("Export flow 10", gone=True)
    terminal.press("Escape")
    terminal.wait("2 of 20")


def _go_to_a_time_and_redact(terminal: Terminal) -> None:
    terminal.type("r")
    terminal.wait("192.0.2.53:53")
    terminal.type("T")
    terminal.wait("Go to a time")
    terminal.type("50%")
    terminal.press("Enter")
    terminal.wait("AT 2026-11-23 16:23:33.937 UTC")
    terminal.wait("10 of 20")
    before = addresses(terminal.screen())
    assert {"192.0.2.11", "192.0.2.53"} <= before
    terminal.type("X")
    terminal.wait("REDACTED")
    terminal.until(lambda screen: addresses(screen) != before, "other addresses")
    assert "curl (24)" in terminal.screen()
    terminal.type("X")
    terminal.wait("REDACTED", gone=True)
    terminal.wait("192.0.2.53:53")


# ---- a replay ----------------------------------------------------------------------------------------------------


@in_terminal
def test_a_replay_on_a_terminal_is_browsed_and_leaves_nothing(terminal: Terminal) -> None:
    terminal.rustnet("replay", SAMPLE)
    terminal.wait(READY)
    assert list(terminal.temporary.glob("rustnet.*"))
    assert leave(terminal) == 0
    terminal.wait_clean()
    assert list(terminal.temporary.iterdir()) == []
    terminal.wait_for_no_process()


@in_terminal
def test_a_replay_into_a_session_says_how_to_come_back(terminal: Terminal, tmp_path: Path) -> None:
    terminal.rustnet("replay", SAMPLE, "--db", "kept.duckdb")
    terminal.wait(READY)
    assert leave(terminal) == 0
    assert "rustnet browse kept.duckdb" in terminal.screen()
    with open_session(tmp_path / "kept.duckdb") as kept:
        assert kept.captures().rows


@in_terminal
@pytest.mark.parametrize("options", [("--no-tui",), ("--json",)])
def test_no_tui_and_json_never_open_it(terminal: Terminal, options: tuple[str, ...]) -> None:
    terminal.rustnet("replay", SAMPLE, "--top", "1", *options)
    assert terminal.wait_for_exit() == 0
    assert READY not in terminal.screen()


@in_terminal
def test_a_capture_from_a_pipe_is_browsed_with_the_keys_of_the_terminal(terminal: Terminal) -> None:
    terminal.shell(f"cat {SAMPLE} | {PROGRAM} --no-config replay -")
    terminal.wait(READY)
    assert leave(terminal) == 0
    terminal.wait_clean()
    assert list(terminal.temporary.iterdir()) == []


@in_terminal
def test_ctrl_c_ends_a_replay_that_still_waits_for_its_capture(terminal: Terminal) -> None:
    terminal.type("mkfifo never; sleep 600 > never &\n")  # not in the pipeline: bash ends a list that Ctrl-C interrupts
    terminal.shell(f"{PROGRAM} --no-config replay - < never")
    terminal.until(lambda _screen: len(terminal.processes()) > 3, "the processes of the replay")
    terminal.press("C-c")
    assert terminal.wait_for_exit() == 130
    terminal.wait_clean()
    terminal.wait_for_no_process()
    assert list(terminal.temporary.iterdir()) == []


@in_terminal
def test_a_file_that_is_no_capture_opens_nothing(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "notes.pcap").write_text("no capture at all, but a text of some length")
    terminal.rustnet("replay", "notes.pcap")
    assert terminal.wait_for_exit() == 3
    assert "notes.pcap" in terminal.screen()
    assert terminal.is_clean()
    assert list(terminal.temporary.iterdir()) == []


@in_terminal
def test_the_writers_messages_and_exit_code_are_those_of_the_replay(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "notes.pcap").write_text("no capture at all, but a text of some length")
    terminal.rustnet("replay", SAMPLE, "notes.pcap")
    terminal.wait(READY)
    terminal.wait("notes.pcap")  # as a toast
    assert leave(terminal) == 3
    assert "rustnet: error: notes.pcap" in terminal.screen()


def slow(terminal: Terminal, *words: object) -> None:
    """Begin a replay that takes minutes, and wait until it is browsed."""
    terminal.rustnet("replay", LONG, "--speed", "0.05", *words)
    terminal.wait(READY)


@in_terminal
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda terminal: terminal.press("q", "q"), 130),
        (lambda terminal: terminal.press("C-c"), 130),
        (lambda terminal: os.kill(terminal.command(), signal.SIGTERM), 130),
        (lambda terminal: os.kill(terminal.command(), signal.SIGHUP), 130),
        (lambda terminal: os.kill(terminal.command(), signal.SIGKILL), 137),
        (lambda terminal: os.kill(terminal.browser(), signal.SIGKILL), 137),
    ],
    ids=["quit", "ctrl-c", "term", "hup", "kill command", "kill browser"],
)
def test_a_temporary_session_ends_with_the_browser(
    terminal: Terminal, end: Callable[[Terminal], object], code: int
) -> None:
    slow(terminal)
    assert len(terminal.processes()) > 3
    end(terminal)
    terminal.wait_for_no_process()
    assert list(terminal.temporary.iterdir()) == []
    assert terminal.is_clean()
    if code == 130:
        assert terminal.wait_for_exit() == code


@in_terminal
def test_the_end_of_the_terminal_ends_all(terminal: Terminal) -> None:
    slow(terminal)
    terminal.close()
    end = time.monotonic() + 20
    while (left := terminal.processes()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left
    assert list(terminal.temporary.iterdir()) == []


@in_terminal
def test_leaving_asks_what_becomes_of_the_replay(terminal: Terminal, tmp_path: Path) -> None:
    slow(terminal, "--db", "kept.duckdb")
    terminal.press("q")
    terminal.wait("still being read")
    terminal.press("Escape")
    terminal.wait("still being read", gone=True)
    terminal.press("q")
    terminal.wait("still being read")
    terminal.press("s")
    assert terminal.wait_for_exit() == 130
    assert "the session contains everything read so far" in terminal.screen()
    terminal.wait_clean()
    terminal.wait_for_no_process()
    with open_session(tmp_path / "kept.duckdb") as kept:
        captures = kept.captures()
        assert captures.rows[0][captures.columns.index("complete")] is False


@in_terminal
def test_a_replay_goes_on_in_the_terminal(terminal: Terminal) -> None:
    slow(terminal, "--db", "kept.duckdb")
    terminal.press("q")
    terminal.wait("still being read")
    terminal.press("g")
    terminal.wait("the replay goes on")
    terminal.wait("packets")  # the line of progress
    assert terminal.is_clean()
    terminal.press("C-z")
    terminal.wait("Stopped")
    terminal.shell("fg")
    terminal.wait("packets")
    terminal.press("C-c")
    assert terminal.wait_for_exit() == 130
    assert "the session contains everything read so far" in terminal.screen()
    terminal.wait_for_no_process()


@in_terminal
def test_a_killed_browser_ends_the_writer_which_stores_what_it_read(terminal: Terminal, tmp_path: Path) -> None:
    slow(terminal, "--db", "kept.duckdb")
    os.kill(terminal.browser(), signal.SIGKILL)
    terminal.wait_for_no_process()
    with open_session(tmp_path / "kept.duckdb") as kept:
        assert kept.captures().rows


@in_terminal
def test_in_the_background_a_replay_prints_its_summary(terminal: Terminal) -> None:
    terminal.shell(f"{PROGRAM} --no-config replay {SAMPLE} --top 1 & wait")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_clean()


def test_help_loads_no_textual() -> None:
    code = "import sys; from rustnet.cli.main import main; main(sys.argv[1:]); sys.exit('textual' in sys.modules)"
    for words in (["--help"], ["browse", "--help"], ["replay", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, words


@in_terminal
@pytest.mark.parametrize("command", ["browse", "replay"])
def test_the_end_of_a_terminal_without_a_shell_ends_all(session: Path, tmp_path: Path, command: str) -> None:
    """The kernel tells only the first process of a session that the terminal is gone: here, rustnet itself."""
    words = [str(session)] if command == "browse" else [str(LONG), "--speed", "0.05"]
    master, slave = os.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", str(PROGRAM), "--no-config", command, *words],
        stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path, env={**os.environ, "TERM": "xterm-256color"},
    ) as process:  # fmt: skip
        os.close(slave)
        shown = b""
        while READY.encode() not in shown:
            assert select.select([master], [], [], 30)[0], shown[-2000:]
            shown += os.read(master, 65_536)
        leader = psutil.Process(process.pid)
        everybody = [leader, *leader.children(recursive=True)]
        os.close(master)
        _gone, left = psutil.wait_procs(everybody, timeout=20)
        for one in left:
            one.kill()
        assert not left
