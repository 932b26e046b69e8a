"""Options of several files that are one capture, and of packets that were captured twice."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rustnet.i18n import _

_F = TypeVar("_F", bound=Callable[..., Any])


def several_files_options(command: _F) -> _F:
    """Add ``--join``, ``--merge`` and ``--drop-duplicates``."""
    command = click.option(
        "--drop-duplicates", is_flag=True,
        help=_("Leave packets that were captured twice out of the counts of flows; they stay in the packet index."),
    )(command)  # fmt: skip
    command = click.option(
        "--merge", is_flag=True,
        help=_("Merge the packets of all files by time into one capture, such as both directions of a tap."),
    )(command)  # fmt: skip
    return click.option(
        "--join", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
        help=_("Join files into one capture: those that follow each other in time (auto), all (always), none (never)."),
    )(command)  # fmt: skip
