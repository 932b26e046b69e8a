"""Passes that run again over a whole session."""

from pathlib import Path

import duckdb
import pytest

from rustnet.derive.passes import Evidence
from rustnet.errors import SessionError
from rustnet.ingest import refresh
from tests.support.packets import udp_frame
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

FLOWS = 400_000
KNOWN = "SELECT count(*) FROM flows WHERE dst_country = 'US'"


def test_flows_that_all_change_need_memory_and_its_lack_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = tmp_path / "x.duckdb"
    replay(session, write_pcap(tmp_path / "x.pcap", [udp_frame(("10.0.0.1", 40000), ("8.8.8.8", 53), b"x")]))
    with duckdb.connect(str(session)) as con:
        con.execute(
            "INSERT INTO flows_ended SELECT f.* REPLACE (f.flow_id + n AS flow_id, NULL AS dst_country, "
            f"NULL AS dst_asn, NULL AS dst_as_name) FROM flows_ended f, range(1, {FLOWS}) r(n)"
        )
    passes = refresh.choose(["enrichment"])
    monkeypatch.setattr(refresh, "MEMORY", "32MB")
    with pytest.raises(SessionError, match="enrichment needs more than 32MB of memory"):
        refresh.refresh(str(session), passes, Evidence())
    with duckdb.connect(str(session), read_only=True) as con:
        assert con.execute(KNOWN).fetchone() == (1,)
    monkeypatch.undo()
    ((_, outcome),) = refresh.refresh(str(session), passes, Evidence())
    assert outcome.changed == FLOWS - 1
    with duckdb.connect(str(session), read_only=True) as con:
        assert con.execute(KNOWN).fetchone() == (FLOWS,)
