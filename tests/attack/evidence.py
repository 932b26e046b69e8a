"""Directories of evidence, and command lines run in them as processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.conversations import dns_flow, http_flow
from tests.support.paths import ROOT
from tests.support.pcap import pcap

SCRIPT = "import sys\nfrom rustnet.__main__ import entry\nsys.exit(entry())\n"
"""What pip writes as the command ``rustnet``."""

SIDECAR_LINE = (
    '{"bytes_received":0,"bytes_sent":0,"first_seen":{"nanos_since_epoch":0,"secs_since_epoch":1},'
    '"last_seen":{"nanos_since_epoch":0,"secs_since_epoch":4000000000},"local_addr":"192.0.2.1:40000",'
    '"pid":42,"process_name":"curl","protocol":"TCP","recorder":"test/1","remote_addr":"192.0.2.2:80",'
    '"sidecar_version":1,"state":"ESTABLISHED","timestamp":"2026-01-01T00:00:00Z"}\n'
)


def command(*arguments: object, program: Path | None = None) -> list[str]:
    """Command line of a process of its own; ``program`` is the script to start instead of the module."""
    start = ["-m", "rustnet"] if program is None else [str(program)]
    return [sys.executable, *start, *(os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments)]


def environment(**changes: str) -> dict[str, str]:
    """Environment in which the source tree's package is imported."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "LANGUAGE": "C", **changes}


def run(
    folder: Path, *arguments: object, program: Path | None = None, **changes: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a directory."""
    return subprocess.run(
        command(*arguments, program=program), cwd=folder, env=environment(**changes), capture_output=True,
        check=False, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def in_shell(folder: Path, arguments: str, redirections: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command by a shell, with redirections."""
    line = f'"{sys.executable}" -m rustnet {arguments} {redirections}'
    return subprocess.run(
        ["/bin/sh", "-c", line], cwd=folder, env=environment(), capture_output=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def make_case(folder: Path) -> Path:
    """A capture, its sidecar, another capture, and a session ``s.duckdb`` of the first; returns the directory."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "web.pcap").write_bytes(pcap(dns_flow() + http_flow()))
    (folder / "web.pcap.connections.jsonl").write_text(SIDECAR_LINE)
    (folder / "other.pcap").write_bytes(pcap(http_flow(port=40001)))
    made = run(folder, "replay", "web.pcap", "--db", "s.duckdb")
    assert made.returncode == 0, made.stderr
    return folder
