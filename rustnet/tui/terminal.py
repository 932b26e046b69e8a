"""What the browser needs of a terminal, and how it gives the terminal back, however it ends.

Nothing here imports Textual: some of this must happen before it is imported, and some in a process that never does.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rustnet.errors import ExitCode, RustnetError
from rustnet.i18n import _

if TYPE_CHECKING:
    from textual.app import App

    Base = App[int]
else:
    Base = object

SETTINGS = {"ESCDELAY": "25", "TEXTUAL_SMOOTH_SCROLL": "0", "TEXTUAL_ANIMATIONS": "none"}
"""Variables that Textual reads when it is imported: how long Esc waits for the rest of a sequence, in milliseconds; no
positions of the mouse in pixels, which it divides twice; no animations."""
IGNORED = ("TEXTUAL", "TEXTUAL_LOG", "TEXTUAL_PRESS", "TEXTUAL_SCREENSHOT", "TEXTUAL_SHOW_RETURN",
           "TEXTUAL_ALLOW_SIGNALS")  # fmt: skip
"""Variables for developers of Textual applications: some write captured data into files."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end the browser."""
TEXTUALS_SIGNALS = ("SIGTSTP", "SIGCONT", "SIGWINCH")
"""Signals whose handlers Textual leaves behind, though they are for a screen that there is no more."""
PATIENCE = 3.0
"""Seconds that the browser has to end after a signal; then the process ends at once."""
ONCE = 0.5
"""Seconds within which further signals are the same: a shell passes on what the terminal has sent already."""
RESET = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # no mouse
    "\x1b[?2004l\x1b[?2048l\x1b[?1004l\x1b[<u\x1b[?7h"  # no pasting in brackets, reports of size and focus, keys; wrap
    "\x1b[?1049l\x1b[?25h\x1b[0m"  # the usual screen, its cursor, no colours
)
"""Ends every mode that Textual begins."""
_TERMINAL = "/dev/tty"


def prepare() -> None:
    """Set the environment that Textual reads when it is imported."""
    os.environ.update(SETTINGS)
    for name in IGNORED:
        os.environ.pop(name, None)


def missing() -> str | None:
    """Why the browser cannot be shown here, in words; None if it can."""
    if not _shown(1):
        return _("standard output is no terminal")
    if not _shown(2):
        return _("standard error is no terminal")
    if os.environ.get("TERM", "") in {"", "dumb"}:
        return _("the terminal has no screen (TERM={name})").format(name=os.environ.get("TERM", ""))
    if not os.isatty(0):
        try:
            os.close(os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC))
        except OSError:
            return _("standard input is no terminal, and there is no other one for the keys")
    return None


def _shown(number: int) -> bool:
    """Whether a descriptor is a terminal, and this program still writes to it."""
    stream = sys.stdout if number == 1 else sys.stderr
    try:
        return os.isatty(number) and stream.isatty()
    except ValueError:  # closed
        return False


def in_foreground() -> bool:
    """Whether this process may read from its terminal now."""
    with contextlib.suppress(OSError):
        handle = os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC)
        try:
            return os.tcgetpgrp(handle) == os.getpgrp()
        finally:
            os.close(handle)
    return False


def keys_from_terminal() -> None:
    """Let descriptor 0 be the terminal if it is a pipe or a file. Raises `OSError`."""
    if os.isatty(0):
        return
    handle = os.open(_TERMINAL, os.O_RDWR)
    os.dup2(handle, 0)
    os.close(handle)


class Modes:
    """The modes of a terminal as they are now, to be put back later."""

    def __init__(self, handle: int = 2) -> None:
        self._handle = handle
        self._attributes: list[Any] | None = None
        with contextlib.suppress(ImportError, OSError, ValueError):
            import termios  # noqa: PLC0415 -- not on Windows

            with contextlib.suppress(termios.error):
                self._attributes = termios.tcgetattr(handle)

    def restore(self, *, reset: bool) -> None:
        """Put them back; ``reset`` also ends what Textual began. Never waits for a terminal that takes no more."""
        if self._attributes is None:
            return
        import termios  # noqa: PLC0415 -- not on Windows

        old = signal.signal(signal.SIGTTOU, signal.SIG_IGN) if _is_main() else None
        with contextlib.suppress(OSError, ValueError):
            if reset and select.select([], [self._handle], [], 0)[1]:
                os.write(self._handle, RESET.encode())
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._handle, termios.TCSANOW, self._attributes)
        with contextlib.suppress(termios.error):  # what the terminal reported last is no input of the shell
            termios.tcflush(self._handle, termios.TCIFLUSH)
        if old is not None:
            signal.signal(signal.SIGTTOU, old)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


class Guarded(Base):
    """Part of the browser's application: a failure is one line after its end, and no value of a variable is shown.

    Textual's own report prints the variables of every frame: captured data, whether they are to be redacted or not.
    """

    failure: BaseException | None = None
    """What ended the browser."""

    def on_mount(self) -> None:
        """Draw the screen again when the process goes on after it was suspended."""
        self.app_resume_signal.subscribe(self, self._resumed, immediate=True)

    def _resumed(self, _app: object) -> None:
        self.screen.refresh(repaint=True, layout=True)

    def _fatal_error(self) -> None:
        """Textual calls this in an exception's handler."""
        self._end(sys.exc_info()[1] or self._exception)

    def panic(self, *_renderables: Any) -> None:
        """Textual calls this with a report, for errors that describe themselves and those of its other threads."""
        self._end(sys.exc_info()[1] or self._exception)

    def _end(self, error: BaseException | None) -> None:
        if self.failure is None:
            self.failure = error or RustnetError("the terminal cannot be read")
        self._return_code = int(ExitCode.FAILURE)
        self._close_messages_no_wait()

    def interrupt(self) -> bool:
        """Quit at once, from a signal's handler or another thread; returns whether there is something to quit."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(self.exit, int(ExitCode.INTERRUPTED))
        return True


def run_application(make: Callable[[], Guarded], *, debug: bool = False) -> int:
    """Run the browser until it ends; returns its exit code. The terminal is as it was before, whatever happens."""
    modes = Modes()
    signalled = threading.Event()
    watch = threading.Timer(PATIENCE, _end_now, (modes,))
    watch.daemon = True
    application: Guarded | None = None
    first = 0.0

    def interrupt() -> None:
        nonlocal first
        if signalled.is_set():
            if time.monotonic() - first > ONCE:
                _end_now(modes)
            return
        first = time.monotonic()
        signalled.set()
        watch.start()
        if application is None or not application.interrupt():
            raise KeyboardInterrupt

    failure: BaseException | None = None
    code = int(ExitCode.INTERRUPTED)
    with _handled(interrupt):
        try:
            application = make()
            result = application.run()
            code = application.return_code or ExitCode.DONE if result is None else result
            failure = application.failure
        except KeyboardInterrupt:
            modes.restore(reset=True)
        except Exception as error:  # noqa: BLE001 -- Textual has failed where nothing reports it
            failure = error
            modes.restore(reset=True)
        finally:
            modes.restore(reset=False)
            watch.cancel()
    if signalled.is_set():
        return ExitCode.INTERRUPTED
    if failure is not None:
        report(failure, debug=debug)
        return ExitCode.FAILURE
    return code


def _end_now(modes: Modes) -> None:
    """End the process; what else it has to clean up, others do (see `rustnet.cli.watched`)."""
    modes.restore(reset=True)
    os._exit(ExitCode.INTERRUPTED)


@contextlib.contextmanager
def _handled(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call ``interrupt`` for each signal that ends the browser."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        interrupt()

    if not _is_main():
        yield
        return
    own = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    textuals = [getattr(signal, name) for name in TEXTUALS_SIGNALS if hasattr(signal, name)]
    previous = {number: signal.getsignal(number) for number in (*own, *textuals)}
    for number in own:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def report(error: BaseException, *, debug: bool = False) -> None:
    """Print why the browser ended: in one line without captured data, or with a traceback."""
    if debug:
        traceback.print_exception(error)
    words = _("rustnet: internal error: the browser ended: {kind} in {place}; --debug shows more (please report it)")
    sys.stderr.write(words.format(kind=type(error).__name__, place=_place(error)) + "\n")
    sys.stderr.flush()


def _place(error: BaseException) -> str:
    """Module and line of this program where an error arose; its text may hold captured data and is not shown."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{os.sep}rustnet{os.sep}" in frame.filename] or list(frames)
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else _("an unknown place")
