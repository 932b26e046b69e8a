"""What is known of the quality of captures, as rows of label, value and remark, each with a state."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rustnet.i18n import _, ngettext
from rustnet.present.values import duration, humanised, moment, percent
from rustnet.query.integrity import Finding
from rustnet.query.redaction_mark import POLICY
from rustnet.query.summary import Health
from rustnet.query.views.alerts import Check
from rustnet.query.views.health import Captures, Layer, SoFar
from rustnet.records import Kind
from rustnet.tui.presenter import Presenter

MOST_DETAILS = 20
"""Reasons, files and damaged places of a capture that are listed."""
FEW_CHECKS = 3
"""Alerts that were not checked to the end which are named."""
LIVE = "live"
"""Kind of a capture from interfaces."""
PROBE = "probe"
"""The process of a live capture that keeps privileges on purpose."""
FEW = 0.001
"""Share of packets from which on missing ones are an error and not a warning."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row: ``state`` is ``title``, ``ok``, ``warn``, ``error``, ``dim`` or empty."""

    label: str
    value: str = ""
    remark: str = ""
    state: str = ""
    capture_id: int | None = None
    """The capture that it is about."""


def capture_lines(snapshot: Captures, presenter: Presenter) -> list[Line]:
    """Rows about every capture, and about the session itself."""
    lines: list[Line] = []
    for health in snapshot.captures:
        own = _capture(health, snapshot.so_far.get(health.capture_id), presenter)
        own += _confinement(
            [layer for layer in snapshot.confinement if layer.capture_id == health.capture_id], presenter
        )
        lines += [replace(line, capture_id=health.capture_id) for line in own]
    if not snapshot.captures:
        lines.append(Line(_("captures"), _("none: nothing was read into this session"), state="dim"))
    return lines + _session(snapshot)


def _capture(health: Health, so_far: SoFar | None, presenter: Presenter) -> list[Line]:
    source = presenter.text(health.source, "source", kind=Kind.PATH)
    lines = [
        Line(_("Capture {n}").format(n=health.capture_id), source, _("as a whole") if so_far else "", "title"),
        *(() if health.kind == LIVE else _file(health, presenter)),
        _complete(health),
        *_times(health),
        Line(_("packets"), f"{health.packets:,}", _("{size} on the wire").format(size=humanised(health.wire_bytes))),
        *_losses(health),
        *_streams(health),
    ]
    if so_far is not None:
        lines.append(
            Line(_("packets so far"), f"{so_far.packets:,}",
                 _("{size}; {cut} cut short, {undecoded} not decoded, {copies} copies").format(
                     size=humanised(so_far.bytes), cut=f"{so_far.truncated:,}", undecoded=f"{so_far.undecoded:,}",
                     copies=f"{so_far.duplicates:,}"))
        )  # fmt: skip
    return lines + _details(health, presenter)


def _file(health: Health, presenter: Presenter) -> list[Line]:
    """Rows about the input."""
    return [
        Line(_("format"), presenter.text(health.format, kind=Kind.WORD), _program(health, presenter)),
        Line(_("size"), "-" if health.bytes is None else humanised(health.bytes), _hash(health, presenter)),
    ]


def _program(health: Health, presenter: Presenter) -> str:
    if not health.application:
        return _("the file does not name the program that wrote it")
    return _("by {program}").format(program=presenter.text(health.application, kind=Kind.SOFTWARE))


def _hash(health: Health, presenter: Presenter) -> str:
    if health.sha256:
        return f"sha256 {presenter.text(health.sha256, 'sha256', kind=Kind.DIGEST)}"
    return _("no hash: not read to its end, changed meanwhile, or several files")


def _complete(health: Health) -> Line:
    if health.complete:
        return Line(_("complete"), _("yes"), _("read to a clean end"), "ok")
    if health.being_read:
        return Line(_("complete"), _("so far"), _("it is still being read"), "dim")
    return Line(_("complete"), _("no"), _("the input is damaged, or reading it was interrupted"), "error")


def _times(health: Health) -> list[Line]:
    if health.first_ts is None or health.last_ts is None:
        return [Line(_("time"), "-", _("no packet has a time yet"), "dim")]
    return [
        Line(_("first packet"), moment(health.first_ts)),
        Line(_("last packet"), moment(health.last_ts), duration(health.last_ts - health.first_ts)),
    ]


def _counted(label: str, count: int, whole: int, words: str = "") -> Line:
    """A row about packets that are wanting in some way."""
    if not count:
        return Line(label, "0", state="ok")
    share = percent(count, whole) if whole else ""
    state = "error" if whole and count / whole >= FEW else "warn"
    return Line(label, f"{count:,}", " · ".join(filter(None, (share, words))), state)


def _losses(health: Health) -> list[Line]:
    """Rows about packets that were dropped, cut, not decoded, or come at an odd time."""
    limit = _("snap length {length}").format(length=f"{health.snaplen:,}") if health.snaplen else ""
    cut = _counted(_("cut short"), health.truncated, health.packets, limit)
    lines = [
        replace(cut, state="warn" if health.truncated else "ok"),  # usually by intention
        _counted(_("not decoded"), health.undecoded, health.packets),
        _counted(_("not in order of time"), health.out_of_order, health.packets,
                 _("the clock was set back, or packets are not in order")),
    ]  # fmt: skip
    if below := health.packets_without_decoder:
        lines.append(replace(_counted(_("not decoded below IP"), below, health.packets), state=""))
    copies = _counted(_("copies of other packets"), health.duplicates, health.packets)
    left_out = (
        _("left out of the counts of flows") if health.without_duplicates else _("counted in flows, not analysed")
    )
    lines.append(
        Line(copies.label, copies.value, f"{copies.remark} · {left_out}", "warn") if health.duplicates else copies
    )
    for label, dropped in (
        (_("dropped by the system"), health.dropped_kernel),
        (_("dropped by the interface"), health.dropped_interface),
    ):
        if dropped is None:
            lines.append(Line(label, "-", _("the input does not state it"), "dim"))
        else:
            lines.append(_counted(label, dropped, health.packets + dropped))
    return lines


def _streams(health: Health) -> list[Line]:
    """Rows about what TCP shows to be missing."""
    one_sided = _counted(_("TCP flows one way only"), health.one_sided, health.tcp_flows)
    if not health.tcp_flows:
        return [Line(_("TCP flows"), "0", _("so nothing shows whether packets are missing"), "dim")]
    gaps = ngettext("in {n} flow", "in {n} flows", health.flows_with_gaps).format(n=f"{health.flows_with_gaps:,}")
    if not health.missed_bytes:
        return [one_sided, Line(_("missing in TCP streams"), "0", state="ok")]
    return [one_sided, Line(_("missing in TCP streams"), humanised(health.missed_bytes), gaps, "error")]


def _details(health: Health, presenter: Presenter) -> list[Line]:
    """Rows of reasons, damaged places, files, and captures of the same time."""
    text = presenter.text
    lines = [
        Line(f"  {text(reason.kind, kind=Kind.WORD).replace('_', ' ')}", f"{reason.packets:,}",
             text(reason.detail, kind=Kind.FREE_TEXT), "warn")
        for reason in health.reasons[:MOST_DETAILS]
    ]  # fmt: skip
    lines += [
        Line(f"  {text(each.kind, kind=Kind.WORD)}", f"{each.packets:,}", humanised(each.bytes), "dim")
        for each in health.without_decoder[:MOST_DETAILS]
    ]
    lines += [
        Line(_("damaged at byte {n}").format(n=f"{place.offset:,}"), text(place.kind, kind=Kind.WORD).replace("_", " "),
             text(place.detail, kind=Kind.FREE_TEXT), "error")
        for place in health.damage[:MOST_DETAILS]
    ]  # fmt: skip
    if health.damaged > len(health.damage[:MOST_DETAILS]):
        lines.append(Line(_("further damaged places"), f"{health.damaged - MOST_DETAILS:,}", state="error"))
    lines += [
        Line(_("file"), text(file.source, "source", kind=Kind.PATH),
             ngettext("{n} packet", "{n} packets", file.packets).format(n=f"{file.packets:,}"),
             "" if file.complete else "error")
        for file in health.files[:MOST_DETAILS]
    ]  # fmt: skip
    lines += [
        Line(_("also in"), text(other.source, "source", kind=Kind.PATH),
             ngettext("{n} conversation of the same time", "{n} conversations of the same time",
                      other.conversations).format(n=f"{other.conversations:,}"), "warn")
        for other in health.shared[:MOST_DETAILS]
    ]  # fmt: skip
    return lines


def _confinement(layers: list[Layer], presenter: Presenter) -> list[Line]:
    """Rows about what kept the parsing process from doing harm."""
    if not layers:
        return [Line(_("confinement while parsing"), "-", _("not recorded in the session"), "dim")]
    return [
        Line(_("{process}: {layer}").format(process=presenter.text(each.process, kind=Kind.WORD),
                                            layer=presenter.text(each.layer, kind=Kind.WORD).replace("_", " ")),
             presenter.text(each.state, kind=Kind.WORD).replace("_", " "),
             presenter.text(each.detail, kind=Kind.FREE_TEXT) if each.detail else "",
             "ok" if each.state in ("in_force", "not_needed") else "dim" if each.process == PROBE else "warn")
        for each in layers
    ]  # fmt: skip


def _session(snapshot: Captures) -> list[Line]:
    """Rows about the session's file."""
    meta = snapshot.meta
    lines = [
        Line(_("Session"), state="title"),
        Line(_("made by"), _("rustnet {version}").format(version=meta.get("rustnet_version", "-")),
             _("schema {version}").format(version=meta.get("schema_version", "-"))),
        Line(_("made at"), meta.get("created", "-")),
    ]  # fmt: skip
    if policy := meta.get(POLICY):
        words = _("names, addresses and more are replacements; there are no originals of its packets")
        lines.append(Line(_("redacted"), policy, words, "warn"))
    for partial in snapshot.partial:
        words = _("its replay was killed; it has only the packets that had been stored")
        lines.append(Line(_("Capture {n}").format(n=partial.capture_id), f"{partial.packets:,}", words, "error"))
    return lines


def alert_words(count: int, checks: Sequence[Check], presenter: Presenter) -> str:
    """Sentence above the list of alerts: how many there are, and which were not checked to the end."""
    if not checks and not count:
        return _("No alert was checked in this session; 'rustnet replay --alert all' checks them.")
    words = [ngettext("{n} alert", "{n} alerts", count).format(n=f"{count:,}") if count else _("no alert was raised")]
    wanting = [each for each in checks if each.state != "checked" or each.detail]
    words += [
        _("{alert}: {reason}").format(
            alert=presenter.text(each.alert, kind=Kind.WORD),
            reason=presenter.text(each.detail or each.state, kind=Kind.FREE_TEXT),
        )
        for each in wanting[:FEW_CHECKS]
    ]
    if len(wanting) > FEW_CHECKS:
        more = len(wanting) - FEW_CHECKS
        words.append(ngettext("{n} more was not checked", "{n} more were not checked", more).format(n=more))
    return " · ".join(words)


def finding_lines(findings: list[Finding]) -> list[Line]:
    """Rows of the checks of consistency."""
    return [
        Line(finding.check, _("ok") if finding.ok else _("FAILED") if finding.serious else _("incomplete"),
             finding.detail, "ok" if finding.ok else "error" if finding.serious else "warn")
        for finding in findings
    ]  # fmt: skip
