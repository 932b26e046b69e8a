"""Statements on packets (`rustnet.attribute.packet_statements`) as messages of the parsing process, and their check."""

from collections.abc import Iterator
from typing import Any, get_type_hints

import numpy as np

from rustnet.attribute.formats.statement import Statement
from rustnet.attribute.observation import Column, ProcessFacts
from rustnet.attribute.packet_statements import FIELDS, MAX_STATEMENTS, PacketStatements
from rustnet.columnar import Array
from rustnet.ingest.transport import TransportError

CHUNK = 2_000
"""Statements in one message."""

_HINTS = get_type_hints(ProcessFacts)


def encode_statements(statements: PacketStatements) -> Iterator[tuple[list[Any], list[Array]]]:
    """Messages and their arrays that together have all statements of a capture."""
    listed = statements.statements
    for start in range(0, len(listed), CHUNK):
        part = [[each.source, each.quality, *each.process] for each in listed[start : start + CHUNK]]
        yield ["statements", part], []
    rows = statements.rows
    arrays = [statements.members.astype(np.int64).reshape(-1)]
    arrays += [rows[name].astype(np.int64) for name in FIELDS] if rows else []
    sizes = [len(statements.members), len(rows[FIELDS[0]]) if rows else 0]
    yield ["statement sets", *sizes, statements.dropped, statements.unknown], arrays


class StatementDecoder:
    """Collects the messages about one capture's statements."""

    def __init__(self, capture_id: int, origin: str) -> None:
        self.capture_id = capture_id
        self.origin = origin
        self.statements: list[Statement] = []
        self.result: PacketStatements | None = None

    def add(self, values: Any) -> None:
        """Add statements. Raises `TransportError` if they are none."""
        if not isinstance(values, list) or len(self.statements) + len(values) > MAX_STATEMENTS:
            raise TransportError("the parsing process sent statements of another form")
        for value in values:
            source, quality, *facts = value
            if not isinstance(source, str) or not isinstance(quality, str) or len(facts) != len(ProcessFacts._fields):
                raise TransportError("the parsing process sent statements of another form")
            checked = [_fact(name, fact) for name, fact in zip(ProcessFacts._fields, facts, strict=True)]
            self.statements.append(Statement(source, quality, ProcessFacts(*checked)))

    def add_sets(self, members: int, rows: int, dropped: int, unknown: int, *, block: Array) -> None:
        """Add what statement sets consist of, and the rows of flows."""
        if members < 0 or 24 * members > len(block):
            raise TransportError("the parsing process sent statements of another form")
        table = block[: 24 * members].view(np.int64).reshape(-1, 3)
        if members and not (table[:, 2].min() >= 0 and table[:, 2].max() < len(self.statements)):
            raise TransportError("the parsing process sent statements of another form")
        columns = decode_rows(rows, block[24 * members :]) if rows else {}
        self.result = PacketStatements(self.capture_id, self.origin, self.statements, table, columns, dropped, unknown)

    def finish(self) -> PacketStatements | None:
        """All of them; None if there are none."""
        return self.result


def decode_rows(count: int, block: Array) -> dict[str, Column]:
    """Rows of flows and statement sets (columns `FIELDS`)."""
    if count < 1 or 8 * count * len(FIELDS) > len(block):
        raise TransportError("the parsing process sent statements of another form")
    rows = {name: block[8 * count * i : 8 * count * (i + 1)].view(np.int64) for i, name in enumerate(FIELDS)}
    rows["from_src"] = rows["from_src"] != 0
    return rows


def _fact(name: str, value: Any) -> Any:
    """One attribute of a process, if it has the right type."""
    if value is None:
        return None
    if name == "lineage":
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif type(value) is (str if _HINTS[name] == str | None else int):
        return value
    raise TransportError("the parsing process sent statements of another form")
