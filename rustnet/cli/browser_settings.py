"""Settings of the browser from configuration and command line, and what is wrong with those that name its parts."""

from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.main import State
from rustnet.cli.redaction_options import new_redactor
from rustnet.config import Config, ConfigError
from rustnet.config_values import nearest, read_zone
from rustnet.errors import UsageError

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.tui.settings import BrowserSettings


def browser_settings(state: State, *, filter: str = "", at: str = "") -> "BrowserSettings":  # noqa: A002 -- the usual word
    """Settings of the browser. Raises `ConfigError` for the first that is wrong."""
    from rustnet.tui.settings import BrowserSettings  # noqa: PLC0415 -- for the browser only

    config = state.config
    for problem in browser_problems(config):
        raise problem
    mode = "on" if state.redact is not None and config.redact_mode == "off" else config.redact_mode
    redactor = cache(partial(_redactor, state))
    if mode != "off":
        redactor()  # a key that cannot be used is better seen before the screen
    return BrowserSettings(
        theme=config.browser_theme,
        theme_overrides=config.browser_colors,
        color=config.color != "never",
        filter=filter or config.browser_filter,
        at=at,
        sort=config.browser_sort,
        grouped=config.browser_group,
        columns=config.browser_columns,
        widths=config.browser_widths,
        keys=config.browser_keys,
        accessible=config.browser_accessible,
        interfaces=config.interfaces,
        queries=_queries_folder(config),
        state_folder=_state_folder(),
        read_zone=read_zone,
        config_file="" if state.config_path is None else str(state.config_path),
        redact=mode,
        redactor=redactor,
        debug=state.debug,
    )


def _redactor(state: State) -> "Redactor":
    """Redactor of the browser. Raises `UsageError` for a policy under which it would not agree with other outputs."""
    redactor = new_redactor(state)
    if redactor.policy.shift or redactor.policy.numbers.ports:
        name = redactor.policy.name
        raise UsageError(
            "the policy {name} shifts times or replaces ports: it is for exports and lists, not for the browser",
            name=name,
        )
    return redactor


def _queries_folder(config: Config) -> Path:
    """Folder of the user's own queries, whether it exists or not."""
    import platformdirs  # noqa: PLC0415 -- for the browser only

    return config.queries or platformdirs.user_config_path("rustnet", appauthor=False) / "queries"


def _state_folder() -> Path:
    import platformdirs  # noqa: PLC0415 -- for the browser only

    return platformdirs.user_state_path("rustnet", appauthor=False)


def browser_problems(config: Config) -> Iterator[ConfigError]:
    """What is wrong with settings that name themes, colours, actions and keys."""
    if config.browser_theme != "muted" or config.browser_colors:
        yield from _theme_problems(config)
    if config.browser_keys:
        yield from _key_problems(config)
    if config.browser_columns or config.browser_widths or config.browser_sort:
        yield from _column_problems(config)


def _column_problems(config: Config) -> Iterator[ConfigError]:
    from rustnet.query.views.flow_order import SORTS  # noqa: PLC0415 -- for the browser only
    from rustnet.tui.widgets.flow_cells import COLUMNS  # noqa: PLC0415 -- Textual

    sort = config.browser_sort.removeprefix("-")
    if sort and sort not in SORTS:
        yield _unknown("browser.sort", sort, SORTS)
    for setting, names in (("browser.columns", config.browser_columns), ("browser.widths", config.browser_widths)):
        for name in names:
            if name not in COLUMNS:
                yield _unknown(setting, name, COLUMNS)


def _theme_problems(config: Config) -> Iterator[ConfigError]:
    from rustnet.tui.themes import COLORS, NAMES, wrong_color  # noqa: PLC0415 -- Textual

    if config.browser_theme not in NAMES:
        yield _unknown("browser.theme", config.browser_theme, NAMES)
    for name, color in config.browser_colors.items():
        if name not in COLORS:
            yield _unknown("browser.colors", name, COLORS)
        elif wrong_color(color):
            yield ConfigError("browser.colors: {name} is no colour: {color!r}", name=name, color=color)


def _key_problems(config: Config) -> Iterator[ConfigError]:
    from rustnet.tui.bindings import BY_ID, KEYS, clashes, keys_in  # noqa: PLC0415 -- for the browser only

    for name, keys in config.browser_keys.items():
        if name not in BY_ID or not BY_ID[name].keys:
            yield _unknown("browser.keys", name, [name for name, action in BY_ID.items() if action.keys])
        for key in keys_in(keys):
            if key not in KEYS:
                yield _unknown("browser.keys", key, KEYS)
    for key, first, second in clashes(config.browser_keys):
        yield ConfigError(
            "browser.keys: {first} and {second} have the same key {key}", first=first, second=second, key=key
        )


def _unknown(setting: str, name: str, known: Iterable[str]) -> ConfigError:
    names = list(known)
    near = nearest(name, names)
    if near:
        return ConfigError(
            "{setting}: unknown name {name!r}; did you mean {near}?", setting=setting, name=name, near=near
        )
    return ConfigError(
        "{setting}: unknown name {name!r}; known: {known}", setting=setting, name=name, known=", ".join(names)
    )
