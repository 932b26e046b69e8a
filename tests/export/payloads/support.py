"""Payloads of whole conversations, rewritten as an export does, and what their originals contained."""

import functools
import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from rustnet.export.redacted_packets.binary import BinaryAddresses
from rustnet.export.redacted_packets.payload import Interval, PayloadContext
from rustnet.export.redacted_packets.payloads import datagram_rewriter, stream_rewriter
from rustnet.policy.redaction import POLICIES, SHARE, Policy, Redactor, key_of_passphrase
from rustnet.records import Kind, columns
from tests.dissect.dispatched import DispatchedFlow, Messages
from tests.dissect.samples import Sample

KEY = key_of_passphrase("correct horse battery")
CLIENT, SERVER = True, False


@functools.cache
def _redactor(policy: str) -> Redactor:
    return Redactor(KEY, POLICIES[policy])


def redactor(policy: Policy = SHARE) -> Redactor:
    return _redactor(policy.name)


def context(
    app: str, protocol: str = "udp", port: int = 53, *, client: bool = True, policy: Policy = SHARE
) -> PayloadContext:
    one = redactor(policy)
    ports = (50000, port) if client else (port, 50000)
    return PayloadContext(one, BinaryAddresses(one), app, protocol, *ports, client)


def datagram(payload: bytes, what: PayloadContext) -> tuple[bytes, int]:
    """Rewritten payload and how much of it is kept; what is cut must be zero."""
    data = bytearray(payload)
    rewriter = datagram_rewriter(what)
    kept = rewriter(data, what) if rewriter else 0
    if rewriter is None:
        data[:] = bytes(len(data))
    assert len(data) == len(payload)
    assert 0 <= kept <= len(payload)
    assert not any(data[kept:])
    return bytes(data), kept


def stream(payload: bytes, what: PayloadContext, holes: Sequence[Interval] = ()) -> tuple[bytes, list[Interval]]:
    """Rewritten direction and what is kept of it; all else must be zero."""
    data = bytearray(payload)
    rewriter = stream_rewriter(what)
    spans = rewriter(data, holes, what) if rewriter else []
    if rewriter is None:
        data[:] = bytes(len(data))
    assert len(data) == len(payload)
    end = 0
    for start, stop in (*spans, (len(data), len(data))):
        assert end <= start <= stop <= len(data)
        assert not any(data[end:start])
        end = stop
    return bytes(data), spans


def rewritten(sample: Sample, app: str, policy: Policy = SHARE) -> list[tuple[bool, bytes]]:
    """Messages of a conversation after rewriting; each as long as before, what is cut as zeros."""
    if sample.transport != "tcp":
        whats = {
            side: context(app, sample.transport, sample.port, client=side, policy=policy) for side in (True, False)
        }
        whats[False].memory = whats[True].memory
        return [(side, datagram(data, whats[side])[0]) for side, data in sample.talk]
    memory: dict[str, object] = {}
    sides = {}
    for side in (CLIENT, SERVER):
        what = context(app, "tcp", sample.port, client=side, policy=policy)
        what.memory = memory
        sides[side] = stream(b"".join(data for of, data in sample.talk if of is side), what)[0]
    messages, at = [], {CLIENT: 0, SERVER: 0}
    for side, data in sample.talk:
        messages.append((side, sides[side][at[side] : at[side] + len(data)]))
        at[side] += len(data)
    return messages


def rows(talk: Messages, sample: Sample) -> list[object]:
    """Rows that rustnet's own parsers read."""
    return DispatchedFlow(talk, sample.port, sample.transport).sink.rows


_REPLACED = frozenset((
    Kind.ADDRESS, Kind.MAC, Kind.HOST, Kind.USER, Kind.PATH, Kind.COMMAND_LINE, Kind.URI, Kind.SOFTWARE, Kind.OBJECT,
    Kind.DISTINGUISHED_NAME, Kind.DIGEST, Kind.IDENTIFIER, Kind.SECRET, Kind.MIXED, Kind.FREE_TEXT,
))  # fmt: skip


def originals(row: object, by: Redactor) -> Iterator[bytes]:
    """What of a row's values must not be in a redacted payload: those that a table replaces, and words in them."""
    for column in columns(row.__class__):  # type: ignore[arg-type]
        value = getattr(row, column.name)
        if column.kind not in _REPLACED or value is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str):
                continue
            shown = str(by.value(column.kind, one, column.name))
            for word in re.split(r"[\s.,/:;@=?&|\"'()<>\\%]+", one):
                if len(word) >= 4 and word.lower() not in shown.lower():
                    yield word.encode()
            yield from _binary(one, shown)


def shown_texts(of: list[object], by: Redactor) -> str:
    """All that tables show of rows."""
    return " ".join(
        str(by.value(column.kind, getattr(row, column.name), column.name))
        for row in of
        for column in columns(row.__class__)  # type: ignore[arg-type]
    ).lower()


def _binary(text: str, shown: str) -> Iterator[bytes]:
    try:
        address = ip_address(text)
    except ValueError:
        if re.fullmatch(r"[0-9a-f]{8,}", text) and len(text) % 2 == 0 and text not in shown:
            yield bytes.fromhex(text)
        if re.fullmatch(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", text) and text != shown:
            yield bytes.fromhex(text.replace(":", ""))[3:]
        return
    if text != shown:
        yield address.packed
        yield text.encode()
