"""The cheapest sender that this kernel has: packets of an XDP program's test run, redirected to an interface.

The kernel makes the packets itself, in batches, without a socket (``BPF_F_TEST_XDP_LIVE_FRAMES``, Linux 5.18): a fifth
of the CPU time of ``sendmmsg``. They arrive at the other end of a veth pair like those of a network card. Needs root.
"""

import ctypes
import fcntl
import os
import platform
import socket
import struct

BPF = {"x86_64": 321, "aarch64": 280}
"""Number of the system call."""
PROG_LOAD, TEST_RUN, LINK_CREATE = 5, 10, 28
PROG_TYPE_XDP, ATTACH_XDP = 6, 37
SKB_MODE = 2
LIVE_FRAMES = 2
RANDOM, REDIRECT = 7, 23
"""Functions of the kernel: ``bpf_get_prandom_u32``, ``bpf_redirect``."""
SOURCE_PORT, PAYLOAD, LEAST = 34, 42, 46
"""Offsets in a frame of Ethernet, IPv4 and UDP, and its least size."""
FIRST_PORT = 1024
SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C
BATCH = 64
"""Packets of one call."""
ATTRIBUTES = 144
"""Room for ``union bpf_attr``."""


def receive_like_a_card(interface: str) -> None:
    """Let an end of a veth pair take packets of XDP programs: it polls then (GRO is on)."""
    value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_SGRO, 1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, SIOCETHTOOL, struct.pack("16sQ16x", interface.encode(), ctypes.addressof(value)))


class XdpSender:
    """Sends UDP packets out of an interface that differ in source port and payload, at random.

    ``frame`` is one of them, ``flows`` the number of ports, a power of two. Raises OSError where the kernel cannot.
    """

    def __init__(self, interface: str, frame: bytes, flows: int) -> None:
        if platform.machine() not in BPF:
            raise OSError(f"no number of the system call bpf for {platform.machine()}")
        self._libc = ctypes.CDLL(None, use_errno=True)
        program = self._load(instructions(socket.if_nametoindex(interface), flows))
        # Attached anywhere, the program is known to the kernel's dispatcher, which is changed at each run else (30 ms).
        lo = socket.if_nametoindex("lo")
        self._call(LINK_CREATE, struct.pack("=IIII48x", program, lo, ATTACH_XDP, SKB_MODE))
        self._frame = ctypes.create_string_buffer(frame, len(frame))
        place = ctypes.addressof(self._frame)
        head = struct.pack("=IIIIQQII", program, 0, len(frame), 0, place, 0, BATCH, 0)
        self._request = head + struct.pack("=IIQQIII4x", 0, 0, 0, 0, LIVE_FRAMES, 0, BATCH)

    def _call(self, command: int, attributes: bytes) -> int:
        buffer = ctypes.create_string_buffer(attributes, ATTRIBUTES)
        result = int(self._libc.syscall(BPF[platform.machine()], command, buffer, len(attributes)))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def _load(self, code: bytes) -> int:
        text, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
        places = ctypes.addressof(text), ctypes.addressof(licence)
        return self._call(PROG_LOAD, struct.pack("=IIQQ24x", PROG_TYPE_XDP, len(code) // 8, *places))

    def burst(self) -> int:
        """Send `BATCH` packets; returns their number."""
        self._call(TEST_RUN, self._request)
        return BATCH


def instructions(index: int, flows: int) -> bytes:
    """Program that gives a packet a random payload and source port, and sends it out of an interface."""
    return b"".join(
        struct.pack("=BBhi", *each)
        for each in (
            (0xBF, 0x16, 0, 0),  # r6 = context
            (0x85, 0x00, 0, RANDOM),  # r0 = random number
            (0x61, 0x61, 0, 0),  # r1 = first byte of the packet
            (0x61, 0x62, 4, 0),  # r2 = its end
            (0xBF, 0x13, 0, 0),
            (0x07, 0x03, 0, LEAST),
            (0x2D, 0x23, 5, 0),  # too short: as it is
            (0x63, 0x01, PAYLOAD, 0),  # random payload
            (0x57, 0x00, 0, flows - 1),
            (0x07, 0x00, 0, FIRST_PORT),
            (0xDC, 0x00, 0, 16),
            (0x6B, 0x01, SOURCE_PORT, 0),  # random port, in network order
            (0xB7, 0x01, 0, index),
            (0xB7, 0x02, 0, 0),
            (0x85, 0x00, 0, REDIRECT),
            (0x95, 0x00, 0, 0),
        )
    )
