"""A live source without packets: its clock ends flows and ages states, and readers see that."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rustnet.analysis.capture import Analysis
from rustnet.analysis.workers import Workers
from rustnet.dissect import registry
from rustnet.ingest import capture as capture_module
from rustnet.ingest.capture import CaptureIngest
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.stop import StopToken
from rustnet.policy.timeouts import IdleTimeouts
from rustnet.sources.frames import Damage, Frames, InputFile, Interface, SourceInfo
from rustnet.sources.limits import Limits
from rustnet.store.cadence import Cadence
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer
from tests.engine.tracking import batch
from tests.support.packets import SECOND, START, SYN, Captured, tcp_frame, udp_frame

OFTEN = Cadence(seconds=0.0, packets=1, rows=1, share=1.0)
A, B = "10.0.0.1", "10.0.0.2"
UDP = IdleTimeouts().udp
Step = tuple[float, bytes | None]


class Quiet:
    """Packets at given seconds, each followed by the clock of given seconds."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.ring: Sequence[Frames] = ()
        self.info = SourceInfo("test0", "live", "live", complete=True)
        self.interfaces = [Interface(1, name="test0")]
        self.damage: list[Damage] = []
        self.files: list[InputFile] = []
        self.limits = Limits()
        self.steps = steps

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        number = 1
        for turn, (seconds, data) in enumerate(self.steps):
            at = START + int(seconds * SECOND)
            if data is None:
                frames = Frames(0, 0)
                frames.clock = at
            else:
                made = batch([Captured(at, data)], number)
                frames = self.ring[turn % len(self.ring)] if self.ring else made
                if frames is not made:
                    frames.buffer[: len(data)] = data
                    frames.data, frames.count, frames.first_number = frames.buffer, 1, number
                    for name in ("offset", "captured", "length", "ts", "link", "interface"):
                        getattr(frames, name)[0] = getattr(made, name)[0]
                number += 1
            yield frames

    def position(self) -> int:
        return 0

    def close(self) -> None:
        pass


STATES = "SELECT dst_port, state, end_reason FROM flows ORDER BY ALL"


def states(path: Path, steps: Sequence[Step], workers: int) -> list[list[tuple[object, ...]]]:
    """All flows with state and end after each flush, and at the end."""
    seen: list[list[tuple[object, ...]]] = []
    writer = Writer(
        str(path), registry.tables(), cadence=OFTEN, on_flush=lambda con, _: seen.append(con.execute(STATES).fetchall())
    )
    capture = Capture(1, "test0", "live", "live")
    writer.begin_capture(capture)
    source = Quiet(steps)
    outlet = WriterOutlet(writer, 1, None)
    shared = Workers(workers, dissect=True, cadence=OFTEN) if workers else None
    try:
        if shared is not None:
            source.ring = shared.ring
        analysis = shared.begin(1, 1) if shared is not None else Analysis(1, 1)
        outcome = CaptureIngest(outlet, source, capture, analysis, StopToken(), OFTEN).run()
    finally:
        if shared is not None:
            shared.close()
    writer.end_capture(outcome.capture)
    assert outcome.capture.last_ts == START + int(max(at for at, data in steps if data) * SECOND)
    seen.append(writer.query(STATES))
    writer.close()
    return seen


@pytest.mark.parametrize("workers", [0, 2])
def test_states_age_and_flows_end_without_packets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(capture_module, "QUIET_SECONDS", 0.0)
    asked = udp_frame((A, 5000), (B, 9999), b"?")
    opened = tcp_frame((A, 5001), (B, 81), 1, 0, SYN)
    steps = [(0, asked), (0, opened), (1, None), (31, None), (UDP + 0.01, None), (UDP + 20, None), (UDP + 30, None)]
    seen = states(tmp_path / "s.duckdb", steps, workers)
    udp, tcp = [(9999, "UDP_ACTIVE", "open")], [(81, "SYN_SENT", "open")]
    idle = [(9999, "UDP_IDLE", "open")]
    ended = [(81, "SYN_SENT", "idle"), (9999, "UDP_STALE", "idle")]
    assert seen[:4] == [udp, tcp + udp, tcp + udp, tcp + idle]
    assert seen[-3:] == [ended, ended, ended]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_packet_after_a_pause_begins_a_flow_that_does_not_end_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(capture_module, "QUIET_SECONDS", 0.0)
    data = udp_frame((A, 5000), (B, 9999), b"?")
    steps = [(0, data), (1000, None), (999.9, data), (1001, None), (1002, data), (1003, None)]
    seen = states(tmp_path / "s.duckdb", steps, workers)
    assert seen[-1] == [(9999, "UDP_ACTIVE", "end"), (9999, "UDP_STALE", "idle")]


def test_quiet_flushes_are_rare(tmp_path: Path) -> None:
    steps: list[Step] = [(0, udp_frame((A, 5000), (B, 9999), b"?"))]
    steps += [(i / 10, None) for i in range(100)]
    assert len(states(tmp_path / "s.duckdb", steps, 0)) == 2, "one of the packet, and the end"
