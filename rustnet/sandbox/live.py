"""What the processes of a live capture take from themselves: the one that holds the session, and the probe.

The process that parses has `rustnet.sandbox.confine`, as in a replay.
"""

import os
import sys
from collections.abc import Iterable, Sequence

from rustnet.errors import RustnetError
from rustnet.i18n import N_
from rustnet.sandbox import denied, landlock, places, privileges, system_calls
from rustnet.sandbox.confinement import IN_FORCE, NOT_NEEDED, OFF, PARTIAL, UNAVAILABLE, Layer, applied, unconfined
from rustnet.sandbox.users import User, is_root

NO_SANDBOX, NO_DROP = "--no-sandbox", "--no-uid-drop"
ROOT_STAYS = "root is kept: no other user started this, and none is named by --drop-to"
DROPPED = ("user", "capabilities", "no_new_privileges")
"""Layers of a command of which only the probe keeps privileges."""
CHANGE_USER = 1 << 6 | 1 << 7
"""CAP_SETGID and CAP_SETUID."""
PROBE_CAPABILITIES = {
    "cap_net_raw": (13, "rings of packets"),
    "cap_net_admin": (12, "promiscuous interfaces, sockets of every user, address translations"),
    "cap_dac_read_search": (2, "processes and sockets in /proc, logs of containers"),
    "cap_sys_ptrace": (19, "programs and open files of other users' processes"),
    "cap_sys_nice": (23, "a priority at which it sees sockets that are open for a moment"),
    "cap_sys_admin": (21, "sockets in other network namespaces"),
    "cap_perfmon": (38, "eBPF programs that trace"),
    "cap_bpf": (39, "eBPF programs"),
}
"""What the probe keeps: the bit of each, and what for."""


def drop_privileges(
    user: User | None, *, groups: Sequence[int] = (), drop_user: bool = True, sandbox: bool = True
) -> list[Layer]:
    """Become ``user`` (`users.chosen_user`) and give up every capability, before other processes are started.

    Returns what is in force of the layers `DROPPED`. This process must have one thread. ``groups`` are the further
    ones that it keeps. Where root is kept, the right to change users is kept too, for the process that parses, until
    `confine_writer`. Raises `RustnetError` if root cannot become this user.
    """
    if sys.platform != "linux":
        return unconfined(UNAVAILABLE, f"needs Linux, not {sys.platform}")[: len(DROPPED)]
    _require_one_thread()
    os.umask(os.umask(0o077) | 0o077)
    if not sandbox and not drop_user:
        words = f"{NO_SANDBOX} {NO_DROP}"
        return [Layer(name, OFF, words) for name in DROPPED]
    bounded = privileges.clear_bounding_set()
    layer = applied("user", lambda: _user(user if drop_user else None, groups, NO_DROP if not drop_user else ""))
    kept = CHANGE_USER & privileges.held("Prm") if is_root() else 0
    return [
        layer,
        applied("capabilities", lambda: _capabilities(kept, bounded)),
        applied("no_new_privileges", _no_new_privileges),
    ]


def confine_writer(
    outputs: Iterable[str | os.PathLike[str]],
    dropped: Sequence[Layer],
    *,
    readable: Sequence[str] = (),
    scratch: str | None = None,
    sandbox: bool = True,
) -> list[Layer]:
    """Confine this process, which must have one thread and no session open; returns what is in force.

    ``dropped`` is what `drop_privileges` returned. It creates files in the directories of ``outputs`` only.
    ``readable`` are files and directories that it reads later; what else it needs is open before. ``scratch`` is a
    temporary directory that it removes at the end. It can neither send signals to others nor open connections: other
    processes end when their channel to this one does. Raises `RustnetError` if another user put a link, or a file, in
    the place of an output.
    """
    if sys.platform != "linux":
        return unconfined(UNAVAILABLE, f"needs Linux, not {sys.platform}")
    writable = places.directories(outputs, os.geteuid())
    layers = [*dropped]
    if is_root() and any(layer.state != OFF for layer in dropped if layer.name == "capabilities"):
        layers[1] = applied("capabilities", lambda: _capabilities(0, bounded=True))
    if not sandbox:
        return [*layers, Layer("landlock", OFF, NO_SANDBOX), Layer("system_calls", OFF, NO_SANDBOX)]
    _require_one_thread()
    removable = [os.path.dirname(os.path.realpath(scratch))] if scratch else []  # noqa: PTH120
    layers.append(applied("landlock", lambda: _landlock([*places.readable(), *readable], writable, removable)))
    table = denied.of_process(denied.WRITER, os.getpid())
    layers.append(applied("system_calls", lambda: _refused(table, denied.UNKNOWN)))
    return layers


def confine_probe(kept: Iterable[str] = tuple(PROBE_CAPABILITIES), *, sandbox: bool = True) -> list[Layer]:
    """Confine this process, which must have one thread, to what a probe does; returns what is in force.

    It keeps the capabilities ``kept`` as far as it has them, and its user; it starts no program, writes no file, and
    opens no connection. Landlock is left out, because it would hide other processes' files in ``/proc``.
    """
    if sys.platform != "linux":
        return unconfined(UNAVAILABLE, f"needs Linux, not {sys.platform}")
    _require_one_thread()
    wanted = sum(1 << PROBE_CAPABILITIES[name][0] for name in set(kept))
    bounded = privileges.clear_bounding_set(wanted)
    layers = [
        Layer("user", OFF, "kept: it reads about processes of every user") if is_root() else _same_user(),
        applied("capabilities", lambda: _kept(wanted, bounded)),
        applied("no_new_privileges", _no_new_privileges),
        Layer("landlock", OFF, "it would hide other processes' files in /proc"),
    ]
    if not sandbox:
        return [*layers, Layer("system_calls", OFF, NO_SANDBOX)]
    table = denied.of_process(denied.PROBE, os.getpid())
    layers.append(applied("system_calls", lambda: _refused(table, {**denied.UNKNOWN, **denied.OPENAT2})))
    return layers


def _require_one_thread() -> None:
    """Raise RuntimeError if there are more: what follows holds for the thread that calls it."""
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 -- names only
    if threads != 1:
        raise RuntimeError(f"a process with {threads} threads cannot be confined")


def _same_user() -> Layer:
    return Layer("user", NOT_NEEDED, f"not root: user {os.geteuid()}")


def _user(user: User | None, groups: Sequence[int], why_not: str) -> tuple[str, str]:
    if not is_root():
        return NOT_NEEDED, f"not root: user {os.geteuid()}"
    if user is None:
        return OFF, f"root is kept: {why_not}" if why_not else ROOT_STAYS
    try:
        privileges.drop_user(user.number, user.group, groups)
    except OSError as error:
        words = N_("root cannot become user {user} ({error}); --no-uid-drop does without that")
        raise RustnetError(words, user=user.name or user.number, error=error.strerror or error) from error
    if not os.access(places.PROGRAM / "__init__.py", os.R_OK):
        words = N_("user {user} may not read this program in {path}; install it elsewhere, or see --no-uid-drop")
        raise RustnetError(words, user=user.name or user.number, path=places.PROGRAM)
    user.set_environment()
    return IN_FORCE, f"user {user.number} ({user.origin}), no further groups" if not groups else (
        f"user {user.number} ({user.origin}), further groups: {', '.join(map(str, groups))}"
    )


def _capabilities(kept: int, bounded: bool) -> tuple[str, str]:
    privileges.clear_capabilities(kept)
    if kept:
        return PARTIAL, "kept until the process that parses runs: cap_setuid, cap_setgid"
    if not bounded:
        return IN_FORCE, "none held; the bounding set stays, as clearing it needs CAP_SETPCAP"
    return IN_FORCE, "none held, none to be had"


def _kept(wanted: int, bounded: bool) -> tuple[str, str]:
    bits = privileges.held("Prm") & wanted
    privileges.clear_capabilities(bits)
    names = " ".join(name for name, (bit, _why) in PROBE_CAPABILITIES.items() if bits >> bit & 1)
    return IN_FORCE if bounded else PARTIAL, f"kept: {names or 'none'}"


def _no_new_privileges() -> tuple[str, str]:
    privileges.no_new_privileges()
    return IN_FORCE, ""


def _landlock(readable: Sequence[str], writable: Sequence[str], removable: Sequence[str]) -> tuple[str, str]:
    abi = landlock.restrict(readable, writable, removable)
    words = f"files ({len(writable)} writable places, the system readable)"
    return IN_FORCE if abi >= landlock.SCOPES else PARTIAL, landlock.refused(abi, words)


def _refused(table: tuple[denied.Denied, ...], unknown: dict[str, tuple[int, int]]) -> tuple[str, str]:
    machine = system_calls.MACHINE
    if not system_calls.supported():
        return UNAVAILABLE, f"no table of system calls for {machine}"
    system_calls.apply(system_calls.refusal(machine, table, unknown))
    return IN_FORCE, f"{sum(len(each.numbers) for each in table)} calls of {machine} refused"
