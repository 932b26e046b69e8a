"""Looks for the originals of a session in texts and bytes, in every form in which they could be there."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from rustnet.export.leaks import sought
from rustnet.export.leaks.hashes import HashSet
from rustnet.export.leaks.originals import KINDS, Originals, number_of
from rustnet.records import Kind

DEPTH = 3
"""Most encodings within each other that are decoded."""
ZEROS_OF_COLUMNS = 3
"""Fewest zeros of a hardware address that is no evidence among the bytes of columns."""
CHANCE = 0.01
"""Most expected matches by chance with which a match is still evidence."""
_MAPPED, _MAPPED_LITTLE = bytes(10) + b"\xff\xff", b"\xff\xff" + bytes(10)
_LABEL_BYTES = np.zeros(256, np.bool_)
_LABEL_BYTES[list(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-")] = True
_JUDGED = 100_000
_MOST_LABELS = 20


class Verdict(enum.Enum):
    """What a match means."""

    LEAK = enum.auto()
    """It is an original that the policy replaces."""
    EITHER = enum.auto()
    """It is an original, and the replacement of another one."""
    CHANCE = enum.auto()
    """So many numbers are looked at that some match by chance."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A value of the session that a text or bytes have."""

    kind: Kind
    form: str
    """How it is written there."""
    text: str
    """The value, in lower case."""
    verdict: Verdict = Verdict.LEAK
    shown: str = ""
    """How an address is spelt there, where that differs."""


class Searcher:
    """Searches texts and bytes for the originals of one session."""

    def __init__(self, originals: Originals) -> None:
        self.originals = originals
        self._judged: dict[tuple[int, bool], Verdict | None] = {}

    # ---- texts -----------------------------------------------------------------------------------------------------

    def text(self, text: str, *, cells: bool = False, depth: int = 0) -> set[Hit]:
        """Hits in a text; ``cells``: in values of columns of text, where numbers are no times or sizes."""
        lower = text.lower()
        hits = self._words(lower)
        hits |= self._addresses(lower, cells=cells)
        if len(self.originals.texts):
            hits |= {hit for _offset, hit in self._anywhere(lower.encode("utf-8", "surrogateescape"))}
        if depth < DEPTH:
            for form, inner in sought.decoded(text):
                hits |= self._inner(form, inner, depth)
            plain = "\n".join(sought.base64_texts(text))
            if plain:
                hits |= self._inner("Base64", plain, DEPTH - 1)
            for raw in sought.hex_texts(text):
                hits |= {Hit(hit.kind, "hexadecimal", hit.text, hit.verdict) for _at, hit in self.data(raw)}
                plain = "\n".join(sought.printable(raw, 4))
                if plain:
                    hits |= self._inner("hexadecimal", plain, DEPTH)
        return hits

    def _inner(self, form: str, text: str, depth: int) -> set[Hit]:
        """Hits in a decoded text, with the form of the encoding."""
        return {
            Hit(hit.kind, form, hit.text, hit.verdict, hit.shown)
            for hit in self.text(text, cells=True, depth=depth + 1)
        }

    def _words(self, lower: str) -> set[Hit]:
        words = list(sought.words_of(lower))
        hits = {Hit(kind, "text", word) for word, kind in _members(self.originals.words, words)}
        if len(self.originals.phrases):
            phrases = [phrase for line in lower.split("\n") for phrase in sought.phrases_of(line)]
            hits |= {Hit(kind, "text", " ".join(phrase)) for phrase, kind in _members(self.originals.phrases, phrases)}
        return hits

    def _anywhere(self, lower: bytes) -> Iterator[tuple[int, Hit]]:
        """Texts at any position, but for those within a longer word that stays."""
        for offset, raw, kind in self.originals.texts.search(lower):
            first, last = offset, offset + len(raw)
            while first and _is_word(lower[first - 1]) and offset - first < 64:
                first -= 1
            while last < len(lower) and _is_word(lower[last]) and last - offset - len(raw) < 64:
                last += 1
            text = raw.decode("utf-8", "replace")
            around = lower[first:last].decode("utf-8", "replace")
            if not any(map(self._stays, (text, around))):
                yield offset, Hit(KINDS[kind], "text", text)

    def _stays(self, word: str) -> bool:
        """Whether a word is also in values that stay, or one of the program."""
        return hash(word) in self.originals.allowed or word in sought.program_words()

    def _addresses(self, lower: str, *, cells: bool) -> set[Hit]:
        v4: dict[int, tuple[str, str]] = {}
        v6: dict[int, tuple[str, str]] = {}
        for number, is_v4, spelling, form in sought.addresses_in(lower):
            (v4 if is_v4 else v6)[number] = spelling, form
        for match in sought.LONG_DECIMAL.finditer(lower):
            v6[int(match[0]) & (1 << 128) - 1] = match[0], "decimal"
        for match in sought.HEX32.finditer(lower):
            v6[int(match[1], 16)] = match[0], "hexadecimal"
        hardware = {number: (spelling, "text") for number, spelling in sought.hardware_in(lower)}
        for number, (spelling, _form) in v6.items():
            if (inner := sought.v4_within(number)) is not None:
                v4.setdefault(inner, (spelling, "within IPv6"))
            if (card := sought.hardware_within(number)) is not None:
                hardware.setdefault(card, (spelling, "EUI-64"))
        hits = self._v4(v4) | self._v6(v6) | self._hardware(hardware)
        if cells:
            numbers = {int(match[0]): (match[0], "decimal") for match in sought.DECIMAL.finditer(lower)}
            numbers |= {int(match[1], 16): (match[0], "hexadecimal") for match in sought.HEX8.finditer(lower)}
            hits |= self._v4(numbers, chance=True)
        return hits

    def _v4(self, numbers: dict[int, tuple[str, str]], *, chance: bool = False) -> set[Hit]:
        by_chance = chance and len(numbers) * len(self.originals.v4) / (1 << 32) > CHANCE
        hits = set()
        for number, kind in _plain_members(self.originals.v4, numbers):
            if number >> 32:
                continue
            text = str(IPv4Address(number))
            verdict = self._verdict(number, text, is_v4=True)
            if verdict is not None:
                spelling, form = numbers[number]
                shown = spelling if spelling != text else ""
                hits.add(Hit(kind, form, text, Verdict.CHANCE if by_chance else verdict, shown))
        return hits

    def _v6(self, numbers: dict[int, tuple[str, str]]) -> set[Hit]:
        hits = set()
        for number, kind in _members(self.originals.v6, list(numbers)):
            text = str(IPv6Address(number))
            verdict = self._verdict(number, text, is_v4=False)
            if verdict is not None:
                spelling, form = numbers[number]
                hits.add(Hit(kind, form, text, verdict, spelling if spelling != text else ""))
        return hits

    def _hardware(self, numbers: dict[int, tuple[str, str]]) -> set[Hit]:
        hits = set()
        for number, kind in _plain_members(self.originals.hardware, numbers):
            text = _card(number)
            if self.originals.hardware_stays(text):
                continue
            either = self.originals.hardware_replaces(number)
            spelling, form = numbers[number]
            shown = spelling if spelling != text else ""
            hits.add(Hit(kind, form, text, Verdict.EITHER if either else Verdict.LEAK, shown))
        return hits

    def numbers(self, numbers: Sequence[int]) -> Iterator[tuple[Hit, int]]:
        """Hits for addresses as numbers of a column, and the number."""
        wide = {number: (str(number), "decimal") for number in numbers if 0 <= number < 1 << 128}
        narrow = {}
        for number in wide:
            inner = number if number >> 32 == 0 else sought.v4_within(number)
            if inner is not None:
                narrow[inner] = str(number), "decimal"
        for hit in self._v6(wide) | self._v4(narrow):
            yield hit, int(hit.shown)

    def _verdict(self, number: int, text: str, *, is_v4: bool) -> Verdict | None:
        """What an address that the session has means in an output; None: the policy keeps it."""
        key = number, is_v4
        if key not in self._judged:
            if len(self._judged) >= _JUDGED:
                self._judged.clear()
            verdict: Verdict | None = Verdict.LEAK
            if self.originals.address_stays(text):
                verdict = None
            elif self.originals.address_replaces(text, number, is_v4=is_v4):
                verdict = Verdict.EITHER
            self._judged[key] = verdict
        return self._judged[key]

    def whole(self, kind: Kind, values: Sequence[str | int]) -> Iterator[tuple[str | int, Hit]]:
        """Values of a column that are values of the session of the same kind."""
        at = number_of(kind)
        for value, _kind in _members(self.originals.whole, list(values), at):
            either = self.originals.could_replace(at, value)
            yield value, Hit(kind, "whole value", str(value), Verdict.EITHER if either else Verdict.LEAK)

    # ---- bytes -----------------------------------------------------------------------------------------------------

    def data(self, data: bytes, *, columns: bool = False) -> Iterator[tuple[int, Hit]]:
        """Offset of and hit for addresses in bytes: of 16 bytes, pairs of 4, and hardware addresses.

        ``columns``: bytes of a file of columns, where hardware addresses are text, and small numbers next to each other
        look like one with several zeros.
        """
        for offset, raw, kind in self.originals.raw.search(data):
            if len(raw) == 8:
                pair = [str(IPv4Address(raw[at : at + 4])) for at in (0, 4)]
                if not all(map(self.originals.address_stays, pair)):
                    yield offset, Hit(KINDS[kind], "binary", " ".join(pair))
                continue
            for number in {int.from_bytes(raw), int.from_bytes(raw, "little")}:
                yield from ((offset, hit) for hit in self._v6({number: ("", "binary")}))
        yield from self._mapped(data)
        for offset, raw, _kind in self.originals.cards.search(data):
            if columns and raw.count(0) >= ZEROS_OF_COLUMNS:
                continue
            yield from ((offset, hit) for hit in self._hardware({int.from_bytes(raw): ("", "binary")}))

    def _mapped(self, data: bytes) -> Iterator[tuple[int, Hit]]:
        """IPv4 addresses as IPv6 addresses of 16 bytes, in either order."""
        for mark, shift, little in ((_MAPPED, len(_MAPPED), False), (_MAPPED_LITTLE, -4, True)):
            at = data.find(mark)
            while at >= 0:
                raw = data[max(0, at + shift) : at + shift + 4]
                number = int.from_bytes(raw, "little" if little else "big")
                if len(raw) == 4:
                    yield from ((at, hit) for hit in self._v4({number: ("", "binary")}))
                at = data.find(mark, at + 1)

    def binary(self, data: bytes, *, columns: bool = False) -> Iterator[tuple[int, Hit]]:
        """Offset of and hit for everything that bytes without structure can hold; see the page on rules."""
        yield from self.data(data, columns=columns)
        yield from self._anywhere(data.lower())
        for offset, name in _names(data):
            for hit in self._words(name.lower()):
                yield offset, Hit(hit.kind, "labels with lengths", hit.text)
        runs = "\n".join(sought.wide(data))
        if runs:
            for hit in self.text(runs, depth=DEPTH):
                yield (
                    max(0, data.lower().find(hit.text.encode("utf-16-le", "replace"))),
                    Hit(hit.kind, "UTF-16", hit.text, hit.verdict),
                )


def _is_word(byte: int) -> bool:
    return byte > 127 or chr(byte).isalnum()


def _card(number: int) -> str:
    return number.to_bytes(6).hex(":")


def _names(data: bytes) -> Iterator[tuple[int, str]]:
    """Offset and text of names as DNS writes them: two labels and more with their lengths, and a zero."""
    codes = np.frombuffer(data, np.uint8)
    others = np.zeros(len(codes) + 66, np.int32)  # bytes before each position that no label has
    np.cumsum(~_LABEL_BYTES[codes], out=others[1 : len(codes) + 1])
    others[len(codes) + 1 :] = others[len(codes)] + np.arange(1, 66)
    starts = np.flatnonzero((codes > 0) & (codes < 64))
    ends = starts + codes[starts] + 1
    starts = starts[others[ends] == others[starts + 1]]
    is_start = np.zeros(len(codes) + 66, np.bool_)
    is_start[starts] = True
    starts = starts[is_start[starts + codes[starts] + 1]]
    inner = np.zeros(len(codes) + 66, np.bool_)
    inner[starts + codes[starts] + 1] = True
    for start in starts[~inner[starts]].tolist():
        labels: list[str] = []
        at = start
        while at < len(data) and is_start[at] and len(labels) < _MOST_LABELS:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("ascii", "replace"))
            at += 1 + data[at]
        if at < len(data) and data[at] == 0:
            yield start, ".".join(labels)


def _members(known: HashSet, values: list, at: int | None = None) -> list:  # type: ignore[type-arg]
    """Values whose hash is in a set, with their kind."""
    if not values or not len(known):
        return []
    kinds = known.members_of(hash(value if at is None else (at, value)) for value in values)
    return [(values[place], KINDS[kinds[place]]) for place in np.flatnonzero(kinds >= 0).tolist()]


def _plain_members(known: HashSet, numbers: Iterable[int]) -> list[tuple[int, Kind]]:
    """Numbers that are in a set, with their kind."""
    listed = [number for number in numbers if number < 1 << 63]
    kinds = known.members_of(listed)
    return [(listed[place], KINDS[kinds[place]]) for place in np.flatnonzero(kinds >= 0).tolist()]
