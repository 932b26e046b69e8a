"""The leak scan: looks for every original value of a session in the files of an export."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.export.leaks.findings import Findings, Leak, Step, no_step

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session

__all__ = ["Findings", "Leak", "examine", "scan"]


def scan(session: "Session", folder: Path, redactor: "Redactor", *, step: Step = no_step) -> list[Leak]:
    """Leaks in the files of a directory that was written from ``session`` with ``redactor``."""
    return examine(session, folder, redactor, step=step).leaks


def examine(
    session: "Session", folder: Path, redactor: "Redactor", *, known_key: bool = True, step: Step = no_step
) -> Findings:
    """Look for the values of ``session`` that ``redactor`` replaces in all files of a directory.

    ``known_key``: the redactor has the key that the files were written with; without it, any address in them could be
    a replacement. What is an original and the replacement of another one is decided by the rows of the session where a
    table has the same, else it is undecided.
    """
    from rustnet.export.leaks.files import CAPTURES, FolderScan  # noqa: PLC0415 -- NumPy and DuckDB
    from rustnet.export.leaks.originals import collect  # noqa: PLC0415
    from rustnet.export.leaks.searching import Searcher  # noqa: PLC0415

    pairs = any(CAPTURES & set(path.suffixes) for path in folder.rglob("*"))
    originals = collect(session, redactor, pairs=pairs, known_key=known_key, step=lambda _kind: step("", 0, 0))
    findings = Findings(sought=originals.count, complete=originals.complete)
    with tempfile.TemporaryDirectory(prefix="rustnet.") as spill:
        FolderScan(session, Searcher(originals), findings, Path(spill), step).scan(folder)
    return findings
