"""Captures with owners, replayed with alerts."""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from rustnet.alerts.definitions import Definition, choose, load
from rustnet.alerts.engine import Raised
from rustnet.alerts.plan import AlertPlan
from rustnet.ingest.options import Options
from rustnet.ingest.report import Report
from rustnet.ingest.road import ingest
from tests.support.packets import ACK, PSH, START, SYN, Captured, tcp_frame
from tests.support.pcap import pcap_file

KNOWN = load()
HOST = "10.0.0.5"
AMERICA, EUROPE = "8.8.8.8", "193.0.6.139"
"""Global addresses whose countries the shipped tables know: the United States and the Netherlands."""

Timed = Sequence[tuple[float, bytes]]


def chosen(*wanted: str) -> tuple[Definition, ...]:
    """Definitions by name, with parameters as on the command line."""
    return choose(KNOWN, wanted)


def talk(
    at: float, port: int, server: str, server_port: int = 443, client: str = HOST, said: bytes = b"hello"
) -> list[tuple[float, bytes]]:
    """A TCP connection that is answered: five packets within 5 ms."""
    a, b = (client, port), (server, server_port)
    frames = [
        tcp_frame(a, b, 100, 0, SYN), tcp_frame(b, a, 500, 101, SYN | ACK), tcp_frame(a, b, 101, 501, ACK),
        tcp_frame(a, b, 101, 501, PSH | ACK, said), tcp_frame(b, a, 501, 101 + len(said), PSH | ACK, b"world"),
    ]  # fmt: skip
    return [(at + number / 1000, frame) for number, frame in enumerate(frames)]


def owner(at: float, port: int, server: str, name: str, server_port: int = 443, client: str = HOST) -> dict[str, Any]:
    """The line of a sidecar that names the owner of a connection of `talk`."""

    def instant(seconds: float) -> dict[str, int]:
        nanos = START + round(seconds * 10**9)
        return {"secs_since_epoch": nanos // 10**9, "nanos_since_epoch": nanos % 10**9}

    written = dt.datetime.fromtimestamp(START / 1e9 + at + 0.01, dt.UTC)
    return {
        "timestamp": written.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "protocol": "TCP", "local_addr": f"{client}:{port}",
        "remote_addr": f"{server}:{server_port}", "pid": sum(name.encode()), "process_name": name,
        "process_executable": f"/usr/bin/{name}", "state": "ESTABLISHED", "host": "ws1",
        "attribution_match": "exact-tuple", "first_seen": instant(at), "last_seen": instant(at + 0.01),
    }  # fmt: skip


class Scene:
    """A folder with captures and the session that they make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = folder / "s.duckdb"
        self.raised: list[Raised] = []
        self.report: Report | None = None

    def capture(self, packets: Timed, owners: Iterable[dict[str, Any]] = (), name: str = "c.pcap") -> Path:
        """Write a capture, and its sidecar."""
        path = self.folder / name
        timed = [Captured(START + round(at * 10**9), frame) for at, frame in sorted(packets, key=lambda p: p[0])]
        path.write_bytes(pcap_file(timed, magic="ns"))
        lines = [json.dumps(line) + "\n" for line in owners]
        if lines:
            path.with_name(f"{name}.connections.jsonl").write_text("".join(lines), "utf-8")
        return path

    def replay(self, path: Path, *definitions: Definition, **options: Any) -> list[tuple[Any, ...]]:
        """Replay a capture into the session; returns name, time in seconds and sentence of what is raised."""
        plan = AlertPlan(definitions, on_alert=self.raised.append)
        plan = replace(plan, **{key: options.pop(key) for key in ("baseline", "targets") if key in options})
        before = len(self.raised)
        self.report = ingest([str(path)], str(self.session), Options(alerts=plan, **options))
        assert not self.report.failed, self.report.failed
        assert not self.report.not_stored, self.report.not_stored
        return [
            (each.name, None if each.ts is None else (each.ts - START) / 1e9, each.summary)
            for each in self.raised[before:]
        ]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        with duckdb.connect(str(self.session), read_only=True) as con:
            return con.execute(sql).fetchall()

    def states(self) -> dict[str, tuple[str, str | None]]:
        """State and detail by alert."""
        return {row[0]: row[1:] for row in self.ask("SELECT alert, state, detail FROM alert_checks")}
