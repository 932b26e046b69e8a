"""Interfaces of this machine as the kernel lists them (rtnetlink), and a watch for those that appear.

Standard library alone: the privileged process that opens rings uses it.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from dataclasses import dataclass, field

from rustnet.probe.netlink import HEADER_SIZE, NLM_REQUEST_DUMP, NLMSG_DONE, NLMSG_ERROR, attributes, message

RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTMGRP_LINK = 1
IFF_UP, IFF_LOOPBACK = 0x1, 0x8
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_LINK_NETNSID = (
    1, 3, 5, 10, 16, 18, 37,
)  # fmt: skip
IFLA_INFO_KIND = 1
STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
"""RFC 2863's operational states by the kernel's number."""
INFO_SIZE = 16  # struct ifinfomsg
ADDRESS_SIZE = 8  # struct ifaddrmsg

MAX_LINKS = 16_384
MAX_ADDRESSES = 64
"""Addresses of one interface that are listed."""
ANSWER_BYTES = 1 << 16
ANSWER_SECONDS = 2.0
MAX_EVENTS = 1024
"""Events that are read at once; each means the same: that the interfaces have to be listed again."""
SETTLE_SECONDS = 0.02
"""What is new is looked at so long after the last event, as one change makes several."""
LONGEST_SECONDS = 0.5
"""It is looked at after so long although events do not end."""
LOOPBACK, NETLINK, VSOCKMON = 772, 824, 826
"""Types of hardware, ARPHRD."""

MEMBERS = frozenset({"bond", "team"})
"""Kinds of interfaces that show every packet of their members again."""
REPEATING = frozenset({"vrf", "ifb"})
"""Kinds of interfaces that show only packets which were seen on another interface."""
TAGGED = frozenset({"vlan"})
"""Kinds of interfaces of which the one below shows every packet, tagged."""
ADVICE = frozenset({NETLINK, VSOCKMON})
"""Types of hardware that have no packets of a network."""


@dataclass
class Link:
    """One interface."""

    index: int
    name: str
    hardware: int
    """Type of hardware, ARPHRD."""
    flags: int = 0
    state: str = "unknown"
    """Operational state (RFC 2863)."""
    kind: str = ""
    """Kind of a virtual interface: `veth`, `bridge`, `vlan`, `wireguard` …; empty for hardware."""
    master: int = 0
    """Index of the bridge, bond … that it is a member of; 0 without one."""
    below: int = 0
    """Index of the interface that it is built on, in the same network namespace; 0 without one."""
    hardware_address: bytes = b""
    addresses: list[str] = field(default_factory=list)
    """Its IP addresses with the length of their prefix."""

    @property
    def up(self) -> bool:
        """Whether it is switched on."""
        return bool(self.flags & IFF_UP)


def present_links(addresses: bool = False) -> list[Link]:
    """Interfaces that exist now in the kernel's order, with their ``addresses`` if wanted; raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as asked:
        asked.settimeout(ANSWER_SECONDS)
        links: dict[int, Link] = {}
        for kind, body in _dump(asked, RTM_GETLINK, INFO_SIZE):
            link = _link(body) if kind == RTM_NEWLINK else None
            if link is not None and len(links) < MAX_LINKS:
                links[link.index] = link
        if addresses:
            for kind, body in _dump(asked, RTM_GETADDR, ADDRESS_SIZE):
                if kind == RTM_NEWADDR:
                    _add_address(links, body)
    return list(links.values())


def _dump(asked: socket.socket, kind: int, size: int) -> list[tuple[int, bytes]]:
    """All messages of the answer to a request for a list."""
    asked.send(message(kind, NLM_REQUEST_DUMP, bytes(size)))
    answers: list[tuple[int, bytes]] = []
    until = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < until and len(answers) < MAX_LINKS * 8:
        data = asked.recv(ANSWER_BYTES)
        at = 0
        while at + HEADER_SIZE <= len(data):
            length, answer = struct.unpack_from("=IH", data, at)
            if length < HEADER_SIZE or answer == NLMSG_DONE:
                return answers
            if answer == NLMSG_ERROR:
                raise OSError(errno.EIO, "the kernel does not list interfaces")
            answers.append((answer, data[at + HEADER_SIZE : at + length]))
            at += length + 3 & ~3
    return answers


def _link(body: bytes) -> Link | None:
    """One interface of the kernel's list (``struct ifinfomsg`` and attributes)."""
    if len(body) < INFO_SIZE:
        return None
    _, hardware, index, flags, _ = struct.unpack_from("=BxHiII", body)
    values = attributes(body[INFO_SIZE:])
    name = _text(values.get(IFLA_IFNAME, b""))
    if not name:
        return None
    state = values.get(IFLA_OPERSTATE, b"\0")[0]
    return Link(
        index,
        name,
        hardware,
        flags,
        STATES[state] if state < len(STATES) else "unknown",
        _text(attributes(values.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"")),
        _number(values.get(IFLA_MASTER)),
        0 if IFLA_LINK_NETNSID in values else _number(values.get(IFLA_LINK)),
        values.get(IFLA_ADDRESS, b""),
    )


def _add_address(links: dict[int, Link], body: bytes) -> None:
    """Add one address of the kernel's list (``struct ifaddrmsg`` and attributes) to its interface."""
    if len(body) < ADDRESS_SIZE:
        return
    family, prefix, _, _, index = struct.unpack_from("=BBBBI", body)
    values = attributes(body[ADDRESS_SIZE:])
    raw = values.get(IFA_LOCAL) or values.get(IFA_ADDRESS) or b""
    link = links.get(index)
    if link is not None and len(raw) in (4, 16) and len(link.addresses) < MAX_ADDRESSES:
        link.addresses.append(f"{socket.inet_ntop(family, raw)}/{prefix}")


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _number(raw: bytes | None) -> int:
    return struct.unpack("=I", raw)[0] if raw is not None and len(raw) == 4 else 0


def everything(links: list[Link]) -> list[Link]:
    """Interfaces that together show every packet, as far as can be known each packet once.

    All that are up, but: not the members of a bond (it shows their packets again), not a bridge with members (these
    show its packets, and those that it passes on), not a VLAN's interface (the one below shows its packets, tagged),
    and none that only repeats others.
    """
    up = {link.index: link for link in links if link.up and link.hardware not in ADVICE}
    masters = {link.master for link in up.values()}

    def again(link: Link) -> bool:
        """Whether other interfaces show all that this one does."""
        master = up.get(link.master)
        if master is not None and master.kind in MEMBERS:
            return True
        if link.kind == "bridge":
            return link.index in masters
        return link.kind in REPEATING or (link.kind in TAGGED and link.below in up)

    return [link for link in up.values() if not again(link)]


class LinkWatch:
    """Finds the interfaces that have to be captured besides those that are: ``names``, or `everything`.

    The kernel's events only give the occasion to list the interfaces anew, so that a lost one does no harm.
    """

    def __init__(self, names: tuple[str, ...] | None, captured: list[str]) -> None:
        self.names = names
        """None: everything."""
        self.socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        self.socket.bind((0, RTMGRP_LINK))
        self.captured = {link.index for link in present_links() if link.name in captured}
        """Interfaces with a ring, or that cannot have one, by index."""
        self.first_event = time.monotonic() - LONGEST_SECONDS
        """When the first event came that was not looked at (monotonic clock): one may have been missed before; 0: none.
        """
        self.last_event = 0.0

    def fileno(self) -> int:
        """Descriptor that is readable when there are events."""
        return self.socket.fileno()

    def due(self) -> float | None:
        """Seconds until `new_interfaces` has something to do without further events; None: it has nothing to do."""
        if not self.first_event:
            return None
        at = min(self.last_event + SETTLE_SECONDS, self.first_event + LONGEST_SECONDS)
        return max(at - time.monotonic(), 0.0)

    def new_interfaces(self) -> list[str]:
        """Names of interfaces that a ring has to be opened for; each is named once while it exists. Never waits."""
        self._read_events()
        if self.due() != 0.0:
            return []
        try:
            links = present_links()
        except OSError:  # asked again
            self.first_event = self.last_event = time.monotonic()
            return []
        self.first_event = 0.0
        self.captured &= {link.index for link in links}
        chosen = everything(links) if self.names is None else [link for link in links if link.name in self.names]
        new = [link for link in chosen if link.index not in self.captured]
        self.captured |= {link.index for link in new}
        return [link.name for link in new]

    def _read_events(self) -> None:
        """Read what the kernel has sent."""
        for _ in range(MAX_EVENTS):
            try:
                self.socket.recv(ANSWER_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # events were lost
                    return
            self.last_event = time.monotonic()
            self.first_event = self.first_event or self.last_event

    def close(self) -> None:
        """End the watch."""
        with contextlib.suppress(OSError):
            self.socket.close()
