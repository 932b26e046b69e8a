"""Every flow has one owner, whichever of its packets is looked at."""

from pathlib import Path

import numpy as np
import pytest

from rustnet.engine.listener import Listener
from rustnet.engine.numbers import (
    EVERYONE,
    GRE,
    ICMP,
    IPIP,
    L2TP,
    LISP_PORT,
    MAPPED,
    MPLS_IN_IP,
    OWNER,
    PIM,
    TCP,
    TZSP_PORT,
    UDP,
    VXLAN_GPE_PORT,
    WANTED_SIZE,
)
from rustnet.engine.packet import Packet
from rustnet.engine.shares import Division, owner
from rustnet.engine.tracker import Tracker
from rustnet.policy.timeouts import IDLE_TIMEOUTS
from rustnet.sources.files import open_source
from rustnet.sources.frames import zeros
from tests.support.paths import CORPUS, ROOT

SAMPLES = sorted(p for p in (ROOT / "sample_pcaps").glob("*.pcap*") if not p.name.endswith((".json", ".jsonl")))


def owners(path: Path, count: int) -> dict[int, set[int]]:
    """Owners of each flow's packets."""
    tracker = Tracker(Listener(), bytes(WANTED_SIZE), bytes(65_536), IDLE_TIMEOUTS)
    division = Division(count)
    found: dict[int, set[int]] = {}
    source = open_source(str(path))
    try:
        for frames in source.batches():
            whose = zeros(max(frames.count, 1), np.uint8)
            division.divide(frames, whose)
            tracker.feed(frames)
            flows = tracker.index.arrays["flow_id"][: frames.count].tolist()
            for flow_id, number in zip(flows, whose, strict=False):
                found.setdefault(flow_id, set()).add(number & OWNER)
            tracker.index.count = 0
    finally:
        source.close()
    return found


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_one_owner_for_each_flow(path: Path) -> None:
    found = owners(path, 3)
    assert found
    for flow_id, whose in found.items():
        assert len(whose - {EVERYONE}) <= 1, flow_id
        assert max(whose - {EVERYONE}, default=0) < 3


def packet(src: int, dst: int, src_port: int, dst_port: int, protocol: int = TCP) -> Packet:
    made = Packet()
    made.src_lo, made.dst_lo = MAPPED | src, MAPPED | dst
    made.src_port, made.dst_port = src_port, dst_port
    made.protocol, made.has_ports = protocol, 1
    return made


def test_tunnels_and_fragments_are_everyones() -> None:
    """Later fragments of IPv6 may name any protocol, the datagram's ports decide its owner."""
    for protocol in (GRE, IPIP, L2TP, MPLS_IN_IP, PIM):
        assert owner(packet(1, 2, 0, 0, protocol), 4) == EVERYONE
    for port in (VXLAN_GPE_PORT, LISP_PORT, TZSP_PORT):
        assert owner(packet(1, 2, 40_000, port, UDP), 4) == owner(packet(2, 1, port, 40_000, UDP), 4) == EVERYONE
    later = packet(1, 2, 0, 0, 59)
    later.version, later.fragment = 6, 1
    assert owner(later, 4) == EVERYONE


def test_both_directions_have_one_owner_and_flows_are_spread() -> None:
    counts = [0, 0, 0, 0]
    for port in range(40_000, 41_000):
        there, back = packet(1, 2, port, 443), packet(2, 1, 443, port)
        assert owner(there, 4) == owner(back, 4)
        counts[owner(there, 4)] += 1
    assert min(counts) > 150
    hosts = [owner(packet(host, 7, 50_000, 53, UDP), 4) for host in range(1_000)]
    assert min(hosts.count(number) for number in range(4)) > 150


def test_what_is_the_first_ones_and_what_is_everyones() -> None:
    tunnel, ping = packet(1, 2, 50_000, 4789, UDP), packet(1, 2, 0, 0, ICMP)
    fragment, cut = packet(1, 2, 0, 0), packet(1, 2, 0, 0)
    fragment.fragment, cut.has_ports = 1, 0
    assert [owner(each, 64) for each in (tunnel, ping, fragment, cut)] == [EVERYONE, 0, EVERYONE, EVERYONE]


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public captures are not beside the project")
def test_one_owner_in_odd_captures() -> None:
    for path in sorted(CORPUS.rglob("*.pcap")):
        for flow_id, whose in owners(path, 3).items():
            # What comes whole out of fragments is followed by everyone until its ports are known.
            assert len(whose - {EVERYONE}) <= 1, (path.name, flow_id, whose)
