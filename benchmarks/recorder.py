"""What the recorder costs beside many sockets: ``python -m benchmarks.recorder``.

Holds open TCP sockets on loopback, runs ``sidecar/record.py`` beside them, and prints its share of one core, quiet and
while short connections come and go.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RECORDER = Path(__file__).resolve().parent.parent / "sidecar" / "record.py"


def hold(sockets: int) -> list[socket.socket]:
    """Open a listener and so many sockets, both ends of connections to it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < sockets + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, sockets + 100), hard))
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    held = [server]
    for _ in range(sockets // 2):
        held.append(socket.create_connection(server.getsockname()))
        held.append(server.accept()[0])
    return held


def connections(rate: float, stop: threading.Event) -> None:
    """Open connections of five milliseconds at a rate, in this process."""
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    while not stop.wait(max(1 / rate - 0.005, 0)):
        with socket.create_connection(server.getsockname()), server.accept()[0]:
            time.sleep(0.005)
    server.close()


def measure(python: str, seconds: float, rate: float, options: list[str]) -> dict[str, float]:
    """Run the recorder for so long; its processor time, memory and what it says of itself."""
    stop = threading.Event()
    busy = threading.Thread(target=connections, args=(rate, stop), daemon=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "x.jsonl"
        command = [python, str(RECORDER), "-o", str(out), "--duration", str(seconds), *options]
        if rate:
            busy.start()
        recorder = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _, _, used = os.wait4(recorder.pid, 0)
        stop.set()
        said = json.loads(out.with_name("x.meta.json").read_text("utf-8"))
    return {
        "percent_of_a_core": round(100 * (used.ru_utime + used.ru_stime) / seconds, 1),
        "peak_mib": round(used.ru_maxrss / 1024, 1),
        **{name: said[name] for name in ("mean_poll_ms", "slowest_poll_ms", "sockets", "unowned", "owned_by_packet")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--python", default=sys.executable, help="interpreter to run the recorder with")
    parser.add_argument("options", nargs="*", help="options of the recorder, behind --")
    given = parser.parse_args()
    held = hold(given.sockets)
    print(f"{len(held)} TCP sockets held; {given.seconds:g} s each; {given.python}")
    for words, rate in (("nothing new", 0.0), ("20 connections of 5 ms a second", 20.0), ("100 a second", 100.0)):
        print(f"{words}: {measure(given.python, given.seconds, rate, given.options)}", flush=True)


if __name__ == "__main__":
    main()
