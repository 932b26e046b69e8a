"""The line of a live capture without the browser: on a terminal, a pipe, and a terminal that takes nothing."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TextIO

import pytest

from rustnet.cli.live_line import HELD, LiveLine, elapsed, state_line
from rustnet.cli.terminal import Terminal
from rustnet.ingest.live_state import Coverage, InterfaceState, LiveState
from rustnet.present.text import width

STATE = LiveState(
    seconds=3723.9,
    packets=1_234_567,
    bytes=900_000_000,
    flows=4321,
    packets_per_second=12_345.4,
    bytes_per_second=12_500_000,
    interfaces=(InterfaceState("eth0", 1_234_567),),
    attribution="sock_diag",
    flows_owned=Coverage(1, 100),
    flows_owned_last_minute=Coverage(97, 100),
)
LOSSY = replace(STATE, interfaces=(InterfaceState("eth0", 1, 7), InterfaceState("lo", 1, 3)))


class Pty:
    """A terminal of 80 columns: the side that programs write to, and what arrives at the other."""

    def __init__(self, columns: int) -> None:
        self.outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        modes = termios.tcgetattr(inner)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(inner, termios.TCSANOW, modes)
        self.stream: TextIO = os.fdopen(inner, "w", encoding="utf-8")

    def read(self) -> str:
        data = b""
        while select.select([self.outer], [], [], 0.05)[0]:
            data += os.read(self.outer, 1 << 16)
        return data.decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self.outer)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pty]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = Pty(80)
    yield made
    made.close()


def lines(*states: LiveState, room: int, color: bool = False) -> list[str]:
    return [state_line(state, Terminal(room, True, color), room) for state in states]


def test_what_the_line_shows() -> None:
    parts = "12,345 packets/s · 100 Mbit/s · 1,234,567 packets · 4,321 flows · 0 dropped · 97.0 % owned · sock_diag"
    assert lines(STATE, room=200) == [f"1:02:03 · {parts}"]
    assert lines(LiveState(0.0), room=200) == ["0:00 · 0 packets · 0 flows"], "what is not known is left out"
    whole = replace(STATE, flows_owned_last_minute=None)
    assert "1.0 % owned" in lines(whole, room=200)[0]
    one = LiveState(59.99, packets=1, flows=1, flows_owned=Coverage(0, 0))
    assert lines(one, room=200) == ["0:59 · 1 packet · 1 flow"]


def test_it_fits() -> None:
    for state in (STATE, LOSSY, LiveState(5.0), replace(STATE, packets=10**15, flows=10**12, seconds=1e7)):
        for room in range(10, 200):
            (line,) = lines(state, room=room)
            assert width(line) <= room
    assert lines(STATE, room=80) == ["1:02:03 · 12,345 packets/s · 100 Mbit/s · 4,321 flows · 0 dropped · 97.0 % owned"]
    assert lines(STATE, room=79) == ["1:02:03 · 12,345 packets/s · 4,321 flows · 0 dropped · 97.0 % owned"]
    assert lines(LOSSY, room=30) == ["1:02:03 · 10 dropped"], "losses stay to the last"


def test_losses_are_red_where_there_are_colours() -> None:
    assert "\x1b[31m10 dropped\x1b[0m" in lines(LOSSY, room=200, color=True)[0]
    assert "\x1b" not in lines(STATE, room=200, color=True)[0]
    assert "\x1b" not in lines(LOSSY, room=200)[0]


def test_elapsed() -> None:
    assert [elapsed(s) for s in (0, 7.9, 61, 3600, 176_400)] == ["0:00", "0:07", "1:01", "1:00:00", "49:00:00"]


def test_redrawn_in_place_once_a_second(terminal: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    line = LiveLine(terminal.stream)
    for step in (0.0, 0.3, 0.3, 0.3, 0.1, 0.97):
        now += step
        line.put(STATE)
    text = terminal.read()
    assert text.count("\r1:02:03") == text.count("\x1b[K") == 3
    assert "\n" not in text
    line.message("an alert\x1b[2J")
    line.put(STATE)
    assert terminal.read().startswith("\r\x1b[Kan alert\\x1b[2J\n\r1:02:03"), "the line is below it"
    line.close()
    assert terminal.read() == "\r\x1b[K"


def test_no_colour_if_nobody_wants_it(terminal: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    LiveLine(terminal.stream).put(LOSSY)
    assert "\x1b[31m" in terminal.read()
    LiveLine(terminal.stream, color="never").put(LOSSY)
    assert "\x1b[31m" not in terminal.read()
    monkeypatch.setenv("NO_COLOR", "1")
    LiveLine(terminal.stream).put(LOSSY)
    assert "\x1b[31m" not in terminal.read()


@pytest.mark.parametrize("why", ["accessible", "dumb"])
def test_lines_below_each_other(terminal: Pty, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    line = LiveLine(terminal.stream, accessible=why == "accessible", color="never")
    for _ in range(25):
        line.put(STATE)
        now += 1
    line.message("an alert")
    line.close()
    text = terminal.read()
    assert "\r" not in text
    assert "\x1b" not in text
    assert [each[:7] for each in text.splitlines()] == ["1:02:03"] * 3 + ["an aler"]


def test_without_a_terminal_only_messages() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        line = LiveLine(stream)
        line.put(LOSSY)
        line.message("interface eth0 is down")
        line.put(LOSSY)
        line.close()
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "interface eth0 is down\n"


def test_a_terminal_that_takes_nothing_is_not_waited_for(terminal: Pty) -> None:
    line = LiveLine(terminal.stream)
    termios.tcflow(terminal.stream.fileno(), termios.TCOOFF)  # as Ctrl-S does
    began = time.monotonic()
    for n in range(HELD + 5):
        line.put(STATE)
        line.message(f"message {n}")
    line.close()
    assert time.monotonic() - began < 2
    assert terminal.read() == ""
    termios.tcflow(terminal.stream.fileno(), termios.TCOON)
    line.put(STATE)
    shown = terminal.read().split("\n")
    while terminal_more(line, shown, terminal):
        pass
    assert shown[:2] == ["message 0", "message 1"]
    assert f"message {HELD - 1}" in shown
    assert "rustnet: 5 messages were not shown" in shown


def terminal_more(line: LiveLine, shown: list[str], terminal: Pty) -> bool:
    """Take what was too much for the terminal at once."""
    line.put(STATE)
    more = terminal.read()
    shown += more.split("\n")
    return bool(more)


def test_a_terminal_that_is_gone_does_not_end_the_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    made = Pty(80)
    line = LiveLine(made.stream)
    line.put(STATE)
    os.close(made.outer)
    line.put(replace(STATE, packets=1))
    line.message("an alert")
    line.close()
    with pytest.raises(OSError, match="Input/output error"):
        os.write(made.stream.fileno(), b"x")
    with contextlib.suppress(OSError):
        made.stream.close()


def test_states_and_messages_from_two_threads(terminal: Pty) -> None:
    line = LiveLine(terminal.stream)
    shown: list[str] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            shown.append(terminal.read())

    def speak() -> None:
        for n in range(300):
            line.message(f"message {n}")

    reader, speaker = threading.Thread(target=read), threading.Thread(target=speak)
    reader.start()
    speaker.start()
    while speaker.is_alive():
        line.put(STATE)
    until = time.monotonic() + 10
    while "message" not in "".join(shown) or line._held:
        line.put(STATE)
        assert time.monotonic() < until
    ended.set()
    reader.join()
    text = re.sub(r"\r[^\r\n]*\x1b\[K", "", "".join(shown) + terminal.read())
    lost = re.search(r"(\d+) messages? w", text)
    told = re.findall(r"^message (\d+)$", text, re.MULTILINE)
    assert [int(n) for n in told] == sorted(map(int, told)), "whole lines, in order"
    assert len(told) + int(lost[1] if lost else 0) == 300
