"""Time of looking up a million distinct addresses, and of writing what is known to their flows.

    python -m benchmarks.enrichment [ADDRESSES]

Half of the addresses are IPv4, half IPv6, all in networks that are announced. Each is the responder of one flow.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rustnet.columnar import Array
from rustnet.derive import enrichment
from rustnet.derive.passes import Span
from rustnet.dissect import registry
from rustnet.enrich.lookup import LookupResult, shipped
from rustnet.enrich.scope import MAPPED
from rustnet.records import columns
from rustnet.store.session import close, create_or_open
from rustnet.store.tables import FlowRow

ADDRESSES = 1_000_000
GIVEN = {
    "flow_id": "row_number() OVER ()",
    "capture_id": "1",
    "src_ip": "'10.0.0.1'",
    "src_num": "281470849581057::UHUGEINT",
    "dst_ip": "printf('%016x%016x', high, low)",
    "dst_num": "high::UHUGEINT * 18446744073709551616::UHUGEINT + low",
}
DEFAULTS = {"VARCHAR": "'x'", "TIMESTAMP_NS": "make_timestamp_ns(0)", "BOOLEAN": "false"}
NEEDED = {c.name: DEFAULTS.get(c.sql_type, "0") for c in columns(FlowRow) if not c.nullable}
FLOW = ", ".join(f"{value} AS {name}" for name, value in (NEEDED | GIVEN).items())


Seconds = tuple[float, float]
"""By the clock, and of the processor."""


def stopwatch(work: Callable[[], object]) -> Seconds:
    """Time of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


class Timed:
    """The shipped tables; adds up the time of looking up."""

    failures: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.seconds: Seconds = (0.0, 0.0)
        self.sources = shipped().sources

    def find(self, high: Array, low: Array) -> LookupResult:
        """What is known about addresses."""
        found: list[LookupResult] = []
        wall, cpu = stopwatch(lambda: found.append(shipped().find(high, low)))
        self.seconds = self.seconds[0] + wall, self.seconds[1] + cpu
        return found[0]


def main() -> None:
    """Print the times."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ADDRESSES
    rng = np.random.default_rng(1)
    high = np.zeros(count, np.uint64)
    low = np.uint64(MAPPED) + rng.integers(1 << 24, 223 << 24, count).astype(np.uint64)
    half = count // 2
    high[half:] = rng.choice(shipped().systems.v6.first, count - half)
    low[half:] = rng.integers(0, 1 << 63, count - half)
    with tempfile.TemporaryDirectory() as folder:
        con = create_or_open(Path(folder) / "s.duckdb", registry.tables(), threads=1)
        con.register("given", {"high": high, "low": low})
        con.execute(f"INSERT INTO flows_ended BY NAME SELECT {FLOW} FROM given")
        con.execute("CHECKPOINT")
        lookup = Timed()
        parts = {"all of the pass": stopwatch(lambda: enrichment.enrich_new(con, Span((1,)), lookup))}
        parts["of this, looked up in the shipped tables"] = lookup.seconds
        con.execute("UPDATE flows_ended SET dst_country = NULL, dst_asn = NULL, dst_as_name = NULL")
        parts["of this, columns of the flows"] = stopwatch(lambda: enrichment.enrich_new(con, Span((1,)), lookup))
        for label, (wall, cpu) in parts.items():
            print(f"{label}: {wall:.2f} s, {cpu:.2f} s of CPU")
        known = con.execute("SELECT count(*), count(country), count(asn) FROM addresses").fetchall()[0]
        close(con)
    print("addresses {:,}, with a country {:,}, with an AS {:,}".format(*known))
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
