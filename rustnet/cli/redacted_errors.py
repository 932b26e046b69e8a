"""Errors of commands under ``--redact``: the paths and names in them are replaced as well."""

import copy
from typing import TYPE_CHECKING

from rustnet.cli.main import State
from rustnet.cli.redaction_options import redactor_of
from rustnet.errors import RustnetError, UsageError
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor

_PATHS = frozenset(("path", "file", "session", "source", "folder"))
"""Fields of errors with paths. Others of mistakes on the command line repeat what was typed."""


def replaced_error(error: Exception, state: State) -> Exception:
    """The error with its paths replaced; one that prevents the replacing stays as it is."""
    try:
        redactor = redactor_of(state)
    except RustnetError:
        redactor = None
    if redactor is None:
        return error
    if isinstance(error, OSError) and error.filename is not None:
        return OSError(error.errno, error.strerror, redactor.value(Kind.PATH, str(error.filename)))
    if not isinstance(error, RustnetError):
        return error
    shown = copy.copy(error)
    typed = isinstance(error, UsageError)
    shown.fields = {name: _field(redactor, name, value, typed=typed) for name, value in error.fields.items()}
    return shown


def _field(redactor: "Redactor", name: str, value: object, *, typed: bool) -> object:
    if name in _PATHS:
        return redactor.value(Kind.PATH, str(value))
    return value if typed or not isinstance(value, str) else redactor.value(None, value)
