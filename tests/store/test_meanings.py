import pytest

from rustnet.dissect.registry import tables
from rustnet.records import FreeText, Kind, columns, field_docs, kind_docs, record, table_name
from rustnet.store import session
from rustnet.store.meanings import kind_of, text_of, unrecorded
from rustnet.store.schema import VIEWS, existing_columns
from rustnet.store.tables import CORE_TABLES, Process


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    con = session.create_or_open(tmp_path_factory.mktemp("kinds") / "s.duckdb", tables())
    try:
        return existing_columns(con)
    finally:
        con.close()


def test_every_column_of_a_session_has_a_kind_and_a_meaning(present: dict[str, dict[str, str]]) -> None:
    every = [(table, column) for table, names in present.items() for column in names]
    assert len(every) > 1000
    assert [where for where in every if kind_of(*where) is None] == []
    assert [where for where in every if not text_of(*where)] == []


def test_kinds_fit_the_types_that_duckdb_gives(present: dict[str, dict[str, str]]) -> None:
    types = {
        Kind.TIME: {"TIMESTAMP_NS", "TIMESTAMP"},
        Kind.BOOLEAN: {"BOOLEAN"},
        Kind.ADDRESS_NUMBER: {"UHUGEINT"},
        Kind.PORT: {"USMALLINT"},
        Kind.RATIO: {"DOUBLE"},
        Kind.DURATION: {"DOUBLE", "BIGINT", "UINTEGER", "USMALLINT"},
    }
    for table, names in present.items():
        for column, sql_type in names.items():
            kind = kind_of(table, column)
            if kind in types:
                assert sql_type in types[kind], f"{table}.{column}"
            else:
                assert sql_type not in {"TIMESTAMP_NS", "BOOLEAN", "UHUGEINT", "DOUBLE"}, f"{table}.{column}"


def test_a_view_shows_the_kinds_of_its_tables() -> None:
    assert [kind_of("connections", c) for c in ("local_addr", "hostname", "username", "rtt_ms")] == [
        Kind.ADDRESS, Kind.HOST, Kind.USER, Kind.DURATION
    ]  # fmt: skip
    assert kind_of("hosts", "mac") is Kind.MAC
    assert kind_of("talkers", "flows") is Kind.COUNT
    assert kind_of("activity", "host") is Kind.HOST
    assert text_of("activity", "host") == field_docs(Process)["host"]


def test_what_views_compute_is_described_and_nothing_else(present: dict[str, dict[str, str]]) -> None:
    described = unrecorded()
    assert {name: present[name] for name in described} == described
    assert set(VIEWS) - {"flows"} <= set(described), "that one has a record"


def test_nothing_is_known_of_foreign_tables_and_columns() -> None:
    assert kind_of("flows", "nosuch") is kind_of("nosuch", "flow_id") is kind_of("meta", "nosuch") is None
    assert text_of("flows", "nosuch") == text_of("nosuch", "flow_id") == text_of("meta", "nosuch") == ""


def test_protocol_tables_begin_with_flow_and_packet() -> None:
    assert [kind_of("dns", c) for c in ("capture_id", "flow_id", "ts", "packet", "query")] == [
        Kind.KEY, Kind.FLOW, Kind.TIME, Kind.PACKET, Kind.HOST
    ]  # fmt: skip


@record("unclassified")
class Unclassified:
    """A record whose text says nothing of its kind."""

    note: str | None = None
    """Whatever."""


@record("unclassified")
class UnclassifiedList:
    """A record whose texts say nothing of their kind."""

    size_bytes: int = 0
    """Fine: its name says it."""
    notes: list[str] | None = None
    """Whatever."""


@record("classified")
class Classified:
    """Numbers by name and by annotation."""

    notes: list[FreeText] | None = None
    """Whatever."""
    outer_flow_id: int | None = None
    """Flow."""
    paths: int | None = None
    """No suffix that says anything."""


@pytest.mark.parametrize("cls", [Unclassified, UnclassifiedList])
def test_text_without_a_kind_is_refused(cls: type) -> None:
    with pytest.raises(TypeError, match=r"unclassified\.notes?: a text column needs a kind"):
        columns(cls)


def test_a_lists_kind_is_that_of_its_values() -> None:
    assert [(c.sql_type, c.kind) for c in columns(Classified)] == [
        ("VARCHAR[]", Kind.FREE_TEXT), ("BIGINT", Kind.FLOW), ("BIGINT", Kind.NUMBER)
    ]  # fmt: skip


def test_every_kind_is_used_and_explained() -> None:
    used = {c.kind for cls in (*CORE_TABLES, *tables()) for c in columns(cls)}
    assert used == set(Kind)
    docs = kind_docs()
    assert list(docs) == list(Kind)
    assert all(text.endswith(".") for text in docs.values())


NAMED = {
    ("ip", "addr"): Kind.ADDRESS,
    ("mac",): Kind.MAC,
    ("port",): Kind.PORT,
    ("user", "username"): Kind.USER,
    ("hostname", "sni", "fqdn", "host"): Kind.HOST,
    ("uri", "referer"): Kind.URI,
    ("filename", "exe", "cwd"): Kind.PATH,
    ("cmdline",): Kind.COMMAND_LINE,
    ("ja3", "ja3s", "ja4", "hassh"): Kind.FINGERPRINT,
    ("sha256",): Kind.DIGEST,
    ("community",): Kind.SECRET,
    ("subject", "issuer", "dn"): Kind.DISTINGUISHED_NAME,
    ("ms", "seconds"): Kind.DURATION,
    ("bytes",): Kind.BYTES,
    ("packets", "count"): Kind.COUNT,
    ("ts", "time"): Kind.TIME,
}
ELSEWHERE = {
    ("ssh", "mac"), ("ssh", "server_mac"),  # message authentication
    ("snmp", "has_community"),
    ("radius", "nas_port"), ("stp", "stp_port"), ("lacp", "actor_port"), ("lacp", "partner_port"),  # of a switch
}  # fmt: skip


def test_names_keep_what_they_promise() -> None:
    ends = {end: kind for names, kind in NAMED.items() for end in names}
    seen = set()
    for cls in (*CORE_TABLES, *tables()):
        for column in columns(cls):
            end = column.name.rpartition("_")[2]
            if end in ends and (table_name(cls), column.name) not in ELSEWHERE:
                assert column.kind is ends[end], f"{table_name(cls)}.{column.name}"
                seen.add(end)
    assert seen | {"addr"} == set(ends)
