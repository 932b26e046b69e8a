"""Messages for people: `_` marks and translates them. Nothing is looked up before the first message is needed."""

import functools
import gettext
from collections.abc import Callable
from pathlib import Path

DOMAIN = "rustnet"


@functools.cache
def _catalogue() -> tuple[Callable[[str], str], Callable[[str, str, int], str]]:
    """Open the catalogue of the user's language (``LANGUAGE``, ``LC_MESSAGES`` …), or the one that changes nothing."""
    found = gettext.translation(DOMAIN, Path(__file__).with_name("locale"), fallback=True)
    return found.gettext, found.ngettext


def _(message: str) -> str:
    """``message`` in the user's language."""
    return _catalogue()[0](message)


def N_(message: str) -> str:  # noqa: N802 - gettext's usual name
    """Mark ``message`` for translation where it is shown."""
    return message


def ngettext(one: str, many: str, count: int) -> str:
    """Choose the form of a message that fits ``count``; the count itself is put in by the caller."""
    return _catalogue()[1](one, many, count)
