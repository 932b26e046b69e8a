"""Options of the sandbox of the process that parses, and of the user that a live capture is for."""

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


def user_options(command: _F) -> _F:
    """Add ``--no-uid-drop`` and ``--drop-to``."""
    command = click.option(
        "--drop-to", metavar="USER",
        help=_("Started by root: be this user once capturing has begun.  [default: who called sudo, else root]"),
    )(command)  # fmt: skip
    return click.option(
        "--no-uid-drop", is_flag=True,
        help=_("Started by root: stay root, without its capabilities; files belong to root."),
    )(command)  # fmt: skip


def check_user_options(no_uid_drop: bool, drop_to: str | None, strict: bool) -> None:
    """Raise `UsageError` for options that contradict each other."""
    if no_uid_drop and drop_to is not None:
        raise UsageError("--no-uid-drop and --drop-to exclude each other")
    if no_uid_drop and strict:
        raise UsageError("--no-uid-drop and --sandbox-strict exclude each other")
