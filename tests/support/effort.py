"""How much work is done: time that grows with the input, examples per property, and waits for a condition."""

import fcntl
import os
import termios
import time
from collections.abc import Callable
from typing import IO

DEEP = os.environ.get("RUSTNET_HYPOTHESIS") == "deep"


def examples(fast: int) -> int:
    """Examples of a property: this many, or twenty times as many in the deep profile."""
    return fast * 20 if DEEP else fast


def cpu_seconds(work: Callable[[int], object], size: int) -> float:
    """Processor time of all threads for a piece of work; unlike the time on the wall it does not see other programs."""
    begun = time.process_time()
    work(size)
    return time.process_time() - begun


def assert_linear(work: Callable[[int], object], size: int, slack: float = 0.05) -> None:
    """Check that four times the size costs about four times the time: by the square it would be sixteen times.

    ``slack`` is what a measurement may be wrong by, in seconds; ``work`` should cost more than that by the square.
    """
    small = min(cpu_seconds(work, size) for _ in range(2))
    large = cpu_seconds(work, 4 * size)
    if large >= 9 * small + slack:  # once more: something else may have used the processor's caches
        large = min(large, cpu_seconds(work, 4 * size))
    assert large < 9 * small + slack, f"{large:.2f} s for four times of what took {small:.2f} s"


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until a condition holds; fail where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.01)


def drained(pipe: IO[bytes]) -> bool:
    """Whether the reader of a pipe has taken all that was written to it."""
    return fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)) == bytes(4)
