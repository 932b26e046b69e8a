"""Service names of ports, and ranks that tell which of two ports is the server's."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

PRIVILEGED, REGISTERED, ANY = 2, 1, 0
"""Ranks of ports: the end with the higher rank is taken for the server if there is no better evidence."""

FIRST_EPHEMERAL = 32_768
"""First client port of Linux (IANA: 49152); registered names above it are weak evidence."""


@cache
def service_names() -> tuple[dict[int, str], dict[int, str]]:
    """Service names by port, over TCP and over UDP."""
    tcp: dict[int, str] = {}
    udp: dict[int, str] = {}
    for line in Path(__file__).with_name("services.tsv").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        port, tcp_name, udp_name = line.split("\t")
        if tcp_name:
            tcp[int(port)] = tcp_name
        if udp_name:
            udp[int(port)] = udp_name
    return tcp, udp


def server_ranks(known: Iterable[int]) -> bytes:
    """Rank of each of the 65,536 ports; ``known`` are the ports of dissectors, which count as registered."""
    ranks = bytearray(65_536)
    tcp, udp = service_names()
    for port in (*tcp, *udp):
        if port < FIRST_EPHEMERAL:
            ranks[port] = REGISTERED
    for port in known:
        ranks[port] = REGISTERED
    ranks[1:1024] = bytes([PRIVILEGED]) * 1023
    return bytes(ranks)
