"""Every flow has one owner, whichever of its packets is looked at."""

from pathlib import Path

import numpy as np
import pytest

from rustnet.engine.numbers import EVERYONE, WANTED_SIZE
from rustnet.engine.shares import Division
from rustnet.engine.tracker import Tracker
from rustnet.sources.files import open_source
from rustnet.sources.frames import zeros

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(
    path for path in (ROOT / "sample_pcaps").iterdir() if ".pcap" in path.name and ".json" not in path.name
)
CORPUS = ROOT.parent / "shared" / "corpus"


class Nobody:
    def undecoded(self, *_: object) -> None: ...

    def close(self, *_: object) -> None: ...


def owners(path: Path, count: int) -> dict[int, set[int]]:
    """Owners of each flow's packets."""
    tracker = Tracker(Nobody(), bytes(WANTED_SIZE), bytes(65_536))
    division = Division(count)
    found: dict[int, set[int]] = {}
    source = open_source(str(path))
    try:
        for frames in source.batches():
            whose = zeros(max(frames.count, 1), np.uint8)
            division.divide(frames, whose)
            tracker.feed(frames)
            flows = tracker.index.arrays["flow_id"][: frames.count].tolist()
            for flow_id, owner in zip(flows, whose, strict=False):
                found.setdefault(flow_id, set()).add(owner)
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


def test_flows_are_spread() -> None:
    found = owners(ROOT / "sample_pcaps" / "scan.pcap.zst", 4)
    counts = [sum(whose == {owner} for whose in found.values()) for owner in range(4)]
    assert min(counts) > len(found) / 8


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public captures are not beside the project")
def test_one_owner_in_odd_captures() -> None:
    for path in sorted(CORPUS.rglob("*.pcap")):
        for flow_id, whose in owners(path, 3).items():
            # What comes whole out of fragments is followed by everyone until its ports are known.
            assert len(whose - {EVERYONE}) <= 1, (path.name, flow_id, whose)
