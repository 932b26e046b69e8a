"""Options of the sandbox of the process that parses."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from rustnet.errors import UsageError
from rustnet.i18n import _

_F = TypeVar("_F", bound=Callable[..., Any])


def sandbox_options(command: _F) -> _F:
    """Add ``--no-sandbox`` and ``--sandbox-strict``."""
    command = click.option(
        "--sandbox-strict", is_flag=True,
        help=_("Fail if any layer of the sandbox of the process that parses cannot be applied, and state them."),
    )(command)  # fmt: skip
    return click.option(
        "--no-sandbox", is_flag=True,
        help=_("Parse without a sandbox.  [default: as many of its layers as this system has]"),
    )(command)  # fmt: skip


def sandbox_mode(no_sandbox: bool, strict: bool) -> Literal["on", "off", "strict"]:
    """The mode that the options ask for."""
    if no_sandbox and strict:
        raise UsageError("--no-sandbox and --sandbox-strict exclude each other")
    return "off" if no_sandbox else "strict" if strict else "on"
