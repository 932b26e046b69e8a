"""`Collector`: takes what parsers say (rows, names, anomalies) and holds it until there is enough to store."""

from rustnet.store.batches import Batch, Records, Rows
from rustnet.store.rows import Row
from rustnet.store.tables import Anomaly, Name

MAX_ANOMALIES = 200
"""Rows per kind of anomaly and capture; further ones are counted in the last."""

MAX_NAMES = 200_000
"""Addresses whose last name is remembered, by its source and the client."""

NAME_REFRESH_NS = 60_000_000_000
"""A name seen again for the same address, with no other in between, is a new row after this time."""


Sighting = tuple[int, str, str, str, int | None, str | None]
"""(time, address, name, source, TTL, client): a name learned for an address."""


class Collector:
    """Rows of one capture that wait for the writer (`rustnet.dissect.framework.conversation.Sink`).

    Without ``settle`` every sighting of a name is kept, for whoever puts those of several collectors in order.
    """

    def __init__(self, capture_id: int, settle: bool = True) -> None:
        self.capture_id = capture_id
        self.settle = settle
        self.rows: dict[type, list[Row]] = {}
        self.anomalies: list[Anomaly] = []
        self.kinds: dict[str, Anomaly] = {}
        self.seen: dict[str, int] = {}
        self.names: list[Name] = []
        self.sightings: list[Sighting] = []
        self.sighted: dict[tuple[str, str, str | None], Name] = {}

    def record(self, record: object, flow_id: int, ts: int, packet: int) -> None:
        """Take one row of a protocol's table."""
        rows = self.rows.get(type(record))
        if rows is None:
            rows = self.rows[type(record)] = []
        rows.append((record, flow_id, ts, packet))

    def anomaly(
        self, kind: str, detail: str, flow_id: int, ts: int, packet: int, file_offset: int | None = None, count: int = 1
    ) -> None:
        """Take one anomaly; of each kind the first `MAX_ANOMALIES` are rows, and one more counts the rest."""
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
        """Take a name learned for an address; ``client`` asked for it."""
        if not self.settle:
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
        """Batches of the tables that have at least ``least`` rows; the ``final`` ones bring the counts of anomalies."""
        made: list[Batch] = []
        for cls, rows in self.rows.items():
            if len(rows) >= least:
                made.append(Rows(cls, rows))
                self.rows[cls] = []
        if len(self.names) >= least:
            made.append(Records(Name, list(self.names)))
            self.names = []
        if len(self.anomalies) >= least:
            made.append(Records(Anomaly, list(self.anomalies)))
            self.anomalies = []
        if final and self.kinds:
            made.append(Records(Anomaly, list(self.kinds.values())))
            self.kinds = {}
        return made
