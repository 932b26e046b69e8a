"""The kernel's socket tables (sock_diag, linux/inet_diag.h) and its notices of sockets that end."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from typing import Callable, Iterator

from rustnet.probe.ends import TCP, End
from rustnet.probe.errors import RecordError
from rustnet.probe.lines import INET_DIAG_INFO
from rustnet.probe.netlink import HEADER_SIZE, NLM_REQUEST, NLM_REQUEST_DUMP, NLMSG_DONE, NLMSG_ERROR, message

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
SO_RCVBUFFORCE, RECEIVE_BUFFER = 33, 8 << 20
DESTROY_GROUPS = 0b1111  # TCP and UDP, IPv4 and IPv6
# Half-open requests (3, 12) belong to no process yet; TIME_WAIT (6) to none any more, and notices cover it.
OWNED_STATES, KNOWN_STATES, ALL_STATES = 0xFFF & ~(1 << 3 | 1 << 6), 0xFFF & ~(1 << 3), 0xFFFFFFFF
ANY_COOKIE = b"\xff" * 8


class Kernel:
    """The kernel's socket tables of this program's network namespace."""

    def __init__(self, notices: bool = True) -> None:
        self.dump = self._netlink(0)
        self.listener: socket.socket | None = None
        if not notices:
            return
        try:
            self.listener = self._netlink(DESTROY_GROUPS)
            self.listener.setblocking(False)
        except OSError:  # kernels before 4.2
            self.listener = None

    @staticmethod
    def _netlink(multicast: int) -> socket.socket:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        try:
            netlink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # only for root
            netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        netlink.bind((0, multicast))
        return netlink

    def close(self) -> None:
        """Close the sockets to the kernel."""
        self.dump.close()
        if self.listener:
            self.listener.close()

    def sockets(
        self, family: int, protocol: int, counters: bool, between: Callable[[], None]
    ) -> Iterator[tuple[bytes, int, int]]:
        """Sockets of a family and protocol: buffer, start and end of each inet_diag_msg."""
        states = OWNED_STATES if self.listener else KNOWN_STATES
        wanted = 1 << INET_DIAG_INFO - 1 if protocol == TCP and counters else 0
        request = struct.pack("=BBBBI48x", family, protocol, wanted, 0, states)
        self.dump.send(message(SOCK_DIAG_BY_FAMILY, NLM_REQUEST_DUMP, request))
        while True:
            between()
            data, at = self.dump.recv(1 << 16), 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", data, at + HEADER_SIZE)[0]
                    raise RecordError(f"the kernel does not list its sockets (sock_diag: {os.strerror(code)})")
                yield data, at + HEADER_SIZE, at + length
                at += length + 3 & ~3

    def one(self, protocol: int, local: End, remote: End) -> bytes | None:
        """The inet_diag_msg of the socket that has these ends, or None if there is none."""
        family = socket.AF_INET if len(local[0]) == 4 else socket.AF_INET6
        # The kernel looks for the receiver of a UDP datagram: to it the local end is the destination.
        near, far = (local, remote) if protocol == TCP else (remote, local)
        request = struct.pack("=BBBBI", family, protocol, 1 << INET_DIAG_INFO - 1, 0, ALL_STATES)
        request += struct.pack(">HH16s16s4x", near[1], far[1], near[0], far[0]) + ANY_COOKIE
        self.dump.send(message(SOCK_DIAG_BY_FAMILY, NLM_REQUEST, request))
        data = self.dump.recv(1 << 16)
        length, kind = struct.unpack_from("=IH", data)
        return data[HEADER_SIZE:length] if kind == SOCK_DIAG_BY_FAMILY else None

    def notices(self, count: Counter[str]) -> Iterator[bytes]:
        """The inet_diag_msg of every socket that has ended since the last call; lost notices are counted."""
        while self.listener:
            try:
                yield self.listener.recv(1 << 16)[HEADER_SIZE:]
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                count["notices_lost"] += 1
