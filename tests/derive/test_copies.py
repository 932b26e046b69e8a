"""Packets that two captures of the same time have are copies in the later one."""

from pathlib import Path

from tests.support.conversations import dns_flow, http_flow
from tests.support.packets import START, paced
from tests.support.pcap import pcap_file
from tests.support.sessions import ReplayedSession, replay

DUPLICATES = "SELECT capture_id, sum(duplicates)::INTEGER FROM flows GROUP BY capture_id ORDER BY capture_id"
MARKED = "SELECT capture_id, number FROM packets WHERE duplicate ORDER BY capture_id, number"


def two(folder: Path, second: list[bytes], late: int) -> ReplayedSession:
    """A session of two files; the second one begins ``late`` nanoseconds later."""
    frames = http_flow() + dns_flow()
    (folder / "a.pcap").write_bytes(pcap_file(paced(frames)))
    (folder / "b.pcap").write_bytes(pcap_file(paced(second, start=START + late)))
    return replay(folder / "s.duckdb", folder / "a.pcap", folder / "b.pcap", join="never")


def test_one_link_in_two_files(tmp_path: Path) -> None:
    session = two(tmp_path, http_flow() + dns_flow(), 5_000)
    assert session.ask(DUPLICATES) == [(1, 0), (2, 10)]
    assert session.ask("SELECT duplicates FROM captures ORDER BY capture_id") == [(0,), (10,)]
    assert session.ask(MARKED) == [(2, number) for number in range(1, 11)]


def test_packets_of_which_only_some_are_copies(tmp_path: Path) -> None:
    session = two(tmp_path, [*http_flow()[:4], *dns_flow(), *http_flow(port=41_000)], 5_000)
    assert session.ask(MARKED) == [(2, number) for number in range(1, 7)]
    assert session.ask("SELECT src_port, duplicates FROM flows WHERE capture_id = 2 ORDER BY src_port") == [
        (40_000, 4), (41_000, 0), (50_000, 2)
    ]  # fmt: skip


def test_the_same_conversation_at_another_time_is_no_copy(tmp_path: Path) -> None:
    assert two(tmp_path, http_flow(), 3_600 * 10**9).ask(MARKED) == []


def test_halves_of_a_tap_are_no_copies(tmp_path: Path) -> None:
    frames = http_flow()
    client = bytes([10, 0, 0, 2])
    for name, sent in (("rx", False), ("tx", True)):
        part = [p for p in paced(frames) if (p.data[26:30] == client) is sent]
        (tmp_path / f"{name}.pcap").write_bytes(pcap_file(part))
    session = replay(tmp_path / "s.duckdb", tmp_path / "rx.pcap", tmp_path / "tx.pcap")
    assert session.ask(MARKED) == []
