"""Containers, pods and systemd units of processes: from the control group's path, and the kubelet's folders of logs."""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from typing import NamedTuple

from rustnet.probe.lines import CONTAINER_ID, POD_UID, Keys, text

SCOPES = (
    (re.compile(r"(?:^|/)docker[-/][0-9a-f]{64}"), "docker"),
    (re.compile(r"(?:^|/)(?:cri-containerd|nerdctl|containerd)[-/][0-9a-f]{64}"), "containerd"),
    (re.compile(r"(?:^|/)crio-(?:conmon-)?[0-9a-f]{64}"), "cri-o"),
    (re.compile(r"(?:^|/)libpod-(?:conmon-)?[0-9a-f]{64}"), "podman"),
    (re.compile(r"(?:^|/)(?:lxc\.payload[./]|lxc/)([^/]+)"), "lxc"),
    (re.compile(r"(?:^|/)machine\.slice/machine-([^/]+)\.scope"), "systemd-nspawn"),
    (re.compile(r"(?:^|/)machine\.slice/systemd-nspawn@([^/]+)\.service"), "systemd-nspawn"),
    (re.compile(r"(?:^|/)default/[0-9a-f]{64}"), "containerd"),
)
"""What a runtime calls the control groups of its containers, and the runtime; a group is the container's name."""
UNIT = re.compile(r"(?:^|/)([^/]+\.(?:service|scope))(?=/|$)")
ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
POD_LOG = re.compile(r"([a-z0-9-]{1,63})_([a-z0-9.-]{1,253})_([0-9a-f-]{32,36})")
CONTAINER_LOG = re.compile(r"([a-z0-9.-]{1,253})_([a-z0-9-]{1,63})_(.{1,253})-([0-9a-f]{64})\.log")
LOGS = "/var/log"
LOOK_AGAIN_S = 2.0
"""Seconds between two looks for a pod that is not known yet."""
LOGS_LISTED, PODS_REMEMBERED = 8192, 16384
"""Entries of a folder that are read, and containers and pods that are remembered, at most."""


class Pod(NamedTuple):
    """What the kubelet calls a pod, or a container of one."""

    namespace: str
    name: str
    container: str = ""


class Pods:
    """Pods and containers of this node, by the names of their logs."""

    def __init__(self, logs: str = LOGS) -> None:
        self.logs = logs
        self.pods: OrderedDict[str, Pod] = OrderedDict()
        """By the uid of the pod, and by the id of the container."""
        self.looked: dict[str, float] = {}

    def find(self, pod_uid: str, container_id: str | None) -> Pod | None:
        """The names of a pod and, as far as they are known, of its container."""
        wanted = ((container_id, "containers"), (pod_uid, "pods"))
        for key, folder in wanted:
            if key and key not in self.pods:
                self._look(folder)
        return next((self.pods[key] for key, _ in wanted if key and key in self.pods), None)

    def _look(self, folder: str) -> None:
        """Read a folder of logs, at most every `LOOK_AGAIN_S`."""
        now = time.monotonic()
        if now - self.looked.get(folder, -LOOK_AGAIN_S) < LOOK_AGAIN_S:
            return
        self.looked[folder] = now
        try:
            with os.scandir(f"{self.logs}/{folder}") as entries:
                for _, entry in zip(range(LOGS_LISTED), entries):
                    self._enter(folder, entry.name)
        except OSError:
            return
        while len(self.pods) > PODS_REMEMBERED:
            self.pods.popitem(last=False)

    def _enter(self, folder: str, name: str) -> None:
        log = POD_LOG.fullmatch(name) if folder == "pods" else CONTAINER_LOG.fullmatch(name)
        if log is None:
            return
        if folder == "pods":
            self.pods[log.group(3)] = Pod(log.group(1), log.group(2))
        else:
            pod, namespace, container, container_id = log.groups()
            self.pods[container_id] = Pod(namespace, pod, container)


def cgroup_keys(content: str, pods: Pods | None = None) -> Keys:
    """Control group from /proc/PID/cgroup, and what its path names: container, runtime, pod, systemd unit."""
    lines = [line.split(":", 2) for line in content.splitlines()]
    paths = [fields[2] for fields in lines if len(fields) == 3 and fields[2] != "/"]
    if not paths:
        return {}
    path = next((one for one in paths if CONTAINER_ID.search(one)), paths[-1])
    keys: Keys = {"cgroup": path, **_runtime(path)}
    containers, pod = CONTAINER_ID.findall(path), POD_UID.search(path)
    if containers:
        keys["container_id"] = containers[-1]
    units = UNIT.findall(next((one for one in paths if UNIT.search(one)), ""))
    if units:
        keys["systemd_unit"] = _unescaped(units[-1])
    if pod:
        keys["kubernetes"] = _pod_keys(path, pod.group(1).replace("_", "-"), keys.get("container_id"), pods)
    return keys


def _runtime(path: str) -> Keys:
    """The runtime of a container, and the container's name where the path has it."""
    for pattern, runtime in SCOPES:
        scope = pattern.search(path)
        if scope:
            return {
                "container_runtime": runtime,
                **({"container_name": _unescaped(scope.group(1))} if pattern.groups else {}),
            }
    return {}


def _pod_keys(path: str, uid: str, container_id: str | None, pods: Pods | None) -> Keys:
    keys: Keys = {"cgroup_path": path, "pod_uid": uid}
    if container_id:
        keys["container_id"] = container_id
    pod = pods.find(uid, container_id) if pods else None
    if pod:
        keys.update(pod_namespace=pod.namespace, pod_name=pod.name)
        if pod.container:
            keys["container_name"] = pod.container
    return keys


def _unescaped(name: str) -> str:
    """What a unit's name stands for: systemd writes odd bytes as hexadecimal digits."""
    return text(ESCAPED.sub(lambda found: bytes((int(found.group(1), 16),)), name.encode("utf-8", "backslashreplace")))
