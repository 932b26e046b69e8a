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
NAME_BYTES = 15
"""Longest name of a process in the kernel; longer ones are cut."""
CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
)  # fmt: skip
"""Capabilities by their number (linux/capability.h)."""
EVERY_CAPABILITY = (1 << 38) - 1
"""All that Linux had before 5.8: root's processes have these and newer ones."""
INET_DIAG_INFO = 2
TCP_INFO_SIZE = 136
CONTAINER_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
POD_UID = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f_-]{27}|[0-9a-f]{32})(?![0-9a-f])")

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
    group: Keys = field(default_factory=dict)
    """Keys of its control group, container and pod."""
    capabilities: int | None = None
    """Effective capabilities, a bit each."""
    label: str | None = None
    """Label by SELinux or AppArmor."""


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


def process_keys(facts: ProcessFacts, redacted: bool = True) -> Keys:
    """Keys of a process; those that are not known are None."""
    keys: Keys = {
        "capabilities": None if facts.capabilities is None else capability_names(facts.capabilities),
        "cwd": facts.cwd,
        "exe_deleted": facts.executable_deleted or None,
        "login_uid": facts.login_uid,
        "lsm_label": facts.label,
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
    return {**keys, **facts.group, **command_line_keys(facts.command_line, redacted)}


def capability_names(bits: int) -> str:
    """Effective capabilities by name, with spaces; ``all`` and ``none`` for what most processes have."""
    if not bits:
        return "none"
    if bits & EVERY_CAPABILITY == EVERY_CAPABILITY:
        return "all"
    names = (CAPABILITIES[n] if n < len(CAPABILITIES) else f"capability_{n}" for n in range(64) if bits >> n & 1)
    return " ".join(names)


def is_another_program(before: Keys, after: Keys) -> bool:
    """Whether keys of one process are of different programs or names, rather than known to different degrees."""
    names = [one.get("process_name") or "" for one in (before, after)]
    short, long = sorted(names, key=len)
    cut = len(short.encode("utf-8", "surrogateescape")) == NAME_BYTES and long.startswith(short)
    if short and short != long and not cut:
        return True
    paths = [one.get("process_executable") for one in (before, after) if "process_from" not in one]
    return len(paths) == 2 and None not in paths and paths[0] != paths[1]


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
