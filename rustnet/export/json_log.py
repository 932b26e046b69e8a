"""`JsonLog`: the events of connections as JSON lines, in the form of RustNet's ``--json-log``.

``new_connection`` is written once the owner of a flow is known, or has been waited for; ``connection_closed`` when the
flow has ended, or the capture has. Times are packet times. ``source`` is the local end: the owner's, else that of an
outbound flow's initiator. Command lines are not written.
"""

import json
import os
import typing
from collections.abc import Sequence
from typing import Any

import numpy as np

from rustnet.errors import InputError, UsageError
from rustnet.export.sidecar import process_keys, protocol_name, written
from rustnet.probe.newfile import FOR_GROUP, NO_FOLLOW, PRIVATE, RefusedError, check_target, is_stream

if typing.TYPE_CHECKING:
    import duckdb

PATIENCE = 3
"""Flushes for which a flow without an owner is waited for."""
MOST_WAITING = 100_000
"""Flows without an owner that are waited for at a time."""
CHUNK = 5_000
"""Flows that are looked up at a time."""
MOST_PER_FLUSH = 10_000
"""Flows that began, and that ended, of which events are written at a flush; the others wait for the next one."""
_SECOND = 1_000_000_000
_PROCESS_KEYS = ("pid", "process_name", "process_ppid", "process_executable", "process_uid", "process_gid",
                 "process_lineage", "kubernetes")  # fmt: skip

_OPEN = "SELECT flow_id, process_id IS NOT NULL AS owned FROM flows_open WHERE capture_id = ? ORDER BY flow_id"
_ENDED = """
SELECT flow_id, process_id IS NOT NULL AS owned, rowid AS place FROM flows_ended WHERE capture_id = ? AND rowid >= ?
ORDER BY rowid LIMIT ?"""
_OWNED = "SELECT flow_id FROM flows WHERE flow_id IN (SELECT unnest(?)) AND process_id IS NOT NULL"
_EVENTS = """
WITH chosen AS (SELECT * FROM flows WHERE flow_id IN (SELECT unnest($flows))),
won AS (
    SELECT c.flow_id, arg_min({'quality': c.quality, 'reversed': c.reversed}, (c.rank, c.distance_ms)) AS best
    FROM claims AS c JOIN chosen AS f
        ON f.flow_id = c.flow_id AND f.process_id = c.process_id AND f.process_source = c.source
    GROUP BY c.flow_id
), asked AS (
    SELECT d.flow_id, min(d.query) AS query FROM dns AS d SEMI JOIN chosen USING (flow_id)
    GROUP BY d.flow_id HAVING count(DISTINCT d.query) = 1
)
SELECT f.flow_id, f.community_id, lower(f.protocol) AS protocol, epoch_ns(f.started_at) AS started,
    epoch_ns(f.ended_at) AS ended, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.direction, f.end_reason, f.service,
    f.src_bytes, f.dst_bytes, f.syn_tries, f.rtt_ms, f.hostname,
    CASE WHEN f.app_source IN ('payload', 'inherited') THEN f.app END AS app,
    CASE WHEN f.hostname_source IN ('sni', 'http') THEN f.hostname ELSE q.query END AS domain,
    f.src_country, f.dst_country, f.src_city, f.dst_city, f.src_asn, f.dst_asn, f.src_as_name, f.dst_as_name,
    w.best.quality AS quality, coalesce(w.best.reversed, f.direction = 'inbound') AS turned,
    CASE WHEN f.process_id IS NOT NULL THEN p END AS process
FROM chosen AS f LEFT JOIN won AS w ON w.flow_id = f.flow_id LEFT JOIN asked AS q ON q.flow_id = f.flow_id
LEFT JOIN (
    SELECT * REPLACE (epoch_ns(started_at) AS started_at, epoch_ns(changed_at) AS changed_at,
        epoch_ns(parent_started_at) AS parent_started_at) FROM processes
) AS p ON p.process_id = f.process_id
ORDER BY f.flow_id"""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

Fields = dict[str, Any]
Numbers = np.ndarray[Any, Any]


class JsonLog:
    """Appends events to a file; to be called within each flush of the session that it is about.

    Raises `UsageError` for a file that is something else, `InputError` for one that cannot be written.
    """

    def __init__(self, path: str, inputs: Sequence[str] = (), group: int | None = None) -> None:
        self.path = path
        self.events = 0
        self.problem = ""
        """Why the log ended before its time."""
        self._group = group
        if os.path.lexists(path) and is_stream(path):
            raise UsageError("{path}: events are written to a file, not to a pipe or device", path=path)
        try:
            check_target(path, inputs, force=False)
        except RefusedError:
            raise UsageError("{path}: is no log of events; choose another file", path=path) from None
        self._descriptor = self._open()
        self._since = 0
        """Rows of ended flows that were looked at."""
        self._announced: Numbers = np.zeros(0, np.int64)
        """Open flows whose beginning was written."""
        self._waited: dict[int, int] = {}
        """Flushes for which flows without an owner, open or ended, were waited for."""
        self._ended: set[int] = set()
        """Of these, the ended ones."""
        self._capture = 0
        self._reopen = False

    def _open(self) -> int:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_FOLLOW, PRIVATE)
            if self._group is not None:
                os.fchown(descriptor, -1, self._group)
                os.fchmod(descriptor, FOR_GROUP)
        except OSError as error:
            strerror = error.strerror or error
            raise InputError("{path}: cannot be written: {strerror}", path=self.path, strerror=strerror) from None
        return descriptor

    def reopen(self) -> None:
        """Open the file by its name once more before the next event: it may have been renamed. From any thread."""
        self._reopen = True

    def __call__(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Write the events since the last flush."""
        self._write_due(con, capture_id, PATIENCE)

    def finish(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Write all events that are left: the capture has ended."""
        while self._write_due(con, capture_id, 0):
            pass

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # ---- which events are due ------------------------------------------------------------------------------------

    def _write_due(self, con: "duckdb.DuckDBPyConnection", capture_id: int, patience: int) -> bool:
        """Write the events that are due; returns whether others wait only because there were so many."""
        if self._descriptor < 0:
            return False
        if capture_id != self._capture:
            self._capture, self._announced = capture_id, np.zeros(0, np.int64)
            self._waited, self._ended = {}, set()
        open_flows = _columns(con, _OPEN, [capture_id])
        ended = _columns(con, _ENDED, [capture_id, self._since, MOST_PER_FLUSH])
        if len(ended["place"]):
            self._since = int(ended["place"][-1]) + 1
        fresh = np.flatnonzero(~np.isin(open_flows["flow_id"], self._announced))
        many = len(fresh) > MOST_PER_FLUSH or len(ended["flow_id"]) == MOST_PER_FLUSH
        fresh = fresh[:MOST_PER_FLUSH]
        begun = self._due(open_flows["flow_id"][fresh], open_flows["owned"][fresh], patience)
        waiting = sorted(self._ended)
        owned = {row[0] for row in con.execute(_OWNED, [waiting]).fetchall()} if waiting else set()
        closed = self._due(np.array(waiting, np.int64), np.array([flow in owned for flow in waiting], bool), patience)
        closed += self._due(ended["flow_id"], ended["owned"], patience)
        self._ended.update(flow for flow in map(int, ended["flow_id"]) if flow in self._waited)
        self._ended.difference_update(closed)
        if self._waited:  # of flows that are neither open nor ended any more nothing is kept
            present = self._ended.union(map(int, open_flows["flow_id"]))
            self._waited = {flow: times for flow, times in self._waited.items() if flow in present}
        announced = set(map(int, self._announced))
        self._write(con, [*begun, *(flow for flow in closed if flow not in announced)], closed)
        kept = np.concatenate([self._announced, np.array(begun, np.int64)])
        self._announced = np.setdiff1d(kept, np.array(closed, np.int64))
        return many

    def _due(self, flows: Numbers, owned: Numbers, patience: int) -> list[int]:
        """Flows that have an owner, or have waited for one long enough."""
        due = []
        for flow, has_owner in zip(map(int, flows), owned, strict=True):
            waited = self._waited.get(flow, 0)
            if has_owner or waited >= patience or (not waited and len(self._waited) >= MOST_WAITING):
                self._waited.pop(flow, None)
                due.append(flow)
            else:
                self._waited[flow] = waited + 1
        return due

    # ---- events --------------------------------------------------------------------------------------------------

    def _write(self, con: "duckdb.DuckDBPyConnection", begun: list[int], closed: list[int]) -> None:
        """Write the events of flows in the order of time."""
        first, last = set(begun), set(closed)
        flows = sorted(first | last)
        for at in range(0, len(flows), CHUNK):
            answer = con.execute(_EVENTS, {"flows": flows[at : at + CHUNK]})
            names = [column[0] for column in answer.description or ()]
            lines: list[tuple[int, int, str]] = []
            for values in answer.fetchall():
                row = dict(zip(names, values, strict=True))
                if row["src_ip"] is None or row["dst_ip"] is None:
                    continue
                about = connection(row)
                if row["flow_id"] in first:
                    lines.append((row["started"], len(lines), _line(began(row, about))))
                if row["flow_id"] in last:
                    lines.append((row["ended"], len(lines), _line(ended(row, about))))
            self._append("".join(line for _ts, _place, line in sorted(lines)), len(lines))

    def _append(self, text: str, events: int) -> None:
        """Append whole lines; an error ends the log."""
        if not text or self._descriptor < 0:
            return
        size = -1
        try:
            if self._reopen:
                self._reopen = False
                os.close(self._descriptor)
                self._descriptor = -1
                self._descriptor = self._open()
            size = os.fstat(self._descriptor).st_size
            view = memoryview(text.encode("utf-8", "backslashreplace"))
            while view:
                view = view[os.write(self._descriptor, view) :]
        except (OSError, InputError) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            self.problem = f"{self.path}: the log of events ended: {why}"
            if self._descriptor >= 0 and size >= 0:
                os.ftruncate(self._descriptor, size)
            self.close()
        else:
            self.events += events


def _columns(con: "duckdb.DuckDBPyConnection", sql: str, params: list[object]) -> dict[str, Numbers]:
    """Columns of numbers that a query returns."""
    return {name: np.asarray(column) for name, column in con.execute(sql, params).fetchnumpy().items()}


def connection(row: Fields) -> Fields:
    """What both events of a flow state, with the keys of RustNet; unknown values are left out."""
    turned = bool(row["turned"])
    near, far = ("dst", "src") if turned else ("src", "dst")
    many = row["direction"] if row["direction"] in ("multicast", "broadcast") else None
    keys: Fields = {
        "protocol": protocol_name(row["protocol"]),
        "direction": None if row["syn_tries"] is None else ("incoming" if turned else "outgoing"),
        "source_ip": row[f"{near}_ip"],
        "source_port": row[f"{near}_port"] or 0,
        "destination_ip": row[f"{far}_ip"],
        "destination_port": row[f"{far}_port"] or 0,
        "source_addr_kind" if turned else "destination_addr_kind": many,
        "source_hostname" if turned else "destination_hostname": row["hostname"],
        "attribution_match": row["quality"],
        "rtt_ms": None if row["rtt_ms"] is None else round(row["rtt_ms"], 1),
        "service_name": row["service"],
        "dpi_protocol": row["app"] and row["app"].upper(),
        "dpi_domain": row["domain"],
        "geoip_country_code": row[f"{far}_country"],
        "geoip_city": row[f"{far}_city"],
        "geoip_asn": row[f"{far}_asn"],
        "geoip_as_org": row[f"{far}_as_name"],
        "community_id": row["community_id"],
        "flow_id": row["flow_id"],
    }
    if row["process"] is not None:
        process = process_keys(row["process"])
        if not process.get("kubernetes", {}).keys() - {"cgroup_path"}:
            process.pop("kubernetes", None)
        keys |= {key: process.get(key) for key in _PROCESS_KEYS}
    return {key: value for key, value in keys.items() if value is not None}


def began(row: Fields, about: Fields) -> Fields:
    """The event of a flow's beginning."""
    return {**about, "event": "new_connection", "timestamp": written(row["started"])}


def ended(row: Fields, about: Fields) -> Fields:
    """The event of a flow's end."""
    near, far = ("dst", "src") if row["turned"] else ("src", "dst")
    return {
        **about,
        "event": "connection_closed",
        "timestamp": written(row["ended"]),
        "bytes_sent": row[f"{near}_bytes"],
        "bytes_received": row[f"{far}_bytes"],
        "duration_secs": (row["ended"] - row["started"]) // _SECOND,
        "end_reason": row["end_reason"],
    }


def _line(keys: Fields) -> str:
    return _ENCODER.encode(keys) + "\n"
