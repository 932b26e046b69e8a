"""A session without rows, in memory: for what depends on the tables alone."""

from typing import TYPE_CHECKING

from rustnet.store.meanings import protocol_tables
from rustnet.store.schema import reconcile

if TYPE_CHECKING:
    import duckdb


def open_blank() -> "duckdb.DuckDBPyConnection":
    """Open a database in memory with all tables and views of a session.

    It reaches no file, no network and no setting, since users' SQL may run in it. The caller closes it.
    """
    import duckdb  # noqa: PLC0415 -- costs 40 ms, and is rarely needed

    con = duckdb.connect(":memory:", config={"threads": "1", "memory_limit": "512MB", "temp_directory": ""})
    try:
        reconcile(con, protocol_tables())
        con.execute("SET TimeZone = 'UTC'; SET enable_external_access = false; SET lock_configuration = true")
    except BaseException:
        con.close()
        raise
    return con
