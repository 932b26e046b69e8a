"""Rows of the streams of HTTP/2, from the fields of their header blocks (RFC 9113, 8)."""

from collections.abc import Iterable
from urllib.parse import unquote

from rustnet.bounds import MARK
from rustnet.dissect.http.fields import fill, header_text, same_host
from rustnet.dissect.http.oddities import HOST_CONFLICT, UNKNOWN_FIELDS, with_words
from rustnet.dissect.http.record import REQUEST_SEEN, REQUEST_TEXTS, RESPONSE_SEEN, RESPONSE_TEXTS, Http

VERSION = "HTTP/2"
UNKNOWN = b"\0"
"""Name of fields that are not known, as of `header_blocks.UNKNOWN`."""
USUAL_TEXT = 2 << 10
EXPANSION = 4
"""At most `USUAL_TEXT` bytes and this many times the block's are kept of a header block: a reference of one byte may
stand for thousands."""
MAX_HOST = 255
"""Bytes of a host's name; shorter ones are never cut."""
_SHOWN = frozenset({
    *REQUEST_TEXTS, *RESPONSE_TEXTS, b":method", b":path", b":authority", b":scheme", b":protocol", b"grpc-message",
})  # fmt: skip
"""Fields whose texts are kept."""
_HOSTS = frozenset({b":authority", b"host"})
_MARK = MARK.encode()
_NOT_ASCII = bytes(range(128, 256))


class Stream:
    """A transaction that is not complete. ``ended``: by direction, whether the stream is; ``size``: of its texts."""

    __slots__ = ("answered", "asked", "ended", "packet", "row", "size", "ts")

    def __init__(self, row: Http, ts: int, packet: int) -> None:
        self.row = row
        self.ts = ts
        self.packet = packet
        self.asked = False
        self.answered = False
        self.ended = [False, False]
        self.size = 0


class Block:
    """A header block that continues in the next frame; too large a one is only waited out."""

    __slots__ = ("data", "end", "promised", "stream")

    def __init__(self, data: bytes, stream: int, end: bool, promised: int) -> None:
        self.data = data
        self.stream = stream
        self.end = end
        self.promised = promised


def bounded_fields(fields: Iterable[tuple[bytes, bytes]], block: int) -> tuple[dict[bytes, bytes], int, bool]:
    """Fields of a header block of ``block`` bytes, of repeated ones the first; the size of their texts; if one is cut.

    Texts that expand too far are cut.
    """
    kept: dict[bytes, bytes] = {}
    size, cut = 0, False
    most = USUAL_TEXT + EXPANSION * block
    for name, value in fields:
        if name in kept:
            continue
        kept[name] = value
        if name in _SHOWN:
            room = most - size
            if len(value) > room and not (name in _HOSTS and len(value) <= MAX_HOST):
                kept[name] = value[: max(0, room - len(_MARK))].rstrip(_NOT_ASCII) + _MARK
                cut = True
            size += len(kept[name])
    return kept, size, cut


def request_row(number: int, fields: dict[bytes, bytes]) -> Http:
    """Row of a request."""
    method = fields.get(b":method")
    row = Http(header_text(method) if method is not None else None, version=VERSION, stream_id=number)
    fill(row, fields, REQUEST_TEXTS, REQUEST_SEEN)
    row.request_oddities = unknown_fields(fields)
    authority, target = fields.get(b":authority"), fields.get(b":path")
    if row.host is not None:
        row.host = row.host.rpartition("@")[2]
    if authority:
        asked = header_text(authority).rpartition("@")[2]
        if row.host is not None and not same_host(row.host, asked):
            row.request_oddities = with_words(row.request_oddities, HOST_CONFLICT)
        row.host = asked
    row.proxy = method == b"CONNECT" and b":protocol" not in fields  # extended, it is for the server (RFC 8441)
    row.uri = header_text(target) if target is not None else row.host if row.proxy else None
    if b":scheme" in fields:
        row.scheme = header_text(fields[b":scheme"])
    if b":protocol" in fields:
        row.upgrade = header_text(fields[b":protocol"])
    row.grpc = _is_grpc(fields)
    return row


def set_response(row: Http, status: int | None, fields: dict[bytes, bytes]) -> None:
    """Set what the head of a response states."""
    row.status = status
    fill(row, fields, RESPONSE_TEXTS, RESPONSE_SEEN)
    odd = unknown_fields(fields)
    if odd is not None:
        row.response_oddities = odd
    row.grpc = row.grpc or _is_grpc(fields)
    set_grpc(row, fields)


def unknown_fields(fields: dict[bytes, bytes]) -> list[str] | None:
    """Oddities of a header block with fields that are not known."""
    return with_words(None, UNKNOWN_FIELDS) if UNKNOWN in fields else None


def _is_grpc(fields: dict[bytes, bytes]) -> bool:
    return fields.get(b"content-type", b"").lower().startswith(b"application/grpc")


def set_grpc(row: Http, fields: dict[bytes, bytes]) -> None:
    """Set the outcome of a call, which is in the trailers, or in the only header block of a response."""
    status = fields.get(b"grpc-status")
    if status is not None and status.isdigit() and len(status) < 10:
        row.grpc_status = int(status)
    message = fields.get(b"grpc-message")
    if message:
        row.grpc_message = unquote(header_text(message))
