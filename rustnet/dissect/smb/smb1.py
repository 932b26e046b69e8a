"""SMB 1, or CIFS, messages ([MS-CIFS], [MS-SMB]; no RFC): one message of a connection with its chained commands."""

import struct

from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text, utf16
from rustnet.dissect.smb.session import Session, Smb, status_name

LOOK = 8192
"""Bytes of a message that are buffered."""
_HEADER = struct.Struct("<4sBIBHH8sHHHHH")
_MAX_CHAIN = 8
_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT, _NT_CREATE, _OPEN = 0x72, 0x73, 0x75, 0xA2, 0x2D
_READ, _WRITE, _CLOSE, _TRANS2, _DELETE, _RENAME = 0x2E, 0x2F, 0x04, 0x32, 0x06, 0x07
_CHAINED = (_SESSION_SETUP, _TREE_CONNECT, _NT_CREATE, _OPEN, _READ, _WRITE, 0x24, 0x74)
_COMMANDS = {
    0x00: "CREATE_DIRECTORY", 0x01: "DELETE_DIRECTORY", 0x02: "OPEN", 0x03: "CREATE", _DELETE: "DELETE",
    _RENAME: "RENAME", 0x08: "QUERY_INFO", 0x0A: "READ", 0x10: "CHECK_DIRECTORY", _OPEN: "OPEN", _NT_CREATE: "CREATE",
    _NEGOTIATE: "NEGOTIATE", _SESSION_SETUP: "SESSION_SETUP", _TREE_CONNECT: "TREE_CONNECT", _TRANS2: "TRANS2",
}  # fmt: skip
_BY_NAME = (0x00, 0x01, 0x02, 0x03, _DELETE, _RENAME, 0x08, 0x10)
"""Commands whose data is a buffer format byte and a path."""
_TRANS2_PATHS = {
    0: (28, "OPEN"),
    1: (12, "QUERY_DIRECTORY"),
    5: (6, "QUERY_INFO"),
    6: (6, "SET_INFO"),
    13: (4, "CREATE_DIRECTORY"),
}
"""By subcommand of a transaction: offset of the path in its parameters, and its operation."""
_DISPOSITIONS = ("supersede", "open", "create", "open_if", "overwrite", "overwrite_if")


class Header:
    """Header of one message."""

    __slots__ = ("command", "flags", "mid", "pid", "status", "tree", "user", "wide")

    def __init__(self, data: bytes) -> None:
        if len(data) < 32:
            raise DissectError("truncated SMB 1 header")
        magic, self.command, self.status, self.flags, flags2, _, _, _, self.tree, self.pid, self.user, self.mid = (
            _HEADER.unpack_from(data)
        )
        if magic != b"\xffSMB":
            raise DissectError("expected an SMB 1 header")
        self.wide = flags2 & 0x8000 != 0
        if not flags2 & 0x4000 and self.status:  # a DOS class and code
            self.status = 0xF0000000 | self.status


class Smb1:
    """Reads the messages of one connection."""

    __slots__ = ("dialects", "reads", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dialects: list[str] = []
        """Dialects that the client offers."""
        self.reads: dict[int, bytes] = {}
        """Handles of pending reads by multiplex id."""

    def packet(self, data: bytes) -> None:
        """Read one message, which may be cut at `LOOK`."""
        header = Header(data)
        data += bytes(max(0, 35 - len(data)))  # some servers omit empty counts
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
        if command == _READ:
            if len(self.reads) >= 512:
                del self.reads[next(iter(self.reads))]
            self.reads[header.mid] = words[4:6]
        elif command == _WRITE:
            file = session.files.get(words[4:6])
            if file is not None:
                file.written += int.from_bytes(words[20:22], "little")
        elif command == _CLOSE:
            session.close_file(words[:2])
        elif command in _COMMANDS:
            row = Smb(command=_COMMANDS[command], share=session.trees.get(header.tree), dialect=session.dialect)
            row.tree_id = header.tree if command not in {_NEGOTIATE, _SESSION_SETUP} else None
            if self._name(data, header, command, words, start, row):
                session.add_request((_key(header), command), row)

    def _name(self, data: bytes, header: Header, command: int, words: bytes, start: int, row: Smb) -> bool:
        """Set the names in a command; false if it has none."""
        if command == _NEGOTIATE:
            self.dialects = [text(d, 64).removeprefix("\2") for d in data[start:].split(b"\0")[:32] if d]
        elif command == _SESSION_SETUP:
            self._setup(data, header, words, start, row)
        elif command == _TREE_CONNECT:
            password = int.from_bytes(words[6:8], "little")
            self.session.talk.keep_secret(data[start : start + password].rstrip(b"\0"))
            row.share, _ = _string(data, start + password, header.wide)
        elif command in {_NT_CREATE, _OPEN}:
            row.filename, _ = _string(data, start, header.wide)
            wish = int.from_bytes(words[35:39], "little")
            row.disposition = _DISPOSITIONS[wish] if command == _NT_CREATE and wish < len(_DISPOSITIONS) else None
        elif command in _BY_NAME:
            row.filename, pos = _string(data, start + 1, header.wide)
            if command == _RENAME:
                row.new_name, _ = _string(data, pos + 1, header.wide)
        elif command == _TRANS2:
            return _transaction(data, header, words, row)
        return True

    def _setup(self, data: bytes, header: Header, words: bytes, start: int, row: Smb) -> None:
        """Read a SESSION_SETUP_ANDX in its three forms, which have different numbers of words."""
        identity = self.session.identity
        first = int.from_bytes(words[14:16], "little")
        if len(words) == 24:
            identity.read(data[start : start + first])
            row.client_os, _ = _string(data, start + first, header.wide)
            return
        second = int.from_bytes(words[16:18], "little") if len(words) == 26 else 0
        identity.username, pos = _string(data, start + first + second, header.wide)
        identity.domain, pos = _string(data, pos, header.wide)
        row.client_os, _ = _string(data, pos, header.wide)

    # ---- responses -----------------------------------------------------------------------------------------------

    def _response(self, data: bytes, header: Header, command: int, words: bytes, start: int) -> None:
        session = self.session
        if command == _READ:
            file = session.files.get(self.reads.pop(header.mid, b""))
            if file is not None:
                file.read += int.from_bytes(words[10:12], "little")
            return
        entry = session.waiting.take((_key(header), command))
        if entry is None:
            if command != _NEGOTIATE:
                return
            entry = (Smb(command="NEGOTIATE"), 0, 0)
        row, ts, packet = entry
        row.result = status_name(header.status) if header.status < 0xF0000000 else f"dos_{header.status & 0xFFFFFFF:#x}"
        row.rtt_ms = elapsed(ts, session.talk.ts) if ts else None
        if command == _SESSION_SETUP and not self._authenticated(data, header, words, start, row):
            return
        self._granted(header, command, words, row)
        session.store_row(row, ts, packet)

    def _granted(self, header: Header, command: int, words: bytes, row: Smb) -> None:
        """Read what a response grants: a dialect, a tree, a file."""
        session = self.session
        if command == _NEGOTIATE and len(words) >= 2:
            chosen = int.from_bytes(words[:2], "little")
            session.dialect = row.dialect = self.dialects[chosen] if chosen < len(self.dialects) else None
        elif command == _TREE_CONNECT and not header.status:
            session.add_tree(header.tree, row.share or "")
            row.tree_id = header.tree
        elif command in {_NT_CREATE, _OPEN} and not header.status:
            handle = words[5:7] if command == _NT_CREATE else words[4:6]
            if len(handle) == 2:
                session.add_file(handle, row.filename or "", header.tree)
            if len(words) >= 63 and command == _NT_CREATE:
                row.size = int.from_bytes(words[55:63], "little")

    def _authenticated(self, data: bytes, header: Header, words: bytes, start: int, row: Smb) -> bool:
        """Read the response to a session setup; false while authentication continues."""
        session = self.session
        pos = start
        if len(words) == 8:
            size = int.from_bytes(words[6:8], "little")
            session.identity.read(data[start : start + size])
            pos += size
        if header.status == 0xC0000016:
            return False
        row.server_os = _string(data, pos, header.wide)[0] or None
        session.identify(row)
        return True


def _key(header: Header) -> int:
    return int(header.mid << 16 | header.pid)


def _string(data: bytes, pos: int, wide: bool) -> tuple[str, int]:
    """A string that ends with NUL, and the position after it; wide strings are aligned to the header."""
    if not wide:
        end = data.find(b"\0", pos, pos + 1024)
        end = end if end >= 0 else min(len(data), pos + 1024)
        return text(data[pos:end]), end + 1
    pos += pos & 1
    raw = data[pos : pos + 1024]
    end = raw.find(b"\0\0")
    while end >= 0 and end & 1:
        end = raw.find(b"\0\0", end + 1)
    end = end if end >= 0 else len(raw) & ~1
    return utf16(raw[:end]), pos + end + 2


def _transaction(data: bytes, header: Header, words: bytes, row: Smb) -> bool:
    """Read the path in a transaction's parameters; false if it has none."""
    if len(words) < 30:
        return False
    where = _TRANS2_PATHS.get(int.from_bytes(words[28:30], "little"))
    if where is None:
        return False
    start = int.from_bytes(words[20:22], "little") + where[0]
    row.command = where[1]
    path, _ = _string(data, start, header.wide)
    if row.command == "QUERY_DIRECTORY":
        row.pattern = path
    else:
        row.filename = path
    return True
