"""One packet's full protocol tree, made by a tool that knows every protocol, in a process that can do nothing else.

Scapy (GPL) or tshark is imported and run only in that process (``python -m rustnet.inspect``), which gets the packet's
bytes and gives back a tree; it has limits on time and memory, no network and no files to write.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from rustnet.errors import RustnetError

TOOLS = ("scapy", "tshark")
SECONDS = 20
"""Time that a packet may take, with the start of the tool."""
MAX_ANSWER = 16 << 20


@dataclass(slots=True)
class Node:
    """A layer or a field, with what is inside it."""

    name: str
    value: str = ""
    children: list["Node"] = field(default_factory=list)


def inspect_packet(data: bytes, link_type: int, length: int, *, tool: str = "scapy", ts: int = 0) -> list[Node]:
    """Layers of a packet: captured bytes, LINKTYPE number, length on the wire, time in nanoseconds since 1970.

    Raises `RustnetError` if the tool is missing, fails, or takes too long.
    """
    head = json.dumps({"tool": tool, "link_type": link_type, "length": length, "ts": ts}).encode()
    command = [sys.executable, "-m", "rustnet.inspect"]
    try:
        done = subprocess.run(  # noqa: S603 -- our own interpreter and module
            command, input=head + b"\n" + data, capture_output=True, timeout=SECONDS, check=False, env=environment()
        )
    except subprocess.TimeoutExpired:
        raise RustnetError(
            "{tool} took longer than {seconds} s for this packet and was stopped", tool=tool, seconds=SECONDS
        ) from None
    try:
        answer = json.loads(done.stdout[:MAX_ANSWER])
    except ValueError:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()
        how = f"ended with {done.returncode}" if done.returncode >= 0 else f"was stopped by signal {-done.returncode}"
        raise RustnetError(
            "{tool} failed on this packet: it {how} ({why})", tool=tool, how=how, why=why[-1] if why else "no message"
        ) from None
    if "error" in answer:
        raise RustnetError(str(answer["error"]))
    return [_node(item) for item in answer["layers"]]


def environment() -> dict[str, str]:
    """Pick the few variables that the worker needs, so that no configuration of the user's is run."""
    names = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}


def _node(item: list[Any]) -> Node:
    return Node(str(item[0]), str(item[1]), [_node(child) for child in item[2]])
