"""Measure comparisons: ``python -m benchmarks.diff`` makes two sessions of a million flows and compares them.

Each session has ten million packets and a million DNS messages; a tenth of the destinations and names of one is not in
the other. Each comparison runs in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from rustnet.dissect import registry  # noqa: E402
from rustnet.query.diff import diff  # noqa: E402
from rustnet.records import columns, table_name  # noqa: E402
from rustnet.store.session import close, create_or_open  # noqa: E402
from rustnet.store.tables import FLOWS_ENDED, Capture, FlowRow, Packet, Process  # noqa: E402

BEGIN = 1_714_557_600
"""2024-05-01T10:00:00Z"""
SPAN = 3_600
CASES = {
    "whole sessions": ("{a}", "{b}", {}),
    "halves of one": ("{a}@..2024-05-01T10:30", "{a}@2024-05-01T10:30..", {}),
    "ten minutes of each": ("{a}@2024-05-01T10:20..2024-05-01T10:30", "{b}@2024-05-01T10:20..2024-05-01T10:30", {}),
    "whole, filtered": ("{a}", "{b}", {"filter": "port:443 bytes:>10K"}),
    "whole, processes": ("{a}", "{b}", {"kinds": ["process", "executable", "user"]}),
}


def insert(con: Any, cls: type, place: str, values: dict[str, str], source: str) -> None:
    """Fill a table; columns without an expression are empty, or 0."""
    fixed = {c.name: "''" if c.sql_type == "VARCHAR" else "0" for c in columns(cls) if not c.nullable}
    fixed = {name: "make_timestamp_ns(0)" if name.endswith("_at") else text for name, text in fixed.items()}
    chosen = {**fixed, **values}
    shown = ", ".join(f"{sql} AS {name}" for name, sql in chosen.items())
    con.execute(f"INSERT INTO {place} BY NAME SELECT {shown} FROM {source}").fetchall()


def make(path: Path, flows: int, shift: int) -> None:
    """Write a session; ``shift`` moves the numbers of which addresses and names are made."""
    dns = next(cls for cls in registry.tables() if table_name(cls) == "dns")
    con = create_or_open(path, registry.tables())
    at = f"{BEGIN}000000000 + i * {SPAN * 10**9 // flows}"
    insert(con, Capture, "captures", {
        "capture_id": "1", "source": "'made.pcap'", "kind": "'file'", "format": "'pcap'", "complete": "true",
        "finished": "true", "first_ts": f"make_timestamp_ns({BEGIN}000000000)",
        "last_ts": f"make_timestamp_ns({BEGIN + SPAN}000000000)", "without_duplicates": "false",
    }, "range(1)")  # fmt: skip
    insert(con, Process, "processes", {
        "process_id": "i", "name": "'program' || i", "exe": "'/usr/bin/program' || i", "username": "'user' || i % 9",
    }, "range(400) t(i)")  # fmt: skip
    far = f"(hash(i) % 100000 + {shift})"
    insert(con, FlowRow, FLOWS_ENDED, {
        "flow_id": "i + 1", "capture_id": "1", "started_at": f"make_timestamp_ns({at})",
        "ended_at": f"make_timestamp_ns({at} + (hash(i + 1) % 20000000000)::BIGINT)", "protocol": "'tcp'",
        "src_ip": "'10.0.' || i % 4 || '.' || i % 200", "src_port": "20000 + i % 40000",
        "src_mac": "printf('02:00:00:00:%02x:%02x', i % 4, i % 200)", "dst_mac": "'02:00:00:00:ff:ff'",
        "dst_ip": f"printf('198.%d.%d.%d', {far} // 65536, {far} // 256 % 256, {far} % 256)",
        "dst_port": "CASE WHEN i % 5 > 0 THEN 443 ELSE 1 + hash(i) % 2000 END", "direction": "'outbound'",
        "app": "'app' || hash(i) % 40", "app_source": "'payload'", "hostname": f"'host' || {far} || '.example'",
        "src_packets": "5", "dst_packets": "5", "src_bytes": "(hash(i) % 5000)::BIGINT",
        "dst_bytes": "(hash(i + 7) % 50000)::BIGINT", "end_reason": "'fin'", "process_id": "hash(i) % 400",
    }, f"range({flows}) t(i)")  # fmt: skip
    insert(con, Packet, "packets", {
        "capture_id": "1", "number": "i + 1", "flow_id": f"i // 10 % {flows} + 1", "from_src": "i % 2 = 0",
        "ts": f"make_timestamp_ns({BEGIN}000000000 + i * {SPAN * 10**8 // flows})", "length": "600",
        "duplicate": "false",
    }, f"range({flows * 10}) t(i)")  # fmt: skip
    con.execute(
        "INSERT INTO dns BY NAME SELECT 1 AS capture_id, i + 1 AS flow_id, i + 1 AS packet, "
        f"make_timestamp_ns({at}) AS ts, 'host' || {far} || '.example' AS query, false AS response FROM "
        f"range({flows}) t(i)"
    ).fetchall()
    assert {c.name for c in columns(dns)} >= {"query", "response"}
    close(con)


def measure(before: str, after: str, rules: dict[str, Any]) -> None:
    """Compare, and print seconds, CPU seconds, MiB and rows as JSON."""
    begun = time.perf_counter()
    found = diff(before, after, **rules)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([
        time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, len(found.rows),
        sum(sum(counts.values()) for counts in found.counts.values()),
    ]))  # fmt: skip


def main() -> None:
    """Make the sessions and print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        measure(arguments.case[0], arguments.case[1], json.loads(arguments.case[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(Path(folder) / f"{name}.duckdb") for name in "ab"}
        for name, shift in (("a", 0), ("b", 10_000)):
            make(Path(paths[name]), arguments.flows, shift)
        print(f"{'':<22}{'seconds':>9}{'CPU':>7}{'MiB':>7}{'items':>10}{'rows':>9}")
        for name, (before, after, rules) in CASES.items():
            words = [before.format(**paths), after.format(**paths), json.dumps(rules)]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.diff", "--case", *words],
                capture_output=True, text=True, check=True, cwd=ROOT,
            )  # fmt: skip
            seconds, cpu, memory, rows, items = json.loads(done.stdout)
            print(f"{name:<22}{seconds:>9.2f}{cpu:>7.2f}{memory:>7.0f}{items:>10,}{rows:>9,}")


if __name__ == "__main__":
    main()
