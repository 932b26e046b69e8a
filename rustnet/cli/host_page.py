"""One host as a page of text, and as data for JSON."""

from typing import Any

from rustnet.cli.terminal import Col, Terminal, table, wrap
from rustnet.export.parquet import json_value
from rustnet.i18n import _
from rustnet.present.hosts import app_words, host_fields, second
from rustnet.present.text import pad, printable
from rustnet.present.values import humanised, timestamp_ns
from rustnet.query.execute import ResultSet
from rustnet.query.hosts import HostDetail
from rustnet.records import Kind

_PARTS = ("facts", "names", "offered", "used", "owners")


def as_data(detail: HostDetail) -> dict[str, Any]:
    """Contents of the page as data for JSON; times are ISO-8601 in UTC."""
    parts = {name: _rows(getattr(detail, name)) for name in ("hosts", *_PARTS)}
    own = {"address": detail.address, "macs": detail.macs, "other_addresses": detail.other_addresses}
    truncated = [name for name in parts if getattr(detail, name).truncated]
    return own | parts | {"truncated": truncated}


def _rows(result: ResultSet) -> list[dict[str, Any]]:
    return [
        {
            name: timestamp_ns(value) if kind == "TIMESTAMP_NS" and value is not None else json_value(value)
            for name, value, kind in zip(result.columns, row, result.types, strict=True)
        }
        for row in result.rows
    ]


def _text(value: Any) -> str:
    """A value as text that is safe to print."""
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return printable(str(value))


def _plain(value: Any, _name: str, _kind: Kind | None) -> str:
    return _text(value)


def evidence(flow: int | None, packet: int | None) -> str:
    """Where something was seen first."""
    words = [] if flow is None else [_("flow {n}").format(n=flow)]
    if packet is not None:
        words.append(_("packet {n}").format(n=f"{packet:,}"))
    return ", ".join(words) or "-"


class HostPage:
    """Builds the lines of the page of one host."""

    def __init__(self, detail: HostDetail, terminal: Terminal) -> None:
        self.detail = detail
        self.terminal = terminal
        self.lines: list[str] = []

    def build(self) -> list[str]:
        """Return all lines of the page."""
        self.lines.append(self.terminal.bold(_("host {address}").format(address=printable(self.detail.address))))
        hosts = [dict(zip(self.detail.hosts.columns, row, strict=True)) for row in self.detail.hosts.rows]
        for host in hosts:
            if len(hosts) > 1 or host["ip"] != self.detail.address:
                self.lines += ["", self.terminal.bold(printable(host["ip"]))]
            self._host(host)
        if not hosts:
            self._field("", _("no packet was sent from an address of it"))
        if self.detail.other_addresses:
            self._field(_("also"), _text(self.detail.other_addresses))
        self._facts()
        self._names()
        self._services(_("Services offered (that answered)"), _("clients"), self.detail.offered)
        self._services(_("Services used (asked for)"), _("servers"), self.detail.used)
        self._owners()
        return self.lines

    def _field(self, name: str, value: str) -> None:
        if value and value != "-":
            body = wrap(value, self.terminal.width - 16, " " * 16)
            self.lines.append(f"  {self.terminal.dim(pad(name, 13))} {body}")

    def _host(self, host: dict[str, Any]) -> None:
        for label, words in host_fields(host, _plain):
            self._field(label, words)

    def _table(self, title: str, columns: list[Col], rows: list[list[str]], result: ResultSet) -> None:
        if not rows:
            return
        self.lines += ["", self.terminal.bold(title)]
        self.lines += table(columns, rows, self.terminal.width, self.terminal.dim)
        if result.truncated:
            self.lines.append(self.terminal.dim("  " + _("the first {n}; there are more").format(n=len(rows))))

    def _facts(self) -> None:
        rows = [
            [_text(fact).replace("_", " "), _text(value), _text(source), _text(ip or mac), second(first), second(last),
             f"{count:,}", evidence(flow, packet)]
            for fact, value, source, ip, mac, first, last, count, _capture, flow, packet in self.detail.facts.rows
        ]  # fmt: skip
        columns = [
            Col(_("fact"), least=0), Col(_("value"), least=24), Col(_("by"), least=0),
            Col(_("about"), least=17, drop=4), Col(_("first"), least=0, drop=3), Col(_("last"), least=0, drop=1),
            Col(_("times"), True, 0, drop=2), Col(_("evidence"), least=10, drop=5),
        ]  # fmt: skip
        self._table(_("What it discloses"), columns, rows, self.detail.facts)

    def _names(self) -> None:
        rows = [
            [_text(name), _text(source), _text(ip), second(first), second(last), f"{times:,}"]
            for name, source, ip, first, last, times in self.detail.names.rows
        ]
        columns = [
            Col(_("name"), least=12), Col(_("by"), least=0), Col(_("address"), least=12, drop=3),
            Col(_("first"), least=0, drop=2), Col(_("last"), least=0, drop=1), Col(_("times"), True, 0),
        ]  # fmt: skip
        self._table(_("Names"), columns, rows, self.detail.names)

    def _services(self, title: str, peers: str, result: ResultSet) -> None:
        rows = []
        for protocol, port, app, app_source, service, flows, others, size, first, last, example in result.rows:
            name = app_words(app, app_source, service, _plain)
            rows.append([f"{port}/{_text(protocol)}", name, f"{flows:,}", f"{others:,}",
                         humanised(size), second(first), second(last), f"{example}"])  # fmt: skip
        columns = [
            Col(_("port"), least=0), Col(_("application"), least=8), Col(_("flows"), True, 0), Col(peers, True, 0),
            Col(_("bytes"), True, 0), Col(_("first"), least=0, drop=2), Col(_("last"), least=0, drop=1),
            Col(_("flow"), True, 0, drop=3),
        ]  # fmt: skip
        self._table(title, columns, rows, result)

    def _owners(self) -> None:
        rows = [
            [_text(name), _text(pid), _text(user), f"{flows:,}", humanised(sent), humanised(received), second(last)]
            for name, pid, user, flows, sent, received, _first, last in self.detail.owners.rows
        ]
        columns = [
            Col(_("process"), least=8), Col("pid", True, 0), Col(_("user"), least=4, drop=2),
            Col(_("flows"), True, 0), Col(_("sent"), True, 0), Col(_("received"), True, 0),
            Col(_("last"), least=0, drop=1),
        ]  # fmt: skip
        self._table(_("Owners of its flows"), columns, rows, self.detail.owners)
