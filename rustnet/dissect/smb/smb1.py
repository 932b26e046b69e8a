"""SMB 1, or CIFS, messages ([MS-CIFS], [MS-SMB]; no RFC): one message of a connection with its chained commands."""

import struct

from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text, utf16
from rustnet.dissect.smb.session import OpenFile, Session, Smb, bounded, set_wishes, status_name

LOOK = 8192
"""Bytes of a message that are buffered."""
_HEADER = struct.Struct("<4sBIBHH8sHHHHH")
_MAX_CHAIN = 8
_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT, _NT_CREATE, _OPEN = 0x72, 0x73, 0x75, 0xA2, 0x2D
_READ, _WRITE, _CLOSE, _DELETE, _RENAME = 0x2E, 0x2F, 0x04, 0x06, 0x07
_TRANS, _TRANS2, _NT_TRANSACT, _NT_RENAME, _OLD_CONNECT = 0x25, 0x32, 0xA0, 0xA5, 0x70
_TRANSACTIONS = (_TRANS, _TRANS2, _NT_TRANSACT)
_CONNECTS = (_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT, _OLD_CONNECT)
"""Commands outside of a share."""
_ALONE = (_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT, _NT_CREATE)
"""Commands whose responses are rows even if the request was not seen."""
_OLD_READ, _OLD_WRITE = 0x0A, 0x0B
_CHAINED = (_SESSION_SETUP, _TREE_CONNECT, _NT_CREATE, _OPEN, _READ, _WRITE, 0x24, 0x74)
_COMMANDS = {
    0x00: "CREATE_DIRECTORY", 0x01: "DELETE_DIRECTORY", 0x02: "OPEN", 0x03: "CREATE", _DELETE: "DELETE",
    _RENAME: "RENAME", 0x08: "QUERY_INFO", 0x09: "SET_INFO", 0x0E: "CREATE", 0x0F: "CREATE", 0x10: "CHECK_DIRECTORY",
    0x29: "COPY", 0x2A: "RENAME", _OPEN: "OPEN", _OLD_CONNECT: "TREE_CONNECT", _NT_CREATE: "CREATE",
    _NEGOTIATE: "NEGOTIATE", _SESSION_SETUP: "SESSION_SETUP", _TREE_CONNECT: "TREE_CONNECT", 0x81: "QUERY_DIRECTORY",
    0x82: "QUERY_DIRECTORY", 0x83: "QUERY_DIRECTORY", _TRANS: "TRANSACTION", _TRANS2: "TRANS2",
    _NT_TRANSACT: "NT_TRANSACT", _NT_RENAME: "RENAME", 0xC0: "OPEN_PRINT_FILE",
}  # fmt: skip
_TWO_NAMES = (_RENAME, _NT_RENAME, 0x29, 0x2A)
_OPENS = {_NT_CREATE: 5, _OPEN: 4, 0x02: 0, 0x03: 0, 0x0E: 0, 0x0F: 0, 0xC0: 0}
"""By command: offset of the handle in the words of its response."""
_TRANS2_PATHS = {
    0: (28, "OPEN"),
    1: (12, "QUERY_DIRECTORY"),
    5: (6, "QUERY_INFO"),
    6: (6, "SET_INFO"),
    13: (4, "CREATE_DIRECTORY"),
    16: (2, "DFS_REFERRAL"),
}
"""By subcommand of a transaction: offset of the path in its parameters, and its operation."""
_SET_FILE_INFO = 8
_CHANGES = {0x102: "DELETE", 1013: "DELETE", 1010: "RENAME", 1011: "LINK"}
"""By level of information: what a transaction does with an open file's name."""
_TRANSACT_PIPE, _WAIT_PIPE = 0x26, 0x53
_MESSAGE = 0xC
"""Mode of a write: the first part of a message."""


class Header:
    """Header of one message."""

    __slots__ = ("command", "flags", "mid", "pid", "status", "tree", "user", "whole", "wide")

    def __init__(self, data: bytes, whole: bool) -> None:
        if len(data) < 32:
            raise DissectError("truncated SMB 1 header")
        magic, self.command, self.status, self.flags, flags2, _, _, _, self.tree, self.pid, self.user, self.mid = (
            _HEADER.unpack_from(data)
        )
        if magic != b"\xffSMB":
            raise DissectError("expected an SMB 1 header")
        self.wide = flags2 & 0x8000 != 0
        self.whole = whole
        """No bytes of the message are missing."""
        if not flags2 & 0x4000 and self.status:  # a DOS class and code
            self.status = 0xF0000000 | self.status


class Smb1:
    """Reads the messages of one connection."""

    __slots__ = ("calls", "created", "dialects", "file", "reads", "session", "writes")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialects: list[str] = []
        """Dialects that the client offers."""
        self.file: OpenFile | None = None
        """File that an earlier command of the same message opens."""
        self.created: dict[tuple[int, int], OpenFile] = {}
        """Files of pending requests to open one, by the request's key."""
        self.calls: dict[int, OpenFile] = {}
        """Pipes of pending calls by key."""
        self.reads: dict[int, OpenFile] = {}
        """Files of pending reads by key."""
        self.writes: dict[int, tuple[OpenFile, int]] = {}
        """Files and sizes of pending writes by key."""

    def packet(self, data: bytes, whole: bool = True) -> None:
        """Read one message, which may be cut at `LOOK`, or lack more if it is not ``whole``."""
        header = Header(data, whole)
        if whole:
            data += bytes(max(0, 35 - len(data)))  # some servers omit empty counts
        self.file = None
        command, pos = header.command, 32
        for _ in range(_MAX_CHAIN):
            if pos + 3 > len(data):
                return
            words = data[pos + 1 : pos + 1 + 2 * data[pos]]
            start = pos + 3 + 2 * data[pos]
            if header.flags & 0x80:
                self._response(data, header, command, words, start)
            else:
                self._request(data, header, command, words, start)
            if command not in _CHAINED or len(words) < 4 or words[0] == 0xFF:
                return
            command, after = words[0], int.from_bytes(words[2:4], "little")
            if after <= pos:
                return
            pos = after

    # ---- requests ------------------------------------------------------------------------------------------------

    def _request(self, data: bytes, header: Header, command: int, words: bytes, start: int) -> None:
        """Read one command of a request; ``words`` are its parameters, ``start`` is the offset of its data."""
        session = self.session
        key = _key(header)
        if command in {_READ, _OLD_READ}:
            file = self._file(words[4:6] if command == _READ else words[:2])
            if file is not None:
                bounded(self.reads, key, file)
        elif command in {_WRITE, _OLD_WRITE}:
            file = self._file(words[4:6] if command == _WRITE else words[:2])
            if file is not None:
                size = _u16(words, 20) | _u16(words, 18) << 16 if command == _WRITE else _u16(words, 2)
                file.written += size
                bounded(self.writes, key, (file, size))
                if file.pipe is not None and command == _WRITE:
                    ahead = 2 if _u16(words, 14) & _MESSAGE == _MESSAGE else 0  # the length of the message
                    _feed(file, data, _u16(words, 22) + ahead, size - ahead, True)
        elif command == _CLOSE:
            session.close_file(words[:2], self._file(words[:2]), key)
        elif command in _COMMANDS:
            row = Smb(command=_COMMANDS[command], share=session.trees.get((0, header.tree)), dialect=session.dialect)
            row.tree_id = header.tree if command not in _CONNECTS else None
            if self._name(data, header, command, words, start, row):
                if command in _OPENS or row.command == "OPEN" or command == _NT_TRANSACT:
                    self.file = OpenFile(row)
                    bounded(self.created, (key, command), self.file)
                session.add_request((key, command), row)

    def _file(self, handle: bytes) -> OpenFile | None:
        return self.file or self.session.files.get(handle)

    def _name(self, data: bytes, header: Header, command: int, words: bytes, start: int, row: Smb) -> bool:
        """Set the names in a command; false if it has none."""
        if command == _NEGOTIATE:
            self.dialects = [text(d, 64).removeprefix("\2") for d in data[start:].split(b"\0")[:32] if d]
        elif command == _SESSION_SETUP:
            self._setup(data, header, words, start, row)
        elif command == _TREE_CONNECT:
            password = _u16(words, 6)
            self.session.talk.keep_secret(data[start : start + password].rstrip(b"\0"))
            row.share, _ = _string(data, start + password, header)
        elif command == _OLD_CONNECT:
            row.share, pos = _string(data, start + 1, header)
            password = data.find(b"\0", pos + 1, pos + 256)
            self.session.talk.keep_secret(data[pos + 1 : password if password >= 0 else pos + 256])
        elif command == _TRANS:
            self._call(data, header, words)
            return _named_pipe(data, header, words, start, row)
        elif command == _TRANS2:
            return self._transaction(data, header, words, row)
        elif command == _NT_TRANSACT:
            return _create(data, header, words, row)
        else:
            return _path(data, header, command, words, start, row)
        return True

    def _call(self, data: bytes, header: Header, words: bytes) -> None:
        """Read a transaction that writes to an open pipe and reads the answer."""
        file = self._file(words[30:32]) if len(words) >= 32 and _u16(words, 28) == _TRANSACT_PIPE else None
        if file is not None and file.pipe is not None:
            bounded(self.calls, _key(header), file)
            _feed(file, data, _u16(words, 24), _u16(words, 22), True)

    def _setup(self, data: bytes, header: Header, words: bytes, start: int, row: Smb) -> None:
        """Read a SESSION_SETUP_ANDX in its three forms, which have different numbers of words."""
        session = self.session
        session.recall(header.user)
        identity = session.identity
        first = _u16(words, 14)
        if len(words) == 24:
            identity.read(data[start : start + first])
            row.client_os, _ = _string(data, start + first, header)
            return
        second = _u16(words, 16) if len(words) == 26 else 0
        identity.username, pos = _string(data, start + first + second, header)
        identity.domain, pos = _string(data, pos, header)
        row.client_os, _ = _string(data, pos, header)

    def _transaction(self, data: bytes, header: Header, words: bytes, row: Smb) -> bool:
        """Read the path in a transaction's parameters; false if it has none."""
        if len(words) < 30:
            return False
        subcommand = _u16(words, 28)
        start = _u16(words, 20)
        content = data[_u16(words, 24) :][: _u16(words, 22)]
        where = _TRANS2_PATHS.get(subcommand)
        if where is not None:
            row.command = where[1]
            path, _ = _string(data, start + where[0], header)
            if row.command == "QUERY_DIRECTORY":
                row.pattern = path
            else:
                row.filename = path
            if row.command == "SET_INFO":
                _change(row, _u16(data, start), content)
            return True
        if subcommand != _SET_FILE_INFO:
            return False
        file = self._file(data[start : start + 2])
        row.filename = file.name if file is not None else None
        return _change(row, _u16(data, start + 2), content)

    # ---- responses -----------------------------------------------------------------------------------------------

    def _response(self, data: bytes, header: Header, command: int, words: bytes, start: int) -> None:
        session = self.session
        key = _key(header)
        if command in {_READ, _OLD_READ}:
            file = self.reads.pop(key, None)
            if file is not None:
                size = _u16(words, 10) | _u16(words, 14) << 16 if command == _READ else _u16(words, 0)
                file.read += size
                if file.pipe is not None and command == _READ:
                    _feed(file, data, _u16(words, 12), size, False)
        elif command in {_WRITE, _OLD_WRITE}:
            written = self.writes.pop(key, None)
            if written is not None and header.status:
                written[0].written -= written[1]
        elif command == _CLOSE:
            session.closed(key)
        elif command == _TRANS and key in self.calls:
            if words:  # else more of the request is to follow
                _feed(self.calls.pop(key), data, _u16(words, 14), _u16(words, 12), False)
        elif command not in _TRANSACTIONS or words or header.status:  # else more of the request is to follow
            self._answered(data, header, command, words, start)

    def _answered(self, data: bytes, header: Header, command: int, words: bytes, start: int) -> None:
        """Complete the row of the request, or create one if only the response was seen."""
        session = self.session
        entry = session.waiting.take((_key(header), command))
        if entry is None:
            if command not in _ALONE:
                return
            entry = (Smb(command=_COMMANDS[command], dialect=session.dialect), 0, 0)
        row, ts, packet = entry
        row.result = status_name(header.status) if header.status < 0xF0000000 else f"dos_{header.status & 0xFFFFFFF:#x}"
        row.rtt_ms = elapsed(ts, session.talk.ts) if ts else None
        if command == _SESSION_SETUP and not self._authenticated(data, header, words, start, row):
            return
        file = self.created.pop((_key(header), command), None)
        if row.share is None and command not in _CONNECTS:
            share = session.trees.get((0, header.tree))  # of a command chained to the one that connects it
            if share is not None:
                row.share, row.tree_id = share, header.tree
        if not header.status:
            self._granted(data, header, command, words, row, file)
        session.store_row(row, ts, packet)

    def _granted(
        self, data: bytes, header: Header, command: int, words: bytes, row: Smb, file: OpenFile | None
    ) -> None:
        """Read what a response grants: a dialect, a tree, a file."""
        session = self.session
        if command == _NEGOTIATE and len(words) >= 2:
            chosen = _u16(words, 0)
            session.dialect = row.dialect = self.dialects[chosen] if chosen < len(self.dialects) else None
        elif command in {_TREE_CONNECT, _OLD_CONNECT}:
            row.tree_id = header.tree if command == _TREE_CONNECT else _u16(words, 2)
            session.add_tree(0, row.tree_id, row.share)
        elif file is not None:
            file.share, file.tree = row.share, row.tree_id
            handle = _granted_file(data, command, words, row)
            if len(handle) == 2:
                session.add_file(handle, file)

    def _authenticated(self, data: bytes, header: Header, words: bytes, start: int, row: Smb) -> bool:
        """Read the response to a session setup; false while authentication continues."""
        session = self.session
        pos = start
        if len(words) == 8:
            size = _u16(words, 6)
            session.identity.read(data[start : start + size])
            pos += size
        session.remember(header.user)
        if header.status == 0xC0000016:
            return False
        row.server_os = _string(data, pos, header)[0] or None
        session.identify(row)
        return True


def _key(header: Header) -> int:
    return int(header.mid << 16 | header.pid)


def _feed(file: OpenFile, data: bytes, start: int, size: int, from_client: bool) -> None:
    """Read contents of a pipe, at an offset from the header."""
    if file.pipe is not None:
        file.pipe.feed(data[start : start + size], size, from_client)


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _string(data: bytes, pos: int, header: Header) -> tuple[str | None, int]:
    """A string that ends with NUL, and the position after it; wide strings are aligned to the header.

    It is None if the rest of it is missing.
    """
    if not header.wide:
        end = data.find(b"\0", pos, pos + 1024)
        if end < 0 and len(data) < pos + 1024 and not header.whole:
            return None, len(data)
        end = end if end >= 0 else min(len(data), pos + 1024)
        return text(data[pos:end]), end + 1
    if pos & 1 and not (data[pos : pos + 2].endswith(b"\0") and data[pos] and data[pos + 2 : pos + 3] > b"\0"):
        pos += 1  # else the sender, such as Impacket, does not align it
    raw = data[pos : pos + 1024]
    end = raw.find(b"\0\0")
    while end >= 0 and end & 1:
        end = raw.find(b"\0\0", end + 1)
    if end < 0 and len(raw) < 1024 and not header.whole:
        return None, len(data)
    end = end if end >= 0 else len(raw) & ~1
    return utf16(raw[:end]), pos + end + 2


def _path(data: bytes, header: Header, command: int, words: bytes, start: int, row: Smb) -> bool:
    """Read the paths of a command; false if it continues a listing, without one."""
    if command in {_NT_CREATE, _OPEN}:
        row.filename, _ = _string(data, start, header)
        if command == _NT_CREATE and len(words) >= 43:
            set_wishes(row, _u32(words, 15), _u32(words, 35), _u32(words, 39))
        return True
    path, pos = _string(data, start + 1, header)
    if row.command == "QUERY_DIRECTORY":
        row.pattern = path
        return path != ""
    row.filename = path
    if command in _TWO_NAMES:
        row.new_name, _ = _string(data, pos + 1, header)
    return True


def _named_pipe(data: bytes, header: Header, words: bytes, start: int, row: Smb) -> bool:
    """Read the name of a pipe or mailslot; false if the transaction names none, as those of an open pipe."""
    name, _ = _string(data, start, header)
    if name is None or name.upper().rstrip("\\") in {"", "\\PIPE"}:
        return False
    row.filename = name
    if _u16(words, 28) == _WAIT_PIPE and len(words) >= 30:
        row.command = "PIPE_WAIT"
    return True


def _create(data: bytes, header: Header, words: bytes, row: Smb) -> bool:
    """Read a transaction that creates a file; false if it does something else."""
    if len(words) < 38 or _u16(words, 36) != 1:
        return False
    start = _u32(words, 23)
    row.command = "CREATE"
    at = start + 53
    at += at & 1 if header.wide else 0
    row.filename, _ = _string(data[: at + _u32(data, start + 44)], at, header)
    set_wishes(row, _u32(data, start + 8), _u32(data, start + 28), _u32(data, start + 32))
    return True


def _change(row: Smb, level: int, content: bytes) -> bool:
    """Read information to be set, if it changes a file's name or marks the file for deletion."""
    change = _CHANGES.get(level)
    if change is None or (change == "DELETE" and not content[:1] > b"\0"):
        return False
    row.command = change
    if change != "DELETE" and len(content) >= 12:
        size = _u32(content, 8)
        row.new_name = utf16(content[12 : 12 + size]) if len(content) >= 12 + size else None
    return True


def _granted_file(data: bytes, command: int, words: bytes, row: Smb) -> bytes:
    """Handle of an opened file; sets its size."""
    if command == _NT_TRANSACT:
        start = _u32(words, 15)
        if len(data) >= start + 64:
            row.size = int.from_bytes(data[start + 56 : start + 64], "little")
        return data[start + 2 : start + 4]
    if command == _TRANS2:
        start = _u16(words, 8)
        if len(data) >= start + 12:
            row.size = _u32(data, start + 8)
        return data[start : start + 2]
    if command == _NT_CREATE and len(words) >= 63:
        row.size = int.from_bytes(words[55:63], "little")
    at = _OPENS[command]
    return words[at : at + 2]
