"""Bounds of a row, in bytes of UTF-8: of one text, of one list of texts, and of all of them together.

What is cut says so: a cut text ends with `MARK`, and a cut list has `MARK` as its last element.
"""

from typing import Any

TEXT_BYTES = 4 << 10
"""Most bytes of a text, or of one element of a list."""
LIST_BYTES = 16 << 10
"""Most bytes of a list, with `ITEM_BYTES` for each element."""
ROW_BYTES = 32 << 10
"""Most bytes of all texts and lists of a row.

DuckDB needs memory for 2,048 rows at once when it compresses them: at this size a quarter of the writer's limit.
"""
ITEM_BYTES = 8
"""What an element of a list costs beside its text."""
NAME_BYTES = 1 << 10
"""Most bytes of a name that is learned or names a flow: DNS allows 255 bytes, each an escape of four characters."""
MARK = "…"
"""End of what was cut."""
_MARK_BYTES = len(MARK.encode())


def encoded(text: str) -> bytes:
    """A text in UTF-8; lone surrogates, which UTF-8 does not have, are escaped."""
    return text.encode("utf-8", "backslashreplace")


def cut_text(text: str, most: int = TEXT_BYTES) -> str:
    """The text, or as much of it as fits into ``most`` bytes with the mark."""
    if len(text) * 6 <= most:  # a character takes four bytes at most, an escaped surrogate six
        return text
    raw = encoded(text)
    if len(raw) <= most:
        return text
    if most < _MARK_BYTES:
        return ""
    return raw[: most - _MARK_BYTES].decode("utf-8", "ignore") + MARK


def cut_list(items: list[str], most: int = LIST_BYTES) -> list[str]:
    """The list with its texts cut, or as many of its first elements as fit into ``most`` bytes with the mark."""
    kept: list[str] = []
    size = 0
    for item in items:
        kept.append(cut_text(item))
        size += len(encoded(kept[-1])) + ITEM_BYTES
        if size > most:
            room = most - ITEM_BYTES - _MARK_BYTES
            while kept and size > room:
                size -= len(encoded(kept.pop())) + ITEM_BYTES
            return [*kept, MARK] if room >= 0 else []
    return kept


def list_bytes(items: list[str]) -> int:
    """Bytes of a list."""
    return sum(len(encoded(item)) + ITEM_BYTES for item in items)


def cut_row(record: Any, names: tuple[str, ...]) -> list[str]:
    """Cut a record's texts and lists of texts, which are its attributes ``names``, to the bounds.

    The first columns keep most of the row's room. Returns the names of those that were cut.
    """
    cut: list[str] = []
    room = ROW_BYTES
    for name in names:
        value = getattr(record, name)
        fits: str | list[str]
        if isinstance(value, str):
            fits = cut_text(value, min(TEXT_BYTES, room))
            room -= len(encoded(fits))
        elif isinstance(value, list | tuple | set | frozenset):
            value = [item if type(item) is str else str(item) for item in value]
            fits = cut_list(value, min(LIST_BYTES, room))
            room -= list_bytes(fits)
        else:
            continue
        if fits != value:
            setattr(record, name, fits)
            cut.append(name)
    return cut
