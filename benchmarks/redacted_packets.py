"""Redacts captures, replays what was written, and compares: ``python -m benchmarks.redacted_packets [DIR|FILE…]``.

For each capture: packets per second of rewriting, flows whose shape differs, malformed packets and wrong checksums that
tshark reports before and after, and original values that it still decodes.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rustnet.export.redacted_packets.counts import PacketCounts
from rustnet.policy.redaction import POLICIES, Policy, Redactor, key_of_passphrase
from tests.support.redacted_captures import compare, problems, redact, replay


def captures(places: list[str]) -> list[Path]:
    """Captures in directories, and files."""
    found: list[Path] = []
    for place in map(Path, places):
        found += (
            [place]
            if place.is_file()
            else [p for p in sorted(place.rglob("*")) if ".pcap" in p.name or p.suffix == ".cap"]
        )
    named = [path for path in found if ".pcap" in path.name or path.suffix == ".cap"]
    return [path for path in named if path.suffix not in (".jsonl", ".json")]


def speed(path: Path, policy: str) -> None:
    """Print how fast one capture is rewritten."""
    with tempfile.TemporaryDirectory() as folder:
        session, target = Path(folder) / "s.duckdb", Path(folder) / "r.pcapng"
        replay(path, session)
        begun = time.perf_counter()
        counts: PacketCounts = redact(
            session, Redactor(key_of_passphrase("benchmark of packets"), POLICIES[policy]), target, path
        )
        seconds = time.perf_counter() - begun
        print(f"{path.name}: {counts.packets:,} packets in {seconds:.2f} s, {counts.packets / seconds:,.0f} packets/s")
        print(counts)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", nargs="*", default=["sample_pcaps"])
    parser.add_argument("--policy", default="share")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--no-tshark", action="store_true")
    given = parser.parse_args()
    paths = captures(given.places)[:: given.step]
    if given.speed:
        for path in paths:
            speed(path, given.policy)
        return 0
    return run(paths[: given.limit or None], POLICIES[given.policy], with_tshark=not given.no_tshark)


def run(paths: list[Path], policy: Policy, *, with_tshark: bool) -> int:
    """Compare captures, and print those with differences."""
    redactor = Redactor(key_of_passphrase("benchmark of packets"), policy)
    bad: Counter[str] = Counter()
    total = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            try:
                result = compare(path, Path(folder), redactor, with_tshark=with_tshark)
            except AssertionError as problem:
                print(f"{path.name}: not replayed: {problem}"[:200])
                continue
        total += 1
        wrong = problems(result)
        for each in wrong:
            bad[each.split()[0]] += 1
        if wrong:
            print(f"{path.name} ({result.packets} packets): {'; '.join(wrong)}", flush=True)
    print(f"{total} captures; with differences: {dict(bad)}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
