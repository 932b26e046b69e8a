"""PROXY protocol versions 1 and 2: who a proxy states that it connects for, ahead of what it relays.

One row per header; what follows is read as if the header was not there, by the protocol that it shows (its ALPN is that
of RFC 7301). Over UDP each datagram of version 2 has a header, and gets a row if it differs from the one before. The
first header also gives `flows.proxied_src_ip` and `proxied_src_port`. All of it is a claim: the sender wrote it, and
nothing else confirms it.
"""

import re
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, inet_ntop

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, Dissector, Shape
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.records import FilePath, Host, Identifier, Ip, ObjectName, Port, Term, User, Word, record

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""First bytes of a header of version 2."""
MAX_LINE = 107
"""Bytes of a header of version 1, with its line end."""
MAX_STACKED = 8
"""Headers of a stream that are read: each of several proxies may have put one in front."""
_LINE = re.compile(
    rb"PROXY (?:(TCP4|TCP6) ([0-9A-Fa-f.:]{2,39}) ([0-9A-Fa-f.:]{2,39}) (\d{1,5}) (\d{1,5})|UNKNOWN(?: [^\r\n]*)?)\r\n"
).match
_OPENING = re.compile(rb"PROXY (?:T(?:C(?:P(?:[46](?: [0-9A-Fa-f.: ]*\r?)?)?)?)?|UNKNOWN(?: [^\r\n]*)?\r?)?").fullmatch
_FAMILIES = {0x11: "TCP4", 0x12: "UDP4", 0x21: "TCP6", 0x22: "UDP6", 0x31: "UNIX", 0x32: "UNIX_DGRAM"}
_SIZES = {0: 0, 1: 12, 2: 36, 3: 216}
"""Bytes of the addresses, by their family."""
_FIXED = 16
"""Bytes ahead of the addresses in version 2."""
_ALPN, _AUTHORITY, _UNIQUE_ID, _SSL, _NAMESPACE = 1, 2, 5, 0x20, 0x30
_SSL_VERSION, _SSL_CN, _SSL_CIPHER = 0x21, 0x22, 0x23
_SSL_FIXED = 5
"""Bytes of the client's flags and of the result of the verification, ahead of what else is stated of TLS."""
_CERTIFICATE = 2 | 4
"""Flags: the client presented a certificate in this connection, or in this session."""


@record("proxy")
class Proxy:
    """One header of the PROXY protocol: what a proxy states of the connection that it relays."""

    version: Word | None = None
    """`1` (text) or `2` (binary)."""
    command: Word | None = None
    """`PROXY`, or `LOCAL`: a connection of the proxy's own, such as a health check."""
    address_family: Word | None = None
    """`TCP4`, `TCP6`, `UDP4`, `UDP6`, `UNIX`, `UNIX_DGRAM` or `UNKNOWN`."""
    proxied_src_ip: Ip | None = None
    """Address of the client, as the proxy states it."""
    proxied_src_port: Port | None = None
    """The client's port."""
    proxied_dst_ip: Ip | None = None
    """Address to which the client connected."""
    proxied_dst_port: Port | None = None
    """The port to which it connected."""
    socket_path: FilePath | None = None
    """Path of the Unix socket to which the client connected."""
    alpn: Term | None = None
    """Application protocol that the client and the proxy negotiated."""
    authority: Host | None = None
    """Host that the client asked for (TLS's server name)."""
    unique_id: Identifier | None = None
    """Identifier of the connection, in hexadecimal digits."""
    namespace: ObjectName | None = None
    """Network namespace of the client's connection."""
    tls_version: Term | None = None
    """Version of TLS between the client and the proxy."""
    cipher: Term | None = None
    """Its cipher."""
    client_cn: User | None = None
    """Common name in the client's certificate."""
    client_verified: bool | None = None
    """The proxy verified the client's certificate; NULL if the client presented none."""


def _address(raw: bytes) -> str:
    """Text of an address; one of IPv4 within IPv6, as proxies write it, keeps its dots."""
    return inet_ntop(AF_INET if len(raw) == 4 else AF_INET6, raw)


def _line(data: bytes) -> tuple[int, Proxy | None]:
    """Size of a header of version 1 and its row, `None` if it is invalid."""
    match = _LINE(data, 0, MAX_LINE)
    if match is None:
        return 0, None
    row = Proxy(version="1", command="PROXY", address_family="UNKNOWN")
    family, src, dst, src_port, dst_port = match.groups()
    if family is not None:
        row.address_family = text(family)
        try:
            ends = [ip_address(text(raw)) for raw in (src, dst)]
        except ValueError:
            return 0, None
        if {end.version for end in ends} != {int(family[3:])} or max(int(src_port), int(dst_port)) > 0xFFFF:
            return 0, None
        row.proxied_src_ip, row.proxied_dst_ip = _address(ends[0].packed), _address(ends[1].packed)
        row.proxied_src_port, row.proxied_dst_port = int(src_port), int(dst_port)
    return match.end(), row


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Types and values of what follows the addresses; a length that does not fit ends them."""
    parts = []
    pos = 0
    while pos + 3 <= len(data):
        end = pos + 3 + (data[pos + 1] << 8 | data[pos + 2])
        if end > len(data):
            break
        parts.append((data[pos], data[pos + 3 : end]))
        pos = end
    return parts


def _describe(row: Proxy, data: bytes) -> None:
    """Read what follows the addresses."""
    for kind, value in _parts(data):
        if kind == _SSL and len(value) >= _SSL_FIXED:
            _describe_tls(row, value)
        elif kind == _ALPN:
            row.alpn = text(value)
        elif kind == _AUTHORITY:
            row.authority = text(value)
        elif kind == _UNIQUE_ID:
            row.unique_id = value[:128].hex()
        elif kind == _NAMESPACE:
            row.namespace = text(value)


def _describe_tls(row: Proxy, data: bytes) -> None:
    """Read what is stated of TLS between the client and the proxy."""
    if data[0] & _CERTIFICATE:
        row.client_verified = data[1:_SSL_FIXED] == bytes(4)
    for kind, value in _parts(data[_SSL_FIXED:]):
        if kind == _SSL_VERSION:
            row.tls_version = text(value) or None
        elif kind == _SSL_CN:
            row.client_cn = text(value)
        elif kind == _SSL_CIPHER:
            row.cipher = text(value)


def _fits(data: bytes) -> bool:
    """Whether the fixed part of a header of version 2 is valid, as far as it is there."""
    if len(data) > 12 and data[12] not in {0x20, 0x21}:
        return False
    if len(data) > 13 and data[13] and data[13] not in _FAMILIES:
        return False
    return len(data) < _FIXED or (data[14] << 8 | data[15]) >= _SIZES[data[13] >> 4] or data[12] == 0x20


def _binary(data: bytes) -> tuple[int, Proxy | None]:
    """Size of a header of version 2 and its row, `None` if it is invalid or not complete."""
    size = _FIXED + (data[14] << 8 | data[15]) if len(data) >= _FIXED else 0
    if not size or size > len(data) or not _fits(data):
        return size, None
    local = data[12] == 0x20
    kind = data[13]
    row = Proxy(version="2", command="LOCAL" if local else "PROXY", address_family=_FAMILIES.get(kind, "UNKNOWN"))
    family = 0 if local else kind >> 4
    at = _FIXED + _SIZES[family]
    ends = data[_FIXED:at]
    if family == 3:
        row.socket_path = text(ends[108:]) or None
    elif family:
        half = 4 if family == 1 else 16
        row.proxied_src_ip, row.proxied_dst_ip = _address(ends[:half]), _address(ends[half : 2 * half])
        row.proxied_src_port = ends[-4] << 8 | ends[-3]
        row.proxied_dst_port = ends[-2] << 8 | ends[-1]
    if not local:
        _describe(row, data[at:size])
    return size, row


class ProxyParser(RowParser):
    """The header of a stream, or those of a flow's datagrams."""

    __slots__ = ("last",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.last = b""
        """The last header of a datagram."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the header, and let the protocol behind it read what follows."""
        size, row = _line(data) if data[0] == 80 else _binary(data)
        if row is None:
            return 0
        self._store(row)
        self._hand_over()
        return size

    def gap(self, size: int, from_src: bool) -> None:
        """Look for the protocol that follows, although a part of the header is missing."""
        self._hand_over()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Have the headers of this flow's datagrams removed from now on."""
        self.talk.peeler = self
        self._hand_over()

    def peel(self, data: bytes) -> bytes:
        """Return a datagram without its header."""
        if not data.startswith(SIGNATURE):
            return data
        size, row = _binary(data)
        if row is None:
            return b""
        if data[:size] != self.last and self.rows < self.limit - 1:
            self.last = data[:size]
            self._store(row)
        return data[size:]

    def _store(self, row: Proxy) -> None:
        """Store a header's row, and its client if it is the first one that states any."""
        talk = self.talk
        ip, port, count = talk.proxied or (None, None, 0)
        if ip is None:
            ip, port = row.proxied_src_ip, row.proxied_src_port
        talk.proxied = (ip, port, count + 1)
        if count + 1 >= MAX_STACKED:
            talk.withdrawn = (*talk.withdrawn, PROXY.name)
        self.store_row(row)

    def _hand_over(self) -> None:
        """Let the content that follows be probed as the flow's first."""
        talk = self.talk
        talk.hand_over(None)
        talk.app = None
        talk.messages = -1  # this one, which is counted next, is not the inner protocol's


def _probe_proxy(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a whole valid line, or the signature with a header that fits."""
    if talk.transport == "udp":
        return YES if data.startswith(SIGNATURE) and _binary(data)[1] is not None else NO
    if data[:1] == b"P":
        if b"\n" in data[:MAX_LINE]:
            return YES if _line(data)[1] is not None else NO
        return MORE if b"PROXY ".startswith(data[:6]) and len(data) < MAX_LINE and _starts(data) else NO
    if not SIGNATURE.startswith(data[:12]) or not _fits(data):
        return NO
    return YES if len(data) >= _FIXED else MORE


def _starts(data: bytes) -> bool:
    """Whether a line of version 1 may go on like this."""
    return len(data) < 6 or _OPENING(data) is not None or b"PROXY UNKNOWN".startswith(data)


PROXY = Dissector(
    "proxy", "PROXY protocol 1 and 2 (haproxy's proxy-protocol.txt)", ("tcp", "udp"), (), (Proxy,), _probe_proxy,
    ProxyParser, first=b"P\r", outermost=True,
    shapes={
        "tcp": Shape(at={1: b"R\n", 2: b"O\r", 3: b"X\n", 4: b"Y\0"}),
        "udp": Shape(_FIXED, {0: b"\r", 1: b"\n", 2: b"\r", 3: b"\n"}),
    },
)  # fmt: skip
