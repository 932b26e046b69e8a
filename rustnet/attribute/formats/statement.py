"""`Statement`: one process that a packet's comment or header names."""

from typing import NamedTuple

from rustnet.attribute.observation import ProcessFacts
from rustnet.attribute.values import MAX_U32, bounded_text

PATH = 4096
"""Maximum length of a path or command line, in characters."""

JSON = 2048
"""Maximum length of the text of labels, in characters."""

# Side of the named process: the first three are relative to the packet, the last two to its flow.
ANYWHERE, RECEIVES, SENDS, BEGAN, ANSWERED = range(5)


class Statement(NamedTuple):
    """One process, as stated on a packet."""

    source: str
    """Name of the format in `claims.source`."""
    quality: str
    process: ProcessFacts
    place: int = ANYWHERE
    """Side of the process; `ANYWHERE` if only the packet's direction can tell."""


def direction(flags: int) -> int:
    """Side of the capturing host, from the two lowest bits of the flags of pcapng and PKTAP."""
    return (ANYWHERE, RECEIVES, SENDS, ANYWHERE)[flags & 3]


def decimal(text: str | None, largest: int = MAX_U32) -> int | None:
    """Decimal number; ``None`` if the text is not one or it is too large: comments are arbitrary text."""
    if not text or len(text) > 10 or not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if number <= largest else None


def base_name(path: str | None) -> str | None:
    """Last component of a path of any operating system."""
    return bounded_text(path.replace("\\", "/").rstrip("/").rpartition("/")[2]) if path else None
