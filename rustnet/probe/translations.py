"""The other side of translated connections, from the kernel's connection tracking (nfnetlink_conntrack.h)."""

from __future__ import annotations

import errno
import socket
import struct

from rustnet.probe.ends import End
from rustnet.probe.netlink import HEADER_SIZE, NLM_REQUEST, NLMSG_ERROR, attribute, attributes, message, nested
from rustnet.probe.procfs import read

NETLINK_NETFILTER, CT_GET = 12, 0x101
TRACKED = "/proc/sys/net/netfilter/nf_conntrack_count"


class Translations:
    """The kernel's table of tracked connections."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        if int(read(TRACKED) or 0):  # a request would load connection tracking where it is not in use
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)

    def close(self) -> None:
        """Close the socket to the kernel."""
        if self.socket:
            self.socket.close()

    def other(self, protocol: int, source: End, target: End) -> tuple[End, End] | None:
        """Source and target of the packets that come back, if they are not the same two; None without translation."""
        if self.socket is None:
            return None
        family, base = (socket.AF_INET, 1) if len(source[0]) == 4 else (socket.AF_INET6, 3)
        addresses = nested(1, attribute(base, source[0]) + attribute(base + 1, target[0]))
        ports = attribute(2, struct.pack(">H", source[1])) + attribute(3, struct.pack(">H", target[1]))
        request = struct.pack("=BBH", family, 0, 0)
        request += nested(1, addresses + nested(2, attribute(1, bytes((protocol,))) + ports))
        self.socket.send(message(CT_GET, NLM_REQUEST, request))
        data = self.socket.recv(1 << 16)
        length, kind = struct.unpack_from("=IH", data)
        if kind == NLMSG_ERROR:
            if struct.unpack_from("=i", data, HEADER_SIZE)[0] == -errno.EPERM:
                self.socket.close()
                self.socket = None
            return None
        directions = attributes(data[HEADER_SIZE + 4 : length])
        original, reply = (self._ends(directions.get(direction, b""), base) for direction in (1, 2))
        back = reply if original == (source, target) else original
        return None if back is None or back == (target, source) else back

    @staticmethod
    def _ends(raw: bytes, base: int) -> tuple[End, End] | None:
        """Source and target of one direction."""
        parts = attributes(raw)
        addresses, ports = attributes(parts.get(1, b"")), attributes(parts.get(2, b""))
        try:
            near, far = struct.unpack(">H", ports[2])[0], struct.unpack(">H", ports[3])[0]
            return (addresses[base], near), (addresses[base + 1], far)
        except (KeyError, struct.error):
            return None
