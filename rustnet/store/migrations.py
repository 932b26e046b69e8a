"""Migrations of older sessions to the current schema: in order, by name, each in its own transaction.

A new file is created from the current records with the latest version and is never migrated. For a change of the
schema other than new tables or columns, append a `Migration` with the next version.
"""

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rustnet import __version__
from rustnet.errors import SessionError

if typing.TYPE_CHECKING:
    import duckdb

FIRST = 1
"""Schema version of the first sessions."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    version: int
    """Schema version that it leads to."""
    name: str
    """Short description that is recorded in the session."""
    apply: "Callable[[duckdb.DuckDBPyConnection], None]"
    """Applies the step; must not begin, commit or roll back."""


MIGRATIONS: tuple[Migration, ...] = ()
"""Every migration since version 1, in order."""

TABLE_SQL = """CREATE TABLE IF NOT EXISTS migrations(
    version INTEGER NOT NULL, name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL, rustnet_version VARCHAR NOT NULL)"""
"""Schema versions that a file has had, with the program version that applied each."""


def latest(migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Return the schema version that a session has once all ``migrations`` are applied."""
    return migrations[-1].version if migrations else FIRST


def record(con: "duckdb.DuckDBPyConnection", version: int, name: str) -> None:
    """Record that the session now has schema ``version``. Runs inside a transaction of the caller."""
    con.execute(
        "INSERT INTO migrations VALUES (?, ?, make_timestamp(epoch_us(current_timestamp)), ?)",
        [version, name, __version__],
    )
    con.execute("DELETE FROM meta WHERE key = 'schema_version'")
    con.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(version)])


def migrate(con: "duckdb.DuckDBPyConnection", current: int, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Apply the ``migrations`` beyond ``current``; returns their names.

    Each runs in a transaction with the row that records it, so a session always has the version that it names. Raises
    `SessionError` with the name of the one that failed; those before it stay applied.
    """
    import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

    versions = [m.version for m in migrations]
    if versions != list(range(FIRST + 1, FIRST + 1 + len(versions))):
        raise ValueError(f"migrations must be numbered from {FIRST + 1} without gaps, not {versions}")
    applied = []
    for migration in migrations:
        if migration.version <= current:
            continue
        con.execute("BEGIN")
        try:
            migration.apply(con)
            record(con, migration.version, migration.name)
            con.execute("COMMIT")
        except duckdb.Error as error:
            _roll_back(con)
            reason = str(error).splitlines()[0]
            raise SessionError(
                "cannot bring the session to schema {version} ({name}): {reason}; nothing of this step was kept",
                version=migration.version,
                name=migration.name,
                reason=reason,
            ) from error
        except BaseException:
            _roll_back(con)
            raise
        applied.append(migration.name)
    return applied


def _roll_back(con: "duckdb.DuckDBPyConnection") -> None:
    """Undo the open transaction; DuckDB may already have done so."""
    import duckdb  # noqa: PLC0415

    try:
        con.execute("ROLLBACK")
    except duckdb.Error:
        return
