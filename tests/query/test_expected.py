"""Rows of every saved query on a sample capture, or on the one of `tests.query.office`.

``expected/NAME.csv`` has the capture and the parameters in its first line, then what ``rustnet query -f csv`` writes.
``RUSTNET_WRITE_EXPECTED=1`` writes these files anew: look at each difference.
"""

import io
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rustnet.export.formats import write_result
from rustnet.query.catalogue import load
from rustnet.query.session import FileSession
from tests.query.office import write_office
from tests.support.paths import ROOT, SAMPLES
from tests.support.sessions import replay

EXPECTED = Path(__file__).with_name("expected")
QUERIES = load()
WRITING = bool(os.environ.get("RUSTNET_WRITE_EXPECTED"))

Opened = Callable[[str], FileSession]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Sessions of captures by name; each is made once."""
    folder = tmp_path_factory.mktemp("expected")
    sessions: dict[str, FileSession] = {}

    def get(name: str) -> FileSession:
        if name not in sessions:
            capture = write_office(folder / name) if name == "office.pcap" else SAMPLES / name
            path = folder / f"{name}.duckdb"
            replay(path, capture).con.close()
            sessions[name] = FileSession(path)
        return sessions[name]

    yield get
    for session in sessions.values():
        session.close()


@pytest.mark.parametrize("path", sorted(EXPECTED.glob("*.csv")), ids=lambda path: path.stem)
def test_rows(path: Path, opened: Opened) -> None:
    said = path.read_text("utf-8")
    first, _, rows = said.partition("\n")
    sample, *words = shlex.split(first)
    out = io.StringIO()
    with QUERIES[path.stem].stream(opened(sample), dict(word.split("=", 1) for word in words)) as stream:
        count = write_result(stream, "csv", out)
    found = out.getvalue().replace("\r\n", "\n").replace(str(SAMPLES), "SAMPLES")
    if WRITING:
        path.write_text(f"{first}\n{found}", "utf-8")
    assert count, f"{sample} has no row for this query"
    assert WRITING or found == rows


def test_every_query_has_rows_somewhere() -> None:
    """Those without a file here have a test of their own that names them."""
    with_file = {path.stem for path in EXPECTED.glob("*.csv")}
    others = [
        p for p in (ROOT / "tests").rglob("test_*.py") if p.name not in ("test_catalogue.py", Path(__file__).name)
    ]
    text = "\n".join(path.read_text("utf-8") for path in others)
    without = [name for name in QUERIES if name not in with_file and not re.search(rf"[\"' ]{name}[\"' ]", text)]
    assert not without
