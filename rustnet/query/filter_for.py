"""The filter that selects the flows with a value: what `f` and `F` on a value in the browser add to its filter."""

import ipaddress
from collections.abc import Callable
from typing import Any

from rustnet.present.values import timestamp_ns
from rustnet.query.keywords import KEYWORDS, Keyword, Kind

_PREFERRED = {
    "hostname": "host", "src_asn": "asn", "dst_asn": "asn", "dst_vlan_id": "vlan", "dst_outer_vlan_id": "vlan",
    "capture_id": "capture", "flow_id": "flow", "outer_flow_id": "flow", "first_packet": "packet",
    "started_at": "start", "process_contested": "contested", "addresses.scope": "scope",
    "handshake_rtt_ms": "handshake", "claims.source": "claim", "process_source": "claim",
}  # fmt: skip
"""Keyword of a column that several keywords have as a target, or that is an expression's."""

_LONGEST = 1e9
"""Milliseconds from which on a duration gets no filter."""
MAX_VALUE = 500
"""Longest text of which a filter is made."""


def filter_for(column: str, value: Any, port: int | None = None) -> str | None:
    """Return a filter of the flows whose ``column`` has a value; None where no filter can ask for it.

    A column is one of `flows`, or of another table as ``table.column``. An address may have the port of its end.
    """
    keyword = _keyword(column)
    if keyword is None or value is None or value in ("", []):
        return None
    if isinstance(value, list):
        texts = [text for item in value[:1] if (text := _text(keyword, item, part=True)) is not None]
        return f"{keyword.name}:{texts[0]}" if texts else None
    if keyword.kind is Kind.ADDRESS and port is not None and isinstance(value, str):
        return f"{keyword.name}:[{value}]:{port}" if ":" in value else f"{keyword.name}:{value}:{port}"
    text = _text(keyword, value, part=False)
    return None if text is None else f"{keyword.name}:{text}"


def with_term(filter_text: str, term: str, *, out: bool = False) -> str:
    """Return a filter with a term that must hold too, or with ``out`` must not hold."""
    added = f"NOT {term}" if out else term
    present = filter_text.strip()
    if not present:
        return added
    return f"({present}) {added}" if " or " in present.lower() or "||" in present else f"{present} {added}"


def _keyword(column: str) -> Keyword | None:
    """The most exact keyword that looks at a column."""
    if name := _PREFERRED.get(column):
        return next(word for word in KEYWORDS if word.name == name)
    fitting = [word for word in KEYWORDS if column in word.targets and word.name not in ("after", "before")]
    return min(fitting, key=lambda word: len(word.targets), default=None)


def _text(keyword: Keyword, value: Any, *, part: bool) -> str | None:
    """A value as a filter has it; ``part``: it is a part of the text that is compared."""
    kind = keyword.kind
    if kind is Kind.TEXT:
        text = _quoted(value)
        return text if part or text is None else f"={text}"
    if isinstance(value, str):
        write = _WRITERS.get(kind)
        return write(value) if write else None
    if kind is Kind.FLAG:
        return "yes" if value else "no"
    if kind is Kind.TIME:
        return f"={timestamp_ns(value)}" if isinstance(value, int) else None
    if kind is Kind.DURATION:
        return _milliseconds(value) if keyword.scale != 1 else None
    return str(int(value)) if isinstance(value, int) else None


def _milliseconds(value: Any) -> str | None:
    """The microsecond that a duration in milliseconds lies in: a filter compares it with the whole of that."""
    if not isinstance(value, int | float) or not 0 <= value < _LONGEST:
        return None
    whole, rest = divmod(int(value * 1_000_000) // 1000, 1000)  # rounded as in the comparison
    return f"{whole}.{rest:03d}ms"


def _address(value: str) -> str | None:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    return value if int(address) else f"/^{value}$/"  # the unspecified address has no number in `flows`


def _quoted(value: Any) -> str | None:
    r"""Text in quotes, with `"` and `\` escaped; None for one that a filter cannot hold."""
    text = str(value)
    if len(text) > MAX_VALUE or "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        return None
    if text and text.isascii() and text.replace(".", "a").replace("-", "a").replace("_", "a").isalnum():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WRITERS: dict[Kind, Callable[[str], str | None]] = {
    Kind.WORD: _quoted,
    Kind.MAC: _quoted,
    Kind.ASN: _quoted,
    Kind.ADDRESS: _address,
    Kind.SCOPE: _quoted,
}
"""How a text is written for a keyword that compares the whole of it."""
