"""Captures with sidecars whose claims disagree, whose pids were used again, whose clock is wrong, or that saw NAT.

Each is replayed as a user would, and `show` must say in words why the owner owns the flow and why the others do not.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.ownership_case import ME, Case, instant, record
from tests.support.conversations import CLIENT, SERVER


@pytest.fixture
def case(tmp_path: Path, run: Any) -> Case:
    return Case(tmp_path, run)


def test_contested(case: Case) -> None:
    lines = [
        record(40000, 0, 5, 100, "curl"), record(40000, 0, 1, 200, "proxy"),
        record(40000, 0, 5, 300, "lsof", attribution_match="procfs-relaxed"),
    ]  # fmt: skip
    case.replay([(40000, 0, 5)], lines)
    assert case.owners() == [(40000, 100, True, None)]
    page, data = case.show()
    assert "curl (100) owns the flow by rustnet-sidecar exact-tuple, rank 20 (exact)" in page
    assert "the claim covers the whole flow" in page
    assert "contested: claims of the same class (exact) for the same time by proxy (200)" in page
    contest = "lost, but contests the owner: overlaps the flow for 1 s, the owner's claim for 5 s"
    assert f"· proxy (200): {contest}" in page
    verdicts = {claim["process"]: claim["verdict"] for claim in data["claims"]}
    assert verdicts == {
        "curl": "won",
        "proxy": contest,
        "lsof": "lost: rank 50 (relaxed) is worse than 20 (exact)",
    }


def test_contested_without_a_winner(case: Case) -> None:
    case.replay([(40000, 0, 5)], [record(40000, 0, 5, 100, "master"), record(40000, 0, 5, 101, "worker")])
    assert case.owners() == [(40000, None, True, "contested")]
    page, data = case.show()
    assert "two processes have equally good claims" in page
    assert "claims of rank 20 with equal overlap, distance and time: master (100), worker (101)" in page
    assert {claim["verdict"] for claim in data["claims"]} == {"equal"}


def test_a_pid_that_was_used_again(case: Case) -> None:
    first, again = {"started_at": instant(-100)}, {"started_at": instant(4)}
    lines = [
        record(40000, 0, 2, 500, "wget", **first), record(40001, 5, 7, 500, "python3", **again),
        record(40002, 0, 4.5, 500, "wget", **first), record(40002, 4.2, 5, 500, "python3", **again),
    ]  # fmt: skip
    case.replay([(40000, 0, 2), (40001, 5, 7), (40002, 0, 5)], lines)
    rows = case.ask("SELECT src_port, p.name FROM flows JOIN processes p USING (process_id) ORDER BY 1")
    assert [(row["src_port"], row["name"]) for row in rows] == [(40000, "wget"), (40001, "python3"), (40002, "wget")]
    flow = case.ask("SELECT flow_id FROM flows WHERE src_port = 40002")[0]["flow_id"]
    page, data = case.show(flow)
    assert "pid 500 was reused: wget, python3 are different processes, started 104 s apart" in page
    assert data["flow"]["process_contested"] is True
    assert [claim["verdict"] for claim in data["claims"]] == [
        "won",
        "lost, but contests the owner: overlaps the flow for 800 ms, the owner's claim for 4.5 s",
    ]


def test_a_process_that_began_after_the_flow_never_owned_it(case: Case) -> None:
    late, early = {"started_at": instant(60)}, {"started_at": instant(-60)}
    lines = [
        record(40000, 0, 2, 500, "python3", **late), record(40001, 0, 2, 500, "python3", **late),
        record(40001, 0, 1, 77, "wget", **early, attribution_match="procfs-relaxed"),
    ]  # fmt: skip
    case.replay([(40000, 0, 2), (40001, 0, 2)], lines)
    assert case.owners() == [(40000, None, None, "pid_reused"), (40001, 77, False, None)]
    page, data = case.show(1)
    assert "its claims name processes that began after it had ended: the pids were reused" in page
    assert data["claims"][0]["verdict"] == "lost: the pid was reused, its process began 58 s after the flow had ended"
    assert [claim["verdict"][:5] for claim in case.show(2)[1]["claims"]] == ["won", "lost:"]


FLOWS = [(40000 + n, n * 2.0, n * 2.0 + 0.5) for n in range(10)]


def skewed(by: float) -> list[dict[str, Any]]:
    """A sidecar of all flows but one by a clock that is off; one socket is old, one record is of another time."""
    lines = [record(p, a + by + n % 3 / 20, b + by + 0.1, 100 + n) for n, (p, a, b) in enumerate(FLOWS[:9])]
    lines[8] |= {"first_seen": instant(by - 400)}
    return [*lines, record(40009, by - 900, by - 890, 999)]


@pytest.mark.parametrize("by", [3.0, -3.0, 3600.0])
def test_a_wrong_clock_is_found_and_corrected_on_demand(case: Case, by: float) -> None:
    said = case.replay(FLOWS, skewed(by)).out
    flat = " ".join(said.split())
    way = "ahead of" if by > 0 else "behind"
    assert (
        f"its clock is {abs(by) + (0.05 if by > 0 else -0.05):.3f} s {way} the capture's: 8 of 10 connections begin"
        in flat
    )
    assert "--sidecar-offset auto corrects it" in flat
    clock = case.ask("SELECT * FROM clocks")[0]
    assert (clock["origin"], clock["host"], clock["pairs"], clock["agreeing"]) == (ME, "ws1", 10, 8)
    assert (clock["wrong"], clock["added_ms"], clock["spread_ms"] <= 100) == (True, 0, True)
    assert case.ask("SELECT count FROM anomalies WHERE kind = 'sidecar_clock_offset'") == [{"count": 8}]
    assert {row[1:] for row in case.owners()[:8]} == {(None, None, "outside_window")}
    page, data = case.show(1)
    assert "a source has its ends, but at another time" in page
    assert "with that correction, a claim would be at the time of the flow" in page
    assert data["claims"][0]["verdict"].startswith("outside the time: begins" if by > 0 else "outside the time: ends")
    before = case.ask("SELECT window_start FROM claims WHERE flow_id = 1")

    corrected = " ".join(case.replay(FLOWS, skewed(by), "--sidecar-offset", "auto").out.split())
    assert f"corrected by {-by - 0.05:+.3f} s" in corrected
    assert [row[1:] for row in case.owners()] == [
        *((100 + n, False, None) for n in range(9)), (None, None, "outside_window")
    ]  # fmt: skip
    claim = case.ask("SELECT offset_ms, window_start FROM claims WHERE flow_id = 1")[0]
    assert claim["offset_ms"] == pytest.approx(-by * 1000 - 50)
    assert claim["window_start"] != before[0]["window_start"]
    page, _ = case.show(1)
    assert "curl (100) owns the flow" in page
    assert f"corrected by {-by - 0.05:+.3f} s" in page

    case.replay(FLOWS, skewed(by), "--sidecar-offset", str(-by))
    assert [row[1] for row in case.owners()] == [*range(100, 109), None]
    assert case.ask("SELECT wrong, added_ms FROM clocks") == [{"wrong": False, "added_ms": -by * 1000}]


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "1e12", ""])
def test_an_offset_that_is_none(case: Case, value: str) -> None:
    done = case.run("replay", "x.pcap", "--sidecar-offset", value)
    assert done.code == 2
    assert "neither auto nor a number of seconds" in done.err


def test_a_right_clock_is_left_alone(case: Case) -> None:
    said = case.replay(FLOWS, skewed(0.0), "--sidecar-offset", "auto").out
    assert "its clock" not in said
    assert case.ask("SELECT wrong, added_ms, agreeing FROM clocks") == [{"wrong": False, "added_ms": 0, "agreeing": 8}]
    assert [row[1] for row in case.owners()] == [*range(100, 109), None]


def test_scattered_beginnings_are_no_wrong_clock(case: Case) -> None:
    lines = [record(p, a - 1 - n, b, 100 + n) for n, (p, a, b) in enumerate(FLOWS)]
    assert "its clock" not in case.replay(FLOWS, lines, "--sidecar-offset", "auto").out
    assert case.ask("SELECT wrong FROM clocks") == [{"wrong": False}]


def test_what_was_open_when_the_recording_began_says_nothing_of_the_clock(case: Case) -> None:
    """Ten connections in one burst, and a recorder that was started twelve seconds later."""
    burst = [(40000 + n, n / 50, 60.0) for n in range(10)]
    lines = [record(p, 12, b, 100 + n) for n, (p, a, b) in enumerate(burst)]
    assert "its clock" not in case.replay(burst, lines).out
    assert case.ask("SELECT * FROM clocks") == []
    assert [row[1] for row in case.owners()] == [*range(100, 110)]


def test_nat(case: Case) -> None:
    inside = {"local_addr": "172.17.0.5:51000", "host": "box"}
    lines = [
        record(40000, 0, 5, 100, "curl", **inside, nat_local_addr=f"{CLIENT}:40000"),
        record(40000, 0, 5, 55, "dockerd", attribution_match="wildcard-local-address"),
        record(40001, 0, 5, 101, "wget", **inside, remote_addr="10.96.0.1:8080", nat_local_addr=f"{CLIENT}:40001",
               nat_remote_addr=f"{SERVER}:80"),
        record(40002, 0, 5, 102, "nc", **inside, nat_local_addr="nonsense"),
    ]  # fmt: skip
    case.replay([(40000, 0, 5), (40001, 0, 5), (40002, 0, 5)], lines)
    assert case.owners() == [(40000, 100, False, None), (40001, 101, False, None), (40002, None, None, "no_claim")]
    page, data = case.show(1)
    assert "curl (100) owns the flow by rustnet-sidecar exact-tuple, rank 25 (exact)" in page
    assert "ends before NAT, according to the source: 172.17.0.5:51000 → 192.0.2.80:80" in page
    assert [(c["match"], c["verdict"]) for c in data["claims"]] == [
        ("nat", "won"), ("tuple", "lost: rank 30 (wildcard) is worse than 25 (exact)")
    ]  # fmt: skip
    assert "172.17.0.5:51000 → 10.96.0.1:8080" in case.show(2)[0]
    assert case.ask("SELECT count(*) AS n FROM anomalies WHERE kind = 'sidecar_value'") == [{"n": 1}]
