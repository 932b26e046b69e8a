"""One flow as a page of text, and as data for JSON."""

from collections.abc import Iterator
from typing import Any

from rustnet.cli.terminal import Col, Terminal, flow_items, table, wrap
from rustnet.i18n import N_, _
from rustnet.present.text import pad, printable
from rustnet.present.values import duration, humanised, moment, tcp_flags
from rustnet.query.detail import APP_TEMPLATES, Fields, FlowDetail, Message, fields_of

_SIDES = (
    ("packets", N_("packets")), ("bytes", N_("bytes")), ("payload", N_("payload")),
    ("retransmissions", N_("retransmissions")), ("fast_retransmissions", N_("fast retransmissions")),
    ("out_of_order", N_("out of order")), ("duplicate_acks", N_("duplicate ACKs")),
    ("zero_windows", N_("zero windows")), ("missed_bytes", N_("missed bytes")), ("flags", N_("TCP flags")),
    ("ttl", N_("smallest TTL")), ("mac", N_("hardware address")),
)  # fmt: skip
_MAX_LOST = 50
_SIZES = ("bytes", "payload", "missed_bytes")


def _text(value: Any, kind: str = "") -> str:
    """A value as text that is safe to print."""
    if value is None:
        return "-"
    if kind == "TIMESTAMP_NS" and isinstance(value, int):
        return moment(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return printable(str(value))


class FlowPage:
    """Builds the lines of the page of one flow."""

    def __init__(self, detail: FlowDetail, terminal: Terminal) -> None:
        self.detail = detail
        self.flow = detail.flow
        self.terminal = terminal
        self.lines: list[str] = []

    def build(self) -> list[str]:
        """Return all lines of the page."""
        self._head()
        self._sides()
        self._owners()
        self._messages()
        self._anomalies()
        self._packets()
        return self.lines

    def _title(self, words: str) -> None:
        self.lines += ["", self.terminal.bold(words)]

    def _field(self, name: str, value: str) -> None:
        if value and value != "-":
            body = wrap(value, self.terminal.width - 16, " " * 16)
            self.lines.append(f"  {self.terminal.dim(pad(name, 13))} {body}")

    def _head(self) -> None:
        f = self.flow
        head = _("flow {n}: {protocol} {src} → {dst}").format(
            n=f["flow_id"], protocol=_text(f["protocol"]), src=_end(f, "src"), dst=_end(f, "dst")
        )
        self.lines.append(self.terminal.bold(head))
        template = APP_TEMPLATES.get(f["app_source"] or "", "{app}")
        self._field(_("application"), _(template).format(app=_text(f["app"])) if f["app"] else "")
        self._field(_("name"), f"{_text(f['hostname'])} ({_text(f['hostname_source'])})" if f["hostname"] else "")
        self._field(_("service"), _text(f["service"]))
        self._field(_("proxied"), _end(f, "proxied_src") if f["proxied_src_ip"] else "")
        self._field(_("time"), f"{moment(f['started_at'])} → {moment(f['ended_at'])}")
        self._field(_("lasted"), duration(f["ended_at"] - f["started_at"]))
        states = [_text(f[key]) for key in ("state", "conn_state", "history") if f[key]]
        states.append(_("ended: {reason}").format(reason=_text(f["end_reason"])))
        self._field(_("state"), " · ".join(states))
        rtts = ((_("handshake"), "handshake_rtt_ms"), (_("smoothed"), "rtt_ms"), (_("least"), "min_rtt_ms"))
        self._field(
            _("round trip"), " · ".join(f"{name} {_text(f[key])} ms" for name, key in rtts if f[key] is not None)
        )
        if f["syn_tries"]:
            opening = _("after {ms} ms, {n} SYNs") if f["open_ms"] is not None else _("never, {n} SYNs")
            self._field(_("opened"), opening.format(ms=_text(f["open_ms"]), n=f"{f['syn_tries']:,}"))
        self._field(_("direction"), _text(f["direction"]))
        vlans = [_text(f[key]) for key in ("outer_vlan_id", "vlan_id") if f[key] is not None]
        answers = [_text(f[key]) for key in ("dst_outer_vlan_id", "dst_vlan_id") if f[key] is not None]
        words = " / ".join(vlans)
        if f["dst_packets"] and answers != vlans:
            both = _("{vlan} from the initiator, {other} from the responder")
            words = both.format(vlan=words or _("none"), other=" / ".join(answers) or _("none"))
        self._field(_("VLAN"), words)
        outer = _("{tunnel} in flow {n}").format(tunnel=_text(f["tunnel"]), n=_text(f["outer_flow_id"]))
        self._field(_("tunnel"), outer if f["tunnel"] else "")
        self._field(_("carries"), _("{n} flows inside").format(n=f"{self.detail.inner:,}") if self.detail.inner else "")
        icmp = [f"{name} {_text(f[key])}" for name, key in (("type", "icmp_type"), ("code", "icmp_code"),
                ("id", "icmp_id")) if f[key] is not None]  # fmt: skip
        self._field("ICMP", ", ".join(icmp))
        self._field(_("fragments"), _text(f["fragments"]) if f["fragments"] else "")
        self._field(_("community id"), _text(f["community_id"]))
        capture = [_("{n}, from packet {packet}").format(n=f["capture_id"], packet=f"{f['first_packet']:,}")]
        if f["generation"]:
            capture.append(_("conversation {n} between these ends").format(n=f["generation"] + 1))
        self._field(_("capture"), " · ".join(capture))

    def _sides(self) -> None:
        f = self.flow
        rows = []
        for key, words in _SIDES:
            pair = f.get(f"src_{key}"), f.get(f"dst_{key}")
            if not any(pair):
                continue
            if key in _SIZES:
                cells = [f"{humanised(v)} ({v:,})" if v and v >= 1000 else _text(v) for v in pair]
            elif key == "flags":
                cells = [tcp_flags(v or 0) or "-" for v in pair]
            else:
                cells = [f"{v:,}" if isinstance(v, int) else _text(v) for v in pair]
            rows.append([_(words), *cells])
        for words, shown in ((_("place"), _place), (_("network"), _network)):
            pair = shown(f, "src"), shown(f, "dst")
            if any(pair):
                rows.append([words, *(text or "-" for text in pair)])
        self._title(_("Both ends"))
        heads = (_("src {end}").format(end=_end(f, "src")), _("dst {end}").format(end=_end(f, "dst")))
        columns = [Col("", least=0), *(Col(head, True) for head in heads)]
        self.lines += table(columns, rows, self.terminal.width, self.terminal.dim)

    def _owners(self) -> None:
        f = self.flow
        self._title(_("Owner"))
        claims = fields_of(self.detail.claims)
        explanation = self.detail.explanation()
        won = next((c for c in claims if c["won"]), None)
        if won:
            words = _("{process}, by {source}, contested") if f["process_contested"] else _("{process}, by {source}")
            owner = words.format(process=_process(won), source=_text(f["process_source"]))
            self.lines.append(f"  {owner}")
            for key in ("exe", "cmdline", "lineage", "started_at", "container_name", "pod"):
                self._field(key.replace("_", " "), _text(won[key], "TIMESTAMP_NS" if key == "started_at" else ""))
        else:
            reason = _text(f["unowned_reason"]).replace("_", " ") if f["unowned_reason"] else _("not judged")
            words = _("none: {reason}").format(reason=reason)
            self.lines.append(f"  {words}")
        self._sentences(explanation.why)
        if not claims:
            return
        rows = [
            ["✓" if c["won"] else "", _process(c), f"{_text(c['source'])} {_text(c['quality'])}", _text(c["rank"]),
             _("within") if not c["distance_ms"] else duration(round(c["distance_ms"] * 1e6)), _text(c["evidence"])]
            for c in claims
        ]  # fmt: skip
        columns = [
            Col("", least=0),
            Col(_("claimed"), least=12),
            Col(_("by"), least=16),
            Col(_("rank"), True, 0, drop=1),
            Col(_("off by"), True, 0),
            Col(_("evidence"), least=12, drop=2),
        ]
        self.lines += table(columns, rows, self.terminal.width, self.terminal.dim)
        lost = [
            f"{_process(c)}: {fate}"
            for c, fate in zip(claims, explanation.claims, strict=True)
            if fate not in ("won", "equal")
        ]
        self._sentences(lost[:_MAX_LOST])
        if len(lost) > _MAX_LOST:
            more = _("… {n:,} more").format(n=len(lost) - _MAX_LOST)
            self.lines.append(self.terminal.dim(f"  {more}"))

    def _sentences(self, sentences: list[str]) -> None:
        for sentence in sentences:
            words = wrap(printable(sentence), self.terminal.width - 6, "    ")
            self.lines.append("  " + self.terminal.dim("· ") + words)

    def _messages(self) -> None:
        if not self.detail.messages:
            return
        self._title(_("Messages"))
        for m in self.detail.messages:
            at = "-" if m.ts is None else f"+{(m.ts - self.flow['started_at']) / 1e6:,.3f} ms"
            head = f"  {self.terminal.dim(pad(at, 14, right=True))}  {self.terminal.bold(printable(m.table))}"
            packet = "  " + _("packet {n}").format(n=f"{m.packet:,}") if m.packet else ""
            self.lines.append(head + self.terminal.dim(packet))
            fields = [f"{printable(name)}={value}" for name, value in _set_fields(m)]
            self.lines.append("      " + flow_items(fields, self.terminal.width - 8, "      "))
        if self.detail.more_messages:
            more = _("more messages follow; --messages shows more")
            self.lines.append(self.terminal.dim(f"  {more}"))

    def _anomalies(self) -> None:
        rows = [[_text(packet), _text(kind), f"{count:,}", _text(text)]
                for _ts, packet, kind, text, count in self.detail.anomalies.rows]  # fmt: skip
        if rows:
            self._title(_("Anomalies"))
            columns = [Col(_("packet"), True, 0), Col(_("kind"), least=12), Col(_("times"), True, 0), Col(_("detail"))]
            self.lines += table(columns, rows, self.terminal.width, self.terminal.dim)

    def _packets(self) -> None:
        packets = self.detail.packets
        if not packets.rows:
            return
        total = self.flow["src_packets"] + self.flow["dst_packets"]
        shown = len(packets.rows)
        first = _("Packets (first {n} of {total:,})").format(n=shown, total=total)
        self._title(_("Packets") if shown >= total else first)
        rows = []
        for number, ts, from_src, length, captured, payload, flags, _interface in packets.rows:
            cut_off = f" ({captured:,})" if captured < length else ""
            after = f"+{(ts - self.flow['started_at']) / 1e6:,.3f} ms"
            rows.append([f"{number:,}", after, "src →" if from_src else "← dst",
                         f"{length:,}{cut_off}", f"{payload:,}", tcp_flags(flags)])  # fmt: skip
        columns = [Col(_("packet"), True, 0), Col(_("time"), True, 0), Col("", least=0),
                   Col(_("bytes"), True, 0), Col(_("payload"), True, 0), Col(_("flags"), least=0)]  # fmt: skip
        self.lines += table(columns, rows, self.terminal.width, self.terminal.dim)


def _end(f: Fields, side: str) -> str:
    ip, port = f[f"{side}_ip"], f[f"{side}_port"]
    if ip is None:
        return _text(f[f"{side}_mac"])
    if port is None:
        return _text(ip)
    return f"[{_text(ip)}]:{port}" if ":" in ip else f"{_text(ip)}:{port}"


def _place(f: Fields, side: str) -> str:
    """City and country of an end."""
    return ", ".join(_text(f[key]) for key in (f"{side}_city", f"{side}_country") if f.get(key))


def _network(f: Fields, side: str) -> str:
    """Autonomous system of an end."""
    number, name = f.get(f"{side}_asn"), f.get(f"{side}_as_name")
    return f"AS{number} {_text(name or '')}".rstrip() if number else ""


def _process(claim: Fields) -> str:
    pid = f" ({claim['pid']})" if claim["pid"] is not None else ""
    process = f"{_text(claim['process'])}{pid}"
    if not claim["username"]:
        return process
    return _("{process} of {user}").format(process=process, user=_text(claim["username"]))


def _set_fields(message: Message) -> Iterator[tuple[str, str]]:
    """Names and text of the fields of a message that have a value."""
    for name, value in message.fields.items():
        if value is not None and value not in ([], ""):
            yield name, _text(value, message.types[name])
