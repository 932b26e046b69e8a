"""The directory that ``rustnet export`` writes: one file or folder for each format, all or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.terminal import notify
from rustnet.i18n import ngettext
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder
    from rustnet.query.session import Session

Write = Callable[["Session", "ExportFolder"], "list[str]"]
"""Writes a session in one format to a directory; returns sentences on what has no place in the format."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of exports."""

    name: str
    write: Write


def export(session: "Session", formats: "list[Format]", target: Path) -> None:
    """Write a session in some formats to a new directory, which appears when all are complete."""
    from rustnet.export.folder import ExportFolder  # noqa: PLC0415 -- needed for this only

    with ExportFolder(target) as folder:
        for each in formats:
            for remark in each.write(session, folder):
                notify(safe(f"{each.name}: {remark}"))
        folder.publish()
    template = ngettext("{n} file written to {path}", "{n} files written to {path}", len(folder.files))
    notify(template.format(n=f"{len(folder.files):,}", path=safe(str(target))))
