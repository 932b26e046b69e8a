"""The recorder, run as its users run it: beside real processes with real sockets on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rustnet.attribute.validate import validate
from tests.support.effort import wait_until
from tests.support.paths import ROOT

RECORDER = ROOT / "sidecar" / "record.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the recorder is for Linux")

CHILD = """
import socket, sys
made = []
for family, place in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        server = socket.socket(family)
        server.bind((place, 0))
    except OSError:
        continue
    server.listen()
    client = socket.create_connection(server.getsockname()[:2])
    peer = server.accept()[0]
    client.sendall(b"x" * 1000)
    peer.recv(1000)
    datagram = socket.socket(family, socket.SOCK_DGRAM)
    datagram.bind((place, 0))
    made += [server, client, peer, datagram]
    print(server.getsockname()[1], client.getsockname()[1], datagram.getsockname()[1], flush=True)
print("done", flush=True)
sys.stdin.read()
"""


class Recording:
    """A recorder at work, and what it wrote."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, folder: Path, *options: str) -> None:
        self.out = folder / "x.pcap.connections.jsonl"
        self.meta = folder / "x.pcap.connections.meta.json"
        self.out.unlink(missing_ok=True)
        self.meta.unlink(missing_ok=True)  # a summary is evidence too, and would not be replaced
        command = [sys.executable, str(RECORDER), "-o", str(self.out), "--interval", "0.02", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.started.append(self.process)

    def stop(self, number: int = signal.SIGINT) -> list[dict[str, Any]]:
        self.process.send_signal(number)
        _, self.said = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, self.said
        return self.records("")

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Lines so far: those of sockets, or of the recording itself (``start``, ``end`` …)."""
        rows = [json.loads(line) for line in self.out.read_text().splitlines()]
        return [row for row in rows if row.get("record", "") == kind]

    def wait(self) -> None:
        """Until the first polls are surely over."""
        end = time.monotonic() + 10
        while not (self.out.exists() and self.out.stat().st_size) and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.5)


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """End the recorders of a test that failed."""
    yield
    while Recording.started:
        recorder = Recording.started.pop()
        if recorder.poll() is None:
            recorder.kill()
            recorder.communicate()


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], list[list[int]]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, "an argument"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ports = []
    while (line := process.stdout.readline().strip()) != "done":
        ports.append([int(word) for word in line.split()])
    yield process, ports
    process.kill()
    process.communicate()


def test_records_sockets_of_a_process(tmp_path: Path, child: tuple[subprocess.Popen[str], list[list[int]]]) -> None:
    process, ports = child
    recording = Recording(tmp_path)
    recording.wait()
    rows = [row for row in recording.stop() if row["pid"] == process.pid]
    by_ends = {(row["protocol"], row["local_addr"], row["remote_addr"]): row for row in rows}
    for (server, client, datagram), host, nothing in zip(
        ports, ("127.0.0.1", "[::1]"), ("0.0.0.0:0", "[::]:0"), strict=False
    ):
        listening = by_ends["TCP", f"{host}:{server}", nothing]
        connected = by_ends["TCP", f"{host}:{client}", f"{host}:{server}"]
        accepted = by_ends["TCP", f"{host}:{server}", f"{host}:{client}"]
        unconnected = by_ends["UDP", f"{host}:{datagram}", nothing]
        assert (listening["state"], listening["attribution_match"]) == ("LISTEN", "listener-socket")
        assert (connected["state"], connected["attribution_match"]) == ("ESTABLISHED", "exact-tuple")
        assert unconnected["attribution_match"] == "wildcard-remote-address"
        assert 1000 <= connected["bytes_sent"] <= 1001
        assert accepted["bytes_received"] == 1000
        assert (connected["bytes_source"], unconnected["bytes_source"]) == ("tcp_info", "none")


def test_describes_the_process(tmp_path: Path, child: tuple[subprocess.Popen[str], list[list[int]]]) -> None:
    process, _ = child
    recording = Recording(tmp_path, "--host", "elsewhere")
    recording.wait()
    row = next(row for row in recording.stop() if row["pid"] == process.pid)
    assert list(row) == sorted(row)
    assert row["host"] == "elsewhere"
    assert row["process_executable"] == str(Path(f"/proc/{process.pid}/exe").readlink())
    assert row["cmdline"].endswith("'an argument'")
    assert row["cwd"] == str(Path.cwd())
    assert (row["process_uid"], row["process_gid"], row["process_ppid"]) == (os.geteuid(), os.getegid(), os.getpid())
    assert row["process_lineage"]["ancestors"][-1]["pid"] == os.getpid()
    assert 1 <= len(row["process_lineage"]["ancestors"]) <= 8
    assert 0 <= time.time() - row["started_at"]["secs_since_epoch"] < 60
    assert set(row["first_seen"]) == {"secs_since_epoch", "nanos_since_epoch"}
    assert row["socket_owners"] == 1


def test_command_lines_can_be_left_out(tmp_path: Path, child: tuple[subprocess.Popen[str], list[list[int]]]) -> None:
    process, _ = child
    recording = Recording(tmp_path, "--no-cmdline")
    recording.wait()
    rows = [row for row in recording.stop() if row["pid"] == process.pid]
    assert rows
    assert not any("cmdline" in row for row in rows)


def test_shared_socket_has_a_line_for_each_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        holder = subprocess.Popen(["sleep", "30"], pass_fds=[server.fileno()])
        try:
            recording = Recording(tmp_path)
            recording.wait()
            rows = recording.stop()
        finally:
            holder.kill()
            holder.wait()
        here = f"127.0.0.1:{server.getsockname()[1]}"
    lines = [row for row in rows if row["local_addr"] == here]
    assert {row["pid"] for row in lines} >= {os.getpid(), holder.pid}
    assert {row["socket_owners"] for row in lines} == {len(lines)}


def test_handing_over_is_two_windows(tmp_path: Path) -> None:
    """A child that inherits a socket and outlives its parent's hold on it takes the second window."""
    server = socket.create_server(("127.0.0.1", 0))
    here = f"127.0.0.1:{server.getsockname()[1]}"
    recording = Recording(tmp_path, "--rescan", "0.05")
    recording.wait()
    holder = subprocess.Popen(["sleep", "30"], pass_fds=[server.fileno()])
    time.sleep(0.3)
    server.close()
    time.sleep(0.5)
    rows = {row["pid"]: row for row in recording.stop() if row["local_addr"] == here}
    holder.kill()
    holder.wait()

    def ns(moment: dict[str, int]) -> int:
        return moment["secs_since_epoch"] * 1_000_000_000 + moment["nanos_since_epoch"]

    mine, theirs = rows[os.getpid()], rows[holder.pid]
    assert ns(mine["first_seen"]) < ns(theirs["first_seen"]) <= ns(mine["last_seen"]) < ns(theirs["last_seen"])
    assert mine["socket_inode"] == theirs["socket_inode"]


def test_socket_between_two_polls_has_a_tuple(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        recording = Recording(tmp_path, "--interval", "3", "--no-packets")
        recording.wait()
        with socket.create_connection(server.getsockname()) as client:
            accepted = server.accept()[0]
            client.sendall(b"y" * 50)
            assert accepted.recv(50)
            ends = client.getsockname()
            accepted.close()
        rows = recording.stop()
    meta = json.loads(recording.meta.read_text())
    if not meta["notices"]:
        pytest.skip("the kernel gives no notice of closed sockets")
    row = next(row for row in rows if row["local_addr"] == f"127.0.0.1:{ends[1]}")
    assert (row["pid"], row["process_name"], row["socket_owners"]) == (None, None, 0)
    assert "attribution_match" not in row
    assert (row["observed_by"], row["unowned_because"]) == ("notice", "closed-between-polls")
    assert "closed_before" in row
    assert meta["closed_unseen"] >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_cleanly(tmp_path: Path, number: int) -> None:
    recording = Recording(tmp_path)
    recording.wait()
    rows = recording.stop(number)
    meta = json.loads(recording.meta.read_text())
    assert meta["lines"] == len(rows)
    assert meta["polls"] > 2
    assert "lines on" in recording.said
    assert recording.out.stat().st_mode & 0o777 == 0o600


def test_long_lived_socket_is_written_early(
    tmp_path: Path, child: tuple[subprocess.Popen[str], list[list[int]]]
) -> None:
    process, _ = child
    recording = Recording(tmp_path, "--early", "0.2")
    wait_until(lambda: recording.out.exists() and str(process.pid) in recording.out.read_text())
    recording.process.kill()
    recording.process.communicate()
    rows = recording.records("")
    assert any(row["pid"] == process.pid for row in rows)


@pytest.mark.parametrize(
    "program", [[str(RECORDER)], ["-m", "rustnet.probe"], ["-m", "rustnet", "sidecar", "record"]], ids=" ".join
)
def test_duration_ends_it_and_stdout_is_data(
    program: list[str], child: tuple[subprocess.Popen[str], list[list[int]]]
) -> None:
    process, _ = child
    done = subprocess.run(
        [sys.executable, *program, "--duration", "0.3"], check=False, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0
    assert any(json.loads(line)["pid"] == process.pid for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "/nowhere/at/all.jsonl"], "cannot write /nowhere/at/all.jsonl"),
        (["--netns", "no-such-namespace"], "cannot open network namespace /run/netns/no-such-namespace"),
    ],
)
def test_errors_are_one_line(options: list[str], said: str) -> None:
    done = subprocess.run([sys.executable, str(RECORDER), *options], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_file_says_what_it_covers(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "--host", "elsewhere", "--no-packets")
    recording.wait()
    recording.stop()
    (start,), (end,) = recording.records("start"), recording.records("end")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for row in (start, end):
        assert (row["protocol"], row["host"], row["boot_id"], row["sidecar_version"]) == ("META", "elsewhere", boot, 1)
        assert not any(address.startswith("127.") or address == "::1" for address in row["addresses"])
    assert any("packets were not watched" in words for words in end["missed"])
    found = validate(recording.out)
    assert (found.broken, found.about) == (0, {"start": 1, "end": 1})


def test_secrets_are_hidden_unless_asked_for(tmp_path: Path) -> None:
    holder = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", holder, "--password", "hunter2"])
    try:
        for options, shown in (((), "***"), (("--full-cmdline",), "hunter2")):
            recording = Recording(tmp_path, *options)
            recording.wait()
            row = next(row for row in recording.stop() if row["pid"] == child.pid)
            assert row["cmdline"].endswith(f"--password '{shown}'" if "*" in shown else f"--password {shown}")
            assert row.get("cmdline_redacted", False) is (not options)
    finally:
        child.kill()
        child.wait()


@pytest.mark.root
def test_short_connections_of_a_program_with_many_sockets(tmp_path: Path) -> None:
    """It need not be a new program: descriptors that are new, and those that were used again, are found too."""
    if os.geteuid():
        pytest.skip("needs root")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        held = [socket.create_connection(server.getsockname()) for _ in range(100)]
        held += [server.accept()[0] for _ in held]
        recording = Recording(tmp_path, "--interval", "1")
        recording.wait()
        ports = []
        for _ in range(30):
            with socket.create_connection(server.getsockname()) as client, server.accept()[0]:
                ports.append(client.getsockname()[1])
                time.sleep(0.02)
        rows = {row["local_addr"]: row for row in recording.stop()}
        for one in held:
            one.close()
    owned = [port for port in ports if rows[f"127.0.0.1:{port}"]["pid"] == os.getpid()]
    assert len(owned) >= 20
    assert any(rows[f"127.0.0.1:{port}"]["observed_by"] == "packet" for port in owned)


def test_psutil_sees_the_same_sockets(tmp_path: Path, child: tuple[subprocess.Popen[str], list[list[int]]]) -> None:
    process, ports = child
    out = tmp_path / "x.jsonl"
    command = [sys.executable, "-m", "rustnet", "sidecar", "record", "--psutil", "--duration", "1", "-o", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = [row for row in map(json.loads, out.read_text().splitlines()) if row["pid"] == process.pid]
    by_ends = {(row["protocol"], row["local_addr"], row["remote_addr"]): row for row in rows}
    server, client, datagram = ports[0]
    listening = by_ends["TCP", f"127.0.0.1:{server}", "0.0.0.0:0"]
    connected = by_ends["TCP", f"127.0.0.1:{client}", f"127.0.0.1:{server}"]
    assert ("UDP", f"127.0.0.1:{datagram}", "0.0.0.0:0") in by_ends
    assert (listening["attribution_match"], connected["attribution_match"]) == ("listener-socket", "exact-tuple")
    assert connected["process_executable"] == str(Path(f"/proc/{process.pid}/exe").readlink())
    assert connected["cmdline"].endswith("'an argument'")
    assert connected["process_lineage"]["ancestors"][-1]["pid"] == os.getpid()
    assert (connected["recorder"], connected["observed_by"]) == ("rustnet-psutil/1", "psutil")
    assert "socket_inode" not in connected
    assert validate(out).broken == 0


@pytest.mark.root
def test_records_in_another_namespace(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    command = ["unshare", "--net", "--", sys.executable, "-c", NAMESPACED]
    inside = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert inside.stdout is not None
    port = int(inside.stdout.readline())
    try:
        recording = Recording(tmp_path, "--netns", str(inside.pid))
        recording.wait()
        rows = recording.stop()
    finally:
        inside.kill()
        inside.communicate()
    assert [(row["local_addr"], row["pid"]) for row in rows] == [(f"0.0.0.0:{port}", inside.pid)]


NAMESPACED = """
import socket, time
server = socket.create_server(("", 0))
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.mark.root
def test_too_many_packets_are_no_longer_watched_and_the_file_shows_the_gap(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    recording = Recording(tmp_path)
    recording.wait()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            sender.sendto(b"x", receiver.getsockname())
    rows = recording.stop()
    (end_of_recording,) = recording.records("end")
    gaps = recording.records("gap")
    assert len(gaps) == end_of_recording["watch_pauses"] >= 1
    assert gaps[0]["missed"] == ["packets were too many to be watched (level 1 of 2)"]
    assert any("too many to watch" in sentence for sentence in end_of_recording["missed"])
    assert os.getpid() in {row["pid"] for row in rows if row["protocol"] == "UDP"}
