"""The filter of system calls (seccomp): `rustnet.sandbox.calls`, or `denied`, as a program that the kernel runs.

To a process that parses, a call that is not in the table fails with EPERM: a library that tries something optional does
without it, and a capture is not lost because another version of it asks a harmless question. Calls that are an attack
or a grave error end the process at once: what was read before is stored, and the capture has the anomaly
``parser_failed``.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping

from rustnet.sandbox.calls import ALLOWED, FATAL, SINCE, Call, Only, guarded
from rustnet.sandbox.denied import Denied
from rustnet.sandbox.libc import prctl

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""``AUDIT_ARCH_…`` by the name of the machine."""
MACHINE = os.uname().machine if hasattr(os, "uname") else ""
X32 = 0x40000000
"""From here on, numbers of x86_64 are those of another interface."""
PR_SET_SECCOMP, FILTER = 22, 2
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
LOAD, JUMP_EQUAL, JUMP_FROM, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
"""Instructions of classic BPF: load a word, jump if equal, jump if not less, mask, end."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in ``struct seccomp_data``."""

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


def supported() -> bool:
    """Whether there is a table for this machine: a 64-bit process on one of `ARCHITECTURES`."""
    return MACHINE in ARCHITECTURES and struct.calcsize("P") == 8


def allowed(worker: bool, channels: tuple[int, ...] = ()) -> list[Call]:
    """The calls of a worker, or of the process that starts them.

    With ``channels`` it reads rings instead of files, starts no workers, and sends on these descriptors only.
    """
    if not channels:
        return [call for call in ALLOWED if (call.worker or not worker) and not call.rings]
    return [guarded(call, channels) for call in ALLOWED if not call.files]


def program(machine: str, worker: bool, channels: tuple[int, ...] = ()) -> list[Instruction]:
    """The filter for a machine: of a worker, or of the process that starts them, or reads rings."""
    steps = _of_machine(machine)
    for call in allowed(worker, channels):
        number = call.x86_64 if machine == "x86_64" else call.aarch64
        if number is not None:
            checks = _checks(call)
            steps += [(JUMP_EQUAL, 0, len(checks), number), *checks]
    for x86_64, aarch64 in FATAL.values():
        steps += [(JUMP_EQUAL, 0, 1, x86_64 if machine == "x86_64" else aarch64), (RETURN, 0, 0, KILL_PROCESS)]
    return [*steps, (JUMP_FROM, 0, 1, SINCE), (RETURN, 0, 0, ENOSYS), (RETURN, 0, 0, EPERM)]


def refusal(machine: str, table: tuple[Denied, ...], unknown: Mapping[str, tuple[int, int]]) -> list[Instruction]:
    """A filter for a machine that refuses the calls of a table, does not know others, and allows the rest."""
    column = 0 if machine == "x86_64" else 1
    steps = _of_machine(machine)
    for numbers in unknown.values():
        steps += [(JUMP_EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, ENOSYS)]
    for denied in table:
        answer = [*_conditions(denied.unless), (RETURN, 0, 0, ALLOW)] if denied.unless else [(RETURN, 0, 0, EPERM)]
        for each in denied.numbers.values():
            number = each[column]
            if number is not None:
                steps += [(JUMP_EQUAL, 0, len(answer), number), *answer]
    return [*steps, (RETURN, 0, 0, ALLOW)]


def _of_machine(machine: str) -> list[Instruction]:
    """Instructions that end a process of another interface, and load the number of the call."""
    steps: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
    ]
    return [*steps, (JUMP_FROM, 0, 1, X32), (RETURN, 0, 0, KILL_PROCESS)] if machine == "x86_64" else steps


def _checks(call: Call) -> list[Instruction]:
    """Instructions that end with the answer to a call, by its arguments."""
    if call.name == "clone3":
        return [(RETURN, 0, 0, ENOSYS)]
    return [*_conditions(call.only), (RETURN, 0, 0, ALLOW)]


def _conditions(conditions: Iterable[Only]) -> list[Instruction]:
    """Instructions that end with EPERM unless all conditions hold."""
    steps: list[Instruction] = []
    for only in conditions:
        steps += [(LOAD, 0, 0, ARGUMENTS + 8 * only.argument), (AND, 0, 0, only.mask)]  # little-endian: lower half
        if only.none:
            for value in only.values:
                steps += [(JUMP_EQUAL, 0, 1, value), (RETURN, 0, 0, EPERM)]
            continue
        for left, value in zip(range(len(only.values), 0, -1), only.values, strict=True):
            steps.append((JUMP_EQUAL, left, 0, value))
        steps.append((RETURN, 0, 0, EPERM))
    return steps


def restrict(worker: bool, channels: tuple[int, ...] = ()) -> None:
    """Apply the filter to this thread and what it starts; raises OSError. Cannot be undone, only narrowed."""
    apply(program(MACHINE, worker, channels))


def apply(steps: list[Instruction]) -> None:
    """Apply a filter to this thread and what it starts; raises OSError."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, FILTER, ctypes.addressof(header))
