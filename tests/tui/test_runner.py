"""The thread that asks the session: the newest question of a key wins, urgent ones go first."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rustnet.errors import RustnetError
from rustnet.query.session import Session, open_session
from rustnet.tui.runner import Runner

SLOW = "SELECT count(*) FROM range(40000000) a(x) WHERE hash(x) % 7 = sin(x)"
"""Takes seconds, and can be interrupted."""


class Asked:
    """A runner whose answers are kept, in the order in which they came."""

    def __init__(self, session: Session) -> None:
        self.answers: list[Any] = []
        self.errors: list[RustnetError] = []
        self.runner = Runner(session, lambda call, *values: call(*values))

    def ask(self, key: str, sql: str, **options: Any) -> None:
        """Ask for one value."""
        self.runner.submit(
            key,
            lambda session: session.execute_own(sql).rows[0][0],
            lambda value: self.answers.append((key, value)),
            self.errors.append,
            **options,
        )

    def wait(self, until: Callable[[], bool] | None = None, seconds: float = 20.0) -> None:
        """Wait until nothing runs."""
        end = time.monotonic() + seconds
        while not (self.runner.idle and (until is None or until())):
            assert time.monotonic() < end, "the runner did not come to rest"
            time.sleep(0.005)

    def begin(self, key: str, **options: Any) -> None:
        """Ask a slow question, and wait until it runs."""
        asked = self.runner.asked
        self.ask(key, SLOW, **options)
        end = time.monotonic() + 10
        while self.runner.asked == asked or self.runner.running_seconds < 0.05:
            assert time.monotonic() < end
            time.sleep(0.005)


@pytest.fixture
def asked(web: Path) -> Iterator[Asked]:
    with open_session(web, threads=1) as session:
        made = Asked(session)
        yield made
        made.runner.close()


def test_answers_come_one_after_the_other(asked: Asked) -> None:
    for number in range(5):
        asked.ask(f"q{number}", f"SELECT {number}")
    asked.wait()
    assert sorted(asked.answers) == [(f"q{number}", number) for number in range(5)]


def test_the_newest_question_of_a_key_interrupts_the_running_one(asked: Asked) -> None:
    asked.begin("rows")
    begun = time.monotonic()
    asked.ask("rows", "SELECT 7")
    asked.wait()
    assert time.monotonic() - begun < 1.0
    assert asked.answers == [("rows", 7)]
    assert asked.errors == []


def test_an_urgent_question_goes_first_and_the_interrupted_one_is_asked_again(asked: Asked) -> None:
    asked.begin("index", priority=3)
    begun = time.monotonic()
    asked.ask("rows", "SELECT 1", priority=0)
    end = time.monotonic() + 5
    while not asked.answers:
        assert time.monotonic() < end
        time.sleep(0.005)
    assert time.monotonic() - begun < 1.0
    assert asked.answers == [("rows", 1)]
    asked.wait(seconds=60)
    assert [key for key, _value in asked.answers] == ["rows", "index"]
    assert asked.errors == []


def test_of_waiting_questions_the_most_urgent_goes_first(asked: Asked) -> None:
    asked.begin("slow", priority=0)
    asked.ask("later", "SELECT 3", priority=3)
    asked.ask("soon", "SELECT 1", priority=1)
    asked.runner.cancel("slow")
    asked.wait()
    assert asked.answers == [("soon", 1), ("later", 3)]


def test_a_delayed_question_waits_and_does_not_interrupt(asked: Asked) -> None:
    begun = time.monotonic()
    asked.ask("index", "SELECT 2", delay=0.3)
    asked.ask("rows", "SELECT 1")
    asked.wait(lambda: len(asked.answers) == 2)
    assert asked.answers == [("rows", 1), ("index", 2)]
    assert time.monotonic() - begun >= 0.3


def test_cancelled_questions_have_no_answer(asked: Asked) -> None:
    asked.begin("a")
    asked.ask("b", "SELECT 1", priority=1)
    asked.runner.cancel()
    asked.wait()
    assert asked.answers == []
    assert asked.errors == []


def test_errors_are_delivered_and_the_thread_goes_on(asked: Asked) -> None:
    asked.ask("bad", "SELECT nothing FROM nowhere")
    asked.wait()
    assert len(asked.errors) == 1

    def broken(_session: Session) -> None:
        raise ValueError("secret of the capture")

    asked.runner.submit("bug", broken, asked.answers.append, asked.errors.append)
    asked.wait()
    assert "ValueError" in str(asked.errors[1])
    assert "secret" not in str(asked.errors[1])
    asked.ask("good", "SELECT 1")
    asked.wait()
    assert asked.answers == [("good", 1)]


def test_closing_interrupts_what_runs(asked: Asked) -> None:
    asked.begin("a")
    begun = time.monotonic()
    asked.runner.close()
    assert time.monotonic() - begun < 2.0
    assert not [thread for thread in threading.enumerate() if thread.name == "rustnet-view"]
    asked.ask("late", "SELECT 1")
    time.sleep(0.05)
    assert asked.answers == []
