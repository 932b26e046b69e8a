"""`Collector`: gathers the rows, names and anomalies of parsers until there are enough to store.

Rows wait as records, and from `CONVERTED_BYTES` on as columns, which need less memory. Their size is estimated from a
sample of the records.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from rustnet.records import columns
from rustnet.store.batches import Batch, Columns, Records, Rows
from rustnet.store.rows import Row, protocol_batch
from rustnet.store.tables import Anomaly, Name

MAX_ANOMALIES = 200
"""Rows per kind of anomaly and capture; one more row counts the rest."""

MAX_NAMES = 65_536
"""Most combinations of address, source and client whose last name is kept."""

NAME_REFRESH_NS = 60_000_000_000
"""Time after which a repeated name of the same address is a new row."""

CONVERTED_BYTES = 16 << 20
"""Size of waiting records from which they become columns."""

RECORD_BYTES = 640
"""Size of a record without its texts, about."""

ITEM_BYTES = 64
"""Size of a text without its characters, about."""

SAMPLED = 16
"""One in so many records is measured, at changing distances."""

NAME_BYTES = 512
"""Size of a name that waits, about."""

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
        """Size of `converted`."""
        self.record_bytes = 0
        """Estimated size of the records in `rows`."""
        self.until_sample = 1
        self.sample_state = 1
        self.rows: dict[type, list[Row]] = {}
        self.anomalies: list[Anomaly] = []
        self.kinds: dict[str, Anomaly] = {}
        self.seen: dict[str, int] = {}
        self.names: list[Name] = []
        self.sightings: list[Sighting] = []
        self.sighted: dict[tuple[str, str, str | None], Name] = {}

    def record(self, record: object, flow_id: int, ts: int, packet: int) -> None:
        """Add a row of a protocol's table."""
        rows = self.rows.get(type(record))
        if rows is None:
            rows = self.rows[type(record)] = []
        rows.append((record, flow_id, ts, packet))
        self.until_sample -= 1
        if self.until_sample <= 0:
            self.measure(record)

    def measure(self, record: Any) -> None:
        """Measure one record for all since the previous sample, and convert the waiting ones if they are large."""
        size = RECORD_BYTES
        cls: Any = type(record)
        for name in field_names(cls):
            value = getattr(record, name)
            if isinstance(value, str):
                size += ITEM_BYTES + len(value)
            elif isinstance(value, list):
                for item in value:
                    size += ITEM_BYTES + (len(item) if isinstance(item, str) else 0)
        # A linear congruential generator (Numerical Recipes): traffic cannot hide large records from the sample.
        self.sample_state = (self.sample_state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        self.record_bytes += size * SAMPLED
        self.until_sample = 1 + (self.sample_state >> 16) % (2 * SAMPLED - 1)
        if self.record_bytes >= CONVERTED_BYTES:
            self.convert()

    def convert(self) -> None:
        """Turn all records that wait into columns, and pass these to ``drain``."""
        for cls, rows in self.rows.items():
            if rows:
                batch = protocol_batch(cls, self.capture_id, rows)
                self.rows[cls] = []
                self.converted.append(Columns(cls, batch, protocol=True))
        self.converted_bytes += self.record_bytes // 2  # without the overhead of objects, about
        self.record_bytes = 0
        if self.drain is not None:
            batches, self.converted, self.converted_bytes = self.converted, [], 0
            self.drain(batches)

    @property
    def waiting_bytes(self) -> int:
        """Estimated size of everything that waits."""
        return self.record_bytes + self.converted_bytes + NAME_BYTES * (len(self.names) + len(self.sightings))

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
            ts or None, self.capture_id, packet or None, flow_id or None, kind, detail[:500], file_offset, count
        )
        self.anomalies.append(row)

    def name(self, ip: str, name: str, source: str, ts: int, ttl: int | None, client: str | None = None) -> None:
        """Add a name learned for an address; ``client`` is the host that asked for it."""
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
        """Remove and return tables with at least ``least`` rows; with ``final``, also the counts of anomalies."""
        batches, self.converted, self.converted_bytes = self.converted, [], 0
        total = taken = 0
        for cls, rows in self.rows.items():
            total += len(rows)
            if len(rows) >= least:
                taken += len(rows)
                batches.append(Rows(cls, rows))
                self.rows[cls] = []
        if taken:
            self.record_bytes = self.record_bytes * (total - taken) // total
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


@cache
def field_names(cls: type) -> tuple[str, ...]:
    """Names of a record class's fields."""
    return tuple(column.name for column in columns(cls))
