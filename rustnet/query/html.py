"""Results, flows and sessions as HTML for notebooks.

All text of a capture is escaped, without control characters or characters that reorder text; there is no script, no
link and no style sheet, and sizes are bounded.
"""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.i18n import _, ngettext
from rustnet.present.cells import cell, exact
from rustnet.present.text import cut, printable
from rustnet.present.values import moment
from rustnet.query.detail import APP_TEMPLATES, fields_of
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.query.detail import Fields, FlowDetail, Message
    from rustnet.query.execute import ResultSet, Row
    from rustnet.query.session import Session

ROWS = 50
"""Most rows that a notebook shows."""
COLUMNS = 24
"""Most columns that a notebook shows."""
TEXT = 120
"""Most characters of a value in a table; more of it is in the cell's title."""
TITLE = 1000
"""Most characters of a title."""
MESSAGES = 20
"""Most messages and packets of a flow that a notebook shows."""

_RIGHT = {
    Kind.BYTES, Kind.COUNT, Kind.DURATION, Kind.RATIO, Kind.NUMBER, Kind.PORT, Kind.FLOW, Kind.PACKET, Kind.KEY,
}  # fmt: skip
_NUMBERS = ("INT", "FLOAT", "DOUBLE", "DECIMAL")


def result_html(result: "ResultSet") -> str:
    """Return a table of a result's first rows and columns; columns without any value in them are left out."""
    first = result.rows[:ROWS]
    filled = [at for at in range(len(result.columns)) if not first or any(row[at] is not None for row in first)]
    shown = filled[:COLUMNS]
    rows = f"{len(result.rows):,}"
    count = ngettext("{rows} row", "{rows} rows", len(result.rows)).format(rows=rows)
    if result.truncated:
        count = _("the first {rows} rows; there are more").format(rows=rows)
    notes = [count]
    if len(result.rows) > ROWS:
        notes.append(_("{rows} of them are shown").format(rows=ROWS))
    if empty := len(result.columns) - len(filled):
        words = ngettext(
            "{n} column without a value here is left out", "{n} columns without a value here are left out", empty
        )
        notes.append(words.format(n=empty))
    if more := [result.columns[at] for at in filled[COLUMNS:]]:
        names = cut(printable(", ".join(more)), 400)
        words = ngettext("{n} more column: {names}", "{n} more columns: {names}", len(more))
        notes.append(words.format(n=len(more), names=names))
    return _scrolling(_table(result, shown, first)) + _paragraph("; ".join(notes))


def _table(result: "ResultSet", shown: Sequence[int], rows: "Sequence[Row]") -> str:
    kinds = [_as_kind(kind) for kind in result.kinds]
    right = {at for at in shown if kinds[at] in _RIGHT or (kinds[at] is None and result.types[at].startswith(_NUMBERS))}
    right |= {at for at in shown if kinds[at] is None and result.types[at].startswith(("U", "HUGE", "BIG", "SMALL"))
              and result.types[at] != "UUID"}  # fmt: skip
    head = "".join(_cell(printable(result.columns[at]), at in right, tag="th") for at in shown)
    body = []
    for row in rows:
        cells = (
            _cell(
                cell(row[at], result.columns[at], result.types[at], kinds[at]), at in right, exact(row[at], kinds[at])
            )
            for at in shown
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _as_kind(kind: object) -> Kind | None:
    return kind if isinstance(kind, Kind) else None


def _cell(text: str, right: bool = False, title: str = "", *, tag: str = "td") -> str:
    """One cell; long text is cut and continues in the title."""
    short = cut(text, TEXT)
    title = title or (cut(text, TITLE) if short != text else "")
    hint = f' title="{html.escape(title)}"' if title else ""
    style = "text-align:right;white-space:nowrap" if right else "text-align:left"
    return f'<{tag} style="{style}"{hint}>{html.escape(short)}</{tag}>'


def _scrolling(content: str) -> str:
    return f'<div style="overflow-x:auto">{content}</div>'


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>" if text else ""


def _heading(text: str) -> str:
    return f"<h4>{html.escape(text)}</h4>"


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values below each other, those with a value."""
    rows = (f"<tr>{_cell(name, tag='th')}{_cell(value)}</tr>" for name, value in pairs if value)
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def _simple_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    top = "".join(_cell(name, at in right, tag="th") for at, name in enumerate(head))
    body = "".join(f"<tr>{''.join(_cell(text, at in right) for at, text in enumerate(row))}</tr>" for row in rows)
    return _scrolling(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")


# ---- messages ------------------------------------------------------------------------------------------------------


def _field_texts(message: "Message") -> "Iterator[tuple[str, str]]":
    """Names and texts of the fields of a message that have a value."""
    from rustnet.store.meanings import kind_of  # noqa: PLC0415 -- imports the protocols

    for name, value in message.set_fields().items():
        yield printable(name), cell(value, name, message.types[name], kind_of(message.table, name))


def messages_html(messages: "Sequence[Message]", since: int | None = None) -> str:
    """Return a table of messages: when, which packet, which protocol, and the fields that have a value."""
    rows = []
    for message in messages[:ROWS]:
        at = "" if message.ts is None else moment(message.ts)
        if since is not None and message.ts is not None:
            at = f"+{(message.ts - since) / 1e6:,.3f} ms"
        fields = "; ".join(f"{name} = {text}" for name, text in _field_texts(message))
        rows.append([at, f"{message.packet:,}" if message.packet else "", printable(message.table), fields])
    return _messages_table(rows)


def _messages_table(rows: Sequence[Sequence[str]]) -> str:
    head = [_("time"), _("packet"), _("protocol"), _("fields")]
    top = "".join(_cell(name, at < 2, tag="th") for at, name in enumerate(head))
    body = "".join(
        f"<tr>{_cell(row[0], True)}{_cell(row[1], True)}{_cell(row[2])}"
        f'<td style="text-align:left">{html.escape(cut(row[3], TITLE))}</td></tr>'
        for row in rows
    )
    return _scrolling(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")


# ---- one flow ------------------------------------------------------------------------------------------------------


def flow_html(detail: "FlowDetail") -> str:
    """Return one flow: what it is, both its ends, its owner with the reasons, its messages, anomalies and packets."""
    f = detail.flow
    parts = [
        _heading(_("Flow {n}: {protocol} {src} → {dst}").format(
            n=f["flow_id"], protocol=cell(f["protocol"]), src=_end(f, "src"), dst=_end(f, "dst"))),
        _scrolling(_pairs(_facts(detail))),
        _sides(f),
        *_owner(detail),
    ]  # fmt: skip
    if detail.messages:
        parts.append(_heading(_("Messages")))
        parts.append(messages_html(detail.messages[:MESSAGES], f["started_at"]))
        more = len(detail.messages) - MESSAGES
        if more > 0 or detail.more_messages:
            parts.append(_paragraph(_("more in s.messages({n})").format(n=f["flow_id"])))
    for title, result in ((_("Anomalies"), detail.anomalies), (_("Packets"), detail.packets)):
        if result.rows:
            parts += [_heading(title), _scrolling(_table(result, range(len(result.columns)), result.rows[:MESSAGES]))]
    packets = (f["src_packets"] or 0) + (f["dst_packets"] or 0)
    if packets > MESSAGES and detail.packets.rows:
        note = _("the first {shown} of {packets} packets; all of them: s.packets({n})")
        parts.append(_paragraph(note.format(shown=MESSAGES, packets=f"{packets:,}", n=f["flow_id"])))
    return "".join(parts)


def _end(f: "Fields", side: str) -> str:
    ip, port = f[f"{side}_ip"], f[f"{side}_port"]
    if ip is None:
        return cell(f[f"{side}_mac"])
    if port is None:
        return cell(ip)
    return f"[{cell(ip)}]:{port}" if ":" in ip else f"{cell(ip)}:{port}"


def _facts(detail: "FlowDetail") -> list[tuple[str, str]]:
    f = detail.flow

    def shown(name: str) -> str:
        return cell(f.get(name), name, detail.types.get(name, ""), _flow_kind(name))

    template = APP_TEMPLATES.get(f["app_source"] or "", "{app}")
    app = _(template).format(app=shown("app")) if f["app"] else ""
    name = _("{name} (learned from {source})").format(name=shown("hostname"), source=shown("hostname_source"))
    ends = _("{state}; ended: {reason}").format(
        state=", ".join(shown(key) for key in ("state", "conn_state", "history") if f[key]) or "-",
        reason=shown("end_reason"),
    )
    return [
        (_("application"), app),
        (_("name"), name if f["hostname"] else ""),
        (_("service"), shown("service")),
        (_("time"), f"{shown('started_at')} → {shown('ended_at')}"),
        (_("lasted"), cell((f["ended_at"] - f["started_at"]) / 1e9, "", "", Kind.DURATION)),
        (_("state"), ends),
        (_("round trip of the handshake"), shown("handshake_rtt_ms")),
        (_("smoothed round trip"), shown("rtt_ms")),
        (_("direction"), shown("direction")),
        (_("VLAN"), shown("vlan_id")),
        (_("tunnel"), shown("tunnel")),
        (_("carries"), _("{n} flows inside").format(n=f"{detail.inner:,}") if detail.inner else ""),
        (_("community id"), shown("community_id")),
        (_("capture"), _("{n}, from packet {packet}").format(n=f["capture_id"], packet=shown("first_packet"))),
    ]


def _flow_kind(name: str) -> Kind | None:
    from rustnet.store.meanings import kind_of  # noqa: PLC0415 -- imports the protocols

    return kind_of("flows", name)


_SIDES = ("packets", "bytes", "payload", "retransmissions", "out_of_order", "duplicate_acks", "zero_windows",
          "missed_bytes", "flags", "ttl", "mac")  # fmt: skip


def _sides(f: "Fields") -> str:
    rows = []
    for key in _SIDES:
        pair = f.get(f"src_{key}"), f.get(f"dst_{key}")
        if any(pair):
            texts = (
                cell(value, f"{side}_{key}", "", _flow_kind(f"{side}_{key}"))
                for side, value in zip(("src", "dst"), pair, strict=True)
            )
            rows.append([key.replace("_", " "), *texts])
    head = ["", _("src {end}").format(end=_end(f, "src")), _("dst {end}").format(end=_end(f, "dst"))]
    return _heading(_("Both ends")) + _simple_table(head, rows, (1, 2))


def _owner(detail: "FlowDetail") -> list[str]:
    f = detail.flow
    claims = fields_of(detail.claims)
    explanation = detail.explanation()
    won = next((claim for claim in claims if claim["won"]), None)
    if won is None:
        reason = cell(f["unowned_reason"]).replace("_", " ") or _("not judged")
        owner = _("nobody: {reason}").format(reason=reason)
    else:
        owner = _("{process}, by {source}").format(process=_process(won), source=cell(f["process_source"]))
    parts = [_heading(_("Owner")), _paragraph(owner), *(_paragraph(printable(why)) for why in explanation.why)]
    rows = [
        ["✓" if claim["won"] else "", _process(claim), cell(claim["source"]), cell(claim["quality"]),
         cell(claim["rank"]), cell(claim["distance_ms"], "distance_ms", "", Kind.DURATION), fate]
        for claim, fate in zip(claims[:MESSAGES], explanation.claims[:MESSAGES], strict=True)
    ]  # fmt: skip
    if rows:
        head = ["", _("claimed"), _("by"), _("quality"), _("rank"), _("off by"), _("outcome")]
        parts.append(_simple_table(head, rows, (4, 5)))
    return parts


def _process(claim: "Fields") -> str:
    pid = f" ({claim['pid']})" if claim["pid"] is not None else ""
    if not claim["username"]:
        return f"{cell(claim['process'])}{pid}"
    return _("{process} of {user}").format(process=f"{cell(claim['process'])}{pid}", user=cell(claim["username"]))


# ---- a session -----------------------------------------------------------------------------------------------------

_CAPTURES = """
SELECT capture_id, source, format, packets, wire_bytes, first_ts, last_ts,
    (epoch_ns(last_ts) - epoch_ns(first_ts)) / 1e6 AS duration_ms, complete
FROM captures ORDER BY capture_id"""
_APPS = """
SELECT coalesce(app, protocol) AS app, count(*) AS flows, sum(src_bytes + dst_bytes)::BIGINT AS bytes,
    count(process_id) AS owned
FROM flows GROUP BY 1 ORDER BY bytes DESC, flows DESC, app"""
_DAMAGE = "SELECT kind, sum(count)::BIGINT AS times FROM anomalies GROUP BY 1 ORDER BY times DESC, kind"


def session_html(session: "Session") -> str:
    """Return an overview of a session: its captures, flows, applications, anomalies, and what to ask next."""
    captures, apps = session.execute(_CAPTURES, limit=ROWS), session.execute(_APPS)
    name = printable(Path(session.path).name)
    state = _("{session}: is being written") if session.being_written else _("{session}")
    parts = [_heading(state.format(session=name)), result_html(captures)]
    flows, owned = sum(row[1] for row in apps.rows), sum(row[3] for row in apps.rows)
    listed = ", ".join(f"{cell(app)} {count:,}" for app, count, _bytes, _owned in apps.rows[:MESSAGES])
    words = ngettext(
        "{flows} flow ({owned} with an owner): {apps}", "{flows} flows ({owned} with an owner): {apps}", flows
    )
    parts.append(_paragraph(words.format(flows=f"{flows:,}", owned=f"{owned:,}", apps=listed)))
    anomalies = session.execute(_DAMAGE, limit=MESSAGES).rows
    if anomalies:
        kinds = ", ".join(f"{cell(kind)} {times:,}" for kind, times in anomalies)
        parts.append(_paragraph(_("anomalies: {kinds}; see s.query('anomalies')").format(kinds=kinds)))
    parts += [_paragraph(partial.words(name)) for partial in session.partial_captures()[:MESSAGES]]
    parts.append(_paragraph(_("Next: s.flows('app:tls'), s.sql('…'), s.tables(), s.queries(), s.flow(1)")))
    return "".join(parts)
