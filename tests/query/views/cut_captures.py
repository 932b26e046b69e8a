"""Captures up to a packet: what a session shows at that packet's time is what a replay of so much shows at its end."""

import shutil
import struct
from pathlib import Path

from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest

SAMPLES = Path(__file__).resolve().parents[3] / "sample_pcaps"


def whole(folder: Path, name: str) -> Path:
    """Replay a sample with its sidecar; returns the session."""
    path = folder / "whole.duckdb"
    report = ingest([str(SAMPLES / name)], str(path), Options(workers=0))
    assert not report.failed
    return path


def first_packets(folder: Path, name: str, count: int) -> Path:
    """Replay the first packets of a sample with its sidecar; returns the session."""
    data = (SAMPLES / name).read_bytes()
    end = 24
    for _packet in range(count):
        end += 16 + struct.unpack_from("<I", data, end + 8)[0]
    (folder / name).write_bytes(data[:end])
    for sidecar in SAMPLES.glob(f"{name}.connections.*"):
        shutil.copy(sidecar, folder)
    path = folder / "part.duckdb"
    report = ingest([str(folder / name)], str(path), Options(workers=0))
    assert not report.failed
    return path
