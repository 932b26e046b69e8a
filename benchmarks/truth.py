"""Replays small captures of known situations from a folder, and compares what sessions have with what is right.

    python -m benchmarks.truth FOLDER

Each row names the captures, the question, the right answer and the session's. The exit code is 1 if one differs.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 56


@dataclass(frozen=True)
class Check:
    """One question about a session, and the right answer."""

    question: str
    query: str
    """SQL, or the name of a saved query."""
    right: Any
    """Rows of the columns wanted; the first ones of a saved query."""
    columns: tuple[str, ...] = ()
    """Columns of a saved query that are compared."""
    whole: bool = False
    """The saved query has no other rows."""


@dataclass(frozen=True)
class Case:
    """Files that are replayed together, and what is right for them."""

    files: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    options: tuple[str, ...] = ()
    sidecar: str | None = None
    summary: tuple[str, ...] = ()
    """Texts that the summary contains."""
    same_as: str | None = None
    """A capture whose flows and messages are the same."""
    secret: str | None = None
    """A text that no file of the session contains."""


def sql(question: str, text: str, *rows: tuple[Any, ...]) -> Check:
    """Compare the rows of a statement."""
    return Check(question, text, [list(row) for row in rows])


def saved(query: str, columns: str, *rows: tuple[Any, ...]) -> Check:
    """Compare the first rows of a saved query, all of them if ``columns`` end with an asterisk."""
    names = columns.rstrip("*").split()
    return Check(f"{query}: {columns}", query, [list(row) for row in rows], tuple(names), columns.endswith("*"))


RETRANSMITTED = "SELECT sum(src_retransmissions + dst_retransmissions)::BIGINT, sum(duplicates)::BIGINT FROM flows"
PAIRS = "SELECT uri, status FROM http ORDER BY uri"
YEARS = "SELECT DISTINCT year(ts) FROM packets"
ONE = "SELECT count(*), min(conn_state), max(conn_state) FROM flows"

CASES = (
    Case(("D4c_adjacent.pcap",), (sql("pairs", PAIRS, ("/1", 200), ("/2", 404), ("/3", 500)),)),
    Case(
        ("E0_cdn.pcap",),
        (
            saved("top-destinations", "hostname bytes", ("exfil.evil.example", 88_488)),
            saved("owners", "hostname bytes", ("exfil.evil.example", 88_488)),
            saved("process-timeline", "remote bytes", ("exfil.evil.example", 88_488)),
        ),
        sidecar="E0_audit.log",
    ),
    Case(
        ("70_owned.pcap",),
        (sql("flows with an owner", "SELECT count(process_id) FROM flows", (3,)),),
        sidecar="70_osquery_socket_events.log",
    ),
    Case(("01_vlan0_one_way.pcap",), (sql("conversations", ONE, (1, "SF", "SF")),)),
    Case(("01c_vlan_asym.pcap",), (sql("conversations", ONE, (1, "SF", "SF")),)),
    Case(("98_rot_00001.pcap", "98_rot_00002.pcap"), same_as="98_rot_whole.pcap", summary=("continue each other",)),
    Case(("D1_rx.pcap", "D1_tx.pcap"), (sql("conversations", ONE, (1, "SF", "SF")),), options=("--merge",)),
    Case(("13a_rtsp_userinfo.pcap",), secret="S3cretPw"),
    Case(("97_slow_open.pcap",), (saved("slow-handshakes", "took_ms", (7031.0,), (3031.0,), (1031.0,), (311.0,)),)),
    Case(
        ("99_seq_randomised.pcap",),
        (sql("missing bytes", "SELECT sum(src_missed_bytes + dst_missed_bytes)::BIGINT FROM flows", (0,)),),
    ),
    Case(("05_dns_0x20.pcap",), (saved("dns-queries", "query asked rtt_ms", ("www.example.com", 3, 20.0)),)),
    Case(("84_docker_any.pcap",), (sql("retransmissions, copies", RETRANSMITTED, (0, 13)),), summary=("cop",)),
    Case(
        ("84c_a.pcap", "84c_b.pcap"),
        (sql("retransmissions, copies", RETRANSMITTED, (0, 13)),),
        options=("--merge",),
        summary=("cop",),
    ),
    Case(("84c_a.pcap", "84c_b.pcap"), summary=("is counted twice",)),
    Case(("93c_fin.pcap",), (saved("scans", "src_ip scan width", ("192.0.2.66", "FIN", 300)),)),
    Case(
        ("97c_icmp_answers.pcap",),
        (
            saved("unanswered", "protocol outcome*", ("tcp", "answered by ICMP communication prohibited"),
                  ("udp", "answered by ICMP port unreachable")),
        ),
    ),
    Case(
        ("56_ns_in_us.pcap",),
        (sql("seconds that it spans", "SELECT (epoch_ns(max(ts)) - epoch_ns(min(ts))) // 1000000000 FROM packets",
             (0,)),
         sql("anomalies", "SELECT count(*) > 0 FROM anomalies", (True,))),
    ),
    Case(("58_cat.pcap",), (sql("years", YEARS, (2023,)),
                            sql("anomalies", "SELECT count(*) > 0 FROM anomalies", (True,)))),
    Case(("54d_zero_tail.pcap",), (sql("years", YEARS, (2023,)),
                                   sql("complete", "SELECT complete FROM captures", (False,)))),
    Case(
        ("C0_quarter_hour.pcap",),
        (sql("flows, named, inherited",
             "SELECT count(*), count(hostname), count(*) FILTER (hostname_source = 'inherited') FROM flows",
             (6, 6, 5)),),
    ),
)  # fmt: skip


def rustnet(*arguments: str) -> str:
    """Standard output of a command line."""
    command = [sys.executable, "-P", "-m", "rustnet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout


def answer(session: Path, check: Check) -> Any:
    """What a session has to say to a question."""
    question = ("--sql", check.query) if not check.columns else (check.query,)
    rows = json.loads(rustnet("query", str(session), *question, "--format", "json") or "[]")
    if check.columns:
        compared = rows if check.whole else rows[: len(check.right)]
        return [[row.get(name) for name in check.columns] for row in compared]
    return [list(row.values()) for row in rows]


def contents(session: Path) -> Any:
    """Flows and messages of a session, without what says how its capture is stored."""
    names = rustnet("query", str(session), "--sql", "SELECT table_name FROM duckdb_tables()", "--format", "csv")
    tables = [name for name in names.split()[1:] if name in ("flows_ended", "http", "tls", "dns", "names")]
    return {
        table: rustnet("query", str(session), "--sql", f"SELECT * FROM {table} ORDER BY ALL", "--format", "csv")
        for table in sorted(tables)
    }


def everything(session: Path) -> str:
    """All values of all tables of a session as text."""
    with duckdb.connect(str(session), read_only=True) as con:
        tables = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return "\n".join(str(con.execute(f'FROM "{table}"').fetchall()) for table in tables)


def compare(case: Case, folder: Path, scratch: Path) -> list[tuple[str, Any, Any]]:
    """Question, right answer and the session's for each check of a case."""
    session = scratch / "session.duckdb"
    session.unlink(missing_ok=True)
    sidecar = ("--sidecar", str(folder / case.sidecar)) if case.sidecar else ("--no-sidecar",)
    files = [str(folder / name) for name in case.files]
    page = " ".join(rustnet("replay", "--no-tui", "--db", str(session), *sidecar, *case.options, *files).split())
    results = [(check.question, check.right, answer(session, check)) for check in case.checks]
    results += [(f"summary has “{text}”", True, text in page) for text in case.summary]
    if case.secret:
        results.append(("holds the secret", False, case.secret in everything(session)))
    if case.same_as:
        whole = scratch / "whole.duckdb"
        whole.unlink(missing_ok=True)
        rustnet("replay", "--no-tui", "--no-sidecar", "--db", str(whole), str(folder / case.same_as))
        results.append((f"same rows as {case.same_as}", True, contents(session) == contents(whole)))
    return results


def main() -> int:
    """Print a line for each question."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m benchmarks.truth FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        for case in CASES:
            if not all((folder / name).exists() for name in case.files):
                sys.stdout.write(f"-  {', '.join(case.files)}: not in {folder}\n")
                continue
            for question, right, got in compare(case, folder, Path(scratch)):
                wrong += right != got
                mark = "✓" if right == got else "✗"
                shown = f"{got}" if right == got else f"{got}, right is {right}"
                sys.stdout.write(f"{mark}  {' '.join(case.files):34.34}  {question:36}  {shown[: 2 * LONGEST]}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{wrong} answers are wrong\n" if wrong else "every answer is right\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
