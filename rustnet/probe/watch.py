"""Packets that open connections, seen as they pass; their content is not looked at."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from dataclasses import dataclass
from typing import Iterator

from rustnet.probe.ends import TCP, UDP, End, Ends, packet_ends

SO_ATTACH_FILTER, SO_TIMESTAMPNS = 26, 35
SOL_PACKET, PACKET_STATISTICS = 263, 6
ETH_P_ALL, PACKET_HOST, PACKET_OUTGOING = 3, 0, 4
WATCH_LIMIT, WATCH_REST = 2000, 5.0
"""Packets per second that are watched; above that fewer kinds of packets are watched for so many seconds."""


@dataclass
class Target:
    """A socket whose owner is looked for because of a packet."""

    protocol: int
    local: End
    remote: End
    seen: int
    """When the packet passed (ns since 1970)."""
    tries: int = 0

    def key(self) -> Ends:
        """Protocol and ends."""
        return self.protocol, self.local, self.remote


class PacketWatch:
    """TCP packets with SYN, and UDP packets, as they pass through any interface of the network namespace.

    A filter in the kernel drops the others.
    """

    def __init__(self, udp: bool) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.setblocking(False)
        self.full_level = self.level = 1 + udp  # 2: TCP and UDP, 1: TCP, 0: nothing
        self.second = self.seen = self.lost = 0
        self.restore_at = float("inf")
        """When it is time to watch everything again (monotonic)."""
        self._filter()

    def _filter(self) -> None:
        """Attach the filter of the present level."""
        take, drop, udp = (6, 0, 0, 128), (6, 0, 0, 0), self.level > 1
        if not self.level:
            program = [drop]
        else:  # classic BPF; data begins with the network header; a jump counts from the next instruction
            program = [
                (0x20, 0, 0, 0xFFFFF000),  # ethertype
                (0x15, 0, 8, 0x0800),
                (0x28, 0, 0, 6), (0x45, 14, 0, 0x1FFF),  # fragments but the first
                (0x30, 0, 0, 9), (0x15, 11 if udp else 12, 0, UDP), (0x15, 0, 11, TCP),
                (0xB1, 0, 0, 0), (0x50, 0, 0, 13), (0x45, 7, 8, 2),  # the SYN flag
                (0x15, 0, 7, 0x86DD),
                (0x30, 0, 0, 6), (0x15, 4 if udp else 5, 0, UDP), (0x15, 0, 4, TCP),
                (0x30, 0, 0, 53), (0x45, 1, 2, 2),
                drop, take, drop,
            ]  # fmt: skip
        raw = b"".join(struct.pack("=HBBI", *one) for one in program)
        buffer = ctypes.create_string_buffer(raw, len(raw))
        self.socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer))
        )

    def close(self) -> None:
        """Stop watching."""
        self.socket.close()

    def dropped(self) -> int:
        """Number of packets so far that the kernel had no room for."""
        self.lost += struct.unpack("=II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        return self.lost

    def count(self) -> bool:
        """Count one packet; returns whether there were too many in this second, so that less is watched from now on."""
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.seen = second, 0
        self.seen += 1
        if self.seen <= WATCH_LIMIT or not self.level:
            return False
        self.seen = 0
        self.level -= 1
        self.restore_at = time.monotonic() + WATCH_REST
        self._filter()
        return True

    def restore(self) -> None:
        """Watch everything again, if enough time has passed."""
        if time.monotonic() > self.restore_at:
            self.level, self.restore_at = self.full_level, float("inf")
            self._filter()

    def packets(self, limit: int) -> Iterator[Target]:
        """The ends of packets that have passed since the last call."""
        for _ in range(limit):
            try:
                data, control, _, source = self.socket.recvmsg(128, 64)
            except BlockingIOError:
                return
            except OSError:  # an interface is down
                continue
            outgoing = source[2] == PACKET_OUTGOING
            if not outgoing and source[2] != PACKET_HOST:
                continue
            seen = time.time_ns()
            for level, kind, value in control:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanos = struct.unpack("@ll", value)
                    seen = seconds * 1_000_000_000 + nanos
            ends = packet_ends(data)
            if ends:
                protocol, sender, receiver = ends
                local, remote = (sender, receiver) if outgoing else (receiver, sender)
                yield Target(protocol, local, remote, seen)


def open_watch(udp: bool) -> PacketWatch | None:
    """Begin to watch packets, if this user may."""
    try:
        return PacketWatch(udp)
    except OSError:  # not root, or a kernel without packet sockets
        return None
