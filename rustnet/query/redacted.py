"""A session whose values are replaced by their kinds: what `--redact` of the reading commands and `rustnet.open` show.

Filters, parameters and statements are over replacements, as if the session had been recorded with them.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.errors import SessionError
from rustnet.policy.redaction import Key, Policy, Redactor, key_of_file, random_key
from rustnet.policy.redaction.policy_files import named_policy
from rustnet.query.execute import Params, QueryError, RowStream
from rustnet.query.limits import READER
from rustnet.query.session import CursorSession, Session
from rustnet.records import Kind
from rustnet.store.meanings import kind_of
from rustnet.store.redacted import RedactedTables
from rustnet.store.session import ATTACHED, READER_MEMORY, SessionLockedError

if TYPE_CHECKING:
    from rustnet.query.partial import PartialCapture

KEY_FILE = "redaction.key"
"""Name of the usual key's file in the folder of the user's configuration."""
NEW_KEY = "new"
"""In the place of a key's file: a random key, which nobody keeps."""
_ORIGINALS = re.compile(rf"\b{ATTACHED}\"?\s*\.", re.IGNORECASE)
"""What names a table of the session's file instead of its view. It keeps from mistakes, not from intent."""


class RedactedSession(CursorSession):
    """A finished session, open for reading replaced values."""

    replaces_values = True

    def __init__(
        self, path: "str | os.PathLike[str]", redactor: Redactor, *, threads: int | None, memory_limit: str
    ) -> None:
        self._tables = RedactedTables(path, redactor, threads=threads, memory_limit=memory_limit)
        shown = str(redactor.value(Kind.PATH, os.fspath(path)))
        super().__init__(shown, self._tables.cursor, bound=READER)
        self.redactor = redactor
        self._numbered = CursorSession(shown, self._tables.numbered_cursor, statements=1, bound=READER)
        self._originals = CursorSession(os.fspath(path), self._tables.original_cursor, statements=1, bound=READER)

    def stream(
        self,
        sql: str,
        params: Params = (),
        *,
        own: bool = False,
        seconds: float | None = None,
        rows: int | None = None,
        gone: Callable[[], bool] | None = None,
    ) -> RowStream:
        """Run one reading statement over replaced values; one about numbers of rows where these are."""
        if not own and _ORIGINALS.search(sql):
            raise QueryError(
                "SQL: with replaced values, name tables without their database: {name!r} has the originals",
                name=ATTACHED,
            )
        if "rowid" in sql:
            seconds = self.seconds if seconds is None else seconds
            return self._numbered.stream(sql, params, own=own, seconds=seconds, rows=rows, gone=gone)
        return super().stream(sql, params, own=own, seconds=seconds, rows=rows, gone=gone)

    def originals(self) -> Session:
        """The same session with its own values, for what is shown to nobody: the paths of its inputs."""
        return self._originals

    def partial_captures(self) -> "list[PartialCapture]":
        """Captures whose replay was killed: only some of their packets are stored."""
        from rustnet.query.partial import list_partial  # noqa: PLC0415 -- needed for this only

        return list_partial(self)

    def close(self) -> None:
        """Close the file."""
        self._originals.close()
        self._numbered.close()
        super().close()
        self._tables.close()


def open_redacted(
    path: "str | os.PathLike[str]",
    redact: "str | os.PathLike[str] | Policy | Redactor",
    key: "str | os.PathLike[str] | Key | None" = None,
    *,
    threads: int | None = None,
    memory_limit: str = READER_MEMORY,
) -> RedactedSession:
    """Open a session whose values are replaced by a policy and a key, as `rustnet.open` takes them."""
    redactor = redactor_for(redact, key)
    try:
        return RedactedSession(path, redactor, threads=threads, memory_limit=memory_limit)
    except SessionLockedError as error:
        raise SessionError(
            "{path}: is being written: values can be replaced when it is complete, and in the browser now", path=path
        ) from error


def redactor_for(
    redact: "str | os.PathLike[str] | Policy | Redactor", key: "str | os.PathLike[str] | Key | None"
) -> Redactor:
    """Redactor of a policy (a name, a file NAME.toml) and a key (a file, `new`; None: the user's usual one)."""
    if isinstance(redact, Redactor):
        return redact
    policy = redact if isinstance(redact, Policy) else named_policy(os.fspath(redact), "redact", kind_of)
    return Redactor(key if isinstance(key, Key) else _key(key), policy)


def _key(key: "str | os.PathLike[str] | None") -> Key:
    if key == NEW_KEY:
        return random_key()
    if key is not None:
        return key_of_file(Path(key))
    import platformdirs  # noqa: PLC0415 -- if wanted

    return key_of_file(platformdirs.user_config_path("rustnet", appauthor=False) / KEY_FILE)
