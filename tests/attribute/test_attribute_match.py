"""Claims and verdicts: which observation is about which flow, who wins, and why the others have no owner."""

import ipaddress
import time
from pathlib import Path
from typing import Any

import pytest

from rustnet.attribute.claims import NEAR, longest
from rustnet.attribute.match import Sidecar, attribute
from rustnet.attribute.observation import Observation, Observations, ProcessFacts
from rustnet.attribute.values import parse_address
from rustnet.errors import UsageError

SOURCE = "rustnet-sidecar"
OWNED = (100, SOURCE, False, None)
S = 1_000_000_000
T0 = 1_780_000_000 * S


def said(
    process: ProcessFacts | None,
    local: str | None = "10.0.0.1",
    local_port: int | None = 40000,
    remote: str | None = "93.184.216.34",
    remote_port: int | None = 443,
    window: tuple[int | None, int | None] = (T0, T0 + 3 * S),
    quality: str = "exact-tuple",
    packet: int | None = None,
    protocol: str = "tcp",
) -> Observation:
    ends = [None if ip is None else parse_address(ip) for ip in (local, remote)]
    return Observation(
        protocol, ends[0], local_port, ends[1], remote_port, *window, T0, process, quality, 7, packet
    )  # fmt: skip


def batch(*observations: Observation, source: str = "other", host: str | None = None) -> Observations:
    made = Observations(source, "notes", host=host)
    for one in observations:
        made.add(one)
    return made


@pytest.mark.parametrize(
    ("src", "dst", "protocol", "local", "remote", "proto", "reverse", "match"),
    [
        ("10.0.0.1:40000", "1.2.3.4:443", "tcp", "10.0.0.1:40000", "1.2.3.4:443", "TCP", False, "tuple"),
        ("10.0.0.1:40000", "1.2.3.4:443", "tcp", "1.2.3.4:443", "10.0.0.1:40000", "TCP", True, "tuple"),
        ("10.0.0.1:53", "10.0.0.1:40", "udp", "10.0.0.1:40", "10.0.0.1:53", "UDP", True, "tuple"),
        ("10.0.0.1:5353", "10.0.0.1:5353", "udp", "10.0.0.1:5353", "10.0.0.1:5353", "UDP", False, "tuple"),
        (
            "10.0.0.1:40000",
            "1.2.3.4:443",
            "tcp",
            "[::ffff:10.0.0.1]:40000",
            "[::ffff:1.2.3.4]:443",
            "TCP",
            False,
            "tuple",
        ),
        ("[2001:db8::1]:9", "[fe80::2]:443", "tcp", "[2001:db8::1]:9", "[fe80::2%eth0]:443", "TCP", False, "tuple"),
        ("0.0.0.0:68", "255.255.255.255:67", "udp", "0.0.0.0:68", "255.255.255.255:67", "UDP", False, "tuple"),
        ("10.0.0.1:0", "1.2.3.4:0", "icmp", "1.2.3.4:0", "10.0.0.1:0", "ICMP", True, "addresses"),
        ("[2001:db8::1]:0", "[fe80::2]:0", "icmpv6", "[2001:db8::1]:0", "[fe80::2]:0", "ICMP", False, "addresses"),
        ("10.0.0.1:0", "224.0.0.22:0", "igmp", "10.0.0.1:0", "224.0.0.22:0", "IGMP", False, "addresses"),
    ],
)
def test_tuples(session: Any, record: Any, src: str, dst: str, protocol: str, local: str, remote: str, proto: str,
                reverse: bool, match: str) -> None:  # fmt: skip
    flow = session.flow(src, dst, protocol=protocol)
    report = session.attribute(record(local, remote, protocol=proto))
    assert session.verdict(flow) == OWNED
    assert session.ask("SELECT reversed, match, distance_ms, evidence, quality, rank FROM claims") == [
        (reverse, match, 0.0, "x.pcap.connections.jsonl:1", "exact-tuple", 20)
    ]
    assert (report.claims, report.processes, report.owned, report.flows) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "UDP"}, {"local": "10.0.0.1:40001"}, {"remote": "93.184.216.35:443"},
        {"remote": "93.184.216.34:80"}, {"local": "10.0.0.1:443", "remote": "93.184.216.34:40000"},
    ],
)  # fmt: skip
def test_other_tuples_are_no_claims(session: Any, record: Any, change: dict[str, Any]) -> None:
    flow = session.flow()
    session.attribute(record(**change))
    assert session.verdict(flow) == (None, None, None, "no_claim")
    assert session.ask("SELECT count(*) FROM claims") == [(0,)]


def test_the_whole_process_is_stored(session: Any, record: Any) -> None:
    session.flow()
    lineage = {"ancestors": [{"pid": 1, "name": "init"}], "truncated": False}
    session.attribute(
        record(process_executable="/bin/curl", process_uid=0, process_gid=5, process_ppid=1, process_lineage=lineage,
               kubernetes={"pod_name": "p", "pod_namespace": "n", "container_id": "c"})
    )  # fmt: skip
    assert session.ask(
        "SELECT pid, ppid, name, exe, uid, gid, lineage, pod, namespace, container_id, cmdline FROM processes"
    ) == [(100, 1, "curl", "/bin/curl", 0, 5, ["init(1)"], "p", "n", "c", None)]


def test_every_flow_without_an_owner_says_why(session: Any, record: Any) -> None:
    ownerless, unnamed = session.flow(), session.flow("10.0.0.1:1", "10.0.0.2:2")
    late = session.flow("10.0.0.1:7", "10.0.0.2:8", begin=500, end=501)
    arp = session.flow("10.0.0.1:0", "10.0.0.2:0", protocol="arp")
    other = session.flow(capture=2)
    report = session.attribute(
        record(pid=None, name=None),
        record("10.0.0.1:7", "10.0.0.2:8"),
        record("10.0.0.1:0", "10.0.0.2:0", protocol="ARP", pid=None, name=None),
    )
    reasons = [session.verdict(flow)[3] for flow in (ownerless, unnamed, late, arp, other)]
    assert reasons == ["ownerless", "no_claim", "outside_window", "not_attributable", None]
    assert report.unowned == {"no_claim": 1, "not_attributable": 1, "outside_window": 1, "ownerless": 1}
    attribute(session.con, 2)
    assert session.verdict(other)[3] == "no_sidecar"


def test_a_name_without_a_pid_is_a_claim(session: Any, record: Any) -> None:
    flow = session.flow()
    session.attribute(record(pid=None, name="curl"))
    assert session.verdict(flow) == (None, SOURCE, False, None)
    assert session.ask("SELECT name, pid FROM processes") == [("curl", None)]


def test_a_wrong_clock_shows_its_distance(session: Any, record: Any) -> None:
    flows = [session.flow(f"10.0.0.1:{port}", begin=3600, end=3601) for port in (1, 2, 3)]
    session.attribute(*(record(f"10.0.0.1:{port}", begin=0, end=3) for port in (1, 2, 3)))
    assert {session.verdict(flow) for flow in flows} == {(None, None, None, "outside_window")}
    assert session.ask("SELECT DISTINCT distance_ms, count(*) FROM claims GROUP BY 1") == [(3_597_000.0, 3)]
    again = attribute(session.con, 1, [session.folder / "x.pcap.connections.jsonl"], slack=3600)
    assert again.owned == 3


def test_outside_claims_are_the_nearest_on_either_side(session: Any, record: Any) -> None:
    session.flow(begin=1000, end=1001)
    session.attribute(*(record(begin=t, end=t + 1, pid=t) for t in (0, 500, 900, 1100, 1500)))
    assert session.ask("SELECT pid, distance_ms FROM claims JOIN processes USING (process_id) ORDER BY 1") == [
        (900, 99_000.0),
        (1100, 99_000.0),
    ]


def test_the_slack_has_an_edge(session: Any, record: Any) -> None:
    inside, outside = session.flow(begin=5, end=6), session.flow("10.0.0.1:2", begin=5.001, end=6)
    session.attribute(record(), record("10.0.0.1:2"))
    assert session.verdict(inside) == OWNED
    assert session.verdict(outside)[3] == "outside_window"
    with pytest.raises(UsageError):
        attribute(session.con, 1, slack=-1)


def test_a_tuple_used_again_belongs_to_whom_had_it_then(session: Any, record: Any) -> None:
    first, second = session.flow(begin=0, end=5), session.flow(begin=5.5, end=9)
    session.attribute(record(begin=0, end=5, pid=1), record(begin=5.5, end=9, pid=2))
    assert session.verdict(first) == (1, SOURCE, False, None)
    assert session.verdict(second) == (2, SOURCE, False, None)


def test_two_processes_at_one_time_are_contested(session: Any, record: Any) -> None:
    flow = session.flow()
    session.attribute(
        record(begin=0, end=3, pid=1), record(begin=1, end=3, pid=2), record(begin=-50, end=0.1, pid=3, name="late")
    )
    assert session.verdict(flow) == (1, SOURCE, True, None)
    assert session.ask("SELECT count(*) FROM claims") == [(3,)]


def test_a_better_rank_is_not_contested_by_a_worse(session: Any, record: Any) -> None:
    flow = session.flow()
    session.attribute(
        record(begin=0, end=3, pid=1, attribution_match="listener-socket"),
        record(begin=1, end=2, pid=2, attribution_match="exact-tuple"),
        record(begin=2, end=3, pid=3, attribution_match="invented-later"),
    )
    assert session.verdict(flow) == (2, SOURCE, False, None)
    assert session.ask("SELECT rank FROM claims ORDER BY rank") == [(20,), (40,), (62,)]


def test_overlap_goes_before_nearness_and_later_before_earlier(session: Any, record: Any) -> None:
    flow = session.flow(begin=10, end=12)
    session.attribute(record(begin=12.5, end=20, pid=1), record(begin=0, end=10.5, pid=2))
    assert session.verdict(flow)[0] == 2
    other = session.flow("10.0.0.1:2")
    session.attribute(
        record("10.0.0.1:2", pid=3, begin=-1, timestamp="2026-06-01T12:00:00Z"),
        record("10.0.0.1:2", pid=4, begin=-2, timestamp="2026-06-01T13:00:00Z"),
    )
    assert session.verdict(other) == (4, SOURCE, True, None)


def test_equal_claims_own_nothing(session: Any) -> None:
    flow = session.flow()
    report = attribute(
        session.con, 1, observed=[batch(said(ProcessFacts(pid=1, name="a")), said(ProcessFacts(pid=2, name="b")))]
    )
    assert session.verdict(flow) == (None, None, True, "contested")
    assert (report.contested, report.unowned) == (1, {"contested": 1})


def test_threads_of_one_pid_do_not_contest(session: Any, record: Any) -> None:
    flow = session.flow()
    session.attribute(record(begin=0, name="main"), record(begin=1, name="worker"))
    assert session.verdict(flow) == OWNED


def test_a_pid_used_again_is_another_process(session: Any) -> None:
    flow = session.flow()
    early, rounded, late = (
        ProcessFacts(pid=9, name="sh", started_at=T0 - 50 * S),
        ProcessFacts(pid=9, name="sh", exe="/bin/sh", started_at=T0 - 50 * S + 10_000_000),
        ProcessFacts(pid=9, name="sh", started_at=T0 + S),
    )
    attribute(session.con, 1, observed=[batch(said(early), said(rounded), said(late, window=(T0 + S, T0 + 3 * S)))])
    assert session.ask("SELECT pid, exe, epoch_ns(started_at) FROM processes ORDER BY started_at") == [
        (9, "/bin/sh", T0 - 50 * S),
        (9, None, T0 + S),
    ]
    assert session.verdict(flow) == (9, "other", True, None)


def test_without_a_start_time_name_and_path_tell_processes_apart(session: Any, record: Any) -> None:
    for port in range(1, 5):
        session.flow(f"10.0.0.1:{port}")
    report = session.attribute(
        record("10.0.0.1:1", name="a", process_executable="/bin/a"),
        record("10.0.0.1:2", name="a"),
        record("10.0.0.1:3", name="b", process_executable="/bin/b"),
        record("10.0.0.1:4", name="b", process_executable="/opt/b"),
    )
    assert session.ask("SELECT name, exe FROM processes ORDER BY 2") == [
        ("a", "/bin/a"),
        ("b", "/bin/b"),
        ("b", "/opt/b"),
    ]
    assert report.processes == 3


def test_double_written_lines_count_once(session: Any, record: Any) -> None:
    flow = session.flow()
    icmp = session.flow("10.0.0.1:0", "1.1.1.1:0", protocol="icmp")
    ping = record("10.0.0.1:0", "1.1.1.1:0", protocol="ICMP", name="ping")
    waiting = record("0.0.0.0:80", "0.0.0.0:0", pid=5, attribution_match="listener-socket")
    report = session.attribute(
        record(pid=1, end=2), record(pid=1, end=3), record(pid=None, name=None), record(pid=None, name=None),
        ping, ping, waiting, waiting,
    )  # fmt: skip
    assert (report.records, report.doubles, report.claims) == (8, 4, 2)
    assert session.verdict(flow) == (1, SOURCE, False, None)
    assert session.verdict(icmp) == OWNED
    assert session.ask("SELECT evidence FROM claims ORDER BY 1") == [
        ("x.pcap.connections.jsonl:2",),
        ("x.pcap.connections.jsonl:6",),
    ]


@pytest.mark.parametrize(
    "other", [{"pid": 2}, {"started_at": 1_779_999_990}, {"host": "b"}, {"pid": 2, "timestamp": "2026-06-01T12:00:01Z"}]
)
def test_all_holders_of_a_socket_stay(session: Any, record: Any, other: dict[str, Any]) -> None:
    flow = session.flow()
    one = record(pid=1, host="a", started_at=1_779_999_900)
    report = session.attribute(one, one | other, one, one | other)
    assert (report.doubles, report.claims) == (2, 2)
    assert session.verdict(flow) == (None, None, True, "contested")


def test_records_of_two_files_are_two_statements(session: Any, record: Any) -> None:
    flow = session.flow()
    (session.folder / "b").mkdir()
    paths = [session.sidecar(record(pid=1)), session.sidecar(record(pid=2), name="b/x.pcap.connections.jsonl")]
    report = attribute(session.con, 1, paths)
    assert (report.sidecars, report.doubles, report.claims) == (2, 0, 2)
    assert session.verdict(flow) == (None, None, True, "contested")


def test_older_records_without_times_are_a_fallback(session: Any, record: Any) -> None:
    timed, untimed = session.flow(), session.flow("10.0.0.1:2", begin=9999, end=9999)
    session.attribute(
        record(begin=None, end=None, pid=7, attribution_match=...),
        record(pid=8, attribution_match="procfs-relaxed"),
        record("10.0.0.1:2", begin=None, end=None, pid=9),
    )
    assert session.verdict(timed) == (8, SOURCE, False, None)
    assert session.verdict(untimed) == (9, SOURCE, False, None)
    assert session.ask("SELECT rank, window_start FROM claims WHERE rank >= 90") == [(90, None), (90, None)]


def test_broken_lines_become_anomalies_and_the_rest_is_used(session: Any, record: Any) -> None:
    flow = session.flow()
    report = session.attribute(*(["{"] * 14), record(process_uid=-1), '{"timest')
    assert session.verdict(flow) == OWNED
    assert report.bad_records == 15
    rows = session.ask("SELECT kind, count, detail, capture_id FROM anomalies ORDER BY kind, count, detail")
    assert [row[0] for row in rows].count("sidecar_line") == 11
    assert ("sidecar_line", 5, "x.pcap.connections.jsonl: 5 more lines that cannot be read", 1) in rows
    assert rows[-1][0] == "sidecar_value"
    assert any(row[2].startswith("x.pcap.connections.jsonl:1: is no JSON") for row in rows)


def test_an_unreadable_sidecar_is_named_and_the_others_are_used(session: Any, record: Any) -> None:
    flow = session.flow()
    report = attribute(session.con, 1, [session.folder / "none.jsonl", session.sidecar(record())])
    assert session.verdict(flow) == OWNED
    assert "none.jsonl" in report.unreadable[0]
    assert session.ask("SELECT kind FROM anomalies") == [("sidecar_unreadable",)]
    other = session.flow(capture=2)
    attribute(session.con, 2, [session.folder / "none.jsonl"])
    assert session.verdict(other)[3] == "no_sidecar"


def test_only_flows_of_the_capture_and_only_those_that_change(session: Any, record: Any) -> None:
    mine, other = session.flow(), session.flow(capture=2)
    report = session.attribute(record())
    assert (report.changed, session.verdict(mine), session.verdict(other)) == (1, OWNED, (None, None, None, None))
    again = attribute(session.con, 1)
    assert (again.changed, again.claims, again.owned) == (0, 0, 1)


def test_a_later_call_judges_over_all_claims(session: Any, record: Any) -> None:
    flow, bare = session.flow(), session.flow("10.0.0.1:2")
    session.attribute(record(pid=1, attribution_match="listener-socket"), record("10.0.0.1:2", pid=None, name=None))
    assert session.verdict(flow)[0] == 1
    session.attribute(record(pid=2))
    assert session.verdict(flow) == (2, SOURCE, False, None)
    assert session.verdict(bare)[3] == "ownerless"
    assert session.ask("SELECT count(*) FROM claims") == [(2,)]


@pytest.mark.parametrize(
    ("ends", "match", "rank"),
    [
        ((None, 40000, "93.184.216.34", 443), "wildcard", 69),
        (("10.0.0.1", 40000, None, None), "listener", 69),
        ((None, 40000, None, None), "port", 69),
    ],
)
def test_open_ends(session: Any, ends: tuple[Any, ...], match: str, rank: int) -> None:
    out, into = session.flow(), session.flow("93.184.216.34:443", "10.0.0.1:40000")
    session.flow("10.0.0.1:40001")
    attribute(
        session.con, 1, observed=[batch(said(ProcessFacts(pid=5), *ends), said(None, "9.9.9.9", 1, "9.9.9.8", 2))]
    )
    assert session.ask("SELECT flow_id, reversed, match, rank FROM claims ORDER BY 1") == [
        (out, False, match, rank),
        (into, True, match, rank),
    ]


def test_open_ends_are_never_as_good_as_a_tuple(session: Any) -> None:
    flow = session.flow()
    listener = Observations(SOURCE, "x")
    listener.add(said(ProcessFacts(pid=5), None, 40000, None, None, window=(T0 - S, None)))
    listener.add(said(ProcessFacts(pid=6), window=(T0 + S, T0 + 2 * S)))
    attribute(session.con, 1, observed=[listener])
    assert session.verdict(flow)[0] == 6
    assert session.ask("SELECT rank, window_end IS NULL FROM claims ORDER BY 1") == [(20, False), (45, True)]


def test_an_observation_must_be_able_to_match() -> None:
    with pytest.raises(ValueError, match="names both ends"):
        batch(said(None, None, None, None, None))


def test_observations_on_packets_lift_to_their_flow(session: Any) -> None:
    flow = session.flow()
    for n in range(1, 5):
        session.ask(
            "INSERT INTO packets (capture_id, number, ts, flow_id) VALUES (1, ?, make_timestamp_ns(?), ?)",
            n, T0 + n * S, flow if n < 4 else None,
        )  # fmt: skip
    told = [said(ProcessFacts(pid=5, name="x"), None, None, None, None, (None, None), packet=n) for n in (1, 3, 4, 99)]
    report = attribute(session.con, 1, observed=[batch(*told)])
    assert report.claims == 1
    assert session.ask("SELECT flow_id, match, epoch_ns(window_start), epoch_ns(window_end) FROM claims") == [
        (flow, "packet", T0 + S, T0 + 3 * S)
    ]
    assert session.verdict(flow)[0] == 5


def test_processes_of_a_known_host_are_recognised_across_captures(session: Any, record: Any) -> None:
    session.flow()
    session.flow(capture=2)
    session.flow(capture=3)
    path = session.sidecar(record())
    assert attribute(session.con, 1, [Sidecar(path, "web1")]).processes == 1
    assert attribute(session.con, 2, [Sidecar(path, "web1")]).processes == 0
    assert attribute(session.con, 3, [Sidecar(path, "web2")]).processes == 1
    assert session.ask("SELECT host FROM processes ORDER BY 1") == [("web1",), ("web2",)]
    assert session.ask("SELECT process_id FROM flows ORDER BY flow_id") == [(1,), (1,), (2,)]


def test_flow_times_beyond_all_bounds(session: Any, record: Any) -> None:
    flow = session.flow()
    session.ask("UPDATE flows SET started_at = make_timestamp_ns(-9200000000000000000), "
                "ended_at = make_timestamp_ns(9200000000000000000)")  # fmt: skip
    odd = session.flow("10.0.0.1:2")
    session.ask("UPDATE flows SET ended_at = make_timestamp_ns(-9200000000000000000) WHERE flow_id = ?", odd)
    session.attribute(record(), record("10.0.0.1:2"), record("10.0.0.1:2", begin=None, end=None, pid=3))
    assert session.verdict(flow) == OWNED
    assert session.verdict(odd) == OWNED


def test_nothing_is_left_behind(session: Any, record: Any) -> None:
    session.flow()
    session.attribute(record())
    assert session.ask("SELECT count(*) FROM duckdb_tables() WHERE temporary") == [(0,)]


def test_in_the_caller_s_transaction(session: Any, record: Any) -> None:
    flow = session.flow()
    session.con.begin()
    session.attribute(record(), record("10.0.0.9:1", "10.0.0.8:2"))
    assert session.verdict(flow) == OWNED
    session.con.rollback()
    assert session.ask("SELECT count(*) FROM claims") == [(0,)]
    assert session.verdict(flow) == (None, None, None, None)


def test_who_lasts_longest() -> None:
    keys = [1, 1, 1, 1, 1, 2, 2]
    best, rival = longest(keys, [0, 1, 2, 3, 4, 0, 1], [10, 5, 20, 15, 7, 3, 2], [1, 2, 1, 3, 2, 9, 9])
    assert best == [0, 0, 2, 2, 2, 0, 0]
    assert rival == [-1, 1, 1, 3, 3, -1, -1]


@pytest.mark.parametrize("pids", [(1, 1), (1, 2)])
def test_a_long_window_behind_many_short_ones_is_found(session: Any, record: Any, pids: tuple[int, int]) -> None:
    flow = session.flow(begin=500, end=501)
    short = [record(begin=t, end=t + 0.5, pid=50) for t in range(1, 400)]
    session.attribute(record(begin=-1, end=900, pid=pids[0]), record(begin=-2, end=500.5, pid=pids[1]), *short)
    assert session.verdict(flow) == (pids[0], SOURCE, pids[0] != pids[1], None)


def store_many(session: Any, count: int, hot: bool) -> Path:
    """``count`` flows and as many records, one second each: of their own tuples, or all of one."""
    base = int(ipaddress.ip_address("::ffff:10.0.0.0"))
    source = base if hot else f"{base}::UHUGEINT + i // 50000"
    session.ask(
        f"""INSERT INTO flows
            (flow_id, capture_id, protocol, src_num, src_port, dst_num, dst_port, started_at, ended_at)
        SELECT i + 1, 1, 'tcp', {source}, {1024 if hot else "1024 + i % 50000"}, {base + 255}, 443,
            make_timestamp_ns({T0} + i * {S}), make_timestamp_ns({T0} + i * {S} + {S // 2})
        FROM range({count}) t(i)"""
    )
    path: Path = session.folder / "many.connections.jsonl"
    with path.open("w") as file:
        for i in range(count):
            at = f'"first_seen":{{"secs_since_epoch":{T0 // S + i},"nanos_since_epoch":0}},"last_seen":{T0 // S + i}.5'
            local = "10.0.0.0:1024" if hot else f"10.0.{i // 50000 // 256}.{i // 50000 % 256}:{1024 + i % 50000}"
            file.write(
                f'{{"protocol":"TCP","local_addr":"{local}","remote_addr":"10.0.0.255:443",{at},"pid":{i % 9}}}\n'
            )
    return path


@pytest.mark.parametrize("hot", [False, True])
def test_time_grows_with_the_input(session: Any, hot: bool) -> None:
    """Time by the square of 60,000 would be many minutes here."""
    path = store_many(session, 60_000, hot)
    begin = time.process_time()
    report = attribute(session.con, 1, [path], slack=0)
    assert time.process_time() - begin < 60
    assert (report.owned, report.contested, report.crowded) == (60_000, 0, 0)
    assert session.ask(
        "SELECT count(*) FROM flows JOIN processes USING (process_id) WHERE pid <> (flow_id - 1) % 9"
    ) == [(0,)]


def test_crowds_are_counted(session: Any, record: Any) -> None:
    session.flow()
    report = session.attribute(*(record(begin=i / 100, pid=i) for i in range(3 * NEAR)))
    assert report.crowded == 1
    assert NEAR <= report.claims <= NEAR + 2
    assert session.ask("SELECT kind, count FROM anomalies") == [("claims_left_out", 1)]


def waiting(record: Any, local: str, remote: str, match: Any = "listener-socket", **more: Any) -> dict[str, Any]:
    """A line of the recorder on a socket that waits for anybody."""
    made: dict[str, Any] = record(local, remote, attribution_match=match, recorder="rustnet-record/1", **more)
    return made


@pytest.mark.parametrize(
    ("local", "remote", "protocol", "more", "owned"),
    [
        ("0.0.0.0:80", "0.0.0.0:0", "TCP", {}, {"in", "near"}),
        ("[::]:80", "[::]:0", "TCP", {}, {"in", "near", "in6"}),
        ("[::]:80", "[::]:0", "TCP", {"ipv6_only": False}, {"in", "near", "in6"}),
        ("[::]:80", "[::]:0", "TCP", {"ipv6_only": True}, {"in6"}),
        ("10.0.0.1:80", "0.0.0.0:0", "TCP", {}, {"in"}),
        ("0.0.0.0:123", "0.0.0.0:0", "UDP", {"match": "wildcard-local-address"}, {"ntp"}),
        ("10.0.0.1:123", "0.0.0.0:0", "UDP", {"match": "wildcard-remote-address"}, {"ntp"}),
        ("0.0.0.0:0", "0.0.0.0:0", "ICMP", {"match": "wildcard-local-address", "ip_protocol": 1}, {"echo"}),
        ("[::]:0", "[::]:0", "ICMP", {"match": "wildcard-local-address", "ip_protocol": 58}, {"echo6"}),
        ("0.0.0.0:0", "0.0.0.0:0", "ICMP", {"match": "wildcard-local-address", "icmp_id": 7}, {"echo"}),
        ("0.0.0.0:0", "0.0.0.0:0", "ICMP", {"match": "wildcard-local-address", "icmp_id": 8}, set()),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address", "ip_protocol": 89}, {"ospf"}),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address", "ip_protocol": 6}, set()),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address", "ip_protocol": 255}, set()),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address"}, set()),
    ],
)
def test_sockets_that_wait_for_anybody(
    session: Any, record: Any, local: str, remote: str, protocol: str, more: dict[str, Any], owned: set[str]
) -> None:
    flows = {
        "in": session.flow("9.9.9.9:80", "10.0.0.1:80"),
        "near": session.flow("10.0.0.9:80", "10.0.0.2:80"),
        "out": session.flow("10.0.0.1:5000", "9.9.9.9:81"),
        "in6": session.flow("[2001:db8::9]:5", "[2001:db8::1]:80"),
        "ntp": session.flow("10.0.0.1:123", "9.9.9.9:123", protocol="udp"),
        "echo": session.flow("10.0.0.1:0", "9.9.9.9:0", protocol="icmp"),
        "error": session.flow("9.9.9.9:0", "10.0.0.1:0", protocol="icmp"),
        "echo6": session.flow("[2001:db8::1]:0", "[2001:db8::9]:0", protocol="icmpv6"),
        "ospf": session.flow("10.0.0.1:0", "224.0.0.5:0", protocol="ospf"),
    }
    session.ask("UPDATE flows SET icmp_id = 7 WHERE flow_id IN (?, ?)", flows["echo"], flows["echo6"])
    session.ask("UPDATE flows SET src_flags = 2, dst_flags = 18 WHERE protocol = 'tcp'")
    report = session.attribute(waiting(record, local, remote, protocol=protocol, host="h", **more), record("1.1.1.1:1"))
    assert {name for name, flow in flows.items() if session.verdict(flow) == OWNED} == owned
    assert (report.bad_records, report.claims) == (0, len(owned))
    assert report.unsupported == (protocol == "RAW" and not owned)
    assert session.ask("SELECT count(*) FROM anomalies") == [(0,)]


def test_only_unsupported_lines_are_a_sidecar_too(session: Any, record: Any) -> None:
    flow = session.flow()
    report = session.attribute(record("0.0.0.0:0", "0.0.0.0:0", protocol="RAW"))
    assert (report.sidecars, report.records, report.unsupported, report.unreadable) == (1, 1, 1, [])
    assert session.verdict(flow)[3] == "no_claim"


def test_who_listens_does_not_own_what_goes_elsewhere(session: Any, record: Any) -> None:
    """Once the host's own addresses are known, its listener is only held against them."""
    mine = session.flow("9.9.9.9:5000", "10.0.0.1:22")
    other = session.flow("10.0.0.1:5000", "9.9.9.9:22")
    passing = session.flow("8.8.8.8:5000", "9.9.9.9:22")
    six = session.flow("[2001:db8::9]:5000", "[2001:db8::1]:22")
    session.attribute(
        waiting(record, "[::]:22", "[::]:0", host="h"),
        waiting(record, "0.0.0.0:22", "0.0.0.0:0", host="elsewhere", begin=900, end=901, pid=7),
        record("10.0.0.1:5001", "9.9.9.9:443", host="h"),
    )
    assert [session.verdict(flow)[0] for flow in (mine, other, passing, six)] == [100, None, None, 100]


def test_who_listens_accepts_and_does_not_connect(session: Any, record: Any) -> None:
    out, unclear = session.flow("10.0.0.1:22", "9.9.9.9:5"), session.flow("10.0.0.1:22", "9.9.9.9:6")
    session.ask("UPDATE flows SET src_flags = 2, dst_flags = 18 WHERE flow_id = ?", out)
    session.attribute(waiting(record, "10.0.0.1:22", "0.0.0.0:0"))
    assert session.verdict(out)[3] == "no_claim"
    assert session.verdict(unclear) == OWNED


def test_a_listener_is_no_match_for_a_tuple(session: Any, record: Any) -> None:
    flow, unknown, shared = (session.flow(f"9.9.9.9:{port}", "10.0.0.1:80") for port in (1, 2, 3))
    session.attribute(
        record("10.0.0.1:80", "9.9.9.9:1", pid=8),
        record("10.0.0.1:80", "9.9.9.9:2", pid=None, name=None, attribution_match=...),
        waiting(record, "0.0.0.0:80", "0.0.0.0:0", pid=9, end=2.9),
    )
    assert session.verdict(flow) == (8, SOURCE, False, None)
    assert session.verdict(unknown)[0] == 9
    session.attribute(waiting(record, "0.0.0.0:80", "0.0.0.0:0", pid=10, end=2.9))
    assert session.verdict(shared) == (None, None, True, "contested")


def test_a_listener_without_a_process_is_ownerless(session: Any, record: Any) -> None:
    flow = session.flow("9.9.9.9:1", "10.0.0.1:80")
    session.attribute(waiting(record, "0.0.0.0:80", "0.0.0.0:0", match=..., pid=None, name=None))
    assert session.verdict(flow) == (None, None, None, "ownerless")


def test_hosts_of_lines_tell_processes_apart(session: Any, record: Any) -> None:
    session.flow()
    session.flow("10.0.0.2:1")
    path = session.sidecar(record(host="ws1"), record("10.0.0.2:1", host="ws2"), record("10.0.0.3:1"))
    assert attribute(session.con, 1, [Sidecar(path, "told")]).processes == 3
    assert session.ask("SELECT host FROM processes ORDER BY 1") == [("told",), ("ws1",), ("ws2",)]
    assert attribute(session.con, 1, [Sidecar(path, "told")]).processes == 0


def test_fragments_belong_to_whom_their_datagram_belongs(session: Any, record: Any) -> None:
    inner = session.flow("10.0.0.1:5", "9.9.9.9:53", protocol="udp")
    carrier = session.flow("9.9.9.9:0", "10.0.0.1:0", begin=1, end=1, protocol="udp")
    session.ask("UPDATE flows SET src_port = NULL, dst_port = NULL WHERE flow_id = ?", carrier)
    session.ask("UPDATE flows SET tunnel = 'fragments', outer_flow_id = ? WHERE flow_id = ?", carrier, inner)
    session.attribute(record("10.0.0.1:5", "9.9.9.9:53", protocol="UDP"))
    assert session.verdict(carrier) == OWNED
    assert session.ask("SELECT flow_id, match, reversed, rank FROM claims ORDER BY 1") == [
        (inner, "tuple", False, 20), (carrier, "fragments", True, 20),
    ]  # fmt: skip


@pytest.mark.parametrize(("protocol", "kind", "reason"), [
    ("icmp", 3, "not_attributable"), ("icmp", 8, "no_claim"), ("icmpv6", 135, "not_attributable"),
    ("icmpv6", 128, "no_claim"), ("icmp", None, "no_claim"),
])  # fmt: skip
def test_icmp_of_kernels(session: Any, record: Any, protocol: str, kind: int | None, reason: str) -> None:
    flow = session.flow("10.0.0.7:0", "9.9.9.9:0", protocol=protocol)
    session.ask("UPDATE flows SET icmp_type = ?", kind)
    session.attribute(record())
    assert session.verdict(flow)[3] == reason


@pytest.mark.parametrize("kind", ["port", "echo", "hosts", "raw"])
def test_time_grows_with_the_sockets_that_wait(session: Any, record: Any, kind: str) -> None:
    """Every socket may take every flow here; 20,000 times 20,000 would be many minutes."""
    count = 20_000
    store_many(session, count, hot=True)
    if kind in {"echo", "raw"}:
        session.ask("UPDATE flows SET protocol = 'icmp', icmp_id = 7, src_port = NULL, dst_port = NULL")
    lines = []
    for i in range(count):
        local = f"10.{i >> 8 & 255}.{i & 255}.1:0" if kind == "echo" else "0.0.0.0:0"
        host, port = f"h{i}" if kind == "hosts" else "h", local if kind in {"echo", "raw"} else "0.0.0.0:443"
        given = {"icmp_id": 7} if kind == "echo" else {}
        line = waiting(record, port, "0.0.0.0:0", protocol="ICMP" if kind in {"echo", "raw"} else "TCP", host=host,
                       pid=i, begin=i, end=i + 0.2, **given)  # fmt: skip
        lines.append(line)
    begin = time.process_time()
    report = session.attribute(*lines, slack=0)
    assert time.process_time() - begin < 60
    assert report.owned == (0 if kind == "echo" else count)
