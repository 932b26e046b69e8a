"""SMB 2 and 3 messages ([MS-SMB2]; no RFC): one packet of a connection, with all commands compounded in it."""

import struct

from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import utf16
from rustnet.dissect.smb.session import Session, Smb, status_name

LOOK = 8192
"""Bytes of a packet that are buffered: names and authentication are at its beginning."""
LOOK_LISTING = 60_000
_HEADER = struct.Struct("<4sHHIHHIIQIIQ")
_MAX_COMMANDS = 32
_MAX_ENTRIES = 1000
_PENDING, _MORE_PROCESSING = 0x103, 0xC0000016
_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT, _CREATE, _CLOSE, _READ, _WRITE = 0, 1, 3, 5, 6, 8, 9
_QUERY_DIRECTORY, _SET_INFO = 14, 17
_SAME_FILE = b"\xff" * 16
"""Handle that refers to the file of the previous command in the same packet."""
_DIALECTS = {
    0x0202: "2.0.2", 0x0210: "2.1", 0x02FF: "2.???", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1",
}  # fmt: skip
_DISPOSITIONS = ("supersede", "open", "create", "open_if", "overwrite", "overwrite_if")
_ACCESS = (
    (0x1000_0000, "full"), (0x8000_0001, "read"), (0x4000_0002, "write"), (0x4, "append"), (0x2000_0020, "execute"),
    (0x0001_0000, "delete"), (0x0004_0000, "change_permissions"), (0x0008_0000, "take_ownership"),
    (0x0200_0000, "maximum"),
)  # fmt: skip
_NAMES = {1: (60, 64), 2: (60, 68), 3: (60, 94), 12: (8, 12), 37: (60, 104), 38: (60, 80)}
"""By information class: offsets of the name's length and of the name in an entry of a listing."""


class Header:
    """Header of one command; body fields are read at offsets from it."""

    __slots__ = ("command", "flags", "message", "next", "session", "status", "tree")

    def __init__(self, data: bytes, pos: int) -> None:
        if len(data) < pos + 64:
            raise DissectError("truncated SMB 2 header")
        (
            magic,
            size,
            _,
            self.status,
            self.command,
            _,
            self.flags,
            self.next,
            self.message,
            _,
            self.tree,
            self.session,
        ) = _HEADER.unpack_from(data, pos)
        if magic != b"\xfeSMB" or size != 64:
            raise DissectError("expected an SMB 2 header")


def look(data: bytes, pos: int) -> int:
    """Bytes of the packet at ``pos`` that are needed to read it; its first 20 must be present."""
    command = data[pos + 12] | data[pos + 13] << 8
    response = data[pos + 16] & 1
    if command == _READ or (command == _WRITE and not response):
        return 64 + 48
    return LOOK_LISTING if command == _QUERY_DIRECTORY and response else LOOK


class Smb2:
    """Reads the packets of one connection."""

    __slots__ = ("listings", "reads", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.reads: dict[int, bytes] = {}
        """Handles of pending reads by message id."""
        self.listings: dict[int, tuple[bytes, int]] = {}
        """Handle and information class of pending listings by message id."""

    def packet(self, data: bytes) -> None:
        """Read one packet, which may be truncated to `look` bytes."""
        pos = 0
        before: str | None = None
        for _ in range(_MAX_COMMANDS):
            header = Header(data, pos)
            end = pos + header.next if header.next else len(data)
            one = data[pos:end]
            if header.flags & 1:
                self._response(one, header)
            else:
                before = self._request(one, header, before)
            pos = end
            if not header.next or pos + 64 > len(data):
                break

    # ---- requests ------------------------------------------------------------------------------------------------

    def _request(self, data: bytes, header: Header, before: str | None) -> str | None:
        """Read a request; return the file name that a related command after it refers to."""
        command = header.command
        if command == _CREATE:
            return self._create(data, header)
        if command == _READ:
            _bounded(self.reads, header.message, _handle(data, 16))
        elif command == _WRITE:
            file = self.session.files.get(_handle(data, 16))
            if file is not None:
                file.written += _u32(data, 4)
        elif command == _QUERY_DIRECTORY:
            _bounded(self.listings, header.message, (_handle(data, 8), data[66] if len(data) > 66 else 0))
        elif command == _SET_INFO:
            self._set_info(data, header, before)
        elif command == _CLOSE:
            self.session.close_file(_handle(data, 8))
        elif command in {_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT}:
            self._connect(data, header)
        return before

    def _row(self, header: Header, command: str) -> Smb:
        session = self.session
        return Smb(
            command=command,
            share=session.trees.get(header.tree),
            dialect=session.dialect,
            tree_id=header.tree,
            session_id=header.session,
            signed=header.flags & 8 != 0,
        )

    def _connect(self, data: bytes, header: Header) -> None:
        """Read a NEGOTIATE, SESSION_SETUP or TREE_CONNECT request."""
        session = self.session
        if header.command == _NEGOTIATE:
            row = Smb(command="NEGOTIATE")
        elif header.command == _SESSION_SETUP:
            row = Smb(command="SESSION_SETUP", dialect=session.dialect, signed=header.flags & 8 != 0)
            session.identity.read(_buffer(data, 12, 14))
        else:
            row = self._row(header, "TREE_CONNECT")
            row.share = utf16(_buffer(data, 4, 6))
        session.add_request((header.message, header.command), row)

    def _create(self, data: bytes, header: Header) -> str:
        row = self._row(header, "CREATE")
        name = row.filename = utf16(_buffer(data, 44, 46))
        wanted = _u32(data, 24)
        row.access = ",".join(word for bits, word in _ACCESS if wanted & bits) or None
        disposition = _u32(data, 36)
        row.disposition = _DISPOSITIONS[disposition] if disposition < len(_DISPOSITIONS) else None
        row.delete_on_close = _u32(data, 40) & 0x1000 != 0
        self.session.add_request((header.message, _CREATE), row)
        return name

    def _set_info(self, data: bytes, header: Header, before: str | None) -> None:
        """Read a SET_INFO that renames a file or marks it for deletion."""
        if len(data) < 64 + 32 or data[66] != 1 or data[67] not in {10, 13, 64, 65}:
            return
        handle = _handle(data, 16)
        file = self.session.files.get(handle)
        start = _u16(data, 8)
        value = data[start : start + _u32(data, 4)]
        renames = data[67] in {10, 65}
        if not renames and not value[:1] > b"\0":
            return
        row = self._row(header, "RENAME" if renames else "DELETE")
        row.filename = file.name if file is not None else before if handle == _SAME_FILE else None
        if renames and len(value) >= 20:
            size = int.from_bytes(value[16:20], "little")
            row.new_name = utf16(value[20 : 20 + size])
        self.session.add_request((header.message, _SET_INFO), row)

    # ---- responses -----------------------------------------------------------------------------------------------

    def _response(self, data: bytes, header: Header) -> None:
        if header.status == _PENDING:
            return
        command = header.command
        if command == _READ:
            file = self.session.files.get(self.reads.pop(header.message, b""))
            if file is not None and header.status in {0, 0x80000005}:
                file.read += _u32(data, 4)
        elif command == _QUERY_DIRECTORY:
            listing = self.listings.pop(header.message, None)
            if listing is not None and header.status == 0:
                self._entries(data, header, *listing)
        else:
            self._answered(data, header)

    def _answered(self, data: bytes, header: Header) -> None:
        """Complete the row of the request, or create one if only the response was seen."""
        session = self.session
        command = header.command
        entry = session.waiting.take((header.message, command))
        if entry is None:
            if command != _NEGOTIATE:
                return
            entry = session.take_smb1_negotiate() or (Smb(command="NEGOTIATE"), 0, 0)
        row, ts, packet = entry
        row.result = status_name(header.status)
        row.rtt_ms = elapsed(ts, session.talk.ts) if ts else None
        if command == _NEGOTIATE and not header.status:
            dialect = _u16(data, 4)
            session.dialect = row.dialect = _DIALECTS.get(dialect) or f"{dialect:#06x}"
        elif command == _SESSION_SETUP:
            session.identity.read(_buffer(data, 4, 6))
            if header.status == _MORE_PROCESSING:
                return
            session.identify(row)
            row.session_id = header.session
        elif command == _TREE_CONNECT and not header.status:
            session.add_tree(header.tree, row.share or "")
            row.tree_id = header.tree
        elif command == _CREATE and not header.status and len(data) >= 64 + 80:
            row.size = int.from_bytes(data[64 + 48 : 64 + 56], "little")
            session.add_file(_handle(data, 64), row.filename or "", row.tree_id or 0)
        session.store_row(row, ts, packet)

    def _entries(self, data: bytes, header: Header, handle: bytes, kind: int) -> None:
        """Store a row per entry of a listing; that of an empty directory contains `.` and `..`."""
        session = self.session
        where = _NAMES.get(kind)
        if where is None or len(data) < 72:
            return
        at_size, at_name = where
        start = _u16(data, 2)
        pos = start
        end = min(start + _u32(data, 4), len(data))
        file = session.files.get(handle)
        for _ in range(_MAX_ENTRIES):
            if pos + at_name > end:
                break
            size = int.from_bytes(data[pos + at_size : pos + at_size + 4], "little")
            name = utf16(data[pos + at_name : min(pos + at_name + size, end)])
            if name:
                row = self._row(header, "QUERY_DIRECTORY")
                row.filename = name
                row.directory = file.name if file is not None else None
                row.size = int.from_bytes(data[pos + 40 : pos + 48], "little") if kind != 12 else None
                row.result = "SUCCESS"
                session.store_row(row)
            step = int.from_bytes(data[pos : pos + 4], "little")
            if step == 0:
                break
            pos += step


def _bounded(waiting: dict[int, bytes] | dict[int, tuple[bytes, int]], message: int, value: object) -> None:
    if len(waiting) >= 512:
        del waiting[next(iter(waiting))]
    waiting[message] = value  # type: ignore[assignment]


def _u16(data: bytes, at: int) -> int:
    """Number at an offset in the body."""
    return int.from_bytes(data[64 + at : 66 + at], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[64 + at : 68 + at], "little")


def _handle(data: bytes, at: int) -> bytes:
    return data[64 + at : 80 + at]


def _buffer(data: bytes, at_offset: int, at_size: int) -> bytes:
    """Bytes of a command whose offset (from the header) and length are stored at these offsets of the body."""
    start = _u16(data, at_offset)
    return data[start : start + _u16(data, at_size)]
