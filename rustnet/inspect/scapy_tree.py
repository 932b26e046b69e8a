"""Protocol tree of a packet by scapy. This module imports scapy: only the worker may import it."""

import logging
import warnings
from typing import Any

logging.getLogger("scapy").setLevel(logging.CRITICAL)
warnings.simplefilter("ignore")

from scapy.config import conf  # noqa: E402 -- after the filters of logs and warnings

conf.route_autoload = conf.route6_autoload = False

import scapy.all  # noqa: E402, F401 -- registers every layer
from scapy.packet import NoPayload, Packet, Raw  # noqa: E402

_MAX_NODES = 20_000
_MAX_VALUE = 400
_MAX_DEPTH = 40
_DLT = {101: 12, 228: 228, 229: 229}
"""Scapy's numbers of link types that differ from the LINKTYPE registry."""

_EXTRA = ("tls.all", "http", "quic", "smb2", "kerberos", "mqtt", "modbus", "ssh")

Tree = list[object]
"""Name, value, child nodes, and for a node whose bytes are known: offset in the packet and size."""


def answer(data: bytes, link_type: int) -> dict[str, object]:
    """Tree of a packet of ``link_type``, or an error as key and fields."""
    kind = conf.l2types.num2layer.get(_DLT.get(link_type, link_type)) or conf.l2types.num2layer.get(link_type)
    if kind is None:
        return {"error": ("unknown_link_type", {"link_type": link_type})}
    load_layers()
    try:
        packet = kind(data)
    except Exception as error:  # noqa: BLE001 -- scapy catches exceptions of upper layers only
        failed = [f"scapy's {kind.__name__} failed", f"{type(error).__name__}: {error}", []]
        return {"layers": [failed, _layer(Raw(data), [_MAX_NODES], 0)]}
    left = [_MAX_NODES]
    layers: list[Tree] = []
    at: int | None = 0
    while not isinstance(packet, NoPayload) and left[0] > 0:
        head = bytes(packet.raw_packet_cache or b"")
        if isinstance(packet, Raw):
            head = bytes(packet.load)
        if at is not None and (not head or data[at : at + len(head)] != head):
            at = None  # its bytes are not those of the packet as they are: decrypted, or put together anew
        layers.append(_layer(packet, left, 0) if at is None else _placed(packet, left, at, head))
        at = None if at is None else at + len(head)
        packet = packet.payload
    return {"layers": layers}


def _placed(packet: Packet, left: list[int], at: int, head: bytes) -> Tree:
    """Layer at an offset of the packet, with the places of its fields as far as reading them again gives these."""
    layer = _layer(packet, left, 0)
    places: dict[str, tuple[int, int]] = {}
    rest: Any = head
    try:
        for description in packet.fields_desc:
            before = _position(rest, len(head))
            rest, _value = description.getfield(packet, rest)
            after = _position(rest, len(head))
            if after > before:
                places[str(description.name)] = (at + before // 8, -(-after // 8) - before // 8)
            if not rest:
                break
    except Exception:  # noqa: BLE001 -- a field that cannot be read on its own: it and those after it get no place
        rest = None
    for node in layer[2]:  # type: ignore[attr-defined]
        node.extend(places.get(str(node[0]), ()))
    return [*layer, at, len(head)]


def _position(rest: Any, size: int) -> int:
    """Bits read so far, if ``rest`` is left: bytes, or as scapy has it within a byte, bytes and bits read of them."""
    if isinstance(rest, tuple):
        return 8 * (size - len(rest[0])) + int(rest[1])
    return 8 * (size - len(rest))


def load_layers() -> None:
    """Load layers that scapy does not load by default; the available ones depend on its version."""
    import importlib  # noqa: PLC0415

    for name in _EXTRA:
        for place in ("scapy.layers", "scapy.contrib"):
            try:
                importlib.import_module(f"{place}.{name}")
                break
            except Exception:  # noqa: BLE001, S112 -- another version, or a missing dependency
                continue


def _layer(packet: Packet, left: list[int], depth: int) -> Tree:
    fields: list[Tree] = []
    if depth < _MAX_DEPTH:
        for description in packet.fields_desc:
            if left[0] <= 0:
                break
            value = packet.getfieldval(description.name)
            if value is not None:
                fields.append(_field(packet, description, value, left, depth + 1))
    return [str(packet.name), "" if not isinstance(packet, Raw) else f"{len(packet.load)} bytes", fields]


def _field(packet: Packet, description: object, value: object, left: list[int], depth: int) -> Tree:
    left[0] -= 1
    name = str(description.name)  # type: ignore[attr-defined]
    if isinstance(value, Packet):
        return [name, "", [_layer(value, left, depth)]]
    if isinstance(value, list) and any(isinstance(item, Packet) for item in value):
        items = [_layer(item, left, depth) for item in value[: left[0]] if isinstance(item, Packet)]
        return [name, f"{len(value)} items", items]
    try:
        shown = str(description.i2repr(packet, value))  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 -- a field that scapy cannot format
        shown = repr(value)
    return [name, shown if len(shown) <= _MAX_VALUE else f"{shown[:_MAX_VALUE]}… ({len(shown)} characters)", []]
