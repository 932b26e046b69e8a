"""Measure ownership: a million flows against a million records, ``python -m benchmarks.matching``.

Flows and sidecar are made here, the same on every machine: clients behind sixteen addresses, servers at many, records
as RustNet writes them, one flow in ten without a record, one record in ten about a tuple that comes again. What is
measured is `rustnet.attribute.match.attribute` in a process of its own, on a session file and with the writer's own
limit of memory: reading the JSON, matching, the verdict, and the commit.
"""

import argparse
import json
import os
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

import numpy as np  # noqa: E402

from rustnet.attribute.match import attribute  # noqa: E402
from rustnet.dissect import registry  # noqa: E402
from rustnet.records import columns  # noqa: E402
from rustnet.store.session import create_or_open  # noqa: E402
from rustnet.store.tables import FlowRow  # noqa: E402

GOAL_SECONDS, GOAL_MIB = 30, 2048
T0 = 1_780_000_000
SPAN = 3_600
"""Seconds over which the flows begin."""

_PROCESSES = 400


def drawn(count: int) -> dict[str, Any]:
    """Ends and times of flows: client and port, server and port, begin and length in nanoseconds."""
    random = np.random.default_rng(4)
    tuples = random.integers(0, count - count // 10, count)
    tuples[: count - count // 10] = np.arange(count - count // 10)
    return {
        "client": tuples % 16,
        "client_port": 20_000 + (tuples // 16) % 40_000,
        "server": tuples // 640_000 * 65_536 + (tuples * 7_919) % 65_521,
        "server_port": np.where(tuples % 5, 443, 53),
        "udp": tuples % 5 == 0,
        "begin": T0 * 10**9 + random.integers(0, SPAN * 10**9, count),
        "length": random.integers(10**6, 20 * 10**9, count),
        "process": tuples % _PROCESSES,
    }


def write_sidecar(path: Path, ends: dict[str, Any]) -> None:
    """Write nine of ten flows as records of RustNet's form."""
    people = [
        f'"process_executable":"/usr/lib/app/bin/program-{n}","process_gid":1000,"process_lineage":{{"ancestors":['
        f'{{"executable":"/usr/lib/systemd/systemd","name":"systemd","pid":1,"started_at_unix_ms":1779990000000}},'
        f'{{"executable":"/usr/bin/bash","name":"bash","pid":{900 + n % 7},"started_at_unix_ms":1779990005000}}],'
        f'"truncated":false}},"process_name":"program-{n}","process_ppid":{900 + n % 7},"process_uid":1000'
        for n in range(_PROCESSES)
    ]
    rows = zip(*(ends[name].tolist() for name in ends), strict=True)
    with path.open("w", encoding="utf-8") as file:
        for i, (client, port, server, to, udp, begin, length, process) in enumerate(rows):
            if i % 10 == 3:
                continue
            end = begin + length
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end // 10**9))
            file.write(
                f'{{"attribution_match":"exact-tuple","bytes_received":{i % 9000},"bytes_sent":{i % 700},'
                f'"first_seen":{{"nanos_since_epoch":{begin % 10**9},"secs_since_epoch":{begin // 10**9}}},'
                f'"geoip_asn":15133,"geoip_as_org":"Example Net","geoip_country_code":"US",'
                f'"last_seen":{{"nanos_since_epoch":{end % 10**9},"secs_since_epoch":{end // 10**9}}},'
                f'"local_addr":"10.1.0.{client}:{port}","pid":{2000 + process},{people[process]},'
                f'"protocol":"{"UDP" if udp else "TCP"}",'
                f'"remote_addr":"93.{100 + server // 65_536}.{server // 256 % 256}.{server % 256}:{to}",'
                f'"rtt_ms":12.5,"state":"CLOSED","timestamp":"{stamp}.{end % 10**9:09d}Z"}}\n'
            )


def write_session(path: Path, ends: dict[str, Any]) -> None:
    """Store all flows in a new session."""
    count = len(ends["begin"])
    clients = np.array([f"10.1.0.{n}" for n in range(16)], object)[ends["client"]]
    servers = [f"93.{100 + n // 65_536}.{n // 256 % 256}.{n % 256}" for n in ends["server"].tolist()]
    con = create_or_open(path, registry.tables())
    con.register("made", {
        "flow_id": np.arange(1, count + 1), "src_ip": clients, "src_port": ends["client_port"],
        "dst_ip": np.array(servers, object), "dst_port": ends["server_port"], "udp": ends["udp"],
        "begin": ends["begin"], "until": ends["begin"] + ends["length"],
        "src_num": (0xFFFF << 32) + (10 << 24) + (1 << 16) + ends["client"],
        "dst_num": (0xFFFF << 32) + (93 << 24) + (100 << 16) + ends["server"],
    })  # fmt: skip
    given = (
        "flow_id, src_ip, src_port, dst_ip, dst_port, src_num, dst_num, capture_id, generation, protocol, started_at, "
        "ended_at, end_reason"
    )
    zero = [c.name for c in columns(FlowRow) if not c.nullable and c.name not in given.split(", ")]
    con.execute(
        f"INSERT INTO flows_ended ({given}, {', '.join(zero)}) SELECT flow_id, src_ip, src_port, dst_ip, dst_port, "
        "src_num, "
        "dst_num, 1, 0, CASE WHEN udp THEN 'udp' ELSE 'tcp' END, make_timestamp_ns(begin), make_timestamp_ns(until), "
        f"'idle', {', '.join('1' for _ in zero)} FROM made"
    ).fetchall()
    con.close()


def measured(session: str, sidecar: str) -> dict[str, Any]:
    """Attribute the session's flows, here and now."""
    con = create_or_open(session, registry.tables())
    con.execute("BEGIN").fetchall()
    report = attribute(con, 1, [Path(sidecar)])
    con.execute("COMMIT").fetchall()
    con.close()
    return {"records": report.records, "claims": report.claims, "owned": report.owned, "flows": report.flows,
            "contested": report.contested, "bad": report.bad_records}  # fmt: skip


def child(session: Path, sidecar: Path) -> dict[str, Any]:
    """Run `measured` in a process of its own: what it found, and what it took."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.matching", "--child", str(session), str(sidecar)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        said = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the measured process ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said)
    return found | {
        "seconds": time.perf_counter() - started,
        "user_seconds": usage.ru_utime,
        "system_seconds": usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def main() -> int:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_111_112, help="flows; nine of ten have a record")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="make the data here, and leave it")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        sys.stdout.write(json.dumps(measured(*chosen.child)))
        return 0
    with tempfile.TemporaryDirectory(prefix="rustnet-bench-") as name:
        folder = chosen.keep or Path(name)
        made, used, sidecar = folder / "made.duckdb", folder / "used.duckdb", folder / "made.connections.jsonl"
        if not sidecar.exists():
            folder.mkdir(exist_ok=True)
            ends = drawn(chosen.flows)
            write_session(made, ends)
            write_sidecar(sidecar, ends)
        for _ in range(chosen.repeats):
            used.write_bytes(made.read_bytes())
            found = child(used, sidecar)
            used.unlink()
            for key, value in found.items():
                sys.stdout.write(f"{key:<16}{value:>14,.{2 if isinstance(value, float) else 0}f}\n")
            good = found["seconds"] <= GOAL_SECONDS and found["peak_mib"] <= GOAL_MIB
            sys.stdout.write(f"goal: at most {GOAL_SECONDS} s and {GOAL_MIB} MiB: {'met' if good else 'NOT met'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
