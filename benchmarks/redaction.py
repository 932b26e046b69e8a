"""Measure the redaction of a large session: ``python -m benchmarks.redaction``.

The session is that of `benchmarks.queries`, by default 1,000,000 flows and 10,000,000 packets, with a Community ID
for each flow, as real sessions have. It is redacted in a process of its own, whose largest memory counts; `--whole`
measures the command with its leak scan. Processor time is that of all threads: on a machine that does something else
it says more than the seconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.queries import write_session
from rustnet.store.tables import FLOWS_ENDED

GOAL_SECONDS = 60.0
GOAL_MB = 1024

_COPY = """
import sys
from pathlib import Path
from rustnet.export import redacted_session
from rustnet.policy.redaction import POLICIES, Redactor, random_key
from rustnet.query.session import open_session
with open_session(sys.argv[1]) as session:
    redacted_session.copy(session, Path(sys.argv[2]), Redactor(random_key(), POLICIES[sys.argv[3]]))
"""


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a process: seconds, processor seconds, largest memory in MB."""
    begun = time.perf_counter()
    with subprocess.Popen([sys.executable, *command]) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the process ended with {process.returncode}")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def large_session(path: Path, flows: int, packets: int) -> None:
    """Make the session."""
    write_session(path, flows, packets)
    with duckdb.connect(str(path)) as con:
        con.execute(f"UPDATE {FLOWS_ENDED} SET community_id = '1:' || to_base64(from_hex(md5(flow_id::VARCHAR)))")


def main() -> int:
    """Make the session, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--session", type=Path, help="redact this session instead")
    parser.add_argument("--policy", nargs="+", default=["share"])
    parser.add_argument("--whole", action="store_true", help="measure the command, with its leak scan")
    arguments = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory(prefix="rustnet.") as folder:
        session = arguments.session or Path(folder) / "large.duckdb"
        if not arguments.session:
            large_session(session, arguments.flows, arguments.packets)
        print(f"{session}: {session.stat().st_size / 1e6:,.0f} MB")
        for policy in arguments.policy:
            target = f"{folder}/{policy}"
            command = ["-c", _COPY, str(session), f"{target}.duckdb", policy]
            if arguments.whole:
                command = ["-m", "rustnet", "export", str(session), f"--redact={policy}", "--redact-key", "new"]
                command += ["-o", target]
            seconds, busy, memory = measured(command)
            slow = seconds > GOAL_SECONDS or memory > GOAL_MB
            missed = missed or slow
            print(
                f"{policy:12} {seconds:7.1f} s {busy:7.1f} s of processors {memory:7,.0f} MB{'  SLOW' if slow else ''}"
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
