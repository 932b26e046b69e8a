"""A session with the core tables, flows put in by hand, and sidecars written line by line."""

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

from rustnet.attribute.match import OwnershipReport, attribute
from rustnet.records import columns
from rustnet.store.schema import FLOWS_SQL, base_tables
from rustnet.store.tables import CORE_TABLES, FlowRow

SECOND = 1_000_000_000
T0 = 1_780_000_000


def number(ip: str) -> int:
    """An address as `flows.src_num` has it."""
    address = ipaddress.ip_address(ip)
    return int(address) | (0xFFFF << 32 if address.version == 4 else 0)


def instant(seconds: float) -> dict[str, int]:
    """A time ``seconds`` after `T0` as RustNet writes it."""
    nanos = round((T0 + seconds) * SECOND)
    return {"secs_since_epoch": nanos // SECOND, "nanos_since_epoch": nanos % SECOND}


class Session:
    """One DuckDB session in memory."""

    def __init__(self, folder: Path) -> None:
        self.con = duckdb.connect()
        self.folder = folder
        self.flows = 0
        for record in CORE_TABLES:
            made = ", ".join(f'"{c.name}" {c.sql_type}' for c in columns(record))
            for table in base_tables(record):
                self.con.execute(f"CREATE TABLE {table} ({made})").fetchall()
        self.con.execute(FLOWS_SQL).fetchall()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def flow(
        self,
        src: str = "10.0.0.1:40000",
        dst: str = "93.184.216.34:443",
        begin: float = 0.0,
        end: float = 3.0,
        protocol: str = "tcp",
        capture: int = 1,
    ) -> int:
        """Store a flow that lasts from ``begin`` to ``end`` (seconds after `T0`) and return its id."""
        self.flows += 1
        given: dict[str, Any] = {"flow_id": self.flows, "capture_id": capture, "protocol": protocol}
        for end_name, text in (("src", src), ("dst", dst)):
            host, _, port = text.rpartition(":")
            given[f"{end_name}_ip"] = host.strip("[]")
            given[f"{end_name}_port"] = int(port) if protocol in {"tcp", "udp"} else None
            given[f"{end_name}_num"] = number(host.strip("[]"))
        given["started_at"] = round((T0 + begin) * SECOND)
        given["ended_at"] = round((T0 + end) * SECOND)
        types = {c.name: c.sql_type for c in columns(FlowRow)}
        marks = ", ".join("make_timestamp_ns(?)" if types[n] == "TIMESTAMP_NS" else "?" for n in given)
        sql = f"INSERT INTO flows_ended ({', '.join(given)}) VALUES ({marks})"
        self.con.execute(sql, list(given.values())).fetchall()
        return self.flows

    def sidecar(self, *lines: dict[str, Any] | str | bytes, name: str = "x.pcap.connections.jsonl") -> Path:
        """Write a sidecar."""
        path = self.folder / name
        texts = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
        path.write_bytes(b"".join(t if isinstance(t, bytes) else t.encode() + b"\n" for t in texts))
        return path

    def attribute(self, *lines: dict[str, Any] | str | bytes, capture: int = 1, **options: Any) -> OwnershipReport:
        """Write a sidecar and attribute the capture's flows by it."""
        return attribute(self.con, capture, [self.sidecar(*lines)], **options)

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self.con.execute(sql, list(values)).fetchall()

    def verdict(self, flow: int) -> tuple[int | None, str | None, bool | None, str | None]:
        """Pid, source, contested and reason of a flow."""
        sql = """SELECT p.pid, f.process_source, f.process_contested, f.unowned_reason
            FROM flows f LEFT JOIN processes p USING (process_id) WHERE f.flow_id = ?"""
        return self.ask(sql, flow)[0]


def connection(
    local: str = "10.0.0.1:40000",
    remote: str = "93.184.216.34:443",
    begin: float | None = 0.0,
    end: float | None = 3.0,
    pid: int | None = 100,
    name: str | None = "curl",
    protocol: str = "TCP",
    **more: Any,
) -> dict[str, Any]:
    """One record as RustNet writes it."""
    record: dict[str, Any] = {
        "timestamp": "2026-06-01T12:00:00.123456789Z",
        "protocol": protocol,
        "local_addr": local,
        "remote_addr": remote,
        "pid": pid,
        "process_name": name,
        "bytes_sent": 1,
        "bytes_received": 2,
        "state": "ESTABLISHED",
        "attribution_match": "exact-tuple",
    }
    if begin is not None:
        record["first_seen"] = instant(begin)
    if end is not None:
        record["last_seen"] = instant(end)
    record |= more
    return {key: value for key, value in record.items() if value is not ...}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session in memory that is closed behind the test."""
    with Session(tmp_path) as made:
        yield made


@pytest.fixture
def record() -> Any:
    """`connection`, for tests that write sidecars."""
    return connection
