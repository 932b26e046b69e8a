"""Runs the browser in a child process, so that this one can clean up after it, whatever ends it.

A lack of memory, a fault in a library, SIGKILL: nothing of the browser's own runs then. This process, which is the one
that the shell waits for, puts the terminal back before the shell writes to it again. If it is killed itself, the child
notices that and ends.
"""

import contextlib
import fcntl
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from rustnet.cli.main import State, run_reported
from rustnet.cli.terminal import notify
from rustnet.i18n import _
from rustnet.tui.terminal import Modes

_SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAITED = {signal.SIGCHLD, *_SENT}


def run_watched(work: Callable[[], int], state: State, release: Callable[[], None] | None = None) -> int:
    """Run ``work`` in a child; returns its exit code. This process must not have other threads yet.

    ``release`` closes here what is the child's alone.
    """
    modes = Modes()
    alive, link = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
    pid = os.fork()
    if not pid:
        os.close(link)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        end_with(alive, lambda: os.kill(os.getpid(), signal.SIGTERM))
        run_and_exit(work, state)
    os.close(alive)
    if release is not None:
        release()
    try:
        status = _wait(pid)
    finally:
        os.close(link)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    modes.restore(reset=True)
    notify(_("rustnet: error: the browser was ended by signal {number}").format(number=-code))
    return 128 - code


def _wait(pid: int) -> int:
    """Wait for the end of a child, and pass signals on; stop when it stops."""
    while True:
        number, by_process = _next_signal()
        if number != signal.SIGCHLD:
            # What the terminal sends, it sends to both, but that it is gone, to the first process of the session only.
            if by_process or number == signal.SIGHUP:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            continue
        changed, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if changed and os.WIFSTOPPED(status):
            os.kill(os.getpid(), signal.SIGSTOP)  # the shell, which waits for this process, lets both go on
        elif changed:
            return status


def _next_signal() -> tuple[int, bool]:
    """Wait for a signal; returns its number, and whether a process sent it."""
    if hasattr(signal, "sigwaitinfo"):
        information = signal.sigwaitinfo(_WAITED)
        return information.si_signo, information.si_code <= 0
    number = signal.sigwait(_WAITED)
    return number, number != signal.SIGINT


def run_and_exit(work: Callable[[], int], state: State) -> NoReturn:
    """Run ``work`` in a child, report its errors, and end the process, whatever happens."""
    code = 1
    try:
        code = run_reported(work, state)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def end_with(alive: int, end: Callable[[], None]) -> None:
    """Call ``end`` once the write end of a pipe is closed, because the process that holds it has ended.

    A signal shows that, so it needs no thread.
    """

    def ended(_number: int, _frame: object) -> None:
        if select.select([alive], [], [], 0)[0]:
            signal.signal(signal.SIGIO, signal.SIG_IGN)
            end()

    signal.signal(signal.SIGIO, ended)
    fcntl.fcntl(alive, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(alive, fcntl.F_SETFL, fcntl.fcntl(alive, fcntl.F_GETFL) | os.O_ASYNC)
    ended(0, None)  # it may have ended before
