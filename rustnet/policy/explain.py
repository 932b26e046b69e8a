"""The verdict over one flow, in words: why this process owns it, and why every other claim lost.

The rule is that of `rustnet.policy.ownership`, applied to the claims as a session stores them, in the order of
`rustnet.attribute.verdict`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rustnet.policy.ownership import CLASSES, MATCHES, REASONS, SLACK_SECONDS

Fields = Mapping[str, Any]
"""A row by the names of its columns. Of a claim also: ``process``, ``pid``, ``host``, ``started_at`` of its process."""

_LEAST, _MOST = -(1 << 62), 1 << 62
_SECOND = 1_000_000_000
_MEANS = {match.name: match.means for match in MATCHES}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What can be said of a flow's owner."""

    why: list[str]
    """Sentences about the verdict."""
    claims: list[str]
    """One for each claim, in the order given: why it won, or lost."""


def seconds(ns: float) -> str:
    """Length of time in words: ``12 ms``, ``3.02 s``, ``2.5 h``."""
    ns = abs(ns)
    if ns < _SECOND:
        return f"{ns / 1e6:.0f} ms"
    if ns < 600 * _SECOND:
        return f"{ns / 1e9:.2f}".rstrip("0").rstrip(".") + " s"
    return f"{ns / 60e9:,.1f} min" if ns < 36_000 * _SECOND else f"{ns / 3600e9:,.1f} h"


def clock_sentence(
    name: str, offset_ms: float, spread_ms: float, pairs: int, agreeing: int, *, added_ms: float = 0
) -> str:
    """Say what was found of a sidecar's clock."""
    way = "ahead of" if offset_ms > 0 else "behind"
    later = "later" if offset_ms > 0 else "earlier"
    done = f"corrected by {added_ms / 1e3:+.3f} s" if added_ms else "not corrected: --sidecar-offset auto would"
    return (
        f"{name}: its clock is {abs(offset_ms) / 1e3:.3f} s {way} the capture's: {agreeing:,} of {pairs:,} connections "
        f"begin so much {later} there, half of them within {spread_ms / 1e3:.3f} s; {done}"
    )


def class_of(rank: int) -> str:
    """Name of the class that a rank belongs to."""
    return next((c.name for c in CLASSES if c.first == rank // 10 * 10), "unranked")


def who(claim: Fields) -> str:
    """Name the process of a claim: ``curl (4711)``."""
    pid = f" ({claim['pid']})" if claim["pid"] is not None else ""
    return f"{claim['process'] or 'a process without a name'}{pid}"


class _Claim:
    """A claim as the policy sees it."""

    def __init__(self, fields: Fields, flow: Fields) -> None:
        self.fields = fields
        self.rank: int = fields["rank"]
        self.distance: float = fields["distance_ms"] * 1e6
        self.starts = _LEAST if fields["window_start"] is None else fields["window_start"]
        self.ends = _MOST if fields["window_end"] is None else fields["window_end"]
        self.overlap = max(0, min(self.ends, flow["ended_at"]) - max(self.starts, flow["started_at"]))
        self.seen: int | None = fields["observed_at"]
        began = fields["started_at"]
        added = (fields["offset_ms"] or 0) * 1e6
        late = None if began is None else began + added - flow["ended_at"]
        self.reused = late if late is not None and late > SLACK_SECONDS * _SECOND else None
        """How long after the flow's end the process began, where that rules it out."""
        self.flow = flow

    def order(self) -> tuple[Any, ...]:
        """Place among the flow's claims, as `rustnet.attribute.verdict` orders them."""
        seen = (1, 0) if self.seen is None else (0, -self.seen)
        return self.rank, self.distance > 0, -self.overlap, self.distance, seen, self.fields["process_id"]

    def where(self) -> str:
        """How the claim's window lies to the flow."""
        if self.distance == 0:
            if self.fields["match"] == "packet":
                return "it stands on packets of the flow"
            if self.starts == _LEAST and self.ends == _MOST:
                return "it is of no stated time"
            if self.starts <= self.flow["started_at"] and self.ends >= self.flow["ended_at"]:
                return "it covers the whole flow"
            return f"it overlaps the flow for {seconds(self.overlap)}"
        side = (
            "begins {} after the flow ended" if self.starts > self.flow["ended_at"] else "ends {} before the flow began"
        )
        return "it " + side.format(seconds(self.distance))


def explain(flow: Fields, claims: Sequence[Fields], clocks: Sequence[Fields]) -> Explanation:
    """Put the verdict over a flow into words. ``clocks`` are rows of `clocks` of its capture."""
    told = [_Claim(fields, flow) for fields in claims]
    owner = flow["process_id"]
    standing = [claim for claim in told if claim.reused is None and _eligible(claim, owner)]
    best = min(standing, key=_Claim.order, default=None)
    if best is not None and owner is not None and best.fields["process_id"] != owner:
        best = min((c for c in standing if c.fields["process_id"] == owner), key=_Claim.order, default=best)
    lines = [_fate(claim, best, flow) for claim in told]
    why = _won(best, told, flow) if owner is not None and best is not None else _nobody(best, told, flow)
    return Explanation(why + _clock_words(told, clocks, owned=owner is not None), lines)


def _eligible(claim: _Claim, owner: int | None) -> bool:
    """Whether a claim can have taken part: the owner's did, whatever the slack was."""
    return claim.distance <= SLACK_SECONDS * _SECOND or claim.fields["process_id"] == owner


def _won(best: _Claim, told: list[_Claim], flow: Fields) -> list[str]:
    """Why the owner owns the flow."""
    f = best.fields
    lines = [
        (
            f"{who(f)} owns it by {f['source']} {f['quality']}, rank {f['rank']} ({class_of(f['rank'])}): "
            f"{best.where()}; compared was {_MEANS.get(f['match'], f['match'])}"
        )
    ]
    if f["behind"]:
        lines.append(f"the source calls the ends {f['behind']}, and says itself that NAT made the flow's of them")
    rivals = [c for c in told if _rival(c, best)]
    if flow["process_contested"] and rivals:
        names = ", ".join(dict.fromkeys(who(c.fields) for c in rivals))
        lines.append(f"contested: {names} has a claim of the same class ({class_of(f['rank'])}) for the same time")
    lines += _reuse_words(told, best)
    return lines


def _nobody(best: _Claim | None, told: list[_Claim], flow: Fields) -> list[str]:
    """Why nobody owns the flow."""
    reason = flow["unowned_reason"]
    lines = [f"nobody: {REASONS[reason]}" if reason in REASONS else "nobody has judged it"]
    if reason == "contested" and best is not None:
        names = dict.fromkeys(who(c.fields) for c in told if c is best or _rival(c, best))
        lines.append(f"{' and '.join(names)} have claims of rank {best.rank}, equally long, equally near, equally late")
    return lines + _reuse_words(told, best)


def _reuse_words(told: list[_Claim], best: _Claim | None) -> list[str]:
    """Say which pids were used again."""
    lines = []
    for pid in sorted({c.fields["pid"] for c in told if c.fields["pid"] is not None}):
        starts = sorted({
            (c.fields["started_at"], c.fields["process"])
            for c in told
            if c.fields["pid"] == pid and c.fields["started_at"] is not None
            and (best is None or c.fields["host"] == best.fields["host"])
        }, key=lambda start: start[0])  # fmt: skip
        if len(starts) > 1 and starts[-1][0] - starts[0][0] > _SECOND:
            names = ", then ".join(name or "?" for _, name in starts)
            gap = seconds(starts[-1][0] - starts[0][0])
            lines.append(f"pid {pid} was used again: {names}, whose starts lie {gap} apart, are different processes")
    return lines


def _rival(claim: _Claim, best: _Claim) -> bool:
    """Whether a claim contests the best one."""
    return (
        claim is not best
        and claim.reused is None
        and claim.rank // 10 == best.rank // 10
        and not _same(claim.fields, best.fields)
        and min(claim.ends, best.ends) >= max(claim.starts, best.starts)
    )


def _same(one: Fields, other: Fields) -> bool:
    """Whether two claims name one process, as the policy sees it."""
    if one["process_id"] == other["process_id"]:
        return True
    if one["host"] is not None and other["host"] is not None and one["host"] != other["host"]:
        return False
    if one["pid"] is None or other["pid"] is None:
        return bool(one["process"] == other["process"])
    if one["pid"] != other["pid"]:
        return False
    starts = one["started_at"], other["started_at"]
    return None in starts or abs(starts[0] - starts[1]) <= _SECOND


def _fate(claim: _Claim, best: _Claim | None, flow: Fields) -> str:
    """Why one claim won or lost."""
    if claim.reused is not None:
        return f"lost: the process began {seconds(claim.reused)} after the flow had ended, its pid had been used again"
    if best is None or not _eligible(claim, flow["process_id"]):
        return f"too far: {claim.where()}"
    if claim is best:
        return "won" if flow["process_id"] is not None else "equal"
    if _same(claim.fields, best.fields):
        return "agrees: the same process"
    lost = _behind(claim, best)
    if lost is None and flow["process_id"] is None:
        return "equal"
    contested = ", and contests" if _rival(claim, best) and flow["process_contested"] else ""
    return f"lost: {lost or 'it was written down earlier'}{contested}"


def _behind(claim: _Claim, best: _Claim) -> str | None:
    """In what a claim is worse than the best one; ``None`` if in nothing but the time of its writing."""
    if claim.rank != best.rank:
        return f"rank {claim.rank} ({class_of(claim.rank)}) is worse than {best.rank} ({class_of(best.rank)})"
    if (claim.distance > 0) != (best.distance > 0):
        return claim.where()
    if claim.overlap != best.overlap:
        return f"{seconds(claim.overlap)} of overlap are less than {seconds(best.overlap)}"
    return f"{claim.where()}, which is farther" if claim.distance != best.distance else None


def _clock_words(told: list[_Claim], clocks: Sequence[Fields], *, owned: bool) -> list[str]:
    """What is known of the clocks of those who made the claims, where it matters."""
    lines = []
    for clock in clocks:
        claims = [c for c in told if c.fields["evidence"].rpartition(":")[0] == clock["origin"]
                  and clock["host"] in {None, c.fields["host"]}]  # fmt: skip
        if not claims or not (clock["wrong"] or clock["added_ms"]):
            continue
        name = f"{clock['origin']} ({clock['host']})" if clock["host"] else clock["origin"]
        lines.append(
            clock_sentence(name, clock["offset_ms"], clock["spread_ms"], clock["pairs"], clock["agreeing"],
                           added_ms=clock["added_ms"])
            if clock["wrong"]
            else f"{name}: its times were moved by {clock['added_ms'] / 1e3:+.3f} s, as asked"
        )  # fmt: skip
        moved = [abs(c.distance - abs(clock["offset_ms"]) * 1e6) <= SLACK_SECONDS * _SECOND for c in claims]
        if not owned and not clock["added_ms"] and any(moved):
            lines.append("corrected by that, a claim would lie at the flow's time")
    return lines
