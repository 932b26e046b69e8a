"""The one way of captured values to the screen: redacted by their kind, formatted, and safe for a terminal."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.cells import cell
from rustnet.present.text import safe
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.query.filters import FilterError

REDACTED = "[redacted]"
"""In the place of a value that cannot be classified."""
LONGEST = 4096
"""Most characters of a value that are prepared for a line."""

_FIELDS: dict[str, Kind | None] = {
    "path": Kind.PATH, "file": Kind.PATH, "session": Kind.PATH, "source": Kind.PATH, "folder": Kind.PATH,
    "reason": Kind.FREE_TEXT, "host": Kind.HOST, "user": Kind.USER, "address": Kind.ADDRESS,
}  # fmt: skip
"""Kinds of the fields of errors, by name; others are replaced by what they are."""


def usual_redactor() -> "Redactor":
    """Redactor of the default policy, with a key of this run."""
    from rustnet.policy.redaction import Redactor, random_key  # noqa: PLC0415 -- in redact mode only

    return Redactor(random_key())


class Presenter:
    """Turns values into text for cells, copies, titles and messages."""

    def __init__(self, make_redactor: "Callable[[], Redactor] | None" = None, *, redacting: bool = False) -> None:
        self._make_redactor = make_redactor or usual_redactor
        self._redactor: Redactor | None = None
        self._redacting = False
        self.redacting = redacting

    @property
    def redacting(self) -> bool:
        """Whether values are replaced. Raises `RustnetError` if it is to be and the key cannot be used."""
        return self._redacting

    @redacting.setter
    def redacting(self, redacting: bool) -> None:
        if redacting:
            self._redactor = self.redactor
        self._redacting = redacting

    @property
    def redactor(self) -> "Redactor":
        """What replaces values."""
        if self._redactor is None:
            self._redactor = self._make_redactor()
        return self._redactor

    def value(self, value: Any, name: str = "", kind: Kind | None = None, sql_type: str = "") -> Any:
        """Return the value, or in redact mode its replacement."""
        if self._redacting and value is not None:
            return self.redactor.value(kind, value, name, sql_type)
        return value

    def text(self, value: Any, name: str = "", sql_type: str = "", kind: Kind | None = None) -> str:
        """Text of a value on one line, without control characters; empty for a missing one.

        Times are integers of nanoseconds with ``sql_type`` ``TIMESTAMP_NS``.
        """
        if self._redacting and not (sql_type == "TIMESTAMP_NS" and isinstance(value, int)):
            value = self.value(value, name, kind, sql_type)
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
        """The sentence of an error; in redact mode its values are replaced, and texts of others word by word."""
        if not self._redacting:
            return safe(error.sentence(_))
        from rustnet.query.execute import QueryError, QueryFailedError  # noqa: PLC0415 -- in redact mode only
        from rustnet.query.filters import FilterError  # noqa: PLC0415

        if isinstance(error, FilterError):  # its sentence repeats the filter
            return self.error_reason(error)
        if isinstance(error, QueryError | QueryFailedError) and not error.fields:
            return self.text(error.sentence(_), kind=Kind.FREE_TEXT)
        fields = {name: self._field(name, value) for name, value in error.fields.items()}
        return safe(type(error)(error.template, **fields).sentence(_))

    def error_reason(self, error: "FilterError") -> str:
        """What is wrong with a filter, without the filter itself."""
        return self.text(error.words(_), kind=Kind.FREE_TEXT)

    def _field(self, name: str, value: object) -> object:
        if isinstance(value, bool | int | float):
            return value
        return self.redactor.value(_FIELDS.get(name), str(value), name)

    # ---- filters and statements --------------------------------------------------------------------------------------

    def shown_filter(self, text: str) -> str:
        """A filter as it may be shown; in redact mode its values are replaced."""
        if not self._redacting:
            return safe(text)
        from rustnet.query.filter_redaction import redacted_filter  # noqa: PLC0415 -- in redact mode only

        return safe(redacted_filter(text, self.redactor))

    def typed_filter(self, text: str) -> str:
        """The filter that is meant by what was typed; in redact mode over replacements. Raises `FilterError`."""
        if not self._redacting:
            return text
        from rustnet.query.filter_redaction import original_filter  # noqa: PLC0415 -- in redact mode only

        return original_filter(text, self.redactor)

    def sql(self, text: str) -> str:
        """A statement; in redact mode with other texts and addresses in it."""
        return self.redactor.sql(text) if self._redacting else text

    def typed_sql(self, text: str) -> str:
        """The statement that is meant by what was typed; in redact mode over replacements. Raises `UsageError`."""
        return self.redactor.original_sql(text) if self._redacting else text

    def notebook_cell(self, path: str, text: str) -> str:
        """A cell of a notebook that runs a statement over a session."""
        name = self.text(path, kind=Kind.PATH) if self._redacting else path
        quoted = self.sql(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        return f'import rustnet\n\ns = rustnet.open({name!r})\ns.sql("""\n{quoted}\n""").df()\n'
