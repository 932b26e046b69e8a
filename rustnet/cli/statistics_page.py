"""Pages of ``rustnet stats``: the overview, and statistics as trees and bars."""

import typing
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TextIO

from rustnet.cli.terminal import Col, Terminal, table, wrap
from rustnet.export.formats import write_result
from rustnet.i18n import _, ngettext
from rustnet.present.charts import bar, sparkline
from rustnet.present.text import safe
from rustnet.present.values import bit_rate, duration, humanised, moment, short_duration, zone_name
from rustnet.query import listing, statistics
from rustnet.query.compile import Scope
from rustnet.query.execute import ResultSet, RowStream
from rustnet.query.statistics import Totals

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_WIDEST_BAR = 24
Fields = dict[str, Any]
Page = Callable[[ResultSet, Terminal], list[str]]


def _fields(result: ResultSet) -> list[Fields]:
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def _bar_width(terminal: Terminal) -> int:
    return min(_WIDEST_BAR, terminal.width // 4)


def _note(words: str, terminal: Terminal) -> str:
    return terminal.dim(wrap(words, terminal.width, "  "))


def overview(totals: Totals, rates: ResultSet, terminal: Terminal) -> list[str]:
    """Lines about the whole: its size and time, mean and highest rate, and the course of the rate."""
    flows = f"{totals.flows:,} {ngettext('flow', 'flows', totals.flows)}"
    packets = f"{totals.packets:,} {ngettext('packet', 'packets', totals.packets)}"
    lines = [_("{flows} · {packets} · {size} on the wire").format(
        flows=flows, packets=packets, size=humanised(totals.bytes))]  # fmt: skip
    if totals.first_ts is None or totals.last_ts is None:
        return lines
    span = totals.last_ts - totals.first_ts
    lines.append(_("{first} → {last} ({span})").format(
        first=moment(totals.first_ts), last=moment(totals.last_ts), span=duration(span)))  # fmt: skip
    buckets = _fields(rates)
    if not span or not buckets:
        return lines
    mean = _("mean {packets:,.1f} packets/s, {bits}").format(
        packets=totals.packets * 1e9 / span, bits=bit_rate(totals.bytes * 8e9 / span))  # fmt: skip
    top = max(buckets, key=lambda bucket: float(bucket["bits_per_s"]))
    highest = _("highest {bits} (mean of {interval})").format(
        bits=bit_rate(top["bits_per_s"]), interval=short_duration(top["seconds"] * 1e9))  # fmt: skip
    lines.append(f"{mean} · {highest}")
    line = sparkline([float(bucket["bits_per_s"]) for bucket in buckets])
    lines.append(_("▕{line}▏ bits/s, one mark for {interval}").format(
        line=line, interval=short_duration(top["seconds"] * 1e9)))  # fmt: skip
    return ["  " + wrap(words, terminal.width - 4, "  ") if at < len(lines) - 1 else "  " + words
            for at, words in enumerate(lines)]  # fmt: skip


def _hierarchy(result: ResultSet, terminal: Terminal) -> list[str]:
    rows = _fields(result)
    whole, wide = sum(row["frames"] for row in rows if not row["depth"]), _bar_width(terminal)
    columns = [Col(_("layer"), least=20), Col(_("frames"), True, 0), Col("%", True, 0), Col(_("bytes"), True, 0),
               Col("%", True, 0), Col(_("frames that end here"), True, 0, drop=2),
               Col("", least=0, drop=1)]  # fmt: skip
    cells = [
        ["  " * row["depth"] + safe(row["layer"]) + ("?" if row["guessed"] else ""), f"{row['frames']:,}",
         f"{row['percent_frames']:.2f}", humanised(row["bytes"]), f"{row['percent'] or 0:.2f}",
         f"{row['frames_end']:,}" if row["frames_end"] else "-", bar(row["frames"], whole, wide)]
        for row in rows
    ]  # fmt: skip
    lines = table(columns, cells, terminal.width, terminal.bold, indent="")
    if any(row["guessed"] for row in rows):
        lines.append(_note(_("? guessed from the port: the payload did not confirm it"), terminal))
    return lines


def _rates(result: ResultSet, terminal: Terminal) -> list[str]:
    rows = _fields(result)
    top = max((float(row["bits_per_s"]) for row in rows), default=0.0)
    places = _places(rows)
    columns = [Col(_("from"), least=0), Col(_("packets/s"), True, 0), Col(_("bits/s"), True, 0),
               Col(_("packets"), True, 0, drop=3), Col(_("bytes"), True, 0, drop=2),
               Col(_("new flows"), True, 0, drop=4), Col("", least=0, drop=1)]  # fmt: skip
    cells = [
        [moment(row["begins"])[:places] + ("~" if row["partial"] else ""), f"{row['packets_per_s']:,.1f}",
         bit_rate(row["bits_per_s"]), f"{row['packets']:,}", humanised(row["bytes"]), f"{row['new_flows']:,}",
         bar(float(row["bits_per_s"]), top, _bar_width(terminal))]
        for row in rows
    ]  # fmt: skip
    lines = table(columns, cells, terminal.width, terminal.bold, indent="")
    if rows:
        words = _("times in {zone}; each rate is the mean of {interval}")
        if any(row["partial"] for row in rows):
            words = _(
                "times in {zone}; each rate is the mean of {interval}, too low where the traffic begins or ends in "
                "it (~)"
            )
        length = short_duration(rows[0]["seconds"] * 1e9)
        lines.append(_note(words.format(zone=zone_name(), interval=length), terminal))
    return lines


def _places(rows: Sequence[Fields]) -> int:
    """Characters of a moment that are needed to tell intervals apart."""
    seconds = rows[0]["seconds"] if rows else 1
    return 19 if seconds >= 1 else 23 if seconds >= 0.001 else 26


def _distribution(unit: str, shown: Callable[[float], str]) -> Page:
    """Page of a distribution whose columns of bounds end in ``unit``."""

    def page(result: ResultSet, terminal: Terminal) -> list[str]:
        rows = _fields(result)
        counted = "packets" if "packets" in result.columns else "flows"
        top = max((row[counted] for row in rows), default=0)
        columns = [Col(_("from"), True, 0), Col(_("below"), True, 0), Col(_(counted), True, 0), Col("%", True, 0),
                   Col(_("% so far"), True, 0, drop=2), Col(_("bytes"), True, 0, drop=1), Col("", least=0)]  # fmt: skip
        cells = [
            [shown(row[f"at_least_{unit}"]), "-" if row[f"below_{unit}"] is None else shown(row[f"below_{unit}"]),
             f"{row[counted]:,}", f"{row['percent']:.2f}", f"{row['cumulative_percent']:.2f}", humanised(row["bytes"]),
             bar(row[counted], top, _bar_width(terminal))]
            for row in rows
        ]  # fmt: skip
        return table(columns, cells, terminal.width, terminal.bold, indent="")

    return page


def _milliseconds(value: float) -> str:
    return short_duration(value * 1e6)


def _response_times(result: ResultSet, terminal: Terminal) -> list[str]:
    rows = _fields(result)
    several = any(row["server"] is not None for row in rows)
    times = ("min_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")
    columns = [Col(_("service"), least=0), Col(_("measured"), least=16, drop=4),
               Col(_("server") if several else _("servers"), not several, 21 if several else 7, 0 if several else 5),
               Col(_("samples"), True, 0),
               *(Col(name.removesuffix("_ms"), True, 0, drop=drop) for name, drop in zip(times, (3, 0, 0, 2, 0, 0),
                                                                                          strict=True)),
               Col(_("slowest flow"), True, 0, drop=1)]  # fmt: skip
    cells = [
        [safe(row["service"]), safe(row["measured"]), _server(row) if several else f"{row['servers']:,}",
         f"{row['samples']:,}", *("-" if row[name] is None else _milliseconds(row[name]) for name in times),
         str(row["slowest_flow"] or "-")]
        for row in rows
    ]  # fmt: skip
    lines = table(columns, cells, terminal.width, terminal.bold, indent="")
    if any(row["p99_ms"] is None for row in rows):
        lines.append(_note(_("- too few samples: p50 needs 2, p90 10, p95 20, p99 100"), terminal))
    negative = sum(row["negative"] for row in rows)
    if negative:
        words = ngettext(
            "{n} sample is left out: by the packets' times the answer came before the question",
            "{n} samples are left out: by the packets' times the answer came before the question",
            negative,
        )
        lines.append(terminal.warn(wrap(words.format(n=f"{negative:,}"), terminal.width, "  ")))
    return lines


def _server(row: Fields) -> str:
    ip, port = row["server"], row["port"]
    if ip is None or port is None:
        return safe(ip or "-")
    return safe(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}")


PAGES: dict[str, Page] = {
    "hierarchy": _hierarchy,
    "rates": _rates,
    "sizes": _distribution("bytes", humanised),
    "durations": _distribution("ms", _milliseconds),
    "packets": _distribution("packets", lambda count: f"{count:,}"),
    "lengths": _distribution("bytes", humanised),
    "response-times": _response_times,
}
"""Statistics that a terminal shows otherwise than as a table of their columns."""

MEASURES = {"sizes": ("bytes", humanised), "packets": ("packets", lambda count: f"{count:,.0f}"),
            "durations": ("duration", _milliseconds)}  # fmt: skip
"""Distributions of flows: what their percentiles are called in the saved query, and how they are shown."""


def percentiles(name: str, result: ResultSet) -> list[str]:
    """Line below a distribution of flows with their percentiles."""
    rows = _fields(result)
    if not rows:
        return []
    measure, shown = MEASURES[name]
    suffix = "_ms" if measure == "duration" else ""
    values = {key: rows[0][f"{measure}_{key}{suffix}"] for key in ("p50", "p90", "p99", "max")}
    flows = rows[0]["flows"]
    parts = [f"{key} {shown(value)}" for key, value in values.items() if value is not None and key != "max"]
    words = _("{n} {flows}: {percentiles} · largest {most}")
    if not parts:
        words = _("{n} {flows}: largest {most}; too few for percentiles")
    elif len(parts) < 3:
        words = _("{n} {flows}: {percentiles} · largest {most}; too few for others (p90 needs 10, p99 100)")
    return [words.format(n=f"{flows:,}", flows=ngettext("flow", "flows", flows), percentiles=" · ".join(parts),
                        most=shown(values["max"]))]  # fmt: skip


class Writer:
    """Writes statistics in one format, with at most ``limit`` rows in each table."""

    def __init__(
        self, out: TextIO | BinaryIO, form: str, terminal: Terminal, limit: int | None, *, spreadsheet: bool
    ) -> None:
        self.out = out
        self.form = form
        self.terminal = terminal
        self.limit = limit
        self.spreadsheet = spreadsheet

    @property
    def _most(self) -> int | None:
        return None if self.limit is None else self.limit + 1

    def grouped(self, session: "Session", by: str, text: str, scope: Scope) -> bool:
        """Write flows, packets and bytes by a property of flows; true if there are more rows."""
        with listing.statistics(session, by, text, scope, self._most) as rows:
            return self._write(rows, None)

    def statistic(self, session: "Session", name: str, text: str, scope: Scope, given: dict[str, str]) -> bool:
        """Write one of `statistics.QUERIES`; true if there are more rows."""
        page = PAGES.get(name) if self.form == "table" else None
        with statistics.show(session, name, text, scope, given, self._most) as rows:
            more = self._write(rows, page)
        if page and name in MEASURES:
            result = statistics.result_of(session, "percentiles", text, scope, {})
            self._lines([_note(line, self.terminal) for line in percentiles(name, result)])
        return more

    def totals(self, session: "Session", text: str, scope: Scope) -> None:
        """Write the lines about the whole."""
        rates = statistics.result_of(session, "rates", text, scope, {})
        self._lines(overview(statistics.totals(session, text, scope), rates, self.terminal))

    def _write(self, rows: RowStream, page: Page | None) -> bool:
        if page is None and self.limit is None:
            write_result(rows, self.form, self.out, spreadsheet=self.spreadsheet)
            return False
        fetched = rows.result(self.limit)
        result = ResultSet(fetched.columns, fetched.types, fetched.rows, truncated=False, elapsed=0.0)
        if page is None:
            write_result(result, self.form, self.out, spreadsheet=self.spreadsheet)
        else:
            self._lines(page(result, self.terminal))
        return fetched.truncated

    def _lines(self, lines: Sequence[str]) -> None:
        if lines:
            typing.cast("TextIO", self.out).write("\n".join(lines) + "\n")
