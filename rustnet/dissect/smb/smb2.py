"""SMB 2 and 3 messages ([MS-SMB2]; no RFC): the commands of a connection, each alone or compounded with others."""

import struct

from rustnet.dissect.embedded.ntlmssp import Identity
from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import utf16
from rustnet.dissect.smb.session import OpenFile, Session, Smb, bounded, set_wishes, status_name

LOOK = 8192
"""Bytes of a command that are buffered: names and authentication are at its beginning."""
LOOK_LISTING = 60_000
_HEADER = struct.Struct("<4sHHIHHIIQIIQ")
_MAX_ENTRIES = 1000
_RESPONSE, _ASYNC, _RELATED, _SIGNED = 1, 2, 4, 8
"""Flags of a header."""
_PENDING, _NO_MORE_FILES, _MORE_PROCESSING = 0x103, 0x80000006, 0xC0000016
_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT, _CREATE, _CLOSE, _READ, _WRITE = 0, 1, 3, 5, 6, 8, 9
_IOCTL, _QUERY_DIRECTORY, _SET_INFO = 11, 14, 17
_NAMED = {
    _NEGOTIATE: "NEGOTIATE", _SESSION_SETUP: "SESSION_SETUP", _TREE_CONNECT: "TREE_CONNECT", _CREATE: "CREATE",
}  # fmt: skip
"""Commands whose responses are rows even if the request was not seen."""
_SAME_FILE = b"\xff" * 16
"""Handle that refers to the file of the previous command in the same packet."""
_PIPE_WAIT, _REFERRALS, _REFERRALS_EX = 0x0011_0018, 0x0006_0194, 0x0006_01B0
"""Control codes whose input has a name."""
_TRANSCEIVE = 0x0011_C017
"""Control code that writes to a pipe and reads the answer."""
_CHANGES = {10: "RENAME", 65: "RENAME", 11: "LINK", 72: "LINK", 13: "DELETE", 64: "DELETE"}
"""By information class: what a SET_INFO does with a file's name."""
_DIALECTS = {
    0x0202: "2.0.2", 0x0210: "2.1", 0x02FF: "2.???", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1",
}  # fmt: skip
_NAMES = {1: (60, 64), 2: (60, 68), 3: (60, 94), 12: (8, 12), 37: (60, 104), 38: (60, 80)}
"""By information class: offsets of the name's length and of the name in an entry of a listing."""


class Header:
    """Header of one command; body fields are read at offsets from it."""

    __slots__ = ("command", "flags", "message", "next", "session", "status", "tree")

    def __init__(self, data: bytes) -> None:
        if len(data) < 64:
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
        ) = _HEADER.unpack_from(data)
        if magic != b"\xfeSMB" or size != 64:
            raise DissectError("expected an SMB 2 header")


class Smb2:
    """Reads the commands of one connection."""

    __slots__ = ("calls", "created", "file", "listings", "proofs", "reads", "related", "session", "writes")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.related = (0, 0)
        """Session and tree connection of the last request, which those related to it share."""
        self.file: OpenFile | None = None
        """File of the last request."""
        self.created: dict[int, OpenFile] = {}
        """Files of pending CREATE requests by message id."""
        self.proofs: dict[int, Identity] = {}
        """Names in pending SESSION_SETUP requests by message id."""
        self.reads: dict[int, OpenFile] = {}
        """Files of pending reads by message id."""
        self.writes: dict[int, tuple[OpenFile, int]] = {}
        """Files and sizes of pending writes by message id."""
        self.calls: dict[int, OpenFile] = {}
        """Pipes of pending calls by message id."""
        self.listings: dict[int, tuple[OpenFile | None, int]] = {}
        """Directory and information class of pending listings by message id."""

    def look(self, data: bytes, pos: int) -> int:
        """Bytes of the command at ``pos`` that are needed to read it; its header must be present."""
        command = data[pos + 12] | data[pos + 13] << 8
        response = data[pos + 16] & _RESPONSE
        if command == _READ:
            file = self.reads.get(int.from_bytes(data[pos + 24 : pos + 32], "little")) if response else None
        elif command == _WRITE and not response:
            handle = data[pos + 80 : pos + 96]
            file = self.file if handle == _SAME_FILE else self.session.files.get(handle)
        else:
            return LOOK_LISTING if command == _QUERY_DIRECTORY and response else LOOK
        return LOOK if file is not None and file.pipe is not None else 64 + 48

    def command(self, data: bytes, first: bool) -> int:
        """Read one command, which may be cut at `look` bytes; return the offset of the next one, 0 if there is none.

        ``first`` tells that it begins a packet.
        """
        header = Header(data)
        if header.flags & _RESPONSE:
            self._response(data, header)
        else:
            if first or not header.flags & _RELATED:
                self.file = None
            else:
                header.session, header.tree = self.related
            self.related = header.session, header.tree
            self._request(data, header)
        return int(header.next)

    # ---- requests ------------------------------------------------------------------------------------------------

    def _request(self, data: bytes, header: Header) -> None:
        command = header.command
        if command == _READ:
            file = self._file(data, 16)
            if file is not None:
                bounded(self.reads, header.message, file)
        elif command == _WRITE:
            file = self._file(data, 16)
            if file is not None:
                size = _u32(data, 4)
                file.written += size
                bounded(self.writes, header.message, (file, size))
                _feed(file, data, _u16(data, 2), size, True)
        elif command == _CLOSE:
            self.session.close_file(_handle(data, 8), self._file(data, 8), header.message)
        else:
            read = _REQUESTS.get(command)
            if read is not None:
                read(self, data, header)

    def _row(self, header: Header, command: str) -> Smb:
        session = self.session
        return Smb(
            command=command,
            share=session.trees.get((header.session, header.tree)),
            dialect=session.dialect,
            tree_id=header.tree,
            session_id=header.session,
            signed=header.flags & _SIGNED != 0,
        )

    def _file(self, data: bytes, at: int) -> OpenFile | None:
        """File whose handle is at an offset of the body; it is that of related requests after this one."""
        handle = _handle(data, at)
        if handle != _SAME_FILE:
            self.file = self.session.files.get(handle)
        return self.file

    def _connect(self, data: bytes, header: Header) -> None:
        """Read a NEGOTIATE, SESSION_SETUP or TREE_CONNECT request."""
        session = self.session
        if header.command == _NEGOTIATE:
            row = Smb(command="NEGOTIATE")
        elif header.command == _SESSION_SETUP:
            row = Smb(command="SESSION_SETUP", dialect=session.dialect, signed=header.flags & _SIGNED != 0)
            session.recall(header.session)
            session.identity.read(_buffer(data, 12, 14) or b"")
            bounded(self.proofs, header.message, session.identity)
        else:
            row = self._row(header, "TREE_CONNECT")
            row.share = _name(_buffer(data, 4, 6))
            row.tree_id = None
        session.add_request((header.message, header.command), row)

    def _create(self, data: bytes, header: Header) -> None:
        row = self._row(header, "CREATE")
        row.filename = _name(_buffer(data, 44, 46))
        if len(data) >= 64 + 44:
            set_wishes(row, _u32(data, 24), _u32(data, 36), _u32(data, 40))
        self.file = OpenFile(row)
        bounded(self.created, header.message, self.file)
        self.session.add_request((header.message, _CREATE), row)

    def _list(self, data: bytes, header: Header) -> None:
        """Read a request for a directory's entries."""
        file = self._file(data, 8)
        row = self._row(header, "QUERY_DIRECTORY")
        row.directory = file.name if file is not None else None
        row.pattern = _name(_buffer(data, 24, 26))
        bounded(self.listings, header.message, (file, data[66] if len(data) > 66 else 0))
        self.session.add_request((header.message, _QUERY_DIRECTORY), row)

    def _set_info(self, data: bytes, header: Header) -> None:
        """Read a SET_INFO that renames a file, links to it or marks it for deletion."""
        file = self._file(data, 16)
        if len(data) < 64 + 32 or data[66] != 1:
            return
        change = _CHANGES.get(data[67])
        start = _u16(data, 8)
        value = data[start : start + _u32(data, 4)]
        if change is None or (change == "DELETE" and not value[:1] > b"\0"):
            return
        row = self._row(header, change)
        row.filename = file.name if file is not None else None
        if change != "DELETE" and len(value) >= 20:
            size = int.from_bytes(value[16:20], "little")
            row.new_name = _name(_part(value, 20, size))
        self.session.add_request((header.message, _SET_INFO), row)

    def _control(self, data: bytes, header: Header) -> None:
        """Read an IOCTL that asks for a DFS referral, waits for a pipe or calls something through one."""
        code = _u32(data, 4)
        if code not in {_PIPE_WAIT, _REFERRALS, _REFERRALS_EX}:
            file = self._file(data, 8)
            if code == _TRANSCEIVE and file is not None and file.pipe is not None:
                bounded(self.calls, header.message, file)
                _feed(file, data, _u32(data, 24), _u32(data, 28), True)
            return
        value = _part(data, _u32(data, 24), _u32(data, 28)) or b""
        row = self._row(header, "PIPE_WAIT" if code == _PIPE_WAIT else "DFS_REFERRAL")
        if code == _PIPE_WAIT:
            row.filename = _name(_part(value, 14, int.from_bytes(value[8:12], "little")))
        elif code == _REFERRALS:
            row.filename = utf16(value[2:]) or None
        else:
            row.filename = _name(_part(value, 10, int.from_bytes(value[8:10], "little")))
        self.session.add_request((header.message, _IOCTL), row)

    # ---- responses -----------------------------------------------------------------------------------------------

    def _response(self, data: bytes, header: Header) -> None:
        command = header.command
        message = header.message
        if header.status == _PENDING:
            entry = self.session.waiting.rows.get((message, command))
            if entry is not None:
                entry[0].result = "PENDING"
            return
        if command in {_READ, _WRITE}:
            self._transferred(data, header)
        elif command == _CLOSE:
            self.session.closed(message)
        elif command == _IOCTL and message in self.calls:
            file = self.calls.pop(message)
            if header.status in {0, 0x80000005}:
                _feed(file, data, _u32(data, 32), _u32(data, 36), False)
        elif command == _QUERY_DIRECTORY:
            self._listed(data, header)
        else:
            self._answered(data, header)

    def _transferred(self, data: bytes, header: Header) -> None:
        """Count what was read, and what was not written after all."""
        if header.command == _READ:
            file = self.reads.pop(header.message, None)
            if file is not None and header.status in {0, 0x80000005}:
                file.read += _u32(data, 4)
                _feed(file, data, _u16(data, 2) & 0xFF, _u32(data, 4), False)
            return
        written = self.writes.pop(header.message, None)
        if written is not None:
            file, size = written
            file.written += (_u32(data, 4) if not header.status and len(data) >= 72 else size) - size
            if header.status:
                file.written -= size

    def _answered(self, data: bytes, header: Header) -> None:
        """Complete the row of the request, or create one if only the response was seen."""
        session = self.session
        command = header.command
        entry = session.waiting.take((header.message, command))
        if entry is None:
            entry = (command == _NEGOTIATE and session.take_smb1_negotiate()) or self._unasked(header)
            if entry is None:
                return
        row, ts, packet = entry
        row.result = status_name(header.status)
        row.rtt_ms = elapsed(ts, session.talk.ts) if ts else None
        if command == _NEGOTIATE and not header.status:
            dialect = _u16(data, 4)
            session.dialect = row.dialect = _DIALECTS.get(dialect) or f"{dialect:#06x}"
        elif command == _SESSION_SETUP:
            if not self._authenticated(data, header, row):
                return
        elif command == _TREE_CONNECT:
            if not header.status and not header.flags & _ASYNC:
                session.add_tree(header.session, header.tree, row.share)
                row.tree_id = header.tree
        else:
            self._place(header, row)
        if command == _CREATE:
            self._opened(data, header, row)
        session.store_row(row, ts, packet)

    def _unasked(self, header: Header) -> tuple[Smb, int, int] | None:
        """Row for a response whose request was not seen; None if such a row would contain nothing."""
        command = _NAMED.get(header.command)
        if command is None:
            return None
        if command in {"NEGOTIATE", "SESSION_SETUP"}:
            return Smb(command=command, dialect=self.session.dialect), 0, 0
        row = self._row(header, command)
        row.signed = None
        if command == "TREE_CONNECT":
            row.share = row.tree_id = None  # its number may have been that of another share
        elif header.flags & _ASYNC:
            row.share = row.tree_id = None
        return row, 0, 0

    def _authenticated(self, data: bytes, header: Header, row: Smb) -> bool:
        """Read the response to a SESSION_SETUP; false while authentication continues."""
        session = self.session
        identity = self.proofs.pop(header.message, None)
        if identity is not None:
            session.identity = identity
        else:
            session.recall(header.session)
        session.identity.read(_buffer(data, 4, 6) or b"")
        session.remember(header.session)
        if header.status == _MORE_PROCESSING:
            return False
        session.identify(row)
        row.session_id = header.session
        return True

    def _place(self, header: Header, row: Smb) -> None:
        """Set the tree connection of a request that was related to the one that created it."""
        if row.share is None and not header.flags & _ASYNC:
            share = self.session.trees.get((header.session, header.tree))
            if share is not None:
                row.share, row.tree_id, row.session_id = share, header.tree, header.session

    def _opened(self, data: bytes, header: Header, row: Smb) -> None:
        """Take the handle and the size that the response to a CREATE has."""
        file = self.created.pop(header.message, None) or OpenFile(row)
        file.share, file.tree, file.session = row.share, row.tree_id, row.session_id
        if not header.status and len(data) >= 64 + 80:
            row.size = int.from_bytes(data[64 + 48 : 64 + 56], "little")
            self.session.add_file(_handle(data, 64), file)

    def _listed(self, data: bytes, header: Header) -> None:
        """Store a row per entry of a listing, or one if there is none; the end of a longer listing needs none."""
        session = self.session
        entry = session.waiting.take((header.message, _QUERY_DIRECTORY))
        file, kind = self.listings.pop(header.message, (None, 0))
        if entry is None:
            return
        row, ts, packet = entry
        self._place(header, row)
        if file is not None and row.directory is None:
            row.directory = file.name
        if header.status == 0 and self._entries(data, row, kind):
            if file is not None:
                file.listed = True
        elif header.status != _NO_MORE_FILES or file is None or not file.listed:
            row.result = status_name(header.status)
            row.rtt_ms = elapsed(ts, session.talk.ts)
            session.store_row(row, ts, packet)

    def _entries(self, data: bytes, asked: Smb, kind: int) -> bool:
        """Store a row per entry of a listing; that of an empty directory contains `.` and `..`."""
        where = _NAMES.get(kind)
        if where is None or len(data) < 72:
            return False
        at_size, at_name = where
        pos = _u16(data, 2)
        end = min(pos + _u32(data, 4), len(data))
        any_stored = False
        for _ in range(_MAX_ENTRIES):
            if pos + at_name > end:
                break
            size = int.from_bytes(data[pos + at_size : pos + at_size + 4], "little")
            name = utf16(data[pos + at_name : pos + at_name + size])
            if pos + at_name + size > end:
                break
            if name:
                row = Smb(command="QUERY_DIRECTORY", filename=name, directory=asked.directory, pattern=asked.pattern)
                row.share, row.dialect = asked.share, asked.dialect
                row.tree_id, row.session_id, row.signed = asked.tree_id, asked.session_id, asked.signed
                row.size = int.from_bytes(data[pos + 40 : pos + 48], "little") if kind != 12 else None
                row.result = "SUCCESS"
                self.session.store_row(row)
                any_stored = True
            step = int.from_bytes(data[pos : pos + 4], "little")
            if step == 0:
                break
            pos += step
        return any_stored


_REQUESTS = {
    _NEGOTIATE: Smb2._connect, _SESSION_SETUP: Smb2._connect, _TREE_CONNECT: Smb2._connect, _CREATE: Smb2._create,
    _QUERY_DIRECTORY: Smb2._list, _SET_INFO: Smb2._set_info, _IOCTL: Smb2._control,
}  # fmt: skip


def _u16(data: bytes, at: int) -> int:
    """Number at an offset in the body."""
    return int.from_bytes(data[64 + at : 66 + at], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[64 + at : 68 + at], "little")


def _feed(file: OpenFile, data: bytes, start: int, size: int, from_client: bool) -> None:
    """Read contents of a pipe, at an offset from the header."""
    if file.pipe is not None:
        file.pipe.feed(data[start : start + size], size, from_client)


def _handle(data: bytes, at: int) -> bytes:
    return data[64 + at : 80 + at]


def _part(data: bytes, start: int, size: int) -> bytes | None:
    """Bytes at an offset; None if not all of them are present."""
    return data[start : start + size] if start + size <= len(data) else None


def _buffer(data: bytes, at_offset: int, at_size: int) -> bytes | None:
    """Bytes of a command whose offset (from the header) and length are stored at these offsets of the body."""
    if len(data) < 64 + max(at_offset, at_size) + 2:
        return None
    return _part(data, _u16(data, at_offset), _u16(data, at_size))


def _name(raw: bytes | None) -> str | None:
    return None if raw is None else utf16(raw)
