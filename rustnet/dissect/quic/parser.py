"""QUIC (RFC 9000, 9001, 9369), its drafts, and Facebook's and Google's versions.

One row per connection, from its Initial packets, whose keys are public. The row is stored when both hellos are known
and encrypted data flows, at a CONNECTION_CLOSE, after a number of datagrams, or when the flow ends. Versions up to Q046
carry their hello in the clear. Later packets are not read.
"""

from rustnet.dissect.framework.conversation import Conversation, DissectError, Dissector, Parser
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.quic.crypto import Keys, Secrets, secrets
from rustnet.dissect.quic.packet import (
    FIRST_BYTES,
    HANDSHAKE,
    IDLE_TIMEOUT,
    INITIAL,
    NEGOTIATION,
    Q046,
    RETRY,
    USER_AGENT,
    ZERO_RTT,
    Close,
    CryptoStream,
    LongHeader,
    client_tags,
    is_google,
    long_header,
    number,
    parameters,
    probe,
    read_frames,
    rejection,
    version_name,
    versions,
)
from rustnet.dissect.tls.describe import describe_second
from rustnet.dissect.tls.fingerprints import ja3, ja3s, ja4
from rustnet.dissect.tls.handshake import ClientHello, parse_client_hello, parse_server_hello, without_dot
from rustnet.dissect.tls.names import cipher_name, group_name
from rustnet.policy.timeouts import QUIC_CLOSED, QUIC_STATES
from rustnet.records import I64, Fingerprint, FreeText, Host, Identifier, Software, Term, Word, record

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MAX_IDLE_MS = 86_400_000
MAX_DATAGRAMS = 64
"""Datagrams of a connection that are read; by then the handshake is over or was not captured."""
MAX_GOOGLE = 12
"""The same for versions up to Q046, of which only the hello is read."""
MAX_COALESCED = 8
MAX_TRIALS = 6
"""Connection ids of a flow that are tried as the one that the keys follow from."""
_PARAMETERS = (57, 0xFFA5)
"""Types of the TLS extension that carries transport parameters: RFC 9001's, and that of the drafts."""


@record("quic")
class Quic:
    """One QUIC connection, as its Initial packets show it."""

    sni: Host | None = None
    """Server name that the client requested."""
    version: Word | None = None
    """Version: `1`, `2`, `draft-29`, `Q046`, `T051`, `mvfst-22` …, or hexadecimal."""
    dcid: Identifier | None = None
    """Destination connection id of the client's first packet, hexadecimal."""
    scid: Identifier | None = None
    """The client's own connection id, hexadecimal; often empty."""
    server_cid: Identifier | None = None
    """The server's connection id, hexadecimal."""
    alpn: Term | None = None
    """First application protocol that the client offered (the choice is encrypted)."""
    offered_alpn: list[Term] | None = None
    """Application protocols that the client offered."""
    ja3: Fingerprint | None = None
    """JA3 fingerprint of the client, of its first hello."""
    ja3s: Fingerprint | None = None
    """JA3S fingerprint of the server, of the ServerHello that chose."""
    ja4: Fingerprint | None = None
    """JA4 fingerprint of the client, of its first hello."""
    cipher: Word | None = None
    """Cipher suite chosen (IANA name)."""
    key_group: Word | None = None
    """Group of the key exchange."""
    user_agent: Software | None = None
    """User agent of Google's clients."""
    idle_timeout_ms: I64 | None = None
    """Idle timeout that the client proposed, in milliseconds; 0 means none."""
    close_code: I64 | None = None
    """Error code of a CONNECTION_CLOSE within an Initial packet (RFC 9000, 20; from 256 on TLS alerts)."""
    close_reason: FreeText | None = None
    """Its reason phrase."""
    close_from_client: bool | None = None
    """The client sent it."""
    server_versions: list[Word] | None = None
    """Versions that the server offered in a version negotiation."""
    hello_retry: bool = False
    """The server asked for a second ClientHello."""
    retry: bool = False
    """The server sent a Retry packet, to validate the client's address."""
    token_sent: bool | None = None
    """The client's Initial carried a token of an earlier connection or a Retry."""
    early_data: bool = False
    """0-RTT packets were sent."""
    ech: bool | None = None
    """An encrypted ClientHello, or GREASE for one, was sent; NULL if the client was not seen."""
    established: bool = False
    """Packets of the established connection were seen."""
    server_hello_ms: float | None = None
    """From the ClientHello to the ServerHello, in milliseconds."""
    retry_ja3: Fingerprint | None = None
    """JA3 fingerprint of the second ClientHello, after a HelloRetryRequest, if it differs from the first one's."""
    retry_ja4: Fingerprint | None = None
    """JA4 fingerprint of the second ClientHello, if it differs from the first one's."""
    retry_ja3s: Fingerprint | None = None
    """JA3S fingerprint of the HelloRetryRequest."""


class QuicParser(Parser):
    """One connection's handshake."""

    __slots__ = (
        "begun",
        "client_at",
        "client_hello",
        "client_is_src",
        "client_stream",
        "datagrams",
        "google",
        "hello_ts",
        "keys",
        "packet",
        "row",
        "server_at",
        "server_hello",
        "server_stream",
        "trials",
        "ts",
        "version",
    )

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.row = Quic()
        self.begun = False
        """The row has content."""
        self.ts = 0
        self.packet = 0
        self.version = 0
        self.google = False
        """A version of Google's with the public header that RFC 8999 replaced."""
        self.client_is_src = True
        self.keys: Secrets | None = None
        """Secrets that opened a packet."""
        self.trials: set[tuple[int, bytes]] = set()
        self.client_stream = CryptoStream()
        self.server_stream = CryptoStream()
        self.client_at = self.server_at = 0
        """How much of each stream was read."""
        self.client_hello = False
        self.hello_ts = 0
        """When the ClientHello was complete."""
        self.server_hello = False
        self.datagrams = 0

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one datagram's packets, as far as they can be read."""
        self.datagrams += 1
        if not data:
            return
        if data[0] & 0x80:
            self._long_packets(data, from_src)
        elif self.google:
            self._google_packet(data, from_src)
        elif not self.begun:
            self._google_first(data, from_src)
        elif data[0] & 0x40:
            self._connected()
        if self.datagrams >= (MAX_GOOGLE if self.google else MAX_DATAGRAMS):
            self.finish()

    def close(self) -> None:
        """Store the row if it was not stored yet."""
        self.finish()

    def finish(self) -> None:
        """Store the row if the connection has begun, and read no more of the flow."""
        if self.begun and not self.talk.finished:
            self.talk.emit(self.row, self.ts, self.packet)
        self.talk.finish()

    def _begin(self, version: int, from_src: bool) -> None:
        """Begin a connection; the sender of its first packet counts as the client until a packet shows otherwise."""
        self.begun = True
        self.ts = self.talk.ts
        self.packet = self.talk.packet
        self.client_is_src = from_src
        self._set_version(version)

    def _set_version(self, version: int) -> None:
        if version != self.version:
            self.version = version
            self.row.version = version_name(version)

    def _connected(self) -> None:
        """Handle encrypted data: reading ends unless a hello is still expected."""
        talk = self.talk
        if talk.state not in {"QUIC_DRAINING", "QUIC_CLOSED"}:
            self._enter("QUIC_CONNECTED")
            self.row.established = True
        if (self.client_hello and self.server_hello) or self.datagrams >= MAX_GOOGLE:
            self.finish()

    # ---- long headers ------------------------------------------------------------------------------------------------

    def _long_packets(self, data: bytes, from_src: bool) -> None:
        pos = 0
        for _ in range(MAX_COALESCED):
            if pos >= len(data):
                break
            if not data[pos] & 0x80:
                if data[pos] & 0x40 and self.begun:
                    self._connected()
                break
            if pos and len(data) - pos < 7:
                break
            head = long_header(data, pos)
            self._packet(data, head, from_src)
            if self.talk.finished:
                break
            pos = head.end

    def _packet(self, data: bytes, head: LongHeader, from_src: bool) -> None:
        kind = head.kind
        if not self.begun:
            self._begin(head.version, from_src if kind not in {NEGOTIATION, RETRY, HANDSHAKE} else not from_src)
        if head.version == Q046:
            self._google_46(data, head, from_src)
        elif kind == INITIAL:
            self._initial(data, head, from_src)
        elif kind == HANDSHAKE:
            self._state("QUIC_HANDSHAKE")
        elif kind == ZERO_RTT:
            self.row.early_data = True
        elif kind == NEGOTIATION:
            offered = versions(data, head.body)
            self.row.server_versions = [version_name(v) for v in offered]
            self._restart()
        elif kind == RETRY:
            self.row.retry = True
            self.row.server_cid = head.scid.hex()
            self._restart()

    def _state(self, state: str) -> None:
        """Go on to a state, never back."""
        talk = self.talk
        if talk.state is None or (talk.state == "QUIC_INITIAL" and state == "QUIC_HANDSHAKE"):
            self._enter(state)

    def _enter(self, state: str) -> None:
        """Set the state, and the flow's idle timeout with it."""
        self.talk.state = state
        timeout = QUIC_STATES[state] * SECOND
        if state == "QUIC_CONNECTED" and self.row.idle_timeout_ms:
            timeout = min(self.row.idle_timeout_ms, MAX_IDLE_MS) * MILLISECOND + QUIC_CLOSED * SECOND
        self.talk.set_idle_timeout(timeout)

    def _restart(self) -> None:
        """Expect the client to begin again, with another version or with a token."""
        self._state("QUIC_INITIAL")
        if not self.client_hello:
            self.client_stream = CryptoStream()
            self.client_at = 0

    def _initial(self, data: bytes, head: LongHeader, from_src: bool) -> None:
        self._state("QUIC_INITIAL")
        row = self.row
        if head.end > len(data):
            self._set_connection_ids(head, from_src)
            return  # cut off by the snap length
        plain = self._open(data, head, from_src)
        self._set_connection_ids(head, from_src)
        if plain is None:
            return
        client = from_src == self.client_is_src
        if client:
            self._set_version(head.version)
            row.token_sent = bool(head.token) or bool(row.token_sent)
        else:
            self._state("QUIC_HANDSHAKE")
        stream = self.client_stream if client else self.server_stream
        try:
            closed = read_frames(plain, head.version, stream)
            if client:
                self._client_messages()
            else:
                self._server_messages()
        except DissectError as error:
            self.talk.anomaly("malformed_quic", str(error))
            return
        if closed is not None:
            self._closed(closed, client)

    def _set_connection_ids(self, head: LongHeader, from_src: bool) -> None:
        row = self.row
        if from_src == self.client_is_src:
            if row.dcid is None:
                row.dcid = head.dcid.hex()
                row.scid = head.scid.hex()
        else:
            row.server_cid = head.scid.hex()

    def _open(self, data: bytes, head: LongHeader, from_src: bool) -> bytes | None:
        """Decrypt an Initial packet with the keys at hand, else with those that follow from its own connection id."""
        known = self.keys
        if known is not None:
            side = known.client if from_src == self.client_is_src else known.server
            if known.version == head.version:
                plain = side.open(data, head.start, head.body, head.end)
                if plain is not None:
                    return plain
            elif (plain := self._other_version(data, head, from_src, known)) is not None:
                return plain
        tried = (head.version, head.dcid)
        if tried in self.trials or len(self.trials) >= MAX_TRIALS:
            return None
        self.trials.add(tried)
        for candidate in secrets(head.version, head.dcid):
            plain = candidate.client.open(data, head.start, head.body, head.end)
            if plain is not None:
                if known is None:
                    self.client_is_src = from_src
                self.keys = candidate
                return plain
        return None

    def _other_version(self, data: bytes, head: LongHeader, from_src: bool, known: Secrets) -> bytes | None:
        """Try a compatible version that a side switched to: the connection id stays (RFC 9368)."""
        tried = (head.version, known.dcid)
        if tried in self.trials or len(self.trials) >= MAX_TRIALS:
            return None
        self.trials.add(tried)
        for candidate in secrets(head.version, known.dcid):
            side: Keys = candidate.client if from_src == self.client_is_src else candidate.server
            plain = side.open(data, head.start, head.body, head.end)
            if plain is not None:
                self.keys = candidate
                self._set_version(head.version)
                return plain
        return None

    # ---- handshake messages ----------------------------------------------------------------------------------------

    def _client_messages(self) -> None:
        """Read the ClientHello once it is complete, and the second one, after a HelloRetryRequest."""
        data = self.client_stream.data
        if not self.client_hello and data[:4] == b"CHLO":
            self._tags(client_tags(bytes(data), 0) or {})
        while not self.server_hello and len(data) - self.client_at >= 4 and data[self.client_at] == 1:
            begin = self.client_at + 4
            end = begin + int.from_bytes(data[begin - 3 : begin], "big")
            if len(data) < end:
                return
            self.client_at = end
            self._client(parse_client_hello(bytes(data[begin:end])))

    def _client(self, hello: ClientHello) -> None:
        row = self.row
        if self.client_hello:
            describe_second(row, hello, "q")
            return
        self.client_hello = True
        self.hello_ts = self.talk.ts
        row.sni = hello.sni
        row.ja3 = ja3(hello)
        row.ja4 = ja4(hello, "q")
        row.ech = hello.encrypted
        if hello.alpn:
            row.alpn = hello.alpn[0]
            row.offered_alpn = list(hello.alpn[:32])
        if hello.sni:
            self.talk.name_host(hello.sni.lower(), "sni")
        for kind in _PARAMETERS:
            body = hello.extensions.get(kind)
            if body is not None:
                self._parameters(body)
                break

    def _parameters(self, body: bytes) -> None:
        values = parameters(body)
        idle = values.get(IDLE_TIMEOUT)
        if idle is not None:
            self.row.idle_timeout_ms = number(idle)
        agent = values.get(USER_AGENT)
        if agent:
            self.row.user_agent = agent[:256].decode("utf-8", "backslashreplace")

    def _server_messages(self) -> None:
        """Read the ServerHello, after a HelloRetryRequest if there was one."""
        data = self.server_stream.data
        while not self.server_hello and len(data) - self.server_at >= 4:
            begin = self.server_at
            end = begin + 4 + int.from_bytes(data[begin + 1 : begin + 4], "big")
            if data[begin] != 2 or len(data) < end:
                return
            hello = parse_server_hello(bytes(data[begin + 4 : end]))
            self.server_at = end
            row = self.row
            if hello.retry:
                row.hello_retry = True
                row.retry_ja3s = ja3s(hello)
                continue
            self.server_hello = True
            row.cipher = cipher_name(hello.cipher)
            row.ja3s = ja3s(hello)
            if hello.group is not None:
                row.key_group = group_name(hello.group)
            if self.client_hello:
                row.server_hello_ms = elapsed(self.hello_ts, self.talk.ts)

    def _closed(self, closed: Close, from_client: bool) -> None:
        """Read a CONNECTION_CLOSE; the other side's answer to it ends the connection."""
        row = self.row
        if row.close_code is None:
            row.close_code = closed.code
            row.close_reason = closed.reason or None
            row.close_from_client = from_client
            self._enter("QUIC_DRAINING")
        elif row.close_from_client != from_client:
            self._enter("QUIC_CLOSED")
            self.finish()

    # ---- Google's versions up to Q046 ------------------------------------------------------------------------------

    def _google_first(self, data: bytes, from_src: bool) -> None:
        """Read the first packet of a connection: flags, connection id, version, packet number, hello."""
        if len(data) < 14:
            raise DissectError("truncated Google QUIC packet")
        version = int.from_bytes(data[9:13], "big")
        self.google = True
        if data[0] & 1 == 0 and rejection(data):
            self._begin(0, not from_src)
            self._google_answer(data, 1)
            return
        if not is_google(version):
            raise DissectError("expected a version in a Google QUIC packet")
        self._begin(version, from_src)
        self.row.dcid = data[1:9].hex()
        self._enter("QUIC_INITIAL")
        self._hello(data, 14)

    def _google_46(self, data: bytes, head: LongHeader, from_src: bool) -> None:
        self.google = True
        if from_src == self.client_is_src and self.row.dcid is None:
            self.row.dcid = head.dcid.hex()
            self._state("QUIC_INITIAL")
            self._hello(data, head.body + 4)
        elif from_src == self.client_is_src:
            self._hello(data, head.body + 4)
        else:
            self._google_answer(data, head.body)

    def _google_packet(self, data: bytes, from_src: bool) -> None:
        if from_src == self.client_is_src:
            self._hello(data, 10)
        else:
            self._google_answer(data, 1)

    def _hello(self, data: bytes, pos: int) -> None:
        if not self.client_hello:
            tags = client_tags(data, pos)
            if tags is not None:
                self._tags(tags)

    def _google_answer(self, data: bytes, pos: int) -> None:
        """Distinguish a rejection, which is in the clear so that the client can try again, from encrypted data."""
        if data.find(b"REJ\0", pos, pos + 80) >= 0:
            self._state("QUIC_HANDSHAKE")
        elif self.client_hello:
            self._enter("QUIC_CONNECTED")
            self.row.established = True
            self.finish()

    def _tags(self, tags: dict[bytes, bytes]) -> None:
        """Read the tags of a CHLO."""
        self.client_hello = True
        self.server_hello = True  # there is no ServerHello in TLS's form
        row = self.row
        name = tags.get(b"SNI\0")
        if name:
            row.sni = without_dot(name[:255]).decode("utf-8", "backslashreplace")
            self.talk.name_host(row.sni.lower(), "sni")
        agent = tags.get(b"UAID")
        if agent:
            row.user_agent = agent[:256].decode("utf-8", "backslashreplace")
        idle = tags.get(b"ICSL")
        if idle is not None and len(idle) == 4:
            row.idle_timeout_ms = int.from_bytes(idle, "little") * 1000


QUIC = Dissector("quic", "QUIC (RFC 9000)", ("udp",), (443, 784, 853), (Quic,), probe, QuicParser, first=FIRST_BYTES)
