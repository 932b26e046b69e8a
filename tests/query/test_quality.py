"""`bufferbloat`, `rate-limits` and `path-quality` on transfers over known paths: planted values, and what has none."""

import itertools
import math
import statistics
from pathlib import Path as File
from typing import Any

import pytest

from rustnet.query.catalogue import load
from rustnet.query.session import FileSession
from tests.support.packets import START, Captured, ip_frame
from tests.support.paths import SAMPLES
from tests.support.pcap import pcap_file
from tests.support.sessions import replay
from tests.support.transfer import Path, Sender, Transfer

QUERIES = load()
SECOND = 1_000_000_000


def ask(session: File, query: str, **given: str) -> list[dict[str, Any]]:
    """Rows of a saved query."""
    result = QUERIES[query].execute(FileSession(session), given)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def judged(folder: File, query: str, packets: list[Captured], **given: str) -> list[dict[str, Any]]:
    """Rows of a saved query about a capture."""
    (folder / "a.pcap").write_bytes(pcap_file(sorted(packets, key=lambda packet: packet.ts)))
    replay(folder / "s.duckdb", folder / "a.pcap").con.close()
    return ask(folder / "s.duckdb", query, **given)


def one(folder: File, query: str, transfer: Transfer) -> dict[str, Any]:
    """The only row."""
    (row,) = judged(folder, query, transfer.run())
    return row


# ---- bufferbloat -----------------------------------------------------------------------------------------------------


SCALE = [("A+", 5), ("A", 30), ("B", 60), ("C", 200), ("D", 400), ("F", math.inf)]


@pytest.mark.parametrize(
    ("queue", "rate"),
    [*itertools.product([0.06, 0.25], [1e6, 10e6, 50e6, 100e6]), *itertools.product([0.6], [1e6, 10e6])],
)
def test_a_queue_is_found_and_graded(tmp_path: File, queue: float, rate: float) -> None:
    version, upload, at_sender = (6 if queue == 0.06 else 4), rate == 10e6, rate in (1e6, 50e6)
    seconds = 8 if rate < 50e6 else 3
    path = Path(rate=rate, queue=queue, delay=0.02)
    transfer = Transfer(path, Sender(seconds=seconds), upload=upload, at_sender=at_sender, version=version)
    row = one(tmp_path, "bufferbloat", transfer)
    waited = 1_000 * statistics.median(wait for at, wait in transfer.waits if at > 0.25)
    assert row["direction"] == ("upload" if upload else "download")
    assert row["measured_on"] == "loading flows"
    assert row["baseline_ms"] == pytest.approx(20, rel=0.2)
    packet_ms = 1_514 * 8 / rate * 1_000
    assert row["increase_ms"] == pytest.approx(waited, rel=0.2, abs=2 * packet_ms)
    assert row["loaded_p95_ms"] <= 1_050 * (queue + 0.02)
    assert row["grade"] == next(grade for grade, below in SCALE if row["increase_ms"] < below)
    assert row["flow_ids"] == [1]


@pytest.mark.parametrize("at_sender", [True, False])
def test_a_short_queue_has_a_good_grade(tmp_path: File, at_sender: bool) -> None:
    path = Path(rate=10e6, queue=0.012, delay=0.03)
    row = one(tmp_path, "bufferbloat", Transfer(path, Sender(seconds=5), at_sender=at_sender))
    assert row["grade"] in {"A+", "A"}
    assert row["retransmissions"] > 0
    assert row["increase_ms"] <= 12


@pytest.mark.parametrize(
    ("sender", "words"),
    [
        (Sender(seconds=4, pace=3e6), "nothing shows that the path was full"),
        (Sender(seconds=4, window=60_000), "nothing shows that the path was full"),
        (Sender(seconds=4, pace=4e6, chunk=100_000), "nothing shows that the path was full"),
        (Sender(seconds=0.5, pace=40e6), "less than a second"),
    ],
    ids=["paced", "window", "chunks", "short"],
)
@pytest.mark.parametrize("at_sender", [True, False])
def test_a_path_that_was_not_full_has_no_grade(tmp_path: File, sender: Sender, words: str, at_sender: bool) -> None:
    path = Path(rate=100e6, queue=0.2, delay=0.03)
    row = one(tmp_path, "bufferbloat", Transfer(path, sender, at_sender=at_sender))
    assert row["grade"] is None
    assert row["confidence"] is None
    assert any(part in row["note"] for part in (words, "samples only", "no round trip over the whole path"))


def test_where_no_round_trip_covers_the_path_there_is_no_grade(tmp_path: File) -> None:
    path = Path(rate=10e6, queue=0.25, delay=0.03)
    row = one(tmp_path, "bufferbloat", Transfer(path, Sender(seconds=4), at_sender=False, stamps=False))
    assert row["grade"] is None
    assert "no grade" in row["note"]


def test_few_samples_are_no_grade(tmp_path: File) -> None:
    path = Path(rate=4e6, queue=0.3, delay=0.02)
    (row,) = judged(tmp_path, "bufferbloat", Transfer(path, Sender(seconds=4)).run(), samples="1000")
    assert row["grade"] is None
    assert row["note"] == f"{row['loaded_samples']} samples only: no grade"


def echoes(seconds: float, rtt: Any, remote: str) -> list[Captured]:
    """Five pings a second from the local end; ``rtt`` gives the seconds that the one at a time takes."""
    made = []
    for number in range(int(seconds * 5)):
        at = number * 0.2
        for after, kind, ends in ((0, 8, ("192.168.1.10", remote)), (rtt(at), 0, (remote, "192.168.1.10"))):
            message = bytes([kind, 0, 0, 0, 0, 9, number >> 8, number & 255]) + bytes(32)
            made.append(Captured(START + round((at + after) * SECOND), ip_frame(*ends, 1, message)))
    return made


@pytest.mark.parametrize(("remote", "measured_on"), [("198.51.100.20", "same path"), ("203.0.113.7", "other paths")])
def test_others_are_graded_by_themselves(tmp_path: File, remote: str, measured_on: str) -> None:
    """A fair queue: the transfer waits in its own queue, pings hardly do."""
    path = Path(rate=8e6, queue=0.25, delay=0.02)
    transfer = Transfer(path, Sender(seconds=5), begins=3).run()
    pings = echoes(9, lambda at: 0.033 if 3.2 < at < 8 else 0.03, remote)
    rows = {row["measured_on"]: row for row in judged(tmp_path, "bufferbloat", transfer + pings)}
    assert set(rows) == {"loading flows", measured_on}
    assert rows["loading flows"]["grade"] in {"C", "D"}
    other = rows[measured_on]
    assert (other["grade"], other["measured_by"], other["confidence"]) == ("A+", "echo", "medium")
    assert other["increase_ms"] == pytest.approx(3, rel=0.2)
    assert other["baseline_ms"] == pytest.approx(30, rel=0.01)
    assert other["idle_samples"] >= 5
    assert other["note"] is None


# ---- rate limits -----------------------------------------------------------------------------------------------------

SHAPED = [(2e6, 200_000, 0.02), (8e6, 300_000, 0.05), (30e6, 1_000_000, 0.02), (100e6, 3_000_000, 0.01)]


@pytest.mark.parametrize(("rate", "burst", "delay"), SHAPED)
@pytest.mark.parametrize("at_sender", [True, False])
def test_a_shaper_is_found(tmp_path: File, rate: float, burst: int, delay: float, at_sender: bool) -> None:
    path = Path(rate=rate, burst=burst, delay=delay, queue=0.2)
    upload, version = rate == 8e6, 6 if rate == 30e6 else 4
    seconds = 3 if rate > 50e6 else 7
    row = one(tmp_path, "rate-limits", Transfer(path, Sender(seconds), upload, at_sender, version))
    assert row["rate_limit"] == "shaping"
    assert row["direction"] == ("upload" if upload else "download")
    assert row["rate_mbit"] == pytest.approx(rate / 1e6, rel=0.1)
    assert row["burst_bytes"] == pytest.approx(burst, rel=0.2)
    assert row["baseline_ms"] == pytest.approx(delay * 1_000, rel=0.2)


POLICED = [(2e6, 80_000, 0.02), (5e6, 150_000, 0.01), (20e6, 600_000, 0.01), (100e6, 3_000_000, 0.01)]


@pytest.mark.parametrize(("rate", "burst", "delay"), POLICED)
@pytest.mark.parametrize("at_sender", [True, False])
def test_a_policer_is_found(tmp_path: File, rate: float, burst: int, delay: float, at_sender: bool) -> None:
    path = Path(rate=rate, burst=burst, delay=delay)
    seconds = 4 if rate > 50e6 else 8
    row = one(tmp_path, "rate-limits", Transfer(path, Sender(seconds), at_sender=at_sender))
    assert row["rate_limit"] == "policing"
    assert row["rate_mbit"] == pytest.approx(rate / 1e6, rel=0.2)
    assert row["burst_bytes"] == pytest.approx(burst, rel=0.25)
    assert row["loss_percent"] > 1
    assert row["first_loss_ts"] < row["last_loss_ts"]
    assert "looks alike" in row["note"]


@pytest.mark.parametrize("rate", [1e6, 8e6, 50e6])
def test_a_slow_link_is_no_token_bucket(tmp_path: File, rate: float) -> None:
    row = one(tmp_path, "rate-limits", Transfer(Path(rate=rate, queue=0.2, delay=0.03), Sender(seconds=6)))
    assert row["rate_limit"] == "bottleneck"
    assert row["burst_bytes"] is None
    assert row["rate_mbit"] == pytest.approx(rate / 1e6, rel=0.1)


def test_connections_that_share_a_limit_are_one_row(tmp_path: File) -> None:
    """Two transfers at half the rate each, as two customers of one bucket would have."""
    path = Path(rate=4e6, queue=0.2, delay=0.03)
    both = [Transfer(path, Sender(seconds=6), port=port, seed=port).run() for port in (40_000, 40_001)]
    (row,) = judged(tmp_path, "rate-limits", both[0] + both[1])
    assert row["flow_ids"] == [1, 2]
    assert row["rate_mbit"] == pytest.approx(8, rel=0.1)


UNLIMITED = {
    "paced": (Path(rate=100e6, queue=0.1, delay=0.03), Sender(seconds=5, pace=4e6)),
    "paced with loss": (Path(rate=100e6, queue=0.1, delay=0.03, loss=0.01), Sender(seconds=5, pace=4e6)),
    "chunks": (Path(rate=100e6, queue=0.1, delay=0.03), Sender(seconds=5, pace=4e6, chunk=100_000)),
    "window": (Path(rate=100e6, queue=0.1, delay=0.03), Sender(seconds=5, window=100_000)),
    "slow start": (Path(rate=200e6, queue=0.1, delay=0.03), Sender(seconds=0.25)),
    "loss 1 %": (Path(rate=500e6, queue=0.1, delay=0.03, loss=0.01), Sender(seconds=6)),
    "loss 0.1 %": (Path(rate=500e6, queue=0.1, delay=0.03, loss=0.001), Sender(seconds=5)),
    "loss 0.3 %, far": (Path(rate=500e6, queue=0.1, delay=0.08, loss=0.003), Sender(seconds=6)),
    "short queue": (Path(rate=8e6, queue=0.01, delay=0.03), Sender(seconds=6)),
}


@pytest.mark.parametrize("name", UNLIMITED)
@pytest.mark.parametrize("at_sender", [True, False])
def test_what_is_not_limited_is_not_called_so(tmp_path: File, name: str, at_sender: bool) -> None:
    path, sender = UNLIMITED[name]
    for seed in (1, 2):
        for row in judged(tmp_path, "rate-limits", Transfer(path, sender, at_sender=at_sender, seed=seed).run()):
            assert row["rate_limit"] is None, row
            assert row["rate_mbit"] is None
            assert row["burst_bytes"] is None
            assert row["note"]


# ---- paths, samples --------------------------------------------------------------------------------------------------


def test_path_quality(tmp_path: File) -> None:
    path = Path(rate=8e6, queue=0.05, delay=0.03)
    made = Transfer(path, Sender(seconds=2), upload=True)
    (row,) = judged(tmp_path, "path-quality", made.run())
    assert (row["local_ip"], row["remote_ip"], row["flows"]) == ("192.168.1.10", "198.51.100.20", 1)
    assert row["handshake_p50_ms"] == pytest.approx(30, rel=0.01)
    assert row["min_rtt_ms"] == pytest.approx(30, rel=0.05)
    assert 30 < row["rtt_p50_ms"] < 85
    data = sum(1 for packet in made.packets if packet.wire > 1_000)
    assert row["sent_again_percent"] == pytest.approx(100 * made.retransmitted / data, rel=0.1)
    assert row["received_again_percent"] == 0
    assert row["note"] == "percentiles over 1 flow only"
    assert ask(tmp_path / "s.duckdb", "path-quality", host="192.0.2.1") == []


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, File]:
    """Sessions of the samples about the link's quality."""
    folder = tmp_path_factory.mktemp("quality")
    made = {}
    for name in ("bufferbloat", "short-queue", "policed", "paced"):
        made[name] = folder / f"{name}.duckdb"
        replay(made[name], SAMPLES / f"{name}.pcap.zst").con.close()
    return made


def test_samples_of_queues(samples: dict[str, File]) -> None:
    """Planted: 40 ms, and a queue of 250 ms or 15 ms at 4 Mbit/s."""
    deep = {row["measured_on"]: row for row in ask(samples["bufferbloat"], "bufferbloat")}
    short = {row["measured_on"]: row for row in ask(samples["short-queue"], "bufferbloat")}
    assert set(deep) == set(short) == {"loading flows", "same path"}
    for where in deep:
        assert deep[where]["grade"] == "C"
        assert deep[where]["baseline_ms"] == pytest.approx(40, rel=0.05)
        assert deep[where]["loaded_p95_ms"] - deep[where]["baseline_ms"] == pytest.approx(250, rel=0.2)
        assert short[where]["grade"] in {"A+", "A"}
        assert short[where]["increase_ms"] < 15
    (row,) = ask(samples["bufferbloat"], "rate-limits")
    assert row["rate_limit"] == "bottleneck"
    assert row["rate_mbit"] == pytest.approx(4, rel=0.05)
    (row,) = ask(samples["short-queue"], "rate-limits")
    assert row["rate_limit"] is None


def test_samples_of_limits(samples: dict[str, File]) -> None:
    """Planted: 8 Mbit/s and 250,000 bytes; a download that its own program slows down."""
    (row,) = ask(samples["policed"], "rate-limits")
    assert row["rate_limit"] == "policing"
    assert row["rate_mbit"] == pytest.approx(8, rel=0.1)
    assert row["burst_bytes"] == pytest.approx(250_000, rel=0.2)
    (row,) = ask(samples["policed"], "bufferbloat")
    assert row["grade"] in {"A+", "A"}
    (row,) = ask(samples["paced"], "rate-limits")
    assert row["rate_limit"] is None
    assert row["note"] == "neither loss nor queue: the application or the receive window sets the rate"
    assert [row["grade"] for row in ask(samples["paced"], "bufferbloat")] == [None]


def test_a_slow_link_with_chance_losses(tmp_path: File) -> None:
    """An older sample: 4 Mbit/s, 80 ms, 1.5 % loss: the sender is limited by its losses."""
    replay(tmp_path / "s.duckdb", SAMPLES / "slow-link.pcap").con.close()
    (row,) = ask(tmp_path / "s.duckdb", "rate-limits")
    assert row["rate_limit"] in {None, "bottleneck"}
