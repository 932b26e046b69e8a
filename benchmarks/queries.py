"""Measure every saved query on a large session: ``python -m benchmarks.queries``.

The session is made here, the same on every machine, by SQL into the real tables: by default a million flows of an hour
between 2,000 clients and 60,000 servers, ten million packets in the index, and the messages, names, claims and facts
that belong to such flows. Each query runs as a reader of the file runs it, with the reader's limit of memory, and all
its rows are fetched. Processor time is that of all threads: on a machine that does something else it says more than
the seconds.
"""

import argparse
import gc
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rustnet.dissect import registry
from rustnet.errors import RustnetError
from rustnet.query.catalogue import SavedQuery, load
from rustnet.query.session import FileSession
from rustnet.records import Column, Kind, columns, table_name
from rustnet.store.session import close, create_or_open
from rustnet.store.tables import CORE_TABLES, FLOWS_ENDED

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

GOAL_SECONDS = 2.0
SPAN_NS = 3_600 * 10**9
"""Time over which the flows begin."""
MESSAGES = 2_000
"""Rows of each protocol's table that has none of its own here."""

ROWS = Path(__file__).with_name("large_session.sql")
MACROS = f"""
CREATE TEMP MACRO first_ns() AS 1780000000000000000::BIGINT;
CREATE TEMP MACRO span_ns() AS {SPAN_NS}::BIGINT;
CREATE TEMP MACRO draw(of, salt, below) AS (hash(of::BIGINT * 1000 + salt) % below)::BIGINT
"""
REQUIRED = {table_name(cls): [c for c in columns(cls) if not c.nullable] for cls in CORE_TABLES}


def _zero(sql_type: str) -> str:
    """An expression for a column that must not be NULL."""
    if sql_type == "TIMESTAMP_NS":
        return "make_timestamp_ns(first_ns())"
    return "''" if sql_type == "VARCHAR" else "false" if sql_type == "BOOLEAN" else "0"


def _plain(column: Column) -> str:
    """An expression over ``f`` for a column of a protocol that has no rows of its own in the script."""
    if column.sql_type == "BOOLEAN":
        return "f % 3 = 0"
    if column.sql_type == "TIMESTAMP_NS":
        return "make_timestamp_ns(first_ns() + f)"
    text = "'192.0.2.' || f % 250" if column.kind is Kind.ADDRESS else f"'{column.name}' || f % 100"
    if column.sql_type.startswith("VARCHAR"):
        return f"[{text}]" if column.sql_type.endswith("[]") else text
    return "NULL" if column.sql_type.endswith("[]") else "f % 100"


def _insert(con: "Connection", table: str, select: str, numbers: dict[str, int]) -> None:
    """Insert the rows of a SELECT, with zeros for what may not be NULL and is not among its columns."""
    given = {name: number for name, number in numbers.items() if f"${name}" in select}
    cursor = con.execute(f"SELECT * FROM ({select}) LIMIT 0", given)
    names = [str(column[0]) for column in cursor.description or ()]
    cursor.fetchall()
    zeros = {c.name: _zero(c.sql_type) for c in REQUIRED.get(table, []) if c.name not in names}
    shown = ", ".join(f'"{name}"' for name in (*names, *zeros))
    place = FLOWS_ENDED if table == "flows" else table
    values = ", ".join(("*", *zeros.values()))
    con.execute(f"INSERT INTO {place}({shown}) SELECT {values} FROM ({select})", given).fetchall()


def write_session(path: Path, flows: int, packets: int) -> None:
    """Make the session."""
    con = create_or_open(path, registry.tables())
    con.execute(MACROS).fetchall()
    numbers = {"flows": flows, "packets": packets}
    sections = re.findall(
        r"^-- table: (\w+)\n(.*?)(?=^-- table: |\Z)", ROWS.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    for table, select in sections:
        _insert(con, table, select, numbers)
    made = {table for table, _ in sections}
    for cls in dict.fromkeys(registry.tables()):
        if table_name(cls) not in made:
            shown = ", ".join(f'{_plain(c)} AS "{c.name}"' for c in columns(cls))
            source = f"(SELECT *, flow_id AS f FROM flows WHERE flow_id <= {MESSAGES})"
            leading = "capture_id, flow_id, started_at AS ts, first_packet AS packet"
            _insert(con, table_name(cls), f"SELECT {leading}, {shown} FROM {source}", numbers)
    con.execute("CHECKPOINT").fetchall()
    close(con)


def measured(session: FileSession, query: SavedQuery) -> tuple[float, float, int]:
    """Run a query: seconds, processor seconds of all threads, rows."""
    gc.collect()
    begun, busy, rows = time.perf_counter(), time.process_time(), 0
    with query.stream(session, {}) as stream:
        for batch in stream.batches():
            rows += len(batch)
    return time.perf_counter() - begun, time.process_time() - busy, rows


def main() -> int:
    """Make the session, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure these queries")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each query, of which the best counts")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="make the session here if it is not there, and leave it"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rustnet-bench-") as folder:
        path = chosen.keep or Path(folder) / "large.duckdb"
        if not path.exists():
            begun = time.perf_counter()
            write_session(path, chosen.flows, chosen.packets)
            size = path.stat().st_size / 2**20
            sys.stdout.write(f"session: {size:,.0f} MiB, made in {time.perf_counter() - begun:.0f} s\n")
        return report(path, chosen.only, chosen.repeats)


def report(path: Path, only: list[str] | None, repeats: int) -> int:
    """Print a line for each query, the slowest first, and return how many take longer than the goal."""
    found, failed = [], []
    session = FileSession(path)
    try:
        for name, query in load().items():
            if only and name not in only:
                continue
            try:
                found.append((name, *min(measured(session, query) for _ in range(repeats))))
            except RustnetError as error:
                failed.append(f"{name}: {error}")
    finally:
        session.close()
    found.sort(key=lambda line: -line[1])
    sys.stdout.write(f"{'query':<28}{'seconds':>9}{'CPU s':>9}{'rows':>9}\n")
    for name, seconds, busy, rows in found:
        mark = "  slow" if seconds > GOAL_SECONDS else ""
        sys.stdout.write(f"{name:<28}{seconds:>9.2f}{busy:>9.2f}{rows:>9,}{mark}\n")
    sys.stdout.write("".join(f"{line}\n" for line in failed))
    slow = sum(seconds > GOAL_SECONDS for _, seconds, *_ in found) + len(failed)
    busy_long = sum(busy > GOAL_SECONDS for _, _, busy, _ in found)
    sys.stdout.write(f"over {GOAL_SECONDS:g} s: {slow} of {len(found) + len(failed)}; of processor time: {busy_long}\n")
    return slow


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
