"""Vendors of hardware addresses: the IEEE's blocks of 24, 28 and 36 bits, and what an address itself shows.

A name in parentheses is not of a vendor: it describes what kind of address it is.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("data")

SIZES = (36, 28, 24)
"""Bits of the blocks, the longest first."""

GROUPS = (
    ("ff:ff:ff:ff:ff:ff", "(broadcast)"),
    ("00:00:00:00:00:00", "(no address)"),
    ("01:00:5e:", "(IPv4 multicast)"),
    ("33:33:", "(IPv6 multicast)"),
    ("01:80:c2:", "(IEEE 802 group)"),
)
"""Beginnings of addresses that belong to no device."""

VIRTUAL_ROUTERS = (
    ("00:00:5e:00:01:", "VRRP"),
    ("00:00:5e:00:02:", "VRRP"),
    ("00:00:0c:07:ac:", "HSRP"),
    ("00:00:0c:9f:f", "HSRP"),
    ("00:05:73:a0:0", "HSRP"),
    ("00:07:b4:00:", "GLBP"),
)
"""Addresses that routers share, by the protocol that agrees on which of them has it."""

VIRTUAL_CARDS = (
    ("52:54:00:", "(virtual network card: QEMU)"),
    ("02:42:", "(locally administered; usual of Docker)"),
    ("0a:58:", "(locally administered; usual of Kubernetes)"),
    ("ee:ee:ee:ee:ee:ee", "(locally administered; usual of Calico)"),
    ("02:00:4c:4f:4f:50", "(locally administered; Microsoft's loopback adapter)"),
)
"""Addresses that software makes without a registered block."""

PRODUCTS = (
    ("08:00:27:", "VirtualBox"),
    ("00:15:5d:", "Hyper-V"),
    ("00:16:3e:", "Xen"),
    ("00:05:69:", "virtual"),
    ("00:0c:29:", "virtual"),
    ("00:1c:14:", "virtual"),
    ("00:50:56:", "virtual"),
    ("00:1c:42:", "virtual"),
)
"""Registered blocks of virtual network cards, with what is added to the vendor's name."""

LOCAL = "(locally administered, perhaps random)"
"""Any other address whose second-lowest bit of the first byte is set."""

MULTICAST = "(multicast)"

SUBDIVIDED = "IEEE Registration Authority"
"""Holder of the blocks whose parts have other vendors; a part without one has none."""


def vendors(macs: Collection[str]) -> dict[str, str]:
    """Vendor of each address that has one, or the kind of address in parentheses; texts that are none are left out."""
    known: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for mac in macs:
        number = number_of(mac)
        if number is None:
            continue
        kind = _fixed(mac)
        if kind is not None:
            known[mac] = kind
        else:
            numbers[mac] = number
    if numbers:
        _look_up(numbers, known)
    return known


def number_of(mac: str) -> int | None:
    """The 48 bits of an address; None for another text."""
    digits = mac.replace(":", "")
    if len(mac) != 17 or len(digits) != 12 or not digits.isalnum() or not digits.isascii():
        return None
    try:
        return int(digits, 16)
    except ValueError:
        return None


def virtual_router(mac: str) -> str | None:
    """Protocol of the routers that share an address."""
    return _beginning(mac, VIRTUAL_ROUTERS)


def _beginning(mac: str, table: tuple[tuple[str, str], ...]) -> str | None:
    return next((meaning for start, meaning in table if mac.startswith(start)), None)


def _fixed(mac: str) -> str | None:
    """What an address shows without the table of vendors."""
    group = _beginning(mac, GROUPS)
    if group is not None:
        return group
    if int(mac[1], 16) & 1:
        return MULTICAST
    protocol = virtual_router(mac)
    return f"(virtual router: {protocol})" if protocol else None


def _look_up(numbers: dict[str, int], known: dict[str, str]) -> None:
    """Add the vendors of addresses by the shipped table: the longest prefix wins."""
    import numpy as np  # noqa: PLC0415 -- only where there are addresses

    blocks, places, ends, text = _table()
    values = np.fromiter(numbers.values(), np.uint64, len(numbers))
    chosen = np.full(len(numbers), -1, np.int64)
    for size in sorted(SIZES):
        rest = np.uint64(48 - size)
        keys = (values >> rest << rest << np.uint64(8)) | np.uint64(size)
        at = np.minimum(np.searchsorted(blocks, keys), len(blocks) - 1)
        chosen = np.where(blocks[at] == keys, places[at], chosen)
    for (mac, place), number in zip(zip(numbers, chosen.tolist(), strict=True), numbers.values(), strict=True):
        vendor = "" if place < 0 else text[ends[place] : ends[place + 1]].tobytes().decode()
        if vendor and vendor != SUBDIVIDED:
            product = _beginning(mac, PRODUCTS)
            known[mac] = f"{vendor} ({product})" if product else vendor
        elif number >> 41 & 1:
            known[mac] = _beginning(mac, VIRTUAL_CARDS) or LOCAL


@cache
def _table() -> tuple[Any, Any, Any, Any]:
    """The shipped table, which is read in place: blocks, places of their vendors' names, ends of names, names."""
    import numpy as np  # noqa: PLC0415

    names = ("block", "name", "ends", "text")
    blocks, places, ends, text = (np.load(DATA / f"vendors.{name}.npy", "r") for name in names)
    return blocks, places, ends, text
