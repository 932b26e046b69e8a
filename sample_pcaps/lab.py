"""A small network on one machine: hosts in namespaces of their own, joined by a switch in user space.

Every host has its own network, process, mount, host-name and control-group namespace, so that its recorder sees its
processes and nobody else's. Ports of the switch are TAP devices: frames are whole and their checksums real, and
delay, loss and rate need no kernel module. Everything lives inside the namespaces of one parent process; when that
ends, in whatever way, the kernel removes it all.
"""

import fcntl
import heapq
import os
import random
import select
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

WORK = Path("/mnt/lab")
RECORDER = Path(__file__).resolve().parent.parent / "sidecar" / "record.py"
PYTHON = "/usr/bin/python3"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
MTU, NATIVE_VLAN = 1500, 1
PEOPLE = "alice:x:1001:1001:Alice:/home/alice:/bin/sh\nbob:x:1002:1002:Bob:/home/bob:/bin/sh\n"
HOST_INIT = """
hostname "$1"
mount --bind "$2/etc" /etc
for place in /run /tmp /home /srv /var/spool /var/log /var/lib; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 1777 /tmp
mkdir -p /run/lab /run/sshd /run/nsd /run/vsftpd/empty /var/log/nginx /var/lib/nginx
mount --bind "$2" /run/lab
for who in alice bob; do install -d -o "$who" -g "$who" "/home/$who"; done
ip link set lo up
echo ready
while :; do sleep 3600 & wait; done
"""


class LabError(Exception):
    """The lab could not be built, or a program in it failed."""


def run(*command: str) -> str:
    """Run a command to its end and return what it said; LabError if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait until something is so; LabError after ``seconds``."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise LabError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


@dataclass
class Port:
    """One port of the switch, and what the cable behind it does."""

    handle: int
    delay: float
    """Seconds that a frame takes on this cable, in either direction."""
    loss: float
    """Share of the frames going out of this port that get lost."""
    rate: float
    """Bits per second out of this port; 0 is unlimited."""
    vlan: int
    queue: float = 0.25
    """Seconds of traffic that wait before the port drops; 0: it polices, and nothing waits."""
    burst: int = 0
    """Bytes that a policing port lets pass beyond its rate."""
    free_at: float = 0
    tokens: float = 0
    filled_at: float = 0


class Switch(threading.Thread):
    """Learns addresses, forwards within VLANs, and copies what comes in to a mirror port, tagged (802.1Q)."""

    def __init__(self, seed: int) -> None:
        super().__init__(daemon=True)
        self.ports: list[Port] = []
        self.mirror = -1
        self.learned: dict[tuple[int, bytes], Port] = {}
        self.pending: list[tuple[float, int, int, bytes]] = []
        self.random = random.Random(seed)
        self.order = 0
        self.wake_out, self.wake_in = os.pipe()
        self.running = True

    def run(self) -> None:
        """Forward frames until ``close`` is called."""
        while self.running:
            wait = max(self.pending[0][0] - time.monotonic(), 0) if self.pending else 1.0
            by_handle = {port.handle: port for port in self.ports}
            for handle in select.select([self.wake_out, *by_handle], [], [], wait)[0]:
                try:
                    frame = os.read(handle, 65536)
                except OSError:  # the host has gone, and its end of the cable with it
                    self.ports = [port for port in self.ports if port.handle != handle]
                    os.close(handle)
                    continue
                if handle in by_handle and len(frame) >= 14:
                    self._receive(by_handle[handle], frame)
            while self.pending and self.pending[0][0] <= time.monotonic():
                _, _, handle, frame = heapq.heappop(self.pending)
                self._send(handle, frame)

    @staticmethod
    def _send(handle: int, frame: bytes) -> None:
        try:
            os.write(handle, frame)
        except OSError:  # the port is down: the cable is out
            return

    def _receive(self, came: Port, frame: bytes) -> None:
        if self.mirror >= 0:
            tag = struct.pack(">HH", 0x8100, came.vlan) if came.vlan != NATIVE_VLAN else b""
            self._send(self.mirror, frame[:12] + tag + frame[12:])
        self.learned[came.vlan, frame[6:12]] = came
        known = self.learned.get((came.vlan, frame[:6]))
        for port in [known] if known else [one for one in self.ports if one.vlan == came.vlan]:
            if port is not came:
                self._queue(came, port, frame)

    def _queue(self, came: Port, port: Port, frame: bytes) -> None:
        now = time.monotonic()
        if port.loss and self.random.random() < port.loss:
            return
        if port.rate and not port.queue:
            port.tokens = min(port.burst, port.tokens + (now - port.filled_at) * port.rate / 8)
            port.filled_at = now
            if port.tokens < len(frame):
                return
            port.tokens -= len(frame)
            leaves = now
        else:
            start = max(now, port.free_at)
            if start - now > port.queue:
                return
            leaves = port.free_at = start + (len(frame) * 8 / port.rate if port.rate else 0)
        self.order += 1
        heapq.heappush(self.pending, (leaves + came.delay + port.delay, self.order, port.handle, frame))

    def close(self) -> None:
        """Stop forwarding."""
        self.running = False
        os.write(self.wake_in, b"x")
        self.join()
        for handle in [port.handle for port in self.ports] + [self.mirror] * (self.mirror >= 0):
            os.close(handle)


@dataclass
class Host:
    """A machine of the lab: namespaces, a folder (``/run/lab`` inside), and the programs that run in it."""

    name: str
    folder: Path
    parent: subprocess.Popen[str]
    pid: int
    """First process of its namespaces: when it ends, the kernel ends the others."""
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def enter(self, user: str | None = None) -> list[str]:
        """Give the words before a command that run it here, as root or as a user in its home."""
        words = ["nsenter", "-t", str(self.pid), "-a", f"--wdns=/home/{user}" if user else "--wdns=/"]
        if user:
            words += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "env", f"HOME=/home/{user}"]
        return words

    def run(self, *command: str, user: str | None = None, status: int | None = 0, seconds: float = 60) -> str:
        """Run a command to its end; LabError unless it ends with ``status`` (None: any)."""
        done = subprocess.run(
            self.enter(user) + list(command), check=False, capture_output=True, timeout=seconds, env=clean_environment()
        )
        if status is not None and done.returncode != status:
            raise LabError(
                f"{self.name}: {' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-400:]}"
            )
        return done.stdout.decode("utf-8", "replace")

    def start(self, *command: str, user: str | None = None) -> subprocess.Popen[bytes]:
        """Start a program that goes on running."""
        with (self.folder / "daemons.log").open("ab") as log:
            made = subprocess.Popen(
                self.enter(user) + list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(),
            )
        self.daemons.append(made)
        return made

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> None:
        """Put a file into the host's folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)

    def listens(self, port: int, kind: str = "t") -> None:
        """Wait until a socket listens on a port (``kind`` t or u)."""
        command = [*self.enter(), "ss", f"-Hln{kind}", f"sport = :{port}"]

        def ready() -> bool:
            return bool(subprocess.run(command, check=False, capture_output=True, env=clean_environment()).stdout)

        try:
            wait_for(ready, f"port {port} of {self.name}")
        except LabError as error:
            raise LabError(f"{error}: {(self.folder / 'daemons.log').read_text().strip()[-600:]}") from None


def clean_environment() -> dict[str, str]:
    """Nothing of the maker's environment reaches the lab."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }


class Lab:
    """The hosts of one scenario and the switch between them."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.name = name
        self.hosts: dict[str, Host] = {}
        self.switch = Switch(seed)
        self.mac = 0

    def __enter__(self) -> Self:
        self.switch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            os.kill(host.pid, signal.SIGKILL)
            host.parent.wait(10)
            for daemon in host.daemons:
                daemon.wait()
        self.switch.close()

    def host(self, name: str, *, dns: str = "") -> Host:
        """Make a host; ``dns`` is the address of its resolver."""
        folder = WORK / self.name / name
        shutil.copytree("/etc", folder / "etc", symlinks=True)
        etc = folder / "etc"
        for person, table in ((PEOPLE, "passwd"), ("alice:x:1001:\nbob:x:1002:\n", "group")):
            with (etc / table).open("a") as file:
                file.write(person)
        with (etc / "shadow").open("a") as file:
            file.write("alice:*:19700::::::\nbob:*:19700::::::\n")
        for file_name, content in (
            ("hostname", name + "\n"),
            ("hosts", "127.0.0.1 localhost\n"),
            ("resolv.conf", f"search corp.example\nnameserver {dns}\noptions timeout:2 attempts:2\n" if dns else ""),
            ("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n"),
        ):
            (etc / file_name).unlink(missing_ok=True)
            (etc / file_name).write_text(content)
        unshare = ["unshare", "--net", "--uts", "--mount", "--pid", "--cgroup", "--ipc", "--fork"]
        command = [*unshare, "--mount-proc", "sh", "-ec", HOST_INIT, "sh", name, str(folder)]
        with (folder / "init.log").open("w") as log:
            parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=clean_environment())
        if parent.stdout is None or parent.stdout.readline() != "ready\n":
            raise LabError(f"host {name} did not start: {(folder / 'init.log').read_text().strip()}")
        self.hosts[name] = Host(name, folder, parent, children(parent.pid)[0])
        return self.hosts[name]

    def cable(
        self, host: Host, *addresses: str, gateway: str = "", gateway6: str = "", interface: str = "eth0",
        delay: float = 0.005, loss: float = 0, rate: float = 0, vlan: int = NATIVE_VLAN, quiet: bool = True,
        queue: float = 0.25, burst: int = 0,
    ) -> None:  # fmt: skip
        """Join a host to the switch; addresses carry their prefix length; quiet: no IPv6 autoconfiguration."""
        handle = self._tap(host, interface)
        for key in (f"net.ipv6.conf.{interface}.accept_dad=0", f"net.ipv6.conf.{interface}.router_solicitations=0"):
            if quiet:
                host.run("sysctl", "-qw", key)
        self.switch.ports.append(Port(handle, delay, loss, rate, vlan, queue, burst))
        os.write(self.switch.wake_in, b"x")
        for one in addresses:
            host.run("ip", "address", "add", one, "dev", interface, *(["nodad"] if ":" in one and quiet else []))
        host.run("ip", "link", "set", interface, "up")
        if gateway:
            host.run("ip", "route", "add", "default", "via", gateway)
        if gateway6:
            host.run("ip", "-6", "route", "add", "default", "via", gateway6)

    def mirror(self, host: Host) -> None:
        """Give a host the mirror port: it sees every frame that enters the switch, with its VLAN's tag."""
        self.switch.mirror = self._tap(host, "span0")
        host.run("sysctl", "-qw", "net.ipv6.conf.span0.disable_ipv6=1")
        host.run("ip", "link", "set", "span0", "up", "promisc", "on")

    def _tap(self, host: Host, interface: str) -> int:
        self.mac += 1
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        made = f"lab{self.mac}"
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", made.encode(), IFF_TAP | IFF_NO_PI))
        run("ip", "link", "set", made, "address", f"02:00:5e:10:00:{self.mac:02x}", "mtu", str(MTU))
        run("ip", "link", "set", made, "netns", str(host.pid), "name", interface)
        return handle


def children(pid: int) -> list[int]:
    """Process ids of a process's children."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def capture(
    host: Host, out: Path, *, tool: str = "tcpdump", interface: str = "eth0", snaplen: int = 262144,
    recorded: tuple[Host, ...] = (), interval: float = 0.01,
) -> Iterator[list[subprocess.Popen[bytes]]]:  # fmt: skip
    """Capture on a host while recorders run on ``recorded`` (the same host unless told); yields the recorders."""
    inside = Path("/run/lab") / out.name
    if tool == "dumpcap":
        words = ["dumpcap", "-q", "-i", interface, "-s", str(snaplen), "-w", str(inside)]
    else:
        words = [
            "tcpdump",
            "-U",
            "-n",
            "--immediate-mode",
            "-i",
            interface,
            "-s",
            str(snaplen),
            "-Z",
            "root",
            "-w",
            str(inside),
        ]
    recorders = []
    places = recorded or (host,)
    for place in places:
        place.write("record.py", RECORDER.read_bytes())
        lines = f"/run/lab/{out.name}.connections.jsonl"
        recorders.append(place.start(PYTHON, "/run/lab/record.py", "-o", lines, "--interval", str(interval)))
    sniffer = host.start(*words)
    wait_for((host.folder / out.name).exists, f"{tool} on {host.name}")
    time.sleep(0.5)
    try:
        yield recorders
        time.sleep(0.5)
    finally:
        for program in [*recorders, sniffer]:
            stop(program)
    content = (host.folder / out.name).read_bytes()
    out.write_bytes(without_machine(content) if tool == "dumpcap" else content)
    gather([place.folder / f"{out.name}.connections.jsonl" for place in places], out)


def stop(program: subprocess.Popen[bytes]) -> None:
    """Interrupt a program behind ``nsenter`` and wait for its end."""
    if program.poll() is None:
        for child in children(program.pid):
            os.kill(child, signal.SIGINT)
        program.wait(10)


def gather(parts: list[Path], out: Path) -> None:
    """Write one sidecar from those of several hosts, in the order of writing, and the recorders' summaries."""
    lines = [line for part in parts for line in part.read_text().splitlines()]
    lines.sort(key=lambda line: line.rpartition('"timestamp":"')[2])
    (out.parent / f"{out.name}.connections.jsonl").write_text("".join(line + "\n" for line in lines))
    summaries = [part.with_name(part.name.removesuffix(".jsonl") + ".meta.json").read_text() for part in parts]
    text = summaries[0] if len(summaries) == 1 else "[\n" + ",\n".join(one.rstrip() for one in summaries) + "\n]\n"
    (out.parent / f"{out.name}.connections.meta.json").write_text(text)


def without_machine(content: bytes) -> bytes:
    """Drop from a little-endian pcapng what it says of the processor and kernel of the machine that it was made on."""
    section, interface = 0x0A0D0D0A, 1
    first_option = {section: 24, interface: 16}
    machine = {(section, 2), (section, 3), (interface, 12)}
    made, at = b"", 0
    while at < len(content):
        kind, size = struct.unpack_from("<II", content, at)
        block = content[at : at + size]
        at += size
        if kind in first_option:
            here = first_option[kind]
            body = block[8:here]
            while here < size - 4:
                code, length = struct.unpack_from("<HH", block, here)
                after = here + 4 + (length + 3 & ~3)
                body += b"" if (kind, code) in machine else block[here:after]
                here = after
            total = struct.pack("<I", len(body) + 12)
            block = block[:4] + total + body + total
        made += block
    return made
