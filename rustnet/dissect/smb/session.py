"""Shared by both generations of SMB: the row, and the state of a connection (over NetBIOS, RFC 1002, or direct)."""

from rustnet.dissect.embedded.ntlmssp import Identity
from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.framework.reading import Waiting
from rustnet.records import U32, U64, Bytes64, FilePath, Host, Software, Term, User, Word, record

MAX_TREES = 256
MAX_FILES = 2048
MAX_ROWS = 5000
OLD_NEGOTIATE = 0x72
"""Command of SMB 1."""

_STATUS = {
    0: "SUCCESS", 0x103: "PENDING", 0x105: "MORE_ENTRIES", 0x10B: "NOTIFY_CLEANUP", 0x10C: "NOTIFY_ENUM_DIR",
    0x80000005: "BUFFER_OVERFLOW", 0x80000006: "NO_MORE_FILES", 0xC0000002: "NOT_IMPLEMENTED",
    0xC0000003: "INVALID_INFO_CLASS", 0xC0000008: "INVALID_HANDLE", 0xC000000D: "INVALID_PARAMETER",
    0xC000000F: "NO_SUCH_FILE", 0xC0000010: "INVALID_DEVICE_REQUEST", 0xC0000011: "END_OF_FILE",
    0xC0000016: "MORE_PROCESSING_REQUIRED", 0xC0000022: "ACCESS_DENIED", 0xC0000023: "BUFFER_TOO_SMALL",
    0xC0000033: "OBJECT_NAME_INVALID", 0xC0000034: "OBJECT_NAME_NOT_FOUND", 0xC0000035: "OBJECT_NAME_COLLISION",
    0xC000003A: "OBJECT_PATH_NOT_FOUND", 0xC0000043: "SHARING_VIOLATION", 0xC0000054: "FILE_LOCK_CONFLICT",
    0xC0000056: "DELETE_PENDING", 0xC0000061: "PRIVILEGE_NOT_HELD", 0xC000006D: "LOGON_FAILURE",
    0xC000006E: "ACCOUNT_RESTRICTION", 0xC000006F: "INVALID_LOGON_HOURS", 0xC0000070: "INVALID_WORKSTATION",
    0xC0000071: "PASSWORD_EXPIRED", 0xC0000072: "ACCOUNT_DISABLED", 0xC00000AC: "PIPE_NOT_AVAILABLE",
    0xC00000BA: "FILE_IS_A_DIRECTORY", 0xC00000BB: "NOT_SUPPORTED", 0xC00000C9: "NETWORK_NAME_DELETED",
    0xC00000CC: "BAD_NETWORK_NAME", 0xC0000101: "DIRECTORY_NOT_EMPTY", 0xC0000103: "NOT_A_DIRECTORY",
    0xC0000120: "CANCELLED", 0xC0000121: "CANNOT_DELETE", 0xC0000128: "FILE_CLOSED",
    0xC000015B: "LOGON_TYPE_NOT_GRANTED",
    0xC0000193: "ACCOUNT_EXPIRED", 0xC0000203: "USER_SESSION_DELETED", 0xC0000205: "INSUFF_SERVER_RESOURCES",
    0xC0000224: "PASSWORD_MUST_CHANGE", 0xC0000225: "NOT_FOUND", 0xC0000234: "ACCOUNT_LOCKED_OUT",
    0xC0000257: "PATH_NOT_COVERED", 0xC000035C: "NETWORK_SESSION_EXPIRED",
}  # fmt: skip


@record("smb")
class Smb:
    """One SMB request with its response, one entry of a directory listing, or a closed file's totals."""

    command: Word | None = None
    """`NEGOTIATE`, `SESSION_SETUP`, `TREE_CONNECT`, `CREATE`, `RENAME`, `DELETE`, `QUERY_DIRECTORY`, `CLOSE` …"""
    filename: FilePath | None = None
    """Path within the share; in a `QUERY_DIRECTORY` row the name of one entry."""
    new_name: FilePath | None = None
    """Path after a `RENAME`."""
    directory: FilePath | None = None
    """Directory that a listing is of."""
    pattern: FilePath | None = None
    """Search pattern of a listing by SMB 1, such as `\\docs\\*`; its entries are not read."""
    share: FilePath | None = None
    r"""Share, as `\\server\name`."""
    dialect: Term | None = None
    """Dialect of the connection: `NT LM 0.12`, `2.1`, `3.1.1` …"""
    result: Word | None = None
    """Status of the response without `STATUS_`; NULL if no response was seen."""
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
    """From here on the connection is encrypted, and no more is read of it."""
    rtt_ms: float | None = None
    """Time from request to response."""


class OpenFile:
    """An open file, and the bytes transferred to and from it."""

    __slots__ = ("name", "read", "tree", "written")

    def __init__(self, name: str, tree: int) -> None:
        self.name = name
        self.tree = tree
        self.read = 0
        self.written = 0


class Session:
    """State of one connection."""

    __slots__ = ("dialect", "files", "identity", "named", "rows", "talk", "trees", "waiting")

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.rows = 0
        self.dialect: str | None = None
        self.identity = Identity()
        self.named = False
        self.trees: dict[int, str] = {}
        self.files: dict[bytes, OpenFile] = {}
        self.waiting: Waiting[tuple[int, int], Smb] = Waiting(512)

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

    def add_file(self, handle: bytes, name: str, tree: int) -> None:
        """Add an open file by its handle."""
        if len(self.files) >= MAX_FILES:
            del self.files[next(iter(self.files))]
        self.files[handle] = OpenFile(name, tree)

    def add_tree(self, tree: int, share: str) -> None:
        """Add a share by its tree id."""
        if len(self.trees) >= MAX_TREES:
            del self.trees[next(iter(self.trees))]
        self.trees[tree] = share

    def close_file(self, handle: bytes) -> None:
        """Remove an open file; store a row if data was transferred."""
        file = self.files.pop(handle, None)
        if file is not None and (file.read or file.written):
            self.store_row(
                Smb(
                    command="CLOSE",
                    filename=file.name,
                    share=self.trees.get(file.tree),
                    dialect=self.dialect,
                    tree_id=file.tree,
                    bytes_read=file.read,
                    bytes_written=file.written,
                )
            )

    def close(self) -> None:
        """Store what is pending: requests without a response, files that were not closed."""
        for row, ts, packet in self.waiting.drain():
            self.store_row(row, ts, packet)
        for handle in list(self.files):
            self.close_file(handle)

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
