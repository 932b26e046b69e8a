"""The summary of a session as a page of text, and as data for JSON."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustnet.cli.terminal import Col, Terminal, table, wrap
from rustnet.i18n import _, ngettext
from rustnet.present.text import cut, pad, printable, safe, width
from rustnet.present.values import duration, humanised, moment, timestamp_ns
from rustnet.query.execute import ResultSet
from rustnet.query.health_words import damage_words, health_words
from rustnet.query.summary import Health, Summary

if TYPE_CHECKING:
    from rustnet.ingest.report import Report

_MAX_FILES = 8
_FRACTION_BAR = 10


def _text(value: object) -> str:
    return "-" if value is None or value == "" else printable(str(value))


def _size(value: float | None) -> str:
    return "-" if value is None else humanised(value)


class Page:
    """Builds the lines of the summary section by section."""

    def __init__(self, summary: Summary, terminal: Terminal) -> None:
        self.summary = summary
        self.terminal = terminal
        self.lines: list[str] = []

    def captures(self) -> None:
        """Add every capture with its properties and the checks of its completeness."""
        for capture in self.summary.captures:
            if self.lines:
                self.lines.append("")
            self._capture(capture)

    def _capture(self, c: Health) -> None:
        t = self.terminal
        name = _("standard input") if c.source == "-" else _text(c.source)
        if len(c.files) > 1:
            name = _("{path} and {n} more").format(path=name, n=len(c.files) - 1)
        name = cut(name, t.width)
        self.lines.append(t.bold(name))
        facts = [c.format, _size(c.bytes), ", ".join(c.link_types or []) or _("no link type")]
        if c.application:
            facts.append(_("written by {name}").format(name=printable(c.application)))
        if c.sha256:
            facts.append(f"sha256 {c.sha256[:12]}…")
        self._line(" · ".join(facts))
        self._line(
            _("{packets} · {size} on the wire · {flows}").format(
                packets=_packets(c.packets),
                size=humanised(c.wire_bytes),
                flows=ngettext("{n} flow", "{n} flows", c.flows).format(n=f"{c.flows:,}"),
            )
        )
        self._files(c)
        if c.first_ts is not None and c.last_ts is not None:
            self._line(f"{moment(c.first_ts)} → {moment(c.last_ts)} ({duration(c.last_ts - c.first_ts)})")
        for grade, words in [*health_words(c), *damage_words(c)]:
            mark = {"good": t.good("✓"), "warn": t.warn("!"), "bad": t.bad("✗"), "fact": t.dim("·")}[grade]
            self.lines.append(f"  {mark} {wrap(words, t.width - 6, '    ')}")

    def _files(self, c: Health) -> None:
        """Add the files of a capture that consists of several."""
        if not c.files:
            return
        joined = _("{n} files that continue each other in time, read as one capture (--join never: each by itself)")
        merged = _("{n} files, merged by time into one capture")
        self._line((merged if c.assembly == "merged" else joined).format(n=len(c.files)))
        for file in c.files[:_MAX_FILES]:
            facts = [_text(Path(file.source).name), _size(file.bytes), _packets(file.packets)]
            if file.sha256:
                facts.append(f"sha256 {file.sha256[:12]}…")
            if not file.complete:
                facts.append(_("incomplete"))
            self._line("  " + " · ".join(facts))
        if len(c.files) > _MAX_FILES:
            self._line("  " + _("{n} more files").format(n=len(c.files) - _MAX_FILES))

    def _line(self, words: str) -> None:
        self.lines.append("  " + wrap(words, self.terminal.width - 4, "  "))

    def tables(self) -> None:
        """Add the top tables: protocols, talkers, names, processes, flows without owner, anomalies."""
        if not self.summary.flows and not self.summary.tables["anomalies"].rows:
            return
        self._protocols()
        self._talkers()
        self._names()
        self._processes()
        self._anomalies()

    def _table(self, title: str, result: ResultSet, columns: Sequence[Col], rows: Sequence[Sequence[str]]) -> None:
        if not rows:
            return
        more = self.terminal.dim(_("(more in the session)")) if result.truncated else ""
        self.lines += ["", f"{self.terminal.bold(title)}  {more}".rstrip()]
        self.lines += table(columns, rows, self.terminal.width, self.terminal.dim)

    def _protocols(self) -> None:
        result = self.summary.tables["protocols"]
        rows = []
        for protocol, app, source, flows, packets, size, share in result.rows:
            guessed = f"{app}?" if source == "port" else app
            bar = "█" * round(_FRACTION_BAR * (share or 0) / 100)
            rows.append([_text(protocol), _text(guessed), f"{flows:,}", f"{packets:,}", humanised(size),
                         f"{share or 0:.1f} %", bar])  # fmt: skip
        columns = [Col(_("protocol")), Col(_("app")), Col(_("flows"), True, 0), Col(_("packets"), True, 0),
                   Col(_("bytes"), True, 0), Col(_("share"), True, 0), Col("", drop=1)]  # fmt: skip
        self._table(_("Protocols"), result, columns, rows)
        if any(row[2] == "port" for row in result.rows):
            guessed = _("? guessed from the port: the payload did not confirm it")
            self.lines.append(self.terminal.dim(f"  {guessed}"))

    def _talkers(self) -> None:
        result = self.summary.tables["talkers"]
        rows = [
            [_text(ip), _text(name) + (f" +{names - 1}" if names and names > 1 else ""), f"{flows:,}", humanised(sent),
             humanised(received)]
            for ip, name, names, flows, sent, received, _first, _last in result.rows
        ]  # fmt: skip
        columns = [Col(_("address"), least=15), Col(_("name"), least=12, drop=1), Col(_("flows"), True, 0),
                   Col(_("sent"), True, 0), Col(_("received"), True, 0)]  # fmt: skip
        self._table(_("Talkers"), result, columns, rows)

    def _names(self) -> None:
        result = self.summary.tables["names"]
        rows = [
            [_text(name), _text(sources), f"{flows:,}", f"{addresses:,}", humanised(size)]
            for name, sources, flows, addresses, size in result.rows
        ]
        columns = [Col(_("name"), least=20), Col(_("learned from"), least=6, drop=1), Col(_("flows"), True, 0),
                   Col(_("addresses"), True, 0, drop=2), Col(_("bytes"), True, 0)]  # fmt: skip
        self._table(_("Names"), result, columns, rows)

    def _processes(self) -> None:
        s = self.summary
        result = s.tables["processes"]
        rows = [
            [_text(name), _text(pid), _text(user), f"{flows:,}", humanised(sent), humanised(received), f"{hosts:,}",
             _claim(_text(quality), contested)]
            for name, pid, user, flows, sent, received, hosts, quality, contested in result.rows
        ]  # fmt: skip
        columns = [Col(_("process"), least=10), Col("pid", True, 0), Col(_("user"), drop=1), Col(_("flows"), True, 0),
                   Col(_("sent"), True, 0), Col(_("received"), True, 0), Col(_("hosts"), True, 0, drop=2),
                   Col(_("claim"), least=11)]  # fmt: skip
        self._table(_("Processes"), result, columns, rows)
        if not s.flows:
            return
        if not rows:
            self.lines += ["", self.terminal.bold(_("Processes"))]
        unowned = [f"{reason.replace('_', ' ')} {flows:,}" for reason, flows, _bytes in s.tables["unowned"].rows]
        template = _("{owned:,} of {flows:,} flows have an owner")
        if unowned:
            template = _("{owned:,} of {flows:,} flows have an owner; without: {reasons}")
        reasons = ", ".join(map(printable, unowned))
        self._line(template.format(owned=s.owned, flows=s.flows, reasons=reasons))

    def _anomalies(self) -> None:
        result = self.summary.tables["anomalies"]
        rows = [
            [_text(kind), f"{times:,}", f"{flows:,}" if flows else "-", f"{packet:,}" if packet else "-", _text(detail)]
            for kind, times, flows, packet, detail, _details in result.rows
        ]
        columns = [Col(_("kind"), least=20), Col(_("times"), True, 0), Col(_("flows"), True, 0, drop=2),
                   Col(_("first packet"), True, 0, drop=1), Col(_("for example"), least=20)]  # fmt: skip
        self._table(_("Anomalies"), result, columns, rows)

    def notes(self, report: "Report") -> None:
        """Add the notes of the run: what could not be stored, and sidecars."""
        if report.not_stored:
            self.lines += ["", self.terminal.bold(_("Not stored"))]
            for words in report.not_stored:
                self._line(safe(words))
        if report.sidecars:
            self.lines += ["", self.terminal.bold(_("Sidecars"))]
            for words in report.sidecars:
                self._line(safe(words))

    def next_steps(self, session: str | None, command: str) -> None:
        """Add the path of the session and three commands to continue with; ``command`` would have kept the session."""
        t = self.terminal
        if session is None:
            self.lines += [
                "",
                t.bold(_("Session")),
                *self._indented(_("The session was temporary and has been removed. To keep it, use")),
            ]
            self.lines.append(f"    {command}")
            return
        size = Path(session).stat().st_size
        place = quoted(session)
        self.lines += ["", t.bold(_("Session")), f"  {safe(session)} ({humanised(size)})"]
        steps = [
            (_("list flows"), f"rustnet flows {place} 'bytes:>1M'"),
            (_("saved queries"), f"rustnet query {place} --list"),
            self._third_step(place),
        ]
        wide = max(width(words) for words, _step in steps)
        self.lines += [f"    {t.dim(pad(words, wide))}  {step}" for words, step in steps]

    def _third_step(self, place: str) -> tuple[str, str]:
        """Suggest the third command by the contents of the session."""
        if any(c.damaged or c.undecoded for c in self.summary.captures):
            return _("damage and errors"), f"rustnet query {place} anomalies"
        if self.summary.owned:
            return _("by process"), f"rustnet stats {place} --by process"
        return _("one flow in detail"), f"rustnet show {place} 1"

    def _indented(self, words: str) -> list[str]:
        return ["  " + wrap(words, self.terminal.width - 4, "  ")]


def quoted(path: str) -> str:
    """A path as a word of a command line."""
    return safe(shlex.quote(path))


def _packets(n: int) -> str:
    return ngettext("{n} packet", "{n} packets", n).format(n=f"{n:,}")


def _claim(quality: str, contested: int | None) -> str:
    """Quality of a process's claims, and how many of its flows are contested."""
    if not contested:
        return quality
    return _("{quality} ({n} contested)").format(quality=quality, n=f"{contested:,}")


def as_data(summary: Summary, report: "Report", session: str | None) -> dict[str, Any]:
    """Contents of the page as data for JSON. Times are ISO-8601 in UTC; ``session`` is null if it was temporary."""
    captures = []
    for capture in summary.captures:
        fields = dataclasses.asdict(capture)
        for name in ("first_ts", "last_ts"):
            fields[name] = None if fields[name] is None else timestamp_ns(fields[name])
        captures.append(fields)
    return {
        "session": session,
        "interrupted": report.interrupted,
        "captures": captures,
        "flows": summary.flows,
        "flows_owned": summary.owned,
        "flows_contested": summary.contested,
        **{name: _rows(result) for name, result in sorted(summary.tables.items())},
        "losses": report.losses,
        "replaced": report.replaced,
        "sidecars": report.sidecars,
        "failed": [{"source": path, "error": words} for path, words in report.failed],
        "skipped": [{"source": path, "reason": words} for path, words in report.skipped],
    }


def _rows(result: ResultSet) -> list[dict[str, Any]]:
    def value(cell: Any, kind: str) -> Any:
        return timestamp_ns(cell) if kind == "TIMESTAMP_NS" and cell is not None else cell

    return [
        {name: value(cell, kind) for name, kind, cell in zip(result.columns, result.types, row, strict=True)}
        for row in result.rows
    ]
