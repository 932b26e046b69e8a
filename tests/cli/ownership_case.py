"""A capture of HTTP conversations with a sidecar, replayed and asked."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.command_line import Result, Run
from tests.support.conversations import CLIENT, SERVER, http_flow
from tests.support.packets import START, Captured
from tests.support.pcap import pcap_file

T0 = START / 10**9
ME = "web.pcap.connections.jsonl"


def instant(seconds: float) -> dict[str, int]:
    """Time so many seconds after the capture's beginning, as RustNet writes it."""
    nanos = START + round(seconds * 10**9)
    return {"secs_since_epoch": nanos // 10**9, "nanos_since_epoch": nanos % 10**9}


def record(port: int, begin: float, end: float, pid: int = 100, name: str = "curl", **more: Any) -> dict[str, Any]:
    written = dt.datetime.fromtimestamp(T0 + end, dt.UTC)
    made = {
        "timestamp": written.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "protocol": "TCP", "local_addr": f"{CLIENT}:{port}",
        "remote_addr": f"{SERVER}:80", "pid": pid, "process_name": name, "state": "CLOSED", "host": "ws1",
        "attribution_match": "exact-tuple", "first_seen": instant(begin), "last_seen": instant(end),
    } | more  # fmt: skip
    return {key: value for key, value in made.items() if value is not ...}


class Case:
    """A capture of HTTP conversations at given times, its sidecar, and the session that they make."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder, self.run = folder, run
        self.capture, self.session = folder / "web.pcap", folder / "web.duckdb"

    def replay(self, flows: Sequence[tuple[int, float, float]], lines: list[dict[str, Any]], *more: str) -> Result:
        """``flows`` are (client's port, begin, end)."""
        packets = []
        for port, begin, end in flows:
            frames = http_flow(port)
            packets += [(begin + (end - begin) * i / (len(frames) - 1), frame) for i, frame in enumerate(frames)]
        timed = [Captured(START + round(at * 10**9), frame) for at, frame in sorted(packets, key=lambda p: p[0])]
        self.capture.write_bytes(pcap_file(timed, magic="ns"))
        (self.folder / ME).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        self.session.unlink(missing_ok=True)
        made = self.run("replay", self.capture, "--db", self.session, *more)
        assert made.code == 0, made.err
        return made

    def ask(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run("query", self.session, "--sql", sql, "--format", "json").out)
        return rows

    def owners(self) -> list[tuple[Any, ...]]:
        """Port, pid, contested and reason of each flow, by port and time."""
        rows = self.ask(
            "SELECT src_port, pid, process_contested, unowned_reason FROM flows LEFT JOIN processes USING (process_id) "
            "ORDER BY src_port, flows.started_at"
        )
        return [tuple(row.values()) for row in rows]

    def show(self, flow: int = 1) -> tuple[str, dict[str, Any]]:
        """Return what people read, each sentence on one line, and what programs read."""
        page = self.run("show", self.session, flow, columns=400)
        data = self.run("show", self.session, flow, "--json")
        assert (page.code, data.code) == (0, 0), page.err + data.err
        return page.out, json.loads(data.out)
