"""Options that limit how much of each capture is read."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rustnet.i18n import _

_F = TypeVar("_F", bound=Callable[..., Any])


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
