"""Colour themes: our own, one of them for colour-blind people, those that RustNet has too, and one without colours."""

from collections.abc import Mapping

from textual.theme import BUILTIN_THEMES, Theme

VARIABLES: dict[str, str] = {
    "stale": "$warning",
    "late": "$error",
    "faint": "$foreground-muted",
    "learned": "$secondary",
    "rx": "$success",
    "tx": "$primary",
    "good": "$success",
    "heading": "$accent",
    "mark": "$accent",
    "series-1": "$primary",
    "series-2": "$success",
    "series-3": "$accent",
    "series-4": "$secondary",
}
"""Variables of the browser's styles beside Textual's own, and what they are by default."""

_MUTED = Theme(
    name="muted", primary="#7aa2c8", secondary="#9a8fb8", accent="#d0a45c", warning="#d0a45c", error="#d06c6c",
    success="#7fae7f", foreground="#d8dadd", background="#16181c", surface="#1b1e23", panel="#23272e",
)  # fmt: skip
_MUTED_LIGHT = Theme(
    name="muted-light", primary="#2f6690", secondary="#6a5a92", accent="#8a5a00", warning="#8a5a00", error="#a02828",
    success="#2f6f35", foreground="#202428", background="#fafafa", surface="#f1f2f4", panel="#e4e7eb", dark=False,
)  # fmt: skip
_VIVID = Theme(
    name="vivid", primary="#00afff", secondary="#d787ff", accent="#ffaf00", warning="#ffd700", error="#ff5f5f",
    success="#5fff5f", foreground="#f4f4f4", background="#000000", surface="#101010", panel="#202020",
)  # fmt: skip
_VIVID_LIGHT = Theme(
    name="vivid-light", primary="#005fd7", secondary="#8700af", accent="#af5f00", warning="#af5f00", error="#d70000",
    success="#008700", foreground="#000000", background="#ffffff", surface="#f4f4f4", panel="#e4e4e4", dark=False,
)  # fmt: skip
# Blue and orange are told apart with every common deficiency; these are near Modus Vivendi Deuteranopia.
_COLOR_BLIND = Theme(
    name="colour-blind", primary="#79a8ff", secondary="#b6a0ff", accent="#f0c040", warning="#f0c040", error="#ff9f0a",
    success="#4fafff", foreground="#ffffff", background="#0d0e11", surface="#15171c", panel="#1e2127",
)  # fmt: skip
_COLOR_BLIND_LIGHT = Theme(
    name="colour-blind-light", primary="#0031a9", secondary="#531ab6", accent="#7a5000", warning="#7a5000",
    error="#a04000", success="#0060c0", foreground="#000000", background="#ffffff", surface="#f3f3f5",
    panel="#e3e5ea", dark=False,
)  # fmt: skip

OWN = (_MUTED, _MUTED_LIGHT, _VIVID, _VIVID_LIGHT, _COLOR_BLIND, _COLOR_BLIND_LIGHT)
NO_COLOR = "ansi-dark"
"""Theme without colours of its own; with NO_COLOR in the environment Textual then sends none at all."""
NAMES: dict[str, str] = {
    "muted": "muted-light",
    "vivid": "vivid-light",
    "colour-blind": "colour-blind-light",
    "catppuccin-mocha": "catppuccin-latte",
    "tokyo-night": "tokyo-night",
    "gruvbox": "gruvbox",
    "nord": "nord",
    "terminal": "ansi-light",
}
"""Themes that a user can choose, and what each is on a light background."""


def theme_name(chosen: str, *, light: bool, color: bool) -> str:
    """Name of the theme in force."""
    if not color:
        return NO_COLOR
    if light:
        return NAMES.get(chosen, chosen)
    return "ansi-dark" if chosen == "terminal" else chosen


def themes(overrides: Mapping[str, str]) -> list[Theme]:
    """Return our themes, and Textual's that can be chosen, with the user's colours."""
    wanted = {*NAMES, *NAMES.values(), NO_COLOR}
    every = [*OWN, *(theme for name, theme in BUILTIN_THEMES.items() if name in wanted)]
    return [_overridden(theme, overrides) for theme in every]


def _overridden(theme: Theme, overrides: Mapping[str, str]) -> Theme:
    if not overrides:
        return theme
    from dataclasses import replace  # noqa: PLC0415 -- only if there are colours of the user's own

    fields = {name: color for name, color in overrides.items() if name in _FIELDS}
    variables = {name: color for name, color in overrides.items() if name not in _FIELDS}
    return replace(theme, **fields, variables={**theme.variables, **variables})  # type: ignore[arg-type]


_FIELDS = (
    "primary", "secondary", "warning", "error", "success", "accent", "foreground", "background", "surface", "panel",
)  # fmt: skip
COLORS = (*_FIELDS, *VARIABLES)
"""Names of the colours that a user can override."""


def wrong_color(text: str) -> bool:
    """Whether a text is no colour."""
    from textual.color import Color, ColorParseError  # noqa: PLC0415 -- only if there are colours of the user's own

    try:
        Color.parse(text)
    except ColorParseError:
        return True
    return False
