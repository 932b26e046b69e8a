import re
from pathlib import Path
from typing import Any

import pytest

from rustnet.dissect.registry import tables
from rustnet.errors import UsageError
from rustnet.query import catalogue
from rustnet.query.catalogue import CatalogueError, find, load, read
from rustnet.query.session import FileSession
from rustnet.query.summary import summarise
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
def test_a_query_finds_what_the_session_holds(con: FileSession, name: str) -> None:
    result = QUERIES[name].execute(con)
    assert result.rows
    again = QUERIES[name].execute(con)
    assert result.rows == again.rows
    assert "HUGEINT" not in result.types


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_has_title_and_description(name: str) -> None:
    query = QUERIES[name]
    assert query.title[0].isupper()
    assert query.description.endswith(".")
    assert all(p.help for p in query.parameters)
    assert all(f"${p.name}" in query.sql for p in query.parameters)
    assert len(query.sql.splitlines()) < 60


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
        find("top-talker", QUERIES)
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
        HEADER + "-- parameter: x text 'open Help\nSELECT 1", "",
    ],
)  # fmt: skip
def test_a_bad_file_is_named(text: str) -> None:
    with pytest.raises(CatalogueError, match=r"^q\.sql: "):
        read("q", text)


def test_folders_of_ones_own_replace_and_add(tmp_path: Path) -> None:
    (tmp_path / "protocols.sql").write_text(HEADER + "SELECT 1 AS mine")
    (tmp_path / "notes.txt").write_text("x")
    both = load([catalogue.shipped(), tmp_path])
    assert both["protocols"].sql == "SELECT 1 AS mine"
    assert "top-talkers" in both
    with pytest.raises(CatalogueError, match="cannot be read"):
        load([tmp_path / "nowhere"])
    (tmp_path / "broken.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueError, match="cannot be read"):
        load([tmp_path])


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
