"""What of the values of each kind is looked for, and how a text is broken into what is looked for."""

import ast
import base64
import binascii
import enum
import functools
import re
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import numpy as np

import rustnet.export
from rustnet import i18n
from rustnet.policy.redaction import vocabulary
from rustnet.policy.redaction.pseudonyms import PSEUDONYM
from rustnet.records import Kind


class Part(enum.Flag):
    """What is looked for of a value."""

    ADDRESSES = enum.auto()
    """IP addresses in it, in every spelling and as bytes."""
    HARDWARE = enum.auto()
    """Hardware addresses in it, in every spelling, as bytes and within IPv6 addresses."""
    WORDS = enum.auto()
    """Each of its words, wherever it occurs."""
    WHOLE = enum.auto()
    """All of it, wherever it occurs."""
    NUMBERS = enum.auto()
    """A number, in columns of the same kind."""


_ENDS = Part.ADDRESSES | Part.HARDWARE
_NAMES = _ENDS | Part.WORDS
SOUGHT: dict[Kind, Part | None] = {
    Kind.ADDRESS: Part.ADDRESSES | Part.WORDS,
    Kind.ADDRESS_NUMBER: Part.ADDRESSES,
    Kind.MAC: Part.HARDWARE | Part.WORDS,
    Kind.HOST: _NAMES,
    Kind.USER: _NAMES,
    Kind.PATH: _NAMES,
    Kind.COMMAND_LINE: _NAMES,
    Kind.URI: _NAMES,
    Kind.SOFTWARE: _NAMES,
    Kind.DISTINGUISHED_NAME: _NAMES,
    Kind.FINGERPRINT: Part.WHOLE,
    Kind.DIGEST: Part.WHOLE,
    Kind.IDENTIFIER: _NAMES | Part.WHOLE | Part.NUMBERS,
    Kind.OBJECT: _NAMES,
    Kind.PLACE: Part.WORDS,
    Kind.AUTONOMOUS_SYSTEM: Part.WORDS | Part.NUMBERS,
    Kind.TERM: _NAMES,
    Kind.SECRET: _NAMES | Part.WHOLE,
    Kind.MIXED: _NAMES,
    Kind.FREE_TEXT: _NAMES,
    # Words of protocols and measured values stay under every policy.
    Kind.WORD: None,
    Kind.TIME: None,
    Kind.DURATION: None,
    Kind.BYTES: None,
    Kind.COUNT: None,
    Kind.RATIO: None,
    Kind.PORT: None,
    Kind.NUMBER: None,
    Kind.FLAGS: None,
    Kind.BOOLEAN: None,
    Kind.FLOW: None,
    Kind.PACKET: None,
    Kind.KEY: None,
}
"""Parts of the values of each kind; None: its values stay, so that none is looked for."""

SHORTEST_WORD = 4
"""Least characters of a word that is looked for outside of columns of its kind."""
SHORTEST_ANYWHERE = 8
"""Least bytes of a text that is looked for at any position, without regard to what is next to it."""
LEAST_DIGITS = 15
"""Least digits of a number that is looked for outside of columns of its kind: times have up to 19, but few twice."""
PHRASE = 4
"""Most words of a phrase of common words that is looked for."""
MAX_VIEWS = 200
"""Most encoded texts of one kind within a piece of text that are decoded twice."""

_RUN = re.compile(r"[^\W_]+(?:[-_]+[^\W_]+)*")
_PIECE = re.compile(r"[^\W_]+")
_HEX = re.compile(r"[0-9a-f]+")
V4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)(?P<arpa>\.in-addr\.arpa)?", re.ASCII)
V6 = re.compile(r"(?<![0-9a-z:])(?:[0-9a-f]{1,4}|:):[0-9a-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?(?![0-9a-z]*:)", re.ASCII)
ARPA6 = re.compile(r"(?<![0-9a-f.])((?:[0-9a-f]\.){32})ip6\.arpa", re.ASCII)
MAC = re.compile(
    r"(?<![0-9a-z:.-])(?:[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"
    r"|[0-9a-f]{12})(?![0-9a-z:-])",
    re.ASCII,
)
DECIMAL = re.compile(r"(?<![\w.-])\d{7,10}(?![\w-]|\.\d)", re.ASCII)
LONG_DECIMAL = re.compile(r"(?<![\w.])\d{15,39}(?![\w]|\.\d)", re.ASCII)
HEX8 = re.compile(r"(?<![\w])(?:0x)?([0-9a-f]{8})(?![\w])", re.ASCII)
HEX32 = re.compile(r"(?<![\w])(?:0x)?([0-9a-f]{32})(?![\w])", re.ASCII)
_PERCENT = re.compile(r"(?:[\w./+~-]|%[0-9a-f]{2})*%[0-9a-f]{2}(?:[\w./+~-]|%[0-9a-f]{2})*", re.ASCII)
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\([\\/\"'bfnrt])")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});")
_PUNYCODE = re.compile(r"xn--[a-z0-9-]{1,59}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}", re.ASCII)
_HEX_TEXT = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}){6,}(?![0-9A-Za-z])", re.ASCII)
_WIDE = re.compile(rb"(?:[\x20-\x7e]\x00){4,}")
_PRINTABLE = re.compile(rb"[\x20-\x7e\t\r\n]{6,}")


# ---- words ---------------------------------------------------------------------------------------------------------


_FORMATS = ("zeek/*.py", "eve/*.py", "eve*.py", "har*.py", "ecs*.py", "ecs/*.py", "report/*.py")
"""Modules with the names of the fields of other programs' formats."""
_OF_PROTOCOLS = frozenset(("ssh-1", "ssh-2", "http-equiv"))
"""Composed words of protocols."""


@functools.cache
def program_words() -> frozenset[str]:
    """Words of the program's own sentences, which are in outputs whatever the session holds."""
    words = set(_OF_PROTOCOLS)
    for folder in (i18n.FOLDER / language for language in ("de", i18n.language())):
        wanted = ("msgid",) if folder.name != i18n.language() else ("msgid", "msgstr")
        for file in folder.rglob("*.po"):
            words |= _words_of_messages(file, wanted)
    for kind in Kind:
        words |= words_of(kind.value)
    for name in _FORMATS:
        for file in Path(rustnet.export.__file__).parent.glob(name):
            words |= _words_of_module(file)
    return frozenset(words) | common_words()


def _words_of_messages(file: Path, wanted: tuple[str, ...]) -> set[str]:
    """Words of the entries of a catalogue of messages that begin with some keywords."""
    words: set[str] = set()
    take = False
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("msg"):
            take = line.startswith(wanted)
        if take:
            words |= words_of(line)
    return words


def _words_of_module(file: Path) -> set[str]:
    """Words of the texts in a module."""
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return words_of(" ".join(texts))


@functools.cache
def common_words() -> frozenset[str]:
    """Words that a policy may keep because very many systems have them."""
    words: set[str] = set()
    for entry in vars(vocabulary).values():
        if isinstance(entry, frozenset):
            for word in entry:
                words.add(word)
                words.update(words_of(word))
    return frozenset(words)


def words_of(text: str) -> set[str]:
    """Words of a text, in lower case: with the hyphens within them, and without; pseudonyms have none."""
    lower = text.lower()
    runs = set(_RUN.findall(lower))
    pieces: set[str] = set()
    for run in runs:
        if "-" in run or "_" in run:
            pieces.update(_PIECE.findall(PSEUDONYM.sub(" ", run)))
    return runs | pieces


def is_weak(word: str) -> bool:
    """Whether a word is too short, too common or too plain to be looked for outside of columns of its kind."""
    if len(word) < SHORTEST_WORD or word in program_words() or len(set(word)) < 3:
        return True
    if word.isdigit():
        return len(word) < LEAST_DIGITS
    return len(word) < SHORTEST_ANYWHERE and _HEX.fullmatch(word) is not None


def is_composed(word: str) -> bool:
    """Whether a word consists of weak ones."""
    return all(map(is_weak, _PIECE.findall(word)))


def phrase_of(text: str) -> tuple[str, ...]:
    """First words of a text whose words are common; empty for one without two words of three letters."""
    words = tuple(_PIECE.findall(text.lower())[:PHRASE])
    with_letters = sum(len(word) > 2 and not word.isdigit() for word in words)
    return words if with_letters > 1 and sum(map(len, words)) >= SHORTEST_ANYWHERE else ()


def pieces_of(text: str) -> list[str]:
    """Words of a text in their order, without hyphens."""
    return _PIECE.findall(text.lower())


def phrases_of(text: str) -> set[tuple[str, ...]]:
    """All runs of some words of a text."""
    words = _PIECE.findall(text.lower())
    return {tuple(words[at : at + size]) for size in range(2, PHRASE + 1) for at in range(len(words) - size + 1)}


# ---- addresses -----------------------------------------------------------------------------------------------------


def v4_of(text: str) -> int | None:
    """Number of an IPv4 address."""
    number = 0
    for part in text.split("."):
        if int(part) > 255:
            return None
        number = number << 8 | int(part)
    return number


def v6_of(text: str) -> int | None:
    """Number of an IPv6 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return int(address) if isinstance(address, IPv6Address) else None


def addresses_in(text: str) -> Iterator[tuple[int, bool, str, str]]:
    """Number, whether it is one of IPv4, spelling and form of each address in a text in lower case."""
    for match in V4.finditer(text):
        plain = match[0]
        if match["arpa"]:
            parts = plain.removesuffix(match["arpa"]).split(".")
            plain = ".".join(reversed(parts))
        number = v4_of(plain)
        if number is not None:
            yield number, True, match[0], "reversed" if match["arpa"] else "text"
    if ":" in text:
        for match in V6.finditer(text):
            number = v6_of(match[0]) if match[0].count(":") > 1 else None
            if number is not None:
                yield number, False, match[0], "text"
    if "arpa" in text:
        for match in ARPA6.finditer(text):
            yield int(match[1].replace(".", "")[::-1], 16), False, match[0], "reversed"


def hardware_in(text: str) -> Iterator[tuple[int, str]]:
    """Number and spelling of each hardware address in a text in lower case."""
    for match in MAC.finditer(text):
        yield int(re.sub(r"[:.-]", "", match[0]), 16), match[0]


def v4_within(number: int) -> int | None:
    """The IPv4 address within an IPv6 address: mapped, compatible, of NAT64 or 6to4."""
    if number >> 32 in (0xFFFF, 0x64FF9B << 64) or (number >> 32 == 0 and number > 0xFFFF):
        return number & 0xFFFF_FFFF
    return number >> 80 & 0xFFFF_FFFF if number >> 112 == 0x2002 else None


def hardware_within(number: int) -> int | None:
    """The hardware address from which the last half of an IPv6 address was made."""
    last = number & ((1 << 64) - 1)
    if last >> 24 & 0xFFFF != 0xFFFE:
        return None
    return (last >> 40 << 24 | last & 0xFF_FFFF) ^ 0x02_0000_000000


# ---- encoded texts -------------------------------------------------------------------------------------------------


def _percent(text: str) -> str:
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode("utf-8", "replace"))
    return raw.decode("utf-8", "replace")


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else {"b": " ", "f": " ", "n": " ", "r": " ", "t": " "}.get(match[3], match[3])


def unicode_of(label: str) -> str:
    """A label of an international name in its letters."""
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return ""


def decoded(text: str) -> Iterator[tuple[str, str]]:
    """Form and content of what a text holds in encoded form; ``text`` with its letters' case."""
    lower = text.lower()
    if "%" in lower:
        yield "percent-encoded", "\n".join(_percent(each) for each in set(_PERCENT.findall(lower)))
    if "\\" in lower:
        pieces = {_ESCAPE.sub(_unescaped, each) for each in re.findall(r"[^\s\"]*\\[^\s\"]*", lower)}
        yield "escaped", "\n".join({*pieces, *(_ESCAPE.sub(_unescaped, each) for each in pieces)})
    if "&" in lower and _ENTITY.search(lower):
        import html  # noqa: PLC0415 -- for a file of HTML only

        yield "escaped", "\n".join(html.unescape(each) for each in re.findall(r"[^\s<>]*&[^\s<>]*", lower))
    if "xn--" in lower:
        yield "punycode", "\n".join(map(unicode_of, set(_PUNYCODE.findall(lower))))


def base64_texts(text: str) -> Iterator[str]:
    """Printable texts within Base64 at any position of it."""
    for run in set(_BASE64.findall(text)):
        if PSEUDONYM.fullmatch(run) or run.isdigit():
            continue
        plain = run.rstrip("=").replace("-", "+").replace("_", "/")
        for shift in range(4):
            piece = plain[shift:]
            piece = piece[: len(piece) // 4 * 4] + (piece[len(piece) // 4 * 4 :] + "==")[:4] * (len(piece) % 4 > 1)
            try:
                raw = base64.b64decode(piece)
            except (binascii.Error, ValueError):
                continue
            yield from printable(raw)


def hex_texts(text: str) -> Iterator[bytes]:
    """Bytes written as hexadecimal digits."""
    for run in set(_HEX_TEXT.findall(text)):
        yield bytes.fromhex(run)


def printable(data: bytes, least: int = 6) -> Iterator[str]:
    """Runs of printable characters, of one or of two bytes each."""
    for match in _PRINTABLE.finditer(data):
        if len(match[0]) >= least:
            yield match[0].decode("ascii")
    yield from wide(data)


def wide(data: bytes) -> Iterator[str]:
    """Texts of UTF-16, of at least four characters."""
    codes = np.frombuffer(data, np.uint8)
    pairs = (codes[:-1] >= 0x20) & (codes[:-1] < 0x7F) & (codes[1:] == 0)
    if np.any(pairs[:-6] & pairs[2:-4] & pairs[4:-2] & pairs[6:]):
        for match in _WIDE.finditer(data):
            yield match[0][::2].decode("ascii")
