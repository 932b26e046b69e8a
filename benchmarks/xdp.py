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
REDIRECT = 23
"""Function of the kernel: ``bpf_redirect``."""
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
    """Sends copies of frames out of an interface; raises OSError where the kernel cannot."""

    def __init__(self, interface: str, frames: list[bytes]) -> None:
        if platform.machine() not in BPF:
            raise OSError(f"no number of the system call bpf for {platform.machine()}")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._program = self._load(socket.if_nametoindex(interface))
        # Attached anywhere, the program is known to the kernel's dispatcher, which is changed at each run else (30 ms).
        lo = socket.if_nametoindex("lo")
        self._link = self._call(LINK_CREATE, struct.pack("=IIII48x", self._program, lo, ATTACH_XDP, SKB_MODE))
        self._frames = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
        self._requests = [self._request(frame) for frame in self._frames]
        self._next = 0

    def _call(self, command: int, attributes: bytes) -> int:
        buffer = ctypes.create_string_buffer(attributes, ATTRIBUTES)
        result = int(self._libc.syscall(BPF[platform.machine()], command, buffer, len(attributes)))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def _load(self, index: int) -> int:
        """Load the program ``return bpf_redirect(index, 0)``."""
        code = [(0xB7, 1, index), (0xB7, 2, 0), (0x85, 0, REDIRECT), (0x95, 0, 0)]
        text = ctypes.create_string_buffer(b"".join(struct.pack("=BBhi", op, to, 0, value) for op, to, value in code))
        licence = ctypes.create_string_buffer(b"GPL")
        head = struct.pack("=IIQQ", PROG_TYPE_XDP, len(code), ctypes.addressof(text), ctypes.addressof(licence))
        return self._call(PROG_LOAD, head + bytes(24))

    def _request(self, frame: "ctypes.Array[ctypes.c_char]") -> bytes:
        place = ctypes.addressof(frame)
        head = struct.pack("=IIIIQQII", self._program, 0, len(frame), 0, place, 0, BATCH, 0)
        return head + struct.pack("=IIQQIII4x", 0, 0, 0, 0, LIVE_FRAMES, 0, BATCH)

    def burst(self) -> int:
        """Send `BATCH` copies of the next frame; returns their number."""
        self._call(TEST_RUN, self._requests[self._next])
        self._next = (self._next + 1) % len(self._requests)
        return BATCH
