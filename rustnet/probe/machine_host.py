"""What this machine is: names, kernel, clock, memory, and the DNS servers that it asks."""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import socket
import stat
from typing import Iterable

from rustnet.probe.lines import MAX_TEXT, Keys, text
from rustnet.probe.procfs import boot_id, read
from rustnet.probe.system import network_namespace

RESOLVERS = "/etc/resolv.conf"
UPSTREAMS = ("/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf")
"""Where programs that answer on this machine list the servers that they ask."""
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
MACHINE_ID = "/etc/machine-id"
MACHINE_PURPOSE = b"rustnet machine"
"""The machine id is meant to stay on the machine: what is recorded of it is a hash with this (as in machine-id(5))."""
ZONES, LOCAL_ZONE = "/zoneinfo/", "/etc/localtime"
FILE_BYTES, MOST_SERVERS = 1 << 16, 16


def content(path: str) -> str:
    """Content of a small file; empty for anything else, which is not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return ""
    try:
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        return os.read(handle, FILE_BYTES).decode("utf-8", "backslashreplace") if regular else ""
    except OSError:
        return ""
    finally:
        os.close(handle)


def resolver_keys(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """Servers and search domains of a resolv.conf."""
    servers: list[str] = []
    domains: list[str] = []
    for line in lines:
        words = line.partition("#")[0].partition(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver" and is_address(words[1]):
            servers.append(words[1].partition("%")[0])
        elif words[0] in {"search", "domain"}:
            domains = words[1:]
    return servers[:MOST_SERVERS], domains[:MOST_SERVERS]


def is_address(word: str) -> bool:
    """Whether this is an IPv4 or IPv6 address, perhaps with an interface."""
    family = socket.AF_INET6 if ":" in word else socket.AF_INET
    try:
        socket.inet_pton(family, word.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


def dns_keys() -> Keys:
    """The DNS servers that programs ask, and those that a resolver on this machine asks for them."""
    servers, domains = resolver_keys(content(RESOLVERS).splitlines())
    upstreams: list[str] = []
    if any(one.startswith("127.") or one == "::1" for one in servers):
        for path in UPSTREAMS:
            upstreams = upstreams or resolver_keys(content(path).splitlines())[0]
    return {"dns_servers": servers, "dns_upstreams": upstreams, "dns_search": domains}


def os_name(lines: Iterable[str]) -> str | None:
    """The system's name and version of an os-release."""
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    name = values.get("PRETTY_NAME") or values.get("NAME", "")
    return name.strip("\"' ")[:MAX_TEXT] or None


def time_zone() -> str | None:
    """Name of the system's time zone."""
    try:
        target = os.path.realpath(LOCAL_ZONE)
    except OSError:
        target = ""
    if ZONES in target:
        return text(os.fsencode(target.rpartition(ZONES)[2])) or None
    return content("/etc/timezone").strip()[:64] or None


def machine_id() -> str | None:
    """What distinguishes this installation, hashed."""
    own = content(MACHINE_ID).strip()
    return hmac.new(own.encode(), MACHINE_PURPOSE, hashlib.sha256).hexdigest()[:32] if len(own) == 32 else None


def memory_bytes() -> int | None:
    """Main memory."""
    for line in read("/proc/meminfo").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == b"MemTotal:" and words[1].isdigit():
            return int(words[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None


def host_keys() -> Keys:
    """Everything about this machine, without its network."""
    release = content(OS_RELEASE[0]) or content(OS_RELEASE[1])
    return {
        "hostname": socket.gethostname(),
        "system": platform.system(),
        "kernel": platform.release(),
        "os": os_name(release.splitlines()),
        "architecture": platform.machine() or None,
        "boot_id": boot_id() or None,
        "machine_id": machine_id(),
        "clock_source": text(read(CLOCK_SOURCE)).strip() or None,
        "timezone": time_zone(),
        "cpus": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "network_namespace": network_namespace(),
        **dns_keys(),
    }
