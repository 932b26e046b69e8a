"""Parse and bound the addresses, times, numbers and texts of sidecars; all input is hostile."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from rustnet.probe.redact import redact_line

Address = tuple[int, int]
"""An address as a 128-bit number in two halves, high and low; IPv4 as IPv4-mapped IPv6, like `flows.src_num`."""

MAX_TIME = (1 << 62) - 1
"""Latest valid time (nanoseconds; February 2116). The difference of two times always fits 64 bits."""

MAX_U32 = (1 << 32) - 1
"""Largest process, user or group id: Windows uses all 32 bits."""

_MAPPED = 0xFFFF << 32

ANY_V4: Address = (0, _MAPPED)
ANY_V6: Address = (0, 0)
"""Unspecified addresses, of unbound sockets: `0.0.0.0` and `::`."""

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,12})\d{0,20})?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)


class BadValue(ValueError):  # noqa: N818 -- a property of the input, not an error of the program
    """A value is invalid for its field; the message is a short reason."""


@lru_cache(maxsize=65_536)
def parse_address(text: str) -> Address:
    """Two halves of a textual IPv4 or IPv6 address; a scope id (``%eth0``) is dropped.

    Raises `BadValue` if it is neither.
    """
    bare = text.partition("%")[0]
    try:
        if ":" in bare:
            number = inet_pton(AF_INET6, bare)
            return int.from_bytes(number[:8]), int.from_bytes(number[8:])
        return 0, _MAPPED | int.from_bytes(inet_pton(AF_INET, bare))
    except (OSError, ValueError):
        raise BadValue(f"invalid IP address {shown(text)}") from None


@lru_cache(maxsize=65_536)
def parse_port(digits: str) -> int:
    """Port number in decimal digits; raises `BadValue` for anything else."""
    if not digits.isdigit() or not digits.isascii() or len(digits) > 5:
        raise BadValue(f"invalid port {shown(digits)}")
    port = int(digits)
    if port > 0xFFFF:
        raise BadValue(f"invalid port {port}: expected 0 to 65535")
    return port


def parse_endpoint(text: object) -> tuple[Address, int]:
    """Address and port of ``1.2.3.4:443`` or ``[2001:db8::1]:443``; raises `BadValue` for anything else."""
    if type(text) is not str or len(text) > 128:
        raise BadValue(f"expected address:port, not {shown(text)}")
    host, _, digits = text.rpartition(":")
    port = parse_port(digits)
    if ":" in host:
        if host[0] != "[" or host[-1] != "]":
            raise BadValue(f"expected [IPv6 address]:port, not {shown(text)}")
        host = host[1:-1]
    return parse_address(host), port


def endpoint_text(address: Address, port: int | None) -> str:
    """Address and port as `parse_endpoint` reads them; without a port the address alone."""
    number = (address[0] << 64 | address[1]).to_bytes(16)
    if address[0] == 0 and address[1] >> 32 == 0xFFFF:
        host = inet_ntop(AF_INET, number[12:])
        return host if port is None else f"{host}:{port}"
    host = inet_ntop(AF_INET6, number)
    return host if port is None else f"[{host}]:{port}"


@lru_cache(maxsize=8_192)
def _epoch_second(stamp: str, zone: str) -> int:
    """Seconds since 1970 UTC of a date and time in a zone (default UTC)."""
    try:
        moment = datetime.fromisoformat(stamp.upper().replace("T", " ") + zone.upper().replace("Z", "+00:00"))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise BadValue(f"invalid time {shown(stamp)}") from None


def parse_time(value: object) -> int | None:
    """Nanoseconds since 1970 UTC of a sidecar's time; ``None`` stays ``None``.

    Accepts the object that Rust's serde writes for a ``SystemTime``, RFC 3339 text, and seconds as a number. Raises
    `BadValue` for anything else, and for times before 1970 or after `MAX_TIME`.
    """
    if value is None:
        return None
    if type(value) is dict:
        seconds, nanos = value.get("secs_since_epoch"), value.get("nanos_since_epoch", 0)
        if type(seconds) is not int or type(nanos) is not int or not 0 <= nanos < 1_000_000_000:
            raise BadValue(f"invalid time {shown(value)}")
        ns = seconds * 1_000_000_000 + nanos
    elif type(value) is str:
        match = _RFC3339.fullmatch(value) if len(value) < 64 else None
        if match is None:
            raise BadValue(f"invalid time {shown(value)}")
        fraction = (match[2] or "0")[:9]
        ns = _epoch_second(match[1], match[3] or "") * 1_000_000_000 + int(fraction.ljust(9, "0"))
    elif type(value) is int:
        ns = value * 1_000_000_000
    elif type(value) is float and 0 <= value < 1e10:
        # A double resolves present-day times to microseconds; further digits are noise.
        ns = round(value * 1_000_000) * 1000
    else:
        raise BadValue(f"invalid time {shown(value)}")
    if not 0 <= ns <= MAX_TIME:
        raise BadValue("time before 1970 or after 2116")
    return ns


def bounded_integer(value: object, largest: int = MAX_U32) -> int | None:
    """Check for an integer from 0 to ``largest``; ``None`` stays ``None``; `BadValue` for anything else."""
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= largest:
        raise BadValue(f"expected an integer from 0 to {largest}, not {shown(value)}")
    return value


def bounded_text(value: object, longest: int = 256) -> str | None:
    """Text cut to ``longest`` characters and valid in any database; empty text is ``None``.

    NUL and lone surrogates (valid in JSON, not in UTF-8) become U+FFFD. Raises `BadValue` if it is not text.
    """
    if value is None or value == "":
        return None
    if type(value) is not str:
        raise BadValue(f"expected text, not {shown(value)}")
    if len(value) > longest:
        value = value[: longest - 1] + "…"
    if not value.isascii():
        value = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return value.replace("\0", "\ufffd") if "\0" in value else value


def shown(value: object) -> str:
    """A hostile value for a message: one short printable line without secrets."""
    if isinstance(value, str):
        text = redact_line(value)[:80]
    elif isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a huge number"
    else:
        text = str(value)[:80]
    return ascii(text) if isinstance(value, str) else text
