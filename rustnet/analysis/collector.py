"""`Collector`: gathers the rows, names and anomalies of parsers until there are enough to store.

No row is larger than `rustnet.bounds` allows: what a parser reports is measured, and cut if necessary, before it waits.
From `CONVERTED_BYTES` on, the waiting rows become columns, which need less memory.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import cython

from rustnet.bounds import ITEM_BYTES, LIST_BYTES, NAME_BYTES, ROW_BYTES, TEXT_BYTES, cut_row, cut_text
from rustnet.columnar import column_bytes
from rustnet.records import columns, table_name
from rustnet.store.batches import Batch, Columns, Records
from rustnet.store.rows import Faults, Row, fault_words, protocol_batch
from rustnet.store.tables import Anomaly, Name

MAX_ANOMALIES = 200
"""Rows per kind of anomaly and capture; one more row counts the rest."""

MAX_NAMES = 65_536
"""Most combinations of address, source and client whose last name is kept."""

NAME_REFRESH_NS = 60_000_000_000
"""Time after which a repeated name of the same address is a new row."""


MAX_DETAIL = 500
"""Characters of an anomaly's detail."""

RECORD_BYTES = 600
"""Memory that a waiting row takes beside its texts."""
CONVERTED_BYTES = 16 << 20
"""Memory of all waiting rows from which they become columns."""
SIGHTING_BYTES = 512
"""Memory of a name that waits, about."""
TABLE_BYTES = 8 << 20
"""Bytes of one table's waiting rows from which they are taken even if they are few."""


class Table:
    """What is known of one record class: the columns whose size is bounded, and the size of its waiting rows."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self.names = tuple(column.name for column in columns(cls) if column.sql_type.startswith("VARCHAR"))
        self.count = len(self.names)
        self.bytes = 0
        locate(self)

    def measure(self, record: Any) -> int:
        """Bytes of a record's texts and lists, or -1 if something may be too long or is neither text nor list."""
        size = 0
        for i in range(self.count):
            value = slot(self, record, i)
            if value is None:
                continue
            if type(value) is str:
                own = text_bytes(value)
                if own > TEXT_BYTES:
                    return -1
            elif type(value) is list:
                own = list_bytes(value)
                if own < 0:
                    return -1
            else:
                return -1
            size += own
        return -1 if size > ROW_BYTES else size


def list_bytes(items: list[Any]) -> int:
    """Bytes of a list of texts, or -1 if it may be too long or has other elements."""
    size = 0
    for item in items:
        if type(item) is not str:
            return -1
        own = text_bytes(item)
        if own > TEXT_BYTES:
            return -1
        size += own + ITEM_BYTES
    return -1 if size > LIST_BYTES else size


if not cython.compiled:  # compiled, the .pxd has them as inline functions

    def locate(table: Table) -> None:
        """Find the offsets of a table's columns in its records."""

    def slot(table: Table, record: Any, i: int) -> Any:
        """Value of a record's column number ``i`` among those that are bounded."""
        return getattr(record, table.names[i])

    def text_bytes(text: str) -> int:
        """Bytes of a text in UTF-8 at most."""
        return len(text) * (1 if text.isascii() else 6)


Sighting = tuple[int, str, str, str, int | None, str | None]
"""(time, address, name, source, TTL, client): a name learned for an address."""


class Collector:
    """Rows of one capture that wait for the writer (`rustnet.dissect.framework.conversation.Sink`).

    Without ``deduplicate`` every sighting of a name is kept, to be merged in order with those of other collectors.
    ``drain`` receives batches as soon as they are columns; without it these wait for `take`.
    """

    def __init__(
        self, capture_id: int, deduplicate: bool = True, drain: Callable[[list[Batch]], None] | None = None
    ) -> None:
        self.capture_id = capture_id
        self.deduplicate = deduplicate
        self.drain = drain
        self.converted: list[Batch] = []
        self.converted_bytes = 0
        """Memory of `converted`."""
        self.rows: dict[type, list[Row]] = {}
        self.tables: dict[type, Table] = {}
        self.bytes = 0
        """Memory of the rows that wait, roughly."""
        self.anomalies: list[Anomaly] = []
        self.kinds: dict[str, Anomaly] = {}
        self.seen: dict[str, int] = {}
        self.names: list[Name] = []
        self.sightings: list[Sighting] = []
        self.sighted: dict[tuple[str, str, str | None], Name] = {}

    def record(self, record: object, flow_id: int, ts: int, packet: int) -> None:
        """Add a row of a protocol's table."""
        cls = type(record)
        table = self.tables.get(cls)
        if table is None:
            table = self.tables[cls] = Table(cls)
            self.rows[cls] = []
        size = table.measure(record)
        if size < 0:
            size = self.cut(table, record, flow_id, ts, packet)
        table.bytes += size + RECORD_BYTES
        self.bytes += size + RECORD_BYTES
        rows = self.rows[cls]
        rows.append((record, flow_id, ts, packet))
        if self.bytes >= CONVERTED_BYTES:
            self.convert()

    def convert(self) -> None:
        """Turn all rows that wait into columns, and pass these to ``drain``."""
        batches = self.columns(1)
        if self.drain is not None:
            self.drain(batches)
            return
        self.converted += batches
        self.converted_bytes += sum(column_bytes(batch.batch) for batch in batches if isinstance(batch, Columns))

    @property
    def waiting_bytes(self) -> int:
        """Memory of everything that waits, about."""
        return self.bytes + self.converted_bytes + SIGHTING_BYTES * (len(self.names) + len(self.sightings))

    def cut(self, table: Table, record: Any, flow_id: int, ts: int, packet: int) -> int:
        """Cut a row to its bounds, report what was cut, and return the row's size."""
        names = cut_row(record, table.names)
        if names:
            detail = f"{table_name(table.cls)}: longer than a row may be, so cut: {', '.join(names)}"
            self.anomaly("row_cut", detail, flow_id, ts, packet)
        size = table.measure(record)
        return ROW_BYTES if size < 0 else size

    def anomaly(
        self, kind: str, detail: str, flow_id: int, ts: int, packet: int, file_offset: int | None = None, count: int = 1
    ) -> None:
        """Add an anomaly; the first `MAX_ANOMALIES` of each kind are rows, and one more counts the rest."""
        seen = self.seen.get(kind, 0) + 1
        self.seen[kind] = seen
        if seen > MAX_ANOMALIES + 1:
            self.kinds[kind].count += count
            return
        if seen > MAX_ANOMALIES:
            row = Anomaly(ts or None, self.capture_id, None, None, kind, "further ones of this kind", None, count)
            self.kinds[kind] = row
            return
        row = Anomaly(
            ts or None, self.capture_id, packet or None, flow_id or None, kind, detail[:MAX_DETAIL], file_offset, count
        )
        self.anomalies.append(row)

    def name(self, ip: str, name: str, source: str, ts: int, ttl: int | None, client: str | None = None) -> None:
        """Add a name learned for an address; ``client`` is the host that asked for it."""
        if len(name) > NAME_BYTES:
            name = cut_text(name, NAME_BYTES)
        if not self.deduplicate:
            self.sightings.append((ts, ip, name, source, ttl, client))
            return
        key = (ip, source, client)
        last = self.sighted.get(key)
        if last is not None and last.name == name and 0 <= ts - last.ts < NAME_REFRESH_NS:
            return
        if len(self.sighted) >= MAX_NAMES:
            self.sighted.clear()
        row = self.sighted[key] = Name(self.capture_id, ip, name, source, ts, ttl, client)
        self.names.append(row)

    def take(self, least: int, final: bool = False) -> list[Batch]:
        """Remove and return tables with at least ``least`` rows, or with many bytes.

        With ``final``, also the counts of anomalies.
        """
        batches, self.converted, self.converted_bytes = self.converted, [], 0
        batches += self.columns(least)
        if len(self.names) >= least:
            batches.append(Records(Name, list(self.names)))
            self.names = []
        if len(self.anomalies) >= least:
            batches.append(Records(Anomaly, list(self.anomalies)))
            self.anomalies = []
        if final and self.kinds:
            batches.append(Records(Anomaly, list(self.kinds.values())))
            self.kinds = {}
        return batches

    def columns(self, least: int) -> list[Batch]:
        """Remove the rows of tables with at least ``least`` rows, or with many bytes, and return them as columns."""
        batches: list[Batch] = []
        faults: Faults = Counter()
        for cls, rows in self.rows.items():
            table = self.tables[cls]
            if rows and (len(rows) >= least or table.bytes >= TABLE_BYTES):
                batch = protocol_batch(cls, self.capture_id, rows, faults)
                batches.append(Columns(cls, batch, protocol=True))
                self.rows[cls] = []
                self.bytes -= table.bytes
                table.bytes = 0
        for (cls, name), count in faults.items():
            self.anomaly("value_not_stored", fault_words(cls, name, count), 0, 0, 0, count=count)
        return batches
