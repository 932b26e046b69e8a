"""Questions to the kernel about interfaces, routes and neighbours, and its notices of their changes (rtnetlink)."""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass, field
from typing import Iterator, Tuple

from rustnet.probe.netlink import (
    HEADER_SIZE,
    NLM_REQUEST,
    NLM_REQUEST_DUMP,
    NLMSG_DONE,
    NLMSG_ERROR,
    attribute,
    message,
)

NETLINK_ROUTE = 0
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400  # links, neighbours, addresses and routes of IPv4 and of IPv6
NLM_F_DUMP_INTR, NLM_F_REPLACE = 0x10, 0x100
IFLA_IFNAME, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS = 3, 29, 1 << 3
HEADER_SIZES = {RTM_GETLINK: 16, RTM_GETADDR: 8, RTM_GETROUTE: 12, RTM_GETNEIGH: 12}
"""Size of the structure that each question begins with."""
BUFFER, RECEIVE_BUFFER = 1 << 17, 4 << 20
ANSWER_SECONDS = 2.0
"""Longest wait for an answer, which the kernel gives at once."""
DUMP_TRIES = 3

Notice = Tuple[int, int, bytes]
"""Kind, flags and body of a message."""


def messages(data: bytes) -> Iterator[Notice]:
    """Messages of one datagram, up to the first that is malformed."""
    at = 0
    while at + HEADER_SIZE <= len(data):
        length, kind, flags = struct.unpack_from("=IHH", data, at)
        if length < HEADER_SIZE or at + length > len(data):
            return
        yield kind, flags, data[at + HEADER_SIZE : at + length]
        at += length + 3 & ~3


@dataclass
class Dump:
    """The answer to a question about everything of a kind."""

    bodies: list[bytes] = field(default_factory=list)
    left_out: int = 0
    """Entries beyond the bound."""
    interrupted: bool = False
    """The kernel's table changed meanwhile, so that the answer may be inconsistent."""


class Questions:
    """Questions to the kernel, one at a time."""

    def __init__(self) -> None:
        self.socket = self._open()

    @staticmethod
    def _open() -> socket.socket:
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
        opened.settimeout(ANSWER_SECONDS)
        return opened

    def close(self) -> None:
        """Close the socket to the kernel."""
        self.socket.close()

    def _again(self) -> None:
        """Open the socket again after a failure: the rest of an answer may still come."""
        self.socket.close()
        self.socket = self._open()

    def dump(self, kind: int, family: int, most: int) -> Dump:
        """At most ``most`` entries of a family; raises `OSError` if the kernel refuses.

        An inconsistent answer is asked for again.
        """
        for _ in range(DUMP_TRIES):
            try:
                answer = self._dump(kind, family, most)
            except OSError:
                self._again()
                raise
            if not answer.interrupted:
                break
        return answer

    def _dump(self, kind: int, family: int, most: int) -> Dump:
        body = bytes((family,)) + bytes(HEADER_SIZES[kind] - 1)
        if kind == RTM_GETLINK:
            body += attribute(IFLA_EXT_MASK, struct.pack("=I", RTEXT_FILTER_SKIP_STATS))
        self.socket.send(message(kind, NLM_REQUEST_DUMP, body))
        answer = Dump()
        while True:
            data, sender = self.socket.recvfrom(BUFFER)
            if sender[0]:
                continue  # another program, not the kernel
            for one, flags, content in messages(data):
                answer.interrupted |= bool(flags & NLM_F_DUMP_INTR)
                if one == NLMSG_DONE:
                    return answer
                if one == NLMSG_ERROR:
                    raise refusal(content)
                if len(answer.bodies) < most:
                    answer.bodies.append(content)
                else:
                    answer.left_out += 1

    def link(self, name: str) -> bytes | None:
        """The kernel's description of one interface with its counters; None if there is none of this name."""
        raw = name.encode("utf-8", "surrogateescape")
        try:
            self.socket.send(message(RTM_GETLINK, NLM_REQUEST, bytes(16) + attribute(IFLA_IFNAME, raw[:15] + b"\0")))
            while True:
                data, sender = self.socket.recvfrom(BUFFER)
                if not sender[0]:
                    break
        except OSError:
            self._again()
            return None
        for kind, _, body in messages(data):
            return body if kind == RTM_NEWLINK else None
        return None


def refusal(content: bytes) -> OSError:
    """The error that the kernel answers with."""
    code = -struct.unpack_from("=i", content)[0] if len(content) >= 4 else errno.EPROTO
    return OSError(code, "the kernel does not answer questions about its network (rtnetlink)")


class Notices:
    """The kernel's notices of changes of links, addresses, routes and neighbours."""

    def __init__(self) -> None:
        self.socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_ROUTE
        )
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.bind((0, GROUPS))
        self.overruns = 0
        """How often the kernel had no room for a notice."""

    def close(self) -> None:
        """Close the socket to the kernel."""
        self.socket.close()

    def read(self, datagrams: int) -> Iterator[Notice]:
        """Notices that have come, of at most so many datagrams."""
        for _ in range(datagrams):
            try:
                data, sender = self.socket.recvfrom(BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            if not sender[0]:
                yield from messages(data)
