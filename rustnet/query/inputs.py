"""Files that a session was made of, so that nothing is written in their place."""

import typing
from collections.abc import Sequence
from pathlib import Path

from rustnet.errors import RustnetError
from rustnet.filenames import as_path
from rustnet.store.schema import INPUT

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_CAPTURES = """
SELECT source FROM captures WHERE kind <> 'stdin' UNION SELECT source FROM capture_files WHERE kind <> 'stdin'
ORDER BY source"""
_SIDECARS = """
SELECT DISTINCT left(evidence, length(evidence) - strpos(reverse(evidence), ':')) FROM claims
UNION SELECT DISTINCT left(evidence, length(evidence) - strpos(reverse(evidence), ':')) FROM aliases
UNION SELECT DISTINCT origin FROM clocks"""


_INPUTS = f"SELECT substr(key, {len(INPUT) + 1}) FROM meta WHERE starts_with(key, '{INPUT}') LIMIT 100000"  # noqa: S608


def stored_inputs(session: "Session") -> list[str]:
    """Paths that a session's captures and sidecars had when they were read."""
    return [as_path(row[0]) for row in session.execute(_INPUTS).rows]


def captures_of(session: "Session") -> list[str]:
    """Paths of the files of a session's captures, as they were given."""
    return [as_path(row[0]) for row in session.execute(_CAPTURES).rows if row[0]]


def capture_files(captures: Sequence[str], folder: Path) -> list[str]:
    """Paths at which captures may be; ``folder`` is the session's directory."""
    return [place for name in captures for place in (name, str(folder / name), str(folder / Path(name).name))]


def sidecar_files(session: "Session", captures: Sequence[str], folder: Path) -> list[str]:
    """Paths at which a session's sidecars may be.

    A session knows them by their file name: they may be next to the captures, the session, or where the user is.
    """
    try:
        sidecars = [Path(as_path(row[0])).name for row in session.execute(_SIDECARS).rows if row[0]]
    except RustnetError:  # a session of another version without one of the tables
        sidecars = []
    folders = dict.fromkeys([folder, Path(), *(Path(name).parent for name in captures)])
    return [str(place / name) for name in sidecars for place in folders if name]
