"""Pseudonyms: short texts that stand for others, the same for the same text under the same key."""

import hashlib
import re
import threading
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from rustnet.policy.redaction.keys import Key

REDACTED = "[redacted]"
"""Stands for a value that is not replaced by anything that could be compared."""
REMEMBERED = 50_000
"""Most pseudonyms whose originals are remembered."""
CACHED = 8_000
"""Most values of one kind whose replacements are kept."""
LONGEST_KEPT = 512
"""Most characters of a value that is kept or remembered."""

SYMBOLS = "0123456789bcdfghjkmnpqrstvwxyz"
"""No vowels, so that no pseudonym is a word."""
_PAIRS = tuple(first + second for first in SYMBOLS for second in SYMBOLS)
LENGTH = 8
"""Symbols of a pseudonym: 39 bits, so that among 100,000 texts two have the same one in one of 130 cases."""

HOST, USER, PATH, SOFTWARE, IDENTIFIER, DIGEST = "h", "user", "p", "sw", "id", "hash"
OBJECT, TERM, NAME, SYSTEM, PLACE, FINGERPRINT, VALUE, OPTION = "obj", "t", "n", "as", "place", "fp", "v", "opt"
MARKS = (HOST, USER, PATH, SOFTWARE, IDENTIFIER, DIGEST, OBJECT, TERM, NAME, SYSTEM, PLACE, FINGERPRINT, VALUE, OPTION)
"""What pseudonyms begin with; the same text has the same symbols after each of them."""

PSEUDONYM = re.compile(rf"(?<![0-9A-Za-z-])(?:{'|'.join(MARKS)})-[{SYMBOLS}]{{{LENGTH}}}(?![0-9A-Za-z-])")

_T = TypeVar("_T")


class Pseudonyms:
    """Makes pseudonyms under a key, and remembers what the last ones stand for."""

    def __init__(self, key: Key, remembered: int = REMEMBERED) -> None:
        self._hash = hashlib.blake2b(key=key.derived("pseudonyms"), digest_size=8)
        self._remembered = remembered
        self._originals: dict[str, str] = {}
        self._lock = threading.Lock()

    def of(self, mark: str, text: str) -> str:
        """Pseudonym of a text."""
        digest = self._hash.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        number = int.from_bytes(digest.digest())
        number, first = divmod(number, len(_PAIRS))
        number, second = divmod(number, len(_PAIRS))
        number, third = divmod(number, len(_PAIRS))
        pseudonym = f"{mark}-{_PAIRS[first]}{_PAIRS[second]}{_PAIRS[third]}{_PAIRS[number % len(_PAIRS)]}"
        self.remember(pseudonym, text)
        return pseudonym

    def number(self, text: str) -> int:
        """Number of 64 bits for a text."""
        digest = self._hash.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest())

    def remember(self, replacement: str, original: str) -> None:
        """Remember what a replacement stands for; the oldest are forgotten where there are too many."""
        if not self._remembered or len(original) > LONGEST_KEPT or self._originals.get(replacement) == original:
            return
        with self._lock:
            if len(self._originals) >= self._remembered:
                # Many at once: a dict takes longer to find its first key for each one that was removed before it.
                oldest = list(islice(self._originals, 1 + self._remembered // 8))
                for each in oldest:
                    del self._originals[each]
            self._originals[replacement] = original

    def original(self, replacement: str) -> str | None:
        """What a replacement stands for; None: it is not one, or was forgotten."""
        return self._originals.get(replacement)

    def remembered(self) -> dict[str, str]:
        """What replacements stand for, as far as it is remembered."""
        with self._lock:
            return dict(self._originals)


def cached(method: Callable[[_T, str], str]) -> Callable[[_T, str], str]:
    """Keep the last results of a method for each object that has it."""
    name = f"_cached_{method.__name__}"

    def answer(self: _T, text: str) -> str:
        known: dict[str, str] | None = self.__dict__.get(name)
        if known is None:
            known = self.__dict__[name] = {}
        result = known.get(text)
        if result is None:
            result = method(self, text)
            if len(known) >= CACHED:
                known.clear()
            if len(text) <= LONGEST_KEPT:
                known[text] = result
        return result

    answer.__doc__ = method.__doc__
    return answer
