"""One trial: a capture file through sources, engine, parsers and columns, and what must not happen on the way."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rustnet.analysis.collector import Collector
from rustnet.dissect.framework.conversation import Conversation, Dissector
from rustnet.dissect.framework.dispatch import Dispatcher
from rustnet.dissect.registry import DISSECTORS
from rustnet.engine.columns import FlowColumns
from rustnet.engine.tracker import Tracker
from rustnet.enrich.services import server_ranks
from rustnet.errors import InputError
from rustnet.sources.files import FileSource

WANTED = bytes([1]) * 512
RANKS = server_ranks([port for d in DISSECTORS for port in d.ports])
SECONDS = 10
"""Time that one capture of at most a few hundred kilobytes may take."""


class StrictDispatcher(Dispatcher):
    """Malformed messages are anomalies, as always; any other exception of a parser is raised."""

    def parser_failed(self, talk: Conversation, error: Exception) -> None:
        """Raise what a parser must not raise."""
        raise error


@dataclass
class Outcome:
    """What became of a capture."""

    packets: int = 0
    flows: int = 0
    rows: int = 0
    anomalies: int = 0
    refused: bool = False
    seconds: float = 0.0
    swallowed: list[str] = field(default_factory=list)
    """Exceptions that compiled code or a destructor could only print."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the middle of what takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(path: Path, batch_packets: int = 65_536, dissectors: Sequence[Dissector] = DISSECTORS) -> Outcome:
    """Read one capture; raises whatever a correct program must not raise."""
    outcome = Outcome()
    hook = sys.unraisablehook
    sys.unraisablehook = lambda said: outcome.swallowed.append(f"{said.exc_value!r} in {said.object!r}")
    started = time.perf_counter()
    try:
        with limited(SECONDS):
            travel(path, batch_packets, outcome, dissectors)
    except InputError as problem:
        outcome.refused = True
        text = str(problem)
        assert text, "an error without words"
        assert "\n" not in text, text
    finally:
        sys.unraisablehook = hook
    outcome.seconds = time.perf_counter() - started
    assert not outcome.swallowed, outcome.swallowed
    return outcome


def travel(path: Path, batch_packets: int, outcome: Outcome, dissectors: Sequence[Dissector]) -> None:
    """The road of `rustnet.ingest.road`, without the database."""
    collector = Collector(1)
    tracker = Tracker(StrictDispatcher(dissectors, collector), WANTED, RANKS)
    columns = FlowColumns({}, {}, {}, {})
    fed = 0
    source = FileSource(str(path), batch_packets=batch_packets)
    try:
        for frames in source.batches():
            tracker.feed(frames)
            fed += frames.count
            index = tracker.index.take()
            assert len(index["number"]) == frames.count
            ended = tracker.close_ended()
            outcome.flows += len(ended)
            columns.build(ended, tracker.last_ts)
    finally:
        source.close()
    ended = tracker.finish()
    outcome.flows += len(ended)
    columns.build(ended, tracker.last_ts)
    check(tracker, source, fed)
    outcome.packets = fed
    outcome.rows = sum(len(rows) for rows in collector.rows.values())
    outcome.anomalies = len(collector.anomalies) + len(source.damage)
    collector.take(everything=True)


def check(tracker: Tracker, source: FileSource, fed: int) -> None:
    """Everything is accounted for, and nothing is left behind."""
    assert tracker.index.count == 0
    assert tracker.table.count == 0
    assert tracker.streams.total == 0
    assert tracker.last_number == fed == sum(interface.packets for interface in source.interfaces)
