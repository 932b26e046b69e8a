"""Network namespaces that tests make, with interfaces, and frames sent through these."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Self

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
TUNSETLINK = 0x400454CD
IFF_TUN, IFF_NO_PI = 1, 0x1000
THIS = Path("/proc/thread-self/ns/net")


@cache
def unavailable() -> str:
    """Why no namespace can be made here; empty if one can."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "needs the ip command"
    answer = subprocess.run(
        ["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False
    )
    return f"cannot make a network namespace: {answer.stderr.strip()}" if answer.returncode else ""


class Namespace:
    """A network namespace that the calling thread enters."""

    def __enter__(self) -> Self:
        self.before = os.open(THIS, os.O_RDONLY)
        self.libc = ctypes.CDLL(None, use_errno=True)
        if self.libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self.tuns: list[int] = []
        self.run("ip link set lo up")
        return self

    def __exit__(self, *_: object) -> None:
        for tun in self.tuns:
            os.close(tun)
        if self.libc.setns(self.before, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(self.before)

    def run(self, command: str) -> None:
        subprocess.run(command.split(), check=True, capture_output=True)

    def veth(self, name: str, peer: str) -> None:
        """A pair of interfaces that are up and send nothing by themselves."""
        self.run(f"ip link add name {name} type veth peer name {peer}")
        for end in (name, peer):
            Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
            self.run(f"ip link set dev {end} up")

    def tun(self, name: str, hardware: int | None = None) -> int:
        """A tun interface, of a type of hardware if given; what is written to the descriptor arrives on it."""
        descriptor = os.open("/dev/net/tun", os.O_RDWR)
        self.tuns.append(descriptor)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        if hardware is not None:
            fcntl.ioctl(descriptor, TUNSETLINK, hardware)
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        self.run(f"ip link set dev {name} up")
        return descriptor


def sender(interface: str) -> socket.socket:
    """A socket that sends frames as they are."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.bind((interface, 0))
    return made
