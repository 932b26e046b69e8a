"""A session with conversations of all protocols over TCP and UDP, whose values identify somebody."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rustnet.policy.redaction import Key, Redactor, vocabulary
from rustnet.query.session import open_session
from rustnet.records import Kind
from rustnet.store.meanings import kind_of
from tests.dissect.samples import SAMPLES, Sample
from tests.support.packets import ACK, FIN, PSH, SYN, tcp_frame, udp_frame
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

KEPT = {Kind.WORD, Kind.FINGERPRINT}
"""Kinds of texts that stay in redact mode."""
_SHORTEST = 5
"""Fewest characters of a part of a value that is looked for on a screen."""


def write_session(folder: Path) -> Path:
    """Session of all samples."""
    frames: list[bytes] = []
    number = 0
    for samples in SAMPLES.values():
        for sample in samples:
            number += 1
            frames += _conversation(sample, number)
    session = folder / "everything.duckdb"
    replay(session, write_pcap(folder / "secretcase.pcap", frames, step=10_000_000), workers=0)
    return session


def _conversation(sample: Sample, number: int) -> Iterator[bytes]:
    a, b = (f"172.20.{number}.77", 41_000 + number), (f"185.44.{number}.99", sample.port)
    if sample.transport == "udp":
        for from_src, data in sample.talk:
            yield udp_frame(*((a, b) if from_src else (b, a)), data)
    elif sample.transport == "tcp":
        mine, theirs = 101, 501
        yield tcp_frame(a, b, 100, 0, SYN)
        yield tcp_frame(b, a, 500, 101, SYN | ACK)
        for from_src, data in sample.talk:
            for at in range(0, len(data), 1400):
                part = data[at : at + 1400]
                if from_src:
                    yield tcp_frame(a, b, mine, theirs, PSH | ACK, part)
                    mine += len(part)
                else:
                    yield tcp_frame(b, a, theirs, mine, PSH | ACK, part)
                    theirs += len(part)
        yield tcp_frame(a, b, mine, theirs, FIN | ACK)
        yield tcp_frame(b, a, theirs, mine + 1, FIN | ACK)


@cache
def common_words() -> frozenset[str]:
    """Words that redaction keeps."""
    return frozenset().union(*(words for words in vars(vocabulary).values() if isinstance(words, frozenset)))


def sensitive(path: Path) -> dict[str, str]:
    """Texts of a session that no screen may show in redact mode, each with the column that has it.

    They are what redaction replaces of the values of kinds that do not stay: whole values, and their parts.
    """
    redactor = fixed_redactor()
    texts: dict[str, str] = {}
    kept: set[str] = set()
    with open_session(path) as session:
        for (vendor,) in session.execute_own("SELECT DISTINCT value FROM host_facts WHERE fact = 'vendor'").rows:
            kept.update((vendor.lower(), *_parts(vendor)))  # of the shipped table, as the bits that stay
        for table, columns in session.columns().items():
            for column, sql_type in columns.items():
                kind = kind_of(table, column)
                if kind is None or not sql_type.startswith("VARCHAR"):
                    continue
                source = f'unnest("{column}")' if sql_type.endswith("[]") else f'"{column}"'
                for (value,) in session.execute_own(f'SELECT DISTINCT {source} FROM "{table}"').rows:
                    if value and kind in KEPT:
                        kept.update(_parts(value))
                    elif value:
                        shown = str(redactor.value(kind, value, column)).lower()
                        gone = {part for part in (value.lower(), *_parts(value)) if part not in shown}
                        texts |= dict.fromkeys(gone - texts.keys(), f"{table}.{column}")
    return {
        text: column
        for text, column in texts.items()
        if len(text) >= _SHORTEST and text not in kept and not text.isdecimal() and text not in common_words()
    }


def _parts(value: str) -> set[str]:
    """Words of a value, and what stands between spaces in it."""
    words = "".join(char if char.isalnum() else " " for char in value.lower()).split()
    return {*words, *value.lower().split()}


def fixed_redactor() -> Redactor:
    """Redactor of the default policy under a fixed key."""
    return Redactor(Key(bytes(range(32))))
