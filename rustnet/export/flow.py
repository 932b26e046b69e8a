"""Exports one flow: as data for JSON, and its packets from the original captures."""

import dataclasses
import os
import typing
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from rustnet.errors import InputError, RustnetError, UsageError
from rustnet.export.captured import Originals
from rustnet.export.packets import Extracted, Part, write_pcapng
from rustnet.export.parquet import json_value
from rustnet.export.recorded import shares
from rustnet.present.values import timestamp_ns
from rustnet.probe.newfile import NewFile, RefusedError
from rustnet.query.comments import Comments
from rustnet.query.detail import FlowDetail, Redact, flow_detail
from rustnet.query.selection import IngestedFile, Selection, by_filter, ingested_files, originals
from rustnet.query.views.flow_page import flow_page
from rustnet.query.views.spec import ViewSpec
from rustnet.store.meanings import kind_of

if typing.TYPE_CHECKING:
    from rustnet.query.execute import ResultSet
    from rustnet.query.session import Session

MAX_MESSAGES = 100_000
"""Most messages, and packets, of an export as text or JSON."""
MAX_PACKETS = 5_000_000
"""Most packets of an export as pcapng."""

_CLAIM_TABLES = ("claims", "processes", "flows")
"""Tables that the columns of claims are of, the first with such a column."""


def shown_detail(session: "Session", spec: ViewSpec, flow_id: int) -> FlowDetail:
    """All data of a flow, as of the time of ``spec``."""
    detail = flow_detail(session, flow_id, MAX_MESSAGES, MAX_MESSAGES)
    if spec.at is None:
        return detail
    page = flow_page(session, spec, flow_id)
    if not page.exists:
        raise RustnetError("flow {n} had not begun at that time", n=flow_id)

    def until(result: "ResultSet", at: int) -> "ResultSet":
        rows = [row for row in result.rows if row[at] is None or row[at] <= spec.at]
        return dataclasses.replace(result, rows=rows)

    return dataclasses.replace(
        detail,
        flow=page.flow,
        judged=detail.flow,
        types={name: detail.types.get(name, "DOUBLE") for name in page.flow},
        messages=[message for message in detail.messages if message.ts is None or message.ts <= spec.at],
        anomalies=until(detail.anomalies, 0),
        packets=until(detail.packets, 1),
    )


def flow_data(detail: FlowDetail, redact: Redact | None = None) -> dict[str, Any]:
    """All data of a flow for JSON; times are ISO-8601 in UTC. ``redact`` replaces values by their kind."""
    explanation = detail.explanation(redact)

    def value(given: Any, name: str, kind: str, *tables: str) -> Any:
        if redact is not None and given is not None and kind != "TIMESTAMP_NS":
            known = next((found for table in tables if (found := kind_of(table, name)) is not None), None)
            return redact(given, name, known)
        return _exact(given, kind)

    def rows(result: "ResultSet", *tables: str) -> list[dict[str, Any]]:
        return [
            {n: value(v, n, kind, *tables) for n, kind, v in zip(result.columns, result.types, row, strict=True)}
            for row in result.rows
        ]

    claims = rows(detail.claims, *_CLAIM_TABLES)
    return {
        "flow": {name: value(given, name, detail.types[name], "flows") for name, given in detail.flow.items()},
        "messages": [
            {"table": m.table, "ts": _exact(m.ts, "TIMESTAMP_NS"), "packet": m.packet,
             **{name: value(given, name, m.types[name], m.table) for name, given in m.fields.items()}}
            for m in detail.messages
        ],
        "more_messages": detail.more_messages,
        "claims": [row | {"verdict": fate} for row, fate in zip(claims, explanation.claims, strict=True)],
        "verdict": explanation.why,
        "anomalies": rows(detail.anomalies, "anomalies"),
        "packets": rows(detail.packets, "packets"),
        "inner_flows": detail.inner,
    }  # fmt: skip


def _exact(value: Any, kind: str) -> Any:
    if kind == "TIMESTAMP_NS" and isinstance(value, int):
        return timestamp_ns(value)
    return value if value is None or isinstance(value, str | int) else json_value(value)


# ---- packets -------------------------------------------------------------------------------------------------------


FlowPart = tuple[tuple[int, ...], dict[int, str], tuple[IngestedFile, ...], str | None, bool]
"""Numbers, comments of packets, files, hash, and whether the files are merged."""


@dataclasses.dataclass(frozen=True, slots=True)
class FlowPackets:
    """The packets of a flow and of the flows inside it, and the files that they are in."""

    parts: tuple[FlowPart, ...]
    """One for each capture, or file of a recorded one."""


def flow_packets(session: "Session", spec: ViewSpec, flow_id: int) -> FlowPackets:
    """Select the packets of a flow, with those inside it and its fragments, up to the time of ``spec``."""
    selected = by_filter(f"flow:{flow_id:d}", session.scope())
    if spec.at is not None:
        sql = (
            f"SELECT s.capture_id, s.number FROM ({selected.sql}) AS s "  # noqa: S608 -- compiled
            f"JOIN packets AS p ON p.capture_id = s.capture_id AND p.number = s.number "
            f"WHERE p.ts <= make_timestamp_ns({spec.at:d})"
        )
        selected = Selection(sql, selected.params)
    counts = selected.counts(session)
    if sum(counts.values()) > MAX_PACKETS:
        raise UsageError(
            "the flow has {n} packets, more than are exported here; 'rustnet extract' takes any number",
            n=f"{sum(counts.values()):,}",
        )
    parts: list[FlowPart] = []
    for capture in originals(session, list(counts)):
        number = capture.capture_id
        if capture.recorded:
            parts += _recorded_parts(session, selected, number)
            continue
        numbers = tuple(selected.numbers(session, number))
        comments = Comments(session, number)
        texts = {each: text for each in numbers if (text := comments.text(each))}
        parts.append((numbers, texts, ingested_files(session, number), capture.sha256, capture.merged))
    return FlowPackets(tuple(parts))


def _recorded_parts(session: "Session", selected: Selection, capture_id: int) -> list[FlowPart]:
    """Parts of a live capture: one for each file that packets were recorded to."""
    files, comments = ingested_files(session, capture_id), Comments(session, capture_id)
    parts: list[FlowPart] = []
    found, lost = shares(session, selected, capture_id)
    if lost:
        raise InputError("{n} packets of the flow are in no file of the recording", n=f"{lost:,}")
    for share in found:
        numbers = tuple(share.numbers())
        texts = {each: text for each in numbers if (text := comments.text(share.of_capture(each)))}
        parts.append((numbers, texts, (files[share.file],), None, False))
    return parts


def write_packets(packets: FlowPackets, known: Originals, stream: BinaryIO) -> Extracted:
    """Write packets as pcapng. Raises `InputError` if an original is missing or has changed."""
    parts = []
    for numbers, texts, files, sha256, merged in packets.parts:
        paths = []
        for file in files:
            checked = known.checked(file)
            if checked.path is None:
                raise InputError(checked.problem)
            paths.append(checked.path)
        parts.append(
            Part(tuple(paths), sha256, lambda numbers=numbers: iter(numbers),  # type: ignore[misc]
                 lambda number, texts=texts: texts.get(number, ""), merged)  # type: ignore[misc]
        )  # fmt: skip
    return write_pcapng(parts, stream)


# ---- the file ------------------------------------------------------------------------------------------------------


def named(path: str) -> str:
    """Path of a file as typed; ``~`` is the home directory."""
    return os.path.expanduser(path)  # noqa: PTH111 -- which leaves the name of an unknown user as it is


def write_new(path: str, inputs: Iterable[str], write: Callable[[BinaryIO], object]) -> None:
    """Write a file that does not exist yet. It gets its name once it is complete; only its owner can read it.

    Raises `UsageError` if there is something of that name, or the name belongs to the session or a capture.
    """
    path = named(path)
    _refuse_existing(path)
    try:
        file = NewFile(path, list(inputs))
        try:
            with open(file.descriptor, "wb") as stream:  # noqa: PTH123 -- a descriptor
                write(stream)
                stream.flush()
                _refuse_existing(path)
                file.publish()
        finally:
            file.discard()
    except RefusedError:
        raise UsageError("{path}: nothing is exported to that name; choose another one", path=path) from None
    except OSError as error:
        raise RustnetError(
            "{path}: cannot be written: {strerror}", path=path, strerror=error.strerror or error
        ) from None


def _refuse_existing(path: str) -> None:
    if os.path.lexists(path):
        raise UsageError("{path}: exists already; choose another name", path=path)
