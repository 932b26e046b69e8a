"""SOCKS 4, 4a and 5 (RFC 1928, 1929): the destination requested of a proxy, and what runs inside.

One row per connection, stored when the proxy has replied, or when the flow ends. If the proxy agrees to connect, what
follows is probed like a new flow. User names are kept, passwords are not.
"""

from ipaddress import IPv6Address

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.records import U8, Host, Ip, Port, User, Word, record

MAX_TEXT_FIELD = 512
"""Maximum size of a user or host name that ends with a NUL (SOCKS 4)."""
_COMMANDS = {1: "connect", 2: "bind", 3: "udp associate", 0xF0: "resolve", 0xF1: "resolve ptr"}
_METHODS = {0: "none", 1: "gssapi", 2: "password", 3: "chap", 5: "challenge", 6: "tls", 8: "maf", 0xFF: "refused"}
_GREETING, _AUTHENTICATION, _REQUEST, _REPLY, _OPEN = range(5)
_PORTS = (1080, 9050, 9150)


@record("socks")
class Socks:
    """One connection through a SOCKS proxy."""

    version: Word | None = None
    """`4`, `4a` or `5`."""
    command: Word | None = None
    """Request to the proxy: `connect`, `bind`, `udp associate`; Tor's `resolve` and `resolve ptr`."""
    host: Host | None = None
    """Host name that the proxy is asked to connect to."""
    target_ip: Ip | None = None
    """Address that the proxy is asked to connect to."""
    target_port: Port | None = None
    """Port that the proxy is asked to connect to."""
    username: User | None = None
    """User: SOCKS 4's user id, or the one of RFC 1929."""
    has_password: bool = False
    """A password was sent."""
    auth_method: Word | None = None
    """Method of authentication that the proxy chose (SOCKS 5)."""
    ok: bool | None = None
    """The proxy agreed; NULL if its answer was not seen."""
    result_code: U8 | None = None
    """Code of the proxy's reply: 0 (SOCKS 5) or 90 (SOCKS 4) is success."""
    bound_ip: Ip | None = None
    """Address that the proxy uses or listens on."""
    bound_port: Port | None = None
    """Port that the proxy uses or listens on."""


def _destination(data: bytes, pos: int) -> tuple[str | None, str | None, int, int]:
    """Name, address, port and end of a SOCKS 5 address; the end is -1 while it is incomplete."""
    if pos + 2 > len(data):
        return None, None, 0, -1
    kind = data[pos]
    start = pos + 1
    if kind == 3:
        start += 1
        end = start + data[pos + 1]
    else:
        size = {1: 4, 4: 16}.get(kind)
        if size is None:
            raise DissectError("unknown address type {kind}", kind=kind)
        end = start + size
    if end + 2 > len(data):
        return None, None, 0, -1
    raw = data[start:end]
    port = data[end] << 8 | data[end + 1]
    if kind == 3:
        return text(raw), None, port, end + 2
    return None, _address(raw), port, end + 2


def _address(raw: bytes) -> str:
    if len(raw) == 4:
        return ".".join(map(str, raw))
    address = IPv6Address(raw)
    return str(address.ipv4_mapped or address)


class SocksParser(OneRowParser[Socks]):
    """One connection up to the proxy's reply."""

    __slots__ = ("answered", "client", "state")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Socks())
        self.client: bool | None = None
        """Direction of the client."""
        self.state = _GREETING
        """Message that the client sends next."""
        self.answered = False
        """The proxy has sent something."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read negotiation, request and reply."""
        if self.client is None:
            self.client = _client(self.talk)
            self.begin()
        pos = 0
        talk = self.talk
        while pos < len(data) and talk.parser is self and not talk.finished:
            after = self._client(data, pos) if from_src == self.client else self._server(data, pos)
            if after == pos:
                break
            pos = after
        return pos

    def _client(self, data: bytes, pos: int) -> int:
        if self.state == _REPLY:
            if not self.answered:  # the proxy's side is not in the capture
                self._open()
            return pos
        if self.state == _GREETING:
            return self._four(data, pos) if data[pos] == 4 else self._greeting(data, pos)
        if self.state == _AUTHENTICATION and data[pos] == 1:
            return self._password(data, pos)
        return self._request(data, pos)

    def _four(self, data: bytes, pos: int) -> int:
        """Read a SOCKS 4 request, with the host name that 4a appends."""
        end = data.find(b"\0", pos + 8, pos + 8 + MAX_TEXT_FIELD)
        if end < 0:
            if len(data) - pos >= 8 + MAX_TEXT_FIELD:
                raise DissectError("expected a NUL after the user name")
            return pos
        row = self.row
        named = data[pos + 4 : pos + 7] == b"\0\0\0" and data[pos + 7] != 0
        after = end + 1
        if named:
            last = data.find(b"\0", after, after + MAX_TEXT_FIELD)
            if last < 0:
                if len(data) - after >= MAX_TEXT_FIELD:
                    raise DissectError("expected a NUL after the host name")
                return pos
            row.host = text(data[after:last])
            after = last + 1
        else:
            row.target_ip = _address(data[pos + 4 : pos + 8])
        row.version = "4a" if named else "4"
        row.command = _COMMANDS.get(data[pos + 1])
        if row.command is None:
            raise DissectError("unknown request command {command}", command=data[pos + 1])
        row.target_port = data[pos + 2] << 8 | data[pos + 3]
        row.username = text(data[pos + 8 : end]) or None
        self._requested()
        return after

    def _greeting(self, data: bytes, pos: int) -> int:
        if data[pos] != 5:
            raise DissectError("expected version 5 in a greeting, got {version}", version=data[pos])
        if len(data) - pos < 2 or len(data) - pos < 2 + data[pos + 1]:
            return pos
        self.row.version = "5"
        self.state = _AUTHENTICATION
        return pos + 2 + data[pos + 1]

    def _password(self, data: bytes, pos: int) -> int:
        """Read user name and password (RFC 1929); GSSAPI messages are not read."""
        if self.row.auth_method not in {None, "password"}:
            self.finish()
            return len(data)
        if len(data) - pos < 2:
            return pos
        middle = pos + 2 + data[pos + 1]
        if len(data) <= middle or len(data) < middle + 1 + data[middle]:
            return pos
        self.row.username = text(data[pos + 2 : middle]) or None
        self.row.has_password = data[middle] > 0
        self.talk.keep_secret(data[middle + 1 : middle + 1 + data[middle]])
        self.state = _REQUEST
        return middle + 1 + data[middle]

    def _request(self, data: bytes, pos: int) -> int:
        """Read a request of SOCKS 5."""
        if data[pos] != 5:
            raise DissectError("expected version 5 in a request, got {version}", version=data[pos])
        if len(data) - pos < 4:
            return pos
        host, ip, port, end = _destination(data, pos + 3)
        if end < 0:
            return pos
        row = self.row
        row.command = _COMMANDS.get(data[pos + 1])
        row.host, row.target_ip, row.target_port = host, ip, port
        self._requested()
        return end

    def _requested(self) -> None:
        self.state = _REPLY
        if self.row.host and self.client:
            self.talk.name_host(self.row.host.lower(), "socks")

    def _server(self, data: bytes, pos: int) -> int:
        """Read the proxy's choice of method, its answer to a password, or its reply."""
        self.answered = True
        first = data[pos]
        alone = self.state == _GREETING and self.row.auth_method is not None  # the client's side was not captured
        if self.state == _REPLY or first == 0 or (alone and first == 5):
            return self._reply(data, pos)
        if len(data) - pos < 2:
            return pos
        if first == 5:
            self.row.auth_method = _METHODS.get(data[pos + 1], f"{data[pos + 1]:#04x}")
        elif first != 1:
            raise DissectError("expected a method selection, got a message that begins with {first}", first=first)
        elif data[pos + 1]:
            self.row.ok = False
        return pos + 2

    def _reply(self, data: bytes, pos: int) -> int:
        row = self.row
        if data[pos] == 0:
            if len(data) - pos < 8:
                return pos
            row.result_code = data[pos + 1]
            row.ok = data[pos + 1] == 90
            row.bound_port = data[pos + 2] << 8 | data[pos + 3]
            row.bound_ip = _address(data[pos + 4 : pos + 8])
            end = pos + 8
        elif data[pos] == 5:
            if len(data) - pos < 4:
                return pos
            _, row.bound_ip, row.bound_port, end = _destination(data, pos + 3)
            if end < 0:
                row.bound_port = None
                return pos
            row.result_code = data[pos + 1]
            row.ok = data[pos + 1] == 0
        elif data[pos] == 1 and len(data) - pos >= 2:
            return pos + 2  # the answer to a password that was sent together with the request
        else:
            raise DissectError("expected a reply, got a message that begins with {first}", first=data[pos])
        self._open()
        return end

    def _open(self) -> None:
        """Let other protocols read what follows, if the proxy connects."""
        if self.row.ok is False or self.row.command not in {None, "connect", "bind"}:
            self.finish()
        else:
            self.hand_over(None)


def _client(talk: Conversation) -> bool:
    """Direction of the client: the flow's initiator, unless only its port is a standard one."""
    return talk.dst_port in _PORTS or talk.src_port not in _PORTS


def _probe_socks(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a SOCKS 4 or 5 request together with the proxy's answer; on the standard ports either is enough."""
    if not data:
        return MORE
    first = data[0]
    if first == 5:
        return _probe_five(data, talk, from_src)
    if first == 4:
        return _probe_four(data, talk)
    if first == 0 and len(data) == 8 and 90 <= data[1] <= 93:
        other = talk.pending_dst if from_src else talk.pending_src
        request_seen = other[:1] == b"\x04" and _fits_four(other)
        return YES if request_seen or talk.has_port(*_PORTS) else NO
    return MORE if first == 0 and len(data) < 8 and talk.has_port(*_PORTS) else NO


def _probe_five(data: bytes, talk: Conversation, from_src: bool) -> int:
    on_port = talk.has_port(*_PORTS)
    size = len(data)
    if size < 2:
        return MORE
    other = talk.pending_dst if from_src else talk.pending_src
    if data[1] in {0, 2, 0xFF} and other[:1] == b"\x05" and _offers(other):
        return YES if size == 2 or data[2] in {1, 5} else NO
    if on_port and from_src != _client(talk):
        return YES if data[1] in _METHODS and (size == 2 or data[2] in {1, 5}) else NO
    if size < 2 + data[1]:
        return MORE if 0 < data[1] < 12 else NO
    return NO if not _offers(data) else YES if on_port else MORE


def _offers(data: bytes) -> bool:
    """Whether a SOCKS 5 greeting offers known methods and is followed by nothing but a request."""
    end = 2 + data[1] if len(data) > 1 else 0
    if not 3 <= end <= 12 or len(data) < end or not all(method in _METHODS for method in data[2:end]):
        return False
    return len(data) == end or data[end] in {1, 5}


def _fits_four(data: bytes) -> bool:
    """Whether a SOCKS 4 request is complete and ends with its last NUL."""
    if len(data) < 9 or data[1] not in {1, 2} or data[-1]:
        return False
    user_end = data.find(b"\0", 8)
    named = data[4:7] == b"\0\0\0" and data[7] != 0
    if not all(32 <= byte < 127 for byte in data[8:user_end]):
        return False
    return user_end < len(data) - 1 if named else user_end == len(data) - 1


def _probe_four(data: bytes, talk: Conversation) -> int:
    on_port = talk.has_port(*_PORTS)
    if len(data) < 9:
        return MORE if on_port or len(data) < 2 or data[1] in {1, 2} else NO
    if data[1] not in {1, 2} or len(data) > MAX_TEXT_FIELD:
        return NO
    if _fits_four(data):
        return YES if on_port else MORE
    expected = 2 if data[4:7] == b"\0\0\0" and data[7] else 1
    return MORE if on_port and data.count(b"\0", 8) < expected else NO


SOCKS = Dissector(
    "socks", "SOCKS 4, 4a and 5 (RFC 1928)", ("tcp",), _PORTS, (Socks,), _probe_socks, SocksParser, first=b"\0\x04\x05"
)
