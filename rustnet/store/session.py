"""Opening a session file for one writer or many readers, with a one-line error for everything that prevents it.

DuckDB lets one process write a file or many read it. The log ``<file>.wal`` of a killed writer is replayed in memory
by readers and merged into the file by the next writer, so such a session opens like any other.
"""

import contextlib
import os
import re
import stat
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rustnet import __version__
from rustnet.errors import SessionError
from rustnet.i18n import N_
from rustnet.store import migrations, schema
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if typing.TYPE_CHECKING:
    import duckdb

STORAGE_VERSION = "v1.5.0"
"""Oldest DuckDB that can read the files: the lowest version that rustnet itself accepts."""

ROW_GROUP = 30_720
"""Rows that DuckDB keeps together: a full group is written while the capture is still being read, and the last ones,
which nothing else overlaps, are small."""

BLOCK_SIZE = 65_536
"""Bytes that the file grows by: each table with rows takes one block at least.

In blocks of 32 kB or less the columns of `ROW_GROUP` rows compress badly, and a large session grows threefold; in
blocks of 256 kB, DuckDB's own choice, most of a small session is empty space. An existing file keeps its size."""

ATTACHED = "session"
"""Name of the attached session within the writer's connection."""

WRITER_MEMORY = "256MB"
READER_MEMORY = "512MB"

CAPTURE_MAGIC = (
    b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",  # pcap, microseconds, ns
    b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34",  # pcap, modified by Kuznetzov
    b"\x0a\x0d\x0d\x0a",  # pcapng
)  # fmt: skip
COMPRESSED_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"\x04\x22\x4d\x18")
DUCKDB_MAGIC = (8, b"DUCK")

_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""DuckDB would fetch extensions over the network by itself; a forensic tool must not."""


class SessionLockedError(SessionError):
    """Another process has the session open; ``pid`` is its process id where DuckDB reports it."""

    def __init__(self, template: str, pid: int | None = None, **fields: object) -> None:
        super().__init__(template, **fields)
        self.pid = pid


class _MissingFileError(SessionError):
    """The session's file does not exist."""


def create_or_open(
    path: "str | os.PathLike[str]",
    tables: Sequence[type],
    *,
    threads: int | None = None,
    memory_limit: str = WRITER_MEMORY,
    small_groups: bool = False,
) -> "duckdb.DuckDBPyConnection":
    """Open a session for writing; create it if there is none, and migrate an older one to the current schema.

    ``tables`` are the record classes of the protocols; the core tables always exist. ``small_groups`` is for writers
    that run for a long time: row groups of `ROW_GROUP` and no log, so that nothing is permanent before a CHECKPOINT.
    Then the session is attached to the connection as `ATTACHED`, and each cursor has to USE it. The caller closes the
    connection. Raises `SessionError`; a new file that cannot be completed is removed again.
    """
    file = Path(path)
    try:
        _check_file(file, writing=True)
        new = False
    except _MissingFileError:
        new = True
    config = {
        **_OFFLINE,
        "memory_limit": memory_limit,
        "temp_directory": f"{file}.tmp",
        "storage_compatibility_version": STORAGE_VERSION,
        "default_block_size": str(BLOCK_SIZE),
    }
    settings = _with_threads(config, threads)
    con = _attach(file, settings) if small_groups else _connect(file, settings, read_only=False)
    try:
        with _clear_errors(file):
            if new or _is_blank(con):
                _create_schema(con, tables)
            else:
                version = _check_session(con, file)
                migrations.migrate(con, version)
                _refresh(con, tables)
    except BaseException:
        con.close()
        if new:
            _remove(file)
        raise
    return con


def open_readonly(
    path: "str | os.PathLike[str]",
    *,
    threads: int | None = None,
    memory_limit: str = READER_MEMORY,
    locked: bool = True,
) -> "duckdb.DuckDBPyConnection":
    """Open a finished or interrupted session for reading. The caller closes the connection.

    ``locked`` connections run SQL of users: they reach no other file, no network and no setting. Without it,
    only the file itself is protected. Raises `SessionError`, `SessionLockedError` while it is being written.
    """
    file = Path(path)
    _check_file(file, writing=False)
    config = {**_OFFLINE, "memory_limit": memory_limit, "temp_directory": _spill_directory(file)}
    if locked:
        config["python_enable_replacements"] = "false"
    con = _connect(file, _with_threads(config, threads), read_only=True)
    try:
        with _clear_errors(file):
            version = _check_session(con, file)
            _check_not_older(version, file)
            _set_up_reader(con, locked=locked)
    except BaseException:
        con.close()
        raise
    return con


def reading_cursor(con: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
    """Return a cursor of a writer's connection that reads what is committed, in any thread."""
    cursor = con.cursor()
    cursor.execute(f"USE {ATTACHED}; SET VARIABLE {schema.WRITING} = true; SET python_enable_replacements = false")
    return cursor


def seal(con: "duckdb.DuckDBPyConnection") -> None:
    """Deny a connection, and all that share its database, other files, extensions and the network, for good."""
    con.execute("SET enable_external_access = false")


def _with_threads(config: dict[str, str], threads: int | None) -> dict[str, str]:
    return config if threads is None else {**config, "threads": str(max(1, threads))}


def _spill_directory(file: Path) -> str:
    """Directory for data that exceeds a reader's memory: next to the session, or none if that is not writable.

    Never a shared directory: spilled data is evidence. Every reader has its own, because DuckDB's file names in it do
    not differ between processes.
    """
    return f"{file}.tmp.{os.getpid()}" if os.access(file.parent, os.W_OK) else ""


def _check_file(file: Path, *, writing: bool) -> None:
    """Check the file before DuckDB does: its own messages do not help, and for some files it goes online."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        _raise_missing(file, writing=writing)
    except (OSError, ValueError) as error:
        raise SessionError("{file}: cannot be opened: {error}", file=file, error=_strerror(error)) from error
    if stat.S_ISDIR(mode):
        raise SessionError("{file}: is a directory, not a session; name the .duckdb file in it", file=file)
    if not stat.S_ISREG(mode):
        raise SessionError("{file}: is not a regular file; a session must be one", file=file)
    try:
        with file.open("r+b" if writing else "rb") as stream:
            head = stream.read(16)
    except OSError as error:
        if writing:
            raise SessionError("{file}: cannot be written: {error}", file=file, error=_strerror(error)) from error
        raise SessionError("{file}: cannot be read: {error}", file=file, error=_strerror(error)) from error
    _check_head(file, head)


def _raise_missing(file: Path, *, writing: bool) -> NoReturn:
    if not writing:
        raise SessionError("{file}: no such session; create one with 'rustnet replay CAPTURE --db {file}'", file=file)
    if not file.parent.is_dir():
        raise SessionError("{file}: there is no directory {parent}; create it first", file=file, parent=file.parent)
    if not os.access(file.parent, os.W_OK):
        words = N_("{file}: cannot be created: no permission to write into {parent}")
        raise SessionError(words, file=file, parent=file.parent)
    if Path(f"{file}.wal").exists():
        raise SessionError("{file}: does not exist, but its log {file}.wal does; move the log away first", file=file)
    raise _MissingFileError("{file}: no such session", file=file)


def _check_head(file: Path, head: bytes) -> None:
    """Raise an error that names the type of a file that is not a DuckDB database, by its first bytes."""
    offset, magic = DUCKDB_MAGIC
    if head[offset : offset + len(magic)] == magic:
        return
    if head.startswith(CAPTURE_MAGIC):
        raise SessionError("{file}: is a capture, not a session; use 'rustnet replay {file}'", file=file)
    if head.startswith(COMPRESSED_MAGIC):
        raise SessionError("{file}: is a compressed file; if it is a capture, use 'rustnet replay {file}'", file=file)
    if not head:
        raise SessionError("{file}: is empty, not a session; remove it, or name another file", file=file)
    raise SessionError("{file}: is not a rustnet session (not a DuckDB file)", file=file)


def _connect(file: Path, config: dict[str, str], *, read_only: bool) -> "duckdb.DuckDBPyConnection":
    import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

    with _clear_errors(file):
        return duckdb.connect(str(file), read_only=read_only, config={**config})


def _attach(file: Path, config: dict[str, str]) -> "duckdb.DuckDBPyConnection":
    """Open a session whose row groups are compressed and written as soon as they are full, and that writes no log."""
    con = _connect(Path(":memory:"), config, read_only=False)
    try:
        with _clear_errors(file):
            con.execute("SET write_buffer_row_group_count = 1")
            con.execute(
                f"ATTACH {schema.quote_literal(str(file))} AS {ATTACHED} "
                f"(ROW_GROUP_SIZE {ROW_GROUP}, RECOVERY_MODE no_wal_writes)"
            )
            con.execute(f"USE {ATTACHED}")
    except BaseException:
        con.close()
        raise
    return con


@contextlib.contextmanager
def _clear_errors(file: Path) -> typing.Iterator[None]:
    """Turn DuckDB's errors about a file into one line each."""
    import duckdb  # noqa: PLC0415

    try:
        yield
    except (duckdb.Error, OSError, RuntimeError, UnicodeError) as error:
        raise _explain(file, str(error)) from error


_CAUSES: tuple[tuple[str, type[SessionError], str], ...] = (
    (
        "different configuration|already attached",
        SessionLockedError,
        N_("{file}: already open in this process in another way; close that first"),
    ),
    (
        "Could not set lock",
        SessionLockedError,
        N_("{file}: in use by another process; close it there, or wait until that has ended"),
    ),
    (
        "but we can only read versions|newer version of DuckDB",
        SessionError,
        N_("{file}: written with a newer DuckDB than the one installed; upgrade the duckdb package"),
    ),
    (
        "replaying WAL|Corrupt WAL",
        SessionError,
        N_(
            "{file}: the log of its last writes is damaged ({first}); "
            "move {file}.wal away to open what was stored before"
        ),
    ),
    (
        "Corrupt|checksum|Could not read enough bytes|not a valid|INTERNAL",
        SessionError,
        N_("{file}: is damaged ({first}); replay its capture again"),
    ),
    ("Permission denied", SessionError, N_("{file}: no permission ({first})")),
    ("No space left", SessionError, N_("{file}: the disk is full ({first})")),
)
"""Patterns of DuckDB's messages, the error for each and its sentence; the first match applies."""


def _explain(file: Path, text: str) -> SessionError:
    """Turn DuckDB's error about a file into one sentence."""
    holder = re.search(r"Conflicting lock is held in (\S+)(?: \(PID (\d+)\))?", text)
    if holder:
        name, pid = Path(holder[1]).name, holder[2]
        if pid is None:
            words = N_("{file}: in use by another process ({name}); close it there, or wait until that has ended")
            return SessionLockedError(words, file=file, name=name)
        words = N_(
            "{file}: in use by another process ({name}, process {number}); close it there, or wait until that has ended"
        )
        return SessionLockedError(words, int(pid), file=file, name=name, number=pid)
    first = text.strip().splitlines()[0] if text.strip() else "unknown error"
    for pattern, kind, words in _CAUSES:
        if re.search(pattern, text):
            return kind(words, file=file, first=first)
    return SessionError("{file}: cannot be opened ({first})", file=file, first=first)


def _check_session(con: "duckdb.DuckDBPyConnection", file: Path) -> int:
    """Return the schema version of an open session; raises `SessionError` for other DuckDB files and newer sessions."""
    import duckdb  # noqa: PLC0415

    try:
        meta = dict(con.execute("SELECT key, CAST(value AS VARCHAR) FROM meta").fetchall())
    except (duckdb.CatalogException, duckdb.BinderException):
        if _is_blank(con):
            words = N_("{file}: has no tables: its writer was killed before it began; run 'rustnet replay' again")
            raise SessionError(words, file=file) from None
        raise SessionError("{file}: is a DuckDB file, but not a rustnet session", file=file) from None
    version = str(meta.get("schema_version", ""))
    if not version.isdecimal():
        words = N_("{file}: is a DuckDB file, but not a rustnet session (its meta table names no schema)")
        raise SessionError(words, file=file)
    if int(version) > migrations.latest():
        words = N_(
            "{file}: written by rustnet {writer} (schema {version}), newer than this one ({own}, schema {latest}); "
            "upgrade rustnet to read it"
        )
        writer = meta.get("rustnet_version", "?")
        raise SessionError(
            words, file=file, writer=writer, version=version, own=__version__, latest=migrations.latest()
        )
    return int(version)


def _is_blank(con: "duckdb.DuckDBPyConnection") -> bool:
    """Whether a DuckDB file has no table: a writer was killed between creating the file and its schema."""
    return not con.execute("SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database()").fetchall()[
        0
    ][0]


def _check_not_older(version: int, file: Path) -> None:
    """Refuse a session that needs a migration: reading must not change a file."""
    if version < migrations.latest():
        raise SessionError(
            "{file}: has the older schema {version}, and this program reads {migrations}: "
            "recreate it with 'rustnet replay'",
            file=file,
            version=version,
            migrations=migrations.latest(),
        )


def _create_schema(con: "duckdb.DuckDBPyConnection", tables: Sequence[type]) -> None:
    """Create the schema of a new session and checkpoint it, so that it does not depend on a log."""
    con.execute(f"BEGIN; {schema.META_SQL}; {migrations.TABLE_SQL}")
    migrations.record(con, migrations.latest(), "created")
    con.execute(
        "INSERT INTO meta VALUES ('rustnet_version', ?), "
        "('created', strftime(make_timestamp(epoch_us(current_timestamp)), '%Y-%m-%dT%H:%M:%S.%fZ'))",
        [__version__],
    )
    schema.reconcile(con, tables)
    con.execute("COMMIT")
    con.execute("CHECKPOINT")


def _refresh(con: "duckdb.DuckDBPyConnection", tables: Sequence[type]) -> None:
    """Add missing tables, columns and views to an existing session, and end flows that a killed writer left open."""
    con.execute("BEGIN")
    schema.reconcile(con, tables)
    end_open_flows(con)
    con.execute("COMMIT")


def end_open_flows(con: "duckdb.DuckDBPyConnection") -> None:
    """End the open flows as ``interrupted``: their capture will not continue."""
    ended, still_open = FLOWS_ENDED, FLOWS_OPEN
    if not con.execute(f"SELECT count(*) FROM {still_open}").fetchall()[0][0]:  # noqa: S608 - our own name
        return
    con.execute(
        f"INSERT INTO {ended} BY NAME SELECT * REPLACE ('interrupted' AS end_reason) FROM {still_open} "  # noqa: S608
        f"WHERE flow_id NOT IN (SELECT flow_id FROM {ended} "
        f"WHERE flow_id >= (SELECT coalesce(min(flow_id), 0) FROM {still_open})); DELETE FROM {still_open}"
    )


def _set_up_reader(con: "duckdb.DuckDBPyConnection", *, locked: bool) -> None:
    """Set the time zone to UTC and, if ``locked``, forbid further settings; connections to one file share them."""
    row = con.execute("SELECT current_setting('lock_configuration')").fetchall()[0]
    if not row[0]:
        con.execute("SET TimeZone = 'UTC'")
        if locked:
            # Not in the configuration of `connect`: it is applied in hash order, so temp_directory might be refused.
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")


def _remove(file: Path) -> None:
    """Remove a file that could not be completed, and its log."""
    for each in (file, Path(f"{file}.wal")):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)


def _strerror(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
