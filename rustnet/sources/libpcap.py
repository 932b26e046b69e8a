"""Capture by libpcap (package cypcap), on systems without packet rings: what there is to capture on."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any

OUTSIDE = ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that no network has (RFC 5737, RFC 3849): what leads to them is the default route."""
MAX_DEVICES = 4096


@dataclass(frozen=True)
class Device:
    """An interface that libpcap can capture on."""

    name: str
    state: str
    """``up``, ``no-carrier`` or ``down``."""
    kind: str
    """``loopback``, or empty."""
    addresses: tuple[str, ...]


def devices() -> list[Device]:
    """Interfaces that libpcap can capture on; none without cypcap."""
    try:
        import cypcap  # noqa: PLC0415 - an optional package
    except ImportError:
        return []
    flags = cypcap.PcapIfFlags
    made = []
    for each in cypcap.findalldevs()[:MAX_DEVICES]:
        state = "up" if each.flags & flags.UP else "down"
        connection = each.flags & flags.CONNECTION_STATUS_NOT_APPLICABLE
        if state == "up" and connection == flags.CONNECTION_STATUS_DISCONNECTED:
            state = "no-carrier"
        kind = "loopback" if each.flags & flags.LOOPBACK else ""
        made.append(Device(each.name, state, kind, tuple(filter(None, map(_address, each.addresses)))))
    return made


def _address(entry: Any) -> str:
    """An IP address with the length of its prefix; empty for others."""
    if entry.addr is None or entry.addr[0] not in (socket.AF_INET, socket.AF_INET6):
        return ""
    address = str(entry.addr[1][0])
    if entry.netmask is None:
        return address
    return f"{address}/{int(ipaddress.ip_address(entry.netmask[1][0])).bit_count()}"


def default_device() -> str | None:
    """Interface that has the address from which this machine would send outside; nothing is sent."""
    for family, address in OUTSIDE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect((address, 53))
                own = asked.getsockname()[0]
        except OSError:
            continue
        for device in devices():
            if any(each.partition("/")[0] == own for each in device.addresses):
                return device.name
    return None
