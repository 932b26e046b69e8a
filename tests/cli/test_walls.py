"""What commands load: help next to nothing, readers neither the parsers nor the engine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOMS = ("engine", "dissect", "analysis", "attribute", "derive", "ingest", "store.writer")
CODE = """
import io, json, sys
from rustnet.cli.main import main
real, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO())
code = main(sys.argv[1:])
real.write(json.dumps([code, sorted(sys.modules)]))
"""


def loaded(*words: object) -> tuple[int, set[str]]:
    """Exit code of a command line, and the modules that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    code, modules = json.loads(done.stdout)
    return code, set(modules)


@pytest.mark.parametrize("words", [["--help"], ["flows", "--help"], ["query", "--help"], ["stats", "--help"]])
def test_help_loads_neither_duckdb_nor_numpy(words: Any) -> None:
    _code, modules = loaded(*words)
    assert not modules & {"duckdb", "_duckdb", "numpy", "rustnet.query", "rustnet.store"}


@pytest.mark.parametrize(
    "words",
    [
        ["flows", "{s}", "port:80"],
        ["stats", "{s}"],
        ["processes", "{s}"],
        ["hosts", "{s}"],
        ["show", "{s}", "1"],
        ["query", "{s}", "top-talkers"],
        ["verify", "{s}"],
        ["extract", "{s}", "-o", "{s}.pcapng"],
    ],
)
def test_readers_load_neither_parsers_nor_engine(session: Path, words: Any) -> None:
    code, modules = loaded(*(word.format(s=session) for word in words))
    assert code == 0
    rooms = tuple(f"rustnet.{room}" for room in ROOMS)
    assert [name for name in modules if name.startswith(rooms)] == []


def test_reading_a_table_does_without_numpy(session: Path) -> None:
    for words in (["flows", session], ["query", session, "top-talkers", "-f", "json"]):
        _code, modules = loaded(*words)
        assert "numpy" not in modules
