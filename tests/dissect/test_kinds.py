"""Kinds of columns decide what may leave in a redacted export: what is called a word must come from rustnet itself."""

import random
import re
from ipaddress import ip_interface
from pathlib import Path

import pytest
from harness import Flow
from samples import SAMPLES, Sample

import rustnet.dissect
from rustnet.dissect.framework.conversation import DissectError, Dissector
from rustnet.dissect.registry import DISSECTORS
from rustnet.records import Kind, columns

EACH = pytest.mark.parametrize("dissector", DISSECTORS, ids=lambda d: d.name)
LETTERS = range(ord("a"), ord("z") + 1)
SOURCE = "\n".join(p.read_text("utf-8") for p in Path(rustnet.dissect.__path__[0]).rglob("*.py")).lower()


def garbled(data: bytes, chance: random.Random) -> bytes:
    """Data in which a few letters are others, so that lengths and structure stay."""
    made = bytearray(data)
    at = [i for i, byte in enumerate(made) if byte | 0x20 in LETTERS]
    for i in chance.sample(at, min(len(at), chance.randint(1, 12))):
        made[i] = chance.choice(LETTERS) & (made[i] | 0xDF)
    return bytes(made)


def rows(dissector: Dissector, sample: Sample, chance: random.Random | None) -> list[object]:
    """What a conversation leaves, garbled by ``chance``."""
    flow = Flow(dissector, sample.transport, dst_port=sample.port)
    try:
        for from_src, data in sample.talk:
            message = garbled(data, chance) if chance else data
            flow.probe(message, from_src)
            if sample.transport == "tcp":
                flow.feed(message, from_src)
            else:
                flow.datagram(message, from_src)
        flow.close()
    except DissectError:
        pass
    return flow.rows


def foreign(word: str) -> list[str]:
    """Parts of a word that are neither numbers, nor hexadecimal, nor anywhere in the dissectors' source."""
    return [
        part
        for part in re.findall(r"[a-z]{3,}", re.sub(r"\b(?:0x)?[0-9a-f]+\b", " ", word.lower()))
        if part not in SOURCE
    ]


@EACH
def test_an_address_is_an_address(dissector: Dissector) -> None:
    for sample in SAMPLES[dissector.name]:
        for row in rows(dissector, sample, None):
            for column in columns(type(row)):
                value = getattr(row, column.name)
                for each in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
                    if column.kind is Kind.ADDRESS:
                        ip_interface(each)
                    elif column.kind is Kind.MAC:
                        assert re.fullmatch(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", each), column.name


@EACH
def test_a_word_is_never_of_the_senders_choosing(dissector: Dissector) -> None:
    chance = random.Random(dissector.name)
    strange = set()
    for sample in SAMPLES[dissector.name] * 60:
        for row in rows(dissector, sample, chance):
            for column in columns(type(row)):
                value = getattr(row, column.name)
                if column.kind is Kind.WORD and value is not None:
                    for word in [value] if isinstance(value, str) else value:
                        strange |= {(column.name, word) for _ in foreign(word)}
    assert strange == set()
