"""Replacements that are as long as their originals.

A pseudonym of a table is longer or shorter than what it stands for. In a packet it has the original's length: a longer
original is filled up with `_`; of a shorter one only the first bytes of the pseudonym are there. Of a host's label of
fewer than ten bytes those are the pseudonym's symbols without its mark, so that short labels differ as far as possible.
"""

import re
from weakref import WeakKeyDictionary

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.policy.redaction import REDACTED, Method, Redactor
from rustnet.policy.redaction.pseudonyms import HOST, LENGTH, SYMBOLS
from rustnet.records import Kind

FILLER = b"_"
HIDDEN = b"x"
"""Each byte of a text that is hidden."""
REMEMBERED = 1 << 15
"""Names and texts whose replacements are remembered."""
LONGEST = 512
"""Bytes of a text that is remembered."""

Labels = tuple[bytes, ...]

_MARK = HOST + "-"
_PSEUDONYM = re.compile(rf"{_MARK}[{SYMBOLS}]{{{LENGTH}}}")
_LETTERS = bytes.maketrans(b"0123456789", b"bcdfghjkmn")
_OCTET = re.compile(rb"\d{1,3}")
_CUT_ADDRESS = re.compile(rb"(?:\d{1,3}\.[\d.]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)\Z")
"""Beginning of an address at the end of a text: what is left of it would be another one."""
_REVERSE = (b"in-addr", b"arpa")


def fit(shown: str, size: int) -> bytes:
    """Bytes of a replacement, cut or filled up to a size."""
    if shown == REDACTED:
        return HIDDEN * size
    raw = shown.encode("utf-8", "replace")
    if len(raw) != size:
        raw = shown.encode("ascii", "replace")
    if len(raw) > size:
        raw = _CUT_ADDRESS.sub(lambda match: HIDDEN * len(match[0]), raw[:size])
    return raw + FILLER * (size - len(raw))


def fit_label(original: bytes, shown: str) -> bytes:
    """Replacement of a host's label at its length; never the original, unless it stays."""
    size = len(original)
    if size < len(_MARK) + LENGTH and _PSEUDONYM.fullmatch(shown):
        shown = shown[len(_MARK) :]
    fitted = fit(shown, size)
    if fitted.lower() == original.lower() and shown.encode("utf-8", "replace").lower() != original.lower():
        last = SYMBOLS.encode().find(fitted[-1:].lower())
        fitted = fitted[:-1] + SYMBOLS[(last + 1) % len(SYMBOLS)].encode()
    return fitted


class Replacements:
    """Replaces texts under one `Redactor` by others of the same length, and remembers the last ones."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self._names: dict[Labels, Labels] = {}
        self._texts: dict[tuple[Kind, bytes], bytes] = {}

    # ---- names -------------------------------------------------------------------------------------------------------

    def name(self, labels: Labels) -> Labels:
        """Labels that replace those of a name; as long in all, and one by one unless it is a reverse name."""
        known = self._names.get(labels)
        if known is None:
            known = self._name(labels)
            if len(self._names) >= REMEMBERED:
                self._names.clear()
            self._names[labels] = known
        return known

    def fixed_name(self, labels: Labels) -> Labels:
        """The same, each label as long as its original."""
        replaced = self.name(labels)
        if all(len(new) == len(old) for new, old in zip(replaced, labels, strict=True)):
            return replaced
        return tuple(
            self._letters(old) if len(new) != len(old) or new.isdigit() else new
            for new, old in zip(replaced, labels, strict=True)
        )

    def _name(self, labels: Labels) -> Labels:
        try:
            texts = [label.decode("utf-8") for label in labels]
        except UnicodeDecodeError:
            return tuple(self._label(label) for label in labels)
        if any("." in text or "\\" in text for text in texts):
            return tuple(self._label(label) for label in labels)
        shown = self.redactor.value(Kind.HOST, ".".join(texts))
        if shown == REDACTED:
            return tuple(HIDDEN * len(label) for label in labels)
        parts = shown.split(".")
        if len(parts) != len(labels):
            return tuple(self._label(label) for label in labels)
        numbers = _numbers(labels, parts)
        if numbers is not None:
            return self._address(labels, parts, numbers)
        return tuple(fit_label(label, part) for label, part in zip(labels, parts, strict=True))

    def _label(self, label: bytes) -> bytes:
        """Replace a label that is no plain text, by itself."""
        text = label.decode("utf-8", "backslashreplace").replace(".", "-")
        return fit_label(label, self.redactor.value(Kind.HOST, text)) if label else label

    def _letters(self, label: bytes) -> bytes:
        """Replace a number that its address's replacement does not fit: by letters, which are no address."""
        return fit(self.redactor.names.label(label.decode("ascii", "replace"))[len(_MARK) :], len(label)).translate(
            _LETTERS
        )

    def _address(self, labels: Labels, parts: list[str], numbers: range) -> Labels:
        """Put the numbers of an address where those of its original are, with zeros before them where there is room."""
        first, last = numbers.start, numbers.stop
        shown = [part.encode("ascii", "replace") for part in parts[first:last]]
        sizes = [len(label) for label in labels[first:last]]
        head = [fit_label(label, part) for label, part in zip(labels[:first], parts[:first], strict=True)]
        tail = [fit_label(label, part) for label, part in zip(labels[last:], parts[last:], strict=True)]
        spare = sum(sizes) - sum(map(len, shown))
        if spare < 0:
            return (*head, *(self._letters(label) for label in labels[first:last]), *tail)
        if any(len(part) > size for part, size in zip(shown, sizes, strict=True)):
            sizes = []
            for part in shown:
                more = min(spare, 3 - len(part))
                sizes.append(len(part) + more)
                spare -= more
        return (*head, *(part.rjust(size, b"0") for part, size in zip(shown, sizes, strict=True)), *tail)

    # ---- texts -------------------------------------------------------------------------------------------------------

    def host(self, raw: bytes) -> bytes:
        """Replace the name of a host in a text, perhaps with a port."""
        name, colon, port = raw.rpartition(b":")
        if not colon or not port.isdigit() or len(port) > 5 or b":" in name:
            name, colon, port = raw, b"", b""
        if b":" in name or b"[" in name:
            return self.text(Kind.HOST, name) + colon + port
        return b".".join(self.name(tuple(name.split(b".")))) + colon + port

    def text(self, kind: Kind, raw: bytes) -> bytes:
        """Replace a text by its kind."""
        known = self._texts.get((kind, raw))
        if known is None:
            text = raw.decode("utf-8", "backslashreplace")
            shown = self.redactor.value(kind, text) if text else ""
            known = fit(shown, len(raw))
            if len(raw) <= LONGEST:
                if len(self._texts) >= REMEMBERED:
                    self._texts.clear()
                self._texts[kind, raw] = known
        return known

    def opaque(self, raw: bytes) -> bytes:
        """Replace bytes that identify something by others, the same for the same bytes; zeros stay."""
        if not any(raw):
            return raw
        number = self.redactor.pseudonyms.number
        text = raw.hex()
        parts = [number(f"bytes {at} {text}").to_bytes(8) for at in range(0, len(raw), 8)]
        return b"".join(parts)[: len(raw)]

    def symbols(self, raw: bytes) -> bytes:
        """Replace a short text by symbols only, the same for the same text."""
        return fit(self.redactor.names.label(raw.decode("latin-1"))[len(_MARK) :], len(raw))

    def keeps(self, kind: Kind) -> bool:
        """Whether values of a kind stay."""
        return self.redactor.policy.methods[kind] is Method.KEEP

    @property
    def keeps_words(self) -> bool:
        """Whether words that very many systems have stay."""
        return self.redactor.policy.kept.words


def _numbers(labels: Labels, parts: list[str]) -> range | None:
    """Which labels are the numbers of an IPv4 address, in a reverse name or in the place of a name."""
    count = len(labels)
    if tuple(label.lower() for label in labels[-2:]) == _REVERSE:
        first = count - 2
        while first and count - 2 - first < 4 and _OCTET.fullmatch(labels[first - 1]) and parts[first - 1].isdigit():
            first -= 1
        return range(first, count - 2) if first < count - 2 else None
    if count == 4 and all(map(_OCTET.fullmatch, labels)) and all(map(str.isdigit, parts)):
        return range(4)
    return None


_OF: WeakKeyDictionary[Redactor, Replacements] = WeakKeyDictionary()


def replacements(context: PayloadContext) -> Replacements:
    """Replacements of a context's redactor."""
    known = context.memory.get("replacements")
    if isinstance(known, Replacements):
        return known
    created = _OF.get(context.redactor)
    if created is None:
        created = _OF[context.redactor] = Replacements(context.redactor)
    context.memory["replacements"] = created
    return created
