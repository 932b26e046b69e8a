"""``rustnet config``: shows, checks and explains the configuration."""

import difflib
import sys
from collections.abc import Mapping
from typing import Any

import click

from rustnet.cli.configuration_check import file_words, sentences_about
from rustnet.cli.configuration_page import example, explanation
from rustnet.cli.main import State, terminal
from rustnet.cli.options import in_english, talk_options
from rustnet.cli.terminal import Col, Terminal, notify, notify_error, table, wrap
from rustnet.config import SETTINGS, Loaded, Origin, examine
from rustnet.errors import ExitCode, UsageError
from rustnet.i18n import _
from rustnet.present.text import printable, safe


@click.command(
    help=_(
        "Show the configuration: the value in force of every key, and where it came from. A flag overrides the "
        "environment, which overrides the file, which overrides the default. See docs/configuration.md."
    )
)
@click.option("--check", is_flag=True, help=_("Print everything that is wrong; exit with 2 if anything is."))
@click.option("--explain", is_flag=True, help=_("Explain KEY, or every key."))
@click.option("--example", "as_example", is_flag=True, help=_("Print a file with every key in comments."))
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the configuration as JSON."))
@click.option("--config", "file", metavar="FILE", help=_("Configuration file.  [default: the user's]"))
@click.argument("key", required=False)
@talk_options
@click.pass_obj
def command(
    state: State, check: bool, explain: bool, as_example: bool, as_json: bool, file: str | None, key: str | None
) -> ExitCode:
    """Show the configuration."""
    if sum((check, explain, as_example, as_json)) > 1:
        raise UsageError("give one of --check, --explain, --example and --json")
    if key is not None and not explain:
        raise UsageError("a key can be given to --explain only")
    if file is not None:
        state.config_file = file
    if as_example:
        sys.stdout.write(example())
        return ExitCode.DONE
    if explain:
        _explain(key, terminal())
        return ExitCode.DONE
    loaded = examine(state.source())
    state.config = loaded.config
    if as_json:
        _print_json(loaded)
    elif check:
        return _check(loaded)
    else:
        _print(loaded, terminal())
    for problem in loaded.problems:
        notify_error(problem.sentence(_))
    return ExitCode.USAGE if loaded.problems else ExitCode.DONE


def _check(loaded: Loaded) -> ExitCode:
    """Print what is wrong, also about files and folders that are named."""
    sentences = sentences_about(loaded)
    for sentence in sentences:
        notify_error(sentence)
    if not sentences:
        sys.stdout.write(_("{file}: no problems").format(file=file_words(loaded)) + "\n")
    return ExitCode.USAGE if sentences else ExitCode.DONE


def _origin_words(origin: Origin) -> str:
    if origin.source == "file":
        if origin.line is None:
            return _("the file")
        return _("the file, line {line}").format(line=origin.line)
    if origin.source == "environment":
        return _("environment: {name}").format(name=origin.place)
    return _("flag {name}").format(name=origin.place) if origin.source == "flag" else _("default")


def _value(loaded: Loaded, key: str) -> Any:
    """Value of a setting for JSON; None where the program decides by itself, or nothing is set."""
    value = getattr(loaded.config, SETTINGS[key].name)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return dict(value) or None
    if isinstance(value, tuple):
        return list(value) or None
    return str(value) or None


def _as_text(value: Any) -> str:
    """Text of a value as TOML has it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} = {item}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print(loaded: Loaded, screen: Terminal) -> None:
    notify(screen.dim(_("configuration file: {file}").format(file=file_words(loaded))))
    rows = []
    for key, setting in SETTINGS.items():
        value = _value(loaded, key)
        shown = setting.default if value is None else printable(_as_text(value))
        rows.append([key, shown, _origin_words(loaded.origins[key])])
    columns = [Col(_("key"), least=0), Col(_("value"), least=12), Col(_("from"), least=0)]
    sys.stdout.write("\n".join(table(columns, rows, screen.width, screen.bold, indent="")) + "\n")


def _print_json(loaded: Loaded) -> None:
    from rustnet.export.formats import dumps  # noqa: PLC0415 -- needed for this only

    settings = []
    for key, origin in loaded.origins.items():
        entry = {"key": key, "value": _value(loaded, key), "source": origin.source}
        settings.append({**entry, "place": origin.place or None, "line": origin.line})
    file = None if loaded.path is None else str(loaded.path)
    problems = [problem.sentence(_) for problem in loaded.problems]
    data = {"file": file, "read": loaded.was_read, "settings": settings, "problems": problems}
    sys.stdout.write(dumps(data) + "\n")


def _explain(key: str | None, screen: Terminal) -> None:
    if key is not None and key not in SETTINGS:
        near = difflib.get_close_matches(key, SETTINGS, 1)
        hint = _("did you mean {name}?").format(name=near[0]) if near else ", ".join(SETTINGS)
        raise UsageError("unknown key {key!r}: {hint}", key=safe(key), hint=hint)
    for name in SETTINGS if key is None else [key]:
        lines = [
            screen.bold(name),
            *("  " + wrap(line, screen.width - 4, "  ") for line in explanation(SETTINGS[name])),
        ]
        sys.stdout.write("\n".join(lines) + "\n")
