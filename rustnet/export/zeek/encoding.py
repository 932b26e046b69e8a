"""Rows of Zeek's logs as lines: separated by tabs, or as JSON, with Zeek's escapes."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from rustnet.export.formats import dumps
from rustnet.export.zeek.spec import NUMBERS, Field
from rustnet.present.text import UNSAFE

UNSET, EMPTY, SEPARATOR = "-", "(empty)", ","
Encode = Callable[[Any], Any]
Line = Callable[[Sequence[Any]], str]

_SPECIAL = re.compile(rf"\\|{UNSAFE.pattern}")
_SPECIAL_IN_SET = re.compile(rf"{SEPARATOR}|{_SPECIAL.pattern}")


def _escape(match: re.Match[str]) -> str:
    r"""A backslash doubled, each byte of another character as ``\xNN``."""
    if match[0] == "\\":
        return "\\\\"
    return "".join(f"\\x{byte:02x}" for byte in match[0].encode("utf-8", "surrogatepass"))


def text(value: str | None) -> str:
    r"""A text as a field of a TSV log. One that looks like an unset or empty field has an escape."""
    if value is None:
        return UNSET
    if value.isascii() and value.isprintable() and "\\" not in value and value not in ("", UNSET, EMPTY):
        return value
    if not value:
        return EMPTY
    if value in (UNSET, EMPTY):
        return f"\\x{ord(value[0]):02x}{value[1:]}"
    return _SPECIAL.sub(_escape, value)


def _member(value: str | None) -> str:
    """A value of a set or vector; a separator in it is escaped."""
    if value is None:
        return UNSET
    if value in ("", UNSET, EMPTY):
        return text(value)
    return _SPECIAL_IN_SET.sub(_escape, value)


def texts(values: Sequence[str | None] | None) -> str:
    """A set or vector as a field of a TSV log."""
    if values is None:
        return UNSET
    return SEPARATOR.join(map(_member, values)) if values else EMPTY


def json_text(value: str) -> str:
    """A text as JSON."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return dumps(value)


def is_number(kind: str) -> bool:
    """Whether values of a type are numbers in JSON."""
    return kind in NUMBERS or kind in ("time", "interval")


def _json_value(kind: str) -> Callable[[str], str]:
    return str if is_number(kind) or kind == "bool" else json_text


def _json_list(kind: str) -> Encode:
    one = _json_value(kind)

    def encode(values: Sequence[str | None]) -> str:
        return f"[{','.join('null' if value is None else one(value) for value in values)}]"

    return encode


def _changed(field: Field) -> Encode | None:
    change = field.change
    return None if change is None else lambda value: None if value is None else change(value)


def _after(first: Encode | None, then: Encode) -> Encode:
    return then if first is None else lambda value: then(first(value))


def _tsv_encoder(field: Field) -> Encode | None:
    """What makes a field of a value; None if SQL has done it."""
    change = _changed(field)
    if field.is_list:
        return _after(change, texts)
    if change is None and (is_number(field.type) or field.type == "bool"):
        return None
    return _after(change, text)


def tsv_line(fields: Sequence[Field]) -> Line:
    """Return what makes a line of a row."""
    encoders = [(at, encode) for at, field in enumerate(fields) if (encode := _tsv_encoder(field)) is not None]

    def line(row: Sequence[Any]) -> str:
        cells = list(row)
        for at, encode in encoders:
            cells[at] = encode(cells[at])
        return "\t".join(cells)

    return line


def json_line(fields: Sequence[Field]) -> Line:
    """Return what makes a JSON object of a row, without what is unset."""
    encoders: list[tuple[str, Encode | None, Encode]] = []
    for field in fields:
        kind = field.type
        value = _json_list(kind[kind.index("[") + 1 : -1]) if field.is_list else _json_value(kind)
        encoders.append((f'"{field.name}":', _changed(field), value))

    def line(row: Sequence[Any]) -> str:
        cells = []
        for cell, (name, change, value) in zip(row, encoders, strict=True):
            known = cell if change is None else change(cell)
            if known is not None:
                cells.append(name + value(known))
        return f"{{{','.join(cells)}}}"

    return line
