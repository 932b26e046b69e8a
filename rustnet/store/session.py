"""Opening a session file for one writer or many readers, with a one-line error for everything that prevents it.

DuckDB lets one process write a file or many read it. The log ``<file>.wal`` of a killed writer is replayed in memory
by readers and merged into the file by the next writer, so such a session opens like any other.
"""

import contextlib
import os
import re
import typing
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rustnet import __version__
from rustnet.errors import SessionError
from rustnet.i18n import N_
from rustnet.records import table_name
from rustnet.store import migrations, objects, schema, spill
from rustnet.store.files import COMPANIONS, Identity, MissingFileError, check_file, check_same
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
SOURCE = "source"
"""Name of the session that a new one is copied from, within the same connection."""

WRITER_MEMORY = "256MB"
READER_MEMORY = "512MB"
WRITER_SPILL = 64 << 30
"""Most bytes that a writer spills, readers of a session that is being written included."""
READER_SPILL = 4 << 30
"""Most bytes that a reader spills."""

_SPILLS: "weakref.WeakKeyDictionary[duckdb.DuckDBPyConnection, weakref.finalize[..., duckdb.DuckDBPyConnection]]"
_SPILLS = weakref.WeakKeyDictionary()
"""What removes the directory into which a connection spills."""

_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""DuckDB would fetch extensions over the network by itself; a forensic tool must not."""


_READING = {
    "python_enable_replacements": "false",
    "allocator_flush_threshold": "16MB",
    "allocator_bulk_deallocation_flush_threshold": "32MB",
}
"""Statements see no Python variables, and memory that they freed goes back to the system."""


class SessionLockedError(SessionError):
    """Another process has the session open; ``pid`` is its process id where DuckDB reports it."""

    def __init__(self, template: str, pid: int | None = None, **fields: object) -> None:
        super().__init__(template, **fields)
        self.pid = pid


def create_or_open(
    path: "str | os.PathLike[str]",
    tables: Sequence[type],
    *,
    threads: int | None = None,
    memory_limit: str = WRITER_MEMORY,
    small_groups: bool = False,
    mode: int = 0o600,
    source: Path | None = None,
) -> "duckdb.DuckDBPyConnection":
    """Open a session for writing; create it if there is none, and migrate an older one to the current schema.

    ``tables`` are the record classes of the protocols; the core tables always exist. ``small_groups`` is for writers
    that run for a long time: row groups of `ROW_GROUP` and no log, so that nothing is permanent before a CHECKPOINT.
    ``mode`` is that of a new file. The session is attached to the connection as `ATTACHED`, and each cursor has to USE
    it (`session_cursor`). ``source`` is another session, attached as `SOURCE` for reading; what the connection spills
    is then next to that one. The caller closes it with `close`. Raises `SessionError`; a new file that cannot be
    completed is removed again.
    """
    file, real = Path(path), _real(path)
    try:
        identity: Identity | None = check_file(file, real, writing=True)
    except MissingFileError:
        identity = None
    config = {
        **_OFFLINE,
        "memory_limit": memory_limit,
        "storage_compatibility_version": STORAGE_VERSION,
        "default_block_size": str(BLOCK_SIZE),
    }
    # A log holds every write at once; without one, a full row group goes to the file as soon as it is full.
    options = f"ROW_GROUP_SIZE {ROW_GROUP}, RECOVERY_MODE no_wal_writes" if small_groups else ""
    con = _connect(real, _with_threads(config, threads), WRITER_SPILL, source)
    created = False
    try:
        if source is not None:
            _attach_source(con, source)
        with _clear_errors(file):
            if small_groups:
                con.execute("SET write_buffer_row_group_count = 1")
            _attach(con, file, real, options, identity, mode)
            created = identity is None
            contents = _use_checked(con, file) if identity else None
            if contents is None or not contents.shapes:
                con.execute(f"USE {ATTACHED}")
                _create_schema(con, tables)
            else:
                version = _check_session(con, file)
                if _is_outdated(contents, version, file, tables):
                    _drop_views(con)
                migrations.migrate(con, version)
                _refresh(con, tables)
    except BaseException:
        close(con)
        if created:
            _remove(real)
        raise
    return con


def open_readonly(
    path: "str | os.PathLike[str]",
    *,
    threads: int | None = None,
    memory_limit: str = READER_MEMORY,
    outputs: Path | None = None,
) -> "duckdb.DuckDBPyConnection":
    """Open a finished or interrupted session for reading. The caller closes it with `close`.

    Its connections run SQL of users: they reach no other file, no network and no setting, but for files in the
    directory ``outputs``. The session is attached as `ATTACHED`, and each cursor has to USE it (`session_cursor`).
    Raises `SessionError`, `ForeignObjectsError` if it has objects that this program does not make,
    `SessionLockedError` while it is being written.
    """
    file, real = Path(path), _real(path)
    identity = check_file(file, real, writing=False)
    config = {**_OFFLINE, **_READING, "memory_limit": memory_limit}
    con = _connect(real, _with_threads(config, threads), READER_SPILL, outputs=outputs)
    try:
        with _clear_errors(file):
            con.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
            _attach(con, file, real, "READ_ONLY", identity)
            contents = _use_checked(con, file)
            version = _check_session(con, file)
            _check_not_older(version, file)
            if _is_outdated(contents, version, file, ()):
                _raise_outdated(contents, file)
    except BaseException:
        close(con)
        raise
    return con


def close(con: "duckdb.DuckDBPyConnection") -> None:
    """Close a session's connection and remove what it spilled."""
    try:
        con.close()
    finally:
        spilled = _SPILLS.pop(con, None)
        if spilled is not None:
            spilled()


def session_cursor(con: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
    """Return another connection to the session of a connection."""
    cursor = con.cursor()
    cursor.execute(f"USE {ATTACHED}")
    return cursor


def reading_cursor(con: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
    """Return a cursor of a writer's connection that reads what is committed, in any thread."""
    cursor = session_cursor(con)
    cursor.execute(f"SET VARIABLE {schema.WRITING} = true; SET python_enable_replacements = false")
    return cursor


def _with_threads(config: dict[str, str], threads: int | None) -> dict[str, str]:
    return config if threads is None else {**config, "threads": str(max(1, threads))}


def _real(path: "str | os.PathLike[str]") -> Path:
    """The file that a path names, without links: DuckDB would take ``name:rest`` for a kind of database."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # the check of the file explains it
        return Path(path).absolute()


def _connect(
    real: Path,
    config: dict[str, str],
    most_spilled: int,
    source: Path | None = None,
    outputs: Path | None = None,
) -> "duckdb.DuckDBPyConnection":
    """Open a database in memory that reaches no file but the session, its logs and a directory to spill into.

    With a ``source``, it reaches that session as well, and spills next to it if it can; of a directory ``outputs`` all.
    """
    import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

    with _clear_errors(real):
        reached = [real] if source is None else [_real(source), real]
        spilled = next(filter(None, map(spill.create, reached)), None)
        try:
            con = duckdb.connect(":memory:", config={**config, "temp_directory": spilled.path if spilled else ""})
        except BaseException:
            if spilled:
                spilled.remove()
            raise
        if spilled:
            _SPILLS[con] = weakref.finalize(con, spilled.remove)
        paths = ", ".join(schema.quote_literal(f"{path}{end}") for path in reached for end in ("", *COMPANIONS))
        if outputs is not None:
            con.execute(f"SET allowed_directories = [{schema.quote_literal(f'{_real(outputs)}/')}]")
        con.execute(
            f"SET max_temp_directory_size = '{spill.most_bytes(real, most_spilled)}B'; "
            f"SET allowed_paths = [{paths}]; SET enable_external_access = false"
        )
        return con


def _attach(
    con: "duckdb.DuckDBPyConnection",
    file: Path,
    real: Path,
    options: str,
    identity: Identity | None,
    mode: int | None = None,
    name: str = ATTACHED,
) -> None:
    """Attach the session as ``name``; a new one is nobody else's from its first byte."""
    every = f"TYPE duckdb, {options}" if options else "TYPE duckdb"
    mask = os.umask(0o077)
    try:
        con.execute(f"ATTACH {schema.quote_literal(str(real))} AS {name} ({every})")
    finally:
        os.umask(mask)
    check_same(file, real, identity)
    if identity is None and mode is not None:
        real.chmod(mode)


def _attach_source(con: "duckdb.DuckDBPyConnection", path: Path) -> None:
    """Attach another session as `SOURCE`, unless it has objects that this program never makes."""
    real = _real(path)
    identity = check_file(path, real, writing=False)
    with _clear_errors(path):
        _attach(con, path, real, "READ_ONLY", identity, name=SOURCE)
        _checked(con, path, SOURCE)


def _use_checked(con: "duckdb.DuckDBPyConnection", file: Path) -> objects.Contents:
    """Make the attached session the default, unless it has objects that this program never makes."""
    contents = _checked(con, file, ATTACHED)
    con.execute(f"USE {ATTACHED}")
    return contents


def _checked(con: "duckdb.DuckDBPyConnection", file: Path, name: str) -> objects.Contents:
    """List what an attached session contains; raises `ForeignObjectsError` for what this program never makes."""
    contents = objects.read_contents(con, name)
    if contents.foreign:
        words = N_(
            "{file}: contains the {name}, which rustnet did not make, and nothing of it was used; 'rustnet verify' "
            "lists all such objects: drop them with DuckDB's own program, or replay the capture into a new session"
        )
        every = (*contents.foreign, *contents.differing)
        raise objects.ForeignObjectsError(words, every, file=file, name=every[0])
    return contents


def _is_outdated(contents: objects.Contents, version: int, file: Path, tables: Sequence[type]) -> bool:
    """Whether another version made the session's views; raises `SessionError` if only another program can have."""
    outdated = bool(objects.missing_columns(contents.shapes)) or version < migrations.latest()
    if contents.differing and not outdated:
        words = N_(
            "{file}: its {name} is not the one that rustnet makes, and was not used; "
            "'rustnet verify' lists all such objects: replay the capture into a new session"
        )
        raise objects.ForeignObjectsError(words, contents.differing, file=file, name=contents.differing[0])
    wrong = objects.required_columns(contents.shapes, [table_name(cls) for cls in tables])
    if version == migrations.latest():
        wrong += objects.wrong_columns(contents.shapes)
    if wrong:
        words = N_("{file}: its {column} is not as rustnet makes it; write to a new session file")
        raise SessionError(words, file=file, column=wrong[0])
    return outdated


def _raise_outdated(contents: objects.Contents, file: Path) -> NoReturn:
    missing = objects.missing_columns(contents.shapes)[0]
    words = N_("{file}: has no {missing}: written by an older rustnet; 'rustnet refresh {file}' adds it")
    raise SessionError(words, file=file, missing=missing)


def _drop_views(con: "duckdb.DuckDBPyConnection") -> None:
    """Remove the views and the macro of another version before anything uses them."""
    for name in reversed(schema.VIEWS):
        con.execute(f"DROP VIEW IF EXISTS {name}")
    con.execute(f"DROP MACRO TABLE IF EXISTS {objects.FLOWS_AT}")


@contextlib.contextmanager
def explained(file: Path) -> typing.Iterator[None]:
    """Turn DuckDB's errors about a file that is written into one line each."""
    import duckdb  # noqa: PLC0415

    try:
        yield
    except duckdb.Error as error:
        explanation = _explain(file, str(error))
        first = str(error).strip().splitlines()[0]
        known = explanation.template != _UNKNOWN
        raise explanation if known else SessionError(_UNWRITTEN, file=file, first=first) from error


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


_UNKNOWN, _UNWRITTEN = N_("{file}: cannot be opened ({first})"), N_("{file}: cannot be written ({first})")


def _explain(file: Path, text: str) -> SessionError:
    """Turn DuckDB's error about a file into one sentence."""
    holder = re.search(r"Conflicting lock is held in (PID \d+|\S+)(?: \(PID (\d+)\))?", text)
    if holder:
        name, pid = Path(holder[1]).name, holder[2]
        if pid is None:
            words = N_("{file}: in use by another process ({name}); close it there, or wait until that has ended")
            number = re.fullmatch(r"PID (\d+)", name)  # a process that may not be looked at has no name
            return SessionLockedError(words, int(number[1]) if number else None, file=file, name=name)
        words = N_(
            "{file}: in use by another process ({name}, process {number}); close it there, or wait until that has ended"
        )
        return SessionLockedError(words, int(pid), file=file, name=name, number=pid)
    first = text.strip().splitlines()[0] if text.strip() else "unknown error"
    for pattern, kind, words in _CAUSES:
        if re.search(pattern, text):
            return kind(words, file=file, first=first)
    return SessionError(_UNKNOWN, file=file, first=first)


_META = (
    "SELECT key, left(CAST(value AS VARCHAR), 80) FROM meta "
    "WHERE key IN ('schema_version', 'rustnet_version') LIMIT 100"
)
_VERSION = re.compile("[0-9]{1,9}")


def _check_session(con: "duckdb.DuckDBPyConnection", file: Path) -> int:
    """Return the schema version of an open session; raises `SessionError` for other DuckDB files and newer sessions."""
    import duckdb  # noqa: PLC0415

    try:
        meta = dict(con.execute(_META).fetchall())
    except (duckdb.CatalogException, duckdb.BinderException):
        if _is_blank(con):
            words = N_("{file}: has no tables: its writer was killed before it began; run 'rustnet replay' again")
            raise SessionError(words, file=file) from None
        raise SessionError("{file}: is a DuckDB file, but not a rustnet session", file=file) from None
    version = str(meta.get("schema_version", ""))
    if not _VERSION.fullmatch(version):
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


def _remove(file: Path) -> None:
    """Remove a file that could not be completed, and its log."""
    for each in (file, Path(f"{file}.wal")):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)
