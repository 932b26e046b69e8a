"""What the summary says without asking is what it would be told."""

from pathlib import Path

from rustnet.dissect import registry
from rustnet.query.execute import execute_own
from rustnet.query.summary import _PROCESSES, PROCESS_COLUMNS, summarise
from rustnet.store.session import create_or_open


def test_processes_of_a_session_without_owners(tmp_path: Path) -> None:
    con = create_or_open(tmp_path / "s.duckdb", registry.tables())
    try:
        told = execute_own(con, _PROCESSES)
        assert dict(zip(told.columns, told.types, strict=True)) == PROCESS_COLUMNS
        assert told.rows == []
        made = summarise(con).tables["processes"]
        assert (made.columns, made.types, made.rows) == (told.columns, told.types, [])
    finally:
        con.close()
