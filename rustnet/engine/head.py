"""The headers that nine of ten frames begin with, as one record: one bounds check covers all of them."""

from types import SimpleNamespace
from typing import Any

import numpy as np

HEAD = np.dtype(
    [
        ("macs", "u1", 12),
        ("kind", "=u2"),
        ("first", "u1"),
        ("service", "u1"),
        ("total", "=u2"),
        ("ident", "=u2"),
        ("fragment", "=u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("checksum", "=u2"),
        ("src", "=u4"),
        ("dst", "=u4"),
        ("src_port", "=u2"),
        ("dst_port", "=u2"),
        ("seq", "=u4"),
        ("ack", "=u4"),
        ("offset", "u1"),
        ("flags", "u1"),
        ("window", "=u2"),
    ]
)
"""Ethernet, IPv4 without options, TCP; in `decode.pxd` it is a C struct.

Numbers are the network's, read in this machine's byte order: they need swapping.
"""


class Heads:
    """What a typed memory view of `HEAD` is in compiled code: the record at any offset, in Python integers."""

    def __init__(self, heads: "np.ndarray[tuple[int], np.dtype[np.void]]") -> None:
        self.heads = heads

    def __getitem__(self, o: int) -> Any:
        return SimpleNamespace(**dict(zip(HEAD.names or (), self.heads[o].item(), strict=True)))
