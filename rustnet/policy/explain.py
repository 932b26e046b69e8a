"""Explain the verdict over one flow: why this process is the owner, and why every other claim lost.

Applies the rule of `rustnet.policy.ownership` to the claims of a session, in the order of `rustnet.attribute.verdict`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rustnet.i18n import _, marked
from rustnet.policy.ownership import CLASSES, MATCHES, REASONS, SLACK_SECONDS

Fields = Mapping[str, Any]
"""A row by column name. A claim also has ``process``, ``pid``, ``host`` and ``started_at`` of its process."""

_LEAST, _MOST = -(1 << 62), 1 << 62
_SECOND = 1_000_000_000
_COMPARED = {match.name: match.means for match in MATCHES}

WON, EQUAL = "won", "equal"
"""Outcomes of a claim that need no sentence; they are not translated."""

_CLOCK = {
    (True, False): marked(
        "{name}: its clock is {offset:.3f} s ahead of the capture's: {agreeing:,} of {pairs:,} connections begin that "
        "much later there, half of them within {spread:.3f} s; not corrected (--sidecar-offset auto corrects it)"
    ),
    (True, True): marked(
        "{name}: its clock is {offset:.3f} s ahead of the capture's: {agreeing:,} of {pairs:,} connections begin that "
        "much later there, half of them within {spread:.3f} s; corrected by {added:+.3f} s"
    ),
    (False, False): marked(
        "{name}: its clock is {offset:.3f} s behind the capture's: {agreeing:,} of {pairs:,} connections begin that "
        "much earlier there, half of them within {spread:.3f} s; not corrected (--sidecar-offset auto corrects it)"
    ),
    (False, True): marked(
        "{name}: its clock is {offset:.3f} s behind the capture's: {agreeing:,} of {pairs:,} connections begin that "
        "much earlier there, half of them within {spread:.3f} s; corrected by {added:+.3f} s"
    ),
}
"""Sentence on a wrong clock, by whether it is ahead and whether it was corrected."""

_LOST = {
    "rank": (
        marked("lost: rank {rank} ({class_name}) is worse than {best_rank} ({best_class})"),
        marked("lost, but contests the owner: rank {rank} ({class_name}) is worse than {best_rank} ({best_class})"),
    ),
    "after": (
        marked("lost: begins {gap} after the flow ended"),
        marked("lost, but contests the owner: begins {gap} after the flow ended"),
    ),
    "before": (
        marked("lost: ends {gap} before the flow began"),
        marked("lost, but contests the owner: ends {gap} before the flow began"),
    ),
    "overlap": (
        marked("lost: overlaps the flow for {overlap}, the owner's claim for {best_overlap}"),
        marked("lost, but contests the owner: overlaps the flow for {overlap}, the owner's claim for {best_overlap}"),
    ),
    "farther after": (
        marked("lost: begins {gap} after the flow ended, farther away than the owner's claim"),
        marked("lost, but contests the owner: begins {gap} after the flow ended, farther away than the owner's claim"),
    ),
    "farther before": (
        marked("lost: ends {gap} before the flow began, farther away than the owner's claim"),
        marked("lost, but contests the owner: ends {gap} before the flow began, farther away than the owner's claim"),
    ),
    "earlier": (
        marked("lost: was recorded earlier than the owner's claim"),
        marked("lost, but contests the owner: was recorded earlier than the owner's claim"),
    ),
}
"""Sentences on a claim that lost, without and with a contest."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Reasons for a flow's owner."""

    why: list[str]
    """Sentences about the verdict."""
    claims: list[str]
    """Outcome of each claim, in the order given: `WON`, `EQUAL` or a sentence."""


def seconds(ns: float) -> str:
    """Duration with a unit: ``12 ms``, ``3.02 s``, ``2.5 h``."""
    ns = abs(ns)
    if ns < _SECOND:
        return _("{number} ms").format(number=f"{ns / 1e6:.0f}")
    if ns < 600 * _SECOND:
        return _("{number} s").format(number=f"{ns / 1e9:.2f}".rstrip("0").rstrip("."))
    if ns < 36_000 * _SECOND:
        return _("{number} min").format(number=f"{ns / 60e9:,.1f}")
    return _("{number} h").format(number=f"{ns / 3600e9:,.1f}")


def clock_sentence(
    name: str,
    offset_ms: float,
    spread_ms: float,
    pairs: int,
    agreeing: int,
    *,
    added_ms: float = 0,
    translate: Callable[[str], str] = str,
) -> str:
    """Describe the measured clock of a sidecar; in English for storage, or in the language of ``translate``."""
    return translate(_CLOCK[offset_ms > 0, bool(added_ms)]).format(
        name=name,
        offset=abs(offset_ms) / 1e3,
        spread=spread_ms / 1e3,
        pairs=pairs,
        agreeing=agreeing,
        added=added_ms / 1e3,
    )


def class_of(rank: int) -> str:
    """Name of the class of a rank."""
    return next((c.name for c in CLASSES if c.first == rank // 10 * 10), "unranked")


def process_label(claim: Fields) -> str:
    """Process of a claim, for display: ``curl (4711)``."""
    name = claim["process"] or _("unnamed process")
    return name if claim["pid"] is None else f"{name} ({claim['pid']})"


class _Claim:
    """A claim with the values that the policy compares."""

    def __init__(self, fields: Fields, flow: Fields) -> None:
        self.fields = fields
        self.rank: int = fields["rank"]
        self.distance: float = fields["distance_ms"] * 1e6
        self.starts = _LEAST if fields["window_start"] is None else fields["window_start"]
        self.ends = _MOST if fields["window_end"] is None else fields["window_end"]
        self.overlap = max(0, min(self.ends, flow["ended_at"]) - max(self.starts, flow["started_at"]))
        self.observed_at: int | None = fields["observed_at"]
        process_start = fields["started_at"]
        added = (fields["offset_ms"] or 0) * 1e6
        late = None if process_start is None else process_start + added - flow["ended_at"]
        self.reused = late if late is not None and late > SLACK_SECONDS * _SECOND else None
        """Time from the flow's end to the process's start, if it excludes the process."""
        self.flow = flow

    @property
    def after(self) -> bool:
        """Whether the window begins after the flow's end."""
        return bool(self.starts > self.flow["ended_at"])

    def order(self) -> tuple[Any, ...]:
        """Sort key among the flow's claims, as in `rustnet.attribute.verdict`."""
        observed = (1, 0) if self.observed_at is None else (0, -self.observed_at)
        nearness = self.distance > 0, self.of_dst, -self.overlap, self.distance
        return self.rank, *nearness, observed, self.fields["process_id"]

    @property
    def of_dst(self) -> bool:
        """Whether it is about the process at the flow's `dst`."""
        return bool(self.fields["reversed"])

    def position(self) -> str:
        """Position of the claim's window relative to the flow, as a sentence."""
        if self.distance == 0:
            if self.fields["match"] == "packet":
                return _("the claim is on packets of the flow")
            if self.starts == _LEAST and self.ends == _MOST:
                return _("the claim has no time")
            if self.starts <= self.flow["started_at"] and self.ends >= self.flow["ended_at"]:
                return _("the claim covers the whole flow")
            return _("the claim overlaps the flow for {overlap}").format(overlap=seconds(self.overlap))
        if self.after:
            return _("the claim begins {gap} after the flow ended").format(gap=seconds(self.distance))
        return _("the claim ends {gap} before the flow began").format(gap=seconds(self.distance))


def explain(flow: Fields, claims: Sequence[Fields], clocks: Sequence[Fields]) -> Explanation:
    """Explain the verdict over a flow. ``clocks`` are the rows of `clocks` of its capture."""
    weighed = [_Claim(fields, flow) for fields in claims]
    owner = flow["process_id"]
    eligible = [claim for claim in weighed if claim.reused is None and _eligible(claim, owner)]
    best = min(eligible, key=_Claim.order, default=None)
    if best is not None and owner is not None and best.fields["process_id"] != owner:
        best = min((c for c in eligible if c.fields["process_id"] == owner), key=_Claim.order, default=best)
    outcomes = [_outcome(claim, best, flow) for claim in weighed]
    if owner is not None and best is not None:
        why = _owner_sentences(best, weighed, flow)
    else:
        why = _no_owner_sentences(best, weighed, flow)
    return Explanation(why + _clock_sentences(weighed, clocks, owned=owner is not None), outcomes)


def _eligible(claim: _Claim, owner: int | None) -> bool:
    """Whether a claim took part in the verdict: the owner's always did, whatever the slack was."""
    return claim.distance <= SLACK_SECONDS * _SECOND or claim.fields["process_id"] == owner


def _owner_sentences(best: _Claim, claims: list[_Claim], flow: Fields) -> list[str]:
    """Why the owner owns the flow."""
    f = best.fields
    compared = _COMPARED.get(f["match"]) or f["match"] or "-"  # a session may have words of another version
    owner = _("{process} owns the flow by {source} {quality}, rank {rank} ({class_name})")
    lines = [
        owner.format(
            process=process_label(f),
            source=f["source"],
            quality=f["quality"],
            rank=f["rank"],
            class_name=class_of(f["rank"]),
        ),
        best.position(),
        _("matched by {fields}").format(fields=_(compared)),
    ]
    if f["behind"]:
        lines.append(_("ends before NAT, according to the source: {ends}").format(ends=f["behind"]))
    rivals = [c for c in claims if _rival(c, best)]
    if flow["process_contested"] and rivals:
        contested = _("contested: claims of the same class ({class_name}) for the same time by {processes}")
        names = ", ".join(dict.fromkeys(process_label(c.fields) for c in rivals))
        lines.append(contested.format(class_name=class_of(f["rank"]), processes=names))
    return lines + _reuse_sentences(claims, best)


def _no_owner_sentences(best: _Claim | None, claims: list[_Claim], flow: Fields) -> list[str]:
    """Why the flow has no owner."""
    reason = flow["unowned_reason"]
    lines = [_(REASONS[reason]) if reason in REASONS else _("its owner has not been determined yet")]
    if reason == "contested" and best is not None:
        equal = _("claims of rank {rank} with equal overlap, distance and time: {processes}")
        names = dict.fromkeys(process_label(c.fields) for c in claims if c is best or _rival(c, best))
        lines.append(equal.format(rank=best.rank, processes=", ".join(names)))
    return lines + _reuse_sentences(claims, best)


def _reuse_sentences(claims: list[_Claim], best: _Claim | None) -> list[str]:
    """Name the pids that several processes used in turn."""
    lines = []
    for pid in sorted({c.fields["pid"] for c in claims if c.fields["pid"] is not None}):
        starts = sorted({
            (c.fields["started_at"], c.fields["process"])
            for c in claims
            if c.fields["pid"] == pid and c.fields["started_at"] is not None
            and (best is None or c.fields["host"] == best.fields["host"])
        }, key=lambda start: start[0])  # fmt: skip
        if len(starts) > 1 and starts[-1][0] - starts[0][0] > _SECOND:
            reused = _("pid {pid} was reused: {processes} are different processes, started {gap} apart")
            names = ", ".join(name or "?" for _start, name in starts)
            lines.append(reused.format(pid=pid, processes=names, gap=seconds(starts[-1][0] - starts[0][0])))
    return lines


def _rival(claim: _Claim, best: _Claim) -> bool:
    """Whether a claim contests the best one."""
    return (
        claim is not best
        and claim.reused is None
        and claim.of_dst == best.of_dst
        and claim.rank // 10 == best.rank // 10
        and not _same(claim.fields, best.fields)
        and min(claim.ends, best.ends) >= max(claim.starts, best.starts)
    )


def _same(one: Fields, other: Fields) -> bool:
    """Whether two claims name the same process, according to the policy."""
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


def _outcome(claim: _Claim, best: _Claim | None, flow: Fields) -> str:
    """Why one claim won or lost."""
    if claim.reused is not None:
        reused = _("lost: the pid was reused, its process began {gap} after the flow had ended")
        return reused.format(gap=seconds(claim.reused))
    if best is None or not _eligible(claim, flow["process_id"]):
        outside = (
            _("outside the time: begins {gap} after the flow ended")
            if claim.after
            else _("outside the time: ends {gap} before the flow began")
        )
        return outside.format(gap=seconds(claim.distance))
    if claim is best:
        return WON if flow["process_id"] is not None else EQUAL
    if _same(claim.fields, best.fields):
        return _("agrees: the same process")
    difference = _difference(claim, best)
    if difference == "earlier" and flow["process_id"] is None:
        return EQUAL
    lost, contested = _LOST[difference]
    return _(contested if _rival(claim, best) and flow["process_contested"] else lost).format(
        rank=claim.rank,
        class_name=class_of(claim.rank),
        best_rank=best.rank,
        best_class=class_of(best.rank),
        gap=seconds(claim.distance),
        overlap=seconds(claim.overlap),
        best_overlap=seconds(best.overlap),
    )


def _difference(claim: _Claim, best: _Claim) -> str:
    """First criterion, a key of `_LOST`, by which a claim is worse than the best one."""
    if claim.rank != best.rank:
        return "rank"
    if (claim.distance > 0) != (best.distance > 0):
        return "after" if claim.after else "before"
    if claim.overlap != best.overlap:
        return "overlap"
    if claim.distance != best.distance:
        return "farther after" if claim.after else "farther before"
    return "earlier"


def _clock_sentences(claims: list[_Claim], clocks: Sequence[Fields], *, owned: bool) -> list[str]:
    """Clocks of the claims' sources, if they were wrong or corrected."""
    lines = []
    for clock in clocks:
        own = [c for c in claims if c.fields["evidence"].rpartition(":")[0] == clock["origin"]
               and clock["host"] in {None, c.fields["host"]}]  # fmt: skip
        if not own or not (clock["wrong"] or clock["added_ms"]):
            continue
        name = f"{clock['origin']} ({clock['host']})" if clock["host"] else clock["origin"]
        if clock["wrong"]:
            figures = clock["offset_ms"], clock["spread_ms"], clock["pairs"], clock["agreeing"]
            lines.append(clock_sentence(name, *figures, added_ms=clock["added_ms"], translate=_))
        else:
            corrected = _("{name}: its times were corrected by {added:+.3f} s, as requested")
            lines.append(corrected.format(name=name, added=clock["added_ms"] / 1e3))
        aligned = [abs(c.distance - abs(clock["offset_ms"]) * 1e6) <= SLACK_SECONDS * _SECOND for c in own]
        if not owned and not clock["added_ms"] and any(aligned):
            lines.append(_("with that correction, a claim would be at the time of the flow"))
    return lines
