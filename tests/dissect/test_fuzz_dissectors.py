"""Hostile bytes: only `DissectError` may leave a probe or a parser, and what is stored must be storable."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.dissect.framework.conversation import DissectError, Dissector
from rustnet.dissect.registry import DISSECTORS
from rustnet.records import columns
from tests.dissect.harness import Flow
from tests.dissect.samples import SAMPLES
from tests.support.effort import examples

EACH = pytest.mark.parametrize("dissector", DISSECTORS, ids=lambda d: d.name)
MESSAGES = {name: [data for s in samples for _, data in s.talk] for name, samples in SAMPLES.items()}
LIMITS = {"UTINYINT": 1 << 8, "USMALLINT": 1 << 16, "UINTEGER": 1 << 32, "UBIGINT": 1 << 64, "TIMESTAMP_NS": 1 << 63}


@st.composite
def spliced(draw: st.DrawFn, name: str) -> bytes:
    """A real message that was cut, overwritten in places, or continued by another one or by junk."""
    messages = st.sampled_from(MESSAGES[name])
    made = bytearray(draw(messages))
    for _ in range(draw(st.integers(0, 6))):
        if made:
            made[draw(st.integers(0, len(made) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(made)))
    tail = draw(st.one_of(st.just(bytes(made[cut:])), st.binary(max_size=80), messages, st.just(b"")))
    return bytes(made[:cut]) + tail


def storable(row: object) -> None:
    for column in columns(row.__class__):  # type: ignore[arg-type]
        value = getattr(row, column.name)
        if value is None:
            assert column.nullable, column.name
        elif isinstance(value, list):
            for item in value:
                item.encode("utf-8")
        elif isinstance(value, str):
            value.encode("utf-8")
        elif column.sql_type in LIMITS:
            assert -(1 << 63) <= value < LIMITS[column.sql_type]
            assert column.sql_type == "TIMESTAMP_NS" or value >= 0


def drive(dissector: Dissector, transport: str, pieces: list[tuple[bool, bytes, int]]) -> None:
    flow = Flow(dissector, transport)
    with contextlib.suppress(DissectError):
        for from_src, data, lost in pieces:
            with contextlib.suppress(DissectError):
                flow.probe(data, from_src)
            if flow.talk.finished or flow.talk.parser is not flow.parser:
                break
            if transport != "tcp":
                flow.datagram(data, from_src)
            else:
                if lost:
                    flow.lose(lost, from_src)
                flow.feed(data, from_src, max(1, len(data) // 3))
    flow.close()
    for row in flow.rows:
        storable(row)
    for ip, name, _, _ in flow.sink.names:
        (ip + name).encode("utf-8")


@EACH
@settings(max_examples=examples(150))
@given(data=st.data())
def test_random_bytes(dissector: Dissector, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.tuples(st.booleans(), st.binary(max_size=200), st.just(0)), max_size=4))
    for transport in dissector.transports:
        drive(dissector, transport, pieces)


@EACH
@settings(max_examples=examples(300))
@given(data=st.data())
def test_spliced_messages(dissector: Dissector, data: st.DataObject) -> None:
    lost = st.sampled_from([0, 0, 0, 1, 50])
    pieces = data.draw(st.lists(st.tuples(st.booleans(), spliced(dissector.name), lost), min_size=1, max_size=4))
    for transport in dissector.transports:
        drive(dissector, transport, pieces)
