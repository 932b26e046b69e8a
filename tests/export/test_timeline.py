"""Rows of several tables in the order of time, with windows of any size, and of sessions that are being written."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import rustnet
from rustnet.export import timeline
from rustnet.export.ecs import write_ecs
from rustnet.export.eve import write_eve
from rustnet.export.har import write_har
from rustnet.export.timeline import Fields, Source, Timeline
from rustnet.ingest import serving
from rustnet.query.remote import RemoteSession
from rustnet.query.session import Session
from tests.export.exported import lines, written
from tests.query.test_server import Writing


def texts(row: Fields) -> Iterator[str]:
    yield json.dumps([row["moment"], row["name"], row["f.flow_id"], row.get("packet")])


def sources() -> list[Source]:
    return [
        Source("dns", "ts", texts, columns=("packet",), flow=("flow_id",), more={"name": "'dns'"}),
        Source("no such table", "ts", texts),
        Source("http", "ts", texts, columns=("packet",), flow=("flow_id",), more={"name": "'http'"}),
        Source("flows", "ended_at", texts, flow=("flow_id", "end_reason"), more={"name": "'flow'"}),
    ]


def wanted(session: Session) -> list[list[object]]:
    return [
        list(row)
        for row in session.sql(
            "SELECT epoch_ns(ts), 'dns', flow_id, packet FROM dns UNION ALL "
            "SELECT epoch_ns(ts), 'http', flow_id, packet FROM http UNION ALL "
            "SELECT epoch_ns(ended_at), 'flow', flow_id, NULL FROM flows"
        )
    ]


def key(event: list[object]) -> tuple[object, ...]:
    return (event[0], *map(str, event[1:]))


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
@pytest.mark.parametrize("name", ["web.pcap", "mail-ftp.pcap"])
def test_all_rows_are_there_once_and_in_order(
    samples: dict[str, Path], name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "WINDOW_ROWS", size)
    with rustnet.open(samples[name]) as session:
        made = [json.loads(text) for text in Timeline(session, sources())]
        assert [event[0] for event in made] == sorted(event[0] for event in made)
        assert sorted(made, key=key) == sorted(wanted(session), key=key)


def test_rows_of_one_moment_fill_windows(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    writing.put(20)
    writing.writer.close()  # all 30 rows have the time 1000
    monkeypatch.setattr(timeline, "WINDOW_ROWS", 4)
    with rustnet.open(writing.path) as session:
        lone = Timeline(session, sources())
        assert lone._cuts() == [1000, 1001]
        assert [json.loads(text)[3] for text in lone] == sorted(row[3] for row in wanted(session))  # type: ignore[type-var]


def test_a_session_without_rows_has_no_events(writing: Writing, tmp_path: Path) -> None:
    change(writing, "DELETE FROM dns")
    writing.writer.close()
    with rustnet.open(writing.path) as session:
        assert written(write_eve, session, tmp_path / "eve")[0] == ""
        assert written(write_ecs, session, tmp_path / "ecs")[0] == ""
        assert json.loads(written(write_har, session, tmp_path / "har")[0])["log"]["entries"] == []


@pytest.fixture
def writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writing]:
    monkeypatch.setattr(serving, "DELAY", 0.0)
    made = Writing(tmp_path / "s.duckdb")
    yield made
    made.writer.close()


def change(writing: Writing, sql: str) -> None:
    writing.writer.execute(lambda con: con.execute(sql))
    writing.writer.commit()


def add_flow(writing: Writing, table: str, flow: int, ended: int, reason: str) -> None:
    required = writing.writer.query(
        f"SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{table}' AND NOT is_nullable"
    )
    values = {name: "'x'" if kind == "VARCHAR" else "make_timestamp_ns(1)" if kind == "TIMESTAMP_NS" else "0"
              for name, kind in required}  # fmt: skip
    values |= {"src_ip": "'192.0.2.1'", "dst_ip": "'192.0.2.2'"}
    values |= {"flow_id": str(flow), "ended_at": f"make_timestamp_ns({ended})", "protocol": "'tcp'",
               "end_reason": f"'{reason}'", "capture_id": "1"}  # fmt: skip
    change(writing, f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})")


def test_a_session_that_is_being_written(writing: Writing, tmp_path: Path) -> None:
    add_flow(writing, "flows_open", 5, 2000, "open")
    with rustnet.open(writing.path) as session:
        assert isinstance(session, RemoteSession)
        made = lines(written(write_eve, session, tmp_path / "eve")[0])
        assert [event["event_type"] for event in made] == ["dns"] * 10 + ["flow"]
        assert "reason" not in made[-1]["flow"]  # it has not ended
        assert len(lines(written(write_ecs, session, tmp_path / "ecs")[0])) == 11


def test_a_flow_that_ends_meanwhile_is_one_event(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "WINDOW_ROWS", 1)
    add_flow(writing, "flows_open", 5, 2000, "open")
    add_flow(writing, "flows_ended", 6, 4000, "fin")
    with rustnet.open(writing.path) as session:
        made = []
        for text in Timeline(session, sources()):
            made.append(json.loads(text))
            if made[-1][1:3] == ["flow", 5]:
                change(writing, "DELETE FROM flows_open")
                add_flow(writing, "flows_ended", 5, 4000, "fin")
        assert [event[2] for event in made if event[1] == "flow"] == [5, 6]
