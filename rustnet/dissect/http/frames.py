"""Frames of HTTP/2 (RFC 9113, 4 to 7): their headers, which of them are possible, and where one may begin."""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITIZED = 4, 8, 32
HEAD = 9
"""Size of a frame's header."""
DEFAULT_SIZE, LARGEST = 1 << 14, (1 << 24) - 1
"""Most bytes of a frame: unless the receiver allows more, and at all."""
LAST_STREAM = 0x7FFFFFFF
"""Highest number of a stream."""
MAX_FRAME_SIZE = 5
"""Number of the setting that allows more."""
KNOWN_SETTINGS = frozenset({1, 2, 3, 4, 5, 6, 8, 9})
MAX_AHEAD = 4096
"""How far the number of a stream may be ahead of the newest one, where a frame is searched for."""
MAX_WAIT = 40_000
"""Bytes after a possible beginning of a frame that are awaited until the next one shows whether it is one."""
MAX_TRIES = 1024
"""Possible beginnings that are looked at at once."""

_SIZES = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_FLAGS = {DATA: 0x09, HEADERS: 0x2D, SETTINGS: 0x01, PUSH_PROMISE: 0x0C, PING: 0x01, CONTINUATION: 0x04}
_ON_CONNECTION = frozenset({SETTINGS, PING, GOAWAY})
_ON_STREAM = frozenset({DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION})
_LONG = frozenset({DATA, HEADERS, PUSH_PROMISE, CONTINUATION})
"""Types whose frames may have any size; others, and those that are not known, are small."""
_CANDIDATE = re.compile(
    rb"\x00[\x00-\x40][\x00-\xff](?:[\x00\x01][\x00-\x2d](?!\x00{4})|\x03\x00(?!\x00{4})|[\x04\x06\x07][\x00\x01]\x00{4}"
    rb"|\x08\x00)",
    re.DOTALL,
)
_CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip


def error_code(number: int) -> str:
    """Name of an error code."""
    return _CODES[number] if number < len(_CODES) else f"0x{number:x}"


def header(data: bytes, pos: int) -> tuple[int, int, int, int]:
    """Length, type, flags and stream of the frame at a position; the reserved bit is part of the stream's number."""
    return (
        int.from_bytes(data[pos : pos + 3], "big"), data[pos + 3], data[pos + 4],
        int.from_bytes(data[pos + 5 : pos + 9], "big"),
    )  # fmt: skip


def fault(length: int, kind: int, flags: int, stream: int, most: int) -> str:
    """What makes a frame impossible, as a sentence; empty if nothing does."""
    if length > (most if kind in _LONG else DEFAULT_SIZE):
        return "a frame is larger than its receiver allows"
    if length != _SIZES.get(kind, length) or (kind == SETTINGS and length % 6) or (kind == GOAWAY and length < 8):
        return "a frame has a size that its type cannot have"
    if kind == SETTINGS and flags & ACK and length:
        return "an acknowledgement of settings has content"
    if (kind in _ON_CONNECTION and stream) or (kind in _ON_STREAM and not stream):
        return "a frame belongs to a stream that its type cannot belong to"
    return ""


def certain(data: bytes, pos: int, newest: int) -> int:
    """Length of the frame at a position if it has nothing that senders would not send, else -1."""
    length, kind, flags, stream = header(data, pos)
    if kind > CONTINUATION or flags & ~_FLAGS.get(kind, 0) or stream > (newest + MAX_AHEAD if newest else 1 << 24):
        return -1
    return -1 if fault(length, kind, flags, stream, 1 << 22) else length


def chain(data: bytes, pos: int, newest: int) -> int:
    """Whether frames begin at a position, and follow each other to the end of the data."""
    size = len(data)
    frames = 0
    while size - pos >= HEAD:
        length = certain(data, pos, newest)
        if length < 0:
            return NO
        frames += 1
        pos += HEAD + length
        if frames == 3:
            return YES
    if pos == size:
        return YES if frames else MORE
    if pos > size and frames > 1:
        return YES
    return MORE


def search(data: bytes, pos: int, newest: int) -> tuple[int, bool]:
    """Position of the next frame after a loss and true; or from where to keep the data, and false."""
    size = len(data)
    start = pos
    for _ in range(MAX_TRIES):
        match = _CANDIDATE.search(data, start)
        if match is None:
            break
        start = match.start()
        verdict = chain(data, start, newest)
        if verdict == YES:
            return start, True
        if verdict == MORE and size - start < MAX_WAIT:
            return start, False
        start += 1
    return max(pos, size - HEAD + 1), False


def unpadded(payload: bytes, flags: int) -> bytes | None:
    """Payload of a frame without its padding; None if that is longer than the frame."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        return None
    return payload[1 : len(payload) - payload[0]]


def settings(payload: bytes) -> list[tuple[int, int]]:
    """Numbers and values of settings."""
    return [
        (int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big"))
        for at in range(0, len(payload) - 5, 6)
    ]
