import os
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from rustnet.dissect.registry import DISSECTORS, tables
from rustnet.errors import UsageError
from rustnet.query import catalogue, manual
from rustnet.query.catalogue import SUBJECTS, CatalogueError, find, load, read
from rustnet.query.functions import check_functions
from rustnet.query.session import FileSession
from rustnet.query.summary import summarise
from rustnet.records import Kind
from rustnet.store import session
from rustnet.store.schema import VIEWS
from tests.query.conftest import BEGIN, Rows
from tests.support.paths import ROOT

QUERIES = load()

EXPECTED = set(
    """
top-talkers top-destinations top-processes protocols services-by-port-mismatch dns-queries dns-failures slow-dns
http-requests tls-servers tls-certificates ssh-servers retransmitters slow-handshakes long-flows failed-connections
scans unanswered anomalies capture-health new-names unowned contested owners timeline conversations
process-timeline nameless
    """.split()  # noqa: SIM905
)


def test_every_promised_query_is_there() -> None:
    assert set(QUERIES) >= EXPECTED
    assert list(QUERIES) == sorted(QUERIES)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_runs_on_an_empty_session(empty: FileSession, name: str) -> None:
    result = QUERIES[name].execute(empty)
    assert result.rows == []
    assert len(set(result.columns)) == len(result.columns) > 2
    assert not [c for c in result.columns if "(" in c]


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_gives_the_same_rows_again(con: FileSession, name: str) -> None:
    result = QUERIES[name].execute(con)
    assert result.rows == QUERIES[name].execute(con).rows
    assert "HUGEINT" not in result.types


LONG = {"bufferbloat": 140, "rate-limits": 140, "scans": 70, "undecoded": 75, "protocol-hierarchy": 65}
"""Lines that the SQL of a query may have where more than one thing is decided or named: all kinds of scans, each reason
for a grade or for none, protocols and layers."""


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_has_title_and_description(name: str) -> None:
    query = QUERIES[name]
    assert query.title[0].isupper()
    assert query.description.endswith(".")
    assert all(p.help for p in query.parameters)
    assert all(f"${p.name}" in query.sql for p in query.parameters)
    assert len(query.sql.splitlines()) < LONG.get(name, 60)


def rows(con: FileSession, name: str, **given: str) -> list[dict[str, Any]]:
    result = QUERIES[name].execute(con, given)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def test_talkers_and_conversations_add_up(con: FileSession, ids: dict[str, int]) -> None:
    total = con.execute("SELECT sum(src_bytes + dst_bytes) FROM flows WHERE src_ip IS NOT NULL").rows[0][0]
    talkers = rows(con, "top-talkers", limit="1000")
    assert sum(r["bytes_sent"] for r in talkers) == total
    assert sum(r["bytes_received"] for r in talkers) == total
    assert sum(r["bytes"] for r in rows(con, "conversations", limit="1000")) == total
    assert sum(r["flows"] for r in rows(con, "top-processes")) == con.execute("SELECT count(*) FROM flows").rows[0][0]
    assert rows(con, "top-processes")[-1]["process_name"] == "(unowned)"


def test_the_usual_ports_are_those_of_the_parsers_and_more() -> None:
    head = QUERIES["odd-ports"].sql.partition("SELECT app")[0]
    with duckdb.connect() as con:
        usual = {row[0]: set(row[1]) for row in con.execute(f"{head} SELECT name, ports FROM usual").fetchall()}
    parsers = {dissector.name: set(dissector.ports) for dissector in DISSECTORS}
    assert {name: parsers[name] - ports for name, ports in usual.items() if not parsers[name] <= ports} == {}
    negotiated = {"dcerpc", "nfs", "bittorrent", "stun", "rtp", "rtcp", "dtls", "coap"}
    of_the_link = {"netbios", "dhcp", "dhcpv6", "ssdp", "mdns", "llmnr"}
    assert {name for name, ports in parsers.items() if ports} - set(usual) <= negotiated | of_the_link


def test_findings(con: FileSession, ids: dict[str, int]) -> None:
    scans = rows(con, "scans")
    assert [(s["src_ip"], s["scan"], s["width"], s["failed_share"]) for s in scans] == [
        ("203.0.113.5", "SYN or connect", 30, 1.0)
    ]
    assert rows(con, "scans", ports="31") == []
    mismatch = rows(con, "services-by-port-mismatch")
    assert [(m["app"], m["service"]) for m in mismatch] == [("http", "ssh")]
    failures = {(f["query"], f["failure"]) for f in rows(con, "dns-failures")}
    assert failures == {("bad.example.net", "NXDOMAIN"), ("lost.example.net", "no answer")}
    certificate = rows(con, "tls-certificates")[0]
    assert certificate["remarks"] == ["expired", "small key", "weak signature"]
    slow = rows(con, "slow-dns", least="150ms")
    assert [(s["query"], s["waited_ms"], s["outcome"]) for s in slow] == [
        ("bad.example.net", 150.0, "answered"), ("lost.example.net", 0.0, "no answer in the capture")
    ]  # fmt: skip
    assert [s["query"] for s in rows(con, "slow-dns", least="151ms")] == ["lost.example.net"]
    assert rows(con, "http-requests", status="404", host="INTRA")[0]["uri"] == "/admin?x=1"
    assert rows(con, "http-requests", status="200") == []
    contested = rows(con, "contested")
    assert [(c["process_name"], c["wins"]) for c in contested] == [("firefox", True), ("systemd-resolved", False)]
    assert {u["reason"] for u in rows(con, "unowned")} == {"no_claim", "outside_window", "no reason recorded"}
    assert {u["protocol"] for u in rows(con, "unanswered")} == {"arp", "tcp"}
    health = rows(con, "capture-health")[0]
    assert (health["missed_bytes"], health["flows_with_gaps"], health["anomalies"]) == (7, 1, 2)


def test_the_timeline_has_the_interval_that_was_asked_for(con: FileSession) -> None:
    seconds = rows(con, "timeline")
    assert [s["packets"] for s in seconds] == [2, 2, 2, 2, 2]
    assert all(s["begins"] % 10**9 == 0 for s in seconds)
    assert [m["packets"] for m in rows(con, "timeline", interval="2.5s")] == [5, 5]
    assert len(rows(con, "timeline", interval="1h")) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"limit": "many"}, r"query dns-queries: limit='many' is not a whole number"),
        ({"limt": "1"}, "unknown parameter 'limt': did you mean limit"),
        ({"name": "a\ud800"}, "not text"),
        ({"limit": "9" * 30}, "not a whole number"),
    ],
)
def test_wrong_parameters_are_named(given: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        QUERIES["dns-queries"].bind(given)


def test_an_unknown_query_knows_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean top-talkers"):
        find("top-talker", [])
    assert find("protocols").name == "protocols"


HEADER = "-- title: T\n-- description: D\n"


def test_parameters_have_types_defaults_and_help() -> None:
    query = read(
        "q",
        HEADER + "-- description: more.\n-- parameter: a int 5 How many\n-- parameter: b text 'x y' Text\n"
        "-- parameter: c time null When\n-- parameter: d bool yes If\n-- parameter: e size 1Ki Size\n"
        "-- parameter: f float 0.5 Share\n-- parameter: g duration 1ms Time\n-- parameter: h text required Must\n\n"
        "-- a comment of the SQL\nSELECT 1",
    )
    assert query.description == "D more."
    assert query.sql.startswith("-- a comment")
    with pytest.raises(UsageError, match=r"needs h \(Must\); add -p h="):
        query.bind({})
    assert query.bind({"h": "x", "c": "1970-01-01T00:00:01Z"}) == {
        "a": 5, "b": "x y", "c": 10**9, "d": True, "e": 1024, "f": 0.5, "g": 10**6, "h": "x",
    }  # fmt: skip
    for wrong in ({"f": "nan"}, {"f": "x"}, {"d": "perhaps"}, {"a": "1.5"}, {"g": "long"}):
        with pytest.raises(UsageError, match="is n"):
            query.bind({"h": "x", **wrong})


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1", "-- title: T\nSELECT 1", HEADER, HEADER + "-- parameter: x\nSELECT 1",
        HEADER + "-- parameter: x int five Help\nSELECT 1", HEADER + "-- parameter: X int 5 Help\nSELECT 1",
        HEADER + "-- parameter: x int 5 Help\n-- parameter: x int 5 Help\nSELECT 1",
        HEADER + "-- parameter: x text 'open Help\nSELECT 1", "", HEADER + "-- subject: none\nSELECT 1",
        HEADER + "-- column: x\nSELECT 1", HEADER + "-- column: x colour\nSELECT 1",
        HEADER + "-- column: x count\n-- column: x count\nSELECT 1",
        HEADER + "-- parameter: x choice:a a Help\nSELECT 1",
        HEADER + "-- parameter: x choice:a|b c Help\nSELECT 1", HEADER + "-- parameter: x address a Help\nSELECT 1",
    ],
)  # fmt: skip
def test_a_bad_file_is_named(text: str) -> None:
    with pytest.raises(CatalogueError, match=r"^q\.sql: "):
        read("q", text)


def test_folders_of_ones_own_replace_and_add(tmp_path: Path) -> None:
    (tmp_path / "protocols.sql").write_text(HEADER + "SELECT 1 AS mine")
    (tmp_path / "mine.sql").write_text(HEADER + "SELECT 2 AS mine")
    (tmp_path / "notes.txt").write_text("x")
    both = load([tmp_path])
    assert both["protocols"].sql == "SELECT 1 AS mine"
    assert [(both[n].folder, both[n].shadows) for n in ("protocols", "mine", "top-talkers")] == [
        (str(tmp_path), True), (str(tmp_path), False), (None, False),
    ]  # fmt: skip
    with pytest.raises(CatalogueError, match="cannot be read"):
        load([tmp_path / "nowhere"])


def test_a_broken_file_of_ones_own_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(HEADER + "SELECT 2 AS mine")
    (tmp_path / "bytes.sql").write_bytes(b"\xff\xfe")
    (tmp_path / "long.sql").write_text(HEADER + "SELECT 1 -- " + "x" * (1 << 20))
    (tmp_path / "bare.sql").write_text("SELECT 1")
    (tmp_path / "strange.sql").write_text(HEADER + "-- subject: strange\nSELECT 1")
    (tmp_path / "a b\n.sql").write_text(HEADER + "SELECT 1")
    (tmp_path / "folder.sql").mkdir()
    os.mkfifo(tmp_path / "pipe.sql")
    broken: dict[str, CatalogueError] = {}
    queries = load([tmp_path, tmp_path / "nowhere"], broken)
    assert set(queries) == {*QUERIES, "mine"}
    assert {name: re.sub(r"^.*?: ", "", str(error))[:30] for name, error in broken.items()} == {
        "bytes": "saved queries cannot be read: ",
        "long": "longer than 1048576 bytes",
        "bare": "needs '-- title:' and '-- desc",
        "strange": "subject 'strange' is none of o",
        "a b\n": "a query's name consists of let",
        "folder": "not a file",
        "pipe": "not a file",
        str(tmp_path / "nowhere"): "saved queries cannot be read: ",
    }
    assert all("\n" not in str(error) for error in broken.values())
    with pytest.raises(CatalogueError, match=r"^bare\.sql: needs"):
        find("bare", [tmp_path])
    assert find("mine", [tmp_path]).folder == str(tmp_path)


def test_a_folder_has_a_bounded_number_of_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MAX_QUERIES", 2)
    for name in ("a", "b"):
        (tmp_path / f"{name}.sql").write_text(HEADER + "SELECT 1 AS x")
    with pytest.raises(CatalogueError, match="more than 2 queries"):
        load([tmp_path])


def test_the_users_own_folder_is_that_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_config_path", lambda name, **_: tmp_path / name)
    assert catalogue.own_folders() == []
    folder = tmp_path / "rustnet" / "queries"
    folder.mkdir(parents=True)
    assert catalogue.own_folders() == [folder]
    (folder / "mine.sql").write_text(HEADER + "SELECT 2 AS mine")
    assert find("mine").sql == "SELECT 2 AS mine"


def test_types_of_parameters_that_are_checked_against_a_set() -> None:
    query = read(
        "q",
        HEADER + "-- parameter: ip address null Address\n-- parameter: end choice:client|server client Which end\nS",
    )
    assert query.bind({"ip": "2001:DB8:0::1"}) == {"ip": "2001:db8::1", "end": "client"}
    assert query.bind({"end": "server"}) == {"ip": None, "end": "server"}
    with pytest.raises(UsageError, match="ip='localhost' is not an IP address"):
        query.bind({"ip": "localhost"})
    with pytest.raises(UsageError, match="end='both' is not one of client, server"):
        query.bind({"end": "both"})


def test_declared_columns_go_before_names(con: FileSession) -> None:
    header = HEADER + "-- column: flows identifier What it is\n-- column: x free_text\n"
    query = read("q", header + "SELECT 1 AS flows, 'a' AS x, 2 AS bytes, 3 AS y")
    assert query.columns["flows"].help == "What it is"
    result = query.execute(con)
    assert result.kinds == (Kind.IDENTIFIER, Kind.FREE_TEXT, Kind.BYTES, None)
    assert con.sql("SELECT 1 AS flows, '10.0.0.1' AS src_ip").kinds == (Kind.COUNT, Kind.ADDRESS)


def test_a_name_whose_type_does_not_fit_has_no_kind(con: FileSession) -> None:
    result = read("q", HEADER + "SELECT 'three' AS flows, 4 AS src_ip, 'x' AS further_x, true AS ssh").execute(con)
    assert result.kinds == (None, None, None, Kind.BOOLEAN)


@pytest.mark.parametrize("name", QUERIES)
def test_a_shipped_query_has_a_subject_and_kinds(empty: FileSession, name: str) -> None:
    query = QUERIES[name]
    assert query.subject in SUBJECTS
    result = query.execute(empty)
    assert not [column for column, kind in zip(result.columns, result.kinds, strict=True) if kind is None]
    assert set(query.columns) <= set(result.columns)
    assert empty.query(name).kinds == result.kinds


def test_the_page_of_the_manual_is_up_to_date() -> None:
    assert (ROOT / "docs" / "queries.md").read_text("utf-8") == manual.page()


def test_the_example_of_the_manual_is_a_query(empty: FileSession) -> None:
    text = manual.PAGE_HEAD.partition("```sql\n")[2].partition("```")[0]
    query = read("example", text)
    assert query.subject == "tls"
    assert query.execute(empty, {"server": "192.0.2.1"}).rows == []


@pytest.mark.parametrize(
    ("given", "limit", "expected"),
    [({}, None, (3, False)), ({}, 5, (5, True)), ({"limit": "2"}, 5, (2, False)), ({}, 10, (10, False))],
)
def test_a_limit_of_rows_replaces_the_default_of_a_parameter(
    con: FileSession, given: dict[str, str], limit: int | None, expected: tuple[int, bool]
) -> None:
    header = HEADER + "-- parameter: limit int 3 Most rows\n"
    result = read("q", header + "SELECT i AS n FROM range(10) AS r(i) ORDER BY i LIMIT $limit").execute(
        con, given, limit
    )
    assert (len(result.rows), result.truncated) == expected


def test_examples_run(empty: FileSession) -> None:
    for query in QUERIES.values():
        words = shlex.split(manual.example_command(query, "s.duckdb"))
        given = dict(word.split("=", 1) for word in words[words.index(query.name) + 1 :] if word != "-p")
        assert query.execute(empty, given).rows == []
        python = manual.example_python(query, "s.duckdb").removesuffix(".df()")
        assert eval(python, {"rustnet": SimpleNamespace(open=lambda _path: empty)}).rows == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_answered_by_the_process_that_writes_a_session(name: str) -> None:
    """That process refuses functions whose result can be far larger than their arguments."""
    with duckdb.connect() as con:
        check_functions(con, QUERIES[name].sql)


ONE_OF_A_GROUP = re.compile(r"\b(any_value|first|last|arbitrary|mode|arg_min|arg_max|min_by|max_by)\s*\(")
CUT_LIST = re.compile(r"\[1:\d+\] AS (\w+)")
SAYS_HOW_MANY = {
    "source_ips": "sources",
    "client_ips": "clients",
    "server_ips": "servers",
    "ips": "addresses",
    "named_itself": "further_names",
    "claimed_by": "further_claimants",
    "client_software": "further_client_software",
    "cert_sha256": "further_certificates",
}
"""By the column with a cut list, the column with the number of its values or of the further ones."""


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_picks_one_value_of_a_group(name: str) -> None:
    """What differs within a group is a list or a group of its own: one name for all bytes would hide the others."""
    sql = re.sub(r"--.*", "", QUERIES[name].sql)
    assert not ONE_OF_A_GROUP.findall(sql)
    for column in CUT_LIST.findall(sql):
        counted = SAYS_HOW_MANY.get(column, f"further_{column}")
        assert re.search(rf"AS {counted}\b", sql), f"{column}: nothing says how many values it leaves out"


def test_no_view_picks_one_value_of_a_group() -> None:
    """Those that remain have an order that docs/tables.md states, and count the values (`macs`, `hostnames`)."""
    picks = {name: sorted(set(ONE_OF_A_GROUP.findall(sql))) for name, (sql, _) in VIEWS.items()}
    assert {name: found for name, found in picks.items() if found} == {
        "connections": ["arg_min"],  # the side of a claim, by rank: LOCAL_RULE
        "hosts": ["arg_max", "min_by"],  # HOSTS_RULE
    }


def test_each_name_of_an_address_keeps_its_bytes(tmp_path: Path) -> None:
    """Three names on one address of a content network, of which one carries nine tenths of the bytes."""
    path = tmp_path / "s.duckdb"
    written = Rows(session.create_or_open(path, tables()))
    for process_id, name in ((1, "browser"), (2, "updater")):
        written.insert("processes", process_id=process_id, pid=process_id, name=name)
    for number, (host, size) in enumerate((("shop.example", 3000), ("exfil.example", 88_000), ("fonts.example", 5000))):
        flow = written.flow(hostname=host, hostname_source="sni", app="tls", src_bytes=size, dst_bytes=488,
                            process_id=1, process_source="auditd")  # fmt: skip
        written.insert("packets", capture_id=1, number=number + 1, ts=BEGIN, flow_id=flow, from_src=True,
                       length=size + 488, captured=60, payload=size, tcp_flags=24, file_offset=4,
                       interface=0)  # fmt: skip
    for asked in ("fonts.example", "Other.example", "other.example"):
        written.message("http", flow, host=asked)
    written.con.close()
    con = FileSession(path)
    named = (("top-destinations", "hostname"), ("owners", "hostname"), ("process-timeline", "remote"))
    try:
        for query, name in named:
            assert [(row[name], row["bytes"]) for row in rows(con, query)] == [
                ("exfil.example", 88_488), ("fonts.example", 5488), ("shop.example", 3488),
            ]  # fmt: skip
        for query in ("top-destinations", "owners"):
            assert [row["mixed_flows"] for row in rows(con, query)] == [0, 1, 0]
        assert [row["process_name"] for row in rows(con, "top-processes")] == ["browser"]
        hosts = con.execute("SELECT hostname, hostnames FROM hosts WHERE ip = '192.0.2.1'").rows
        assert hosts == [("exfil.example", 3)]
        (talker,) = [row for row in summarise(con).tables["talkers"].rows if row[0] == "192.0.2.1"]
        assert talker[1:3] == ("exfil.example", 3)
    finally:
        con.close()


def test_the_queries_lie_at_the_top_of_a_checkout() -> None:
    top = ROOT / "queries"
    assert {p.stem for p in top.glob("*.sql")} == set(QUERIES)


@pytest.mark.parametrize(
    ("declared", "limit"), [("int 20", 20), ("int null", None), ("int required", None), ("size 10M", None)]
)
def test_only_a_whole_number_is_the_default_limit(declared: str, limit: int | None) -> None:
    query = read("own", f"-- title: A\n-- description: B.\n-- parameter: limit {declared} Most\nSELECT $limit")
    assert query.default_limit == limit
