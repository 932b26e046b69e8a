"""Vendors of hardware addresses, and what the addresses themselves show."""

import time

import pytest

from rustnet.enrich.vendors import LOCAL, number_of, vendors, virtual_router


@pytest.mark.parametrize(
    ("mac", "vendor"),
    [
        ("00:00:0c:12:34:56", "Cisco Systems, Inc"),
        ("d8:30:62:56:00:1c", "Apple, Inc."),
        ("00:1b:c5:00:00:01", "Converging Systems Inc."),  # 36 bits, within a block of the IEEE's
        ("00:55:da:0f:ff:ff", "Shinko Technos co.,ltd."),  # 28 bits
        ("08:00:27:00:00:01", "PCS Systemtechnik GmbH (VirtualBox)"),
        ("00:0c:29:00:00:01", "VMware, Inc. (virtual)"),
        ("00:15:5d:00:00:01", "Microsoft Corporation (Hyper-V)"),
        ("00:16:3e:00:00:01", "Xensource, Inc. (Xen)"),
        ("52:54:00:12:34:56", "(virtual network card: QEMU)"),
        ("02:42:ac:11:00:02", "(locally administered; usual of Docker)"),
        ("da:a1:19:00:00:01", LOCAL),
        ("fe:ff:ff:ff:ff:ff", LOCAL),
        ("ff:ff:ff:ff:ff:ff", "(broadcast)"),
        ("01:00:5e:00:00:fb", "(IPv4 multicast)"),
        ("33:33:00:00:00:fb", "(IPv6 multicast)"),
        ("01:80:c2:00:00:0e", "(IEEE 802 group)"),
        ("03:00:00:00:00:01", "(multicast)"),
        ("00:00:00:00:00:00", "(no address)"),
        ("00:00:5e:00:01:07", "(virtual router: VRRP)"),
        ("00:00:0c:07:ac:01", "(virtual router: HSRP)"),
    ],
)
def test_of_an_address(mac: str, vendor: str) -> None:
    assert vendors([mac]) == {mac: vendor}


def test_the_longest_block_wins_and_its_neighbours_have_none() -> None:
    """A part of a divided block that nobody has is not the IEEE's."""
    same, other = "70:b3:d5:ff:f0:01", "70:b3:d5:00:00:01"
    assert vendors([same, other]) == {same: "Private"}


@pytest.mark.parametrize(
    "text",
    ["", "x", "01:02", "00:00:0c:12:34:5g", "00-00-0c-12-34-56", "00:00:0c:12:34:56:78", "\u0660\u0660:00:0c:12:34:56"],
)
def test_texts_that_are_no_addresses_have_none(text: str) -> None:
    assert number_of(text) is None
    assert vendors([text]) == {}


def test_routers_that_share_an_address() -> None:
    assert virtual_router("00:07:b4:00:01:02") == "GLBP"
    assert virtual_router("00:07:b5:00:01:02") is None


def test_many_at_once() -> None:
    """A capture may have any number of addresses."""
    vendors(["00:00:0c:00:00:00"])
    macs = [f"{n & 0xFE:02x}:{n >> 8 & 0xFF:02x}:{n >> 16 & 0xFF:02x}:00:00:00" for n in range(1 << 17)]
    began = time.process_time()
    found = vendors(macs)
    assert time.process_time() - began < 5
    local = [mac for mac in macs if int(mac[1], 16) & 2]
    assert all(mac in found for mac in local)
    assert LOCAL in {found[mac] for mac in local}
