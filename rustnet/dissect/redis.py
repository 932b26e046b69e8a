"""Redis' serialization protocol, RESP 2 and 3 (redis.io specification; no RFC): commands and types of replies.

One row per command with its reply. Arguments and values are skipped, never kept, except the user of AUTH and HELLO.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import unknown
from rustnet.dissect.framework.pairs import Pairs, elapsed
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.records import U32, U64, Term, User, Word, record

MAX_LINE = 4096
"""Maximum size of a line; longer values have a length prefix."""
MAX_ITEM, MAX_DIGITS = 256, 9
"""Maximum size of a short text, and digits of a length, in a reply that is skipped in one go."""
MIN_COMMAND = 14
"""Least size of a command without its arguments."""
MAX_NAME = 64
"""Bytes of a command's name, and of a user's."""
_COMMAND = re.compile(rb"\*([1-9][0-9]{0,6})\r\n\$([1-9][0-9]?)\r\n([A-Za-z][A-Za-z0-9._-]{0,63})\r\n").match
_OPENING = re.compile(rb"\*([0-9]{1,7}(\r(\n(\$([0-9]{1,2}(\r(\n([A-Za-z._0-9-]*\r?)?)?)?)?)?)?)?)?").fullmatch
_INLINE = re.compile(rb"(?i:PING|INFO|QUIT|COMMAND|DBSIZE|MONITOR|ROLE)(?: [\x20-\x7e]*)?\r?\n").match
_REPLY = re.compile(rb"\+[\x20-\x7e]+\r\n|-[A-Z]{2,16}(?: [^\r\n]*)?\r\n|:-?[0-9]+\r\n|[$*%~]-?[0-9]+\r\n|[_,(#]").match
_KINDS = {
    43: "string", 45: "error", 58: "integer", 36: "bulk", 42: "array", 95: "null", 35: "boolean", 44: "double",
    40: "big number", 33: "error", 61: "verbatim", 37: "map", 126: "set", 62: "push", 124: "attribute",
}  # fmt: skip
_NAMES = (
    "ACL APPEND ASKING AUTH BGREWRITEAOF BGSAVE BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS BLMOVE BLMPOP BLPOP "
    "BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT CLUSTER COMMAND CONFIG COPY DBSIZE DEBUG DECR DECRBY DEL "
    "DELEX DIGEST DISCARD DUMP ECHO EVAL EVALSHA EVALSHA_RO EVAL_RO EXEC EXISTS EXPIRE EXPIREAT EXPIRETIME "
    "FAILOVER FCALL FCALL_RO FLUSHALL FLUSHDB FUNCTION GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER "
    "GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL "
    "HELLO HEXISTS HEXPIRE HEXPIREAT HEXPIRETIME HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN "
    "HMGET HMSET HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL "
    "HVALS INCR INCRBY INCRBYFLOAT INFO KEYS LASTSAVE LATENCY LCS LINDEX LINSERT LLEN LMOVE LMPOP LOLWUT LPOP "
    "LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MEMORY MGET MIGRATE MODULE MONITOR MOVE MSET MSETEX MSETNX MULTI "
    "OBJECT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFDEBUG PFMERGE PFSELFTEST PING PSETEX PSUBSCRIBE "
    "PSYNC PTTL PUBLISH PUBSUB PUNSUBSCRIBE QUIT RANDOMKEY READONLY READWRITE RENAME RENAMENX REPLCONF REPLICAOF "
    "RESET RESTORE RESTORE-ASKING ROLE RPOP RPOPLPUSH RPUSH RPUSHX SADD SAVE SCAN SCARD SCRIPT SDIFF SDIFFSTORE "
    "SELECT SENTINEL SET SETBIT SETEX SETNX SETRANGE SHUTDOWN SINTER SINTERCARD SINTERSTORE SISMEMBER SLAVEOF "
    "SLOWLOG SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SPUBLISH SRANDMEMBER SREM SSCAN SSUBSCRIBE STRLEN "
    "SUBSCRIBE SUBSTR SUNION SUNIONSTORE SUNSUBSCRIBE SWAPDB SYNC TIME TOUCH TTL TYPE UNLINK UNSUBSCRIBE UNWATCH "
    "VADD VCARD VDIM VEMB VGETATTR VINFO VISMEMBER VLINKS VRANDMEMBER VRANGE VREM VSETATTR VSIM WAIT WAITAOF "
    "WATCH XACK XACKDEL XADD XAUTOCLAIM XCFGSET XCLAIM XDEL XDELEX XGROUP XINFO XLEN XPENDING XRANGE XREAD "
    "XREADGROUP XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE "
    "ZLEXCOUNT ZMPOP ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM "
    "ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN "
    "ZSCORE ZUNION ZUNIONSTORE"
)
_COMMANDS = frozenset(_NAMES.split())
_OF_MODULE = re.compile(
    r"(?:AI|BF|CF|CMS|CL|FT|GEARS|GRAPH|JSON|RG|SEARCH|TDIGEST|TFCALL|TFUNCTION|TOPK|TS|TDB|REDISGEARS|TIMESERIES|KEYDB)\.[A-Z0-9_]{1,24}"
).fullmatch
_ERROR = re.compile(rb"[A-Z][A-Z0-9_]{1,23}").match
_ENDLESS = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC"})
"""Commands after which replies no longer correspond to commands."""
_SUBSCRIPTIONS = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"})
"""Commands that RESP 3 answers by pushes."""
_PORTS = (6379, 6380)


@record("redis")
class Redis:
    """One Redis command and its reply."""

    command: Term | None = None
    """Name of the command, upper case; NULL for a reply whose command was not seen, `unknown` and its length for a name
    that Redis does not have: a secret, if the server has given a command another one."""
    argument_count: U32 | None = None
    """Arguments after the name."""
    request_bytes: U64 = 0
    """Bytes of the arguments."""
    username: User | None = None
    """User, with AUTH and HELLO."""
    has_password: bool = False
    """A password was sent."""
    result: Word | None = None
    """Kind of the reply: `string`, `error`, `integer`, `bulk`, `array`, `null`, `map` …; NULL without one."""
    error: Term | None = None
    """First word of an error."""
    response_ms: float | None = None
    """From the command to its reply, in milliseconds; NULL if their packets have times in another order."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, or the client switched replies off, so that this command and its reply cannot be
    assigned to each other."""


def skip_items(data: bytes, pos: int, nested: int) -> tuple[int, int]:
    """Skip the items inside a reply, which may be many small ones: strings, numbers, arrays.

    ``nested`` is how many items remain. Returns the new position, and how many remain then.
    """
    size = len(data)
    while nested and pos < size:
        kind = data[pos]
        at = pos + 1
        if kind in (58, 43):  # a number, a short text
            stop = min(size, at + MAX_ITEM)
            while at < stop and data[at] != 13:
                at += 1
            number = 0
        elif kind in (36, 42, 126):  # a string, an array, a set
            number = 0
            stop = min(size, at + MAX_DIGITS)
            while at < stop and 48 <= data[at] <= 57:
                number = number * 10 + (data[at] - 48)
                at += 1
            if at == pos + 1:
                break
        else:
            break
        if at + 1 >= size or data[at] != 13 or data[at + 1] != 10:
            break
        nested -= 1
        pos = at + 2
        if kind == 36:
            pos += number + 2
        else:
            nested += number
    return pos, nested


class RedisParser(RowParser):
    """One connection."""

    __slots__ = ("arguments", "client", "left", "login", "nested", "pairs", "row", "silent")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.client: bool | None = None
        """Direction of the client."""
        self.row: Redis | None = None
        """Command whose arguments are being read."""
        self.left = 0
        """Its items that remain."""
        self.arguments: list[str] = []
        """First arguments of a login, up to its user."""
        self.login = False
        self.nested = 0
        """Items of the reply that remain."""
        self.silent = False
        """The command may switch replies off."""
        self.pairs = Pairs()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read commands or replies; may skip beyond ``data``."""
        if self.client is None:
            self.client = self._role(data, from_src)
            self.pairs.begin(self.talk, self.client)
        read = self._request if from_src == self.client else self._reply
        pos = 0
        size = len(data)
        while pos < size and not self.talk.finished:
            after = read(data, pos)
            if after == pos:
                break
            pos = after
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Store what is pending: the beginning of the next command cannot be found."""
        self.pairs.give_up()
        self.close()
        self.talk.finish()

    def late(self) -> None:
        """State no more pairs."""
        self.pairs.give_up()

    def close(self) -> None:
        """Store the commands that got no reply."""
        for entry in self.pairs.drain():
            self.store_row(*entry)
        self.pairs.report(self.talk, "Redis")

    def _role(self, data: bytes, from_src: bool) -> bool:
        talk = self.talk
        if talk.has_port(*_PORTS):
            return talk.dst_port in _PORTS
        return from_src if data[0] == 42 else not from_src

    def _line(self, data: bytes, pos: int) -> int:
        """End of the line at ``pos``, or -1 while it is incomplete."""
        end = data.find(b"\r\n", pos, pos + MAX_LINE)
        if end < 0 and len(data) - pos >= MAX_LINE:
            raise DissectError("line exceeds {limit} bytes", limit=MAX_LINE)
        return end

    def _number(self, data: bytes, pos: int, end: int) -> int:
        raw = data[pos + 1 : end]
        if not raw.removeprefix(b"-").isdigit() or len(raw) > 12:
            raise DissectError("expected a number as length")
        return int(raw)

    def _request(self, data: bytes, pos: int) -> int:
        """Read the next piece of a command."""
        end = self._line(data, pos)
        if end < 0:
            return pos
        if self.row is not None:
            return self._argument(self.row, data, pos, end)
        if data[pos] != 42:
            words = data[pos:end].split()
            if words:
                self._begin_command(words[0], Redis(argument_count=len(words) - 1))
                self._queue_command()
            return end + 2
        count = self._number(data, pos, end)
        if count > 0:
            self.row = Redis(argument_count=count - 1)
            self.left = count
            self.arguments = []
        return end + 2

    def _argument(self, row: Redis, data: bytes, pos: int, end: int) -> int:
        """Read a command's name, or skip an argument."""
        if data[pos] != 36:
            raise DissectError("expected a bulk string as argument")
        size = self._number(data, pos, end)
        if size < 0:
            raise DissectError("negative length of an argument")
        start = end + 2
        if row.command is None:
            if size > MAX_NAME:
                raise DissectError("command name of {size} bytes is too long", size=size)
            if start + size + 2 > len(data):
                return pos
            self._begin_command(data[start : start + size], row)
        else:
            row.request_bytes += size
            if self.login and size <= MAX_NAME and len(self.arguments) < 5:
                if start + size > len(data):
                    row.request_bytes -= size
                    return pos
                self._credential(row, data[start : start + size])
            elif self.silent:
                self._silence(size, data[start : start + 5])
        self.left -= 1
        if self.left == 0:
            self._queue_command()
        return start + size + 2

    def _begin_command(self, name: bytes, row: Redis) -> None:
        self.row = row
        row.command = text(name[:MAX_NAME]).upper()
        if row.command not in _COMMANDS and _OF_MODULE(row.command) is None:
            row.command = unknown(self.talk, name)
        self.login = row.command in {"AUTH", "HELLO"}
        self.silent = row.command == "CLIENT"
        if row.command == "AUTH":
            row.has_password = True

    def _silence(self, size: int, argument: bytes) -> None:
        """Take the first argument of CLIENT: after CLIENT REPLY commands may have no reply."""
        self.silent = False
        if size == 5 and b"REPLY".startswith(argument.upper()):
            self.pairs.give_up()

    def _credential(self, row: Redis, argument: bytes) -> None:
        """Take the user of ``AUTH user password`` or ``HELLO 3 AUTH user password``."""
        self.arguments.append("AUTH" if argument.upper() == b"AUTH" else "")
        at = len(self.arguments)
        if row.command == "AUTH":
            named = at == 1 and row.argument_count == 2
        else:
            named = at == 3 and self.arguments[1] == "AUTH"
            row.has_password = row.has_password or named
        if named:
            row.username = text(argument)
        elif row.command == "AUTH" or (at > 3 and self.arguments[1] == "AUTH"):
            self.talk.keep_secret(argument)

    def _queue_command(self) -> None:
        """Queue a complete command until its reply arrives."""
        row = self.row
        self.row = None
        self.login = False
        if row is not None:
            for entry in self.pairs.request(row, self.talk.ts, self.talk.packet, row.request_bytes + MIN_COMMAND):
                self.store_row(*entry)

    def _reply(self, data: bytes, pos: int) -> int:
        """Read the next piece of a reply; its first one answers a command."""
        if self.nested:
            after, self.nested = skip_items(data, pos, self.nested)
            if after != pos:
                return after
        end = self._line(data, pos)
        if end < 0:
            return pos
        kind = data[pos]
        if kind not in _KINDS:
            raise DissectError("unknown reply type {kind:#04x}", kind=kind)
        size = self._number(data, pos, end) if kind in b"$*!=%~>|" else 0
        if self.nested:
            self.nested -= 1
        elif kind not in b">|" or (kind == 62 and self._subscribes()):
            self._answer(kind, size, data[pos + 1 : end])
        if kind in b"*~>":
            self.nested += max(0, size)
        elif kind in b"%|":
            self.nested += 2 * max(0, size) + (kind == 124)
        elif kind in b"$!=" and size >= 0:
            return end + 2 + size + 2
        return end + 2

    def _subscribes(self) -> bool:
        """Whether a push is the reply to the oldest command."""
        row = self.pairs.first()
        return row is not None and row.command in _SUBSCRIPTIONS

    def _answer(self, kind: int, size: int, body: bytes) -> None:
        """Pair a reply with the oldest pending command."""
        talk = self.talk
        entry = self.pairs.response()
        if entry is None:
            entry = (Redis(), talk.ts, talk.packet)
            self.pairs.orphan(entry[0])
        row, ts, packet = entry
        row.result = "null" if size < 0 else _KINDS[kind]
        if kind == 45:
            word = body.partition(b" ")[0]
            row.error = text(word) if _ERROR(word) is not None else "ERR"
        if row.command is not None:
            row.response_ms = elapsed(ts, talk.ts)
        self.store_row(row, ts, packet)
        if row.command in _ENDLESS and row.error is None:
            self.close()
            talk.finish()


def _probe_redis(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a command as an array of strings; on the ports also inline commands and replies."""
    if not data:
        return MORE
    if data[0] == 42:
        match = _COMMAND(data)
        if match is not None and int(match.group(2)) == len(match.group(3)):
            return YES
        if match is None and len(data) < 128 and _OPENING(data) is not None:
            return MORE
    if talk.dst_port not in _PORTS and talk.src_port not in _PORTS:
        return NO
    if _REPLY(data) is not None or _INLINE(data) is not None:
        return YES
    return MORE if b"\n" not in data and len(data) < 128 and (data[0] in _KINDS or data[:4].isalpha()) else NO


REDIS = Dissector(
    "redis", "Redis serialization protocol (RESP 2, 3)", ("tcp",), _PORTS, (Redis,), _probe_redis, RedisParser,
    first=b"*",
)  # fmt: skip
