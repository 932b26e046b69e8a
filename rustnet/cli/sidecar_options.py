"""Sidecar options of ``replay`` and ``refresh``."""

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from rustnet.i18n import _

_F = TypeVar("_F", bound=Callable[..., Any])

MAX_OFFSET = 1e9
"""Largest accepted clock correction in seconds."""


def _offset(_ctx: click.Context, _param: click.Parameter, value: str | None) -> 'float | Literal["auto"] | None':
    """Parse ``auto`` or seconds."""
    if value is None:
        return None
    if value == "auto":
        return "auto"
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not -MAX_OFFSET <= seconds <= MAX_OFFSET:
        raise click.BadParameter(_("{value!r} is neither auto nor a number of seconds").format(value=value))
    return seconds


def sidecar_options(command: _F) -> _F:
    """Add ``--sidecar``, ``--sidecar-format``, ``--no-sidecar`` and ``--sidecar-offset``."""
    for option in (
        click.option(
            "--sidecar-offset", callback=_offset, metavar="auto|SECONDS",
            help=_("Add SECONDS to the times of sidecars whose clock was wrong; auto: the measured difference."),
        ),
        click.option("--no-sidecar", is_flag=True, help=_("Do not use sidecars next to the captures.")),
        click.option("--sidecar-format", metavar="NAME",
                     help=_("Format of the sidecars, if it cannot be detected.")),
        click.option("--sidecar", "sidecars", multiple=True, metavar="FILE",
                     help=_("Sidecar file with the owners of connections.")),
    ):  # fmt: skip
        command = option(command)
    return command
