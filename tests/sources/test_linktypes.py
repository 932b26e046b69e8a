"""Names of link types."""

import pytest

from rustnet.sources.linktypes import NAMES, link_name


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "NULL"),
        (1, "ETHERNET"),
        (9, "PPP"),
        (12, "RAW_BSD"),
        (101, "RAW"),
        (104, "C_HDLC"),
        (105, "IEEE802_11"),
        (108, "LOOP"),
        (113, "LINUX_SLL"),
        (127, "IEEE802_11_RADIOTAP"),
        (192, "PPI"),
        (220, "USB_LINUX_MMAPPED"),
        (228, "IPV4"),
        (229, "IPV6"),
        (239, "NFLOG"),
        (258, "PKTAP"),
        (276, "LINUX_SLL2"),
        (40_000, "LINKTYPE_40000"),
    ],
)
def test_names(number: int, name: str) -> None:
    assert link_name(number) == name


def test_names_are_unique() -> None:
    assert len(set(NAMES.values())) == len(NAMES)
