"""Why eBPF cannot name owners here, and what would allow it: a table, and checks of this process and kernel."""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
from typing import NamedTuple

from rustnet.probe.procfs import read

OLDEST = (5, 12)
"""First kernel that gives tracing programs storage per socket and per thread, and a socket's cookie."""
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39
FIRST_PID_NAMESPACE = 0xEFFFFFFC
FIRST_USER_NAMESPACE = b"0 0 4294967295"
LOCKDOWN = "/sys/kernel/security/lockdown"
PRIVILEGES = "CAP_BPF and CAP_PERFMON"


def N_(message: str) -> str:  # noqa: N802 -- gettext's usual name; this package translates nothing itself
    """Mark a message for translation."""
    return message


class Reason(NamedTuple):
    """Why eBPF is not in force."""

    name: str
    means: str
    remedy: str
    """What would allow it; empty if nothing on this machine would."""


_AS_ROOT = N_("run as root, or give the program CAP_BPF and CAP_PERFMON")
REASONS = {
    reason.name: reason
    for reason in (
        Reason("not-linux", N_("eBPF exists on Linux only"), ""),
        Reason("old-kernel", N_("this kernel is older than Linux 5.12"), N_("run a newer kernel")),
        Reason(
            "no-library",
            N_("the library libbpf.so.1 is not installed"),
            N_("install it: the package is named libbpf1 (Debian, Ubuntu) or libbpf (Fedora, Arch)"),
        ),
        Reason("no-object", N_("this installation lacks the compiled eBPF program"), N_("install rustnet again")),
        Reason(
            "no-btf",
            N_("the kernel does not describe its types (/sys/kernel/btf/vmlinux)"),
            N_("run a kernel built with CONFIG_DEBUG_INFO_BTF, and mount /sys"),
        ),
        Reason("no-tracepoints", N_("the kernel lacks a tracepoint that is needed"), N_("run a newer kernel")),
        Reason("no-bpf", N_("the kernel was built without eBPF"), N_("run a kernel built with CONFIG_BPF_SYSCALL")),
        Reason(
            "pid-namespace",
            N_("this process is in a PID namespace of its own, so the kernel's process ids are not those it sees"),
            N_("run outside of the container, or share the host's PID namespace with it (--pid=host)"),
        ),
        Reason(
            "user-namespace",
            N_("this process is root in a user namespace only, which does not count for eBPF"),
            N_("run as root outside of the user namespace"),
        ),
        Reason(
            "no-cap-bpf",
            N_("CAP_BPF is missing, which tracing needs whatever kernel.unprivileged_bpf_disabled is"),
            _AS_ROOT,
        ),
        Reason("no-cap-perfmon", N_("CAP_PERFMON is missing, which reading the kernel's memory needs"), _AS_ROOT),
        Reason(
            "nosuid",
            N_("the program's file has capabilities, but lies on a file system mounted with nosuid"),
            N_("run as root, or install the program on a file system mounted without nosuid"),
        ),
        Reason(
            "no-new-privileges",
            N_("the program's file has capabilities, but no_new_privs keeps it from getting them"),
            N_("run as root, or without no_new_privs (NoNewPrivileges= of a systemd unit)"),
        ),
        Reason(
            "lockdown",
            N_("the kernel is locked down for confidentiality, so eBPF may not read its memory"),
            N_("start the kernel with lockdown=integrity"),
        ),
        Reason(
            "seccomp",
            N_("a seccomp filter forbids bpf()"),
            N_("allow bpf() in the filter of the container or of the systemd unit"),
        ),
        Reason("no-memory", N_("there was no memory for the eBPF maps"), N_("raise the limit of the control group")),
        Reason("refused", N_("the kernel refused the eBPF program"), ""),
        Reason("not-attached", N_("the kernel loaded the eBPF program, but did not attach it"), ""),
    )
}
"""All reasons by name. `perf_event_paranoid` is none: typed tracepoints are attached without perf_event_open."""


class UnavailableError(Exception):
    """eBPF cannot be used: `reason`, and what the system answered."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(name, detail)
        self.reason = REASONS[name]
        self.detail = detail

    def __str__(self) -> str:
        """In English, in one line."""
        words = f"{self.reason.means} ({self.detail})" if self.detail else self.reason.means
        return f"{words}; {self.reason.remedy}" if self.reason.remedy else words


def check_system() -> None:
    """Raise `UnavailableError` if this kernel, or this process's namespaces, rule eBPF out."""
    if not sys.platform.startswith("linux"):
        raise UnavailableError("not-linux", sys.platform)
    numbers = re.match(r"(\d+)\.(\d+)", platform.release())
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise UnavailableError("old-kernel", platform.release())
    if os.stat("/proc/self/ns/pid").st_ino != FIRST_PID_NAMESPACE:
        raise UnavailableError("pid-namespace")


def check_privileges() -> None:
    """Raise `UnavailableError` if this process may not load eBPF programs."""
    status = process_status()
    held = int(status.get("CapEff", "0"), 16)
    missing = [name for name, bit in (("no-cap-bpf", CAP_BPF), ("no-cap-perfmon", CAP_PERFMON)) if not held >> bit & 1]
    if missing and not held >> CAP_SYS_ADMIN & 1:
        raise UnavailableError(_ineffective(status) or missing[0])
    if b" ".join(read("/proc/self/uid_map").split()) != FIRST_USER_NAMESPACE:
        raise UnavailableError("user-namespace")


def process_status() -> dict[str, str]:
    """Fields of this thread's status."""
    lines = read("/proc/thread-self/status").decode("utf-8", "replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _ineffective(status: dict[str, str]) -> str:
    """Why the capabilities of this program's file have no effect; empty if it has none."""
    program = "/proc/self/exe"
    try:
        os.getxattr(program, "security.capability")
    except OSError:
        return ""
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        return "nosuid"
    return "no-new-privileges" if status.get("NoNewPrivs") == "1" else ""


def why_refused(code: int, status: dict[str, str], lockdown: bytes) -> UnavailableError:
    """Why the kernel refused to load the program, from its error and the state of process and kernel."""
    detail = os.strerror(code) if code else ""
    if b"[confidentiality]" in lockdown:
        return UnavailableError("lockdown", detail)
    if code == errno.ENOSYS:
        return UnavailableError("seccomp" if status.get("Seccomp") == "2" else "no-bpf", detail)
    if code in {errno.EPERM, errno.EACCES} and status.get("Seccomp") == "2":
        return UnavailableError("seccomp", detail)
    if code == errno.ENOMEM:
        return UnavailableError("no-memory", detail)
    return UnavailableError("refused", detail)
