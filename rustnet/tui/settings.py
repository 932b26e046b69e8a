"""What a user can set of the browser: filled from the configuration and the command line."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor

Redact = Literal["off", "on", "always"]


@dataclass(frozen=True, slots=True)
class BrowserSettings:
    """Settings of one run of the browser."""

    theme: str = "muted"
    """Name of a theme."""
    theme_overrides: Mapping[str, str] = field(default_factory=dict)
    """Colours that replace those of the theme, by the name of a variable."""
    color: bool = True
    """Whether there are colours at all."""
    filter: str = ""
    """Filter at the start."""
    at: str = ""
    """Packet time at the start, as typed; empty: the end."""
    sort: str = ""
    """Column by which flows are sorted at the start, ``-`` before it for the largest first; empty: by beginning."""
    grouped: bool = False
    """Flows are grouped by process at the start."""
    columns: tuple[str, ...] = ()
    """Columns of the list of flows; empty: those that fit."""
    widths: Mapping[str, int] = field(default_factory=dict)
    """Widths of columns, by name."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by the name of an action (see the page of keys); an empty text takes the key away."""
    accessible: bool = False
    """For screen readers: no block or braille graphics, states in words, nothing that refreshes by itself."""
    redact: Redact = "off"
    """Whether values are replaced: off, on, or always, which the browser cannot end."""
    redactor: "Callable[[], Redactor] | None" = None
    """Makes what replaces values in redact mode; None: the default policy with a key of this run."""
    interfaces: Mapping[str, str] = field(default_factory=dict)
    """Names that are shown for interfaces, by the name that the capture has."""
    queries: Path | None = None
    """Folder of the user's own saved queries; None: there is none."""
    state_folder: Path | None = None
    """Folder of the histories of filters and statements; None: they end with the program."""
    read_zone: Callable[[str], dt.tzinfo | None] | None = None
    """Reads the name of a time zone; None: it cannot be changed."""
    config_file: str = ""
    """Path of the configuration file that was read; empty: none."""
    debug: bool = False
    """A crash prints its traceback, which may contain captured data; not if the browser was started in redact mode."""

    def state_file(self, name: str) -> Path | None:
        """File of a history."""
        return None if self.state_folder is None else self.state_folder / f"{name}.json"
