"""Few observations are matched without the optimizer: with the same result."""

from pathlib import Path

import duckdb
import pytest

from rustnet.attribute import match
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from tests.support.paths import SAMPLES

QUESTIONS = (
    "SELECT * FROM claims ORDER BY ALL",
    "SELECT * EXCLUDE (process_id) FROM processes ORDER BY ALL",
    "SELECT * FROM aliases ORDER BY ALL",
    "SELECT flow_id, process_id, process_source, process_contested, unowned_reason FROM flows ORDER BY ALL",
    "SELECT * FROM clocks ORDER BY ALL",
)


@pytest.mark.parametrize(
    "sample", sorted(path.name for path in SAMPLES.glob("*.pcap*") if path.suffix in {".pcap", ".pcapng"})
)
def test_the_optimizer_changes_nothing(sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for few in (-1, match.SMALL):
        monkeypatch.setattr(match, "SMALL", few)
        session = tmp_path / f"{few}.duckdb"
        assert ingest([str(SAMPLES / sample)], str(session), Options()).failed == []
        with duckdb.connect(str(session), read_only=True) as con:
            found.append([con.execute(question).fetchall() for question in QUESTIONS])
    assert found[0] == found[1]
