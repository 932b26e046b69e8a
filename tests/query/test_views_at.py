"""`rustnet.query.views.at` against ``flows_at(t)``, row by row."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.query.session import Session, open_session
from rustnet.query.views import at
from rustnet.records import columns
from rustnet.store.tables import FlowRow

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(p for p in (ROOT / "sample_pcaps").iterdir() if ".pcap" in p.name and ".json" not in p.name)
MOMENTS = 12
NAMES = [column.name for column in columns(FlowRow)]
OPTIONS = Options(discover=False, workers=0)


ALIKE = ("short-queue.pcap.zst", "policed.pcap.zst", "paced.pcap.zst")
"""Long downloads like that of bufferbloat.pcap.zst."""


@pytest.fixture(
    scope="module",
    params=[*(s for s in SAMPLES if s.name not in ALIKE), SAMPLES],
    ids=lambda p: p.name if isinstance(p, Path) else "all",
)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session of each sample, and one of all together, whose times overlap."""
    inputs = [request.param] if isinstance(request.param, Path) else request.param
    path = tmp_path_factory.mktemp("at") / "s.duckdb"
    ingest([str(each) for each in inputs], str(path), OPTIONS)
    with open_session(path) as opened:
        yield opened


def moments(session: Session) -> list[int]:
    """Times spread over the packets, those around packets, and times outside."""
    rows = session.execute_own(
        "SELECT DISTINCT epoch_ns(ts) FROM (SELECT ts, row_number() OVER (ORDER BY ts) AS n, count(*) OVER () AS of "
        f"FROM packets) WHERE n % greatest(1, of // {MOMENTS}) = 1 OR n = of ORDER BY 1"
    ).rows
    times = [int(ts) for (ts,) in rows]
    return [times[0] - 1, *times, times[len(times) // 2] + 1, times[-1] + 3600 * 10**9]


def values(session: Session, names: list[str], relation: str) -> list[tuple[Any, ...]]:
    picked = ", ".join(f"epoch_ns(flows.{n})" if n.endswith(("_at", "_ts")) else f"flows.{n}" for n in names)
    return session.execute_own(f"SELECT {picked} FROM {relation} ORDER BY flows.flow_id").rows


def test_rows_are_those_of_flows_at(session: Session) -> None:
    names = [*NAMES, "src_rate", "dst_rate"]
    compared = 0
    for ns in moments(session):
        moment = at.moment(session, ns)
        real = values(session, names, at.shown(moment))
        assert values(session, names, at.source(moment, "*")) == real, ns
        ids = [row[0] for row in real][::3][: at.MAX_IDS]
        few = [row for row in real if row[0] in set(ids)]
        assert values(session, names, at.source(moment, *names, ids=ids)) == few, ns
        compared += len(real)
    assert compared


def test_each_column_is_right_when_asked_for_alone(session: Session) -> None:
    ns = moments(session)[MOMENTS // 2]
    moment = at.moment(session, ns)
    for name in [*NAMES, "src_rate", "dst_rate"]:
        names = ["flow_id", name]
        assert values(session, names, at.source(moment, f"flows.{name}")) == values(session, names, at.shown(moment)), (
            name
        )


def test_open_flows_are_those_that_flows_at_calls_open(session: Session) -> None:
    for ns in moments(session):
        moment = at.moment(session, ns)
        real = [(i, reason == "open") for i, reason in values(session, ["flow_id", "end_reason"], at.shown(moment))]
        assert values(session, ["flow_id", "is_open"], at.source(moment, at.OPEN)) == real, ns
        assert values(session, ["flow_id", "is_open"], at.source(moment, at.OPEN, "flows.src_bytes")) == real, ns


def test_without_a_moment_it_is_the_view(session: Session) -> None:
    assert at.moment(session, None) is None
    assert at.source(None, "*") == at.shown(None) == "flows"
    ids = [row[0] for row in values(session, ["flow_id"], "flows")][:3]
    assert [row[0] for row in values(session, ["flow_id"], at.source(None, ids=ids))] == ids
    assert values(session, ["flow_id"], at.source(None, ids=[])) == []


def test_clocks_of_many_captures_are_computed_by_the_statement(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    ns = moments(session)[MOMENTS // 2]
    few = at.moment(session, ns)
    monkeypatch.setattr(at, "FEW", 0)
    assert at.moment(session, ns) == few
    monkeypatch.setattr(at, "MAX_CLOCKS", 0)
    many = at.moment(session, ns)
    assert few is not None
    assert few.clocks
    assert many is not None
    assert many.clocks is None
    names = ["flow_id", "state", "end_reason"]
    assert values(session, names, at.source(many, *names)) == values(session, names, at.source(few, *names))


def test_more_flows_than_a_page_are_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        at.source(at.Moment(0, ()), "flow_id", ids=range(at.MAX_IDS + 1))
