"""What the program writes of its own into any export: descriptions of kinds, tables, columns, methods and policies."""

import functools
from collections.abc import Iterator

from rustnet.export import redaction_statement
from rustnet.export.leaks.sought import SHORTEST_ANYWHERE, addresses_in, hardware_in, pieces_of, words_of
from rustnet.export.redacted_packets.counts import CUT_REASONS, DROPPED_BLOCKS, PacketCounts
from rustnet.policy.redaction import POLICIES, Method
from rustnet.records import field_docs, kind_docs, table_name
from rustnet.store.meanings import about_table, protocol_tables, text_of, unrecorded
from rustnet.store.schema import all_tables


def is_described(text: str) -> bool:
    """Whether a word, a phrase or an address, in lower case, is in the program's own descriptions."""
    return text in described_words() or (" " in text and f" {text} " in _phrases())


def is_within_described(text: str) -> bool:
    """Whether a text that is looked for at any position is in the descriptions, perhaps as a part of a longer word."""
    return len(text) >= SHORTEST_ANYWHERE and any(text in word for word in described_words())


@functools.cache
def described_words() -> frozenset[str]:
    """Words of the descriptions, and addresses in them."""
    words: set[str] = set()
    for text in _descriptions():
        words |= words_of(text)
        words.update(_address(number, is_v4=is_v4) for number, is_v4, *_ in addresses_in(text.lower()))
        words.update(number.to_bytes(6).hex(":") for number, _spelling in hardware_in(text.lower()))
    return frozenset(words)


@functools.cache
def _phrases() -> str:
    """Words of the descriptions in their order."""
    return " \n ".join(" ".join(pieces_of(text)) for text in ("", *_descriptions(), ""))


def _address(number: int, *, is_v4: bool) -> str:
    from ipaddress import IPv4Address, IPv6Address  # noqa: PLC0415

    return str(IPv4Address(number) if is_v4 else IPv6Address(number))


def _descriptions() -> Iterator[str]:
    yield from kind_docs().values()
    for table, columns in unrecorded().items():
        yield about_table(table)
        yield from (text_of(table, column) for column in columns)
    for cls, _leading in all_tables(protocol_tables()):
        yield about_table(table_name(cls))
        yield from field_docs(cls).values()
    yield from (method.value for method in Method)
    yield from (policy.meaning for policy in POLICIES.values())
    yield from redaction_statement.SENTENCES
    yield " ".join((*CUT_REASONS, *DROPPED_BLOCKS, *PacketCounts().numbers()))
