"""Options that limit how much of each capture is read, and how fast."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from rustnet.i18n import _

_F = TypeVar("_F", bound=Callable[..., Any])

LEAST_SPEED, MOST_SPEED = 1e-6, 1e9


def speed_factor(_ctx: click.Context, _param: click.Parameter, value: str) -> float | None:
    """Parse ``max`` or a factor."""
    if value == "max":
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = math.nan
    if not LEAST_SPEED <= speed <= MOST_SPEED:
        raise click.BadParameter(
            _("{value!r} is neither max nor a positive number such as 1 or 10").format(value=value)
        )
    return speed


def input_limit_options(command: _F) -> _F:
    """Add ``--max-packets``, ``--max-bytes`` and ``--max-seconds``."""
    command = click.option(
        "--max-seconds", type=click.FloatRange(0, min_open=True), metavar="N",
        help=_("Read each capture for at most N seconds."),
    )(command)  # fmt: skip
    command = click.option(
        "--max-bytes", type=click.IntRange(1), metavar="N",
        help=_("Read at most N bytes of each capture, once unpacked."),
    )(command)  # fmt: skip
    return click.option(
        "--max-packets", type=click.IntRange(1), metavar="N", help=_("Read at most N packets of each capture.")
    )(command)
