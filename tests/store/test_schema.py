from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from rustnet.errors import SessionError
from rustnet.records import U16, Host, columns, field_docs, record, table_name
from rustnet.store import schema, session
from rustnet.store.tables import CORE_TABLES


@record("clash")
class Clash:
    """Repeats a leading column."""

    flow_id: int | None = None
    """Flow."""


@record("flows")
class Usurper:
    """Claims a core table."""

    a: int | None = None
    """A."""


@record("demo")
class WiderDemo:
    """As demo, with a column more."""

    query: Host | None = None
    """What was asked."""
    extra: U16 | None = None
    """Came later."""


@record("demo")
class OtherDemo:
    """As demo, with another type."""

    query: U16 | None = None
    """A number now."""


COUNTS = ("retransmissions", "out_of_order", "duplicate_acks", "zero_windows", "missed_bytes", "duplicates")


def insert_flow(con: duckdb.DuckDBPyConnection, **values: object) -> None:
    row = {
        "flow_id": 1, "capture_id": 1, "generation": 0, "protocol": "tcp", "end_reason": "fin",
        "src_packets": 3, "dst_packets": 2, "src_bytes": 300, "dst_bytes": 200, "src_payload": 0, "dst_payload": 0,
        "fragments": 0, "interface": 0, "first_packet": 1, "src_flags": 0, "dst_flags": 0, **values,
    }  # fmt: skip
    for column in schema.existing_columns(con)["flows"]:
        if column.endswith(COUNTS):
            row.setdefault(column, 0)
    times = {k: row.pop(k, 10**9) for k in ("started_at", "ended_at")}
    names = ", ".join([*row, *times])
    marks = ", ".join(["?"] * len(row) + ["make_timestamp_ns(?)"] * 2)
    con.execute(f"INSERT INTO flows_ended({names}) VALUES ({marks})", [*row.values(), *times.values()])


@pytest.fixture
def con(tmp_path: Path, demo: type) -> Iterator[duckdb.DuckDBPyConnection]:
    con = session.create_or_open(tmp_path / "s.duckdb", [demo])
    yield con
    con.close()


def test_every_record_becomes_a_table_with_its_types(con: duckdb.DuckDBPyConnection, demo: type) -> None:
    have = schema.existing_columns(con)
    for cls in CORE_TABLES:
        assert have[table_name(cls)] == {c.name: c.sql_type for c in columns(cls)}
    assert list(have["demo"]) == ["capture_id", "flow_id", "ts", "packet", "query", "size", "answers", "valid_from"]
    assert have["demo"]["answers"] == "VARCHAR[]"
    assert have["demo"]["valid_from"] == "TIMESTAMP_NS"


def test_every_core_column_is_documented() -> None:
    bare = [f"{table_name(cls)}.{c.name}" for cls in CORE_TABLES for c in columns(cls) if c.name not in field_docs(cls)]
    assert bare == []


def test_core_columns_refuse_null_and_protocol_columns_do_not(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.ConstraintException):
        insert_flow(con, protocol=None)
    con.execute("INSERT INTO demo(flow_id) VALUES (NULL)")


def test_identifiers_and_literals_are_quoted() -> None:
    con = duckdb.connect()
    name, text = 'a"b; DROP', "it's; --"
    con.execute(f"CREATE TABLE t({schema.quote_identifier(name)} INT)")
    con.execute(f"COMMENT ON TABLE t IS {schema.quote_literal(text)}")
    assert schema.existing_columns(con)["t"] == {name: "INTEGER"}
    assert con.execute("SELECT comment FROM duckdb_tables()").fetchall() == [(text,)]
    con.close()


def test_clashing_records_are_refused(demo: type) -> None:
    with pytest.raises(ValueError, match="leading column flow_id"):
        schema.all_tables([Clash])
    with pytest.raises(ValueError, match="claim the table flows"):
        schema.all_tables([Usurper])
    with pytest.raises(ValueError, match="claim the table demo"):
        schema.all_tables([demo, WiderDemo])
    assert len(schema.all_tables([demo, demo])) == len(CORE_TABLES) + 1


def test_a_later_program_adds_columns_and_keeps_rows(tmp_path: Path, demo: type) -> None:
    path = tmp_path / "s.duckdb"
    con = session.create_or_open(path, [demo])
    con.execute("INSERT INTO demo(query) VALUES ('a')")
    con.close()
    con = session.create_or_open(path, [WiderDemo])
    assert con.execute("SELECT query, extra, size FROM demo").fetchall() == [("a", None, None)]
    con.close()
    with pytest.raises(SessionError, match=r"column demo\.query is VARCHAR in the session and USMALLINT"):
        session.create_or_open(path, [OtherDemo])


def test_views_are_empty_on_an_empty_session(con: duckdb.DuckDBPyConnection) -> None:
    for view in schema.VIEWS:
        assert con.execute(f"SELECT * FROM {view}").fetchall() == []


def test_connections_sees_flows_from_the_local_end(con: duckdb.DuckDBPyConnection) -> None:
    both = {"src_ip": "192.0.2.1", "dst_ip": "10.0.0.1", "src_port": 4000, "dst_port": 22}
    insert_flow(con, flow_id=1, **both)
    insert_flow(con, flow_id=2, direction="inbound", **both)
    insert_flow(con, flow_id=3, direction="outbound", process_id=7, **both)
    insert_flow(con, flow_id=4, direction="inbound", process_id=7, **both)
    con.execute("INSERT INTO processes(process_id, pid, name) VALUES (7, 700, 'sshd')")
    claim = (
        "INSERT INTO claims(flow_id, process_id, source, quality, rank, distance_ms, reversed, evidence, match) "
        "VALUES (?, ?, 's', 'exact', ?, 0, ?, 'x', 'tuple')"
    )
    con.execute(claim, [3, 7, 1, True])
    con.execute(claim, [3, 7, 2, False])
    con.execute(claim, [3, 8, 0, False])
    con.execute(claim, [4, 7, 1, False])
    rows = con.execute(
        "SELECT flow_id, local_addr, local_port, remote_addr, bytes_sent, bytes_received, pid, process_name, "
        "local_initiated FROM connections ORDER BY flow_id"
    ).fetchall()
    assert rows == [
        (1, "192.0.2.1", 4000, "10.0.0.1", 300, 200, None, None, True),
        (2, "10.0.0.1", 22, "192.0.2.1", 200, 300, None, None, False),
        (3, "10.0.0.1", 22, "192.0.2.1", 200, 300, 700, "sshd", False),
        (4, "192.0.2.1", 4000, "10.0.0.1", 300, 200, 700, "sshd", True),
    ]
    activity = con.execute(
        "SELECT process_name, flows, bytes_sent, bytes_received, remote_hosts FROM activity"
    ).fetchall()
    assert activity == [("sshd", 2, 500, 500, 2)]


def test_talkers_counts_both_ends_once(con: duckdb.DuckDBPyConnection) -> None:
    insert_flow(con, flow_id=1, src_ip="a", dst_ip="b", started_at=5, ended_at=9)
    insert_flow(con, flow_id=2, src_ip="b", dst_ip="b", started_at=1, ended_at=2)
    insert_flow(con, flow_id=3, protocol="lldp")
    rows = con.execute(
        "SELECT ip, flows, flows_initiated, bytes_sent, bytes_received, epoch_ns(first_seen), epoch_ns(last_seen) "
        "FROM talkers ORDER BY ip"
    ).fetchall()
    assert rows == [("a", 1, 1, 300, 200, 5, 9), ("b", 2, 1, 700, 800, 1, 9)]
