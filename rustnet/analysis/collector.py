"""`Collector`: gathers the rows, names and anomalies of parsers until there are enough to store."""

from rustnet.store.batches import Batch, Records, Rows
from rustnet.store.rows import Row
from rustnet.store.tables import Anomaly, Name

MAX_ANOMALIES = 200
"""Rows per kind of anomaly and capture; one more row counts the rest."""

MAX_NAMES = 200_000
"""Most combinations of address, source and client whose last name is kept."""

NAME_REFRESH_NS = 60_000_000_000
"""Time after which a repeated name of the same address is a new row."""


Sighting = tuple[int, str, str, str, int | None, str | None]
"""(time, address, name, source, TTL, client): a name learned for an address."""


class Collector:
    """Rows of one capture that wait for the writer (`rustnet.dissect.framework.conversation.Sink`).

    Without ``deduplicate`` every sighting of a name is kept, to be merged in order with those of other collectors.
    """

    def __init__(self, capture_id: int, deduplicate: bool = True) -> None:
        self.capture_id = capture_id
        self.deduplicate = deduplicate
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
        batches: list[Batch] = []
        for cls, rows in self.rows.items():
            if len(rows) >= least:
                batches.append(Rows(cls, rows))
                self.rows[cls] = []
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
