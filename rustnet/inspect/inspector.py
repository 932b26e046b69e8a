"""`Inspector`: decodes one packet after another, with a worker that has loaded scapy."""

import contextlib
import json
import os
import select
import subprocess
import threading
import time

from rustnet import isolation
from rustnet.errors import RustnetError
from rustnet.inspect import MAX_ANSWER, Node, inspect_packet, nodes, worker_error

SECONDS = 30
"""Time limit for a packet, including the start of the worker."""
WORKER = "from rustnet.inspect.warm import main; main()"
"""Code of the worker process."""
_PIECE = 1 << 16


class Inspector:
    """Decodes packets. Several threads may ask: one at a time is answered. Close it at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._closed = False

    def inspect(self, data: bytes, link_type: int, length: int, *, tool: str = "scapy", ts: int = 0) -> list[Node]:
        """Layers of a packet, as `inspect_packet` returns them; raises `RustnetError` like it."""
        if tool != "scapy" or not hasattr(os, "fork"):
            return inspect_packet(data, link_type, length, tool=tool, ts=ts)
        with self._lock:
            if self._closed:
                raise RustnetError("{tool} was stopped", tool=tool)
            try:
                answer = self._ask(data, link_type)
            except (OSError, ValueError, TimeoutError) as problem:
                self._stop()
                if isinstance(problem, TimeoutError):
                    words = "{tool} exceeded the time limit of {seconds} s for this packet"
                    raise RustnetError(words, tool=tool, seconds=SECONDS) from None
                raise RustnetError("{tool} failed on this packet: it gave no answer", tool=tool) from None
        if "error" in answer:
            raise worker_error(answer)
        return nodes(answer)

    def _ask(self, data: bytes, link_type: int) -> dict[str, list[object]]:
        """Send a request to the worker, started if need be, and read its answer."""
        until = time.monotonic() + SECONDS
        if self._worker is not None and self._worker.poll() is not None:
            self._stop()
        if self._worker is None:
            self._worker = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                isolation.python_command(WORKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env=isolation.environment(), cwd=isolation.NEUTRAL_DIRECTORY,
                start_new_session=True, bufsize=0,
            )  # fmt: skip
        worker = self._worker
        assert worker.stdin is not None
        assert worker.stdout is not None
        head = json.dumps({"link_type": link_type, "size": len(data)}).encode()
        _send(worker.stdin.fileno(), head + b"\n" + data)
        output = worker.stdout.fileno()
        first = _receive(output, until)
        while b"\n" not in first:
            first += _receive(output, until)
        size, _mark, text = first.partition(b"\n")
        if not 0 < int(size) <= MAX_ANSWER:
            raise ValueError(size)
        while len(text) < int(size):
            text += _receive(output, until)
        answer = json.loads(text[: int(size)])
        if not isinstance(answer, dict) or not ("layers" in answer or "error" in answer):
            raise ValueError(text[:20])
        return answer

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.pid, 9)
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            worker.wait()

    def close(self) -> None:
        """End the worker; a packet that is being decoded gets no answer."""
        self._closed = True
        worker = self._worker
        if worker is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.pid, 9)
        with self._lock:
            self._stop()


def _send(handle: int, data: bytes) -> None:
    """Write all of the data: a pipe takes a part at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _receive(handle: int, until: float) -> bytes:
    """Read what has come, waiting for it until a time. Raises `TimeoutError`; `OSError` at the end."""
    readable, _, _ = select.select([handle], [], [], max(0.0, until - time.monotonic()))
    if not readable:
        raise TimeoutError
    data = os.read(handle, _PIECE)
    if not data:
        raise BrokenPipeError
    return data
