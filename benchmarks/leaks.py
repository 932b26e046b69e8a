"""Exports captures redacted, with the leak scan, and lists what it reports: every line is a leak or a false alarm.

    python -m benchmarks.leaks DIRECTORY [--count 30] [--policy share --policy strict] [--format session --format pcapng]

Captures of up to 300 kB are taken at even distances from all in the directory.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LARGEST = 300_000
ENDINGS = (".pcap", ".pcapng", ".cap")
SECONDS = 300


def chosen(folder: Path, count: int) -> list[Path]:
    """Captures at even distances."""
    every = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS and 0 < path.stat().st_size < LARGEST)
    return [every[at * len(every) // count] for at in range(min(count, len(every)))]


def rustnet(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    command = [sys.executable, "-m", "rustnet", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL)


def main() -> None:
    """Export each capture under each policy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--policy", action="append")
    parser.add_argument("--format", action="append")
    given = parser.parse_args()
    formats = [word for each in given.format or ["session", "pcapng"] for word in ("--format", each)]
    clean = failed = 0
    with tempfile.TemporaryDirectory() as place:
        for number, capture in enumerate(chosen(given.folder, given.count)):
            session = f"{place}/{number}.duckdb"
            rustnet("replay", str(capture), "--db", session, "--no-tui")
            for policy in given.policy or ["share", "strict"]:
                begun = time.perf_counter()
                target = f"{place}/{number}-{policy}"
                done = rustnet("export", session, "--redact", policy, "--redact-key", "new", *formats, "-o", target)
                clean += done.returncode == 0
                failed += done.returncode != 0
                print(f"{capture.name} {policy}: exit {done.returncode}, {time.perf_counter() - begun:.1f} s", flush=True)
                if done.returncode:
                    print("    " + done.stderr.strip().replace("\n", "\n    "), flush=True)
    print(f"{clean} exports without a leak, {failed} with")


if __name__ == "__main__":
    main()
