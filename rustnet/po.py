"""Message catalogues: reads and writes .po files, the sources, and makes of them the .mo files that gettext reads.

It imports nothing of the program, because the build runs it alone.
"""

import ast
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).with_name("locale")
"""Catalogues: ``LANGUAGE/LC_MESSAGES/rustnet.po``."""

PLURAL_FORMS = {
    "de": "nplurals=2; plural=(n != 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "ja": "nplurals=1; plural=0;",
    "zh_CN": "nplurals=1; plural=0;",
}
"""Languages with a catalogue, and how many forms a counted message has in each."""

Messages = dict[tuple[str, ...], tuple[str, ...]]
_MAGIC = 0x950412DE


class PoError(ValueError):
    """A line that a catalogue of this program cannot have."""


@dataclass(slots=True)
class Catalogue:
    """The messages of one language."""

    language: str
    notes: list[str] = field(default_factory=list)
    """Comment lines at the head, without their ``#``: the glossary."""
    messages: Messages = field(default_factory=dict)
    """Translations by message: (text,) has one; (one, many) has as many as the language has forms. Empty: missing."""

    @property
    def forms(self) -> int:
        """Number of forms of a counted message."""
        return int(PLURAL_FORMS[self.language].split(";")[0].partition("=")[2])

    def header(self) -> str:
        """What gettext reads first."""
        lines = ("Content-Type: text/plain; charset=UTF-8", f"Language: {self.language}")
        return "\n".join((*lines, f"Plural-Forms: {PLURAL_FORMS[self.language]}", ""))

    def text(self) -> str:
        """The catalogue as .po file: messages sorted, nothing of places, so that branches merge."""
        blocks = ["".join(f"#{note}\n" for note in self.notes) + f'msgid ""\nmsgstr {quoted(self.header())}']
        for message, translations in sorted(self.messages.items()):
            lines = [f"msgid {quoted(message[0])}"]
            if len(message) == 1:
                lines.append(f"msgstr {quoted(translations[0])}")
            else:
                lines.append(f"msgid_plural {quoted(message[1])}")
                lines += [f"msgstr[{number}] {quoted(form)}" for number, form in enumerate(translations)]
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks) + "\n"

    def untranslated(self) -> list[tuple[str, ...]]:
        """Messages without a translation, or without one of its forms."""
        return [message for message, translations in sorted(self.messages.items()) if not all(translations)]

    def compiled(self) -> bytes:
        """The catalogue as .mo file, without what is not translated."""
        entries = {b"": self.header().encode()}
        for message, translations in self.messages.items():
            if all(translations):
                entries["\0".join(message).encode()] = "\0".join(translations).encode()
        return _mo(entries)


def path_of(language: str, suffix: str = ".po") -> Path:
    """File of a language's catalogue."""
    return FOLDER / language / "LC_MESSAGES" / f"rustnet{suffix}"


def read(language: str) -> Catalogue:
    """Read a language's catalogue; an empty one if there is no file. Raises `PoError`."""
    path = path_of(language)
    return parse(language, path.read_text("utf-8")) if path.exists() else Catalogue(language)


def parse(language: str, text: str) -> Catalogue:
    """The catalogue that a .po file contains. Raises `PoError` for what `Catalogue.text` never writes."""
    catalogue = Catalogue(language)
    entry: dict[str, str] = {}
    keyword = ""
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.startswith('"') and keyword:
            entry[keyword] += _unquoted(line, number)
        elif line.startswith("#") and not entry and not catalogue.messages:
            catalogue.notes.append(line[1:])
        elif not line:
            _take(catalogue, entry, number)
            entry, keyword = {}, ""
        else:
            keyword, _space, string = line.partition(" ")
            if keyword in entry or not (keyword in ("msgid", "msgid_plural") or keyword.startswith("msgstr")):
                raise PoError(f"{language}, line {number}: {line[:80]}")
            entry[keyword] = _unquoted(string, number)
    return catalogue


def _take(catalogue: Catalogue, entry: dict[str, str], number: int) -> None:
    """Put a message that ended before a line into the catalogue."""
    if not entry or entry.get("msgid") == "":
        return
    many = entry.get("msgid_plural")
    wanted = ["msgstr"] if many is None else [f"msgstr[{form}]" for form in range(catalogue.forms)]
    known = ["msgid", *([] if many is None else ["msgid_plural"]), *wanted]
    message = (entry.get("msgid", ""),) if many is None else (entry.get("msgid", ""), many)
    if list(entry) != known or message in catalogue.messages:
        raise PoError(f"{catalogue.language}, before line {number}: {entry.get('msgid', '')[:80]!r}")
    catalogue.messages[message] = tuple(entry[name] for name in wanted)


def quoted(text: str) -> str:
    """``text`` as a string of a .po file; one that has line breaks has a line for each."""
    lines = [
        '"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
        for line in text.splitlines(keepends=True)
    ]
    return "\n".join(['""', *lines]) if len(lines) > 1 else lines[0] if lines else '""'


def _unquoted(string: str, number: int) -> str:
    try:
        text = ast.literal_eval(string)
    except (SyntaxError, ValueError):
        text = None
    if not isinstance(text, str) or not string.startswith('"'):
        raise PoError(f"line {number}: not a string: {string[:80]}")
    return text


def _mo(entries: Mapping[bytes, bytes]) -> bytes:
    """The bytes of a .mo file: a table of messages, one of translations, then both, in the order of the messages."""
    keys = sorted(entries)
    tables = 28, 28 + 8 * len(keys)
    index: list[int] = []
    data = b""
    for texts in (keys, [entries[key] for key in keys]):
        for text in texts:
            index += len(text), 28 + 16 * len(keys) + len(data)
            data += text + b"\0"
    return struct.pack(f"<7I{len(index)}I", _MAGIC, 0, len(keys), *tables, 0, 0, *index) + data


def compile_all(package: str) -> None:
    """Write the .mo files of all catalogues below ``package``, the folder of the program's modules."""
    for language in PLURAL_FORMS:
        target = Path(package, path_of(language, ".mo").relative_to(FOLDER.parent))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read(language).compiled())
