"""What the manifest of an export needs from the command line: the hash of the session, the key, the time."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rustnet.cli.redaction_options import as_caller
from rustnet.config import usual_file
from rustnet.errors import RustnetError
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder
    from rustnet.export.manifest import Input
    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session
_F = TypeVar("_F", bound=Callable[..., Any])


def custody_options(command: _F) -> _F:
    """Add ``--manifest`` and ``--signing-key``."""
    command = click.option(
        "--signing-key", metavar="FILE",
        help=_("Sign the manifest with this key of OpenSSH's.  [default: signing.key of the configuration]"),
    )(command)  # fmt: skip
    return click.option(
        "--manifest", is_flag=True, help=_("Add a signed list of the SHA-256 of all files, and of the inputs.")
    )(command)


def usual_key() -> Path:
    """File of the user's key for manifests; it is created when the first one is signed."""
    return usual_file().parent / "signing.key"


class Custody:
    """The session's hash, taken before it is opened, and what else a manifest states."""

    def __init__(self, session: str, key: str | None = None) -> None:
        from rustnet.export.originals import digest  # noqa: PLC0415 -- needed for this only
        from rustnet.export.signatures import SigningKey  # noqa: PLC0415

        self.session = session
        with as_caller():  # a key that cannot be used is better seen before the work
            self.key = SigningKey.of_file(Path(key) if key else usual_key())
        # A second descriptor of an open session, when closed, would end the locks that DuckDB holds on it.
        path = Path(session)
        self._status = path.stat() if path.is_file() else None
        self._digest = digest(path) if self._status else None

    def write(self, reader: "Session", folder: "ExportFolder", redactor: "Redactor | None" = None) -> None:
        """Write the manifest of a folder whose other files are complete; under a redactor, with replaced names."""
        from rustnet.export.manifest import Input, write_manifest  # noqa: PLC0415 -- needed for this only
        from rustnet.query.selection import originals  # noqa: PLC0415

        inputs = [self._session_input(reader)]
        inputs += [
            Input("capture", file.source, file.bytes, file.sha256)
            for capture in originals(reader)
            for file in capture.files
        ]
        policy: dict[str, str] | None = None
        if redactor is not None:
            from rustnet.query.redaction_mark import fingerprint  # noqa: PLC0415
            from rustnet.records import Kind  # noqa: PLC0415

            policy = {"name": redactor.policy.name, "key": fingerprint(redactor)}
            inputs = [
                Input(
                    each.kind,
                    redactor.value(Kind.PATH, each.path),
                    each.bytes,
                    redactor.value(Kind.DIGEST, each.sha256) if each.sha256 else None,
                )
                for each in inputs
            ]
        created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        write_manifest(folder, inputs, policy, created, self.key)

    def _session_input(self, reader: "Session") -> "Input":
        from rustnet.export.manifest import Input  # noqa: PLC0415 -- needed for this only

        status = Path(self.session).stat() if self._status else None
        if self._status is None or status is None or reader.being_written:
            return Input("session", self.session, None, None)
        if (status.st_size, status.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise RustnetError("{path}: the session was changed during the export; export it again", path=self.session)
        return Input("session", self.session, status.st_size, self._digest)
