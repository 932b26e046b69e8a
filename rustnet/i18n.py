"""Messages for people: `_` marks and translates them. The catalogue is opened with the first message."""

import functools
import gettext
from collections.abc import Callable
from pathlib import Path

DOMAIN = "rustnet"


@functools.cache
def _catalogue() -> tuple[Callable[[str], str], Callable[[str, str, int], str]]:
    """Translation functions of the user's language (``LANGUAGE``, ``LC_MESSAGES`` …); English without a catalogue."""
    catalogue = gettext.translation(DOMAIN, Path(__file__).with_name("locale"), fallback=True)
    return catalogue.gettext, catalogue.ngettext


def _(message: str) -> str:
    """``message`` in the user's language."""
    return _catalogue()[0](message)


def N_(message: str) -> str:  # noqa: N802 - gettext's usual name
    """Mark ``message`` for translation where it is shown."""
    return message


def ngettext(one: str, many: str, count: int) -> str:
    """Form of a message for ``count``, in the user's language; the caller inserts the count."""
    return _catalogue()[1](one, many, count)


def marked(message: str) -> str:
    """``message`` unchanged: marks a text for extraction that is translated later, where it is shown."""
    return message
