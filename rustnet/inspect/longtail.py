"""``--with tshark``: the flows that no parser knew are named by tshark, through pyshark, in a process of its own.

The first packets of each such flow go into a temporary pcapng in packet order, so that the tool's n-th frame is known
to belong to which flow. The worker gives back the protocols of every frame; what is above the flow's transport, in most
of its frames, becomes `flows.app` with `app_source` ``tshark``. It never takes the place of what a parser confirmed.
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

import rustnet
from rustnet.derive.unknown_apps import Sample
from rustnet.errors import InputError, RustnetError
from rustnet.export.packets import Part, write_pcapng
from rustnet.inspect import environment
from rustnet.inspect.tshark_tree import program

SECONDS = 300
"""Time that the tool has for one capture; what it has said by then counts."""
_GRACE = 30


def require() -> None:
    """Raise `RustnetError` with the command that fixes it, where tshark or pyshark is missing."""
    if program() is None:
        raise RustnetError("--with tshark: tshark is not installed; 'apt install tshark' (or wireshark-cli) brings it")
    if importlib.util.find_spec("pyshark") is None:
        raise RustnetError(
            f"--with tshark: pyshark is not installed; '{sys.executable} -m pip install pyshark' brings it"
        )


def decode_packets(source: str, samples: Sequence[Sample]) -> tuple[list[str], str | None]:
    """Protocols of each shown packet, as far as the tool came, and why it did not come to the end."""
    with tempfile.TemporaryDirectory(prefix="rustnet.inspect.", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "unknown.pcapng"
        with file.open("wb") as stream:
            numbers = [number for number, _, _, _ in samples]
            written = write_pcapng([Part(Path(source), None, lambda: iter(numbers))], stream).packets
        if written != len(samples):
            raise InputError("has other packets than were ingested; it is not the same file")
        answer = _work(folder, {"tool": "pyshark", "file": str(file), "seconds": SECONDS})
    chains: list[str] = answer["chains"]
    return [chains[index] for index in answer["frames"]], answer.get("stopped")


def _work(folder: str, request: dict[str, object]) -> dict[str, Any]:
    """Have a request answered by a worker that lives in ``folder``, with all that it started gone afterwards."""
    root = str(Path(rustnet.__file__).parents[1])
    paths = [root, *(str(Path(p).absolute()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    with subprocess.Popen(
        [sys.executable, "-m", "rustnet.inspect"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
        env={**environment(), "HOME": folder, "WIRESHARK_CONFIG_DIR": folder, "PYTHONPATH": os.pathsep.join(paths)},
    ) as worker:  # fmt: skip
        try:
            out, err = worker.communicate(json.dumps(request).encode() + b"\n", timeout=SECONDS + _GRACE)
        except subprocess.TimeoutExpired:
            words = (
                f"tshark gave no answer within {SECONDS + _GRACE} s and was stopped; give it a part ('rustnet extract')"
            )
            raise RustnetError(words) from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.kill()
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise RustnetError(f"tshark gave no answer ({said[-1][:200] if said else worker.returncode})") from None
    if "error" in answer:
        raise RustnetError(str(answer["error"]))
    return answer
