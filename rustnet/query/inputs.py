"""Files that a session was made of, so that nothing is written in their place."""

import typing
from pathlib import Path

from rustnet.errors import RustnetError
from rustnet.filenames import as_path

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_CAPTURES = "SELECT DISTINCT source FROM captures WHERE kind <> 'stdin' ORDER BY source"
_SIDECARS = """
SELECT DISTINCT rtrim(rtrim(evidence, '0123456789'), ':') FROM claims
UNION SELECT DISTINCT rtrim(rtrim(evidence, '0123456789'), ':') FROM aliases
UNION SELECT DISTINCT origin FROM clocks"""


def named_files(session: "Session", folder: Path) -> list[str]:
    """Paths at which a session's captures and sidecars may be; ``folder`` is the session's directory.

    A session knows sidecars by their file name: they may be next to the captures, the session, or where the user is.
    """
    captures = [as_path(row[0]) for row in session.execute(_CAPTURES).rows if row[0]]
    try:
        sidecars = [Path(as_path(row[0])).name for row in session.execute(_SIDECARS).rows if row[0]]
    except RustnetError:  # a session of another version without one of the tables
        sidecars = []
    names = [place for name in captures for place in (name, str(folder / name), str(folder / Path(name).name))]
    folders = dict.fromkeys([folder, Path(), *(Path(name).parent for name in captures)])
    names += [str(place / name) for name in sidecars for place in folders if name]
    return list(dict.fromkeys(names))
