"""Full protocol tree of one packet, by scapy or tshark in a confined process.

Scapy (GPL) and tshark run only in that process (``rustnet.inspect.__main__``), which receives the packet's bytes and
returns a tree. It has limits on time and memory, no network access, and may not write files.
"""

import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

from rustnet import isolation
from rustnet.errors import RustnetError
from rustnet.i18n import marked

SECONDS = 20
"""Time limit for a packet, including the start of the tool."""
MAX_ANSWER = 16 << 20
WORKER = "from rustnet.inspect.__main__ import main; main()"
"""Code of the worker process."""

ERRORS = {
    "no_scapy": marked("scapy is not installed; install it with 'pip install scapy', or use --with tshark"),
    "no_pyshark": marked("pyshark is not installed; install it with 'pip install pyshark'"),
    "no_tshark": marked("tshark is not installed; install it from your distribution (package tshark or wireshark-cli)"),
    "unknown_link_type": marked("scapy does not know link type {link_type}; try --with tshark"),
    "timeout": marked("tshark exceeded the time limit of {seconds} s for this packet"),
    "exit_code": marked("tshark failed on this packet: exit code {code}"),
    "message": marked("tshark failed on this packet: {message}"),
    "no_packet": marked("tshark returned no packet"),
    "failed": marked("scapy failed on this packet: exit code {code}"),
}
"""Errors that the worker reports by key."""


@dataclass(slots=True)
class Node:
    """A layer or a field, with its contents."""

    name: str
    value: str = ""
    children: list["Node"] = field(default_factory=list)
    start: int | None = None
    """Offset of its first byte in the packet, where the tool gives it; None if not."""
    size: int = 0
    """Bytes that it takes from there on."""


def inspect_packet(data: bytes, link_type: int, length: int, *, tool: str = "scapy", ts: int = 0) -> list[Node]:
    """Layers of a packet: captured bytes, LINKTYPE number, length on the wire, time in nanoseconds since 1970.

    Raises `RustnetError` if the tool is missing, fails, or takes too long.
    """
    head = json.dumps({"tool": tool, "link_type": link_type, "length": length, "ts": ts}).encode()
    try:
        done = subprocess.run(  # noqa: S603 -- our own interpreter and module
            isolation.python_command(WORKER), input=head + b"\n" + data, capture_output=True, timeout=SECONDS,
            check=False, env=isolation.environment(), cwd=isolation.NEUTRAL_DIRECTORY,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RustnetError(
            "{tool} exceeded the time limit of {seconds} s for this packet", tool=tool, seconds=SECONDS
        ) from None
    try:
        answer = json.loads(done.stdout[:MAX_ANSWER])
    except ValueError:
        raise _failure(tool, done) from None
    if "error" in answer:
        raise worker_error(answer)
    return nodes(answer)


def nodes(answer: dict[str, Any]) -> list[Node]:
    """Layers that a worker returned."""
    return [_node(item) for item in answer["layers"]]


def _failure(tool: str, done: subprocess.CompletedProcess[bytes]) -> RustnetError:
    """Error for a worker that ended without an answer."""
    messages = done.stderr.decode("utf-8", "replace").strip().splitlines()
    last = messages[-1] if messages else "-"
    if done.returncode < 0:
        return RustnetError(
            "{tool} failed on this packet: stopped by signal {signal} (last message: {message})",
            tool=tool,
            signal=-done.returncode,
            message=last,
        )
    return RustnetError(
        "{tool} failed on this packet: exit code {code} (last message: {message})",
        tool=tool,
        code=done.returncode,
        message=last,
    )


def worker_error(answer: dict[str, Any]) -> RustnetError:
    """Error reported as [key of `ERRORS`, fields] by a worker, which reads hostile input and is not trusted."""
    key, fields = answer["error"]
    values = {name: str(fields.get(name, "-"))[:300] for name in ("link_type", "seconds", "code", "message")}
    return RustnetError(ERRORS.get(str(key), ERRORS["no_packet"]), **values)


def _node(item: list[Any]) -> Node:
    start, size = item[3:5] if len(item) > 4 else (None, 0)
    placed = isinstance(start, int) and isinstance(size, int) and start >= 0 and size > 0
    children = [_node(child) for child in item[2]]
    return Node(str(item[0]), str(item[1]), children, start if placed else None, size if placed else 0)
