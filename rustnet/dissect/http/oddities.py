"""What messages of HTTP have against RFC 9112 and 9113: bits while they are read, words in the rows."""

_WORDS = (
    "spacing",
    "no-reason",
    "version",
    "icy",
    "no-version",
    "space-in-target",
    "bare-lf",
    "obs-fold",
    "leading-space",
    "space-before-colon",
    "no-colon",
    "length-conflict",
    "length-repeated",
    "length-invalid",
    "length-and-coding",
    "unusual-coding",
    "coding-in-1.0",
    "chunk-extension",
    "chunk-spacing",
    "host-conflict",
    "host-repeated",
    "no-host",
    "unknown-fields",
)
_BIT = {word: 1 << place for place, word in enumerate(_WORDS)}

SPACING = _BIT["spacing"]
"""Start line with blanks other than one space between its parts."""
NO_REASON = _BIT["no-reason"]
"""Status line without a reason phrase and the space before it."""
VERSION = _BIT["version"]
"""Version in small letters, without its second number, or other than `HTTP/1.` and a digit."""
ICY = _BIT["icy"]
"""Status line of SHOUTcast."""
NO_VERSION = _BIT["no-version"]
"""Request line without a version, which is HTTP/0.9, or status line with `HTTP` alone."""
TARGET_SPACE = _BIT["space-in-target"]
"""Blanks within the target."""
BARE_LF = _BIT["bare-lf"]
"""A line that ends without a carriage return."""
FOLDED = _BIT["obs-fold"]
"""A field over several lines."""
LEADING_SPACE = _BIT["leading-space"]
"""Blanks before the first field, which is not read therefore (2.2)."""
SPACED_NAME = _BIT["space-before-colon"]
"""Blanks between the name of a field and its colon."""
NO_COLON = _BIT["no-colon"]
"""A line that is no field."""
LENGTH_CONFLICT = _BIT["length-conflict"]
"""Several lengths of one body: none of them is believed."""
LENGTH_REPEATED = _BIT["length-repeated"]
"""The same length several times."""
LENGTH_INVALID = _BIT["length-invalid"]
"""A Content-Length that is no number."""
LENGTH_AND_CODING = _BIT["length-and-coding"]
"""Content-Length and Transfer-Encoding: the second one counts (6.3)."""
CODING = _BIT["unusual-coding"]
"""A Transfer-Encoding whose last coding is not `chunked`."""
CODING_OLD = _BIT["coding-in-1.0"]
"""A Transfer-Encoding in HTTP/1.0, which has none."""
CHUNK_EXTENSION = _BIT["chunk-extension"]
"""A chunk's size is followed by an extension."""
CHUNK_SPACING = _BIT["chunk-spacing"]
"""Blanks around a chunk's size."""
HOST_CONFLICT = _BIT["host-conflict"]
"""The target's host is not that of Host."""
HOST_REPEATED = _BIT["host-repeated"]
"""Several Host fields."""
NO_HOST = _BIT["no-host"]
"""A request of HTTP/1.1 without Host."""
UNKNOWN_FIELDS = _BIT["unknown-fields"]
"""Fields of HTTP/2 that refer to what was sent before the capture, or is missing from it."""
SPACED_LENGTH = 1 << len(_WORDS)
"""The name before those blanks is that of a field that frames the body; the words do not tell it apart."""

AMBIGUOUS = LENGTH_CONFLICT | LENGTH_AND_CODING | CODING | SPACED_LENGTH
"""Two readers may see different ends of the message: the ground of request smuggling."""


def with_words(known: list[str] | None, bits: int) -> list[str] | None:
    """Words of a row with those of some more bits, each once."""
    words = known or []
    words += [word for word, bit in _BIT.items() if bits & bit and word not in words]
    return words or None
