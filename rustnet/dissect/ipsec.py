"""IPsec over UDP: IKEv2 and IKEv1 (RFC 7296, 2409, 2408), and ESP behind a NAT (RFC 3948).

One row per IKE message, with proposals, vendor ids and identity as far as they are in the clear. On port 4500 four zero
bytes mark an IKE message; other packets are ESP, of which the first of each association gets a row.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.records import U32, Identifier, Mixed, Software, Word, record

MAX_ROWS = 500
MAX_ASSOCIATIONS = 32
PATIENCE = 200
"""ESP packets that are read without a new association among them."""
_MARKER = b"\0\0\0\0"
_HEADER = struct.Struct(">8s8sBBBBII")
_PORTS = (500, 4500)
_REMEMBERED = b"esp"
"""Prefix of what the probe remembers of an ESP packet: its SPI and sequence number."""

_EXCHANGES = {
    1: "Base", 2: "Main", 3: "Authentication Only", 4: "Aggressive", 5: "Informational", 6: "Transaction", 32: "Quick",
    33: "New Group", 34: "IKE_SA_INIT", 35: "IKE_AUTH", 36: "CREATE_CHILD_SA", 37: "INFORMATIONAL",
    38: "IKE_SESSION_RESUME", 43: "IKE_INTERMEDIATE", 44: "IKE_FOLLOWUP_KE",
}  # fmt: skip
_SA_1, _ID_1, _VENDOR_1, _NOTIFY_1, _SA_2, _KE_2, _VENDOR_2, _NOTIFY_2 = 1, 5, 13, 11, 33, 34, 43, 41
_ENCRYPTION = {
    1: "DES-IV64", 2: "DES", 3: "3DES", 5: "IDEA", 6: "CAST", 7: "BLOWFISH", 11: "NULL", 12: "AES-CBC", 13: "AES-CTR",
    14: "AES-CCM-8", 15: "AES-CCM-12", 16: "AES-CCM-16", 18: "AES-GCM-8", 19: "AES-GCM-12", 20: "AES-GCM-16",
    23: "CAMELLIA-CBC", 28: "CHACHA20-POLY1305",
}  # fmt: skip
_PRF = {1: "PRF-MD5", 2: "PRF-SHA1", 4: "PRF-AES128-XCBC", 5: "PRF-SHA256", 6: "PRF-SHA384", 7: "PRF-SHA512"}
_INTEGRITY = {1: "MD5-96", 2: "SHA1-96", 5: "AES-XCBC-96", 12: "SHA256-128", 13: "SHA384-192", 14: "SHA512-256"}
_GROUPS = {
    1: "MODP768", 2: "MODP1024", 5: "MODP1536", 14: "MODP2048", 15: "MODP3072", 16: "MODP4096", 17: "MODP6144",
    18: "MODP8192", 19: "ECP256", 20: "ECP384", 21: "ECP521", 27: "BP224", 28: "BP256",
    29: "BP384", 30: "BP512", 31: "CURVE25519", 32: "CURVE448", 35: "ML-KEM-512", 36: "ML-KEM-768", 37: "ML-KEM-1024",
}  # fmt: skip
_KINDS = {1: _ENCRYPTION, 2: _PRF, 3: _INTEGRITY, 4: _GROUPS}
_ENCRYPTION_1 = {1: "DES", 2: "IDEA", 3: "BLOWFISH", 4: "RC5", 5: "3DES", 6: "CAST", 7: "AES-CBC"}
_HASH_1 = {1: "MD5", 2: "SHA1", 4: "SHA256", 5: "SHA384", 6: "SHA512"}
_AUTH_1 = {1: "PSK", 2: "DSS", 3: "RSA", 65001: "XAUTH-PSK", 65005: "XAUTH-RSA", 64221: "HYBRID-RSA"}
_VENDORS = {
    "4a131c81070358455c5728f20e95452f": "RFC 3947 NAT-T", "afcad71368a1f1c96b8696fc77570100": "DPD",
    "09002689dfd6b712": "XAUTH", "12f5f28c457168a9702d9fe274cc0100": "Cisco Unity",
    "882fe56d6fd20dbc2251613b2ebe5beb": "strongSwan", "4048b7d56ebce88525e7de7f00d6c2d3": "Fragmentation",
    "90cb80913ebb696e086381b5ec427b1f": "draft-02 NAT-T", "1e2b516905991c7d7c96fcbfb587e461": "MS NT5 ISAKMPOAKLEY",
}  # fmt: skip


@record("ike")
class Ike:
    """One IKE message, or the first ESP packet of an association behind a NAT."""

    version: Word | None = None
    """`IKEv1`, `IKEv2` or `ESP`."""
    exchange: Word | None = None
    """`Main`, `Aggressive`, `Quick`, `IKE_SA_INIT`, `IKE_AUTH` …"""
    from_src: bool = True
    """Sent by the flow's `src`."""
    initiator_spi: Identifier | None = None
    """The initiator's cookie or SPI, hexadecimal."""
    responder_spi: Identifier | None = None
    """The responder's cookie or SPI, hexadecimal; zeros in the first message."""
    message_id: U32 | None = None
    """Message id."""
    response: bool | None = None
    """It answers a request (IKEv2)."""
    encrypted: bool = False
    """Its payloads are encrypted."""
    proposals: list[Word] | None = None
    """Algorithms offered or chosen, a proposal or transform each."""
    key_group: Word | None = None
    """Group of the key exchange (IKEv2)."""
    vendor_ids: list[Software] | None = None
    """Vendor ids: names, or hexadecimal."""
    identity: Mixed | None = None
    """Identity in the clear (aggressive mode)."""
    notifications: list[Word] | None = None
    """Numbers of the notifications in the clear."""
    esp_spi: Identifier | None = None
    """SPI of an ESP association, hexadecimal."""


class IpsecParser(Parser):
    """Messages of one flow."""

    __slots__ = ("associations", "quiet", "rows")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.rows = 0
        self.quiet = 0
        self.associations: set[tuple[bytes, bool]] = set()
        talk.memo_src = talk.memo_dst = b""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one IKE message or ESP packet; a keepalive is a single byte."""
        if len(data) < 2:
            return
        if self.talk.has_port(4500) and data[:4] != _MARKER and not _is_ike(data):
            self._esp(data, from_src)
        elif data[:4] == _MARKER and _is_ike(data[4:]):
            self._ike(data[4:], from_src)
        elif len(data) >= 28:
            self._ike(data, from_src)
        elif not self.rows:
            raise DissectError("expected an IKE message")
        if self.rows >= MAX_ROWS or self.quiet >= PATIENCE:
            self.talk.finish()

    def _esp(self, data: bytes, from_src: bool) -> None:
        self.quiet += 1
        key = (data[:4], from_src)
        if len(data) < 16 or key in self.associations or len(self.associations) >= MAX_ASSOCIATIONS:
            return
        self.associations.add(key)
        self.quiet = 0
        self.rows += 1
        self.talk.state = "ESTABLISHED"
        self.talk.emit(Ike(version="ESP", from_src=from_src, esp_spi=data[:4].hex()))

    def _ike(self, data: bytes, from_src: bool) -> None:
        initiator, responder, first, version, exchange, flags, number, length = _HEADER.unpack_from(data)
        major = version >> 4
        if major not in {1, 2} or length < 28:
            raise DissectError("unexpected IKE version {major} or length {length}", major=major, length=length)
        row = Ike(
            version=f"IKEv{major}",
            exchange=_EXCHANGES.get(exchange) or str(exchange),
            from_src=from_src,
            initiator_spi=initiator.hex(),
            responder_spi=responder.hex(),
            message_id=number,
            encrypted=bool(flags & 1) if major == 1 else first in {46, 53},
        )
        if major == 2:
            row.response = bool(flags & 0x20)
        if not row.encrypted:
            fault = _payloads(row, data[: min(length, len(data))], first, major)
            if fault:
                self.talk.anomaly("malformed_ipsec", fault)
        self.talk.state = "ESTABLISHED" if exchange == 32 or exchange in {36, 37} else "HANDSHAKE"
        self.rows += 1
        self.quiet = 0
        self.talk.emit(row)


def _payloads(row: Ike, data: bytes, kind: int, major: int) -> str:
    """Read the chain of payloads; return a description of the error in it, if there is one."""
    pos = 28
    vendors: list[str] = []
    notes: list[str] = []
    for _ in range(64):
        if not kind:
            break
        if pos + 4 > len(data):
            return "payload exceeds its message"
        size = data[pos + 2] << 8 | data[pos + 3]
        body = data[pos + 4 : pos + size]
        if size < 4 or pos + size > len(data):
            return "payload exceeds its message"
        if kind in {_VENDOR_1, _VENDOR_2} and len(vendors) < 32:
            vendors.append(_vendor(body))
        elif kind == (_NOTIFY_1 if major == 1 else _NOTIFY_2):
            at = 6 if major == 1 else 2
            notes.append(str(int.from_bytes(body[at : at + 2], "big")))
        else:
            _payload(row, kind, body, major)
        kind = data[pos]
        pos += size
    row.vendor_ids = vendors or None
    row.notifications = notes or None
    return ""


def _payload(row: Ike, kind: int, body: bytes, major: int) -> None:
    if major == 1:
        if kind == _SA_1:
            row.proposals = _proposals_1(body[8:]) or None
        elif kind == _ID_1 and len(body) >= 4:
            row.identity = _identity(body)
    elif kind == _SA_2:
        row.proposals = _proposals_2(body) or None
    elif kind == _KE_2 and len(body) >= 2:
        number = body[0] << 8 | body[1]
        row.key_group = _GROUPS.get(number) or str(number)


def _vendor(body: bytes) -> str:
    text = body[:32].hex()
    return _VENDORS.get(text) or _VENDORS.get(text[:32]) or text


def _identity(body: bytes) -> str:
    kind = body[0]
    value = body[4:260]
    if kind == 1 and len(value) == 4:
        return str(IPv4Address(value))
    if kind == 5 and len(value) == 16:
        return str(IPv6Address(value))
    return value.decode("utf-8", "backslashreplace") if kind in {2, 3} else value.hex()


def _pieces(body: bytes) -> list[bytes]:
    """Substructures of an SA payload in a row: a header of four bytes with their length in it, at most 64."""
    items: list[bytes] = []
    pos = 0
    while pos + 8 <= len(body) and len(items) < 64:
        size = body[pos + 2] << 8 | body[pos + 3]
        if size < 8 or pos + size > len(body):
            break
        items.append(body[pos : pos + size])
        pos += size
    return items


def _proposals_2(body: bytes) -> list[str]:
    """IKEv2: the transforms of each proposal, in order."""
    items: list[str] = []
    for proposal in _pieces(body)[:32]:
        names = []
        for transform in _pieces(proposal[8 + proposal[6] :]):
            number = transform[6] << 8 | transform[7]
            kind = transform[4]
            name = _KINDS.get(kind, {}).get(number) or f"{kind}:{number}"
            if len(transform) >= 12 and transform[8:10] == b"\x80\x0e":
                name = f"{name}-{transform[10] << 8 | transform[11]}"
            names.append(name)
        items.append(" ".join(names))
    return items


def _proposals_1(body: bytes) -> list[str]:
    """IKEv1: each transform's attributes."""
    items: list[str] = []
    for proposal in _pieces(body)[:8]:
        for transform in _pieces(proposal[8 + proposal[6] :]):
            attributes = _attributes(transform[8:])
            bits = f"-{attributes[14]}" if 14 in attributes else ""
            parts = [
                (_ENCRYPTION_1.get(attributes.get(1, 0)) or f"1:{attributes.get(1)}") + bits if 1 in attributes else "",
                _HASH_1.get(attributes.get(2, 0)) or "",
                _AUTH_1.get(attributes.get(3, 0)) or "",
                _GROUPS.get(attributes.get(4, 0)) or "",
            ]
            text = " ".join(filter(None, parts))
            if text and len(items) < 64:
                items.append(text)
    return items


def _attributes(body: bytes) -> dict[int, int]:
    """Attributes of an IKEv1 transform that are numbers."""
    attributes: dict[int, int] = {}
    pos = 0
    while pos + 4 <= len(body) and len(attributes) < 32:
        kind, value = body[pos] << 8 | body[pos + 1], body[pos + 2] << 8 | body[pos + 3]
        pos += 4
        if kind & 0x8000:
            attributes.setdefault(kind & 0x7FFF, value)
        else:
            pos += value
    return attributes


def _is_ike(data: bytes) -> bool:
    """Whether a datagram is one IKE message: known version and exchange, an SPI, and the exact length."""
    if len(data) < 28 or data[17] not in {0x10, 0x20} or data[18] not in _EXCHANGES or data[:8] == bytes(8):
        return False
    if int.from_bytes(data[24:28], "big") != len(data):
        return False
    return data[18] <= 33 if data[17] == 0x10 else data[18] >= 34


def _probe_ipsec(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise an IKE header; on port 4500 also the non-ESP marker, or two ESP packets of one association."""
    size = len(data)
    if size < 28:
        return NO
    if data[17] in {0x10, 0x20} and _is_ike(data):
        return YES
    if not talk.has_port(4500):
        return NO
    if data[:4] == _MARKER:
        return YES if _is_ike(data[4:]) else NO
    return _probe_esp(data, talk, from_src)


def _probe_esp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise two packets of one association; the first is remembered by the conversation."""
    if data[:3] == b"\0\0\0":
        return NO  # SPIs up to 255 are reserved
    kept = talk.memo_src if from_src else talk.memo_dst
    mark = len(_REMEMBERED)
    if kept.startswith(_REMEMBERED) and kept[mark : mark + 4] == data[:4]:
        step = int.from_bytes(data[4:8], "big") - int.from_bytes(kept[mark + 4 :], "big")
        return YES if 1 <= step <= 64 else NO
    if from_src:
        talk.memo_src = _REMEMBERED + data[:8]
    else:
        talk.memo_dst = _REMEMBERED + data[:8]
    return NO


IPSEC = Dissector(
    "ipsec",
    "Internet Key Exchange and ESP (RFC 7296, 3948)",
    ("udp",),
    _PORTS,
    (Ike,),
    _probe_ipsec,
    IpsecParser,
    shapes={"udp": Shape(28, {17: b"\x10\x20"})},
)
