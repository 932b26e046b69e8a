"""Replacements of texts with any content: what is recognised by its kind; common words stay, the rest is hidden."""

import json
import re
from typing import Any

from rustnet.policy.redaction import vocabulary
from rustnet.policy.redaction.addresses import MAPPED
from rustnet.policy.redaction.names import MAX_TEXT, Names
from rustnet.policy.redaction.paths import QUAD, Paths, ends_like_a_host
from rustnet.policy.redaction.pseudonyms import REDACTED, cached

MAX_DEPTH = 16
"""Most levels of a value that contains others; deeper ones are not shown."""
MAX_ITEMS = 10_000
"""Most elements of a list or map; the rest is left out."""

LONG_NUMBER = 6
"""Most digits of numbers side by side that stay."""

_TOKEN = re.compile(r"[^\s,;()<>{}\"'|=\[\]]+")
_SMALL = re.compile(r"[+-]?\d{1,3}(?:\.\d{1,3}){0,2}%?", re.ASCII)
_NUMBERS = re.compile(r"\d+(?:,\d+){3,}|\d+(?:[ -]\d+)+", re.ASCII)
_PART = re.compile(r"[-_/+*.:#!?]+")
_PATH = re.compile(r"(?:/|~/|\\\\|[A-Za-z]:\\).*", re.DOTALL)
_ACCOUNT = re.compile(r"\\|[^@]@[^@]|\AS-1-\d{1,3}(?:-\d{1,10}){0,15}\Z")
_OPAQUE = frozenset(("mailto", "sip", "sips", "xmpp", "urn", "tel"))
_UUID = re.compile(r"\{?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?")
_RUN = re.compile(rf"{re.escape(REDACTED)}(?:[\s,;=|\"'.:-]*{re.escape(REDACTED)})+")
SQL_PARTS = re.compile(
    r"(?P<text>[EeXxBb]?'(?:[^']|'')*(?:'|\Z))|(?P<dollar>\$(?P<tag>\w{0,64})\$.*?(?:\$(?P=tag)\$|\Z))"
    r"|(?<![\w.])(?P<number>\d{13,39})(?![\w.])|(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))|(?P<name>\"(?:[^\"]|\"\")*(?:\"|\Z))",
    re.DOTALL,
)
_COLUMN = re.compile(r"\"[A-Za-z_][A-Za-z0-9_]{0,62}\"")


class Texts:
    """Replacements of texts whose content is not known."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.paths = Paths(names)

    @cached
    def by_value(self, text: str) -> str:
        """Replace a text by what it is; `[redacted]` for what cannot be classified."""
        if not text.strip():
            return text
        return self._recognised(text.strip()) or (text if _SMALL.fullmatch(text) else "") or self.words(text)

    @cached
    def words(self, text: str) -> str:
        """Replace what is recognised in a text, and hide what is no common word."""
        cut = len(text) > MAX_TEXT
        text = text[:MAX_TEXT]
        if text[:1] in "{[" and (replaced := self._json(text)):
            return replaced
        # Numbers side by side may be one, of a telephone or a card, or an address in FTP's notation.
        text = _NUMBERS.sub(lambda run: "\0" if sum(map(str.isdigit, run[0])) > LONG_NUMBER else run[0], text)
        result = _RUN.sub(REDACTED, _TOKEN.sub(lambda match: self._word(match[0]), text))
        return result + "…" if cut else result

    def _word(self, word: str) -> str:
        """Replace one word, without the punctuation around it."""
        bare = word.rstrip(".:!?")
        end = word[len(bare) :]
        if not bare:
            return word
        if "\0" in bare:
            return REDACTED + end
        if self.names.is_common(bare, vocabulary.TERMS):  # http/1.1 is no account of a service
            return word
        recognised = self._recognised(bare)
        if recognised:
            return recognised + end
        if self._is_common(bare):
            return word
        return REDACTED + end

    def _recognised(self, text: str) -> str:
        """Replace what is recognised as an address, a URI, a user, a path or a host; empty for others."""
        if any(char.isspace() for char in text):
            return ""
        return self.as_address(text) or self._as_uri(text) or self._as_user_or_path(text) or self._as_host(text)

    def as_address(self, text: str) -> str:
        """Replace an address or hardware address; empty for others."""
        return self.names.address(text) or self.names.mac(text) if ":" in text or "." in text else ""

    def _as_uri(self, text: str) -> str:
        scheme, colon, _rest = text.partition(":")
        if "://" in text or (colon and scheme.lower() in _OPAQUE):
            return self.paths.uri(text)
        return self.names.identifier(text) if _UUID.fullmatch(text) else ""

    def _as_user_or_path(self, text: str) -> str:
        head, slash, _rest = text.partition("/")
        of_service = slash and self.names.is_common(head, vocabulary.ACCOUNTS)
        if _PATH.fullmatch(text):
            return self.paths.path(text)
        return self.names.user(text) if _ACCOUNT.search(text) or of_service else ""

    def _as_host(self, text: str) -> str:
        head, _colon, rest = text.partition(":")
        service = head.startswith("_") and "." in head
        if service or ends_like_a_host(head):
            return self.names.host(text)
        return f"{head}:{self._word(rest)}" if rest and self._is_common(head) else ""

    def _is_common(self, word: str) -> bool:
        if not self.names.kept.words or QUAD.search(word):  # v1.2.3.4 may have an address in it
            return False
        lower = word.lower()
        if lower in vocabulary.TEXT or lower in vocabulary.TERMS or _SMALL.fullmatch(word):
            return True
        return all(
            not part or part in vocabulary.TEXT or part in vocabulary.TERMS or _SMALL.fullmatch(part)
            for part in _PART.split(lower)
        )

    # ---- values that contain others ----------------------------------------------------------------------------------

    def _json(self, text: str) -> str:
        """Replace the texts of a JSON text; empty for what is none."""
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        return json.dumps(self._inner(parsed, 0), ensure_ascii=False)

    def _inner(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return REDACTED
        if isinstance(value, dict):
            items = list(value.items())[:MAX_ITEMS]
            return {self.by_value(str(key)): self._inner(each, depth + 1) for key, each in items}
        if isinstance(value, list):
            return [self._inner(each, depth + 1) for each in value[:MAX_ITEMS]]
        if isinstance(value, str):
            return self.by_value(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > 999:
            return REDACTED
        return value

    # ---- statements --------------------------------------------------------------------------------------------------

    def sql(self, text: str) -> str:
        """Replace the texts in a statement, and what is written in its comments; its words stay."""
        return SQL_PARTS.sub(self._sql_part, text)

    def _sql_part(self, match: re.Match[str]) -> str:
        part = match[0]
        if match["number"] is not None:
            return str(self.names.address_number(int(part))) if is_address_number(int(part)) else part
        if match["comment"] is not None:
            return f"-- {REDACTED}" if part.startswith("--") else f"/* {REDACTED} */"
        if match["name"] is not None:
            return part if _COLUMN.fullmatch(part) else f'"{REDACTED}"'
        if match["dollar"] is not None:
            return f"'{REDACTED}'"
        inner = part[part.index("'") + 1 :].removesuffix("'").replace("''", "'")
        replaced = self.pattern(inner)
        return part[: part.index("'")] + "'" + replaced.replace("'", "''") + "'"

    def pattern(self, text: str) -> str:
        """Replace a text that is searched for, perhaps between wildcards."""
        bare = text.strip("%*")
        begin = text.index(bare) if bare else 0
        return text[:begin] + self.by_value(bare) + text[begin + len(bare) :] if bare else text


def is_address_number(number: int) -> bool:
    """Whether a number is one that addresses have, and others hardly ever."""
    return MAPPED <= number <= MAPPED | 0xFFFF_FFFF or 1 << 64 <= number < 1 << 128
