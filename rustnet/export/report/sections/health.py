"""Health: what of the traffic is not in the captures, which limits what can be concluded."""

import dataclasses

from rustnet.export.report.blocks import Remark, Remarks, Section
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _
from rustnet.query.health_words import damage_words, health_words
from rustnet.query.summary import Health, health
from rustnet.records import Kind

CAPTURES = 50
"""Most captures with sentences of their own."""


def section(source: Source) -> Section:
    """Sentences for each capture, and a table of all."""
    part = Section("health", _("Health of the captures"), _("What is missing, and limits what can be concluded?"))
    captures = [_shown(capture, source) for capture in health(source.session)]
    if not captures:
        part.absent(_("The session has no capture."))
    if source.session.being_written:
        part.add(
            Remarks([Remark("warn", _("The session is being written: this report shows it as it was at its time."))])
        )
    for capture in captures[:CAPTURES]:
        words = [*health_words(capture), *damage_words(capture)]
        heading = capture.source if capture.source != "-" else _("standard input")
        part.add(Remarks([Remark(grade, text) for grade, text in words], heading))
        part.findings += [
            Remark(grade, _("{capture}: {what}").format(capture=heading, what=text), part.name)
            for grade, text in words
            if grade in ("bad", "warn")
        ][:3]
    part.add(source.query("capture-health").table(_("Completeness of the captures"), [
        Show("source", _("capture"), wide=True), Show("complete", _("complete")), Show("packets", _("packets")),
        Show("truncated", _("cut")), Show("undecoded", _("undecoded")), Show("out_of_order", _("out of order")),
        Show("dropped_kernel", _("dropped by the system")), Show("dropped_interface", _("dropped by the interface")),
        Show("missed_bytes", _("missing in streams")), Show("flows_with_gaps", _("flows with gaps")),
        Show("duplicates", _("copies")), Show("anomalies", _("anomalies")),
    ]))  # fmt: skip
    return part


def _shown(capture: Health, source: Source) -> Health:
    """A capture with texts as they may be shown."""
    value = source.value
    return dataclasses.replace(
        capture,
        source=value(Kind.PATH, capture.source),
        reasons=[dataclasses.replace(each, detail=value(Kind.FREE_TEXT, each.detail)) for each in capture.reasons],
        damage=[dataclasses.replace(each, detail=value(Kind.FREE_TEXT, each.detail)) for each in capture.damage],
        shared=[dataclasses.replace(each, source=value(Kind.PATH, each.source)) for each in capture.shared],
    )
