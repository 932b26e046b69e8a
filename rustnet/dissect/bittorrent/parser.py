"""BitTorrent: peer connections (BEP 3, 10), DHT (BEP 5), uTP (BEP 29), UDP trackers (BEP 15), local discovery (BEP 14).

No RFC; the BEPs are at bittorrent.org. One row per handshake and per DHT or tracker message. Pieces are not read.
"""

import re
import struct
from socket import inet_ntoa

from rustnet.dissect.bittorrent import bencode
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.reading import RowParser, head, number, text
from rustnet.records import Count32, Digest, FreeText, Identifier, Ip, Port, Software, Term, Word, record

_PREFIX = b"\x13BitTorrent protocol"
_MAX_EXTENDED = 16_384
_UTP = struct.Struct(">BBHIIIHH")
_TRACKER_MAGIC = bytes.fromhex("0000041727101980")
_ACTIONS = ("connect", "announce", "scrape", "error")
_EVENTS = ("none", "completed", "started", "stopped")
_CLIENTS = {
    b"AZ": "Azureus", b"BC": "BitComet", b"BI": "BiglyBT", b"BT": "BitTorrent", b"DE": "Deluge",
    b"FD": "FreeDownloadManager", b"KT": "KTorrent", b"LT": "libtorrent", b"lt": "libTorrent", b"qB": "qBittorrent",
    b"SD": "Thunder", b"TR": "Transmission", b"UM": "uTorrent Mac", b"UT": "uTorrent", b"UW": "uTorrent Web",
    b"WW": "WebTorrent", b"XL": "Xunlei", b"TL": "Tribler", b"PI": "PicoTorrent", b"AG": "Ares", b"BL": "BitLord",
    b"FW": "FrostWire", b"MG": "MediaGet", b"TX": "Tixati",
}  # fmt: skip
_AZUREUS = re.compile(rb"-([A-Za-z]{2})([0-9A-Za-z]{4})-").match


@record("bittorrent")
class Bittorrent:
    """One BitTorrent handshake or message."""

    kind: Word = "peer"
    """`peer`, `dht`, `utp`, `tracker` or `lsd` (local service discovery)."""
    message: Term | None = None
    """`handshake`, or the request: `get_peers`, `announce_peer`, `announce` …"""
    response: bool | None = None
    """The message is a response."""
    info_hash: Digest | None = None
    """Torrent, hexadecimal."""
    peer_id: Identifier | None = None
    """Id of the peer; bytes that are not text are escaped."""
    node_id: Identifier | None = None
    """Id of a DHT node, hexadecimal."""
    target: Identifier | None = None
    """Node that is searched for, hexadecimal."""
    client: Software | None = None
    """Client software, from the peer id or as it states itself."""
    extensions: list[Word] | None = None
    """Extensions that the handshake offers: `dht`, `fast`, `extended`."""
    listen_port: Port | None = None
    """Port on which a peer accepts connections."""
    event: Word | None = None
    """Event of an announcement to a tracker."""
    seeders: Count32 | None = None
    """Complete peers, by the tracker."""
    leechers: Count32 | None = None
    """Incomplete peers, by the tracker."""
    peers: Count32 | None = None
    """Peers or nodes that a response lists."""
    external_ip: Ip | None = None
    """Address as which the other side sees the receiver."""
    error: FreeText | None = None
    """Error message."""


def client_of(peer_id: bytes) -> str | None:
    """Client software by a peer id in Azureus's form (BEP 20)."""
    match = _AZUREUS(peer_id)
    if match is None:
        return None
    letters, version = match.groups()
    return f"{_CLIENTS.get(letters) or text(letters)} {'.'.join(text(version)).rstrip('.0') or '0'}"


class BittorrentParser(RowParser):
    """One flow: a peer connection, or datagrams of any of the kinds."""

    __slots__ = ("done", "extended", "seen")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.seen = [False, False]
        """By direction: the handshake was read."""
        self.extended = [False, False]
        """By direction: an extended handshake is expected."""
        self.done = [False, False]

    # ---- connections ---------------------------------------------------------------------------------------------

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read a direction's handshake, and its extended one if it offers that."""
        pos = 0
        if not self.seen[from_src]:
            if len(data) < 68:
                if not _PREFIX.startswith(data[:20]):
                    raise DissectError("expected a handshake")
                return 0
            if not data.startswith(_PREFIX):
                raise DissectError("expected a handshake")
            self._handshake(data, from_src, "peer")
            pos = 68
        while self.extended[from_src] and len(data) - pos >= 6:
            size = int.from_bytes(data[pos : pos + 4], "big")
            if size < 2 or data[pos + 4] != 20 or data[pos + 5] or size > _MAX_EXTENDED:
                self.extended[from_src] = False
                break
            if len(data) - pos - 4 < size:
                return pos
            self._extended(data[pos + 6 : pos + 4 + size])
            self.extended[from_src] = False
        if self.extended[from_src]:
            return pos
        self.done[from_src] = True
        if all(self.done):
            self.talk.finish()
        return len(data)

    def _handshake(self, data: bytes, from_src: bool, kind: str) -> None:
        reserved = data[20:28]
        peer = data[48:68]
        self.seen[from_src] = True
        self.extended[from_src] = reserved[5] & 0x10 != 0
        offered = [
            name
            for name, there in (
                ("dht", reserved[7] & 1), ("fast", reserved[7] & 4), ("extended", reserved[5] & 0x10),
                ("azureus", reserved[0] & 0x80),
            )
            if there
        ]  # fmt: skip
        self.store_row(
            Bittorrent(
                kind=kind,
                message="handshake",
                info_hash=data[28:48].hex(),
                peer_id=peer.decode("ascii", "backslashreplace").replace("\0", "\\x00"),
                client=client_of(peer),
                extensions=offered or None,
            )
        )

    def _extended(self, data: bytes) -> None:
        """Read an extended handshake (BEP 10)."""
        message = bencode.read(data)
        if not isinstance(message, dict):
            return
        row = Bittorrent(message="extended_handshake", client=_text(message.get(b"v")))
        row.listen_port = _port(message.get(b"p"))
        row.external_ip = _ip(message.get(b"yourip"))
        self.store_row(row)

    # ---- datagrams -----------------------------------------------------------------------------------------------

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one datagram of whatever kind."""
        if data[:1] == b"d" and data[-1:] == b"e":
            self._dht(data)
        elif data.startswith(b"BT-SEARCH"):
            self._search(data)
        elif data[:8] == _TRACKER_MAGIC or (len(data) >= 8 and data[:3] == b"\0\0\0" and data[3] <= 3):
            self._tracker_answer(data) if data[:8] != _TRACKER_MAGIC else self.store_row(_connect())
        elif len(data) >= 98 and data[8:12] == b"\0\0\0\1":
            self._announce(data)
        elif len(data) >= 20 and data[0] & 15 == 1 and data[0] >> 4 <= 4:
            self._utp(data, from_src)

    def _dht(self, data: bytes) -> None:
        message = bencode.read(data)
        if not isinstance(message, dict):
            raise DissectError("expected a dictionary as DHT message")
        kind = message.get(b"y")
        row = Bittorrent(kind="dht", response=kind != b"q", client=_version(message.get(b"v")))
        row.external_ip = _ip(message.get(b"ip"))
        inner = message.get(b"a" if kind == b"q" else b"r")
        if kind == b"q":
            row.message = _text(message.get(b"q"))
        elif kind == b"e":
            row.message = "error"
            error = message.get(b"e")
            row.error = _text(error[1]) if isinstance(error, list) and len(error) >= 2 else None
        else:
            row.message = "response"
        if isinstance(inner, dict):
            row.node_id = _hash(inner.get(b"id"))
            row.target = _hash(inner.get(b"target"))
            row.info_hash = _hash(inner.get(b"info_hash"))
            row.listen_port = _port(inner.get(b"port"))
            nodes, values = inner.get(b"nodes"), inner.get(b"values")
            if isinstance(nodes, bytes) or isinstance(values, list):
                row.peers = len(values) if isinstance(values, list) else len(nodes) // 26  # type: ignore[arg-type]
        self.store_row(row)

    def _search(self, data: bytes) -> None:
        _, fields = head(data)
        hashed = fields.get("infohash", "").lower()
        self.store_row(
            Bittorrent(
                kind="lsd",
                message="search",
                info_hash=hashed[:64] or None,
                listen_port=number(fields.get("port"), 65_535),
            )
        )

    def _announce(self, data: bytes) -> None:
        """Read an announce request to a tracker (BEP 15)."""
        event = int.from_bytes(data[80:84], "big")
        self.store_row(
            Bittorrent(
                kind="tracker",
                message="announce",
                response=False,
                info_hash=data[16:36].hex(),
                peer_id=data[36:56].decode("ascii", "backslashreplace").replace("\0", "\\x00"),
                client=client_of(data[36:56]),
                event=_EVENTS[event] if event < 4 else None,
                listen_port=int.from_bytes(data[96:98], "big"),
            )
        )

    def _tracker_answer(self, data: bytes) -> None:
        row = Bittorrent(kind="tracker", message=_ACTIONS[data[3]], response=True)
        if data[3] == 1 and len(data) >= 20:
            _, row.leechers, row.seeders = struct.unpack_from(">III", data, 8)
            row.peers = (len(data) - 20) // 6
        elif data[3] == 3:
            row.error = text(data[8:])
        self.store_row(row)

    def _utp(self, data: bytes, from_src: bool) -> None:
        """Read a handshake inside uTP; other uTP packets are ignored."""
        pos = _payload(data)
        if data[0] >> 4 == 4 and not self.rows:
            self.store_row(Bittorrent(kind="utp", message="syn"))
        elif pos and data[pos : pos + 20] == _PREFIX and len(data) >= pos + 68 and not self.seen[from_src]:
            self._handshake(data[pos:], from_src, "utp")
        if all(self.seen):
            self.talk.finish()


def _connect() -> Bittorrent:
    return Bittorrent(kind="tracker", message="connect", response=False)


def _payload(data: bytes) -> int:
    """Offset of a uTP packet's payload after its extensions; 0 if they are malformed."""
    kind, pos = data[1], 20
    for _ in range(4):
        if kind == 0:
            return pos
        if len(data) < pos + 2:
            return 0
        kind, pos = data[pos], pos + 2 + data[pos + 1]
    return 0


def _text(value: object) -> str | None:
    return text(value, 128) if isinstance(value, bytes) else None


def _hash(value: object) -> str | None:
    return value.hex() if isinstance(value, bytes) and 0 < len(value) <= 32 else None


def _port(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= 65_535 else None


def _ip(value: object) -> str | None:
    return inet_ntoa(value[:4]) if isinstance(value, bytes) and len(value) in {4, 6} else None


def _version(value: object) -> str | None:
    """Client of a DHT message: two letters and a number of two bytes."""
    if not isinstance(value, bytes) or len(value) != 4 or not value[:2].isalpha():
        return _text(value)
    return f"{_CLIENTS.get(value[:2]) or text(value[:2])} {value[2]}.{value[3]}"


def _probe_bittorrent(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a handshake's prefix; in datagrams a DHT dictionary, a tracker's magic number, a uTP opening."""
    if talk.transport == "tcp":
        if not data or data[0] != 0x13:
            return NO
        if len(data) >= 20:
            return YES if data.startswith(_PREFIX) else NO
        return MORE if _PREFIX.startswith(data) else NO
    if len(data) < 16:
        return NO
    first = data[0]
    if first == 0x64:
        return YES if data[-1] == 0x65 and _is_dht(data) else NO
    if first == 0x42:
        return YES if data.startswith(b"BT-SEARCH * HTTP/1.") else NO
    if first == 0:
        return YES if data[:8] == _TRACKER_MAGIC and len(data) == 16 and not any(data[8:12]) else NO
    return YES if first in {0x01, 0x41} and _is_utp(data) else NO


def _is_dht(data: bytes) -> bool:
    """Whether a dictionary has the type key of a DHT message and the members that this type requires."""
    if data[1:3] not in {b"1:", b"2:"}:
        return False
    return (
        (b"1:y1:q" in data and b"1:ad2:id20:" in data)
        or (b"1:y1:r" in data and b"1:rd2:id20:" in data)
        or (b"1:y1:e" in data and b"1:eli" in data)
    )


def _is_utp(data: bytes) -> bool:
    """Whether a packet opens a uTP connection, or carries a peer's handshake."""
    if len(data) < 20 or data[1] > 2:
        return False
    pos = _payload(data)
    if data[0] == 0x01:
        return pos > 0 and data[pos : pos + 20] == _PREFIX
    _, _, _, _, difference, _, sequence, acknowledged = _UTP.unpack_from(data)
    return pos == len(data) and difference == 0 and sequence == 1 and acknowledged == 0


BITTORRENT = Dissector(
    "bittorrent", "BitTorrent (BEP 3)", ("tcp", "udp"), (6881, 6969, 6771), (Bittorrent,), _probe_bittorrent,
    BittorrentParser, first=b"\x13dB\0\x01A",
    shapes={"udp": Shape(16, {1: b"\0\x01\x02\x0412T"}), "tcp": Shape(at={0: b"\x13", 1: b"B"})},
)  # fmt: skip
