#!/usr/bin/python3
"""Make the sample captures: real programs talk in a lab of namespaces while tcpdump and the recorder watch.

Run as root on Debian 12 or newer::

    sample_pcaps/make.py                     # all of them, into this folder
    sample_pcaps/make.py --only ssh -o /tmp  # one, elsewhere
    sample_pcaps/make.py --figures           # count again what README.md says of the captures

Nothing outside is touched: the lab has its own network, processes and mounts, and ends with this program. The story,
the addresses and the names are the same in every run; ports, times, keys and losses of the moment are not.
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import LabError
from scenarios import SCENARIOS, play

HERE = Path(__file__).resolve().parent
NEEDED = {
    "ip": "iproute2", "ss": "iproute2", "unshare": "util-linux", "setpriv": "util-linux", "sysctl": "procps",
    "tcpdump": "tcpdump", "dumpcap": "wireshark-common", "nginx": "nginx-light", "nsd": "nsd", "curl": "curl",
    "dig": "bind9-dnsutils", "ssh": "openssh-client", "sshd": "openssh-server", "vsftpd": "vsftpd",
    "smtpd": "opensmtpd", "nmap": "nmap", "traceroute": "traceroute", "ping": "iputils-ping",
    "openssl": "openssl", "zstd": "zstd", "python3": "python3",
}  # fmt: skip
PR_SET_PDEATHSIG = 1
SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNSHARE = [
    "unshare",
    "--net",
    "--mount",
    "--pid",
    "--uts",
    "--ipc",
    "--cgroup",
    "--fork",
    "--mount-proc",
]
FIGURE = re.compile(r"^\| (?P<count>\d+) \| `(?P<filter>[^`]*)` \|", re.MULTILINE)


def complain() -> str | None:
    """Say what keeps the lab from being built, or None."""
    if os.geteuid():
        return "the lab needs namespaces: run as root"
    if not Path("/dev/net/tun").exists():
        return "the lab's switch needs /dev/net/tun: load the kernel module tun"
    missing = sorted({package for tool, package in NEEDED.items() if not shutil.which(tool, path=SBIN)})
    return f"programs are missing: apt-get install --no-install-recommends {' '.join(missing)}" if missing else None


def outside(names: list[str], folder: Path) -> int:
    """Build the lab in namespaces of its own, and bring out what it made."""
    with tempfile.TemporaryDirectory(prefix="rustnet-lab-") as made:
        inside = [sys.executable, str(Path(__file__).resolve()), "--inside", made]
        done = subprocess.run([*UNSHARE, *inside, *(f"--only={name}" for name in names)], check=False)
        for file in sorted(Path(made).iterdir()):
            shutil.copyfile(file, folder / file.name)
    return done.returncode


def inside(names: list[str], folder: Path) -> int:
    """Play the scenarios; this process is the first of its namespaces, and ends with the one outside."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    failed = 0
    for name in names:
        try:
            with tempfile.TemporaryDirectory(dir="/mnt") as place:
                capture = play(name, Path(place))
                for file in Path(place).iterdir():
                    shutil.copyfile(file, folder / file.name)
                print(f"{name}: {capture.name}, {(folder / capture.name).stat().st_size} bytes", flush=True)
        except (LabError, OSError, subprocess.SubprocessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
    return failed


def count(capture: Path, display_filter: str) -> int:
    """Count packets that pass a display filter (tshark), or with ``sidecar:`` its lines with these keys."""
    if display_filter.startswith("sidecar: "):
        wanted = [pair.split("=", 1) for pair in display_filter.removeprefix("sidecar: ").split()]
        lines = capture.with_name(capture.name + ".connections.jsonl").read_text("utf-8").splitlines()
        return sum(
            all(json.dumps(row.get(key)).strip('"') == value for key, value in wanted) for row in map(json.loads, lines)
        )
    words = ["tshark", "-n", "-r", str(capture), "-Y", display_filter or "frame", "-T", "fields", "-e", "frame.number"]
    return len(subprocess.run(words, check=False, capture_output=True, text=True).stdout.splitlines())


def figures() -> int:
    """Count anew every figure of README.md that stands beside a display filter."""
    readme = HERE / "README.md"
    parts = re.split(r"(?m)^(?=## )", readme.read_text("utf-8"))
    for number, part in enumerate(parts):
        title = re.match(r"## `([^`]+)`", part)
        if title:
            capture = HERE / title[1]
            parts[number] = FIGURE.sub(
                lambda row, capture=capture: f"| {count(capture, row['filter'])} | `{row['filter']}` |", part
            )
    readme.write_text("".join(parts), "utf-8")
    return 0


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Make the sample captures.")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="make this one (may be given again)")
    parser.add_argument("-o", "--output", type=Path, default=HERE, help="folder for the captures (default: this one)")
    parser.add_argument("--figures", action="store_true", help="count again what README.md says, with tshark")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.only or list(SCENARIOS)
    if options.figures:
        return figures()
    if options.inside:
        return inside(names, options.inside)
    complaint = complain()
    if complaint:
        print(f"make.py: {complaint}", file=sys.stderr)
        return 1
    return outside(names, options.output)


if __name__ == "__main__":
    sys.exit(main())
