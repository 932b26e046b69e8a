"""Sessions of the samples, and what an export writes of a session."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rustnet.export.folder import ExportFolder
from rustnet.query.session import Session
from tests.support.paths import SAMPLES

CAPTURES = sorted(path for path in SAMPLES.iterdir() if path.name.endswith((".pcap", ".pcapng", ".pcap.zst")))
Event = dict[str, Any]


def written(
    write: Callable[[Session, ExportFolder], list[str]], session: Session, target: Path
) -> tuple[str, list[str]]:
    """Text of the one file that an export writes, and its sentences on what has no place."""
    with ExportFolder(target) as folder:
        remarks = write(session, folder)
        folder.publish()
    (file,) = target.iterdir()
    return file.read_text("utf-8"), remarks


def lines(text: str) -> list[Event]:
    """Events of JSON lines."""
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def rows(session: Session, sql: str) -> list[Event]:
    """Rows by column; NULLs are left out."""
    result = session.sql(sql)
    return [
        {name: value for name, value in zip(result.columns, row, strict=True) if value is not None} for row in result
    ]
