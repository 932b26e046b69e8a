"""The one thread that asks the session: the newest question of a kind wins, the urgent ones go first.

A question that outranks the running one interrupts it, and the interrupted one is asked again afterwards. So nothing
but drawing happens on the thread of the screen, and what the eye waits for never waits for what it does not see.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rustnet.errors import RustnetError
from rustnet.query.execute import QueryFailedError, QueryStoppedError
from rustnet.query.session import Session

T = TypeVar("T")

IDLE_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class _Job:
    """One question."""

    key: str
    work: Callable[[Session], Any]
    done: Callable[[Any], None]
    failed: Callable[[RustnetError], None] | None
    priority: int
    at: float
    """Monotonic time from which on it may run."""
    dropped: bool = False
    """Nobody waits for its answer any more."""
    outranked: bool = False
    """It was interrupted by a more urgent one and is to be asked again."""
    begun: float = 0.0


class Runner:
    """Asks a session on a thread of its own and delivers the answers to the thread of the screen.

    ``deliver`` calls a function later on that thread (`textual.app.App.call_later`).
    """

    def __init__(self, session: Session, deliver: Callable[..., object], name: str = "rustnet-view") -> None:
        self.session = session
        self._deliver = deliver
        self._changed = threading.Condition()
        self._waiting: dict[str, _Job] = {}
        self._running: _Job | None = None
        self._undelivered = 0
        self._closed = False
        self.asked = 0
        """Number of questions asked so far."""
        self.busy_seconds = 0.0
        """Time that questions have taken so far."""
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(
        self,
        key: str,
        work: Callable[[Session], T],
        done: Callable[[T], None],
        failed: Callable[[RustnetError], None] | None = None,
        *,
        priority: int = 0,
        delay: float = 0.0,
    ) -> None:
        """Ask ``work(session)`` after ``delay`` seconds; an older question of the same key is dropped.

        ``done`` gets the answer, ``failed`` the error, both on the thread of the screen. Of two questions, the one with
        the lower ``priority`` goes first.
        """
        job = _Job(key, work, done, failed, priority, time.monotonic() + delay)
        with self._changed:
            if self._closed:
                return
            self._drop(key)
            self._waiting[key] = job
            running = self._running
            if running is not None and running.priority > priority and not delay and not running.dropped:
                running.outranked = True
                self.session.interrupt_all()
            self._changed.notify()

    def cancel(self, key: str | None = None) -> None:
        """Drop the question of a key, or all."""
        with self._changed:
            keys = [key] if key is not None else [*self._waiting, *([self._running.key] if self._running else [])]
            for each in keys:
                self._drop(each)
                self._waiting.pop(each, None)

    def _drop(self, key: str) -> None:
        """Let nobody wait for the questions of a key any more."""
        if key in self._waiting:
            self._waiting[key].dropped = True
        if self._running is not None and self._running.key == key and not self._running.dropped:
            self._running.dropped = True
            self.session.interrupt_all()

    @property
    def idle(self) -> bool:
        """Whether no question waits or runs, and all answers have been delivered."""
        with self._changed:
            return not self._waiting and self._running is None and not self._undelivered

    @property
    def running_seconds(self) -> float:
        """How long the present question has been running; 0 without one."""
        running = self._running
        return 0.0 if running is None or running.dropped else time.monotonic() - running.begun

    def close(self) -> None:
        """Stop what runs and end the thread. The session stays open."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            if self._running is not None:
                self._running.dropped = True
                self.session.interrupt_all()
            self._changed.notify()
        self._thread.join(5)

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            answer: Any = None
            error: RustnetError | None = None
            try:
                answer = job.work(self.session)
            except QueryStoppedError as stopped:
                error = stopped
            except RustnetError as failure:
                error = failure
            except MemoryError:
                error = QueryFailedError("the question needs more memory than it may have; ask for less")
            except Exception as failure:  # noqa: BLE001 -- the thread must go on, and the screen must show the error
                if not job.dropped and not job.outranked:
                    error = _internal(failure)
            self._ended(job, answer, error)

    def _next(self) -> _Job | None:
        """Wait for the most urgent question; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                ready = [job for job in self._waiting.values() if job.at <= now]
                if ready:
                    job = min(ready, key=lambda job: (job.priority, job.at))
                    del self._waiting[job.key]
                    job.outranked = False
                    job.begun = now
                    self._running = job
                    self.asked += 1
                    return job
                next_at = min((job.at for job in self._waiting.values()), default=now + IDLE_SECONDS)
                self._changed.wait(next_at - now)
            return None

    def _ended(self, job: _Job, answer: Any, error: RustnetError | None) -> None:
        with self._changed:
            self._running = None
            self.busy_seconds += time.monotonic() - job.begun
            if job.dropped or self._closed:
                return
            if job.outranked and isinstance(error, QueryStoppedError):
                self._waiting.setdefault(job.key, job)
                return
            self._undelivered += 1
        self._deliver(self._hand_over, job, answer, error)

    def _hand_over(self, job: _Job, answer: Any, error: RustnetError | None) -> None:
        """Give an answer to who asked, unless a newer question has been asked meanwhile."""
        with self._changed:
            self._undelivered -= 1
        if job.dropped:
            return
        if error is None:
            job.done(answer)
        elif job.failed is not None:
            job.failed(error)


def _internal(error: Exception) -> RustnetError:
    """Error of this program while it asked; its text may contain captured data, so only its kind is shown."""
    wrapped = RustnetError("the screen could not be filled: internal error {kind}", kind=type(error).__name__)
    wrapped.__cause__ = error
    return wrapped
