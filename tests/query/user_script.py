"""A user's script that calls everything that `import rustnet` offers; a test runs it, and mypy accepts it.

usage: user_script.py CAPTURE FOLDER
"""

import datetime as dt
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl

import rustnet


def record(capture: Path, session: Path) -> rustnet.Report:
    """Replay a capture, with a list of what was reported meanwhile."""
    steps: list[rustnet.Progress] = []
    report = rustnet.replay([capture], db=session, progress=steps.append, workers=0)
    assert steps[-1].packets == report.captures[0].packets
    assert not report.losses
    assert not report.interrupted
    return report


def stop_early(capture: Path, session: Path) -> None:
    """Stop a slow replay from another thread, and read the session meanwhile."""
    stop = rustnet.StopToken()
    done: list[rustnet.Report] = []
    thread = threading.Thread(target=lambda: done.append(rustnet.replay(capture, db=session, speed=0.05, stop=stop)))
    thread.start()
    while not session.exists():
        stop.wait(0.02)
    stop.set()
    thread.join()
    assert done[0].interrupted
    assert not done[0].captures[0].complete


def frames(result: rustnet.ResultSet) -> int:
    """Rows of a result in every form."""
    frame: pd.DataFrame = result.df()
    table = result.arrow()
    other: pl.DataFrame = result.pl()
    kinds = [kind for kind in result.kinds if kind is not None]
    assert len(result.columns) == len(result.types) == len(result.kinds) >= len(kinds)
    assert len(frame) == table.num_rows == other.height == len(result.rows) == len(result) == len(list(result))
    return len(frame)


def one_flow(s: rustnet.Session) -> None:
    """The first flow of HTTP with all that belongs to it."""
    flow_id: int = s.flows("app:http", columns=["flow_id"], sort="flow_id", limit=1).rows[0][0]
    detail: rustnet.FlowDetail = s.flow(flow_id)
    messages: rustnet.Messages = s.messages(flow_id, limit=2)
    first: rustnet.Message = messages[0]
    assert first.table == detail.messages[0].table == "http"
    assert (first.ts or 0) >= detail.flow["started_at"]
    assert messages.truncated
    assert len(messages.df()) == messages.arrow().num_rows == messages.pl().height == len(messages.rows) == 2
    assert frames(s.packets(flow_id)) == detail.flow["src_packets"] + detail.flow["dst_packets"]
    assert frames(detail.claims)
    assert not detail.anomalies.rows


def lists(s: rustnet.Session) -> None:
    """Everything that lists."""
    for result in (s.processes("user:alice"), s.hosts(local=True), s.captures(), s.tables(), s.describe("flows"),
                   s.queries(), s.tables(empty=True)):  # fmt: skip
        assert frames(result)
    assert s.partial_captures() == []
    day = dt.timedelta(days=1)
    assert frames(s.query("long-flows", least=dt.timedelta(milliseconds=100), limit=3))
    assert not s.query("long-flows", least=day).rows
    begin: pd.Timestamp = s.flows(columns="started_at").df()["started_at"].min()
    assert frames(s.query("new-names", after=begin))
    assert not s.query("new-names", after=begin + day).rows


def refused(ask: Callable[[], object], error: type[rustnet.RustnetError]) -> str:
    """Sentence of an error that must come."""
    try:
        ask()
    except error as caught:
        return str(caught)
    raise AssertionError(error)


def mistakes(s: rustnet.Session) -> None:
    """Each is an error of one sentence."""
    endless = "SELECT count(*) FROM range(100000000000) t(a) WHERE a % 7 = 3"
    assert "only reads" in refused(lambda: s.sql("DROP TABLE dns"), rustnet.QueryError)
    assert "longer than 0.1 s" in refused(lambda: s.sql(endless, seconds=0.1), rustnet.QueryTimeoutError)
    assert "unknown keyword" in refused(lambda: s.flows("nothing:x"), rustnet.UsageError)
    assert "no flow 1000000" in refused(lambda: s.flow(10**6), rustnet.RustnetError)
    assert "did you mean least" in refused(lambda: s.query("slow-dns", lest="1ms"), rustnet.UsageError)
    assert "'flows'" in refused(lambda: s.describe("flos"), rustnet.UsageError)
    assert "no such session" in refused(lambda: rustnet.open("nothing.duckdb"), rustnet.SessionError)
    assert "no such file" in refused(lambda: rustnet.replay("nothing.pcap", db="x.duckdb"), rustnet.InputError)


def main(capture: Path, folder: Path) -> None:
    """Call everything once."""
    session = folder / "session.duckdb"
    report = record(capture, session)
    with rustnet.open(session, seconds=30) as s:
        total: int = s.sql("SELECT sum(packets) FROM captures WHERE source = $source", {"source": str(capture)}).rows[
            0
        ][0]
        assert total == report.captures[0].packets
        assert not s.being_written
        assert frames(s.flows("app:tls bytes:>1k", columns="flow_id,bytes", sort="-bytes", limit=10))
        one_flow(s)
        lists(s)
        mistakes(s)
    stop_early(capture, folder / "early.duckdb")
    sys.stdout.write(f"{report.captures[0].flows} flows\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
