"""A terminal in which the installed program is driven: tmux, with a server of its own for each one."""

import contextlib
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TMUX = shutil.which("tmux")
PROGRAM = Path(sys.executable).with_name("rustnet")
"""The installed command."""
SECONDS = 30.0
_numbers = itertools.count()


class Terminal:
    """A terminal with a shell, in which a command is run; its exit code stands there after it."""

    def __init__(self, folder: Path, width: int = 80, height: int = 24) -> None:
        assert TMUX is not None
        self.folder = folder
        self._runs = 0
        self.temporary = folder / "tmp"
        """Where programs of this terminal put temporary files."""
        self.temporary.mkdir(exist_ok=True)
        self._base = [TMUX, "-L", f"rustnet-{os.getpid()}-{next(_numbers)}", "-f", "/dev/null"]
        left_out = ("TMUX", "TEXTUAL", "RUSTNET", "LC_", "NO_COLOR")
        environment = {name: text for name, text in os.environ.items() if not name.startswith(left_out)} | {
            "LANG": "C.UTF-8",
            "LANGUAGE": "C",
            "HISTFILE": "",
            "HOME": str(folder),
            "TMPDIR": str(self.temporary),
        }
        self._tmux(
            "new-session", "-d", "-x", str(width), "-y", str(height), "exec env PS1='$ ' bash --norc --noprofile",
            cwd=folder, env=environment,
        )  # fmt: skip
        try:
            self._tmux("set", "-g", "escape-time", "0")
            self.wait("$")
        except BaseException:
            self.close()
            raise

    def _tmux(self, *words: str, **how: Any) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [*self._base, *words], check=True, capture_output=True, text=True, timeout=SECONDS, **how
        )
        return done.stdout

    def run(self, *words: object) -> None:
        """Begin a command, after which the shell writes its exit code."""
        self.shell(shlex.join(map(str, words)))

    def shell(self, line: str) -> None:
        """Begin a line of the shell, after which it writes the exit code."""
        self._runs += 1
        self.type(f"clear; {line}; echo exit{self._runs}=$?\n")

    def rustnet(self, *words: object) -> None:
        """Begin a command of the program."""
        self.run(PROGRAM, "--no-config", *words)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names in tmux."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        """What is shown."""
        return self._tmux("capture-pane", "-p")

    def wait(self, text: str, *, gone: bool = False, seconds: float = SECONDS) -> str:
        """Wait until a text is shown, or is not; returns the screen."""
        return self.until(lambda screen: (text in screen) is not gone, f"{'no ' if gone else ''}{text!r}", seconds)

    def until(self, true: Callable[[str], bool], what: str, seconds: float = SECONDS) -> str:
        """Wait until something is true of the screen, which is returned."""
        end = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if true(screen):
                return screen
            if time.monotonic() > end:
                raise AssertionError(f"waited for {what} in vain:\n{screen}")
            time.sleep(0.03)

    def wait_for_exit(self) -> int:
        """Wait for the end of the command; returns its exit code."""
        code = re.compile(rf"exit{self._runs}=(\d+)")
        return int(code.findall(self.until(lambda screen: code.search(screen) is not None, "an exit code"))[-1])

    @property
    def flags(self) -> dict[str, str]:
        """Modes of the terminal."""
        names = ("alternate_on", "mouse_any_flag", "mouse_sgr_flag", "cursor_flag", "bracket_paste_flag", "wrap_flag")
        values = self._tmux("display-message", "-p", " ".join(f"{name}=#{{{name}}}" for name in names)).split()
        return dict(value.split("=") for value in values)

    def is_clean(self) -> bool:
        """Whether the terminal has no mode left that the browser began."""
        flags = self.flags
        return flags["alternate_on"] == "0" and flags["mouse_any_flag"] == "0" and flags["cursor_flag"] == "1"

    def wait_clean(self) -> None:
        """Wait until the terminal is clean, and echoes what is typed."""
        self.until(lambda _screen: self.is_clean(), "a clean terminal")
        self.type("echo a''b\n")
        self.until(lambda screen: "echo a''b" in screen and "\nab" in screen, "the echo of what is typed")

    def processes(self) -> dict[int, str]:
        """Processes of this program that were started from here, with their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if b"TMPDIR=" + os.fsencode(self.temporary) in (entry / "environ").read_bytes() and "rustnet" in line:
                    found[int(entry.name)] = line
        return {pid: line for pid, line in found.items() if "tmux" not in line and "bash" not in line}

    def wait_for_no_process(self) -> None:
        """Wait until no process of the program is left."""
        self.until(lambda _screen: not self.processes(), "the end of all processes")

    @property
    def pane_pid(self) -> int:
        """The shell."""
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def command(self) -> int:
        """The process that the shell waits for."""
        (pid,) = _children(self.pane_pid)
        return pid

    def browser(self) -> int:
        """The process that draws: the only child of the command."""
        (pid,) = _children(self.command())
        return pid

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._base, "kill-server"], check=False, capture_output=True, timeout=SECONDS)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
