"""Parquet files from lines of JSON, through a separate DuckDB instance."""

from collections.abc import Mapping
from pathlib import Path

from rustnet.store.schema import quote_literal

MEMORY_LIMIT = "256MB"
LONGEST_ROW = 64 << 20
"""Most bytes of a row as JSON."""


def convert(lines: Path, types: Mapping[str, str], select: str, target: Path) -> None:
    """Write the result of ``select`` over JSON ``lines`` to ``target``; ``types`` are the fields' DuckDB types."""
    import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

    read = ", ".join(f"{name}: {quote_literal(kind)}" for name, kind in types.items())
    source = (
        f"read_json({quote_literal(str(lines))}, format='newline_delimited', columns={{{read}}}, "
        f"maximum_object_size={LONGEST_ROW})"
    )
    con = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(lines.parent), "threads": 1})
    try:
        destination = f"{quote_literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        con.execute(f"COPY (SELECT {select} FROM {source}) TO {destination}")  # noqa: S608 -- names are quoted
    finally:
        con.close()
