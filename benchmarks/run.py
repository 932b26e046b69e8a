"""Measure rustnet on captures that this program makes: ``python -m benchmarks.run``.

Results go to standard output as a table, and to ``benchmarks/out/results.json`` with the facts of the machine.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks import captures, measure  # noqa: E402
from rustnet import __version__  # noqa: E402
from rustnet.dissect.registry import DISSECTORS  # noqa: E402
from rustnet.engine import tracker as engine_module  # noqa: E402
from rustnet.enrich.services import server_ranks  # noqa: E402
from rustnet.sources.files import reread  # noqa: E402

OUT = Path(__file__).parent / "out"
GOALS = {
    "engine_ns_per_packet": 100,
    "help_ms": 150,
    "hundred_packets_s": 1.0,
    "scaling_time": 8.5,
    "scaling_memory": 1.3,
    "peak_mib": 600,
}


def machine() -> dict[str, object]:
    """What the figures depend on; no names, no paths."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = (line for line in cpuinfo.read_text("utf-8").splitlines() if line.startswith("model name"))
        model = next(lines, "").partition(":")[2].strip()
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "memory_mib": pages * 4_096 >> 20,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "numpy": np.__version__,
        "rustnet": __version__,
        "compiled": not str(engine_module.__file__).endswith(".py"),
    }


def measure_capture(path: Path, packets: int, session: Path, repeats: int) -> dict[str, object]:
    """Everything about one capture."""
    size = path.stat().st_size
    ports = server_ranks([port for dissector in DISSECTORS for port in dissector.ports])
    read = min(measure.reading(path, repeats))
    core = measure.engine(lambda: reread(str(path)).batches(), ports, repeats)
    kept = measure.in_memory(path)
    cold = measure.engine(lambda: kept, ports, repeats)
    whole = measure.median(measure.replay(path, session, repeats))
    return {
        "packets": packets,
        "bytes": size,
        "reading_ns_per_packet": read / packets * 1e9,
        "reading_mb_per_s": size / read / 1e6,
        "engine_ns_per_packet": min(core) / packets * 1e9,
        "engine_cold_ns_per_packet": min(cold) / packets * 1e9,
        "engine_seconds": measure.spread(core),
        "replay_s": whole.seconds,
        "replay_cpu_s": whole.cpu_seconds,
        "replay_packets_per_s": packets / whole.seconds,
        "replay_mb_per_s": size / whole.seconds / 1e6,
        "replay_peak_mib": whole.peak_bytes / (1 << 20),
        "session_bytes": session.stat().st_size,
    }


def measure_start(folder: Path, session: Path) -> dict[str, float]:
    """What a user waits for before anything happens."""
    small = folder / "small.pcap"
    captures.mix(small, 100)
    helped = [measure.process("--help").seconds for _ in range(7)]
    hundred = [run.seconds for run in measure.replay(small, session, 5)]
    return {"help_ms": min(helped) * 1e3, "hundred_packets_s": min(hundred)}


def measure_scaling(folder: Path, session: Path, packets: int, repeats: int) -> dict[str, float]:
    """A file of the mix, and one of eight times its packets."""
    one, eight = folder / "one.pcap", folder / "eight.pcap"
    captures.mix(one, packets)
    captures.mix(eight, packets * 8)
    few = measure.median(measure.replay(one, session, repeats))
    many = measure.median(measure.replay(eight, session, repeats))
    return {
        "packets": packets,
        "one_s": few.seconds,
        "eight_s": many.seconds,
        "scaling_time": many.seconds / few.seconds,
        "scaling_memory": many.peak_bytes / few.peak_bytes,
    }


def table(results: dict[str, dict[str, object]]) -> str:
    """Results for people."""
    lines = [f"{'':<26}{'mix':>14}{'bulk':>14}"]
    mix, bulk = results["mix"], results["bulk"]
    for name, form in (
        ("packets", ",.0f"),
        ("bytes", ",.0f"),
        ("reading_ns_per_packet", ",.1f"),
        ("reading_mb_per_s", ",.0f"),
        ("engine_ns_per_packet", ",.1f"),
        ("engine_cold_ns_per_packet", ",.1f"),
        ("replay_s", ",.2f"),
        ("replay_packets_per_s", ",.0f"),
        ("replay_mb_per_s", ",.0f"),
        ("replay_peak_mib", ",.0f"),
        ("session_bytes", ",.0f"),
    ):
        lines.append(f"{name:<26}{mix[name]:>14{form}}{bulk[name]:>14{form}}")
    lines.append("")
    for group in ("start", "scaling"):
        for name, value in results[group].items():
            goal = f"  (goal: at most {GOALS[name]})" if name in GOALS else ""
            lines.append(f"{name:<26}{value:>14,.2f}{goal}")
    return "\n".join(lines)


def profile(folder: Path, packets: int) -> int:
    """Where the time goes: functions of a whole ingest by cProfile, and machine code of the engine by perf."""
    path = folder / "mix.pcap"
    captures.mix(path, packets)
    whole = "import cProfile, pstats, sys; from pathlib import Path; "
    whole += "from rustnet.ingest.road import ingest; from rustnet.ingest.report import Options; "
    whole += "p = cProfile.Profile(); p.runcall(ingest, [sys.argv[1]], Path(sys.argv[2]), Options()); "
    whole += "pstats.Stats(p).sort_stats('tottime').print_stats(30)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", whole, str(path), str(folder / "s.duckdb")], env=environment, check=True)
    if shutil.which("perf") is None:
        sys.stdout.write("perf is not installed: no profile of the compiled code\n")
        return 0
    core = "import sys; from benchmarks import measure; from rustnet.sources.files import reread; "
    core += "measure.engine(lambda: reread(sys.argv[1]).batches(), bytes(65536), 10)"
    data = str(folder / "perf.data")
    record = ["perf", "record", "-q", "-e", "cycles:u", "-o", data, sys.executable, "-c", core, str(path)]
    subprocess.run(record, env=environment, check=True)
    report = [
        "perf",
        "report",
        "-i",
        data,
        "--stdio",
        "--no-children",
        "-q",
        "--percent-limit",
        "1",
        "-F",
        "overhead,symbol",
    ]
    subprocess.run(report, env=environment, check=True)
    return 0


def main() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=400_000, help="packets of the mix")
    parser.add_argument("--bulk-packets", type=int, default=200_000, help="packets of the bulk transfers")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rustnet-bench-") as name:
        folder = Path(name)
        if chosen.profile:
            return profile(folder, chosen.packets)
        session = folder / "session.duckdb"
        mix, bulk = folder / "mix.pcap", folder / "bulk.pcap"
        counts = captures.mix(mix, chosen.packets), captures.bulk(bulk, chosen.bulk_packets)
        results: dict[str, dict[str, object]] = {
            "mix": measure_capture(mix, counts[0], session, chosen.repeats),
            "bulk": measure_capture(bulk, counts[1], session, chosen.repeats),
            "start": dict(measure_start(folder, session)),
            "scaling": dict(measure_scaling(folder, session, chosen.packets // 4, min(3, chosen.repeats))),
        }
    sys.stdout.write(table(results) + "\n")
    OUT.mkdir(exist_ok=True)
    recorded = {"machine": machine(), "goals": GOALS, **results}
    (OUT / "results.json").write_text(json.dumps(recorded, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
