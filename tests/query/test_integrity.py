"""Packet counts of flows against the packet index, where 802.11 frames carry packets of several flows."""

from pathlib import Path

import duckdb
import pytest

from rustnet.query.integrity import check
from rustnet.query.session import open_session
from tests.engine.link_cases import aggregate, datagram, subframe
from tests.support.packets import ethernet, ip, udp
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

FRAME = aggregate(subframe(datagram(1_001, b"one")), subframe(datagram(1_002, b"two!")))
CAPWAP = bytes((0, 0x10, 0x01, 0, 0, 0, 0, 0))
INSIDE = ethernet(ip("192.0.2.1", "198.51.100.2", 17, udp(5_247, 5_247, CAPWAP + FRAME)))
TUNNEL = b"\0\0\x08\0" + datagram(1_003, b"x")
GRE = ethernet(ip("192.0.2.1", "198.51.100.2", 47, TUNNEL))
PLAIN = ethernet(datagram(1_004, b"x"))


def is_sound(session: Path) -> bool:
    with open_session(str(session)) as reader:
        return all(finding.ok for finding in check(reader))


@pytest.mark.parametrize(
    ("frames", "link", "changed", "sound"),
    [
        ([FRAME, FRAME], 105, "", True),
        ([INSIDE, PLAIN], 1, "", True),
        ([GRE, PLAIN], 1, "", True),
        ([FRAME, FRAME], 105, "src_bytes = src_bytes + 1", False),
        ([INSIDE, PLAIN], 1, "src_bytes = src_bytes + 1000", False),
        ([FRAME, FRAME], 105, "src_packets = 0", False),
        ([GRE, PLAIN], 1, "src_packets = 2", False),
        ([PLAIN], 1, "src_packets = 2", False),
    ],
)
def test_counts_of_flows(tmp_path: Path, frames: list[bytes], link: int, changed: str, sound: bool) -> None:
    session = tmp_path / "s.duckdb"
    replay(session, write_pcap(tmp_path / "air.pcap", frames, link)).con.close()
    if changed:
        with duckdb.connect(str(session)) as con:
            con.execute(f"UPDATE flows_ended SET {changed} WHERE src_port IN (1001, 1003, 1004)")
    assert is_sound(session) == sound
