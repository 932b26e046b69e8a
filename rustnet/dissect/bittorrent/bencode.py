"""Bencoding (BEP 3; no RFC): reading, within bounds of depth and number of values."""

import re

from rustnet.dissect.framework.conversation import DissectError

MAX_DEPTH = 8
MAX_VALUES = 2000
_NUMBER = re.compile(rb"i(-?\d{1,19})e").match
_LENGTH = re.compile(rb"(\d{1,7}):").match


def read(data: bytes) -> object:
    """The value at the beginning of ``data``: int, bytes, list, or dict with bytes as keys. The rest is ignored."""
    value, _, _ = _value(data, 0, MAX_DEPTH, MAX_VALUES)
    return value


def _value(data: bytes, pos: int, depth: int, left: int) -> tuple[object, int, int]:
    """The value at ``pos``, the position after it, and how many more values may be read."""
    if left <= 0 or depth <= 0:
        raise DissectError("bencoded value is nested too deeply or too large")
    kind = data[pos : pos + 1]
    left -= 1
    if kind == b"i":
        number = _NUMBER(data, pos)
        if number is None:
            raise DissectError("malformed bencoded integer")
        return int(number.group(1)), number.end(), left
    if kind == b"l":
        return _list(data, pos + 1, depth - 1, left)
    if kind == b"d":
        items, end, left = _list(data, pos + 1, depth - 1, left)
        keys = items[::2]
        if len(items) % 2 or not all(isinstance(key, bytes) for key in keys):
            raise DissectError("malformed bencoded dictionary")
        return dict(zip(keys, items[1::2], strict=True)), end, left
    length = _LENGTH(data, pos)
    if length is None:
        raise DissectError("malformed bencoded value")
    end = length.end() + int(length.group(1))
    if end > len(data):
        raise DissectError("truncated bencoded string")
    return data[length.end() : end], end, left


def _list(data: bytes, pos: int, depth: int, left: int) -> tuple[list[object], int, int]:
    values: list[object] = []
    while data[pos : pos + 1] != b"e":
        value, pos, left = _value(data, pos, depth, left)
        values.append(value)
    return values, pos + 1, left
