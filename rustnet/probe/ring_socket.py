"""Rings of received packets (`packet(7)`, TPACKET_V3): opened with privileges, read without any.

Standard library alone, so that a process that holds privileges needs nothing else. It hands the descriptor of the
socket and its `RingInterface` to the process that reads the packets.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from typing import Tuple

ETHERNET = 1
RAW = 101
COOKED = 276
"""LINKTYPE_LINUX_SLL2: packets from their network header on, after a header that is made of what the kernel says."""
COOKED_BYTES = 20
"""Size of that header."""

LINK_TYPES = {
    1: ETHERNET,  # ARPHRD_ETHER
    280: 227,  # ARPHRD_CAN
    519: RAW,  # ARPHRD_RAWIP
    768: RAW,  # ARPHRD_TUNNEL
    769: RAW,  # ARPHRD_TUNNEL6
    772: ETHERNET,  # ARPHRD_LOOPBACK: Ethernet headers with addresses of zeros
    776: RAW,  # ARPHRD_SIT
    778: RAW,  # ARPHRD_IPGRE
    801: 105,  # ARPHRD_IEEE80211
    802: 119,  # ARPHRD_IEEE80211_PRISM
    803: 127,  # ARPHRD_IEEE80211_RADIOTAP
    823: RAW,  # ARPHRD_IP6GRE
    826: 271,  # ARPHRD_VSOCKMON
    0xFFFE: RAW,  # ARPHRD_NONE: tun, WireGuard
}
"""LINKTYPE by hardware type (``<linux/if_arp.h>``); packets of all others (PPP among them, whose drivers disagree about
the header) are read without their headers, as `COOKED`."""
LOOPBACK = 772
"""ARPHRD_LOOPBACK: the only interface on which each packet is both sent and received."""

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_VERSION = 10
PACKET_IGNORE_OUTGOING = 23
TPACKET_V3 = 2
MR_PROMISC = 1
SO_ATTACH_FILTER = 26
SIOCGIFHWADDR = 0x8927
"""As in ``<linux/if_packet.h>``, ``<linux/if_ether.h>``, ``<asm-generic/socket.h>`` and ``<linux/sockios.h>``."""
RET_CONSTANT = 0x06
"""BPF instruction that ends the program with a constant: the number of bytes that are kept."""

VLAN_TAG = 4
"""Bytes of a VLAN tag."""
EMPTY = -1
"""Result of the walk: no ring has a packet that is due."""
FULL = -2
"""Result of the walk: the batch has no room for the next packet."""

RETIRE_MS = 20
"""Milliseconds after which the kernel passes a block on that is not full, at most twice as many."""
BLOCK_BYTES = 1 << 18
"""Size of a block; a packet that is larger is cut. A block is used up in `RETIRE_MS` even by a single packet: many
small ones let a slow link's reader pause for longer than few large ones."""
SMALLEST_BLOCKS = 8
"""Blocks of a small ring at least: their size is halved until there are so many."""
FRAME_BYTES = 2048
"""Size that the kernel wants to be given although packets in a block have any size."""
MAX_RINGS = 256
"""Interfaces that one capture reads at a time."""
RING_BYTES = 64 << 20
RINGS_BYTES = 256 << 20
"""Size of all rings of a capture together, but that none is smaller than `SMALLEST_RING`."""
SMALLEST_RING = 2 << 20
NAME_BYTES = 16
"""Size of the name of an interface, with a zero at its end (``IFNAMSIZ``)."""
MAX_PROGRAM = 4096
"""Instructions of a program at most (``BPF_MAXINSNS``)."""

Program = Tuple[Tuple[int, int, int, int], ...]
"""Instructions of a classic BPF program: code, jump if true, jump if false, constant."""


@dataclass(frozen=True)
class RingInterface:
    """What the reader of a ring has to know of it; plain values, so that it can be sent along with its descriptor."""

    name: str
    hardware: int
    """Type of hardware, ARPHRD."""
    snaplen: int = 0
    """Bytes kept of a packet; 0: all."""
    block_bytes: int = BLOCK_BYTES
    blocks: int = RING_BYTES // BLOCK_BYTES

    @property
    def link_type(self) -> int:
        """LINKTYPE of its packets."""
        return link_type(self.hardware)


def link_type(hardware: int) -> int:
    """LINKTYPE of the packets of interfaces of a type of hardware."""
    return LINK_TYPES.get(hardware, COOKED)


def hardware_type(interface: str) -> int:
    """Type of hardware, ARPHRD, of an interface; raises OSError."""
    name = interface.encode()
    if len(name) >= NAME_BYTES:
        raise _no_device()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asked:
        answer = fcntl.ioctl(asked, SIOCGIFHWADDR, struct.pack("40s", name))
    return int(struct.unpack_from("=H", answer, NAME_BYTES)[0])


def _no_device() -> OSError:
    return OSError(errno.ENODEV, os.strerror(errno.ENODEV))


def _checked(hardware: int, kind: int) -> int:
    """Type of hardware of a ring's interface; raises OSError if meanwhile another interface has got the name."""
    if (link_type(hardware) == COOKED) != (kind == socket.SOCK_DGRAM):
        raise _no_device()
    return hardware


def ring_bytes(interfaces: int) -> int:
    """Size of the ring of each of so many interfaces."""
    return max(min(RING_BYTES, RINGS_BYTES // max(interfaces, 1)), SMALLEST_RING)


def ring_shape(size: int) -> tuple[int, int]:
    """Size and number of the blocks of a ring of about ``size`` bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    block = BLOCK_BYTES
    while block > page and block * SMALLEST_BLOCKS > size:
        block //= 2
    return block, max(size // block, 2)


def cut_program(program: Program, snaplen: int) -> Program:
    """Make a program keep ``snaplen`` bytes at most; without instructions one that accepts every packet."""
    if not program:
        return ((RET_CONSTANT, 0, 0, snaplen),) if snaplen else ()
    if not snaplen:
        return program
    return tuple(
        (code, true, false, min(value, snaplen) if code == RET_CONSTANT else value)
        for code, true, false, value in program
    )


def attach_program(ring: socket.socket, program: Program) -> None:
    """Let the kernel pass on only packets that a program accepts."""
    import ctypes  # noqa: PLC0415 - only where there is a program

    if len(program) > MAX_PROGRAM:
        raise ValueError(f"a capture filter of {len(program)} instructions; the kernel takes {MAX_PROGRAM}")
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    ring.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


def open_ring(
    interface: str, snaplen: int = 0, size: int = RING_BYTES, program: Program = (), promiscuous: bool = False
) -> tuple[socket.socket, RingInterface]:
    """Open a ring of the packets of an interface; needs CAP_NET_RAW. Raises OSError.

    The filter and the ring are in place before the first packet is received. The program has to be one for the
    interface's link type; a `COOKED` packet begins with its network header there.
    """
    kind = socket.SOCK_DGRAM if link_type(hardware_type(interface)) == COOKED else socket.SOCK_RAW
    ring = socket.socket(socket.AF_PACKET, kind | socket.SOCK_CLOEXEC, 0)
    try:
        block, blocks = ring_shape(size)
        ring.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        per_block = block // FRAME_BYTES
        request = struct.pack("7I", block, blocks, FRAME_BYTES, per_block * blocks, RETIRE_MS, 0, 0)
        ring.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        code = cut_program(program, snaplen)
        if code:
            attach_program(ring, code)
        ring.bind((interface, 0))
        hardware = _checked(ring.getsockname()[3], kind)
        if hardware == LOOPBACK:
            with contextlib.suppress(OSError):  # older than Linux 4.20; the reader drops them too
                ring.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        if promiscuous:
            index = socket.if_nametoindex(interface)
            ring.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("iHH8s", index, MR_PROMISC, 0, b""))
        ring.bind((interface, ETH_P_ALL))
        ring.setblocking(False)
    except BaseException:
        ring.close()
        raise
    return ring, RingInterface(interface, hardware, snaplen, block, blocks)
