"""The language of the command line, which must be known before the commands, and with them their help, are imported."""

import gettext
import sys
from collections.abc import Sequence

from rustnet import i18n
from rustnet.config import Source, examine


def choose(arguments: Sequence[str]) -> None:
    """Use the language that a command line, its environment or the configuration asks for.

    What is wrong in any of them is reported by the command, which reads them again.
    """
    given = {name: _value_of(name, arguments) for name in ("--language", "--config")}
    flags = {} if given["--language"] is None else {"language": ("--language", given["--language"])}
    i18n.use("en")  # no sentence of this reading is shown
    loaded = examine(Source(given["--config"], "--no-config" in arguments, flags))
    i18n.use(loaded.config.language)


def _value_of(option: str, arguments: Sequence[str]) -> str | None:
    """Last value of an option, before or after the command."""
    value = None
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        name, equals, rest = argument.partition("=")
        if name == option:
            value = rest if equals else next(iter(arguments[position + 1 : position + 2]), None)
    return value


def translate_click() -> None:
    """Let click show its own sentences, "Usage:" for example, in the same language."""
    for name in [name for name in sys.modules if name.startswith("click.")]:
        for function, own in (("_", i18n._), ("ngettext", i18n.ngettext)):
            if getattr(sys.modules[name], function, None) in (gettext.gettext, gettext.ngettext):
                setattr(sys.modules[name], function, own)
