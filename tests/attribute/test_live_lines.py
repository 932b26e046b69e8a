"""Lines of the probe as claims while the session is written: what comes when, what is kept, and for how long."""

import json
import random
from typing import Any

import duckdb
import pytest

from rustnet.attribute import live_match, live_stage
from rustnet.attribute.match import attribute
from rustnet.attribute.stage import run
from rustnet.ingest import live_claims
from rustnet.ingest.live_claims import LiveClaims
from tests.attribute.conftest import T0, Session, connection, instant

SOURCE = "rustnet-sidecar"
OWNED = (100, SOURCE, False, None)


def line(*ends: Any, **more: Any) -> bytes:
    """A line of the recorder; ``closed``: when the socket closed, None for one that is open."""
    closed = more.pop("closed", None)
    given = {"sidecar_version": 1, "host": "h", "started_at": instant(-60), **more}
    if closed is not None:
        given["closed_before"] = instant(closed)
    record = connection(*ends, **given)
    return json.dumps(dict(sorted(record.items())), separators=(",", ":")).encode()


class Live:
    """Live claims on a session in memory, with a clock of its own."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.now = 0.0
        self.wall = T0 * 10**9
        self.claims = LiveClaims(lambda: self.now, lambda: self.wall)

    def flush(self, *lines: bytes, after: float = 1.0) -> None:
        self.now += after
        self.claims.add(lines)
        self.claims(self.session.con, 1)

    def open(self, *flows: int) -> None:
        """Move flows to the table of open ones, as the writer does at each flush: without an owner."""
        con = self.session.con
        con.execute("DELETE FROM flows_open").fetchall()
        wanted = ", ".join(map(str, flows)) or "NULL"
        con.execute(f"INSERT INTO flows_open SELECT * FROM flows_ended WHERE flow_id IN ({wanted})").fetchall()
        con.execute(f"DELETE FROM flows_ended WHERE flow_id IN ({wanted})").fetchall()
        con.execute("UPDATE flows_open SET process_id = NULL, process_source = NULL, unowned_reason = NULL").fetchall()

    def end(self, flow: int, end: float) -> None:
        """End an open flow."""
        con = self.session.con
        con.execute("INSERT INTO flows_ended SELECT * FROM flows_open WHERE flow_id = ?", [flow]).fetchall()
        con.execute("DELETE FROM flows_open WHERE flow_id = ?", [flow]).fetchall()
        con.execute(
            "UPDATE flows_ended SET ended_at = make_timestamp_ns(?), process_id = NULL, process_source = NULL, "
            "process_contested = NULL, unowned_reason = NULL WHERE flow_id = ?",
            [round((T0 + end) * 1e9), flow],
        ).fetchall()

    def refresh(self) -> None:
        """Replace the open flows by the same ones, as the next flush does."""
        self.session.con.execute(
            "UPDATE flows_open SET process_id = NULL, process_source = NULL, process_contested = NULL, "
            "unowned_reason = NULL"
        ).fetchall()


@pytest.fixture
def live(session: Session, monkeypatch: pytest.MonkeyPatch) -> Live:
    monkeypatch.setattr(live_match, "STEPS_PER_COMPACTION", 3)
    return Live(session)


def test_a_line_before_its_flow_and_one_after_it(live: Live, session: Session) -> None:
    live.flush(line(closed=3))
    early = session.flow()
    late = session.flow("10.0.0.1:7", "10.0.0.2:8")
    live.flush()
    assert session.verdict(early) == OWNED
    assert session.verdict(late) == (None, None, None, "no_claim")
    live.flush(line("10.0.0.1:7", "10.0.0.2:8", closed=3), after=live_stage.FLOW_SECONDS - 1.5)
    assert session.verdict(late) == OWNED
    assert session.ask("SELECT flow_id, evidence FROM claims ORDER BY 1") == [(early, "probe:1"), (late, "probe:2")]


def test_what_comes_too_late_changes_nothing(live: Live, session: Session) -> None:
    flow = session.flow()
    live.flush()
    live.flush(after=live_stage.FLOW_SECONDS + 1)
    live.flush(line(closed=3))
    assert session.verdict(flow)[0] is None
    live.flush(after=live_stage.OBSERVATION_SECONDS + 1)
    for _ in range(live_match.STEPS_PER_COMPACTION):
        live.flush()
    later = session.flow()
    live.flush()
    assert session.verdict(later)[3] == "no_claim"
    assert session.ask("SELECT count(*) FROM claims") == [(0,)]


def test_an_open_flow_keeps_its_owner_until_it_has_ended(live: Live, session: Session) -> None:
    flow = session.flow(begin=0, end=1)
    live.open(flow)
    live.flush(line(begin=0, end=1))
    assert session.verdict(flow) == OWNED
    for _ in range(3):
        live.refresh()
        live.flush(after=40)
        assert session.verdict(flow) == OWNED
    live.end(flow, 120)
    live.flush(line(begin=0, end=120, closed=120))
    assert session.verdict(flow) == OWNED
    assert session.ask("SELECT count(*), epoch_ns(any_value(window_end)) FROM claims") == [(1, (T0 + 120) * 10**9)]


def test_an_open_socket_owns_flows_that_come_much_later(live: Live, session: Session) -> None:
    """A listener is described once; the flow that it accepts comes when the line is long past."""
    listener = line("10.0.0.1:80", "0.0.0.0:0", begin=0, end=1, attribution_match="listener-socket", name="httpd")
    live.flush(listener)
    for _ in range(2 * live_match.STEPS_PER_COMPACTION):
        live.flush(after=20)
    flow = session.flow("10.0.0.9:5555", "10.0.0.1:80", begin=600, end=601)
    session.con.execute("UPDATE flows_ended SET src_flags = 2").fetchall()
    live.flush()
    assert session.verdict(flow) == OWNED
    assert session.ask("SELECT window_end, match FROM claims") == [(None, "listener")]
    live.flush(line("10.0.0.1:80", "0.0.0.0:0", begin=0, end=700, attribution_match="listener-socket", name="httpd",
                    closed=700))  # fmt: skip
    after = session.flow("10.0.0.9:5556", "10.0.0.1:80", begin=800, end=801)
    live.flush()
    assert session.verdict(after) == (None, None, None, "outside_window")
    for _ in range(live_match.STEPS_PER_COMPACTION):
        live.flush(after=20)
    live.claims.finish(session.con, 1)
    ends = session.ask("SELECT flow_id, epoch_ns(window_end) // 1000000000 - ?, distance_ms FROM claims ORDER BY 1", T0)
    assert ends == [(flow, 700, 0.0), (after, 700, 100_000.0)]


def test_what_is_open_at_the_end_was_held_until_it_was_last_seen(live: Live, session: Session) -> None:
    flow = session.flow(begin=1, end=2)
    live.flush(line(begin=0, end=1.5))
    assert session.ask("SELECT window_end FROM claims") == [(None,)]
    report = live.claims.finish(session.con, 1)
    assert session.verdict(flow) == OWNED
    assert session.ask("SELECT epoch_ns(window_end) FROM claims") == [(round((T0 + 1.5) * 1e9),)]
    assert (report.flows, report.owned, report.claims, report.processes, report.records) == (1, 1, 1, 1, 1)


def test_without_its_probe_a_socket_owns_nothing_more(live: Live, session: Session) -> None:
    before = session.flow(begin=1, end=2)
    live.flush(line(begin=0, end=1.5))
    live.claims.probe_ended()
    live.flush()
    after = session.flow(begin=100, end=101)
    live.flush()
    assert session.verdict(before) == OWNED
    assert session.verdict(after)[0] is None
    live.flush(line(begin=99, end=100))  # of the next probe
    assert session.verdict(after) == OWNED


def test_a_process_that_has_let_go_no_longer_owns(live: Live, session: Session) -> None:
    """A socket that another process holds on to: the line of the first one has `released_before`."""
    ends = "10.0.0.1:53", "0.0.0.0:0"
    kind = {"protocol": "UDP", "attribution_match": "wildcard-remote-address"}
    live.flush(line(*ends, begin=0, end=10, released_before=instant(10), **kind),
               line(*ends, begin=10, end=11, pid=200, name="second", **kind))  # fmt: skip
    first = session.flow("10.0.0.9:1", "10.0.0.1:53", begin=1, end=2, protocol="udp")
    second = session.flow("10.0.0.9:2", "10.0.0.1:53", begin=100, end=101, protocol="udp")
    live.flush()
    assert [session.verdict(flow)[0] for flow in (first, second)] == [100, 200]


def test_a_text_that_looks_like_the_key_closes_nothing(live: Live, session: Session) -> None:
    live.flush(line(begin=0, end=1, cmdline='sh -c {"closed_before":1},"closed_before":'))
    flow = session.flow(begin=500, end=501)
    live.flush()
    assert session.verdict(flow) == OWNED


def test_translated_and_echo_sockets(live: Live, session: Session) -> None:
    masked = session.flow("203.0.113.5:40000", "93.184.216.34:443")
    ping = session.flow("10.0.0.1:0", "10.0.0.2:0", protocol="icmp")
    session.con.execute("UPDATE flows_ended SET icmp_id = 77 WHERE flow_id = ?", [ping]).fetchall()
    live.flush(line("10.0.0.1:40000", nat_local_addr="203.0.113.5:40000", closed=3))
    live.flush(line("0.0.0.0:0", "0.0.0.0:0", protocol="ICMP", icmp_id=77, pid=5, name="ping", closed=3))
    assert session.verdict(masked) == OWNED
    assert session.verdict(ping)[0] == 5
    assert session.ask("SELECT match, behind FROM claims ORDER BY flow_id") == [
        ("nat", "10.0.0.1:40000 → 93.184.216.34:443"), ("echo", None),
    ]  # fmt: skip


def test_reasons_follow_what_becomes_known(live: Live, session: Session) -> None:
    flow, arp = session.flow(), session.flow("10.0.0.1:0", "10.0.0.2:0", protocol="arp")
    live.flush()
    assert session.verdict(flow)[3] == "no_sidecar"
    assert session.verdict(arp)[3] == "not_attributable"
    live.flush(line("10.9.9.9:1", closed=1))
    assert session.verdict(flow)[3] == "no_claim"
    live.flush(line(pid=None, name=None, started_at=..., closed=3))
    assert session.verdict(flow)[3] == "ownerless"
    live.flush(line(closed=3))
    assert session.verdict(flow) == OWNED


def test_two_holders_contest_a_flow(live: Live, session: Session) -> None:
    flow = session.flow()
    live.flush(line(closed=3))
    assert session.verdict(flow) == OWNED
    live.flush(line(closed=3, pid=101))
    assert session.verdict(flow) == (None, None, True, "contested")


def test_the_nearest_other_times_are_claims_once_it_is_certain(live: Live, session: Session) -> None:
    flow = session.flow(begin=100, end=101)
    live.flush(line(begin=0, end=1, closed=1), line(begin=50, end=51, pid=2, closed=51))
    assert session.verdict(flow)[3] == "outside_window"
    assert session.ask("SELECT count(*) FROM claims") == [(0,)]
    live.flush(after=live_stage.FLOW_SECONDS + 1)
    assert session.ask("SELECT distance_ms FROM claims") == [(49_000.0,)]


def test_one_process_in_many_lines_is_one_row(live: Live, session: Session) -> None:
    for number in range(3):
        more = {"exe_sha256": "ab" * 32} if number == 2 else {}
        session.flow(f"10.0.0.1:{number + 1}")
        live.flush(line(f"10.0.0.1:{number + 1}", closed=3, process_executable="/bin/curl", **more))
    live.flush(line("10.0.0.1:9", closed=3, started_at=instant(-30)))
    assert session.ask("SELECT pid, exe, exe_sha256, epoch_ns(started_at) // 1000000000 - ? FROM processes", T0) == [
        (100, "/bin/curl", "ab" * 32, -60), (100, None, None, -30),
    ]  # fmt: skip


def test_a_process_that_becomes_another_program_is_two_rows(live: Live, session: Session) -> None:
    """And nobody contests its flow."""
    flow = session.flow()
    shell = line(end=1, name="sh", process_executable="/bin/sh", released_before=instant(1))
    curl = line(begin=1, end=3, closed=3, process_executable="/bin/curl", changed_before=instant(0.9))
    again = line("10.0.0.1:5", name="curl", cwd="/", changed_before=instant(0.9), closed=3)
    live.flush(shell)
    live.flush(curl, again)
    names = "SELECT name, exe, cwd, epoch_ns(changed_at) FROM processes ORDER BY process_id"
    expected = [("sh", "/bin/sh", None, None), ("curl", "/bin/curl", "/", round((T0 + 0.9) * 1e9))]
    assert session.ask(names) == expected
    assert session.verdict(flow) == OWNED
    assert session.ask("SELECT count(*) FROM claims WHERE flow_id = ?", flow) == [(2,)]
    session.con.execute("DELETE FROM claims; DELETE FROM processes").fetchall()
    session.attribute(shell + b"\n" + curl + b"\n" + again)
    assert session.ask(names) == expected
    assert session.verdict(flow) == OWNED


def test_coverage_as_flows_pass(live: Live, session: Session) -> None:
    """Flows of the last minute, and all; what no process can own is left out."""
    con = session.con
    live.wall = T0 * 10**9
    owned, bare = session.flow("10.0.0.1:1"), session.flow("10.0.0.1:2")
    session.flow("10.0.0.1:0", "10.0.0.2:0", protocol="arp")
    still, idle = session.flow("10.0.0.1:3", begin=0, end=0), session.flow("10.0.0.1:4", begin=-90, end=-70)
    con.execute("UPDATE flows_ended SET src_bytes = 10 * flow_id, dst_bytes = 0").fetchall()
    live.open(still, idle)
    live.flush(line("10.0.0.1:1", closed=3), line("10.0.0.1:3"))
    assert (owned, bare, still, idle) == (1, 2, 4, 5)
    assert live.claims.coverage.all.values == (4, 2, 10 + 20 + 40 + 50, 10 + 40)
    assert live.claims.coverage.minute.values == (3, 2, 10 + 20 + 40, 10 + 40)
    con.execute("DELETE FROM flows_open").fetchall()
    live.flush(after=30)
    assert live.claims.coverage.all.values == (2, 1, 30, 10)
    assert live.claims.coverage.minute.values == (2, 1, 30, 10)
    live.flush(after=60)
    assert live.claims.coverage.all.values == (2, 1, 30, 10)
    assert live.claims.coverage.minute.values == (0, 0, 0, 0)
    live.flush()
    assert session.ask("SELECT count(*) FROM coverage") == [(3,)], "one every 10 seconds"
    live.claims.finish(con, 1)
    assert session.ask("SELECT flows, flows_owned, bytes, bytes_owned FROM coverage ORDER BY rowid DESC LIMIT 1") == [
        (2, 1, 30, 10)
    ]


def test_lines_about_the_recording_are_not_kept(live: Live, session: Session) -> None:
    """But the addresses of the host that they state are."""
    meta = line("0.0.0.0:0", "0.0.0.0:0", protocol="META", pid=None, name=None, record="progress",
                addresses=["10.0.0.1", "10.0.0.7"])  # fmt: skip
    live.flush(meta)
    live.flush(line("0.0.0.0:22", "0.0.0.0:0", attribution_match="listener-socket"))
    assert session.ask("SELECT count(*) FROM live_observation") == [(1,)]
    ours, foreign = session.flow("10.9.9.9:1", "10.0.0.7:22"), session.flow("10.9.9.9:1", "10.9.9.8:22")
    live.flush()
    assert [session.verdict(flow)[0] for flow in (ours, foreign)] == [100, None]


def test_processes_that_are_not_in_memory_are_asked_of_the_session(
    live: Live, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rustnet.attribute.live_processes.PIDS", 1)
    for pid in (1, 2, 1, 2):
        live.flush(line(pid=pid, closed=3))
    assert session.ask("SELECT pid FROM processes ORDER BY 1") == [(1,), (2,)]


def test_invalid_lines_are_counted(live: Live, session: Session) -> None:
    live.flush(b"{", b"no\nline", b"[1]", line(local="nowhere:1"), line(closed=3))
    live.flush(b"x" * 100)
    report = live.claims.finish(session.con, 1)
    assert (report.records, report.bad_records) == (1, 5)
    kinds = session.ask("SELECT kind, detail[:8] FROM anomalies ORDER BY detail")
    assert kinds == [("sidecar_line", f"probe:{number}:") for number in (1, 2, 3, 4, 6)]


def test_lines_have_a_bound(live: Live, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    one = line(closed=3)
    monkeypatch.setattr(live_claims, "WAITING_BYTES", 3 * (len(one) + 1))
    live.claims.add([one] * 5)
    assert live.claims.dropped == 2
    report = live.claims.finish(session.con, 1)
    assert (report.records, report.bad_records) == (3, 2)
    assert session.ask("SELECT kind, count FROM anomalies") == [("probe_lines_lost", 2)]


def test_observations_have_a_bound(live: Live, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stage, "OBSERVATIONS", 5)
    live.flush(*(line(f"10.0.0.1:{port}") for port in range(1, 9)))
    for _ in range(live_match.STEPS_PER_COMPACTION):
        live.flush()
    assert session.ask("SELECT count(*) FROM live_observation") == [(5,)]
    live.claims.finish(session.con, 1)
    assert session.ask("SELECT kind, count FROM anomalies") == [("probe_lines_left_out", 3)]


def test_a_step_that_fails_costs_its_lines_alone(live: Live, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    con = session.con
    con.execute("BEGIN").fetchall()
    live.flush(line("10.0.0.1:1"))
    con.execute("COMMIT; BEGIN").fetchall()
    with monkeypatch.context() as patch:
        patch.setattr(live_match.LiveMatch, "_select", lambda *_: run(con, "SELECT error('full')"))
        with pytest.raises(duckdb.Error, match="full"):
            live.flush(line("10.0.0.1:2"))
    con.execute("ROLLBACK; BEGIN").fetchall()
    kept, lost = session.flow("10.0.0.1:1"), session.flow("10.0.0.1:2")
    live.flush()
    assert [session.verdict(flow)[0] for flow in (kept, lost)] == [100, None]
    assert live.claims.finish(con, 1).bad_records == 1
    con.execute("COMMIT").fetchall()


def test_the_first_step_may_fail(live: Live, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    con = session.con
    con.execute("BEGIN").fetchall()
    with monkeypatch.context() as patch:
        patch.setattr(live_match.LiveMatch, "_select", lambda *_: run(con, "SELECT error('full')"))
        with pytest.raises(duckdb.Error, match="full"):
            live.flush(line())
    con.execute("ROLLBACK; BEGIN").fetchall()
    flow = session.flow()
    live.flush(line())
    con.execute("COMMIT").fetchall()
    assert session.verdict(flow) == OWNED


VERDICTS = """
SELECT flow_id, pid, process_source, process_contested, unowned_reason
FROM flows LEFT JOIN processes USING (process_id) ORDER BY 1"""
TIMELY = """
SELECT flow_id, pid, quality, match, distance_ms, window_start, window_end
FROM claims JOIN processes USING (process_id) WHERE distance_ms <= 2000 ORDER BY ALL"""
KINDS = {
    "wildcard-remote-address": ("10.0.0.1:{port}", "0.0.0.0:0"),
    "wildcard-local-address": ("0.0.0.0:{port}", "0.0.0.0:0"),
    "exact-tuple": ("10.0.0.1:{port}", "10.0.0.2:80"),
}


def some_sockets(session: Session, chance: random.Random) -> tuple[list[tuple[float, bytes]], list[tuple[float, int]]]:
    """Lines and flows with their times: some with the same ends, some described while they were open."""
    lines, flows = [], []
    for number in range(90):
        begin = chance.uniform(0, 60)
        end = begin + chance.choice([0.01, 0.5, 5.0])
        port, protocol = 1000 + chance.randrange(40), chance.choice(["tcp", "udp"])
        quality = chance.choice([*KINDS, "exact-tuple"])
        local, remote = KINDS[quality]
        more = {"protocol": protocol.upper(), "attribution_match": quality, "pid": 100 + number % 9}
        ends = local.format(port=port), remote
        if chance.random() < 0.4:
            lines.append((begin + 0.2, line(*ends, begin=begin, end=begin + 0.2, **more)))
        lines.append((end + chance.uniform(0, 3), line(*ends, begin=begin, end=end, closed=end, **more)))
        at = chance.uniform(-1, 1) + begin
        ended = at + chance.choice([0.0, 0.4, 2.0])
        src = f"10.0.0.1:{port if chance.random() < 0.7 else 1000 + chance.randrange(40)}"
        flows.append((ended, session.flow(src, "10.0.0.2:80", begin=at, end=ended, protocol=protocol)))
    return sorted(lines), flows


def test_the_same_as_from_a_file_whatever_comes_when(session: Session) -> None:
    lines, flows = some_sockets(session, random.Random(5))
    con = session.con
    con.execute("CREATE TABLE later AS SELECT * FROM flows_ended; DELETE FROM flows_ended").fetchall()
    live = Live(session)
    for moment in range(0, 70, 2):
        ended = [flow for time, flow in flows if moment <= time < moment + 2]
        con.execute(
            "INSERT INTO flows_ended SELECT * FROM later WHERE flow_id IN (SELECT unnest(?))", [ended]
        ).fetchall()
        live.flush(*(text for time, text in lines if moment <= time < moment + 2), after=2)
    live.claims.finish(con, 1)
    ours, our_claims = session.ask(VERDICTS), session.ask(TIMELY)
    con.execute("DELETE FROM claims; DELETE FROM processes; DELETE FROM flows_ended").fetchall()
    con.execute("INSERT INTO flows_ended SELECT * FROM later").fetchall()
    attribute(con, 1, [session.sidecar(*(text + b"\n" for _, text in lines))])
    # What a file says of the same ends at a time long before or after is no longer known, so the reason may differ.
    distant = {"outside_window": "no_claim"}
    of_file = [(*row[:4], distant.get(row[4], row[4])) for row in session.ask(VERDICTS)]
    assert [(*row[:4], distant.get(row[4], row[4])) for row in ours] == of_file
    assert sum(row[1] is not None for row in ours) > 40
    assert our_claims == session.ask(TIMELY)
