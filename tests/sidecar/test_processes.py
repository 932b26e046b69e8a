"""What is known of a process: its container, pod and unit, capabilities, whole name, and that it became another one."""

import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rustnet.probe import containers
from rustnet.probe.containers import Pods, cgroup_keys
from rustnet.probe.facts import ProcessReader, whole_name
from rustnet.probe.lines import EVERY_CAPABILITY, capability_names, is_another_program
from rustnet.probe.output import LineWriter
from rustnet.probe.owners import Owners
from rustnet.probe.processes import Processes
from rustnet.probe.sockets import Entry, SocketTable, new_entry
from tests.support.effort import wait_until

ID, UID = "0a" * 32, "7a3c9be8-3f5e-4b53-8c1c-0d1bd3b4f5aa"

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        (f"/system.slice/docker-{ID}.scope",
         {"container_runtime": "docker", "container_id": ID, "systemd_unit": f"docker-{ID}.scope"}),
        (f"/docker/{ID}", {"container_runtime": "docker", "container_id": ID}),
        (f"/default/{ID}", {"container_runtime": "containerd", "container_id": ID}),
        (f"/machine.slice/libpod-{ID}.scope/container",
         {"container_runtime": "podman", "container_id": ID, "systemd_unit": f"libpod-{ID}.scope"}),
        ("/lxc.payload.web-1/system.slice/nginx.service",
         {"container_runtime": "lxc", "container_name": "web-1", "systemd_unit": "nginx.service"}),
        ("/lxc/old", {"container_runtime": "lxc", "container_name": "old"}),
        ("/machine.slice/machine-fedora\\x2dtest.scope",
         {"container_runtime": "systemd-nspawn", "container_name": "fedora-test",
          "systemd_unit": "machine-fedora-test.scope"}),
        ("/system.slice/system-getty.slice/getty@tty1.service", {"systemd_unit": "getty@tty1.service"}),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-7.scope",
         {"systemd_unit": "app-firefox-7.scope"}),
        ("/user.slice/user-1000.slice", {}),
        (f"/somewhere/{ID}", {"container_id": ID}),
    ],
)  # fmt: skip
def test_what_a_control_group_names(path: str, keys: dict[str, str]) -> None:
    assert cgroup_keys(f"0::{path}\n") == {"cgroup": path, **keys}


def test_groups_of_version_1() -> None:
    content = f"12:pids:/docker/{ID}\n3:cpu:/docker/{ID}\n1:name=systemd:/system.slice/docker.service\n0::/\n"
    assert cgroup_keys(content) == {
        "cgroup": f"/docker/{ID}", "container_id": ID, "container_runtime": "docker", "systemd_unit": "docker.service",
    }  # fmt: skip


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Folders as the kubelet makes them."""
    (tmp_path / "pods" / f"shop_web-1_{UID}" / "nginx").mkdir(parents=True)
    (tmp_path / "pods" / "kube-system_etcd-node_0123456789abcdef0123456789abcdef").mkdir()
    (tmp_path / "pods" / "what-is-this").mkdir()
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers" / f"web-1_shop_nginx-{ID}.log").touch()
    return tmp_path


def test_names_of_pods(logs: Path) -> None:
    pods = Pods(str(logs))
    path = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
    keys = cgroup_keys(f"0::{path}/cri-containerd-{ID}.scope\n", pods)
    assert keys["container_runtime"] == "containerd"
    assert keys["kubernetes"] == {
        "cgroup_path": f"{path}/cri-containerd-{ID}.scope", "pod_uid": UID, "container_id": ID,
        "pod_namespace": "shop", "pod_name": "web-1", "container_name": "nginx",
    }  # fmt: skip
    other = cgroup_keys(f"0::/kubepods/besteffort/pod{UID}/{'0b' * 32}\n", pods)["kubernetes"]
    assert (other["pod_name"], "container_name" in other) == ("web-1", False)
    static = cgroup_keys("0::/kubepods/pod0123456789abcdef0123456789abcdef/x\n", pods)["kubernetes"]
    assert (static["pod_namespace"], static["pod_name"]) == ("kube-system", "etcd-node")


def test_a_pod_that_comes_later(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pods, later = Pods(str(logs)), UID.replace("7", "8")
    assert pods.find(later, None) is None
    (logs / "pods" / f"shop_web-2_{later}").mkdir()
    assert pods.find(later, None) is None, "looked again at once"
    monkeypatch.setattr(containers, "LOOK_AGAIN_S", 0.0)
    found = pods.find(later, None)
    assert found is not None
    assert found.name == "web-2"


def test_pods_have_a_bound(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "PODS_REMEMBERED", 1)
    pods = Pods(str(logs))
    pods.find(UID, ID)
    assert len(pods.pods) == 1


def test_capabilities_by_name() -> None:
    assert capability_names(0) == "none"
    assert capability_names(1 << 12 | 1 << 13) == "net_admin net_raw"
    assert capability_names(EVERY_CAPABILITY) == capability_names((1 << 41) - 1) == "all"
    assert capability_names(1 << 50) == "capability_50"


@pytest.mark.parametrize(
    ("name", "executable", "words", "whole"),
    [
        ("gnome-terminal-", "/usr/libexec/gnome-terminal-server", [], "gnome-terminal-server"),
        ("a-very-long-scr", "/usr/bin/python3.11", ["/usr/bin/python3", "-u", "./a-very-long-script.py"],
         "a-very-long-script.py"),
        ("Web Content Pro", "/usr/lib/firefox", ["/usr/lib/firefox"], "Web Content Pro"),
        ("curl", "/usr/bin/curl-real", ["curl"], "curl"),
        ("exactly-15-char", None, ["exactly-15-char"], "exactly-15-char"),
    ],
)  # fmt: skip
def test_names_are_whole(name: str, executable: str | None, words: list[str], whole: str) -> None:
    assert whole_name(name, executable, words) == whole


def test_what_makes_another_program() -> None:
    curl = {"process_name": "curl", "process_executable": "/usr/bin/curl"}
    assert not is_another_program(curl, {**curl, "cwd": "/"})
    assert is_another_program(curl, {**curl, "process_name": "sh"})
    assert is_another_program(curl, {**curl, "process_executable": "/tmp/curl"})
    event = {"process_name": "curl", "process_executable": "/bin/curl", "process_from": "ebpf"}
    assert not is_another_program(curl, event), "an event has the path as it was called"
    long = {"process_name": "gnome-terminal-server"}
    assert not is_another_program({"process_name": "gnome-terminal-"}, long)
    assert is_another_program({"process_name": "gnome-terminal"}, long)
    assert not is_another_program({"process_name": None}, long)


@linux
def test_this_process() -> None:
    reader = ProcessReader(command_lines=True)
    stat = reader.stat(os.getpid())
    assert stat is not None
    facts = reader.facts(os.getpid(), stat)
    status = Path("/proc/self/status").read_text()
    assert facts.capabilities == int(status.split("CapEff:")[1].split()[0], 16)
    assert facts.lineage[-1]["pid"] == os.getppid()
    assert abs(facts.lineage[-1]["started_at_unix_ms"] / 1000 - time.time()) < 1e9


LATER = """
import os, sys
print("begun", flush=True)
sys.stdin.readline()
os.execv("/bin/sh", ["sh", "-c", "echo changed; read line"])
"""


@linux
def test_a_process_that_becomes_another_program_has_two_lines() -> None:
    """It inherits its socket: the first line says until when it was what, the second since when."""
    child = subprocess.Popen([sys.executable, "-c", LATER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    try:
        assert child.stdout.readline() == "begun\n"
        out, count = io.StringIO(), Counter[str]()
        processes, table = Processes(), SocketTable(0, count)
        lines = LineWriter(out, {"host": "h"}, None, count)
        owners = Owners(table, processes, lines, count)
        entry = socket_of(table, child.pid, processes)
        first = next(iter(entry.holders.values())) if look(table, owners, entry) else None
        assert first is not None
        child.stdin.write("go\n")
        child.stdin.flush()
        assert child.stdout.readline() == "changed\n"
        wait_until(lambda: str(Path(f"/proc/{child.pid}/exe").readlink()) != first.process["process_executable"])
        look(table, owners, entry)
        (line,) = [json.loads(text) for text in out.getvalue().splitlines()]
        assert line["process_name"].startswith("python")
        assert line["released_before"] == line_time(table.now)
        (held,) = entry.holders.values()
        assert held.process["process_name"] == "sh"
        assert held.process["changed_before"]
        assert held.first == table.now
        processes.known.clear()  # as after a scan that did not see it
        look(table, owners, entry)
        (again,) = entry.holders.values()
        assert again is held
    finally:
        child.kill()
        child.communicate()


def socket_of(table: SocketTable, pid: int, processes: Processes) -> Entry:
    """An entry whose inode the process holds."""
    entry = table.admit("key", new_entry("TCP", (b"\1\2\3\4", 5), (b"\5\6\7\10", 9), "ESTABLISHED", 1))
    entry.inode = 4711
    processes.holders = {4711: {pid}}
    return entry


def look(table: SocketTable, owners: Owners, entry: Entry) -> bool:
    """One poll that sees the socket."""
    table.now = entry.last = time.time_ns()
    owners.assign([entry])
    return bool(entry.holders)


def line_time(ns: int) -> dict[str, Any]:
    return {"secs_since_epoch": ns // 10**9, "nanos_since_epoch": ns % 10**9}
