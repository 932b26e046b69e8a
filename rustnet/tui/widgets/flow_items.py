"""Texts of a flow's page: its rows, claims and messages as items of cards, through the presenter."""

from collections.abc import Iterable
from typing import Any

from rustnet.i18n import N_, _, ngettext
from rustnet.policy.explain import EQUAL, WON
from rustnet.present.cells import exact
from rustnet.present.values import clock_time, day, duration, moment, short_moment
from rustnet.query.filter_for import filter_for
from rustnet.query.views.flow_messages import FlowMessage
from rustnet.query.views.flow_page import Card, FlowPage, Row, Value
from rustnet.records import Kind
from rustnet.tui.presenter import Presenter
from rustnet.tui.widgets.cards import Block, Item, Sentence

TIME = "TIMESTAMP_NS"
MOST_CLAIMS = 50
"""Most claims whose fate is stated."""

PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("connection", N_("Connection"), ("connection", "application", "network", "related")),
    ("transport", N_("Transport"), ("transport", "traffic")),
    ("ownership", N_("Ownership"), ("ownership",)),
    ("messages", N_("Messages"), ()),
    ("packets", N_("Packets"), ()),
    ("stream", N_("Stream"), ()),
)
"""Parts of the screen: name, title and cards."""


class FlowItems:
    """Turns the page of a flow into texts."""

    def __init__(self, page: FlowPage, presenter: Presenter) -> None:
        self.page = page
        self._presenter = presenter

    # ---- values ----------------------------------------------------------------------------------------------------

    def text(self, value: Value) -> str:
        """Text of one value; empty if it is not known."""
        if value.value is None or value.value == []:
            return ""
        if value.name == "closed_at" and day(value.value) == day(self.page.flow["started_at"]):
            return moment(value.value).partition(" ")[2]
        if value.name.endswith("asn"):
            return f"AS{self._presenter.text(value.value, value.name, kind=value.kind)}"
        return self._presenter.text(value.value, value.name, value.sql_type, value.kind)

    def end(self, address: Value, port: Value | None) -> str:
        """An address with its port."""
        shown = self.text(address)
        if not shown or port is None or port.value is None:
            return shown
        return f"[{shown}]:{port.value}" if ":" in shown else f"{shown}:{port.value}"

    def row_text(self, row: Row) -> str:
        """Text of all values of a row."""
        texts = [self.text(each) for each in row.values]
        if not any(texts):
            return ""
        if row.form == "end":
            return self.end(row.values[0], row.values[1] if len(row.values) > 1 else None)
        if row.form == "sides":
            return f"↑ {texts[0] or '-'}  ↓ {texts[1] or '-'}"
        if row.form == "process":
            name = texts[0] or _("unnamed process")
            return f"{name} ({texts[1]})" if texts[1] else name
        if row.form == "user":
            ids = ":".join(each for each in texts[1:] if each)
            return f"{texts[0]} ({ids})" if texts[0] and ids else texts[0] or ids
        text = " · ".join(each for each in texts if each)
        return _(row.template).format(**{row.name: text}) if row.template else text

    def _whole(self, row: Row, text: str) -> str:
        """All digits of what the screen rounds."""
        digits = [exact(each.value, each.kind) for each in row.values]
        if not any(digits):
            return text
        return " / ".join(d or self.text(v) or "-" for d, v in zip(digits, row.values, strict=True))

    def term(self, row: Row) -> str:
        """Filter of the flows with a row's value; it is shown by `Presenter.shown_filter` alone."""
        if row.form == "sides" or not row.values:
            return ""
        port = row.values[1].value if row.form == "end" and len(row.values) > 1 else None
        first = next((each for each in row.values if each.value is not None), row.values[0])
        return filter_for(first.column, first.value, port) or ""

    def note(self, row: Row) -> str:
        """Where a value was learned from and when, and what else is to be known of it."""
        parts = []
        if row.source and "." not in row.name:  # a protocol's column says itself where it is from
            parts.append(self._presenter.text(row.source, kind=Kind.PATH if "/" in row.source else Kind.WORD))
        if row.packet is not None and row.name != "first_packet":
            parts.append(_("packet {number}").format(number=f"{row.packet:,}"))
        if row.learned_at is not None:
            parts.append(self._when(row.learned_at))
        if row.remark:
            parts.append(_(row.remark))
        return " · ".join(parts)

    def _when(self, ns: int) -> str:
        """A time; without the date if it is that of the flow's beginning."""
        return clock_time(ns) if day(ns) == day(self.page.flow["started_at"]) else short_moment(ns)

    def item(self, row: Row) -> Item:
        """A row as an item of a card."""
        text = self.row_text(row)
        label = row.label if "." in row.name else _(row.label)  # columns of protocols keep their names
        return Item(row.name, label, text, self.note(row) if text else "", _style(row, text),
                    self._whole(row, text), self.term(row), row.flow_id)  # fmt: skip

    # ---- cards -----------------------------------------------------------------------------------------------------

    def blocks(self, part: str) -> list[Block]:
        """Cards of a part of the screen."""
        wanted = next(names for name, _title, names in PARTS if name == part)
        by_name: dict[str, Card] = {card.name: card for card in self.page.cards}
        blocks = [Block(_(by_name[n].title), tuple(map(self.item, by_name[n].rows))) for n in wanted if n in by_name]
        if part == "ownership":
            blocks += self._claims()
        if part == "transport":
            blocks += self._anomalies()
        return blocks

    def _claims(self) -> Iterable[Block]:
        """Verdict in words, and the claims."""
        redact = self._redacted if self._presenter.redacting else None
        explanation = self.page.explanation(redact)
        yield Block(_("Verdict"), [Sentence(f"· {self._safe(each)}", "") for each in explanation.why])
        lines: list[Item | Sentence] = []
        for number, (claim, fate) in enumerate(zip(self.page.claims, explanation.claims, strict=True)):
            process = self._process(claim)
            by = " ".join(self._presenter.text(claim[key], kind=Kind.WORD) for key in ("source", "quality"))
            outcome = {WON: _("won"), EQUAL: _("equal")}.get(fate, self._safe(fate))
            lines.append(Item(f"claim{number}", process, by, outcome, "ok" if claim["won"] else "",
                              f"{process}: {by}: {outcome}"))  # fmt: skip
            if number < MOST_CLAIMS and fate not in (WON, EQUAL):
                lines.append(Sentence(outcome))
        if self.page.more_claims:
            lines.append(Sentence(_("there are more claims; the table claims has them all")))
        yield Block(_("Claims"), lines or [Sentence(_("no source claims this flow"))])

    def _process(self, claim: "dict[str, Any]") -> str:
        name = self._presenter.text(claim["process"], "name", kind=Kind.SOFTWARE) or _("unnamed process")
        return name if claim["pid"] is None else f"{name} ({claim['pid']})"

    def _redacted(self, value: Any, column: str, kind: Kind | None) -> Any:
        return self._presenter.value(value, column, kind)

    def _safe(self, sentence: str) -> str:
        """A sentence whose values were redacted before."""
        return Presenter().text(sentence)

    def _anomalies(self) -> Iterable[Block]:
        rows = self.page.anomalies.rows
        if not rows:
            return
        lines: list[Item | Sentence] = []
        for number, (ts, packet, kind, detail, count) in enumerate(rows):
            words = self._presenter.text(detail, "detail", kind=Kind.FREE_TEXT)
            place = "" if packet is None else _("packet {number}").format(number=f"{packet:,}")
            note = [place, "" if ts is None else self._when(ts), "" if count == 1 else _times(count)]
            term = filter_for("anomalies.kind", kind) or ""
            label = self._presenter.text(kind, kind=Kind.WORD)
            lines.append(Item(f"anomaly{number}", label, words, " · ".join(filter(None, note)), "warn", term=term))
        yield Block(_("Anomalies"), lines)

    # ---- the line above the cards ----------------------------------------------------------------------------------

    def head(self) -> list[tuple[str, str]]:
        """Texts and styles of the header line: who talks to whom, state, rates and round trip."""
        f = self.page.flow
        rows = {(card.name, row.name): row for card in self.page.cards for row in card.rows}
        owner = self.row_text(rows["ownership", "name"]) or self.row_text(rows["connection", "local"])
        name = rows["network", "remote_name"]
        other = self.row_text(name) or self.row_text(rows["connection", "remote"])
        parts = [(owner, "strong"), (" → ", "dim"), (other, "strong")]
        state = self._presenter.text(f["state"] or f["conn_state"], "state", kind=Kind.WORD)
        parts.append((f"  {state or '-'}", "accent" if f["end_reason"] == "open" else "dim"))
        app = self.row_text(rows["application", "app"])
        if app:
            parts.append((f"  {app}", ""))
        if f["rtt_ms"] is not None:
            slow = "ok" if f["rtt_ms"] < 50 else "warn" if f["rtt_ms"] < 150 else "error"
            parts.append((f"  {duration(round(f['rtt_ms'] * 1e6))}", slow))
        parts.append((f"  {self.row_text(rows['traffic', 'bytes'])}", "dim"))
        return parts

    # ---- messages --------------------------------------------------------------------------------------------------

    def message_summary(self, message: FlowMessage, most: int = 6) -> str:
        """First values of a message, on one line."""
        texts = (
            self._presenter.text(value, name, message.types[name], message.kind(name))
            for name, value in list(message.fields.items())[:most]
        )
        return "  ".join(text for text in texts if text)

    def message_blocks(self, message: FlowMessage) -> list[Block]:
        """A message as a card with every field that has a value."""
        items = []
        for name, value in message.fields.items():
            kind = message.kind(name)
            text = self._presenter.text(value, name, message.types[name], kind)
            term = filter_for(f"{message.table}.{name}", value) or ""
            items.append(Item(f"{message.table}.{name}", name, text, whole=exact(value, kind), term=term))
        when = "-" if message.ts is None else moment(message.ts)
        title = _("{table} · {time} · packet {number}").format(
            table=message.table, time=when, number="-" if message.packet is None else f"{message.packet:,}"
        )
        return [Block(title, items)]


def _times(count: int) -> str:
    return ngettext("{count} time", "{count} times", count).format(count=f"{count:,}")


def _style(row: Row, text: str) -> str:
    """Style of a value: what deserves attention stands out."""
    value: Any = row.values[0].value if row.values else None
    if not text:
        return "dim"
    if row.name in ("retransmissions", "missed_bytes", "zero_windows") and any(v.value for v in row.values):
        return "warn"
    if row.name == "process_contested" and value:
        return "error"
    if row.name == "unowned_reason":
        return "warn"
    if row.name in ("rtt_ms", "handshake_rtt_ms") and isinstance(value, float):
        return "ok" if value < 50 else "warn" if value < 150 else "error"
    return ""
