"""Rows on how owners of flows are learned in a live capture, from what the probe states about its recording.

The probe's lines are checked like those of a file.
"""

import threading
import time
from dataclasses import replace
from typing import Any

from rustnet.attribute.live_coverage import LiveCoverage
from rustnet.attribute.values import BadValue, bounded_integer, bounded_text, parse_time
from rustnet.ingest.live_state import Coverage, LiveState
from rustnet.probe.ebpf.reasons import REASONS
from rustnet.store.batches import Batch, Records
from rustnet.store.live_tables import AttributionRow

EVENTS = ("start", "progress", "gap", "end")
"""Records of the probe that become rows."""
METHODS = ("ebpf", "sock_diag", "proc", "psutil")
"""Methods by which owners are learned, the best one first."""
COUNTS = {
    "sockets": "sockets", "unowned": "unowned", "closed_unseen": "closed_unseen", "too_busy": "too_busy",
    "events_lost": "events_lost", "notices_lost": "notices_lost", "packets_lost": "packets_dropped",
    "unreadable_processes": "unreadable_processes", "late_polls": "late_polls", "clock_steps": "clock_steps",
}  # fmt: skip
"""Columns with numbers, and the keys they come from."""
WAITING, LISTED, WORD, SENTENCE, MOST = 1000, 32, 64, 500, 1 << 53
"""Rows that wait at most, entries of a list, characters of a word and of a sentence, and the largest number."""

Line = dict[str, Any]


class AttributionRows:
    """Turns lines about the recording into rows of one capture; one thread may add while another takes."""

    def __init__(self, capture_id: int) -> None:
        self.capture_id = capture_id
        self.method: str | None = None
        """Best method in force; None: owners are not learned."""
        self.invalid = 0
        """Lines with a wrong value."""
        self.dropped = 0
        """Rows for which there was no room."""
        self._counts: dict[str, Any] = {}
        """Numbers of the last row."""
        self._waiting: list[AttributionRow] = []
        self._lock = threading.Lock()

    def takes(self, line: Line) -> bool:
        """Whether this is a line about the recording of processes."""
        return line.get("record") in EVENTS and line.get("protocol") == "META"

    def add(self, line: Line) -> None:
        """Take one line in; never raises."""
        try:
            row = self._row(line)
        except (BadValue, TypeError, ValueError):
            self.invalid += 1
            return
        self.method = None if row.event == "end" else row.method
        self._counts = {name: getattr(row, name) for name in COUNTS}
        self._put(row)

    def ended(self) -> None:
        """The probe has ended before the capture: from here on no owner is learned."""
        self.method = None
        self._put(AttributionRow(self.capture_id, time.time_ns(), "ended_early", **self._counts))

    def take(self) -> list[Batch]:
        """The rows since the last call."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return [Records(AttributionRow, waiting)] if waiting else []

    def stated(self, state: LiveState, coverage: LiveCoverage) -> LiveState:
        """Add method and coverage to the state of the capture."""
        return replace(
            state,
            attribution=self.method,
            flows_owned=Coverage(coverage.all.flows_owned, coverage.all.flows),
            bytes_owned=Coverage(coverage.all.bytes_owned, coverage.all.bytes),
            flows_owned_last_minute=Coverage(coverage.minute.flows_owned, coverage.minute.flows),
            bytes_owned_last_minute=Coverage(coverage.minute.bytes_owned, coverage.minute.bytes),
        )

    def _put(self, row: AttributionRow) -> None:
        with self._lock:
            if len(self._waiting) < WAITING:
                self._waiting.append(row)
            else:
                self.dropped += 1

    def _row(self, line: Line) -> AttributionRow:
        ts = parse_time(line.get("last_seen"))
        if ts is None:
            raise BadValue("missing time")
        methods = _texts(line.get("methods"), WORD)
        values: dict[str, Any] = {key: bounded_integer(line.get(given), MOST) for key, given in COUNTS.items()}
        return AttributionRow(
            self.capture_id,
            ts,
            line["record"],
            method=next((name for name in METHODS if name in methods), None),
            methods=methods,
            longest_gap_ms=_duration(line.get("longest_gap_ms")),
            missed=_texts(line.get("missed"), SENTENCE) or None,
            **values,
            **_missing(line.get("unavailable")),
        )


def _missing(unavailable: object) -> dict[str, Any]:
    """The best method that is not in force, and why."""
    first = unavailable[0] if type(unavailable) is list and unavailable else None
    if type(first) is not dict:
        return {}
    reason = bounded_text(first.get("reason"), WORD)
    known = REASONS.get(reason or "")
    parts = (known and known.means, bounded_text(first.get("detail"), SENTENCE), known and known.remedy)
    return {
        "missing_method": bounded_text(first.get("method"), WORD),
        "missing_reason": reason,
        "missing_detail": "; ".join(part for part in parts if part) or None,
    }


def _texts(value: object, longest: int) -> list[str]:
    """A list of texts, cut to `LISTED` entries."""
    if value is None:
        return []
    if type(value) is not list:
        raise BadValue("expected a list")
    return [text for one in value[:LISTED] if (text := bounded_text(one, longest))]


def _duration(value: object) -> float | None:
    """Milliseconds, from 0 to a century."""
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= 4e12:  # type: ignore[operator]
        raise BadValue("expected milliseconds")
    return float(value)  # type: ignore[arg-type]
