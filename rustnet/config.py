"""The user's settings: one TOML file, read by commands alone, which hand its values to what they call.

A flag overrides the environment, which overrides the file, which overrides the default. The file is an input like any
other, and more: rustnet may run as root. It is read only if it belongs to the user who started the program and nobody
else can write it.
"""

import contextlib
import dataclasses
import datetime as dt
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rustnet.config_values import (
    Setting,
    WrongError,
    flag,
    nearest,
    numbers_by_name,
    one_of,
    texts,
    texts_by_name,
    time_zone,
    web_address,
    word,
)
from rustnet.errors import UsageError
from rustnet.i18n import LANGUAGES, N_, _

FILE_VARIABLE = "RUSTNET_CONFIG"
"""Environment variable with the path of the file."""
MAX_BYTES = 1 << 16
"""Largest file that is read."""
MAX_WORKERS = 64
_XDG = sys.platform.startswith("linux")
_VALUE_LINES = 100
"""Most lines of one value; the lines of keys after a longer one are not worked out."""

Color = Literal["auto", "always", "never"]
RedactMode = Literal["off", "on", "always"]
REDACT_POLICIES = ("share", "strict", "timing-only")
"""Names of the policies of redaction."""
ONE_OFF_KEY = "new"
"""In the place of a key's file: a random key, which nobody keeps."""


class ConfigError(UsageError):
    """The configuration file cannot be used, or a setting in it, in the environment or in a flag is wrong."""


def _path(value: object, folder: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise WrongError
    if value == "~" or value.startswith("~/"):
        return home() / value[2:]
    return folder / value


def _policy(value: object, folder: Path) -> str:
    if isinstance(value, str) and value.endswith(".toml"):
        return str(_path(value, folder))
    policy: str = one_of(*REDACT_POLICIES)(value, folder)
    return policy


def _key_file(value: object, folder: Path) -> Path | Literal["new"]:
    return "new" if value == ONE_OFF_KEY else _path(value, folder)


def _workers(value: object, _folder: Path) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, str) and re.fullmatch(r"\d{1,4}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_WORKERS:
        raise WrongError
    return value


@dataclass(frozen=True, slots=True)
class Config:
    """Values of all settings. The text under each is what ``rustnet config --explain`` and the documentation show."""

    timezone: dt.tzinfo = dt.UTC
    """Time zone of the times that people are shown: in summaries, and in rows as table or markdown. Each time states
    its offset. Times in csv, json, jsonl and parquet are always UTC, and so are times in filters that state no offset.
    """
    color: Color = "auto"
    """Whether output has colours; auto: on a terminal. NO_COLOR in the environment means never."""
    language: str = "auto"
    """Language of messages and help; auto: that of the environment (LANGUAGE, LC_ALL, LC_MESSAGES, LANG), else English.
    Names of columns, output as csv, json, jsonl and parquet, and exit codes are the same in every language.
    """
    workers: int | None = None
    """Number of processes that analyse a capture; 0: the process that reads it, auto: by the size of the capture and
    the number of CPUs.
    """
    queries: Path | None = None
    """Folder of your own saved queries (files NAME.sql); none: the folder queries next to the usual configuration file,
    if there is one.
    """
    interfaces: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Names that the browser shows for interfaces, by the name that the capture has."""
    geo_country: Path | None = None
    """Database of countries in MaxMind's format. With one of the three no others are looked for; none: those in
    the usual places, else the tables of this program.
    """
    geo_city: Path | None = None
    """Database of cities and countries in MaxMind's format."""
    geo_asn: Path | None = None
    """Database of autonomous systems in MaxMind's format."""

    redact_mode: RedactMode = "off"
    """Whether the browser replaces addresses, names, users, paths and other values that identify somebody: off, on (the
    key X switches it off), or always, which nothing in the browser can end.
    """
    redact_policy: str = "share"
    """What becomes of which values where a command does not say so: share, strict, timing-only, or a file of your own
    (NAME.toml), as in docs/redaction.md.
    """
    redact_key_file: Path | Literal["new"] | None = None
    """File of the key under which values are replaced, so that the same value has the same replacement in all that is
    shown or shared. It is created with a random key if it does not exist; a text of your own is a passphrase. Only you
    may have access to it. None: redaction.key next to the usual configuration file; new: another random key each time.
    """

    browser_theme: str = "muted"
    """Theme of the browser: muted, vivid, colour-blind, catppuccin-mocha, tokyo-night, gruvbox, nord, or terminal for
    the terminal's own colours. On a light background, the first four have light colours.
    """
    browser_colors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Colours that replace those of the theme, by name: "#rrggbb" or a colour's name. docs/browser.md lists the names.
    """
    browser_filter: str = ""
    """Filter of the browser at its start, as in docs/filters.md."""
    browser_sort: str = ""
    """Column by which the browser sorts flows at its start, with - before it for the largest first; none: the order in
    which they began.
    """
    browser_group: bool = False
    """Whether the browser groups flows by process at its start."""
    browser_columns: tuple[str, ...] = ()
    """Columns of the browser's list of flows, in this order; none: those that fit. docs/browser.md lists the names."""
    browser_widths: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Widths of columns in the browser, by name."""
    browser_keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Keys of the browser by action, several with commas; an empty text takes the key away. docs/browser.md lists the
    actions and their keys.
    """
    browser_accessible: bool = False
    """For screen readers: no block or braille graphics, states in words, and nothing that refreshes by itself."""

    alerts_enabled: tuple[str, ...] = ()
    """Alerts of every replay and live run: names, with parameters of their own after a colon, or all. docs/alerts.md
    lists them. --alert adds some, --no-alerts has none.
    """
    alerts_folder: Path | None = None
    """Folder of your own alerts (files NAME.toml); none: the folder alerts next to the usual configuration file, if
    there is one.
    """
    alerts_baseline: Path | None = None
    """Session whose programs, countries, services … are not new to alerts."""
    alerts_command: tuple[str, ...] = ()
    """Program that is run for each alert, without a shell, with your rights and never root's; it gets the alert as JSON
    on its standard input.
    """
    alerts_webhook: str = ""
    """Address to which each alert is posted as JSON. What an alert states of the traffic then leaves this machine."""
    alerts_desktop: bool = False
    """Whether alerts are shown as notifications of the desktop."""
    alerts_least: str = "low"
    """Least severity of the alerts that the program, the address and the desktop get."""


_ZONES = N_('the name of a time zone ("Europe/Berlin", "UTC", "local") or an offset ("+02:00")')
_DATABASE = N_("the path of an .mmdb file")
_DATABASES = "/usr/share/GeoIP"

SETTINGS: dict[str, Setting] = {
    setting.key: setting
    for setting in (
        Setting("timezone", _ZONES, "UTC", '"Europe/Berlin"', time_zone),
        Setting("color", N_('"auto", "always" or "never"'), "auto", '"never"', one_of("auto", "always", "never")),
        Setting(
            "language",
            N_('"auto", "de", "en", "es", "fr", "ja" or "zh_CN"'),
            "auto",
            '"de"',
            one_of("auto", *LANGUAGES),
        ),
        Setting("workers", N_('a number from 0 to 64, or "auto"'), "auto", "4", _workers),
        Setting("queries", N_("the path of a folder"), "none", '"~/rustnet/queries"', _path),
        Setting("interfaces", N_("a table of interfaces and names"), "none", '{ eth0 = "uplink" }', texts_by_name),
        Setting("geo.country", _DATABASE, "none", f'"{_DATABASES}/GeoLite2-Country.mmdb"', _path),
        Setting("geo.city", _DATABASE, "none", f'"{_DATABASES}/GeoLite2-City.mmdb"', _path),
        Setting("geo.asn", _DATABASE, "none", f'"{_DATABASES}/GeoLite2-ASN.mmdb"', _path),
        Setting("redact.mode", N_('"off", "on" or "always"'), "off", '"always"', one_of("off", "on", "always")),
        Setting(
            "redact.policy",
            N_('"share", "strict", "timing-only" or the path of a .toml file'),
            "share",
            '"strict"',
            _policy,
        ),
        Setting(
            "redact.key_file",
            N_('the path of a file, or "new"'),
            "none",
            '"~/.config/rustnet/redaction.key"',
            _key_file,
        ),
        Setting("browser.theme", N_("the name of a theme"), "muted", '"nord"', word),
        Setting("browser.colors", N_("a table of names and colours"), "none", '{ accent = "#ffaf00" }', texts_by_name),
        Setting("browser.filter", N_("a filter"), "none", '"app:tls"', word),
        Setting("browser.sort", N_("the name of a column"), "none", '"-bytes"', word),
        Setting("browser.group", N_("true or false"), "false", "true", flag),
        Setting("browser.columns", N_("a list of columns"), "none", '["process", "remote", "app", "bytes"]', texts),
        Setting("browser.widths", N_("a table of columns and widths"), "none", "{ remote = 40 }", numbers_by_name),
        Setting("browser.keys", N_("a table of actions and keys"), "none", '{ "sort.next" = "Z" }', texts_by_name),
        Setting("browser.accessible", N_("true or false"), "false", "true", flag),
        Setting("alerts.enabled", N_("a list of alerts"), "none", '["scan", "new-process:warm-up=5m"]', texts),
        Setting("alerts.folder", N_("the path of a folder"), "none", '"~/rustnet/alerts"', _path),
        Setting("alerts.baseline", N_("the path of a session"), "none", '"~/rustnet/usual.duckdb"', _path),
        Setting(
            "alerts.command",
            N_("a program and its arguments, as a list"),
            "none",
            '["/usr/local/bin/page-me", "--quiet"]',
            texts,
        ),
        Setting(
            "alerts.webhook",
            N_("an address that begins with https:// or http://"),
            "none",
            '"https://chat.example/hooks/rustnet"',
            web_address,
        ),
        Setting("alerts.desktop", N_("true or false"), "false", "true", flag),
        Setting("alerts.least", N_('"low", "medium" or "high"'), "low", '"high"', one_of("low", "medium", "high")),
    )
}
"""All settings by key, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting came from."""

    source: Literal["default", "file", "environment", "flag"]
    place: str = ""
    """Name of the variable or flag."""
    line: int | None = None
    """Line in the file."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings are looked for."""

    file: str | None = None
    """Path of the file that was asked for; None: the usual one."""
    ignore_file: bool = False
    """Read no file."""
    flags: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    """Values of flags, each with the flag's name, by key."""


@dataclass(slots=True)
class Loaded:
    """The configuration in force, and how it came about."""

    config: Config
    path: Path | None
    """The file; None: none was to be read."""
    was_read: bool
    """The file exists and was read."""
    origins: dict[str, Origin]
    """Where each value came from, by key."""
    problems: list[ConfigError]
    """What is wrong, in the order of precedence from the file to the flags; such values are not in force."""
    unreachable: str = ""
    """Why it is not known whether the usual file exists."""


def load(source: Source) -> Loaded:
    """Read the configuration. Raises `ConfigError` for the first thing that is wrong."""
    loaded = examine(source)
    if loaded.problems:
        raise loaded.problems[0]
    return loaded


def examine(source: Source) -> Loaded:
    """Read the configuration, with its origins and all that is wrong in it."""
    loaded = Loaded(Config(), None, False, {key: Origin("default") for key in SETTINGS}, [])
    values: dict[str, Any] = {}
    try:
        loaded.path = None if source.ignore_file else _chosen_file(source)
        if loaded.path is not None:
            text = _read_file(loaded.path, required=source.file is not None or FILE_VARIABLE in os.environ)
            loaded.was_read = text is not None
            _take_file(loaded, values, loaded.path, text or "")
    except ConfigError as error:
        loaded.problems.append(error)
    except PermissionError as error:
        loaded.unreachable = error.strerror or str(error)
    for key, setting in SETTINGS.items():
        if text := os.environ.get(setting.variable):
            _take(loaded, values, key, text, Origin("environment", setting.variable), Path.cwd)
        elif key == "color" and os.environ.get("NO_COLOR"):
            _take(loaded, values, key, "never", Origin("environment", "NO_COLOR"), Path.cwd)
    for key, (name, text) in source.flags.items():
        _take(loaded, values, key, text, Origin("flag", name), Path.cwd)
    loaded.config = Config(**values)
    return loaded


def _take(
    loaded: Loaded, values: dict[str, Any], key: str, value: object, origin: Origin, folder: Callable[[], Path]
) -> None:
    """Put the value of a setting in force, or note what is wrong with it."""
    setting = SETTINGS[key]
    try:
        values[setting.name] = setting.read(value, folder())
        loaded.origins[key] = origin
    except WrongError as error:
        where = origin.place if origin.source != "file" else _place(loaded.path, origin.line)
        given = value if isinstance(value, str) else str(value)
        problem = ConfigError(
            "{where}: {key} must be {expected}, not {value!r}",
            where=where, key=key, expected=_(setting.expected), value=given[:80],
        )  # fmt: skip
        if str(error):
            problem = ConfigError(
                "{where}: {key} must be {expected}, not {value!r}; did you mean {near}?",
                where=where, key=key, expected=_(setting.expected), value=given[:80], near=error,
            )  # fmt: skip
        loaded.problems.append(problem)


def _take_file(loaded: Loaded, values: dict[str, Any], path: Path, text: str) -> None:
    """Put the values of the file in force."""
    parsed = _parsed(path, text)
    lines = _lines(text) if parsed else {}
    for key, value in sorted(_flattened(parsed), key=lambda pair: lines.get(pair[0], 0)):
        line = lines.get(key)
        if key in SETTINGS:
            _take(loaded, values, key, value, Origin("file", str(path), line), lambda: path.parent)
            continue
        near = nearest(key, SETTINGS)
        where = _place(path, line)
        if near:
            problem = ConfigError("{where}: unknown key {key!r}; did you mean {near}?", where=where, key=key, near=near)
        else:
            problem = ConfigError(
                "{where}: unknown key {key!r}; known keys: {known}", where=where, key=key, known=", ".join(SETTINGS)
            )
        loaded.problems.append(problem)


def _place(path: Path | None, line: int | None) -> str:
    if line is None:
        return str(path)
    return _("{path}, line {line}").format(path=path, line=line)


# ---- the file --------------------------------------------------------------------------------------------------------


def _invoking_user() -> int | None:
    """User who called the program by sudo; None: nobody did."""
    if getattr(os, "geteuid", lambda: -1)() != 0:
        return None
    number = os.environ.get("SUDO_UID", "")
    return int(number) if re.fullmatch(r"\d{1,10}", number, re.ASCII) and int(number) else None


def home() -> Path:
    """Home directory of the user who started the program, also by sudo."""
    invoking = _invoking_user()
    if invoking is not None:
        import pwd  # noqa: PLC0415 -- not on Windows

        with contextlib.suppress(KeyError):
            return Path(pwd.getpwuid(invoking).pw_dir)
    return Path(os.path.expanduser("~"))  # noqa: PTH111 -- without a home it stays as it is, and no error is raised


def usual_file() -> Path:
    """Path of the configuration file if none is asked for."""
    if _invoking_user() is not None:
        folder = ("Library", "Application Support") if sys.platform == "darwin" else (".config",)
        return home().joinpath(*folder, "rustnet", "config.toml")
    if _XDG:  # as platformdirs does, which `rustnet --help` must not wait for
        return Path(os.environ.get("XDG_CONFIG_HOME", "").strip() or home() / ".config", "rustnet", "config.toml")
    import platformdirs  # noqa: PLC0415 -- for other systems

    return platformdirs.user_config_path("rustnet", appauthor=False) / "config.toml"


def _chosen_file(source: Source) -> Path | None:
    """File to be read; an empty name in the environment means none."""
    chosen = source.file
    if chosen is None:
        chosen = os.environ.get(FILE_VARIABLE)
    if chosen is None:
        return usual_file()
    if "\0" in chosen:
        raise ConfigError("{path}: no file can have this name", path=chosen)
    return Path(chosen).absolute() if chosen else None


def _read_file(path: Path, *, required: bool) -> str | None:
    """Text of the file, None if it does not exist. Raises `ConfigError` if it must not, or cannot, be read.

    Raises `PermissionError` if this user may not open a file that is not ``required``: with the home directory of
    somebody else in the environment, programs are run often.
    """
    try:
        # Not a pipe's other end to wait for, and never a terminal to control.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise ConfigError("{path}: there is no such configuration file", path=path) from None
        return None
    except OSError as error:
        if isinstance(error, PermissionError) and not required:
            raise
        raise ConfigError(
            "{path}: the configuration cannot be read: {reason}; --no-config does without it",
            path=path, reason=error.strerror or error,
        ) from None  # fmt: skip
    with open(handle, "rb") as file:  # noqa: PTH123 -- a descriptor
        _check_file(path, os.fstat(handle))
        try:
            content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError("{path}: cannot be read: {reason}", path=path, reason=error.strerror or error) from None
    if len(content) > MAX_BYTES:
        raise ConfigError("{path}: is larger than {most} bytes", path=path, most=MAX_BYTES)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("{where}: is not UTF-8", where=_place(path, line)) from None


def _check_file(path: Path, status: os.stat_result) -> None:
    """Raise `ConfigError` if somebody else than the user who started the program may have written the file."""
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("{path}: is not a plain file", path=path)
    if not hasattr(os, "geteuid"):
        return
    invoking = _invoking_user()
    # By sudo a file of root's is refused as well: a link to it could show its text in an error.
    owners = {invoking} if invoking is not None else {os.geteuid(), 0}
    if status.st_uid not in owners:
        raise ConfigError("{path}: belongs to another user, so it is not read; --no-config does without it", path=path)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            "{path}: other users can write it, so it is not read; 'chmod go-w' ends that, --no-config does without it",
            path=path,
        )


def _parsed(path: Path, text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    import tomllib  # noqa: PLC0415 -- only if there is a file

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError("{path}: is nested too deeply", path=path) from None
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        line = int(match[2] or text.count("\n") + (not text.endswith("\n"))) if match else None
        raise ConfigError(
            "{where}: is not TOML: {reason}", where=_place(path, line), reason=match[1] if match else error
        ) from None


def _flattened(table: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Keys and values of a table and of those in it; a dot is put between their names."""
    waiting: list[tuple[str, object]] = [(key, value) for key, value in reversed(table.items())]
    while waiting:
        key, value = waiting.pop()
        inner = isinstance(value, dict) and key not in SETTINGS
        if inner and value:
            waiting += [(f"{key}.{name}", each) for name, each in reversed(value.items())]  # type: ignore[attr-defined]
        elif not inner or not any(known.startswith(f"{key}.") for known in SETTINGS):
            yield key, value


def _lines(text: str) -> dict[str, int]:
    """Line of each key, of a text that is TOML: lines are taken together until they are a statement."""
    import tomllib  # noqa: PLC0415

    places: dict[str, int] = {}
    table, begun, statement = "", 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            begun = number
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            if number - begun >= _VALUE_LINES:
                break
            continue
        header = statement.lstrip().startswith("[")
        statement = ""
        for key, _value in _leaves(parsed):
            if header:
                table = key + "."
            places.setdefault(key if header else table + key, begun)
    return places


def _leaves(parsed: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Innermost names of one statement: a table's header, or a key with its value."""
    for first, inner in parsed.items():
        key, value = first, inner
        while isinstance(value, dict) and len(value) == 1 and key not in SETTINGS:
            name, value = next(iter(value.items()))
            key += f".{name}"
        yield key, value
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", each) for name, each in value.items())
