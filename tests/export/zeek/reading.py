"""Exports sessions as Zeek's logs, and reads these with a reader of others."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
from parsezeeklogs import read_zeek  # type: ignore[import-untyped]

import rustnet
from rustnet.export.folder import ExportFolder
from rustnet.export.zeek.export import write_zeek

Rows = list[dict[str, Any]]


def export(session: Path, target: Path, *, as_json: bool = False) -> list[str]:
    """Export a session; returns the remarks."""
    with rustnet.open(session) as reader, ExportFolder(target) as folder:
        remarks = write_zeek(reader, folder, "json" if as_json else "tsv")
        folder.publish()
    return remarks


def read(target: Path) -> dict[str, Rows]:
    """All logs of an export by their names, without what is unset."""
    return {
        path.stem: [{name: value for name, value in row.items() if value is not None} for row in read_zeek(path)]
        for path in sorted((target / "zeek").iterdir())
    }


def exported(session: Path, target: Path, *, as_json: bool = False) -> dict[str, Rows]:
    """Export a session and read its logs."""
    export(session, target, as_json=as_json)
    return read(target)


def altered(session: Path, copy: Path, statements: Sequence[str]) -> Path:
    """A copy of a session on which statements were run."""
    shutil.copy(session, copy)
    con = duckdb.connect(str(copy))
    for statement in statements:
        con.execute(statement)
    con.close()
    return copy


def ask(session: Path, sql: str) -> Rows:
    """Rows of a query, each by the names of its columns."""
    con = duckdb.connect(str(session), read_only=True)
    result = con.execute(sql)
    names = [column[0] for column in result.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    con.close()
    return rows
