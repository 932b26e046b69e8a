"""The installed program captures in a test's namespace, and real programs talk there meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rustnet.query.session import open_session

RUSTNET = (sys.executable, "-m", "rustnet")
MARK = "RUSTNET_TEST_RUN"
"""Variable by which a test knows the processes that it started, however deep."""
START_SECONDS = 15.0
BY_ROOT = "the session belongs to root"
"""Part of a sentence that is printed where tests are started by root alone."""


class Live:
    """A run of ``rustnet live`` without a terminal; it is stopped at the end of the block."""

    def __init__(
        self, session: Path, *options: str, wrapper: Sequence[str] = (), program: Sequence[str] = RUSTNET
    ) -> None:
        self.session = session
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [*wrapper, *program, "live", "--no-tui", "--db", str(session), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            env={**os.environ, MARK: self.mark},
        )  # fmt: skip
        self.output = self.errors = ""

    def started(self) -> Self:
        """Wait until readers are answered, which is when packets are read."""
        until = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < until:
            if Path(f"{self.session}.sock").exists():
                return self
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"it did not start: {self.output}{self.errors}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, unless it has ended, and wait for its end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.output, errors = self.process.communicate(timeout=30)
        self.errors = "".join(line for line in errors.splitlines(keepends=True) if BY_ROOT not in line)
        return self.process.returncode

    def processes(self) -> list[int]:
        """Processes of the run that exist."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if wanted in environment and state != "Z":
                found.append(int(folder.name))
        return found

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of the session, whether it is being written or not."""
        with open_session(self.session) as session:
            return session.sql(sql).rows

    def wait_for(self, sql: str, seconds: float = 10.0) -> list[tuple[object, ...]]:
        """Rows of a statement once there are any."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if rows := self.rows(sql):
                return rows
            time.sleep(0.1)
        raise AssertionError(f"no rows: {sql}")

    def __enter__(self) -> Self:
        return self.started()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()


SERVER = """
import socket
with socket.create_server(("127.0.0.1", 8080)) as server:
    print("ready", flush=True)
    while True:
        client, _ = server.accept()
        client.recv(1000)
        client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
        client.close()
"""
CLIENT = """
import socket
with socket.create_connection(("127.0.0.1", 8080)) as client:
    client.sendall(b"GET /index HTTP/1.0\\r\\nHost: shop.example\\r\\n\\r\\n")
    while client.recv(1000):
        pass
"""


def serve_web() -> "subprocess.Popen[str]":
    """A web server on 127.0.0.1:8080 of the test's namespace, which answers."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


def fetch() -> None:
    """A client fetches a page from it."""
    subprocess.run([sys.executable, "-c", CLIENT], check=True)
