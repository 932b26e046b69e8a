"""``rustnet processes`` and the saved questions about processes, over a capture with its sidecar."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.cli.ownership_case import Case, instant, record
from tests.support.conversations import CLIENT, RESOLVER, SERVER, dns_flow, http_flow
from tests.support.packets import paced
from tests.support.paths import ROOT
from tests.support.pcap import pcap_file

INIT, SHELL = {"pid": 1, "name": "init"}, {"pid": 7, "name": "sh"}


def lineage(*ancestors: dict[str, Any], truncated: bool = False) -> dict[str, Any]:
    return {
        "process_lineage": {"ancestors": list(ancestors), "truncated": truncated},
        "process_ppid": ancestors[-1]["pid"],
    }


@pytest.fixture
def case(tmp_path: Path, run: Any) -> Case:
    made = Case(tmp_path, run)
    bob = {"pid": 9, "name": "evil\x1b[31m"}
    lines = [
        record(40000, 0, 2, 100, "make", **lineage(INIT, SHELL), username="alice", cmdline="make all"),
        record(40001, 1, 3, 101, "curl", **lineage(INIT, SHELL, {"pid": 100, "name": "make"}), started_at=instant(0.5)),
        record(40002, 5, 6, 102, "wget", **lineage(INIT, bob)),
        record(40003, 90, 91, 101, "later", **lineage(INIT), started_at=instant(80)),
        record(40004, 0, 9, 103, "lost", attribution_match="procfs-relaxed"),
        record(40000, 0, 2, 104, "loser", attribution_match="listener-socket"),
    ]  # fmt: skip
    flows = [(40000, 0, 2), (40001, 1, 3), (40002, 5, 6), (40003, 90, 91), (40009, 4, 5)]
    made.replay(flows, lines)
    return made


def data(case: Case, *arguments: str) -> list[dict[str, Any]]:
    done = case.run("processes", case.session, *arguments, "--format", "json")
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = json.loads(done.out)
    return rows


def test_the_tree(case: Case) -> None:
    rows = data(case)
    assert [(r["depth"], r["process"], r["pid"], r["flows"], r["tree_flows"]) for r in rows] == [
        (0, "init", 1, 0, 4), (1, "sh", 7, 0, 2), (2, "make", 100, 1, 2), (3, "curl", 101, 1, 1),
        (1, "evil\x1b[31m", 9, 0, 1), (2, "wget", 102, 1, 1), (1, "later", 101, 1, 1),
    ]  # fmt: skip
    make, curl = rows[2], rows[3]
    assert curl["parent_process_id"] == make["process_id"]
    assert (make["user"], make["cmdline"], make["lineage"]) == ("alice", "make all", ["init(1)", "sh(7)"])
    assert (make["first_seen"], make["last_seen"]) == (
        "2023-11-14T22:13:20.000000000Z",
        "2023-11-14T22:13:22.000000000Z",
    )
    flow = case.ask("SELECT src_bytes, dst_bytes FROM flows WHERE src_port = 40000")[0]
    assert (make["bytes_sent"], make["bytes_received"]) == (flow["src_bytes"], flow["dst_bytes"])
    assert rows[0]["tree_bytes"] == sum(r["bytes_sent"] + r["bytes_received"] for r in rows)


def test_the_screen(case: Case) -> None:
    wide = case.run("processes", case.session, tty=True, columns=160)
    assert wide.code == 0
    drawn = [line for line in wide.out.splitlines() if "─" in line]
    assert [line.split("─ ")[0] for line in drawn] == ["├", "│  └", "│     └", "├", "│  └", "└"]
    assert [line.split("─ ")[1].split(" ")[0] for line in drawn[:3]] == ["sh", "make", "curl"]
    assert "\x1b[31m" not in wide.out
    assert "1 of 5 flows has no owner" in wide.err
    narrow = case.run("processes", case.session, tty=True, columns=60)
    assert "command line" not in narrow.out
    assert max(map(len, narrow.out.splitlines()[1:])) <= 60
    some = case.run("processes", case.session, "-n", "2")
    assert "5 more processes" in some.err


def test_a_filter_and_claims(case: Case) -> None:
    assert [r["process"] for r in data(case, "process:curl")] == ["init", "sh", "make", "curl"]
    assert data(case, "port:1") == []
    assert "no flow matches" in case.run("processes", case.session, "port:1").err
    assert {"loser", "lost"} & {r["process"] for r in data(case)} == set()
    assert "loser" in {r["process"] for r in data(case, "--claimed")}
    wrong = case.run("processes", case.session, "nonsense:1")
    assert wrong.code == 2


@pytest.mark.parametrize("form", ["csv", "jsonl", "markdown", "table", "parquet"])
def test_formats(case: Case, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{form}"
    done = case.run("processes", case.session, "-f", form, "-o", path)
    assert done.code == 0, done.err
    if form == "parquet":
        assert duckdb.execute(f"SELECT count(*) FROM '{path}'").fetchall() == [(7,)]
        return
    text = path.read_text("utf-8")
    if form == "csv":
        assert [row["process"] for row in csv.DictReader(io.StringIO(text))][2:4] == ["make", "curl"]
    elif form == "jsonl":
        assert [json.loads(line)["depth"] for line in text.splitlines()] == [0, 1, 2, 3, 1, 2, 1]
    else:
        assert "curl" in text


def test_parents_that_contradict_one_another(case: Case) -> None:
    lines = [
        record(40000, 0, 2, 10, "a", process_ppid=11), record(40001, 0, 2, 11, "b", process_ppid=10),
        record(40002, 0, 2, 12, "own", process_ppid=12),
    ]  # fmt: skip
    case.replay([(40000, 0, 2), (40001, 0, 2), (40002, 0, 2)], lines)
    assert sorted((r["process"], r["flows"]) for r in data(case)) == [("a", 1), ("b", 1), ("own", 1)]


def test_no_owners_at_all(case: Case) -> None:
    case.replay([(40000, 0, 2)], [record(1, 0, 1)])
    done = case.run("processes", case.session)
    assert done.code == 0
    assert "no process owns any of the flows" in done.err


def query(case: Case, name: str, *given: str) -> list[dict[str, Any]]:
    done = case.run("query", case.session, name, "--format", "json", *given)
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = json.loads(done.out)
    return rows


def test_the_timeline_of_processes(case: Case) -> None:
    rows = query(case, "process-timeline", "-p", "interval=10s")
    assert [(r["begins"][11:19], r["process_name"], r["flows_begun"], r["new_addresses"]) for r in rows] == [
        ("22:13:20", "curl", 1, 1), ("22:13:20", "make", 1, 1), ("22:13:20", "wget", 1, 1), ("22:14:50", "later", 1, 1),
    ]  # fmt: skip
    assert sum(r["packets"] for r in rows) == 32
    make = data(case, "process:make")[2]
    assert [(r["bytes_sent"], r["bytes_received"]) for r in rows if r["process_name"] == "make"] == [
        (make["bytes_sent"], make["bytes_received"])
    ]
    assert {r["process_name"] for r in query(case, "process-timeline", "-p", "process=LATE")} == {"later"}


def test_unowned_says_why(case: Case) -> None:
    case.replay([(40000, 0, 2), (40001, 500, 501), (40002, 0, 1)], [record(40000, 0, 2), record(40001, 0, 1, 9, "nc")])
    rows = {r["reason"]: r for r in query(case, "unowned")}
    assert set(rows) == {"outside_window", "no_claim"}
    late = rows["outside_window"]
    assert (late["why"], late["off_by_ms"], late["claimed_by"]) == (
        "its ends are named, but not at its time", 499_000.0, ["nc"]
    )  # fmt: skip


def test_contacts_without_a_name(tmp_path: Path, run: Any) -> None:
    case = Case(tmp_path, run)
    asked = dns_flow()
    named, silent = http_flow(40000), http_flow(40001, host="192.0.2.99")
    other = [frame.replace(bytes((192, 0, 2, 80)), bytes((192, 0, 2, 99))) for frame in silent]
    early = [frame.replace(bytes((192, 0, 2, 80)), bytes((192, 0, 2, 70))) for frame in http_flow(40002)]
    frames = [*early, *asked, *named, *other]
    case.capture.write_bytes(pcap_file(paced(frames, step=10**7), magic="ns"))
    lines = [record(40001, 0, 1, 66, "beacon", remote_addr="192.0.2.99:80"), record(40000, 0, 1, 5, "browser")]
    case.capture.with_name("web.pcap.connections.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    assert run("replay", case.capture, "--db", case.session).code == 0
    found = query(case, "nameless")
    assert [(r["process"], r["address"], r["named_itself"]) for r in found] == [
        ("(unowned)", "192.0.2.70", ["shop.example"]), ("beacon", "192.0.2.99", None),
    ]  # fmt: skip
    assert {r["address"] for r in found}.isdisjoint({SERVER, RESOLVER, CLIENT})
    assert [r["process"] for r in query(case, "nameless", "-p", "silent=yes")] == ["beacon"]
    assert query(case, "nameless", "-p", "process=browser") == []


def test_every_reason_has_words_in_the_question_too() -> None:
    from rustnet.policy.ownership import REASONS  # noqa: PLC0415

    text = (ROOT / "queries" / "unowned.sql").read_text("utf-8")
    assert [reason for reason in REASONS if f"WHEN '{reason}' THEN" not in text] == []
