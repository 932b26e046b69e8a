"""Applies the layers one after another, each as far as the system has it."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rustnet.sandbox import landlock, privileges, system_calls

IN_FORCE, PARTIAL, UNAVAILABLE, OFF, NOT_NEEDED = "in_force", "partial", "unavailable", "off", "not_needed"
STATES = (IN_FORCE, PARTIAL, UNAVAILABLE, OFF, NOT_NEEDED)
LAYERS = ("user", "capabilities", "no_new_privileges", "landlock", "system_calls")
"""In the order in which they are applied."""
MOST_DESCRIPTORS = 1 << 20
"""More than a process may have open by default; all are closed by one system call."""
MOST_DETAIL = 200
"""Characters of a detail at most."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, and whether it is in force."""

    name: str
    """One of `LAYERS`."""
    state: str
    """One of `STATES`."""
    detail: str = ""
    """What exactly is in force, or why it is not; in English, as it is stored."""


def confine(*, drop_user: bool = True, channels: Sequence[int] = ()) -> list[Layer]:
    """Confine this process, which must have one thread, and all that it starts; returns what is in force.

    A layer that the system does not have is left out. What the process needs is loaded and opened before. With
    ``channels`` it reads rings of packets, whose descriptors it gets by them, and not files. A ring can send, too: so
    the process sends on these channels only, cannot close them, and starts no workers.
    """
    if sys.platform != "linux":
        return unconfined(UNAVAILABLE, f"needs Linux, not {sys.platform}")
    steps: dict[str, Callable[[], tuple[str, str]]] = {
        "capabilities": _capabilities,
        "no_new_privileges": _no_new_privileges,
        "landlock": _landlock,
        "system_calls": lambda: _system_calls(tuple(channels)),
    }
    bounded = privileges.clear_bounding_set()  # needs a privilege that the next step gives up
    layers = [applied("user", lambda: _user(drop_user))]
    layers += [applied(name, step) for name, step in steps.items()]
    if not bounded and layers[1].state == IN_FORCE:
        words = "none held; the bounding set stays, as clearing it needs CAP_SETPCAP"
        layers[1] = Layer("capabilities", IN_FORCE, words)
    return layers


def applied(name: str, step: Callable[[], tuple[str, str]]) -> Layer:
    """Apply a layer; returns what is in force, or why it is not."""
    try:
        state, detail = step()
    except OSError as error:
        return Layer(name, UNAVAILABLE, (error.strerror or str(error))[:MOST_DETAIL])
    return Layer(name, state, detail)


def _user(drop: bool) -> tuple[str, str]:
    user = os.geteuid()
    if user != 0 and os.getuid() != 0:
        return NOT_NEEDED, f"not root: user {user}"
    if not drop:
        return OFF, "root is kept, as asked for"
    try:
        privileges.drop_user()
    except PermissionError:
        return OFF, "root is kept: the right to change users was given up before"
    return IN_FORCE, f"user {privileges.NOBODY}, no further groups"


def _capabilities() -> tuple[str, str]:
    privileges.clear_capabilities()
    return IN_FORCE, "none held, none to be had"


def _no_new_privileges() -> tuple[str, str]:
    privileges.no_new_privileges()
    return IN_FORCE, ""


def _landlock() -> tuple[str, str]:
    abi = landlock.restrict()
    return IN_FORCE if abi >= landlock.SCOPES else PARTIAL, landlock.refused(abi)


def _system_calls(channels: tuple[int, ...]) -> tuple[str, str]:
    machine = system_calls.MACHINE
    if not system_calls.supported():
        return UNAVAILABLE, f"no table of system calls for {machine}"
    system_calls.restrict(worker=False, channels=channels)
    return IN_FORCE, f"{len(system_calls.allowed(False, channels))} calls of {machine}"


def restrict_worker(layers: Sequence[Layer]) -> None:
    """Allow a worker of a confined process even fewer system calls. Raises OSError."""
    if any(layer.name == "system_calls" and layer.state == IN_FORCE for layer in layers):
        system_calls.restrict(worker=True)


def ended_by_filter(status: int) -> bool:
    """Whether a process ended because it tried a call that its filter answers with the end; by its wait status."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS


def unconfined(state: str, detail: str) -> list[Layer]:
    """Layers of a process that is not confined."""
    return [Layer(name, state, detail) for name in LAYERS]


def lacking(layers: list[Layer]) -> list[Layer]:
    """Layers that could not be applied."""
    return [layer for layer in layers if layer.state == UNAVAILABLE]


def try_out() -> list[Layer]:
    """What `confine` achieves on this machine, in a process that is started for it (needs one thread)."""
    if sys.platform != "linux":
        return confine()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        try:
            lines = (f"{layer.name}\t{layer.state}\t{layer.detail}" for layer in confine())
            theirs.sendall("\n".join(lines).encode())
        finally:
            os._exit(0)
    theirs.close()
    with ours, ours.makefile(encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return [Layer(*line.split("\t")) for line in text.splitlines()] or unconfined(UNAVAILABLE, "the trial ended")


def empty_standard_streams(*, keep_errors: bool) -> None:
    """Connect the standard descriptors to nothing; a confined process cannot write to the user's terminal."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1) if keep_errors else (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)


def close_descriptors(kept: list[int]) -> None:
    """Close every descriptor but the standard ones and these."""
    below = 3
    for number in sorted(kept):
        os.closerange(below, number)
        below = number + 1
    os.closerange(below, MOST_DESCRIPTORS)
