"""Numbers about a recording, and what it may have missed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rustnet.probe.lines import Keys

COUNTED = (
    "polls", "late_polls", "scans", "lines", "sockets", "packets_seen", "owned_by_packet", "closed_unseen", "unowned",
    "too_busy", "watch_pauses", "notices_lost", "clock_steps",
)  # fmt: skip


@dataclass
class Totals:
    """What a recording has come to so far."""

    count: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Sockets without an owner, by reason."""
    busy_ns: int = 0
    """Time spent in polls."""
    slowest_ns: int = 0
    longest_gap_ns: int = 0
    """From one poll to the next."""

    def poll_ended(self, spent_ns: int) -> None:
        """Count a poll."""
        self.count["polls"] += 1
        self.busy_ns += spent_ns
        self.slowest_ns = max(self.slowest_ns, spent_ns)

    def numbers(self) -> Keys:
        """All of it as keys of a line."""
        return {
            **{name: self.count[name] for name in COUNTED},
            "unowned_reasons": dict(self.reasons),
            "mean_poll_ms": round(self.busy_ns / 1e6 / max(self.count["polls"], 1), 3),
            "slowest_poll_ms": round(self.slowest_ns / 1e6, 3),
            "longest_gap_ms": round(self.longest_gap_ns / 1e6, 3),
        }


def missed(totals: Totals, interval: float, gives_notices: bool, dropped: int | None, unreadable: int) -> list[str]:
    """What a recording may have missed, in sentences; ``dropped`` is None where packets were not watched."""
    count = totals.count
    sentences = {
        f"sockets that opened and closed within {interval:g} s, without a trace": not gives_notices,
        f"owners of {count['closed_unseen']} sockets that were known only when they had ended": count["closed_unseen"],
        "owners of most sockets that lived shorter than the interval: packets were not watched": dropped is None,
        f"owners of {count['unowned']} sockets in all; unowned_reasons says why": count["unowned"],
        f"notices of ended sockets, {count['notices_lost']} times: the kernel had no room": count["notices_lost"],
        f"packets that open connections, {count['watch_pauses']} times: too many to watch": count["watch_pauses"],
        f"{dropped} packets that open connections: the kernel had no room for them": dropped,
        f"{count['late_polls']} polls came late, up to {totals.longest_gap_ns / 1e6:.0f} ms apart": count["late_polls"],
        f"sockets of {unreadable} processes that this user may not read": unreadable,
        f"the clock was set {count['clock_steps']} times: times do not agree": count["clock_steps"],
    }
    return [sentence for sentence, applies in sentences.items() if applies]
