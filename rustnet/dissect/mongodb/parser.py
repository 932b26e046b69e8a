"""MongoDB's wire protocol (MongoDB manual; no RFC): commands and collections, never documents.

One row per request, stored with its reply, or when the flow ends. Of `hello` the client's library and program are kept,
of logins the mechanism and the user.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.lines import mechanism_name, read_raw_sasl
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text
from rustnet.dissect.framework.requests import RequestParser
from rustnet.dissect.mongodb.bson import elements
from rustnet.records import U32, ObjectName, Software, Term, User, record

MAX_MESSAGE = 48_000_000
"""Bytes of a message that the server accepts."""
_HEAD = 4096
"""Bytes of a message that are read."""
_REPLY, _UPDATE, _INSERT, _QUERY, _GET_MORE, _DELETE, _KILL, _COMPRESSED, _MSG = (
    1, 2001, 2002, 2004, 2005, 2006, 2007, 2012, 2013,
)  # fmt: skip
_LEGACY = {_UPDATE: "update", _INSERT: "insert", _GET_MORE: "getMore", _DELETE: "delete"}
_OPCODES = frozenset({_REPLY, *_LEGACY, _QUERY, _KILL, _COMPRESSED, _MSG})
_MORE_TO_COME = 2
_COLLECTION_COMMANDS = (
    "find insert update delete aggregate count distinct findAndModify findandmodify mapReduce mapreduce create "
    "drop createIndexes dropIndexes deleteIndexes listIndexes collStats collstats validate compact reIndex "
    "collMod cloneCollection renameCollection convertToCapped killCursors parallelCollectionScan geoNear "
    "geoSearch group planCacheClear planCacheListFilters planCacheSetFilter planCacheClearFilters "
    "createSearchIndexes updateSearchIndex dropSearchIndex listSearchIndexes shardCollection enableSharding "
    "moveChunk moveRange split splitVector reshardCollection analyzeShardKey configureQueryAnalyzer "
    "refineCollectionShardKey collectionStats dataSize mergeChunks cleanupOrphaned getShardVersion "
    "unshardCollection moveCollection setFeatureCompatibilityVersion"
)
_OF_COLLECTIONS = frozenset(_COLLECTION_COMMANDS.split())
"""Commands whose first value names a collection; that of others may be a user, a script or a message."""
_HELLO = frozenset({"hello", "ismaster", "isMaster"})
_PORTS = (27017, 27018, 27019)


@record("mongodb")
class Mongodb:
    """One MongoDB request."""

    command: Term | None = None
    """Name of the command: `find`, `insert`, `hello` …; NULL if it is compressed."""
    database: ObjectName | None = None
    """Database concerned."""
    collection: ObjectName | None = None
    """Collection concerned."""
    application_name: Software | None = None
    """Program, as its `hello` names it."""
    client_name: Software | None = None
    """Name of the client's library, in a `hello`."""
    client_version: Software | None = None
    """Version of the client's library, in a `hello`."""
    client_os: Software | None = None
    """Operating system of the client, in a `hello`."""
    auth_method: Term | None = None
    """Mechanism of a login."""
    username: User | None = None
    """User who logs in."""
    compressed: bool = False
    """The request is compressed and not read."""
    frame_bytes: U32 | None = None
    """Bytes of the request."""
    reply_bytes: U32 | None = None
    """Bytes of the reply; NULL if it was not seen."""
    ok: bool | None = None
    """The command succeeded; NULL if its reply was not seen or is compressed."""
    error: Term | None = None
    """Name of the error (`codeName`)."""
    response_ms: float | None = None
    """From the request to its reply, in milliseconds."""


class MongodbParser(RequestParser[int, Mongodb]):
    """One connection."""

    __slots__ = ()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the beginnings of messages; skips the rest."""
        pos = 0
        size = len(data)
        while size - pos >= 16 and not self.talk.finished:
            length = int.from_bytes(data[pos : pos + 4], "little")
            code = int.from_bytes(data[pos + 12 : pos + 16], "little")
            if not 16 <= length <= MAX_MESSAGE or code not in _OPCODES:
                raise DissectError("expected a message header")
            head = min(length, _HEAD)
            if size - pos < head:
                return pos
            self._message(code, length, data[pos : pos + head])
            pos += length
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Store what is pending: the beginning of the next message cannot be found."""
        self.close()
        self.talk.finish()

    def close(self) -> None:
        """Store the requests that got no reply."""
        for entry in self.waiting.drain():
            self.store_row(*entry)

    def _message(self, code: int, length: int, head: bytes) -> None:
        """Read a request or a reply, depending on its responseTo field."""
        answers = int.from_bytes(head[8:12], "little")
        if code == _REPLY or (answers not in {0, 0xFFFFFFFF} and code in {_MSG, _COMPRESSED}):
            self._reply(code, length, answers, head)
            return
        row = Mongodb(frame_bytes=length, compressed=code == _COMPRESSED)
        waits = code in {_QUERY, _GET_MORE, _COMPRESSED}
        if code == _MSG and len(head) >= 26:
            waits = not head[16] & _MORE_TO_COME
            if head[20] == 0:
                self._command(row, head, 21)
        elif code == _QUERY:
            self._query(row, head)
        elif code in _LEGACY:
            row.command = _LEGACY[code]
            self._set_namespace(row, head[20:].partition(b"\0")[0])
        elif code == _KILL:
            row.command = "killCursors"
        if not waits:
            self.store_row(row)
            return
        self.add_request(int.from_bytes(head[4:8], "little"), row)

    def _set_namespace(self, row: Mongodb, full: bytes) -> None:
        """Take database and collection from a full name."""
        database, _, collection = full.partition(b".")
        row.database = text(database) or None
        row.collection = text(collection) or None

    def _query(self, row: Mongodb, head: bytes) -> None:
        """Read an OP_QUERY, which is a command if its collection is ``$cmd``."""
        full, _, rest = head[20:].partition(b"\0")
        self._set_namespace(row, full)
        row.command = "find"
        if row.collection == "$cmd":
            row.collection = None
            if len(rest) >= 13:
                self._command(row, rest, 8)

    def _command(self, row: Mongodb, data: bytes, pos: int) -> None:
        """Read a command document, whose first element names the command."""
        first = True
        for kind, name, value in elements(data, pos):
            if first:
                first = False
                row.command = text(name)
                row.collection = text(value) if kind == 2 and row.command in _OF_COLLECTIONS else None
            elif name == b"$db":
                row.database = text(value)
            elif name == b"client" and row.command in _HELLO and kind == 3:
                self._client(row, value)
            elif name == b"mechanism" and kind == 2:
                row.auth_method = mechanism_name(value, self.talk)
            elif name == b"payload" and row.command == "saslStart" and kind in {2, 5}:
                row.username, _ = read_raw_sasl(self.talk, row.auth_method or "", value, 1)
            elif name in {b"pwd", b"key", b"nonce"} and kind == 2:
                self.talk.keep_secret(value)
            elif name == b"user" and kind == 2 and row.command == "authenticate":
                row.username = text(value)

    def _client(self, row: Mongodb, document: bytes) -> None:
        """Read how a client describes itself."""
        for kind, part, value in elements(document, 0):
            if kind != 3:
                continue
            strings = {name: text(one) for sort, name, one in elements(value, 0) if sort == 2}
            if part == b"application":
                row.application_name = strings.get(b"name")
            elif part == b"driver":
                row.client_name, row.client_version = strings.get(b"name"), strings.get(b"version")
            elif part == b"os":
                row.client_os = strings.get(b"name") or strings.get(b"type")

    def _reply(self, code: int, length: int, answers: int, head: bytes) -> None:
        entry = self.waiting.take(answers)
        if entry is None:
            return
        row, ts, packet = entry
        row.reply_bytes = length
        row.response_ms = elapsed(ts, self.talk.ts)
        pos = 36 if code == _REPLY else 21
        if code != _COMPRESSED and len(head) >= pos + 5:
            row.ok = True
            for _, name, value in elements(head, pos):
                if name == b"ok":
                    row.ok = any(value)
                elif name == b"codeName":
                    row.error = text(value)
        self.store_row(row, ts, packet)


def _probe_mongodb(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a message with a known opcode and a body that begins as the opcode requires."""
    size = len(data)
    if size < 16:
        if data and not talk.has_port(*_PORTS):
            return NO
        fits = not data[14:16].strip(b"\0") and data[12:13] in {b"", b"\x01", *_LOW} and len(data[:4].strip(b"\0")) > 0
        return MORE if fits or size < 5 else NO
    if data[14] or data[15] or data[13] not in {0, 7}:
        return NO
    length = int.from_bytes(data[:4], "little")
    code = int.from_bytes(data[12:16], "little")
    if code not in _OPCODES or not 26 <= length <= MAX_MESSAGE:
        return NO
    if size < 36 and size < length:
        return MORE
    if size > length and not talk.has_port(*_PORTS):
        return NO
    return YES if _fits(code, length, data) else NO


_LOW = frozenset({bytes([code & 0xFF]) for code in _OPCODES})


def _fits(code: int, length: int, data: bytes) -> bool:
    """Whether a message's body begins as its operation's must."""
    if code == _MSG:
        document = int.from_bytes(data[21:25], "little")
        return not any(data[18:20:2]) and data[16] < 4 and data[20] == 0 and 5 <= document <= length - 21
    if code == _REPLY:
        return data[8:12] != bytes(4) and length >= 36 and int.from_bytes(data[32:36], "little") < 1 << 20
    if code == _COMPRESSED:
        return int.from_bytes(data[16:20], "little") in _OPCODES and data[24] < 4
    if code == _KILL:
        return data[16:20] == bytes(4)
    full = data[20:].partition(b"\0")[0]
    return b"." in full and full.isascii() and full[:64].decode("ascii").isprintable() and not any(data[17:20])


MONGODB = Dissector(
    "mongodb", "MongoDB wire protocol (MongoDB manual)", ("tcp",), _PORTS, (Mongodb,), _probe_mongodb, MongodbParser,
    shapes={"tcp": Shape(at={13: b"\0\x07", 14: b"\0", 15: b"\0"})},
)  # fmt: skip
