"""``--with tshark``: the flows that no parser knew are named by tshark, through pyshark, in a process of its own.

The first packets of each such flow go into a temporary pcapng in packet order, so that the tool's n-th frame is known
to belong to which flow. The worker gives back the protocols of every frame; what is above the flow's transport, in most
of its frames, becomes `flows.app` with `app_source` ``tshark``. It never takes the place of what a parser confirmed.
"""

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rustnet
from rustnet.derive.unknown_apps import Shown, note, packets_to_show, store_apps, unknown_flows
from rustnet.dissect import registry
from rustnet.errors import InputError, RustnetError
from rustnet.export.packets import Part, write_pcapng
from rustnet.inspect import environment
from rustnet.inspect.tshark_tree import program
from rustnet.store.session import create_or_open

SECONDS = 300
"""Time that the tool has for one capture; what it has said by then counts."""
_GRACE = 30

_NOTHING = frozenset(("data", "data-text-lines", "vssmonitoring", "tcp.segments", "eth_padding"))
"""Layers of tshark that say that it knows nothing."""
_BROKEN = frozenset(("_ws.malformed", "_ws.short", "_ws.unreassembled"))
_FRAMING = frozenset(("tpkt", "cotp", "nbss", "ses", "pres", "socks", "proxy"))
"""Layers that only carry what is asked for; they are the answer where nothing is above them."""

ALIASES = {
    "bt-dht": "bittorrent", "bt-utp": "bittorrent", "bt-tracker": "bittorrent", "gquic": "quic", "isakmp": "ike",
    "mongo": "mongodb", "nbdgm": "netbios", "nbns": "netbios", "nbss": "netbios", "pgsql": "postgresql",
    "resp": "redis", "rtcp": "rtp", "smb2": "smb", "wg": "wireguard",
}  # fmt: skip
"""Names of tshark for what has another name in `flows.app`."""

_CARRIERS = frozenset(ALIASES.get(layer, layer) for layer in _FRAMING)

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,39}")


@dataclass(slots=True)
class Named:
    """What became of the question."""

    asked: int = 0
    """Flows that were asked about."""
    named: int = 0
    """Of these, flows that have a name now."""
    left: list[str] = field(default_factory=list)
    """One sentence for each thing that was left out."""
    failed: list[str] = field(default_factory=list)
    """One sentence for each capture about which nothing could be asked."""


def require() -> None:
    """Raise `RustnetError` with the command that fixes it, where tshark or pyshark is missing."""
    if program() is None:
        raise RustnetError("--with tshark: tshark is not installed; 'apt install tshark' (or wireshark-cli) brings it")
    if importlib.util.find_spec("pyshark") is None:
        raise RustnetError(
            f"--with tshark: pyshark is not installed; '{sys.executable} -m pip install pyshark' brings it"
        )


def name_rest(session: str, captures: Sequence[tuple[int, str]]) -> Named:
    """Name the flows of captures (number and file) that no parser knew. The session must not be open elsewhere."""
    made = Named()
    con = create_or_open(session, registry.tables())
    try:
        for capture_id, source in captures:
            unknown = unknown_flows(con, capture_id)
            if not unknown:
                continue
            if not Path(source).is_file():
                made.failed.append(f"{source}: cannot be read a second time, so tshark was not asked; replay a file")
                continue
            shown = packets_to_show(con, capture_id)
            if not shown:
                continue
            asked = len({flow for _, flow, _, _ in shown})
            made.asked += asked
            try:
                chains, why = _ask(source, shown)
            except RustnetError as error:
                made.failed.append(str(error) if str(error).startswith(source) else f"{source}: {error}")
                note(con, capture_id, str(error), unknown)
                continue
            made.named += store_apps(con, answers(shown, chains))
            if why:
                made.left.append(f"{source}: {why}")
                note(con, capture_id, why, len({flow for _, flow, _, _ in shown[len(chains) :]}))
            if asked < unknown:
                words = f"tshark was asked about the largest {asked:,} of {unknown:,} flows that no parser knew"
                made.left.append(f"{source}: {words}")
                note(con, capture_id, words, unknown - asked)
    finally:
        con.close()
    return made


def answers(shown: Sequence[Shown], chains: Sequence[str]) -> dict[int, str]:
    """Flow to application, by most of its frames; ``chains[n]`` are the protocols of ``shown[n]``."""
    votes: dict[int, Counter[str]] = {}
    for (_, flow, protocol, inside), chain in zip(shown, chains, strict=False):
        name = app_name(chain, protocol, inside)
        if name is not None:
            votes.setdefault(flow, Counter())[name] += 1
    named: dict[int, str] = {}
    for flow, counted in votes.items():
        proper = {name: count for name, count in counted.items() if name not in _CARRIERS} or counted
        named[flow] = max(proper, key=proper.__getitem__)
    return named


def app_name(chain: str, protocol: str, inside: bool) -> str | None:
    """Application in a frame's protocols (``eth:ethertype:ip:udp:dns``) above the flow's own transport.

    A flow out of a tunnel has the last such transport of the frame, any other the first: what tshark finds inside
    something that rustnet takes for payload is that flow's payload.
    """
    layers = chain.lower().split(":")
    if protocol not in layers or not _BROKEN.isdisjoint(layers):
        return None
    at = len(layers) - 1 - layers[::-1].index(protocol) if inside else layers.index(protocol)
    above = [layer for layer in layers[at + 1 :] if layer not in _NOTHING]
    if not above:
        return None
    name = next((layer for layer in above if layer not in _FRAMING), above[-1])
    return ALIASES.get(name, name) if _NAME.fullmatch(name) else None


def _ask(source: str, shown: Sequence[Shown]) -> tuple[list[str], str | None]:
    """Protocols of each shown packet, as far as the tool came, and why it did not come to the end."""
    with tempfile.TemporaryDirectory(prefix="rustnet.inspect.", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "unknown.pcapng"
        with file.open("wb") as stream:
            numbers = [number for number, _, _, _ in shown]
            written = write_pcapng([Part(Path(source), None, lambda: iter(numbers))], stream).packets
        if written != len(shown):
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
