"""Claims and verdicts: which observation is about which flow, who wins, and why the others have no owner."""

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
def test_other_tuples_do_not_match(session: Any, record: Any, change: dict[str, Any]) -> None:
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


def test_a_reused_tuple_belongs_to_its_owner_at_that_time(session: Any, record: Any) -> None:
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


def test_processes_at_both_ends_do_not_contest_and_that_at_src_is_the_owner(session: Any, record: Any) -> None:
    """A connection of a machine with itself, or with a container of its own."""
    flow = session.flow()
    mine, theirs = record(begin=1, end=1, pid=1), record("93.184.216.34:443", "10.0.0.1:40000", begin=0, end=3, pid=2)
    session.attribute(theirs, mine)
    assert session.verdict(flow) == (1, SOURCE, False, None)
    other = session.flow("10.0.0.1:2")
    session.attribute(record("93.184.216.34:443", "10.0.0.1:2", pid=3), record("10.0.0.1:2", pid=4, begin=3.5, end=4))
    assert session.verdict(other) == (3, SOURCE, False, None)


def test_in_the_recorders_own_namespace_is_the_owner(session: Any, record: Any) -> None:
    """A container asks a service of its host: what the host's namespace has is better than what another one has."""
    flow = session.flow()
    session.attribute(
        record(pid=1, attribution_match="ebpf-other-namespace"),
        record("93.184.216.34:443", "10.0.0.1:40000", pid=2, attribution_match="ebpf"),
    )
    assert session.verdict(flow) == (2, SOURCE, False, None)
    assert session.ask("SELECT rank FROM claims ORDER BY rank") == [(17,), (27,)]


def test_overlap_precedes_distance_and_later_precedes_earlier(session: Any, record: Any) -> None:
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


def test_a_reused_pid_is_another_process(session: Any) -> None:
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


def test_without_a_start_time_name_and_path_distinguish_processes(session: Any, record: Any) -> None:
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


def test_duplicate_lines_count_once(session: Any, record: Any) -> None:
    flow = session.flow()
    icmp = session.flow("10.0.0.1:0", "1.1.1.1:0", protocol="icmp")
    ping = record("10.0.0.1:0", "1.1.1.1:0", protocol="ICMP", name="ping")
    waiting = record("0.0.0.0:80", "0.0.0.0:0", pid=5, attribution_match="listener-socket")
    report = session.attribute(
        record(pid=1, end=2), record(pid=1, end=3), record(pid=None, name=None), record(pid=None, name=None),
        ping, ping, waiting, waiting,
    )  # fmt: skip
    assert (report.records, report.duplicates, report.claims) == (8, 4, 2)
    assert session.verdict(flow) == (1, SOURCE, False, None)
    assert session.verdict(icmp) == OWNED
    assert session.ask("SELECT evidence FROM claims ORDER BY 1") == [
        ("x.pcap.connections.jsonl:2",),
        ("x.pcap.connections.jsonl:6",),
    ]


@pytest.mark.parametrize(
    "other", [{"pid": 2}, {"started_at": 1_779_999_990}, {"host": "b"}, {"pid": 2, "timestamp": "2026-06-01T12:00:01Z"}]
)
def test_all_holders_of_a_socket_are_kept(session: Any, record: Any, other: dict[str, Any]) -> None:
    flow = session.flow()
    one = record(pid=1, host="a", started_at=1_779_999_900)
    report = session.attribute(one, one | other, one, one | other)
    assert (report.duplicates, report.claims) == (2, 2)
    assert session.verdict(flow) == (None, None, True, "contested")


def test_records_of_two_files_are_two_statements(session: Any, record: Any) -> None:
    flow = session.flow()
    (session.folder / "b").mkdir()
    paths = [session.sidecar(record(pid=1)), session.sidecar(record(pid=2), name="b/x.pcap.connections.jsonl")]
    report = attribute(session.con, 1, paths)
    assert (report.sidecars, report.duplicates, report.claims) == (2, 0, 2)
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


def test_malformed_lines_become_anomalies_and_the_rest_is_used(session: Any, record: Any) -> None:
    flow = session.flow()
    report = session.attribute(*(["{"] * 14), record(process_uid=-1), '{"timest')
    assert session.verdict(flow) == OWNED
    assert report.bad_records == 15
    rows = session.ask("SELECT kind, count, detail, capture_id FROM anomalies ORDER BY kind, count, detail")
    assert [row[0] for row in rows].count("sidecar_line") == 11
    assert ("sidecar_line", 5, "x.pcap.connections.jsonl: 5 more malformed lines", 1) in rows
    assert rows[-1][0] == "sidecar_value"
    assert any(row[2].startswith("x.pcap.connections.jsonl:1: invalid JSON") for row in rows)


def test_an_unreadable_sidecar_is_reported_and_the_others_are_used(session: Any, record: Any) -> None:
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


def test_a_later_call_applies_the_policy_to_all_claims(session: Any, record: Any) -> None:
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


def test_open_ends_rank_worse_than_a_tuple(session: Any) -> None:
    flow = session.flow()
    listener = Observations(SOURCE, "x")
    listener.add(said(ProcessFacts(pid=5), None, 40000, None, None, window=(T0 - S, None)))
    listener.add(said(ProcessFacts(pid=6), window=(T0 + S, T0 + 2 * S)))
    attribute(session.con, 1, observed=[listener])
    assert session.verdict(flow)[0] == 6
    assert session.ask("SELECT rank, window_end IS NULL FROM claims ORDER BY 1") == [(20, False), (45, True)]


def test_an_observation_must_be_able_to_match() -> None:
    with pytest.raises(ValueError, match="needs a local port, a remote end or a packet number"):
        batch(said(None, None, None, None, None))


def test_observations_on_packets_apply_to_their_flow(session: Any) -> None:
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
    session.ask("UPDATE flows_ended SET started_at = make_timestamp_ns(-9200000000000000000), "
                "ended_at = make_timestamp_ns(9200000000000000000)")  # fmt: skip
    odd = session.flow("10.0.0.1:2")
    session.ask("UPDATE flows_ended SET ended_at = make_timestamp_ns(-9200000000000000000) WHERE flow_id = ?", odd)
    session.attribute(record(), record("10.0.0.1:2"), record("10.0.0.1:2", begin=None, end=None, pid=3))
    assert session.verdict(flow) == OWNED
    assert session.verdict(odd) == OWNED


def test_temporary_tables_are_dropped(session: Any, record: Any) -> None:
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


def test_longest() -> None:
    keys = [1, 1, 1, 1, 1, 2, 2]
    best, rival = longest(keys, [0, 1, 2, 3, 4, 0, 1], [10, 5, 20, 15, 7, 3, 2], [1, 2, 1, 3, 2, 9, 9])
    assert best == [0, 0, 2, 2, 2, 0, 0]
    assert rival == [-1, 1, 1, 3, 3, -1, -1]


@pytest.mark.parametrize("pids", [(1, 1), (1, 2)])
def test_a_long_window_before_many_short_ones_matches(session: Any, record: Any, pids: tuple[int, int]) -> None:
    flow = session.flow(begin=500, end=501)
    short = [record(begin=t, end=t + 0.5, pid=50) for t in range(1, 400)]
    session.attribute(record(begin=-1, end=900, pid=pids[0]), record(begin=-2, end=500.5, pid=pids[1]), *short)
    assert session.verdict(flow) == (pids[0], SOURCE, pids[0] != pids[1], None)


def test_flows_with_too_many_observations_are_counted(session: Any, record: Any) -> None:
    session.flow()
    report = session.attribute(*(record(begin=i / 100, pid=i) for i in range(3 * NEAR)))
    assert report.crowded == 1
    assert NEAR <= report.claims <= NEAR + 2
    assert session.ask("SELECT kind, count FROM anomalies") == [("claims_left_out", 1)]
