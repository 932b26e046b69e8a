"""Shared by both generations of SMB: the row, and the state of a connection (over NetBIOS, RFC 1002, or direct)."""

from typing import TypeVar

from rustnet.dissect.embedded.ntlmssp import Identity
from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.framework.reading import Waiting
from rustnet.dissect.smb.pipes import Pipe, Pipes
from rustnet.records import U32, U64, Bytes64, FilePath, Host, Software, Term, User, Word, record

MAX_TREES = 256
MAX_FILES = 2048
MAX_ROWS = 5000
MAX_WAITING = 512
"""Requests of each kind that wait for their responses."""
MAX_IDENTITIES = 64
"""Authentications, and sessions that encrypt, that are remembered."""
OLD_NEGOTIATE = 0x72
"""Command of SMB 1."""

_STATUS = {
    0: "SUCCESS", 0x103: "PENDING", 0x105: "MORE_ENTRIES", 0x10B: "NOTIFY_CLEANUP", 0x10C: "NOTIFY_ENUM_DIR",
    0x80000005: "BUFFER_OVERFLOW", 0x80000006: "NO_MORE_FILES", 0x8000001A: "NO_MORE_ENTRIES",
    0x8000002D: "STOPPED_ON_SYMLINK", 0xC0000001: "UNSUCCESSFUL", 0xC0000002: "NOT_IMPLEMENTED",
    0xC0000003: "INVALID_INFO_CLASS", 0xC0000008: "INVALID_HANDLE", 0xC000000D: "INVALID_PARAMETER",
    0xC000000F: "NO_SUCH_FILE", 0xC0000010: "INVALID_DEVICE_REQUEST", 0xC0000011: "END_OF_FILE",
    0xC0000016: "MORE_PROCESSING_REQUIRED", 0xC0000022: "ACCESS_DENIED", 0xC0000023: "BUFFER_TOO_SMALL",
    0xC0000024: "OBJECT_TYPE_MISMATCH", 0xC0000039: "OBJECT_PATH_INVALID", 0xC000003B: "OBJECT_PATH_SYNTAX_BAD",
    0xC0000033: "OBJECT_NAME_INVALID", 0xC0000034: "OBJECT_NAME_NOT_FOUND", 0xC0000035: "OBJECT_NAME_COLLISION",
    0xC000003A: "OBJECT_PATH_NOT_FOUND", 0xC0000043: "SHARING_VIOLATION", 0xC0000054: "FILE_LOCK_CONFLICT",
    0xC0000056: "DELETE_PENDING", 0xC000005E: "NO_LOGON_SERVERS", 0xC0000061: "PRIVILEGE_NOT_HELD",
    0xC0000064: "NO_SUCH_USER", 0xC000006A: "WRONG_PASSWORD", 0xC000006D: "LOGON_FAILURE",
    0xC000006E: "ACCOUNT_RESTRICTION", 0xC000006F: "INVALID_LOGON_HOURS", 0xC0000070: "INVALID_WORKSTATION",
    0xC0000071: "PASSWORD_EXPIRED", 0xC0000072: "ACCOUNT_DISABLED", 0xC000007F: "DISK_FULL",
    0xC000009A: "INSUFFICIENT_RESOURCES", 0xC00000A2: "MEDIA_WRITE_PROTECTED", 0xC00000AC: "PIPE_NOT_AVAILABLE",
    0xC00000AD: "PIPE_BUSY", 0xC00000B0: "PIPE_DISCONNECTED", 0xC00000B1: "PIPE_CLOSING", 0xC00000B5: "IO_TIMEOUT",
    0xC00000BA: "FILE_IS_A_DIRECTORY", 0xC00000BB: "NOT_SUPPORTED", 0xC00000C3: "INVALID_NETWORK_RESPONSE",
    0xC00000C9: "NETWORK_NAME_DELETED", 0xC00000CA: "NETWORK_ACCESS_DENIED", 0xC00000CB: "BAD_DEVICE_TYPE",
    0xC00000CC: "BAD_NETWORK_NAME", 0xC00000D0: "REQUEST_NOT_ACCEPTED", 0xC00000D4: "NOT_SAME_DEVICE",
    0xC0000101: "DIRECTORY_NOT_EMPTY", 0xC0000103: "NOT_A_DIRECTORY",
    0xC0000120: "CANCELLED", 0xC0000121: "CANNOT_DELETE", 0xC0000128: "FILE_CLOSED",
    0xC000015B: "LOGON_TYPE_NOT_GRANTED", 0xC000018D: "TRUSTED_RELATIONSHIP_FAILURE",
    0xC0000193: "ACCOUNT_EXPIRED", 0xC0000203: "USER_SESSION_DELETED", 0xC0000205: "INSUFF_SERVER_RESOURCES",
    0xC0000224: "PASSWORD_MUST_CHANGE", 0xC0000225: "NOT_FOUND", 0xC0000234: "ACCOUNT_LOCKED_OUT",
    0xC000020C: "CONNECTION_DISCONNECTED", 0xC000020D: "CONNECTION_RESET", 0xC0000257: "PATH_NOT_COVERED",
    0xC000026D: "DFS_UNAVAILABLE", 0xC000035C: "NETWORK_SESSION_EXPIRED",
}  # fmt: skip
_DISPOSITIONS = ("supersede", "open", "create", "open_if", "overwrite", "overwrite_if")
_ACCESS = (
    (0x1000_0000, "full"), (0x8000_0001, "read"), (0x4000_0002, "write"), (0x4, "append"), (0x2000_0020, "execute"),
    (0x0001_0000, "delete"), (0x0004_0000, "change_permissions"), (0x0008_0000, "take_ownership"),
    (0x0200_0000, "maximum"),
)  # fmt: skip
_DELETE_ON_CLOSE = 0x1000


@record("smb")
class Smb:
    """One SMB request with its response, one entry of a directory listing, or a closed file's totals."""

    command: Word | None = None
    """`NEGOTIATE`, `SESSION_SETUP`, `TREE_CONNECT`, `CREATE`, `RENAME`, `LINK`, `DELETE`, `QUERY_DIRECTORY`, `CLOSE`,
    `DFS_REFERRAL`, `PIPE_WAIT`, `TRANSACTION` …, and `ENCRYPTED` or `COMPRESSED` for messages that cannot be read."""
    filename: FilePath | None = None
    r"""Path within the share; in a `QUERY_DIRECTORY` row the name of one entry, in a `DFS_REFERRAL` row the path in
    question, in a `PIPE_WAIT` or `TRANSACTION` row the pipe or mailslot, such as `\PIPE\LANMAN`."""
    new_name: FilePath | None = None
    """Path after a `RENAME`, or of a new `LINK` to the file."""
    directory: FilePath | None = None
    """Directory that a listing is of."""
    pattern: FilePath | None = None
    """Search pattern of a listing, such as `*`; in SMB 1 with the directory, as `\\docs\\*`, without entries."""
    share: FilePath | None = None
    r"""Share, as `\\server\name`."""
    dialect: Term | None = None
    """Dialect of the connection: `NT LM 0.12`, `2.1`, `3.1.1` …"""
    result: Word | None = None
    """Status of the response without `STATUS_`; `PENDING` if only an interim one was seen, NULL if there was none."""
    disposition: Word | None = None
    """Disposition of a `CREATE`: `open`, `create`, `open_if`, `overwrite`, `overwrite_if`, `supersede`."""
    access: Word | None = None
    """Access that a `CREATE` asks for: `read`, `write`, `append`, `execute`, `delete`, `full`, joined by commas."""
    delete_on_close: bool | None = None
    """A `CREATE` requests that the file is deleted when it is closed."""
    username: User | None = None
    """User of a `SESSION_SETUP`; empty for an anonymous one."""
    domain: Host | None = None
    """Domain or machine of the user."""
    workstation: Host | None = None
    """Client machine, as it states it."""
    server_name: Host | None = None
    """Server's NetBIOS name."""
    server_dns_name: Host | None = None
    """Server's DNS name."""
    server_os: Software | None = None
    """Server's system, as it states it, or as version and build."""
    client_os: Software | None = None
    """Client's system, as it states it (SMB 1)."""
    size: Bytes64 | None = None
    """Size of the file in bytes, as opened or listed."""
    bytes_read: Bytes64 | None = None
    """Bytes read from a closed file."""
    bytes_written: Bytes64 | None = None
    """Bytes written to a closed file."""
    tree_id: U32 | None = None
    """Number of the tree connection."""
    session_id: U64 | None = None
    """Number of the session."""
    signed: bool | None = None
    """The request is signed."""
    encrypted: bool = False
    """From here on the session, or a part of it, is encrypted; those messages are not read."""
    rtt_ms: float | None = None
    """Time from request to response."""


class OpenFile:
    """A file that is opened or about to be, and the bytes transferred to and from it."""

    __slots__ = ("listed", "name", "pipe", "read", "session", "share", "tree", "written")

    def __init__(self, row: Smb) -> None:
        self.name = row.filename
        self.share = row.share
        self.tree = row.tree_id
        self.session = row.session_id
        self.read = 0
        self.written = 0
        self.listed = False
        """Entries of this directory were read."""
        self.pipe: Pipe | None = None
        """It is a pipe, whose contents are read."""


class Session:
    """State of one connection."""

    __slots__ = ("closing", "dialect", "files", "identities", "identity", "named", "pipes", "rows", "talk", "trees",
                 "waiting")  # fmt: skip

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.rows = 0
        self.pipes = Pipes(talk)
        self.dialect: str | None = None
        self.identity = Identity()
        """Names in the last authentication."""
        self.identities: dict[int, Identity] = {}
        """By number of the session."""
        self.named = False
        self.trees: dict[tuple[int, int], str | None] = {}
        """Shares by session (0 in SMB 1) and tree connection."""
        self.files: dict[bytes, OpenFile] = {}
        self.waiting: Waiting[tuple[int, int], Smb] = Waiting(MAX_WAITING)
        self.closing: Waiting[int, OpenFile] = Waiting(MAX_WAITING)
        """Files by the number of the message that closes them."""

    def store_row(self, row: Smb, ts: int = 0, packet: int = 0) -> None:
        """Store a row, within bounds."""
        if self.rows >= MAX_ROWS:
            return
        self.rows += 1
        self.talk.emit(row, ts, packet)
        if self.rows >= MAX_ROWS:
            self.talk.anomaly("many_messages", f"stopped after {MAX_ROWS} rows; later messages are not read")
            self.talk.finish()

    def add_request(self, key: tuple[int, int], row: Smb) -> None:
        """Add a pending request."""
        evicted = self.waiting.add(key, row, self.talk)
        if evicted is not None:
            self.store_row(*evicted)

    def take_smb1_negotiate(self) -> tuple[Smb, int, int] | None:
        """Remove and return a NEGOTIATE that the client sent in SMB 1 and the server answers in SMB 2."""
        for key in self.waiting.rows:
            if key[1] == OLD_NEGOTIATE:
                return self.waiting.take(key)
        return None

    def add_file(self, handle: bytes, file: OpenFile) -> None:
        """Add an open file by its handle."""
        if handle not in self.files and len(self.files) >= MAX_FILES:
            self._store_closed(self.files.pop(next(iter(self.files))))
        self.files[handle] = file
        file.pipe = self.pipes.add(file.share)

    def add_tree(self, session: int, tree: int, share: str | None) -> None:
        """Add a share by its session and tree connection."""
        key = session, tree
        if key not in self.trees and len(self.trees) >= MAX_TREES:
            del self.trees[next(iter(self.trees))]
        self.trees[key] = share

    def close_file(self, handle: bytes, file: OpenFile | None, message: int) -> None:
        """Take a request to close a file; its row waits for the response, as those to earlier requests may."""
        self.files.pop(handle, None)
        if file is not None:
            evicted = self.closing.add(message, file, self.talk)
            if evicted is not None:
                self._store_closed(*evicted)

    def closed(self, message: int) -> None:
        """Take the response to a request to close a file."""
        entry = self.closing.take(message)
        if entry is not None:
            self._store_closed(*entry)

    def _store_closed(self, file: OpenFile, ts: int = 0, packet: int = 0) -> None:
        """Store a row if data was transferred."""
        if file.pipe is not None:
            file.pipe.close()
        if file.read > 0 or file.written > 0:
            row = Smb(command="CLOSE", filename=file.name, share=file.share, dialect=self.dialect, tree_id=file.tree)
            row.bytes_read = file.read
            row.bytes_written = file.written
            self.store_row(row, ts, packet)

    def close(self) -> None:
        """Store what is pending: requests without a response, files that were not closed."""
        for row, ts, packet in self.waiting.drain():
            self.store_row(row, ts, packet)
        for entry in self.closing.drain():
            self._store_closed(*entry)
        for file in self.files.values():
            self._store_closed(file)
        self.files.clear()
        self.pipes.close()

    def remember(self, session: int) -> None:
        """Remember whose session this is."""
        if session not in self.identities and len(self.identities) >= MAX_IDENTITIES:
            del self.identities[next(iter(self.identities))]
        self.identities[session] = self.identity

    def recall(self, session: int) -> None:
        """Continue the authentication of a session; that of a new one, whose number is 0, begins without names."""
        self.identity = self.identities.get(session) or self.identity if session else Identity()

    def identify(self, row: Smb) -> None:
        """Set the names of both sides that authentication contains."""
        identity = self.identity
        row.username = identity.username
        row.domain = identity.domain
        row.workstation = identity.workstation
        row.server_name = identity.target
        row.server_dns_name = identity.dns_name
        row.server_os = identity.os_version or row.server_os

    def name_server(self, server: str) -> None:
        """Name the server as authentication does."""
        identity = self.identity
        self.named = True
        name = identity.dns_name or identity.target
        if name:
            self.talk.learn(server, name, "smb")
            if server == self.talk.dst_ip:
                self.talk.name_host(name, "smb")


def status_name(code: int) -> str:
    """Name of an NT status code without its prefix, else the code in hexadecimal."""
    return _STATUS.get(code) or f"{code:#010x}"


def set_wishes(row: Smb, access: int, disposition: int, options: int) -> None:
    """Set what a request to open a file asks for."""
    row.access = ",".join(word for bits, word in _ACCESS if access & bits) or None
    row.disposition = _DISPOSITIONS[disposition] if disposition < len(_DISPOSITIONS) else None
    row.delete_on_close = options & _DELETE_ON_CLOSE != 0


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def bounded(waiting: dict[_Key, _Value], message: _Key, value: _Value) -> None:
    """Remember a part of a request until its response; the oldest is forgotten if there are too many."""
    if len(waiting) >= MAX_WAITING:
        del waiting[next(iter(waiting))]
    waiting[message] = value
