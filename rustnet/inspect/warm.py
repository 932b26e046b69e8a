"""A worker that has loaded scapy before it sees a packet: each packet is decoded in a copy of it that is then confined.

Loading scapy takes seconds, a copy of the process milliseconds. The worker itself parses nothing: it reads a request
(a line of JSON and as many bytes as that states) and forks; the copy closes the ways by which requests come and answers
go, restricts itself as any worker does, and writes its answer to the worker, which passes it on (its length in a line,
then JSON).
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import select
import signal
import sys
import time
from typing import BinaryIO

from rustnet.inspect import limits

SECONDS = 15
"""Time after which a copy is stopped."""
MAX_ANSWER = 16 << 20
_PIECE = 1 << 16
_DUMPABLE = 4


def main() -> None:
    """Answer requests until there are no more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)  # a copy must not change the process that it is of
    installed = importlib.util.find_spec("scapy") is not None
    if installed:
        from rustnet.inspect import scapy_tree  # noqa: PLC0415 -- GPL, and only in this process

        scapy_tree.load_layers()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.readline():
        request = json.loads(head)
        data = requests.read(request["size"])
        if not installed:
            _write(answers, {"error": ("no_scapy", {})})
            continue
        answers.flush()
        _relay(data, request["link_type"], answers)


def _relay(data: bytes, link_type: int, answers: BinaryIO) -> None:
    """Let a copy decode a packet, and pass on what it answers: the copy itself has no way to what comes after."""
    source, target = os.pipe()
    child = os.fork()
    if not child:
        os.close(source)
        _answer(data, link_type, target)
    os.close(target)
    parts: list[bytes] = []
    until = time.monotonic() + SECONDS
    ended = False
    while sum(map(len, parts)) <= MAX_ANSWER:
        readable, _, _ = select.select([source], [], [], max(0.0, until - time.monotonic()))
        part = os.read(source, _PIECE) if readable else b""
        ended = bool(readable) and not part
        if not part:
            break
        parts.append(part)
    os.close(source)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not ended:
            os.killpg(child, signal.SIGKILL)
    _pid, status = os.waitpid(child, 0)
    if ended and parts and not status:
        _send(answers, b"".join(parts))
    else:
        _write(answers, {"error": ("failed", {"code": os.waitstatus_to_exitcode(status)})})


def _answer(data: bytes, link_type: int, target: int) -> None:
    """In the copy: decode a packet, and end."""
    code = 1
    try:
        os.setpgid(0, 0)
        for handle in (0, 1):
            os.close(handle)
        limits.confine()
        from rustnet.inspect import scapy_tree  # noqa: PLC0415 -- it has been loaded

        limits.install_audit_hook()
        view = memoryview(json.dumps(scapy_tree.answer(data, link_type)).encode())
        while view:
            view = view[os.write(target, view) :]
        code = 0
    finally:
        os._exit(code)


def _write(answers: BinaryIO, answer: dict[str, object]) -> None:
    _send(answers, json.dumps(answer).encode())


def _send(answers: BinaryIO, text: bytes) -> None:
    answers.write(b"%d\n%b" % (len(text), text))
    answers.flush()


if __name__ == "__main__":
    main()
