"""Redacted sessions: nothing of the originals, the same shape, and open to all that reads sessions."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.export import redacted_session
from rustnet.export.redacted_session import Copied
from rustnet.ingest import serving
from rustnet.policy.redaction import POLICIES, Key, Method, Policy, Redactor, Shift
from rustnet.policy.redaction.redactor import CLOCK_COLUMNS
from rustnet.query.catalogue import load
from rustnet.query.integrity import check
from rustnet.query.redaction_mark import redaction_of
from rustnet.query.session import FileSession, Session, open_session
from rustnet.records import Kind, columns, table_name
from rustnet.store import redacted_copy
from rustnet.store.batches import Rows
from rustnet.store.meanings import protocol_tables
from rustnet.store.schema import all_tables
from rustnet.store.session import close, create_or_open
from rustnet.store.tables import FLOWS_ENDED, Capture, stored_in
from rustnet.store.writer import Writer
from tests.support import filled
from tests.support.sessions import replay

SAMPLES = sorted((Path(__file__).parents[2] / "sample_pcaps").glob("*.pcap*"))
SAMPLES = [path for path in SAMPLES if ".connections." not in path.name]
KEY, OTHER_KEY = Key(bytes(range(32))), Key(bytes(range(1, 33)))
KEPT = {
    Kind.DURATION, Kind.BYTES, Kind.COUNT, Kind.RATIO, Kind.NUMBER, Kind.FLAGS, Kind.BOOLEAN, Kind.FLOW, Kind.PACKET,
    Kind.KEY, Kind.TIME, Kind.WORD, Kind.PORT, Kind.FINGERPRINT, Kind.SOFTWARE,
}  # fmt: skip
"""Kinds that may stay: software only as vendors of the shipped table."""
BY_VALUES = {"host-activity"}
"""Saved queries that choose a host among equals by its address."""


def redacted(source: Path, target: Path, policy: str = "share", key: Key = KEY) -> Copied:
    with open_session(source) as session:
        return redacted_session.copy(session, target, Redactor(key, POLICIES[policy]))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "filled.duckdb"
    filled.write_filled(path)
    return path


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Session of a sample, with its sidecar."""
    folder = tmp_path_factory.mktemp("samples")

    def session(capture: Path) -> Path:
        path = folder / f"{capture.name}.duckdb"
        if not path.exists():
            replay(path, capture).con.close()
        return path

    return session


def texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [v for v in value if v is not None] if isinstance(value, list) else []


@pytest.mark.parametrize("policy", POLICIES)
def test_no_original_of_any_table_and_column_is_left(full: Path, tmp_path: Path, policy: str) -> None:
    copied = redacted(full, tmp_path / "new.duckdb", policy)
    before, after = filled.all_rows(full), filled.all_rows(tmp_path / "new.duckdb")
    assert not copied.left_out
    for cls, leading in all_tables(protocol_tables()):
        table = stored_in(cls)
        if table in copied.hidden:
            assert policy == "timing-only"
            assert not after[table]
            continue
        assert len(after[table]) == filled.ROWS
        for at, column in enumerate((*leading, *columns(cls))):
            old, new = ([row[at] for row in each[table]] for each in (before, after))
            method = Redactor(KEY, POLICIES[policy]).method(column.kind, column.name, table)
            if method is Method.KEEP:
                assert column.kind in KEPT, f"{table}.{column.name}"
                assert new == old, f"{table}.{column.name}"
            elif method is not Method.PORT:  # those of services stay
                assert not set(map(str, old)) & set(map(str, new)), f"{table}.{column.name}"
            if column.kind is Kind.SOFTWARE and column.name == "vendor":
                continue
            planted = {part for value in new for text in texts(value) for part in re.findall("qz[a-j]{5}x", text)}
            assert not planted, f"{table}.{column.name}: {planted}"


def test_every_value_that_is_not_hidden_differs_where_originals_differ(full: Path, tmp_path: Path) -> None:
    redacted(full, tmp_path / "new.duckdb")
    before, after = filled.all_rows(full), filled.all_rows(tmp_path / "new.duckdb")
    pseudonymous = {Kind.ADDRESS, Kind.ADDRESS_NUMBER, Kind.HOST, Kind.USER, Kind.IDENTIFIER, Kind.DIGEST, Kind.MAC}
    for cls, leading in all_tables(protocol_tables()):
        table = stored_in(cls)
        for at, column in enumerate((*leading, *columns(cls))):
            if column.kind in pseudonymous:
                old, new = ({str(row[at]) for row in each[table]} for each in (before, after))
                assert len(old) == len(new), f"{table}.{column.name}"


def test_addresses_agree_with_their_numbers(sample: Callable[[Path], Path], tmp_path: Path) -> None:
    redacted(sample(SAMPLES[-1]), tmp_path / "new.duckdb", "strict")
    with open_session(tmp_path / "new.duckdb") as session:
        wrong = session.sql(
            "SELECT count(*) FROM flows WHERE src_num IS DISTINCT FROM (281470681743360::UHUGEINT + "
            "list_sum(list_transform(string_split(src_ip, '.'), lambda p, i: p::UBIGINT << (8 * (4 - i)))))"
            "AND src_ip LIKE '%.%'"
        )
        assert wrong.rows == [(0,)]
        assert session.sql("SELECT count(*) FROM flows WHERE src_ip LIKE '%.%'").rows[0][0] > 3


def shapes(session: Session) -> dict[str, int]:
    """Number of rows of each saved query."""
    counted = {}
    for name, query in load().items():
        with query.stream(session, {}) as rows:
            counted[name] = sum(len(batch) for batch in rows.batches())
    return counted


JOINS = {
    "dns": "SELECT count(*) FROM flows f JOIN dns d ON list_contains(d.answers, f.dst_ip)",
    "dns names": "SELECT count(*) FROM flows f JOIN dns d ON f.hostname = d.query",
    "tls": "SELECT count(*) FROM flows f JOIN tls t ON f.hostname = t.sni",
    "http": "SELECT count(*) FROM flows f JOIN http h ON f.hostname = h.host",
    "names": "SELECT count(*) FROM flows f JOIN names n ON n.ip = f.dst_ip AND n.name = f.hostname",
    "claims": "SELECT count(*) FROM claims c JOIN processes p ON p.process_id = c.process_id",
    "addresses": "SELECT count(*) FROM flows f JOIN addresses a ON a.ip = f.dst_ip AND a.num = f.dst_num",
    "facts": "SELECT count(*) FROM host_facts h JOIN flows f ON f.src_mac = h.value WHERE h.fact = 'mac'",
    "fact names": "SELECT count(*) FROM host_facts h JOIN names n ON n.name = h.value WHERE h.fact = 'hostname'",
    "hosts": "SELECT count(*) FROM hosts h JOIN flows f ON f.src_ip = h.ip",
    "processes": "SELECT count(*) FROM processes p JOIN processes q ON p.name = q.name AND p.exe = q.exe",
    "ends": "SELECT count(DISTINCT src_ip), count(DISTINCT dst_ip), count(DISTINCT src_mac) FROM flows",
}


USUAL = ("web.pcap", "network.pcapng", "ssh.pcap")
"""Samples that are always tried under every policy; the others with ``-m slow``."""
TRIED = [
    pytest.param(capture, policy, marks=() if capture.name in USUAL else pytest.mark.slow)
    for capture in SAMPLES
    for policy in POLICIES
]


@pytest.mark.parametrize(
    ("capture", "policy"), TRIED, ids=lambda value: value.name if isinstance(value, Path) else value
)
def test_samples_keep_their_shape(capture: Path, policy: str, sample: Callable[[Path], Path], tmp_path: Path) -> None:
    source, target = sample(capture), tmp_path / "new.duckdb"
    copied = redacted(source, target, policy)
    assert not copied.left_out
    with open_session(source) as old, open_session(target) as new:
        counts = "SELECT table_name, estimated_size FROM duckdb_tables() WHERE database_name = 'session' ORDER BY 1"
        kept = [row for row in old.sql(counts).rows if row[0] not in ("meta", *copied.hidden)]
        assert kept == [row for row in new.sql(counts).rows if row[0] not in ("meta", *copied.hidden)]
        numbers = "SELECT flow_id, started_at, ended_at, src_bytes, dst_bytes, src_packets, state, app FROM flows"
        assert old.sql(numbers).rows == new.sql(numbers).rows  # in their order
        assert old.sql("FROM packets").rows == new.sql("FROM packets").rows
        assert all(finding.ok for finding in check(new) if finding.serious)
        after = shapes(new)  # without an error under all policies
        if policy != "timing-only":
            before = shapes(old)
            assert {n: c for n, c in before.items() if n not in BY_VALUES} == {
                n: c for n, c in after.items() if n not in BY_VALUES
            }
            for name, sql in JOINS.items():
                assert old.sql(sql).rows == new.sql(sql).rows, name


def names(path: Path) -> list[Any]:
    with open_session(path) as session:
        return session.sql("SELECT src_ip, dst_ip, hostname, src_mac, community_id FROM flows").rows


def test_exports_of_the_same_key_can_be_joined(sample: Callable[[Path], Path], tmp_path: Path) -> None:
    source = sample(next(path for path in SAMPLES if path.name == "web.pcap"))
    for name, key in (("one", KEY), ("two", KEY), ("other", OTHER_KEY)):
        redacted(source, tmp_path / f"{name}.duckdb", key=key)
    assert names(tmp_path / "one.duckdb") == names(tmp_path / "two.duckdb")
    one, other = ({v for row in names(tmp_path / f"{n}.duckdb") for v in row if v} for n in ("one", "other"))
    alike = {value for value in one & other if not value.startswith(("ff02:", "33:33:", "224.", "ff:ff", "01:00:5e"))}
    assert all(value.startswith("192.0.2.") for value in alike)  # of a range of 256 addresses, some must be the same


def test_a_redacted_session_says_so_and_can_be_redacted_again(sample: Callable[[Path], Path], tmp_path: Path) -> None:
    source = sample(SAMPLES[-1])
    redacted(source, tmp_path / "one.duckdb")
    redacted(tmp_path / "one.duckdb", tmp_path / "two.duckdb", "strict", OTHER_KEY)
    marks = []
    for name in ("one", "two"):
        with open_session(tmp_path / f"{name}.duckdb") as session:
            marks.append(redaction_of(session))
    with open_session(source) as session:
        assert redaction_of(session) is None
    assert [mark and mark.policy for mark in marks] == ["share", "share, strict"]
    assert len({mark and mark.key for mark in marks}) == 2
    assert not {v for row in names(tmp_path / "one.duckdb") for v in row if v and "h-" in v} & {
        v for row in names(tmp_path / "two.duckdb") for v in row
    }


def test_moments_are_shifted_together(sample: Callable[[Path], Path], tmp_path: Path) -> None:
    source = sample(SAMPLES[-1])
    share = POLICIES["share"]
    policy = Policy("shifted", "", share.methods, share.kept, shift=Shift(span_ns=-86_400_000_000_123))
    with open_session(source) as session:
        redacted_session.copy(session, tmp_path / "new.duckdb", Redactor(KEY, policy))
    before, after = filled.all_rows(source), filled.all_rows(tmp_path / "new.duckdb")
    moved = 0
    for cls, leading in all_tables(protocol_tables()):
        for at, column in enumerate((*leading, *columns(cls))):
            if column.kind is Kind.TIME:
                for old, new in zip(before[stored_in(cls)], after[stored_in(cls)], strict=True):
                    was = old[at]
                    expected = was - 86_400_000_000_123 if isinstance(was, int) else None
                    if column.name in CLOCK_COLUMNS:
                        expected = None
                    assert new[at] == expected, f"{table_name(cls)}.{column.name}"
                    moved += old[at] is not None
    assert moved > 50


def test_what_the_program_does_not_know_is_left_out_and_said(full: Path, tmp_path: Path) -> None:
    source = tmp_path / "more.duckdb"
    source.write_bytes(full.read_bytes())
    with duckdb.connect(str(source)) as con:
        con.execute("CREATE TABLE qzextra AS SELECT 'qzextra' AS secret")
        con.execute("ALTER TABLE http ADD COLUMN qzcolumn VARCHAR DEFAULT 'qzvalue'")
        con.execute("ALTER TABLE http ALTER COLUMN qzcolumn DROP DEFAULT")
    copied = redacted(source, tmp_path / "new.duckdb")
    assert sorted(copied.left_out) == ["http.qzcolumn", "qzextra"]
    assert len(copied.remarks()) == 1
    assert b"qzextra" not in (tmp_path / "new.duckdb").read_bytes()


def test_columns_of_a_policy_go_before_kinds(full: Path, tmp_path: Path) -> None:
    share = POLICIES["share"]
    policy = Policy(
        "own", "", share.methods, share.kept, columns={"http.method": Method.HIDE, "flows.state": Method.HIDE}
    )
    with open_session(full) as session:
        copied = redacted_session.copy(session, tmp_path / "new.duckdb", Redactor(KEY, policy))
    with open_session(tmp_path / "new.duckdb") as session:
        assert session.sql("SELECT DISTINCT method FROM http").rows == [("[redacted]",)]
        assert session.sql("SELECT DISTINCT state, app_state FROM flows").rows == [("[redacted]", "word")]
    assert {d.method for d in copied.columns if (d.table, d.column) == ("http", "method")} == {Method.HIDE}


def test_rows_of_many_groups_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redacted_copy, "ROWS", 4_096)
    monkeypatch.setattr(redacted_copy, "VALUES", 1_000)
    con = create_or_open(tmp_path / "old.duckdb", protocol_tables())
    con.execute(
        "INSERT INTO names SELECT 1, '10.' || i % 200 || '.' || i % 250 || '.' || i % 99, "
        "'host' || i % 7000 || '.example', "
        "'dns', make_timestamp_ns(i), i, NULL FROM range(50_000) AS r(i)"
    )
    con.execute("CHECKPOINT")
    close(con)
    redacted(tmp_path / "old.duckdb", tmp_path / "new.duckdb")
    with open_session(tmp_path / "new.duckdb") as session:
        rows = session.sql("SELECT ttl, name FROM names").rows
        assert [row[0] for row in rows] == list(range(50_000))
        redactor = Redactor(KEY)
        assert [row[1] for row in rows[::1001]] == [
            redactor.value(Kind.HOST, f"host{i % 7000}.example") for i in range(0, 50_000, 1001)
        ]


def test_a_copy_without_redaction_has_the_same_rows(full: Path, tmp_path: Path) -> None:
    with open_session(full) as session:
        redacted_session.copy(session, tmp_path / "new.duckdb", None)
    before, after = filled.all_rows(full), filled.all_rows(tmp_path / "new.duckdb")
    for table in before.keys() - {"meta", "migrations"}:
        assert before[table] == after[table], table


class Reading(Session):
    """A session that is read statement by statement, as one that is being written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)
        self._file = FileSession(path)

    def stream(self, *arguments: Any, **options: Any) -> Any:
        return self._file.stream(*arguments, **options)

    def close(self) -> None:
        self._file.close()


@pytest.mark.parametrize(
    "policy", [pytest.param(name, marks=() if name == "share" else pytest.mark.slow) for name in POLICIES]
)
def test_what_is_read_by_statements_gives_the_same_session(full: Path, tmp_path: Path, policy: str) -> None:
    redacted(full, tmp_path / "file.duckdb", policy)
    with Reading(full) as session:
        redacted_session.copy(session, tmp_path / "read.duckdb", Redactor(KEY, POLICIES[policy]))
    one, two = filled.all_rows(tmp_path / "file.duckdb"), filled.all_rows(tmp_path / "read.duckdb")
    for table in one.keys() - {"meta", "migrations"}:
        assert one[table] == two[table], table


def test_a_session_that_is_being_written_can_be_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DELAY", 0.0)
    path = tmp_path / "s.duckdb"
    (dns,) = [table for table in protocol_tables() if table_name(table) == "dns"]
    writer = Writer(str(path), protocol_tables(), on_open=lambda con: serving.Serving(str(path), con))
    try:
        writer.begin_capture(Capture(1, "secret.pcap", "file", "pcap"))
        queries = [f"host{number}.secret.example" for number in range(5_000)]
        writer.put([Rows(dns, [(dns(query=query), 1, 1_000 + at, at + 1) for at, query in enumerate(queries)])])
        writer.commit()
        end = time.monotonic() + 15
        while True:
            with open_session(path) as session:
                if session.being_written or time.monotonic() > end:
                    break
            time.sleep(0.05)
        with open_session(path) as session:
            assert session.being_written
            redacted_session.copy(session, tmp_path / "new.duckdb", Redactor(KEY))
    finally:
        writer.close()
    with open_session(tmp_path / "new.duckdb") as new:
        redactor = Redactor(KEY)
        expected = [(1, 1_000 + at, redactor.value(Kind.HOST, query)) for at, query in enumerate(queries)]
        assert new.sql("SELECT flow_id, epoch_ns(ts), query FROM dns").rows == expected
        assert new.sql("SELECT source FROM captures").rows[0][0] != "secret.pcap"


def test_open_flows_are_kept_as_such(full: Path, tmp_path: Path) -> None:
    source = tmp_path / "open.duckdb"
    source.write_bytes(full.read_bytes())
    with duckdb.connect(str(source)) as con:
        con.execute(f"INSERT INTO flows_open SELECT * REPLACE (9 AS flow_id) FROM {FLOWS_ENDED} LIMIT 1")
    redacted(source, tmp_path / "new.duckdb")
    with open_session(tmp_path / "new.duckdb") as new:
        reasons: dict[int, str] = dict(new.sql("SELECT flow_id, end_reason FROM flows").rows)
    assert len(reasons) == filled.ROWS + 1
    assert reasons[9] == "interrupted"
