"""The command line, run in this process or in one of its own."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from rustnet.cli.main import main
from tests.support.paths import ROOT


@dataclass
class Result:
    """What a command line returned and wrote."""

    code: int
    out: str
    err: str
    raw: bytes


class _Binary(io.TextIOWrapper):
    """Text stream over bytes in memory that may pose as a terminal."""

    def __init__(self, tty: bool) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, "utf-8", newline="\n", write_through=True)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


class Run:
    """Runs command lines in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def __call__(self, *arguments: object, tty: bool = False, columns: int = 80, stdin: bytes = b"") -> Result:
        """Run one; ``tty`` pretends that output is a terminal of ``columns``."""
        out, err = _Binary(tty), _Binary(False)
        self.monkeypatch.setenv("COLUMNS", str(columns))
        self.monkeypatch.setenv("LANGUAGE", "C")
        self.monkeypatch.delenv("NO_COLOR", raising=False)
        self.monkeypatch.setenv("TERM", "xterm")
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in arguments])
        raw = out.bytes.getvalue()
        return Result(code, raw.decode("utf-8", "replace"), err.bytes.getvalue().decode(), raw)


def child(*arguments: object, stdin: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "rustnet", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
