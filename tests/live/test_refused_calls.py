"""The system calls of the confined processes of ``rustnet live``: those of the table, and none that is refused."""

import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from rustnet.errors import ExitCode
from rustnet.sandbox import IN_FORCE, try_out
from rustnet.sandbox.calls import ALLOWED
from tests.live.namespaces import Namespace
from tests.live.running import Live, fetch, serve_web
from tests.live.test_privileges import AS_USER, USER, place, status

__all__ = ["place"]

STRACE = shutil.which("strace")
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(STRACE is None, reason="strace is not installed"),
    pytest.mark.skipif(
        sys.platform != "linux" or {each.name: each.state for each in try_out()}["system_calls"] != IN_FORCE,
        reason="no filter of system calls",
    ),
]
CALL = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(.*)")


def confined(trace: str, first: dict[int, str]) -> tuple[dict[str, set[str]], list[str]]:
    """Calls of processes after their filter, by what these do; and lines of those that were refused."""
    roles = dict(first)
    filtered: set[int] = set()
    used: dict[str, set[str]] = {role: set() for role in first.values()}
    refused = []
    for line in trace.splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        pid, name, rest = int(call[1]), call[2], call[3]
        if pid in filtered:
            used[roles[pid]].add(name)
            if " EPERM " in rest:
                refused.append(f"{roles[pid]}: {line}")
            if name in {"clone", "clone3"} and (started := re.search(r"= (\d+)$", rest)):
                roles.setdefault(int(started[1]), roles[pid])
                filtered.add(int(started[1]))
        elif name == "prctl" and "PR_SET_SECCOMP" in rest and pid in roles:
            filtered.add(pid)
    assert set(first) <= filtered
    return used, refused


def test_no_call_that_a_run_needs_is_refused(
    namespace: Namespace, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve_web()
    outputs = ("--pcap-export", str(place / "a.pcap"), "--json-log", str(place / "a.jsonl"), "--metrics",
               str(place / "metrics"))  # fmt: skip
    wrapper = (*AS_USER, str(STRACE), "-f", "-o", str(tmp_path / "trace"))
    live = Live(place / "s.duckdb", "-i", "lo", *outputs, wrapper=wrapper).started()
    fetch()
    live.wait_for("SELECT 1 FROM flows WHERE app = 'http'")
    fetch()
    said = {pid: status(pid) for pid in live.processes()}
    ours = {pid: each for pid, each in said.items() if each["Seccomp"] == "2"}
    probe = next(pid for pid, each in ours.items() if int(each["CapEff"], 16))
    writer = next(pid for pid, each in ours.items() if any(int(other["PPid"]) == pid for other in ours.values()))
    (parser,) = ours.keys() - {probe, writer}
    assert ours[writer]["Uid"].split() == [str(USER)] * 4
    os.kill(writer, signal.SIGTERM)
    assert live.process.wait(30) == ExitCode.DONE
    live.stop()
    server.kill()
    server.communicate()
    trace = (tmp_path / "trace").read_text("utf-8", "replace")
    used, refused = confined(trace, {probe: "probe", writer: "writer", parser: "parser"})
    with capsys.disabled():
        for role, names in used.items():
            sys.stdout.write(f"\ncalls of the {role}: {', '.join(sorted(names))}\n")
    assert refused == []
    assert used["parser"] <= {call.name for call in ALLOWED if not call.files}
