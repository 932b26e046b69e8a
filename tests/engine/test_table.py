"""The flow table: generations, timeouts by packet time, wrong clocks, eviction, collisions, and whose flow it is."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from rustnet.engine.flow import Flow
from rustnet.policy.timeouts import IdleTimeouts
from tests.engine.tracking import Listener, Tracked, track
from tests.support.effort import assert_linear
from tests.support.packets import (
    ACK,
    FIN,
    RST,
    SECOND,
    START,
    SYN,
    Captured,
    arp_frame,
    ethernet,
    ip,
    paced,
    tcp,
    tcp_frame,
    udp,
    udp_frame,
)
from tests.support.uncompiled import RUNS_PURE

A, B = "10.0.0.1", "10.0.0.2"
TEN_YEARS = 10 * 365 * 86_400 * SECOND


def at(seconds: float, data: bytes) -> Captured:
    return Captured(START + int(seconds * SECOND), data)


def ask(sport: int = 40_000, dport: int = 53, src: str = A, dst: str = B) -> bytes:
    return udp_frame((src, sport), (dst, dport), b"?")


def syn(seq: int = 100, sport: int = 40_000, dport: int = 80) -> bytes:
    return tcp_frame((A, sport), (B, dport), seq, 0, SYN)


def reasons(got: Tracked) -> list[tuple[object, object]]:
    return [(flow["generation"], flow["end_reason"]) for flow in got.flows]


# ---- generations ---------------------------------------------------------------------------------------------------


def test_a_syn_after_a_reset_is_a_new_generation() -> None:
    refused = tcp_frame((B, 80), (A, 40_000), 0, 101, RST | ACK)
    assert reasons(track(paced([syn(), refused, syn(200), refused, syn(300)]))) == [(0, "rst"), (1, "rst"), (2, "end")]


def test_a_syn_that_is_sent_again_is_not() -> None:
    got = track(paced([syn(), syn(), syn()], step=SECOND))
    assert reasons(got) == [(0, "end")]
    assert got.flows[0]["src_retransmissions"] == 2
    assert got.flows[0]["src_missed"] == 0


def test_an_attempt_with_another_number_is_a_new_connection() -> None:
    """The client gave up and tried again from the same port; the jump between the numbers is not missing data."""
    got = track(paced([syn(100), syn(9_000_000)], step=SECOND))
    assert reasons(got) == [(0, "reused"), (1, "end")]
    assert [flow["src_missed"] for flow in got.flows] == [0, 0]


def test_a_syn_in_the_middle_of_a_connection_begins_another() -> None:
    data = tcp_frame((A, 40_000), (B, 80), 5_000, 1, ACK, b"data")
    assert reasons(track(paced([data, syn(900_000_000), data]))) == [(0, "reused"), (1, "end")]


def test_fin_both_ways_then_syn() -> None:
    frames = [
        syn(100),
        tcp_frame((B, 80), (A, 40_000), 500, 101, SYN | ACK),
        tcp_frame((A, 40_000), (B, 80), 101, 501, FIN | ACK),
        tcp_frame((B, 80), (A, 40_000), 501, 102, FIN | ACK),
        tcp_frame((A, 40_000), (B, 80), 102, 502, ACK),
        syn(70_000),
    ]
    assert reasons(track(paced(frames))) == [(0, "fin"), (1, "end")]


def test_a_flow_without_packets_leaves_no_generation_behind() -> None:
    """Fragments make a flow without ports that is taken back; the next real one counts on from the last real one."""
    first = ip(A, B, 17, b"\0" * 8, ident=9, offset=8)
    again = [at(i * 1_000, ethernet(first)) for i in range(3)]
    got = track(again)
    assert [flow["generation"] for flow in got.flows] == [0, 1, 2]


# ---- timeouts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "seconds"),
    [
        (ask(), 30),
        (ask(5_353, 5_353), 30),
        (ask(40_000, 9_999), 60),
        (ask(40_000, 443), 180),
        (syn(), 60),
        (tcp_frame((A, 40_000), (B, 9_999), 1, 1, ACK), 300),
        (tcp_frame((A, 40_000), (B, 443), 1, 1, ACK), 600),
        (tcp_frame((A, 40_000), (B, 22), 1, 1, ACK), 1_800),
        (tcp_frame((A, 40_000), (B, 80), 1, 1, RST), 15),
        (ethernet(ip(A, B, 1, b"\x08\0\0\0\0\1\0\1")), 60),
        (arp_frame(A, B), 60),
        (ethernet(ip(A, B, 50, b"12345678")), 300),
    ],
)
def test_idle_timeouts(frame: bytes, seconds: int) -> None:
    """A silence of exactly the timeout is one flow, a nanosecond more is two; wherever the batches end."""
    for borders in ((), (1,)):
        assert len(track([at(0, frame), at(seconds, frame)], borders).flows) == 1
        late = [at(0, frame), Captured(START + seconds * SECOND + 1, frame)]
        got = track(late, borders)
        assert [flow["generation"] for flow in got.flows] == [0, 1]
        assert got.flows[0]["end_reason"] in ("idle", "rst")


def test_timeouts_are_the_ones_handed_in() -> None:
    """By state, by port of either end, and for protocols without ports."""
    timeouts = IdleTimeouts(
        tcp=7, tcp_opening=3, tcp_closing=4, tcp_time_wait=2, tcp_closed=1, udp=5, icmp=6, arp=8, other=9,
        tcp_ports={9_999: 70}, udp_ports={9_999: 50, 53: 40},
    )  # fmt: skip
    opening = [syn(100), tcp_frame((B, 80), (A, 40_000), 500, 101, SYN | ACK)]
    fins = [
        tcp_frame((A, 40_000), (B, 80), 101, 501, FIN | ACK),
        tcp_frame((B, 80), (A, 40_000), 501, 102, FIN | ACK),
        tcp_frame((A, 40_000), (B, 80), 102, 502, ACK),
    ]
    cases = [
        ([syn()], 3),
        (opening, 3),
        ([*opening, tcp_frame((A, 40_000), (B, 80), 101, 501, ACK)], 7),
        ([*opening, *fins[:1]], 4),
        ([*opening, fins[0], tcp_frame((B, 80), (A, 40_000), 501, 101, FIN | ACK)], 4),
        ([*opening, *fins], 2),
        ([syn(), tcp_frame((B, 80), (A, 40_000), 0, 101, RST | ACK)], 1),
        ([tcp_frame((A, 9_999), (B, 50_000), 1, 1, ACK)], 70),
        ([ask(40_000, 50_000)], 5),
        ([ask(9_999, 53)], 50),
        ([ask(40_000, 53)], 40),
        ([ethernet(ip(A, B, 1, b"\x08\0\0\0\0\1\0\1"))], 6),
        ([arp_frame(A, B)], 8),
        ([ethernet(ip(A, B, 50, b"12345678"))], 9),
    ]
    for frames, seconds in cases:
        first = paced(frames)
        for late in (0, 1):
            again = Captured(first[-1].ts + seconds * SECOND + late, frames[-1])
            assert len(track([*first, again], timeouts=timeouts).flows) == 1 + late


@dataclass
class Setting(Listener):
    """A listener that sets the timeouts of the flows that it reads."""

    seconds: int = 0

    def datagram(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> None:
        flow.timeout = self.seconds * SECOND

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:
        flow.timeout = self.seconds * SECOND
        return 0


@pytest.mark.parametrize(
    "frame",
    [ask(40_000, 9_999), tcp_frame((A, 40_000), (B, 9_999), 1, 1, SYN, b"data"), ethernet(ip(A, B, 1, b"\x08" * 9))],
)
@pytest.mark.parametrize("seconds", [2, 1_000])
def test_a_listener_sets_timeouts(frame: bytes, seconds: int) -> None:
    """A shorter or longer one holds for the next packet, and for the sweep that runs while others talk."""
    for late in (0, 1):
        got = track([at(0, frame), Captured(START + seconds * SECOND + late, frame)], reader=Setting(seconds=seconds))
        assert len(got.flows) == 1 + late
    chatter = [at(i, ask(50_000, 9_999)) for i in range(1, 900)]
    got = track([at(0, frame), *chatter], range(0, 900, 50), reader=Setting(seconds=seconds))
    assert [flow["end_reason"] for flow in got.flows] == ["idle" if seconds == 2 else "end", "end"]


def test_the_sweep_ends_what_nobody_asks_for() -> None:
    """Flows leave the table by the clock of others' packets, before the capture ends."""
    chatter = [at(i, ask(50_000 + i % 7, 9_999)) for i in range(1, 900)]
    got = track([at(0, ask()), *chatter], range(0, 900, 50))
    assert got.flow(src=(A, 40_000))["end_reason"] == "idle"


def test_end_reasons_do_not_depend_on_batches() -> None:
    quiet = [at(i, ask(40_000 + i)) for i in range(90)]
    expected = reasons(track(quiet))
    for borders in (range(90), (45,), (89,)):
        assert reasons(track(quiet, borders)) == expected


# ---- wrong clocks --------------------------------------------------------------------------------------------------


def test_one_packet_from_the_future_ends_no_flow_but_its_own() -> None:
    talk = [at(i, ask(40_000 + i % 10, 9_999)) for i in range(400)]
    stray = Captured(START + TEN_YEARS, ask(60_000, 9_999))
    for borders in ((), range(400), (200, 201)):
        got = track([*talk[:200], stray, *talk[200:]], borders)
        assert len(got.flows) == 11
        assert {flow["end_reason"] for flow in got.flows} == {"end"}


def test_a_clock_that_jumps_ten_years_and_back() -> None:
    day = [at(i, ask(40_000 + i % 10, 9_999)) for i in range(300)]
    later = [Captured(packet.ts + TEN_YEARS, packet.data) for packet in day]
    packets = [*day, *later, *day]
    got = track(packets, range(0, 900, 64))
    assert sum(int(str(flow["src_packets"])) for flow in got.flows) == 900
    assert len(got.flows) <= 30
    assert got.tracker.table.count == 0


def test_a_clock_that_runs_backwards() -> None:
    packets = [at(-i * 100, ask(40_000, 9_999)) for i in range(50)]
    got = track(packets)
    assert len(got.flows) == 1
    assert (got.flows[0]["first_ts"], got.flows[0]["last_ts"]) == (packets[-1].ts, packets[0].ts)


def test_times_before_1970_and_at_zero() -> None:
    got = track([Captured(-5 * SECOND, ask()), Captured(-4 * SECOND, ask())])
    assert (got.flows[0]["first_ts"], got.flows[0]["last_ts"]) == (-5 * SECOND, -4 * SECOND)
    got = track([Captured(0, ask()), Captured(1, udp_frame((A, 40_000), (B, 53), b"other"))])
    assert (got.flows[0]["first_ts"], got.flows[0]["last_ts"]) == (0, 1)


def test_a_handshake_at_time_zero() -> None:
    """Some programs write captures whose first packet has time 0."""
    opening = [
        syn(100),
        tcp_frame((B, 80), (A, 40_000), 500, 101, SYN | ACK),
        tcp_frame((A, 40_000), (B, 80), 101, 501, ACK),
    ]
    assert track(paced(opening, start=0)).flows[0]["handshake_rtt"] == 2_000_000


def test_the_extremes_of_time() -> None:
    """The smallest and largest times that a column holds: no overflow makes a crash of them."""
    low, high = -(1 << 62), (1 << 62)
    got = track([Captured(ts, ask()) for ts in (0, high, low, 0, high, low)], range(6))
    assert sum(int(str(flow["src_packets"])) for flow in got.flows) == 6


def test_round_trips_are_never_negative() -> None:
    frames = [
        at(5, syn(100)),
        at(3, tcp_frame((B, 80), (A, 40_000), 500, 101, SYN | ACK)),
        at(1, tcp_frame((A, 40_000), (B, 80), 101, 501, ACK)),
    ]
    flow = track(frames).flows[0]
    assert [flow[key] for key in ("src_srtt", "src_min_rtt", "dst_srtt", "dst_min_rtt")] == [-1.0] * 4


# ---- bounds and collisions -----------------------------------------------------------------------------------------


def test_eviction_takes_the_longest_idle() -> None:
    packets = [at(i / 100, ask(1_024 + i, 9_999)) for i in range(1_000)]
    got = track(packets, max_flows=100)
    assert got.tracker.table.evicted >= 900
    assert len(got.flows) == 1_000
    stayed = [flow["src"][1] for flow in got.flows if flow["end_reason"] == "end"]  # type: ignore[index]
    assert set(range(2_024 - 80, 2_024)) <= set(stayed)
    assert got.tracker.table.evicted + len(stayed) == 1_000


def test_eviction_spares_busy_flows() -> None:
    """A tenth leaves, even where all flows have the same time."""
    same = [Captured(START, ask(1_024 + i, 9_999)) for i in range(101)]
    got = track(same, max_flows=100)
    assert got.tracker.table.evicted <= 11
    busy: list[Captured] = []
    for i in range(500):
        busy += [at(i / 10, ask(1_024 + i, 9_999)), at(i / 10, ask(60_000, 9_999))]
    got = track(busy, max_flows=50)
    assert got.flow(src=(A, 60_000))["src_packets"] == 500


def test_a_table_for_one_flow() -> None:
    got = track(paced([ask(1_024 + i % 3, 9_999) for i in range(30)]), max_flows=1)
    assert sum(int(str(flow["src_packets"])) for flow in got.flows) == 30
    assert got.tracker.table.count == 0


def test_evicted_flows_go_on_as_another_generation() -> None:
    got = track(paced([ask(1_024 + i % 3, 9_999) for i in range(9)]), max_flows=2)
    assert max(int(str(flow["generation"])) for flow in got.flows) >= 1


@pytest.mark.parametrize("count", [5_000 if RUNS_PURE else 70_000])
def test_many_flows_in_crowded_places(count: int) -> None:
    """More flows than any table starts with: every one is found again, wherever it stands."""
    ends = [(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 1_024 + i % 50_000) for i in range(count)]
    packets = [Captured(START + i, ask(port, 9_999, src)) for i, (src, port) in enumerate(ends)]
    got = track(packets + packets[::-1], (count,))
    assert len(got.flows) == count
    assert all({flow["src_packets"], flow["dst_packets"]} == {0, 2} for flow in got.flows)
    assert [row[0] for row in got.index] == [*range(1, count + 1), *range(count, 0, -1)]


def test_removal_loses_nothing_that_stands_behind() -> None:
    """Ends of flows and new ones in turn, over thousands of flows: nothing is lost or found twice."""
    packets: list[Captured] = []
    for i in range(6_000 if not RUNS_PURE else 1_000):
        packets.append(at(i / 10, ask(1_024 + i, 53)))
        packets.append(at(i / 10, ask(1_024 + i - i % 7, 53)))
    got = track(packets, range(0, len(packets), 100))
    assert sum(int(str(flow["src_packets"])) for flow in got.flows) == len(packets)
    assert len({flow["flow_id"] for flow in got.flows}) == len(got.flows)


HASH_OF_A_FLOW = """
from rustnet.engine.packet import Packet
from rustnet.engine.table import FlowTable
from rustnet.policy.timeouts import IDLE_TIMEOUTS
packet = Packet()
packet.version, packet.protocol = 4, 17
packet.src_lo, packet.dst_lo, packet.src_port, packet.dst_port = 0xFFFF0A000001, 0xFFFF0A000002, 40000, 53
print(FlowTable(bytes(65536), IDLE_TIMEOUTS).find(packet, 0).hash)
"""


def test_nobody_can_foresee_where_a_flow_stands() -> None:
    """Else somebody could write a capture whose flows are all in one place."""
    command = [sys.executable, "-c", HASH_OF_A_FLOW]
    hashes = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)}
    assert len(hashes) == 3


# ---- who is who ----------------------------------------------------------------------------------------------------


def test_arp_goes_one_way() -> None:
    """Every sender is some flow's ``src``: a reply is a flow of its own."""
    got = track(paced([arp_frame(A, B), arp_frame(B, A, 2), arp_frame(A, B), arp_frame(A, A), arp_frame("0.0.0.0", B)]))
    ends = [(flow["src"], flow["dst"], flow["state"], flow["src_packets"]) for flow in got.flows]
    assert ends == [
        ((A, 0), (B, 0), "ARP_REQUEST", 2),
        ((B, 0), (A, 0), "ARP_REPLY", 1),
        ((A, 0), (A, 0), "ARP_REQUEST", 1),
        (("0.0.0.0", 0), (B, 0), "ARP_REQUEST", 1),
    ]
    assert all(flow["dst_packets"] == 0 for flow in got.flows)
    assert all(row[1] for row in got.index)


@pytest.mark.parametrize(
    ("frame", "src"),
    [
        (tcp_frame((A, 80), (B, 40_000), 1, 1, ACK), (B, 40_000)),
        (tcp_frame((A, 40_000), (B, 80), 1, 1, ACK), (A, 40_000)),
        (tcp_frame((A, 5_000), (B, 5_001), 1, 1, ACK), (A, 5_000)),
        (tcp_frame((A, 40_000), (B, 80), 1, 1, SYN | ACK), (B, 80)),
        (tcp_frame((A, 80), (B, 40_000), 1, 1, SYN), (A, 80)),
        (udp_frame((A, 53), (B, 40_000)), (B, 40_000)),
        (udp_frame((A, 53), ("224.0.0.251", 40_000)), (A, 53)),
        (udp_frame(("2001:db8::1", 53), ("ff02::fb", 40_000)), ("2001:db8::1", 53)),
        (ethernet(ip(A, B, 1, b"\0\0\0\0\0\1\0\1")), (B, 0)),
    ],
)
def test_the_initiator(frame: bytes, src: tuple[str, int]) -> None:
    got = track([at(0, frame)])
    assert got.flows[0]["src"] == src
    assert (str(got.flows[0]["history"])[:1] == "^") == (src[0] != A and src[0] != "2001:db8::1")


def test_vlans_tell_flows_apart() -> None:
    inside = ip(A, B, 17, udp(1, 2))
    frames = [ethernet(inside), ethernet(inside, vlans=[1]), ethernet(inside, vlans=[2]), ethernet(inside, vlans=[0])]
    assert len(track(paced(frames * 2)).flows) == 3  # 0 is a priority tag: no VLAN


def test_pings_are_told_apart_by_their_identifier() -> None:
    pings = []
    for number in (1, 2, 0xFFFF):
        rest = bytes((0, 0, 0, number >> 8, number & 255, 0, 1))
        pings += [ethernet(ip(A, B, 1, b"\x08" + rest)), ethernet(ip(B, A, 1, b"\0" + rest))]
    got = track(paced(pings))
    assert [(flow["icmp_id"], flow["src_packets"], flow["dst_packets"]) for flow in got.flows] == [
        (1, 1, 1),
        (2, 1, 1),
        (0xFFFF, 1, 1),
    ]


def test_mapped_addresses_are_ipv4() -> None:
    mapped = ip("::ffff:10.0.0.1", "::ffff:10.0.0.2", 6, tcp(40_000, 80, 1, 1, ACK))
    got = track(paced([ethernet(mapped, 0x86DD), tcp_frame((A, 40_000), (B, 80), 1, 1, ACK)]))
    assert [flow["src"] for flow in got.flows] == [(A, 40_000)]


def test_many_small_batches_cost_no_more_than_few() -> None:
    """With thousands of open flows a batch of one packet must not look at all of them."""

    def trickled(size: int) -> None:
        crowd = [at(0, ask(1_024 + i % 60_000, 9_999, f"10.9.{i >> 16}.1")) for i in range(10 * size)]
        trickle = [at(1 + i / 10_000, ask(40_000, 9_999)) for i in range(size)]
        track([*crowd, *trickle], range(len(crowd), len(crowd) + len(trickle)))

    assert_linear(trickled, 1_000 if not RUNS_PURE else 25)
