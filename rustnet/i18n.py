"""Messages for people: `_` marks and translates them. The catalogue is opened with the first message.

The language is the one that `use` was given, else that of the environment. A message without a translation is English.
"""

import contextlib
import functools
import gettext
import io
import os
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).with_name("locale")
"""Catalogues: ``LANGUAGE/LC_MESSAGES/rustnet.mo``, made of ``rustnet.po``."""
LANGUAGES = ("de", "en", "es", "fr", "ja", "zh_CN")
"""Languages of the messages, as gettext calls them."""
VARIABLE = "RUSTNET_LANGUAGE"
"""Environment variable that chooses one of them."""

_chosen = "auto"


def use(language: str) -> None:
    """Show messages in a language from now on; ``auto``: in that of the environment."""
    global _chosen  # noqa: PLW0603 -- the language belongs to the process
    _chosen = language
    _catalogue.cache_clear()


@contextlib.contextmanager
def in_english() -> Iterator[None]:
    """Show messages in English within the block: those of output that programs read."""
    before = _chosen
    use("en")
    try:
        yield
    finally:
        use(before)


def language() -> str:
    """Language in which messages are shown."""
    if _chosen in LANGUAGES:
        return _chosen
    own = os.environ.get(VARIABLE, "")
    return own if own in LANGUAGES else _of_environment()


def _of_environment() -> str:
    """First language of ``LANGUAGE``, ``LC_ALL``, ``LC_MESSAGES`` or ``LANG`` that there is, else English.

    As with other programs the locale "C" means English, whatever ``LANGUAGE`` says.
    """
    locale = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    wanted = os.environ.get("LANGUAGE") or locale
    if locale in ("C", "POSIX"):
        return "en"
    for name in wanted.split(":"):
        plain = name.partition(".")[0].partition("@")[0].replace("-", "_")
        if plain in ("C", "POSIX"):
            return "en"
        if plain in LANGUAGES:
            return plain
        short, _line, region = plain.partition("_")
        if short == "zh" and region in ("", "SG", "Hans", "Hans_CN", "Hans_SG"):
            return "zh_CN"
        if short in LANGUAGES:
            return short
    return "en"


@functools.cache
def _catalogue() -> gettext.NullTranslations:
    """Translations of the language in use; in a tree where a .po file is newer than its .mo file, those of the .po."""
    name = language()
    if name == "en":
        return gettext.NullTranslations()
    compiled = FOLDER / name / "LC_MESSAGES" / "rustnet.mo"
    source = compiled.with_suffix(".po")
    try:
        if not compiled.exists() or (source.exists() and source.stat().st_mtime_ns > compiled.stat().st_mtime_ns):
            from rustnet import po  # noqa: PLC0415 -- in a source tree only

            return gettext.GNUTranslations(io.BytesIO(po.read(name).compiled()))
        with compiled.open("rb") as file:
            return gettext.GNUTranslations(file)
    except OSError:
        return gettext.NullTranslations()


def load_messages() -> None:
    """Open the catalogue, in a process that may not open files later."""
    _catalogue()


def _(message: str) -> str:
    """``message`` in the user's language."""
    return _catalogue().gettext(message) if message else ""  # gettext answers "" with its header


def N_(message: str) -> str:  # noqa: N802 - gettext's usual name
    """Mark ``message`` for translation where it is shown."""
    return message


def ngettext(one: str, many: str, count: int) -> str:
    """Form of a message for ``count``, in the user's language; the caller inserts the count."""
    return _catalogue().ngettext(one, many, count)


def marked(message: str) -> str:
    """``message`` unchanged: marks a text for extraction that is translated later, where it is shown."""
    return message
