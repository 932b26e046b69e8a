"""``--with tshark``: identify flows of unknown applications with tshark, through pyshark in a separate process.

The first packets of each such flow are written to a temporary pcapng in packet order, so that the frame number gives
the flow. The worker returns the protocols of every frame; the protocol above the transport in most frames of a flow
becomes `flows.app` with `app_source` ``tshark``. It never replaces an application that a parser confirmed.
"""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rustnet import isolation
from rustnet.derive.unknown_apps import Sample
from rustnet.errors import InputError, RustnetError
from rustnet.export.packets import Part, write_pcapng
from rustnet.inspect import WORKER, worker_error
from rustnet.inspect.tshark_tree import program

SECONDS = 300
"""Time limit of the tool for one capture; its output up to then is used."""
_GRACE = 30


def require() -> None:
    """Raise `RustnetError` with the command to install it if tshark or pyshark is missing."""
    if program() is None:
        raise RustnetError(
            "--with tshark: tshark is not installed; install it with 'apt install tshark' (or wireshark-cli)"
        )
    if importlib.util.find_spec("pyshark") is None:
        raise RustnetError(
            "--with tshark: pyshark is not installed; install it with '{executable} -m pip install pyshark'",
            executable=sys.executable,
        )


def decode_packets(files: Sequence[str], merged: bool, samples: Sequence[Sample]) -> tuple[list[str], str | None]:
    """Protocols of each sampled packet that the tool decoded, and why it stopped early (or ``None``)."""
    with tempfile.TemporaryDirectory(prefix="rustnet.inspect.", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "unknown.pcapng"
        with file.open("wb") as stream:
            numbers = [number for number, _, _, _ in samples]
            written = write_pcapng(
                [Part(tuple(map(Path, files)), None, lambda: iter(numbers), merged=merged)], stream
            ).packets
        if written != len(samples):
            raise InputError("has other packets than were ingested; it is not the same file")
        answer = _request(folder, {"tool": "pyshark", "file": str(file), "seconds": SECONDS})
    chains: list[str] = answer["chains"]
    return [chains[index] for index in answer["frames"]], answer.get("stopped")


def _request(folder: str, request: dict[str, object]) -> dict[str, Any]:
    """Answer of a worker to a request; it runs in ``folder``, and all its processes are killed afterwards."""
    with subprocess.Popen(  # noqa: S603 -- our own interpreter and module
        isolation.python_command(WORKER), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
        env=isolation.environment(HOME=folder, WIRESHARK_CONFIG_DIR=folder),
    ) as worker:  # fmt: skip
        try:
            out, err = worker.communicate(json.dumps(request).encode() + b"\n", timeout=SECONDS + _GRACE)
        except subprocess.TimeoutExpired:
            raise RustnetError(
                "tshark exceeded the time limit of {seconds:g} s; try a part of the capture ('rustnet extract')",
                seconds=SECONDS + _GRACE,
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.kill()
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        messages = err.decode("utf-8", "replace").strip().splitlines()
        if not messages:
            raise RustnetError("tshark gave no answer: exit code {code}", code=worker.returncode) from None
        raise RustnetError("tshark gave no answer: {message}", message=messages[-1][:200]) from None
    if "error" in answer:
        raise worker_error(answer)
    return answer
