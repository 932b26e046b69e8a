"""Values as version 1 of the sidecar writes them; nothing here asks the system."""

from __future__ import annotations

import re
import shlex
import struct
import time
from dataclasses import dataclass, field
from typing import Any, Dict

from rustnet.probe.redact import redact

SIDECAR_VERSION = 1
MAX_TEXT = 4096
ANCESTORS = 8
INET_DIAG_INFO = 2
TCP_INFO_SIZE = 136
CONTAINER_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
POD_UID = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f_-]{27})")

Keys = Dict[str, Any]
"""Keys and values of a line, or of a part of one."""


@dataclass
class ProcessFacts:
    """What is known of one process."""

    pid: int
    name: str | None
    parent: int | None
    started: int
    """Nanoseconds since 1970."""
    executable: str | None
    executable_deleted: bool = False
    cwd: str | None = None
    command_line: list[str] = field(default_factory=list)
    uid: int | None = None
    gid: int | None = None
    login_uid: int | None = None
    user_name: str | None = None
    lineage: list[Keys] = field(default_factory=list)
    """The process's ancestors, the oldest first."""
    cgroup: str = ""
    """Content of /proc/PID/cgroup."""


def text(raw: bytes) -> str:
    """Bytes from the kernel as text that JSON can carry."""
    return raw[:MAX_TEXT].decode("utf-8", "backslashreplace")


def moment(ns: int) -> dict[str, int]:
    """Time in RustNet's form."""
    return {"nanos_since_epoch": ns % 1_000_000_000, "secs_since_epoch": ns // 1_000_000_000}


def rfc3339(ns: int) -> str:
    """Time as RFC 3339 UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 1_000_000_000)) + f".{ns % 1_000_000_000:09d}Z"


def command_line_keys(words: list[str], redacted: bool = True) -> Keys:
    """Keys of a command line, quoted as for a shell."""
    if not words or not words[0]:
        return {}
    shown = redact(words) if redacted else words
    line = " ".join(shlex.quote(word) for word in shown)
    keys: Keys = {"cmdline": line[:MAX_TEXT]}
    if shown != words:
        keys["cmdline_redacted"] = True
    if len(line) > MAX_TEXT:
        keys["cmdline_truncated"] = True
    return keys


def cgroup_keys(content: str) -> Keys:
    """Control group from /proc/PID/cgroup, and the container and pod that its path names."""
    lines = [line.split(":", 2) for line in content.splitlines()]
    paths = [fields[2] for fields in lines if len(fields) == 3 and fields[2] != "/"]
    if not paths:
        return {}
    path = next((one for one in paths if CONTAINER_ID.search(one)), paths[-1])
    containers, pod = CONTAINER_ID.findall(path), POD_UID.search(path)
    keys: Keys = {"cgroup": path}
    if containers:
        keys["container_id"] = containers[-1]
    if pod:
        keys["kubernetes"] = {"cgroup_path": path, "pod_uid": pod.group(1).replace("_", "-"), **keys}
        del keys["kubernetes"]["cgroup"]
    return keys


def process_keys(facts: ProcessFacts, redacted: bool = True) -> Keys:
    """Keys of a process; those that are not known are None."""
    keys: Keys = {
        "cwd": facts.cwd,
        "exe_deleted": facts.executable_deleted or None,
        "login_uid": facts.login_uid,
        "pid": facts.pid,
        "process_executable": facts.executable,
        "process_gid": facts.gid,
        "process_lineage": {
            "ancestors": facts.lineage[-ANCESTORS:],
            "truncated": len(facts.lineage) > ANCESTORS,
        },
        "process_name": facts.name,
        "process_ppid": facts.parent,
        "process_uid": facts.uid,
        "started_at": moment(facts.started),
        "username": facts.user_name,
    }
    return {**keys, **cgroup_keys(facts.cgroup), **command_line_keys(facts.command_line, redacted)}


def counter_keys(attributes: dict[int, bytes]) -> Keys:
    """Byte counts, round-trip time and retransmissions from ``struct tcp_info`` (linux/tcp.h)."""
    info = attributes.get(INET_DIAG_INFO, b"")
    if len(info) < TCP_INFO_SIZE:
        return {}
    rtt, retransmissions = struct.unpack_from("=I28xI", info, 68)
    sent, received = struct.unpack_from("=QQ", info, 120)
    keys: Keys = {
        "bytes_received": received,
        "bytes_sent": sent,
        "bytes_source": "tcp_info",
        "tcp_retransmissions": retransmissions,
    }
    return {**keys, "rtt_ms": round(rtt / 1000, 1)} if rtt else keys
