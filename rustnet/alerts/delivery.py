"""`Delivery`: hands raised alerts to a process of their own, which runs a program, asks a web address, notifies.

That process is forked at the beginning, before this one has other threads, gives up privileges or is confined: what it
starts has the rights of the user who called, never root's (`rustnet.alerts.outbox`). This side never waits for it.
"""

import contextlib
import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rustnet.alerts.definitions import SEVERITIES
from rustnet.alerts.engine import Raised
from rustnet.alerts.findings import as_json
from rustnet.errors import UsageError
from rustnet.i18n import _, ngettext
from rustnet.isolation import find_program
from rustnet.present.text import printable

LAST_SECONDS = 5.0
"""Time for what waits when the run has ended."""
_MARGIN = 2.0
WAITING = 1 << 20
"""Most bytes that wait for the process; further alerts are not delivered."""
_REPORT = 1 << 16
"""Most bytes of the report of the process."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where alerts are delivered to."""

    command: tuple[str, ...] = ()
    """Program and its arguments: it gets an alert as JSON on its standard input."""
    webhook: str = ""
    """Address of HTTP to which an alert is posted as JSON (`rustnet.config_values.web_address`)."""
    desktop: bool = False
    """Show alerts as notifications of the desktop."""
    least: str = "low"
    """Least severity of what is delivered."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.command or self.webhook or self.desktop)


def checked(targets: Targets) -> Targets:
    """Return targets with the whole path of the program. Raises `UsageError` for what cannot work."""
    command = targets.command
    if targets and not hasattr(os, "fork"):
        raise UsageError("alerts can be delivered on Unix systems only")
    if command:
        program = command[0] if Path(command[0]).is_absolute() else find_program(command[0])
        if program is None or ("/" in command[0].lstrip("/") and not Path(command[0]).is_absolute()):
            raise UsageError(
                "alerts.command: {name}: there is no such program; give its absolute path", name=command[0]
            )
        if not Path(program).is_file() or not os.access(program, os.X_OK):
            raise UsageError("alerts.command: {name}: is not a program that can be run", name=program)
        command = (program, *command[1:])
    if targets.desktop and notifier() is None:
        raise UsageError("alerts.desktop: there is no notify-send (package libnotify-bin) on this machine")
    return Targets(command, targets.webhook, targets.desktop, targets.least)


def notifier() -> str | None:
    """Return the program that shows notifications."""
    return find_program("osascript" if sys.platform == "darwin" else "notify-send")


def message(raised: Raised, session: str) -> dict[str, object]:
    """Return an alert as it is handed on; times are nanoseconds since 1970 UTC."""
    return {
        "alert": raised.name, "id": raised.alert_id, "title": raised.title, "severity": raised.severity,
        "summary": raised.summary, "ts": raised.ts, "raised_at": raised.raised_at, "session": session,
        "capture": raised.capture_id, "flow": raised.flow_id, "query": raised.query,
        "parameters": dict(raised.parameters), "keys": json.loads(raised.keys), "row": json.loads(raised.row),
    }  # fmt: skip


class Delivery:
    """The process that delivers, from the beginning of a run to its end."""

    def __init__(self, targets: Targets, session: str) -> None:
        from rustnet.alerts.outbox import serve  # noqa: PLC0415 -- only where something is delivered

        self._least = SEVERITIES.index(targets.least)
        self._session = session
        self._waiting = b""
        self.dropped = 0
        """Alerts that could not be handed to the process."""
        self._link, theirs = socket.socketpair()
        program = notifier() if targets.desktop else None
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                serve(theirs, targets, program)
                status = 0
            finally:
                os._exit(status)
        theirs.close()
        self._link.setblocking(False)

    def send(self, raised: Raised) -> None:
        """Hand on an alert that is severe enough; returns at once."""
        if SEVERITIES.index(raised.severity) < self._least:
            return
        line = as_json(message(raised, self._session)).encode() + b"\n"
        if len(self._waiting) + len(line) > WAITING:
            self.dropped += 1
            return
        self._waiting += line
        self._push()

    def _push(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._waiting:
                try:
                    sent = self._link.send(self._waiting)
                except (BrokenPipeError, ConnectionError):
                    self.dropped += self._waiting.count(b"\n")
                    self._waiting = b""
                    return
                self._waiting = self._waiting[sent:]

    def close(self) -> list[str]:
        """Wait for what can still be delivered, end the process, and return sentences about what was not."""
        if self.pid < 0:
            return []
        self._push()
        self.dropped += self._waiting.count(b"\n")
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)
        report = self._last_words(time.monotonic() + LAST_SECONDS + _MARGIN)
        self._link.close()
        with contextlib.suppress(OSError):
            os.kill(self.pid, 9)  # it has ended by itself, or hangs; a confined process cannot send signals
        until = time.monotonic() + _MARGIN
        with contextlib.suppress(ChildProcessError):
            while not os.waitpid(self.pid, os.WNOHANG)[0] and time.monotonic() < until:
                time.sleep(0.005)
        self.pid = -1
        return self._sentences(report)

    def _last_words(self, until: float) -> bytes:
        report = b""
        while len(report) < _REPORT:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._link], [], [], left)[0]:
                break
            try:
                part = self._link.recv(4096)
            except OSError:
                break
            if not part:
                break
            report += part
        return report

    def _sentences(self, report: bytes) -> list[str]:
        words = []
        try:
            counted = json.loads(report)
            for target, (failed, reason) in sorted(counted.items()):
                if failed:
                    text = ngettext(
                        "{n} alert was not delivered to {target} ({reason})",
                        "{n} alerts were not delivered to {target} ({reason})", int(failed),
                    )  # fmt: skip
                    words.append(text.format(n=int(failed), target=printable(target), reason=printable(reason)[:200]))
        except (ValueError, TypeError, AttributeError):
            words.append(_("the process that delivers alerts ended early; some may not have been delivered"))
        if self.dropped:
            text = ngettext(
                "{n} alert was not delivered: too many waited", "{n} alerts were not delivered: too many waited",
                self.dropped,
            )  # fmt: skip
            words.append(text.format(n=self.dropped))
        return words
