"""The protocol between a reader and the process that writes a session, over a Unix socket.

A message is its length in four bytes (big-endian) and JSON. A connection carries one request and its
answer: a head with the columns, batches of rows, an end; or an error. Closing the connection ends the query.
Values keep their type: one that JSON lacks is an object with one key, the letter of its type.
"""

import base64
import datetime as dt
import decimal
import hashlib
import json
import os
import socket
import struct
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rustnet.i18n import _

MAX_REQUEST = 1 << 20
"""Bytes of a request."""
MAX_MESSAGE = 64 << 20
"""Bytes of one message of an answer."""
_LONGEST_NAME = 80
_LONGEST_PATH = 100
"""Bytes of a path that fit the address of a socket (108 on Linux, 104 elsewhere)."""
_LENGTH = struct.Struct(">I")
_CREDENTIALS = struct.Struct("3i")


class WireError(Exception):
    """Received data are not a valid message, or are too large."""


class EndOfMessagesError(WireError):
    """The other side closed the connection."""


_ENCODERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    bytes: lambda v: {"b": base64.b64encode(v).decode("ascii")},
    decimal.Decimal: lambda v: {"n": str(v)},
    dt.datetime: lambda v: {"t": v.isoformat()},
    dt.date: lambda v: {"d": v.isoformat()},
    dt.time: lambda v: {"h": v.isoformat()},
    uuid.UUID: lambda v: {"u": str(v)},
}

_DECODERS: dict[str, Callable[[Any], Any]] = {
    "b": lambda v: base64.b64decode(v, validate=True),
    "n": decimal.Decimal,
    "t": dt.datetime.fromisoformat,
    "d": dt.date.fromisoformat,
    "h": dt.time.fromisoformat,
    "u": uuid.UUID,
    "p": lambda v: tuple(map(decode, v)),
    "m": lambda v: {decode(key): decode(value) for key, value in v},
}


def encode(value: Any) -> Any:
    """Encode a DuckDB value for JSON."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"p": [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"m": [[encode(key), encode(item)] for key, item in value.items()]}
    encoder = _ENCODERS.get(type(value))
    return str(value) if encoder is None else encoder(value)


def decode(value: Any) -> Any:
    """Decode a value of `encode`. Raises `WireError` for any other."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise WireError("expected a value")
    ((kind, inner),) = value.items()
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise WireError("expected a value of a known kind")
    try:
        return decoder(inner)
    except (ValueError, TypeError, ArithmeticError, OverflowError) as error:
        raise WireError(f"expected a value: {error}") from error


def pack(message: dict[str, Any]) -> bytes:
    """Return the bytes of a message."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return _LENGTH.pack(len(body)) + body


def receive(link: socket.socket, largest: int, until: float | None = None) -> dict[str, Any]:
    """Read one message of at most ``largest`` bytes, with the monotonic time ``until`` as deadline.

    Raises `WireError` for invalid data, `EndOfMessagesError` at the end, `OSError` of the socket.
    """
    (length,) = _LENGTH.unpack(_exactly(link, _LENGTH.size, until))
    if length > largest:
        raise WireError(f"expected a message of at most {largest} bytes, not {length}")
    try:
        message = json.loads(_exactly(link, length, until).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"expected JSON: {error}") from error
    if not isinstance(message, dict):
        raise WireError("expected an object")
    return message


def _exactly(link: socket.socket, count: int, until: float | None) -> bytes:
    received = bytearray()
    while len(received) < count:
        if until is not None:
            link.settimeout(max(0.001, until - time.monotonic()))
        part = link.recv(min(count - len(received), 1 << 16))
        if not part:
            raise EndOfMessagesError("the connection was closed")
        received += part
    return bytes(received)


def refusal(session: str) -> str:
    """Error text for a reader who is not the user that writes a session."""
    return _("{path}: is being written by another user; only they (and root) can read it meanwhile").format(
        path=session
    )


def peer_user(link: socket.socket) -> int | None:
    """Number of the user whose process is at the other end; ``None`` where the system does not say. Raises OSError."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _pid, uid, _gid = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return int(uid)


def socket_path(session: str | os.PathLike[str]) -> Path:
    """Path of a session's socket, next to its file."""
    file = Path(session)
    name = f"{file.name}.sock"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(file.name)).hexdigest()[:32]}.sock"
    return file.with_name(name)


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Yield a name for the socket at ``path`` that is short enough to bind and connect to."""
    whole = os.fspath(path)
    if len(os.fsencode(whole)) <= _LONGEST_PATH or not sys.platform.startswith("linux"):
        yield whole
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
