"""DCE/RPC, connection-oriented (version 5) and datagram (version 4) (The Open Group C706; [MS-RPCE]; no RFC).

One row per interface that a client binds to, and one per call, with its result.
"""

import struct
from uuid import UUID

from rustnet.dissect.dcerpc.interfaces import INTERFACES
from rustnet.dissect.embedded.ntlmssp import Identity
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import need
from rustnet.dissect.framework.requests import RequestParser
from rustnet.records import U16, U32, Bytes32, Host, Identifier, Mixed, Term, User, Word, record

_LOOK = 8192
"""Bytes of a fragment that are buffered; the rest is skipped."""
_MAX_CONTEXTS = 64
_REQUEST, _RESPONSE, _FAULT, _BIND, _BIND_ACK, _BIND_NAK, _ALTER, _ALTER_ACK, _AUTH3 = 0, 2, 3, 11, 12, 13, 14, 15, 16
_TYPES = frozenset((*range(20),))
_DATAGRAM_TYPES = {
    0: "request", 1: "ping", 2: "response", 3: "fault", 4: "working", 5: "nocall", 6: "reject", 7: "ack",
    8: "cancel", 9: "fack", 10: "cancel_ack",
}  # fmt: skip
_FAULTS = {
    0x00000005: "ACCESS_DENIED", 0x000006D3: "UNKNOWN_AUTHN_SERVICE", 0x000006F7: "BAD_STUB_DATA",
    0x1C010002: "OP_RANGE_ERROR", 0x1C010003: "UNKNOWN_IF", 0x1C010006: "YOU_CRASHED", 0x1C010009: "WHO_ARE_YOU",
    0x1C01000B: "SERVER_TOO_BUSY", 0x1C010014: "CANT_PERFORM", 0x1C00001A: "CONTEXT_MISMATCH",
    0x1C000001: "INT_DIV_BY_ZERO", 0x1C000002: "ADDR_ERROR", 0x1C000024: "REMOTE_NO_MEMORY",
}  # fmt: skip


@record("dcerpc")
class Dcerpc:
    """One binding of an interface, or one call."""

    operation: Word | None = None
    """`bind`, `alter_context`, `request`, or the type of a response without a request."""
    interface: Word | None = None
    """Name of the interface, if it is well known: `epmapper`, `samr`, `svcctl` …"""
    interface_uuid: Term | None = None
    """Interface."""
    interface_version: Word | None = None
    """Version of the interface, as `3.0`."""
    opnum: U16 | None = None
    """Number of the call within the interface."""
    accepted: bool | None = None
    """The server accepted the binding."""
    result: Word | None = None
    """`ok`, or why the call or the binding failed; NULL if no answer was seen."""
    endpoint: Mixed | None = None
    """Secondary address of the server: a port or a pipe."""
    object_uuid: Identifier | None = None
    """Object that the call is for."""
    username: User | None = None
    """User of an NTLM authentication."""
    domain: Host | None = None
    """Domain of an NTLM authentication."""
    request_size: Bytes32 | None = None
    """Bytes of the call's arguments, in its first fragment."""
    call_number: U32 | None = None
    """Number of the call."""
    rtt_ms: float | None = None
    """Time from the call to its answer."""


def _uuid(raw: bytes, little: bool) -> str:
    return str(UUID(bytes_le=raw) if little else UUID(bytes=raw))


class DcerpcParser(RequestParser[tuple[object, int], Dcerpc]):
    """Both directions of one connection, or one flow of datagrams."""

    __slots__ = ("binding", "contexts", "identity")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.contexts: dict[int, tuple[str, str]] = {}
        """Interface and its version by context number."""
        self.binding: dict[int, list[tuple[Dcerpc, int, int]]] = {}
        """By call: rows of pending bindings."""
        self.identity = Identity()

    def close(self) -> None:
        """Store bindings and calls without a response."""
        for rows in self.binding.values():
            for row, ts, packet in rows:
                self.store_row(row, ts, packet)
        self.binding.clear()
        super().close()

    # ---- connections ---------------------------------------------------------------------------------------------

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the beginnings of fragments; skip the rest of them."""
        pos = 0
        while len(data) - pos >= 16 and not self.talk.finished:
            order = "<" if data[pos + 4] & 0x10 else ">"
            size, authentication, call = struct.unpack_from(order + "HHI", data, pos + 8)
            kind = data[pos + 2]
            if data[pos] != 5 or kind not in _TYPES or size < 16:
                raise DissectError("expected a fragment header")
            wanted = min(size, _LOOK if kind in {_BIND, _BIND_ACK, _ALTER, _ALTER_ACK, _AUTH3} else 48)
            if len(data) - pos < wanted:
                break
            if data[pos + 3] & 1:  # the first fragment of a call
                self._fragment(data[pos : pos + wanted], kind, order, call, authentication)
            pos += size
        return pos

    def _fragment(self, data: bytes, kind: int, order: str, call: int, authentication: int) -> None:
        if kind in {_BIND, _ALTER}:
            self._bind(data, kind, order, call)
        elif kind in {_BIND_ACK, _ALTER_ACK}:
            self._bind_ack(data, order, call)
        elif kind == _BIND_NAK:
            for row, ts, packet in self.binding.pop(call, ()):
                row.accepted = False
                row.result = "refused"
                self.store_row(row, ts, packet)
        elif kind == _REQUEST:
            self._request(data, order, call)
        elif kind in {_RESPONSE, _FAULT}:
            self._response(data, kind, order, call)
        if authentication and kind in {_BIND, _BIND_ACK, _ALTER, _ALTER_ACK, _AUTH3}:
            self._authenticate(data, kind)

    def _bind(self, data: bytes, kind: int, order: str, call: int) -> None:
        """Read the interfaces that the client requests (C706, 12.6.4.3)."""
        need(data, 28, "bind PDU")
        little = order == "<"
        rows = []
        pos = 28
        seen = set()
        for _ in range(min(data[24], _MAX_CONTEXTS)):
            need(data, pos + 24, "presentation context")
            context, transfers = struct.unpack_from(order + "HB", data, pos)
            interface = _uuid(data[pos + 4 : pos + 20], little)
            major, minor = struct.unpack_from(order + "HH", data, pos + 20)
            self._add_context(context, interface, f"{major}.{minor}")
            if interface not in seen:
                seen.add(interface)
                row = Dcerpc(operation="bind" if kind == _BIND else "alter_context", call_number=call)
                self._describe(row, context)
                rows.append((row, self.talk.ts, self.talk.packet))
            pos += 24 + 20 * transfers
        if len(self.binding) >= _MAX_CONTEXTS:
            del self.binding[next(iter(self.binding))]
        self.binding[call] = rows

    def _add_context(self, context: int, interface: str, version: str) -> None:
        if len(self.contexts) >= 4 * _MAX_CONTEXTS:
            del self.contexts[next(iter(self.contexts))]
        self.contexts[context] = (interface, version)

    def _describe(self, row: Dcerpc, context: int) -> None:
        known = self.contexts.get(context)
        if known is not None:
            row.interface_uuid, row.interface_version = known
            row.interface = INTERFACES.get(known[0])

    def _bind_ack(self, data: bytes, order: str, call: int) -> None:
        """Read the server's result for each context; an interface rejected for NDR64 only may be accepted with NDR."""
        need(data, 26, "bind_ack")
        length = int.from_bytes(data[24:26], "little" if order == "<" else "big")
        endpoint = data[26 : 26 + length].rstrip(b"\0").decode("ascii", "replace")[:256]
        pos = 26 + length
        pos += -pos % 4
        results = []
        if pos < len(data):
            for i in range(min(data[pos], _MAX_CONTEXTS)):
                need(data, pos + 8 + 24 * i, "bind_ack")
                results.append(struct.unpack_from(order + "H", data, pos + 4 + 24 * i)[0])
        for row, ts, packet in self.binding.pop(call, ()):
            row.accepted = 0 in results
            row.result = "ok" if row.accepted else "refused"
            row.endpoint = endpoint or None
            row.rtt_ms = elapsed(ts, self.talk.ts)
            self.store_row(row, ts, packet)

    def _request(self, data: bytes, order: str, call: int) -> None:
        need(data, 24, "request PDU")
        size, context, opnum = struct.unpack_from(order + "IHH", data, 16)
        row = Dcerpc(operation="request", opnum=opnum, call_number=call, request_size=size)
        self._describe(row, context)
        if data[3] & 0x80 and len(data) >= 40:
            row.object_uuid = _uuid(data[24:40], order == "<")
        self.add_request((None, call), row)

    def _response(self, data: bytes, kind: int, order: str, call: int) -> None:
        entry = self.waiting.take((None, call))
        row, ts, packet = entry or (Dcerpc(operation="response", call_number=call), 0, 0)
        row.result = "ok"
        if kind == _FAULT:
            need(data, 28, "fault PDU")
            row.result = _fault(struct.unpack_from(order + "I", data, 24)[0])
        if ts:
            row.rtt_ms = elapsed(ts, self.talk.ts)
        row.username, row.domain = self.identity.username, self.identity.domain
        self.store_row(row, ts, packet)

    def _authenticate(self, data: bytes, kind: int) -> None:
        """Read the NTLM message after the body."""
        self.identity.read(data[16:])
        identity = self.identity
        if kind in {_BIND_ACK, _ALTER_ACK} and (identity.dns_name or identity.target):
            self.talk.name_host(identity.dns_name or identity.target or "", "ntlm")

    # ---- datagrams -----------------------------------------------------------------------------------------------

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one datagram (C706, 12.5)."""
        need(data, 80, "datagram header")
        if data[0] != 4 or data[1] not in _DATAGRAM_TYPES:
            raise DissectError("expected a datagram of version 4")
        little = data[4] & 0x10 != 0
        order = "<" if little else ">"
        _, version, sequence, opnum, _, _, length, fragment = struct.unpack_from(order + "IIIHHHHH", data, 56)
        kind = data[1]
        if fragment:
            return
        activity = data[40:56]
        if kind == 0:
            interface = _uuid(data[24:40], little)
            row = Dcerpc(
                operation="request", interface_uuid=interface, interface=INTERFACES.get(interface),
                interface_version=f"{version & 0xFFFF}.{version >> 16}", opnum=opnum, call_number=sequence,
                request_size=length, object_uuid=_uuid(data[8:24], little) if any(data[8:24]) else None,
            )  # fmt: skip
            evicted = self.waiting.add((activity, sequence), row, self.talk)
            if evicted is not None and evicted[0].opnum != opnum:  # the same call again is a repetition
                self.store_row(*evicted)
        elif kind in {2, 3, 6}:
            entry = self.waiting.take((activity, sequence))
            row, ts, packet = entry or (self._response_row(data, kind, little, opnum, sequence), 0, 0)
            code = int.from_bytes(data[80:84], "little" if little else "big") if kind != 2 else 0
            row.result = "ok" if kind == 2 else _fault(code)
            if ts:
                row.rtt_ms = elapsed(ts, self.talk.ts)
            self.store_row(row, ts, packet)

    def _response_row(self, data: bytes, kind: int, little: bool, opnum: int, sequence: int) -> Dcerpc:
        """Row of a response whose request was not seen in this flow."""
        interface = _uuid(data[24:40], little)
        return Dcerpc(
            operation=_DATAGRAM_TYPES[kind], interface_uuid=interface, interface=INTERFACES.get(interface),
            opnum=opnum, call_number=sequence,
        )  # fmt: skip


def _fault(code: int) -> str:
    return _FAULTS.get(code) or f"{code:#010x}"


def _probe_dcerpc(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a valid version, type, data representation and length."""
    if talk.transport == "udp":
        return _probe_datagram(data)
    if not data or data[0] != 5:
        return NO
    if len(data) < 16:
        beginning = b"\x05\x00\x05\x01"
        return (
            MORE
            if len(data) < 2 or (data[:2] in {beginning[:2], beginning[2:]} and _has_data_representation(data))
            else NO
        )
    if data[1] > 1 or data[2] not in _TYPES or not _has_data_representation(data):
        return NO
    order = "<" if data[4] & 0x10 else ">"
    size, authentication, _ = struct.unpack_from(order + "HHI", data, 8)
    if size < 16 or authentication > size - 16:
        return NO
    if data[2] in {_BIND, _ALTER}:
        return YES if size >= 44 else NO
    if size > len(data):
        return MORE if len(data) < 24 else YES
    return YES if size == len(data) or data[size] == 5 else NO


def _has_data_representation(data: bytes) -> bool:
    """Whether the bytes of the data representation that are present are valid."""
    return (
        (len(data) < 5 or data[4] in {0x00, 0x10})
        and (len(data) < 6 or data[5] <= 3)
        and not any(data[6:8])
    )  # fmt: skip


def _probe_datagram(data: bytes) -> int:
    if len(data) < 80 or data[0] != 4 or data[1] not in _DATAGRAM_TYPES:
        return NO
    if data[4] not in {0x00, 0x10} or data[5] > 3 or data[6] or data[3] & 0xF8:
        return NO
    length = int.from_bytes(data[74:76], "little" if data[4] & 0x10 else "big")
    return YES if length + 80 <= len(data) <= length + 80 + 64 and any(data[24:40]) else NO


DCERPC = Dissector(
    "dcerpc", "DCE/RPC ([MS-RPCE])", ("tcp", "udp"), (135, 593, 34964), (Dcerpc,), _probe_dcerpc, DcerpcParser,
    first=b"\x04\x05",
)  # fmt: skip
