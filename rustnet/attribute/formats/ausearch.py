"""Decode the table of ``ausearch --format csv`` into dicts.

Values are not quoted, so only the last column may hold commas. The date and time are those of the time zone and the
locale in which ausearch ran; with ``--extra-time`` the table also has the parts of the date and the distance from UTC.
"""

import re
from typing import BinaryIO

from rustnet.attribute.formats.log_syntax import Record, Records, lines
from rustnet.attribute.observation import Faults
from rustnet.attribute.values import BadValue, shown

_COLUMNS = [
    "NODE", "EVENT", "DATE", "TIME", "SERIAL_NUM", "EVENT_KIND", "SESSION", "SUBJ_PRIME", "SUBJ_SEC", "SUBJ_KIND",
    "ACTION", "RESULT", "OBJ_PRIME", "OBJ_SEC", "OBJ_KIND", "HOW",
]  # fmt: skip
"""Columns of a table whose header was cut off."""

_ADDRESS = re.compile(r"(?:laddr=|host:)([0-9A-Fa-f:.]{2,45})\s+(?:lport=|serv:)(\d{1,5})\b", re.ASCII)
_DATE = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})", re.ASCII)
_UNKNOWN_USER = re.compile(r"unknown\((\d{1,10})\)", re.ASCII)


def ausearch_records(file: BinaryIO, faults: Faults) -> Records:
    """Rows of the table; those of `connect` also have ``laddr``, ``lport``, ``stamp``, ``quality``, ``exe``, ``comm``.

    ``uid`` replaces the name of a user that ausearch did not know.
    """
    names, day_first = _COLUMNS, False
    for number, line in lines(file, faults):
        if "SUBJ_PRIME," in line and ",OBJ_PRIME," in line:
            names = line.removeprefix("\ufeff").split(",")
            continue
        if not line:
            continue
        row = _row(names, line)
        if row is None:
            faults.malformed(number, f"expected {len(names)} columns as in the header")
            continue
        if row.get("ACTION") == "connected-to" and (address := _ADDRESS.search(row.get("OBJ_PRIME") or "")):
            try:
                day_first = day_first or _is_day_first(row.get("DATE") or "")
                yield number, _connect(row, address, day_first=day_first)
            except BadValue as bad:
                faults.malformed(number, str(bad))
        else:
            yield number, {"ACTION": "other"}


def _row(names: list[str], line: str) -> dict[str, str] | None:
    """Values by column; ``None`` if there are too few."""
    keyed = names[-1] == "KEY"
    cells = line.split(",", len(names) - 1 - keyed)
    if keyed:
        how, _, key = cells.pop().rpartition(",")
        cells += [how, key]
    return dict(zip(names, cells, strict=True)) if len(cells) == len(names) else None


def _connect(row: dict[str, str], address: re.Match[str], *, day_first: bool) -> Record:
    """A call of `connect`, with its address, time and program."""
    record: Record = dict(row)
    record |= {"laddr": address[1], "lport": address[2]}
    if "GMT_OFFSET" in row and "YEAR" in row:
        milliseconds = row.get("MILLI", "")
        fraction = f".{milliseconds:0>3}" if milliseconds.isdigit() else ""
        record["stamp"] = (
            f"{row['YEAR']}-{row.get('MONTH', '')}-{row.get('DAY', '')} {row['TIME']}{fraction}{row['GMT_OFFSET']}"
        )
        record["quality"] = "connect" if row.get("RESULT") == "success" else "connect-failed"
    else:
        record["stamp"] = f"{_date(row.get('DATE') or '', day_first=day_first)} {row.get('TIME', '')}"
        record["quality"] = "zone-unknown"
    record["exe" if row.get("HOW", "").startswith("/") else "comm"] = row.get("HOW")
    user = row.get("SUBJ_SEC", "")
    if unknown := _UNKNOWN_USER.fullmatch(user):
        record["uid"] = unknown[1]
    if unknown or user == "unset":
        del record["SUBJ_SEC"]
    return record


def _is_day_first(text: str) -> bool:
    """Whether a date with slashes can only have the day first."""
    match = _DATE.fullmatch(text)
    return match is not None and match[2] == "/" and 12 < int(match[1]) < 32


def _date(text: str, *, day_first: bool) -> str:
    """A date of a locale in ISO order: with slashes the month comes first, unless that is impossible."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise BadValue(f"invalid date {shown(text)}")
    first, separator, second, third = match.groups()
    if len(first) > 2:
        year, month, day = first, second, third
    elif separator == "/" and not day_first:
        month, day, year = first, second, third
    else:
        day, month, year = first, second, third
    return f"{year if len(year) == 4 else '20' + year}-{month:0>2}-{day:0>2}"
