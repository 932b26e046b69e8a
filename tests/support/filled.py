"""A session in which every column of every table has values, each of them planted and recognisable by its kind."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import duckdb

from rustnet.records import Column, Kind, columns, table_name
from rustnet.store.meanings import protocol_tables
from rustnet.store.schema import all_tables, quote_identifier
from rustnet.store.session import close, create_or_open
from rustnet.store.tables import stored_in

ROWS = 3
FIRST_NUMBER = 3_100_000
"""From here on, planted numbers of identifiers and autonomous systems."""

_COUNTER = itertools.count()
PLANTED = "qz"
"""What planted words begin with, before letters that are a number."""


def planted(number: int) -> str:
    """A word that is in no list of words; of letters alone, since numbers in a text may stay."""
    return PLANTED + "".join("abcdefghij"[int(digit)] for digit in f"{number:05}") + "x"


def address(number: int) -> str:
    """A global address."""
    return f"{81 + number // 65536 % 3}.{number // 256 % 256}.{number % 256}.{1 + number % 250}"


def text(kind: Kind, number: int) -> str:
    """A text of a kind."""
    word = planted(number)
    texts = {
        Kind.ADDRESS: address(number),
        Kind.MAC: f"00:1b:21:{number // 65536:02x}:{number // 256 % 256:02x}:{number % 256:02x}",
        Kind.HOST: f"{word}.{planted(number + 50_000)}.example",
        Kind.USER: f"{word}@{planted(number + 50_000)}.example",
        Kind.PATH: f"/home/{word}/{planted(number + 50_000)}.txt",
        Kind.COMMAND_LINE: f"/usr/bin/{word} --token {planted(number + 50_000)}",
        Kind.URI: f"http://{word}.example/{planted(number + 50_000)}?q={word}",
        Kind.DISTINGUISHED_NAME: f"CN={word},O={planted(number + 50_000)}",
        Kind.WORD: "word",
        Kind.FREE_TEXT: f"the {word} said {planted(number + 50_000)} to {address(number)}",
        Kind.MIXED: f"{word}.{planted(number + 50_000)}.example",
        Kind.SOFTWARE: f"{word}/1.2",
        Kind.FINGERPRINT: f"{number:032x}",
    }
    return texts.get(kind, word)


def values(column: Column, row: int) -> object:
    """A value of a column."""
    number = next(_COUNTER)
    kind, sql_type = column.kind, column.sql_type
    if sql_type == "VARCHAR":
        return text(kind, number)
    if sql_type == "VARCHAR[]":
        return [text(kind, number), text(kind, next(_COUNTER))]
    if sql_type == "UHUGEINT":
        return (0xFFFF << 32) + (90 << 24) + number
    if sql_type == "BOOLEAN":
        return row % 2 == 0
    if sql_type == "DOUBLE":
        return row + 0.25
    if sql_type == "TIMESTAMP_NS":
        return 1_700_000_000_000_000_001 + row * 10**9
    identifying = (Kind.IDENTIFIER, Kind.AUTONOMOUS_SYSTEM)
    return FIRST_NUMBER + number if kind in identifying else row + 1


def rows(every: list[Column]) -> Iterator[list[object]]:
    """Rows of a table."""
    for row in range(ROWS):
        yield [values(column, row) for column in every]


def write_filled(path: Path) -> None:
    """Write the session."""
    con = create_or_open(path, protocol_tables())
    for cls, leading in all_tables(protocol_tables()):
        every = [*leading, *columns(cls)]
        places = ", ".join("make_timestamp_ns(?)" if c.sql_type == "TIMESTAMP_NS" else "?" for c in every)
        names = ", ".join(quote_identifier(c.name) for c in every)
        table = stored_in(cls)
        con.executemany(f"INSERT INTO {quote_identifier(table)}({names}) VALUES ({places})", list(rows(every)))
        assert table_name(cls)
    con.execute("CHECKPOINT")
    close(con)


def all_rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Rows of all base tables, times as nanoseconds, in their order."""
    with duckdb.connect(str(path), read_only=True) as con:
        tables = [
            row[0] for row in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_name").fetchall()
        ]
        found = {}
        for table in tables:
            described = con.execute(f"DESCRIBE {quote_identifier(table)}").fetchall()
            shown = ", ".join(
                f"epoch_ns({quote_identifier(name)}) AS {quote_identifier(name)}"
                if kind == "TIMESTAMP_NS"
                else quote_identifier(name)
                for name, kind, *_ in described
            )
            found[table] = con.execute(f"SELECT {shown} FROM {quote_identifier(table)}").fetchall()
        return found
