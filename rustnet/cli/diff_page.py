"""What ``rustnet diff`` prints: the two sides, its rows on a terminal, and everything as data for JSON."""

from typing import Any

from rustnet.cli.terminal import Col, Terminal, table
from rustnet.export.parquet import json_value
from rustnet.i18n import N_, _, ngettext
from rustnet.present.text import printable, safe
from rustnet.present.values import duration, humanised, moment, percent, timestamp_ns
from rustnet.query.diff import COLUMNS, Difference
from rustnet.query.diff_sides import SideFacts

_SCREEN = (
    Col("", least=0), Col(_("kind"), least=0), Col(_("item"), least=16), Col(_("detail"), least=10, drop=2),
    Col(_("seen"), least=14), Col(_("why"), least=8, drop=1), Col(_("bits"), True, 0, drop=3),
)  # fmt: skip
_MARKS = {"new": "+", "gone": "-", "changed": "~"}
_REASONS = {
    "external": N_("leaves the site"), "unowned": N_("no owner"), "new_process": N_("new process"),
    "gone_process": N_("gone process"),
}  # fmt: skip


def head(difference: Difference) -> list[str]:
    """Lines about both sides, the comparison of volumes, and what restricts it."""
    sides = ((_("before"), difference.before), (_("after"), difference.after))
    lines = [_("{side}: {words}").format(side=name, words=_side_words(side)) for name, side in sides]
    rules = difference.rules
    if "changed" in rules.only:
        words = _(
            "changed: {factor:g} times as much or as little per second, and a difference of at least {least} or "
            "{number} flows or messages over the time of the shorter side"
        )
        least = humanised(rules.least_bytes)
        lines.append(words.format(factor=rules.factor, least=least, number=rules.least_number))
    lines += difference.notes
    for kind, reason in difference.not_compared.items():
        lines.append(_("{kind}: not compared: {reason}").format(kind=kind, reason=reason))
    return [safe(line) for line in lines]


def _side_words(side: SideFacts) -> str:
    parts = [
        _counted(side.flows, "flows"),
        humanised(side.bytes),
        _("{share} with an owner").format(share=percent(side.owned, side.flows)),
    ]
    if side.growing:
        parts.append(_("not read to its end"))
    if side.first is None or side.last is None:
        covered = _("no packets")
    else:
        covered = _("{first} → {last} ({time} captured)").format(
            first=moment(side.first), last=moment(side.last), time=duration(round(side.seconds * 1e9))
        )
    return _("{session}: {covered}, {facts}").format(session=side.session, covered=covered, facts=", ".join(parts))


def screen_lines(difference: Difference, screen: Terminal) -> list[str]:
    """Rows as lines for a terminal."""
    cells = []
    for values in difference.rows:
        row = dict(zip(COLUMNS, values, strict=True))
        reasons = ", ".join(_(_REASONS[reason]) for reason in row["reasons"])
        cells.append([
            _MARKS[row["change"]], row["kind"], printable(row["item"]), printable(row["detail"] or ""), _seen(row),
            reasons, f"{row['surprise']:.1f}",
        ])  # fmt: skip
    return table(list(_SCREEN), cells, screen.width, screen.bold, indent="") if cells else []


def _counted(number: int, what: str) -> str:
    if what == "flows":
        return ngettext("{n} flow", "{n} flows", number).format(n=f"{number:,}")
    return ngettext("{n} message", "{n} messages", number).format(n=f"{number:,}")


def _seen(row: dict[str, Any]) -> str:
    """What of an item was seen, or how it changed."""
    if row["change"] != "changed":
        side = "after" if row["change"] == "new" else "before"
        number = _counted(row["count_" + side], row["counted"])
        return number if row["bytes_" + side] is None else f"{number}, {humanised(row['bytes_' + side])}"
    attribute, before, after = row["attribute"], row["before"], row["after"]
    if attribute == "bytes":
        before, after = humanised(int(before)), humanised(int(after))
    fields = {"what": attribute, "before": printable(before), "after": printable(after)}
    if row["factor"] is None:
        return _("{what}: {before} → {after}").format(**fields)
    return _("{what}: {before} → {after} (x{factor:.3g} per second)").format(factor=row["factor"], **fields)


def as_data(difference: Difference) -> dict[str, Any]:
    """The comparison as data for JSON, with the keys that docs/diff.md lists; times are ISO-8601 in UTC."""
    rules = difference.rules
    return {
        "before": _side_data(difference.before),
        "after": _side_data(difference.after),
        "rules": {
            "filter": rules.filter, "kinds": list(rules.kinds), "only": list(rules.only), "factor": rules.factor,
            "least_bytes": rules.least_bytes, "least_number": rules.least_number,
        },
        "counts": difference.counts,
        "not_compared": difference.not_compared,
        "notes": difference.notes,
        "truncated": difference.truncated,
        "rows": [
            {
                name: timestamp_ns(value) if kind == "TIMESTAMP_NS" and value is not None else json_value(value)
                for name, kind, value in zip(COLUMNS, difference.types, row, strict=True)
            }
            for row in difference.rows
        ],
    }  # fmt: skip


def _side_data(side: SideFacts) -> dict[str, Any]:
    def at(ns: int | None) -> str | None:
        return None if ns is None else timestamp_ns(ns)

    return {
        "session": side.session, "from": at(side.start), "to": at(side.end), "first": at(side.first),
        "last": at(side.last), "seconds": side.seconds, "flows": side.flows, "flows_owned": side.owned,
        "bytes": side.bytes, "incomplete": side.growing,
    }  # fmt: skip
