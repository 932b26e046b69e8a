"""NetBIOS over TCP and UDP: the name, datagram and session services (RFC 1001, 1002).

One row per message. First-level encoded names are decoded, suffix included. After a session request the SMB parser
reads the connection. Browser announcements in datagrams contain a machine's name and comment.
"""

import re
import struct
from binascii import unhexlify
from socket import inet_ntoa

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser, mac, need, text, utf16
from rustnet.dissect.smb.parser import SMB
from rustnet.records import U8, U16, FilePath, FreeText, Host, Ip, Mac, Software, Word, record

_MAX_NAMES = 64
_OPERATIONS = {0: "query", 5: "registration", 6: "release", 7: "wack", 8: "refresh", 9: "refresh", 15: "multihomed"}
_RCODES = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "ACTIVE",
    7: "CONFLICT",
}
_NB, _NBSTAT = 0x20, 0x21
_DATAGRAMS = {
    0x10: "direct_unique", 0x11: "direct_group", 0x12: "broadcast", 0x13: "error", 0x14: "query",
    0x15: "positive_response", 0x16: "negative_response",
}  # fmt: skip
_BROWSER = {
    1: "host_announcement", 2: "announcement_request", 8: "election", 9: "backup_list_request",
    10: "backup_list_response", 11: "become_backup", 12: "domain_announcement", 13: "master_announcement",
    14: "reset_browser", 15: "local_master_announcement",
}  # fmt: skip
_ANNOUNCEMENT = struct.Struct("<BBI16sBBI")
_ENCODED = re.compile(rb"\x20[A-P]{32}").match
_HALVES = bytes.maketrans(b"ABCDEFGHIJKLMNOP", b"0123456789abcdef")
"""Translation of the letters that encode four bits each into hexadecimal digits."""
_SESSIONS = {0x81: "session_request", 0x82: "positive_response", 0x83: "negative_response", 0x84: "retarget"}
_REFUSALS = {
    0x80: "not listening on called name", 0x81: "not listening for calling name", 0x82: "called name not present",
    0x83: "insufficient resources", 0x8F: "unspecified error",
}  # fmt: skip


@record("netbios")
class Netbios:
    """One NetBIOS message, or one browser announcement within a datagram."""

    kind: Word = "name"
    """Service: `name`, `datagram` or `session`."""
    operation: Word | None = None
    """`query`, `registration`, `release` …, `direct_group` …, `session_request` …, or the browser's command."""
    name: Host | None = None
    """Name in question, name registered, or sender of a datagram or session."""
    suffix: U8 | None = None
    """Sixteenth byte of `name`: 0 workstation, 0x20 file server, 0x1b domain master browser …"""
    destination_name: Host | None = None
    """Receiver of a datagram or session."""
    scope: Host | None = None
    """Scope identifier of the name."""
    response: bool | None = None
    """The name service message is a response."""
    rcode: Word | None = None
    """Result of a response."""
    addresses: list[Ip] | None = None
    """Addresses given for the name."""
    group: bool | None = None
    """The name is a group's (a workgroup, a domain)."""
    names: list[Host] | None = None
    """All names of a node, in its status response, each with its suffix as `NAME<20>`."""
    mac: Mac | None = None
    """Hardware address in a node's status response."""
    txid: U16 | None = None
    """Transaction or datagram id."""
    mailslot: FilePath | None = None
    """Mailslot that a datagram is for, such as `\\MAILSLOT\\BROWSE`."""
    comment: FreeText | None = None
    """Comment of an announcing machine, or the master of an announced domain."""
    os_version: Software | None = None
    """System version in an announcement."""
    error: Word | None = None
    """Why a session was refused."""


def decode_name(data: bytes, pos: int) -> tuple[str, int]:
    """Name and suffix of a first-level encoded name (RFC 1001, 14.1), whose length byte is at ``pos``."""
    if _ENCODED(data, pos) is None:
        raise DissectError("expected a first-level encoded NetBIOS name")
    raw = unhexlify(data[pos + 1 : pos + 33].translate(_HALVES))
    return text(raw[:15].rstrip(b" \0")), raw[15]


def _scope(data: bytes, pos: int) -> tuple[str | None, int]:
    """Labels after a name, and the position after them; a pointer ends them."""
    labels = []
    for _ in range(8):
        need(data, pos + 1, "name")
        size = data[pos]
        pos += 1
        if size == 0:
            break
        if size >= 0xC0:
            pos += 1
            break
        labels.append(text(data[pos : pos + size]))
        pos += size
    return ".".join(labels) or None, pos


class NetbiosParser(RowParser):
    """Messages of one flow; which service it is shows in its port."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message of the name or the datagram service."""
        if _is_datagram(data):
            self._datagram(data)
        else:
            self._name_service(data, from_src)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read session packets up to the first message, which is SMB's."""
        pos = 0
        while len(data) - pos >= 4 and not self.talk.finished:
            kind = data[pos]
            if kind == 0:
                self.talk.hand_over(SMB)  # the flow stays NetBIOS; its service is SMB
                self.talk.service = SMB.name
                return pos
            size = ((data[pos + 1] & 1) << 16) | (data[pos + 2] << 8) | data[pos + 3]
            if kind not in _SESSIONS and kind != 0x85:
                raise DissectError("unknown session packet type {kind}", kind=kind)
            if size > 512:
                raise DissectError("session packet of {size} bytes is too long", size=size)
            if len(data) - pos < 4 + size:
                break
            if kind != 0x85:
                self._session(kind, data[pos + 4 : pos + 4 + size])
            pos += 4 + size
        return pos

    # ---- name service --------------------------------------------------------------------------------------------

    def _name_service(self, data: bytes, from_src: bool) -> None:
        need(data, 12, "header")
        txid, flags, asked = data[0] << 8 | data[1], data[2] << 8 | data[3], data[4] << 8 | data[5]
        additionals = data[10] << 8 | data[11]
        code = (flags >> 11) & 15
        row = Netbios(
            operation=_OPERATIONS.get(code) or f"opcode{code}", response=flags >= 0x8000, txid=txid,
        )  # fmt: skip
        if row.response:
            row.rcode = _RCODES.get(flags & 15) or f"RCODE{flags & 15}"
        row.name, row.suffix = decode_name(data, 12)
        row.scope, pos = _scope(data, 45)
        if asked:
            need(data, pos + 4, "question")
            kind = (data[pos] << 8) | data[pos + 1]
            pos += 4
            if additionals:
                _, pos = _scope(data, pos) if data[pos : pos + 1] != b"\x20" else _scope(data, pos + 33)
        if not asked or additionals:
            need(data, pos + 10, "record")
            kind = data[pos] << 8 | data[pos + 1]
            size = data[pos + 8] << 8 | data[pos + 9]
            pos += 10
            need(data, pos + size, "record data")
            self._data(data[pos : pos + size], kind, row, from_src)
        if kind == _NBSTAT:
            row.operation = "status"
        self.store_row(row)

    def _data(self, data: bytes, kind: int, row: Netbios, from_src: bool) -> None:
        """Read record data: addresses of a name, or all names of a node."""
        talk = self.talk
        if kind == _NB and len(data) >= 6:
            row.group = data[0] & 0x80 != 0
            row.addresses = [inet_ntoa(data[i + 2 : i + 6]) for i in range(0, min(len(data) - 5, 6 * _MAX_NAMES), 6)]
            if not row.group and row.name and row.suffix in {0, 0x20} and (row.rcode is None or row.rcode == "NOERROR"):
                for ip in row.addresses:
                    self.learn_name(ip, row.name, "netbios")
        elif kind == _NBSTAT and data:
            count = min(data[0], _MAX_NAMES)
            need(data, 1 + 18 * count, "name list")
            row.names = []
            for pos in range(1, 1 + 18 * count, 18):
                name = text(data[pos : pos + 15].rstrip(b" "))
                row.names.append(f"{name}<{data[pos + 15]:02x}>")
                if data[pos + 15] == 0 and not data[pos + 16] & 0x80 and name:
                    self.learn_name(talk.src_ip if from_src else talk.dst_ip, name, "netbios")
            unit = data[1 + 18 * data[0] : 7 + 18 * data[0]]
            row.mac = mac(unit) if len(unit) == 6 and unit != bytes(6) else None

    # ---- datagram service ----------------------------------------------------------------------------------------

    def _datagram(self, data: bytes) -> None:
        row = Netbios(kind="datagram", operation=_DATAGRAMS[data[0]], txid=(data[2] << 8) | data[3])
        if data[0] == 0x13:
            self.store_row(row)
            return
        pos = 10
        if data[0] < 0x13:
            row.name, row.suffix = decode_name(data, 14)
            row.scope, pos = _scope(data, 47)
            if row.name and row.suffix in {0, 0x20}:
                self.learn_name(inet_ntoa(data[4:8]), row.name, "netbios")
        row.destination_name, _ = decode_name(data, pos)
        _, pos = _scope(data, pos + 33)
        if data[pos : pos + 4] == b"\xffSMB":
            _mailslot(data, pos, row)
        self.store_row(row)

    # ---- session service -----------------------------------------------------------------------------------------

    def _session(self, kind: int, body: bytes) -> None:
        row = Netbios(kind="session", operation=_SESSIONS[kind])
        if kind == 0x81:
            row.destination_name, _ = decode_name(body, 0)
            _, pos = _scope(body, 33)
            row.name, row.suffix = decode_name(body, pos)
            if row.name:
                self.learn_name(self.talk.src_ip, row.name, "netbios")
        elif kind == 0x83 and body:
            row.error = _REFUSALS.get(body[0]) or f"error {body[0]:#04x}"
        self.store_row(row)


def _mailslot(data: bytes, pos: int, row: Netbios) -> None:
    """Read a transaction to a mailslot ([MS-CIFS] 2.2.4.33), and the browser announcement in it ([MS-BRWS])."""
    if len(data) < pos + 61 or data[pos + 4] != 0x25 or data[pos + 32] != 17:
        return
    offset = pos + int.from_bytes(data[pos + 57 : pos + 59], "little")
    wide = data[pos + 11] & 0x80  # UTF-16, aligned to two bytes
    row.mailslot = (utf16(data[pos + 70 : pos + 70 + 128]) if wide else text(data[pos + 69 : pos + 69 + 64])) or None
    if row.mailslot != "\\MAILSLOT\\BROWSE" or len(data) <= offset or offset < pos + 61:
        return
    command = data[offset]
    row.operation = _BROWSER.get(command) or f"browser{command}"
    if command in {1, 12, 15} and len(data) >= offset + 32:
        _, _, _, name, major, minor, _ = _ANNOUNCEMENT.unpack_from(data, offset)
        row.os_version = f"{major}.{minor}"
        row.comment = text(data[offset + 32 : offset + 32 + 64]) or None
        if command == 12:
            row.destination_name = text(name)
        elif row.name is None:
            row.name = text(name)


def _is_datagram(data: bytes) -> bool:
    """Whether a message is one of the datagram service: its type, and a first or second name in place."""
    if len(data) < 11 or data[0] not in _DATAGRAMS:
        return False
    if data[0] < 0x13:
        return len(data) >= 82 and _ENCODED(data, 14) is not None
    return len(data) == 11 if data[0] == 0x13 else _ENCODED(data, 10) is not None


def _probe_netbios(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise an encoded name at its place, on the service's port."""
    if talk.transport == "tcp":
        return _probe_session(data, talk)
    if talk.src_port == 138 or talk.dst_port == 138:
        return YES if _is_datagram(data) else NO
    if (talk.src_port != 137 and talk.dst_port != 137) or len(data) < 46:
        return NO
    asked, answered, others = data[4] << 8 | data[5], data[6] << 8 | data[7], data[8] << 8 | data[9]
    fits = asked <= 1 and answered <= 1 and others <= 1 and _ENCODED(data, 12) is not None
    return YES if fits and (data[2] >> 3) & 15 in _OPERATIONS else NO


def _probe_session(data: bytes, talk: Conversation) -> int:
    """Recognise a session request by its names; on port 139 also the responses to it."""
    if not data or data[0] not in _SESSIONS:
        return NO
    if data[0] != 0x81:
        if talk.src_port != 139 and talk.dst_port != 139:
            return NO
        sizes = {0x82: b"\0\0\0", 0x83: b"\0\0\1", 0x84: b"\0\0\6"}
        if data[1:4] != sizes[data[0]][: len(data) - 1]:
            return NO
        return MORE if len(data) < 4 else YES
    if len(data) < 38:
        known = b"\x81\0\0\x44\x20"
        return MORE if data[:3] == known[: min(3, len(data))] and (len(data) < 5 or data[4] == 0x20) else NO
    return YES if data[1] <= 1 and _ENCODED(data, 4) is not None and data[37] < 64 else NO


NETBIOS = Dissector(
    "netbios", "NetBIOS over TCP/UDP (RFC 1002)", ("udp", "tcp"), (137, 138, 139), (Netbios,), _probe_netbios,
    NetbiosParser, first=b"\x81",
)  # fmt: skip
