"""The one way of captured values to the screen: redacted by their kind, formatted, and safe for a terminal."""

import re
from typing import Any, Protocol

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.cells import cell
from rustnet.present.text import safe
from rustnet.records import Kind

REDACTED = "[redacted]"
"""In the place of a value whose kind is not known."""
_TEXTS = re.compile(r"'(?:[^']|'')*'")
LONGEST = 4096
"""Most characters of a value that are prepared for a line."""


class Redactor(Protocol):
    """Replaces values by their kind (`rustnet.policy.redaction`)."""

    def value(self, kind: Kind | None, value: Any, name: str = "") -> Any:
        """Return the replacement of a value."""


class Presenter:
    """Turns values into text for cells, copies, titles and messages."""

    def __init__(self, redactor: Redactor | None = None, *, redacting: bool = False) -> None:
        self.redactor = redactor
        self.redacting = redacting and redactor is not None
        """Whether values are replaced."""

    def value(self, value: Any, name: str = "", kind: Kind | None = None) -> Any:
        """Return the value, or in redact mode its replacement."""
        if self.redacting and self.redactor is not None and value is not None:
            return self.redactor.value(kind, value, name)
        return value

    def text(self, value: Any, name: str = "", sql_type: str = "", kind: Kind | None = None) -> str:
        """Text of a value on one line, without control characters; empty for a missing one.

        Times are integers of nanoseconds with ``sql_type`` ``TIMESTAMP_NS``.
        """
        if self.redacting and sql_type != "TIMESTAMP_NS":
            value = self.value(value, name, kind)
        if isinstance(value, str):
            return safe(value[:LONGEST])
        return cell(value, name, sql_type, kind)[:LONGEST]

    def line(self, template: str, **fields: tuple[Any, Kind | None] | int) -> str:
        """A translated sentence with values: each field is a number, or a value with its kind."""
        filled = {
            name: field if isinstance(field, int) else self.text(field[0], name, kind=field[1])
            for name, field in fields.items()
        }
        return safe(_(template).format(**filled))

    def error(self, error: RustnetError) -> str:
        """The sentence of an error; in redact mode without the values in it."""
        if self.redacting:
            error = type(error)(error.template, **dict.fromkeys(error.fields, REDACTED)) if error.fields else error
        return safe(error.sentence(_))

    def sql(self, text: str) -> str:
        """A statement; in redact mode without the texts in it."""
        return _TEXTS.sub(f"'{REDACTED}'", text) if self.redacting else text

    def notebook_cell(self, path: str, text: str) -> str:
        """A cell of a notebook that runs a statement over a session."""
        name = REDACTED if self.redacting else path
        quoted = self.sql(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        return f'import rustnet\n\ns = rustnet.open({name!r})\ns.sql("""\n{quoted}\n""").df()\n'
