"""`Statement`: what a comment or header says of the packet it stands on; packets of a flow repeat the same few."""

from typing import NamedTuple

from rustnet.attribute.observation import ProcessFacts
from rustnet.attribute.values import MAX_U32, words

PATH = 4096
"""Longest path or command line that is kept, in characters."""

JSON = 2048
"""Longest text of labels that is kept."""

# Where the process is that a statement names. The first three are about the packet, the last two about its flow.
ANYWHERE, RECEIVES, SENDS, BEGAN, ANSWERED = range(5)


class Statement(NamedTuple):
    """One process that stands on a packet."""

    source: str
    """Name of the format in `claims.source`."""
    quality: str
    process: ProcessFacts
    place: int = ANYWHERE
    """`ANYWHERE` (not stated: the packet's direction may say it), or where in the flow the process is."""


def direction(flags: int) -> int:
    """Where the host that captured stands, by the two lowest bits that pcapng and PKTAP use alike."""
    return (ANYWHERE, RECEIVES, SENDS, ANYWHERE)[flags & 3]


def whole(text: str | None, largest: int = MAX_U32) -> int | None:
    """Read a number in decimal digits; ``None`` for what is none, or too large: a comment may say anything."""
    if not text or len(text) > 10 or not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if number <= largest else None


def said(text: str | None, longest: int = 256) -> str | None:
    """Text, bounded and fit for a database; empty text is ``None``."""
    return words(text, longest)


def base_name(path: str | None) -> str | None:
    """Last part of a path of any system."""
    return said(path.replace("\\", "/").rstrip("/").rpartition("/")[2]) if path else None
