"""Statements about how complete a capture is, graded: ``good``, ``fact``, ``warn`` or ``bad``."""

from rustnet.i18n import N_, _, ngettext
from rustnet.present.text import safe
from rustnet.present.values import humanised, percent
from rustnet.query.summary import Health

_MAX_REASONS = 5
_MAX_DAMAGE = 5
_FEW = 0.01
"""Share of packets from which on those without a decoder are a warning; a few are in nearly every network."""
_KIND_WORDS = {
    "unknown_link_type": N_("link type without a decoder"),
    "headers_cut_off": N_("headers cut off"),
    "malformed_headers": N_("malformed headers"),
}


def _undecoded(c: Health) -> str:
    """How many packets could not be decoded, and why."""
    reasons = []
    for r in c.reasons[:_MAX_REASONS]:
        kind = _KIND_WORDS.get(r.kind, r.kind)
        reasons.append(f"{_(kind)}, {safe(r.detail)}: {r.packets:,}")
    if len(c.reasons) > _MAX_REASONS:
        reasons.append(_("{n} more reasons").format(n=len(c.reasons) - _MAX_REASONS))
    words = _("{n} packets ({share}) could not be decoded")
    if reasons:
        words = _("{n} packets ({share}) could not be decoded ({reasons})")
    share = percent(c.undecoded, c.packets)
    return words.format(n=f"{c.undecoded:,}", share=share, reasons="; ".join(reasons))


def _without_decoder(c: Health) -> tuple[str, str]:
    """Grade and text about packets that were counted as flows below IP, by kind."""
    kinds = [f"{safe(each.kind)}: {each.packets:,}" for each in c.without_decoder[:_MAX_REASONS]]
    if more := c.kinds_without_decoder - len(kinds):
        kinds.append(ngettext("{n} more kind", "{n} more kinds", more).format(n=f"{more:,}"))
    words = ngettext(
        "{n} packet ({share}) below IP was counted, but not decoded ({kinds})",
        "{n} packets ({share}) below IP were counted, but not decoded ({kinds})",
        c.packets_without_decoder,
    )
    share = percent(c.packets_without_decoder, c.packets)
    grade = "warn" if c.packets_without_decoder > _FEW * c.packets else "fact"
    return grade, words.format(n=f"{c.packets_without_decoder:,}", share=share, kinds="; ".join(kinds))


def _unread(c: Health) -> list[tuple[str, str]]:
    """Grades and texts about packets of which addresses or more are unknown."""
    lines = [("warn", _undecoded(c))] if c.undecoded else []
    return [*lines, _without_decoder(c)] if c.packets_without_decoder else lines


def health_words(c: Health) -> list[tuple[str, str]]:
    """Grade and text of every statement about a capture's completeness."""
    lines = []
    if c.complete:
        lines.append(("good", _("complete: read to a clean end")))
    else:
        lines.append(("bad", _("incomplete: not read to a clean end")))
    if c.truncated:
        words = _("{share} of packets are truncated ({n})")
        if c.snaplen:
            words = _("{share} of packets are truncated ({n}, snap length {length})")
        share = percent(c.truncated, c.packets)
        lines.append(("warn", words.format(share=share, n=f"{c.truncated:,}", length=f"{c.snaplen or 0:,}")))
    lines += _unread(c)
    if c.out_of_order:
        words = _("{share} of packets are out of order in time ({n})")
        share = percent(c.out_of_order, c.packets)
        lines.append(("warn", words.format(share=share, n=f"{c.out_of_order:,}")))
    if c.duplicates:
        template = _("{share} of packets are copies of others ({number:,}): not analysed twice, counted as captured")
        if c.without_duplicates:
            template = _("{share} of packets are copies of others ({number:,}): left out of the counts of flows")
        lines.append(("warn", template.format(share=percent(c.duplicates, c.packets), number=c.duplicates)))
    if c.one_sided:
        words = _("{n} of {flows} TCP flows show one direction only")
        lines.append(("warn", words.format(n=f"{c.one_sided:,}", flows=f"{c.tcp_flows:,}")))
    lines += _shared(c)
    if c.missed_bytes:
        words = _("{size} missing in {n} TCP streams: not captured, as acknowledgements or later data prove")
        lines.append(("warn", words.format(size=humanised(c.missed_bytes), n=f"{c.flows_with_gaps:,}")))
    lines.append(_drops(c))
    return lines


def _shared(c: Health) -> list[tuple[str, str]]:
    """Grade and text about conversations that another capture has as well."""
    lines = []
    for each in c.shared:
        words = ngettext(
            "{n} conversation is also in {path}, which was captured at the same time: it is counted twice; "
            "replay --merge reads both as one capture",
            "{n} conversations are also in {path}, which was captured at the same time: they are counted twice; "
            "replay --merge reads both as one capture",
            each.conversations,
        )
        lines.append(("warn", words.format(n=f"{each.conversations:,}", path=safe(each.source))))
    return lines


def _drops(c: Health) -> tuple[str, str]:
    """Grade and text about packets that were dropped while capturing."""
    if c.dropped_kernel is None and c.dropped_interface is None:
        return "fact", _("dropped packets: not recorded in the capture")
    if not c.dropped_kernel and not c.dropped_interface:
        return "good", _("no packets dropped while capturing")
    both = ((c.dropped_kernel, _("{n} by the kernel")), (c.dropped_interface, _("{n} by the interface")))
    parts = ", ".join(words.format(n=f"{n:,}") for n, words in both if n)
    return "bad", _("packets dropped while capturing: {parts}").format(parts=parts)


LIVE_GRADES = {
    "stopped_at_limit": "fact", "interface_up": "fact", "interface_added": "fact", "interface_down": "warn",
    "interface_gone": "warn",
}  # fmt: skip
"""Grades of what happens to a live capture without being damage."""


def damage_words(c: Health) -> list[tuple[str, str]]:
    """Grade and text of every place that could not be read."""
    lines = []
    for d in c.damage[:_MAX_DAMAGE]:
        words = _("{kind} before the first packet, byte {offset}: {detail}")
        if c.kind == "live":  # which has no bytes to count
            words = _("{kind} after packet {packet}: {detail}") if d.packet else _("{kind}: {detail}")
        elif d.packet:
            words = _("{kind} after packet {packet}, byte {offset}: {detail}")
        fields = {"kind": d.kind, "packet": f"{d.packet or 0:,}", "offset": f"{d.offset:,}", "detail": safe(d.detail)}
        grade = LIVE_GRADES.get(d.kind, "bad") if c.kind == "live" else "bad"
        lines.append((grade, words.format(**fields)))
    if c.damaged > _MAX_DAMAGE:
        lines.append(("bad", _("{n} more damaged places").format(n=f"{c.damaged - _MAX_DAMAGE:,}")))
    return lines
