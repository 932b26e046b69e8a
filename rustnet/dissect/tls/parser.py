"""TLS 1.0 to 1.3 and SSL 3.0 over a stream (RFC 8446, 5246, 6101), with SSL 2.0 hellos (RFC 5246, E.2).

One row per handshake: both hellos, the certificates up to TLS 1.2, and an alert that ended it. The row is stored when
nothing readable can follow: after the ServerHello of TLS 1.3, at the server's ChangeCipherSpec of earlier versions, at
application data, at a fatal alert, or when the flow ends. A HelloRetryRequest and the second ClientHello belong to the
same row, which describes the first ClientHello and the ServerHello that chose; of the other two it has fingerprints.
The parser can start at any record boundary, so that STARTTLS may hand a connection over to it.
"""

import cython

from rustnet.dissect.framework.conversation import Conversation, DissectError, Dissector, Parser
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.tls.names import ALERT_LEVELS, SSL2_CIPHERS, alert_name, group_name, version_name
from rustnet.dissect.tls.probe import PORTS, STARTS, probe_tls
from rustnet.dissect.tls.x509 import Certificate, read_certificate
from rustnet.records import (
    U16,
    Count8,
    Count16,
    Digest,
    DistinguishedName,
    Fingerprint,
    Host,
    Identifier,
    Mixed,
    Term,
    Ts,
    Word,
    record,
)

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.dissect.tls.describe import describe_client, describe_second, describe_server, is_13
    from rustnet.dissect.tls.fingerprints import ja3s
    from rustnet.dissect.tls.handshake import (
        LAST_SHORT,
        ClientHello,
        ServerHello,
        certificates,
        parse_client_hello,
        parse_server_hello,
    )
    from rustnet.dissect.tls.probe import (
        ALERT,
        CHANGE,
        DATA,
        HANDSHAKE,
        HEARTBEAT,
        MAX_MESSAGE,
        MAX_RECORD,
    )

PATIENCE = 16
"""Records of application data after which the parser no longer waits for the other direction's hello."""

_CLIENT_HELLO, _SERVER_HELLO, _OLD_RETRY, _CERTIFICATE, _SERVER_KEY = 1, 2, 6, 11, 12
_KNOWN = bytes(
    kind in {0, 1, 2, 3, 4, 5, 6, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 67, 203} for kind in range(256)
)
"""For each type of handshake message, whether it is defined."""


@record("tls")
class Tls:
    """One TLS handshake, as far as it is in the clear."""

    sni: Host | None = None
    """Server name that the client requested."""
    version: Word | None = None
    """Version chosen, `TLS 1.3` style; NULL if the server was not seen."""
    cipher: Word | None = None
    """Cipher suite chosen (IANA name)."""
    alpn: Term | None = None
    """Application protocol chosen; encrypted in TLS 1.3."""
    ja3: Fingerprint | None = None
    """JA3 fingerprint of the client, of its first hello; the version is that of the hello's own field, also in TLS 1.3
    and its drafts."""
    ja3s: Fingerprint | None = None
    """JA3S fingerprint of the server, of the ServerHello that chose."""
    ja4: Fingerprint | None = None
    """JA4 fingerprint of the client, of its first hello; the version `00` stands for a draft."""
    offered_versions: list[Word] | None = None
    """Versions that the client offered."""
    offered_alpn: list[Term] | None = None
    """Application protocols that the client offered."""
    key_group: Word | None = None
    """Group of the key exchange."""
    ech: bool | None = None
    """An encrypted ClientHello, or GREASE for one, was sent; NULL if the client was not seen."""
    esni: bool | None = None
    """An encrypted server name (the draft before ECH) was sent; NULL if the client was not seen."""
    resumed: bool | None = None
    """An earlier session was resumed; NULL if that needs both sides to be seen."""
    early_data: bool | None = None
    """The client sent data along with its hello (0-RTT)."""
    hello_retry: bool = False
    """The server asked for a second ClientHello."""
    established: bool = False
    """The handshake reached encryption."""
    alert: Word | None = None
    """Description of the first alert in the clear that was fatal, else of the first warning."""
    alert_level: Word | None = None
    """`warning` or `fatal`."""
    alert_from_client: bool | None = None
    """The client sent that alert; NULL if the client is unknown."""
    server_hello_ms: float | None = None
    """From the ClientHello to the ServerHello, in milliseconds."""
    subject: DistinguishedName | None = None
    """Subject of the server's certificate (RFC 4514)."""
    issuer: DistinguishedName | None = None
    """Issuer of the server's certificate (RFC 4514)."""
    sans: list[Mixed] | None = None
    """Subject alternative names: DNS names, addresses, mail addresses, URIs; if they are too many for a row, the first
    ones."""
    not_before: Ts | None = None
    """Begin of the certificate's validity."""
    not_after: Ts | None = None
    """End of the certificate's validity; at most 2262-04-11."""
    cert_sha256: Digest | None = None
    """SHA-256 of the server's certificate."""
    cert_serial: Identifier | None = None
    """Serial number, hexadecimal."""
    cert_key_type: Word | None = None
    """`RSA`, `EC`, `Ed25519` …"""
    cert_key_bits: U16 | None = None
    """Size of the certificate's key."""
    cert_signature: Word | None = None
    """Algorithm of the certificate's signature."""
    self_signed: bool | None = None
    """Issuer and subject of the certificate are the same; the signature is not verified."""
    chain_length: Count8 | None = None
    """Certificates that the server sent."""
    client_subject: DistinguishedName | None = None
    """Subject of the client's certificate (RFC 4514)."""
    client_cert_sha256: Digest | None = None
    """SHA-256 of the client's certificate."""
    san_count: Count16 | None = None
    """Subject alternative names of these kinds that the server's certificate has, in `sans` or left out."""
    retry_ja3: Fingerprint | None = None
    """JA3 fingerprint of the second ClientHello, after a HelloRetryRequest, if it differs from the first one's."""
    retry_ja4: Fingerprint | None = None
    """JA4 fingerprint of the second ClientHello, if it differs from the first one's."""
    retry_ja3s: Fingerprint | None = None
    """JA3S fingerprint of the HelloRetryRequest; drafts before 22 have a message without one."""


class TlsParser(Parser):
    """One connection's handshake."""

    letter = "t"
    """JA4's letter of the transport."""
    __slots__ = (
        "begun",
        "client",
        "client_is_src",
        "encrypted",
        "lost",
        "packet",
        "partial",
        "patience",
        "row",
        "server",
        "ts",
    )

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.row = Tls()
        self.begun = False
        """The row has content."""
        self.ts = 0
        self.packet = 0
        self.client: ClientHello | None = None
        self.server: ServerHello | None = None
        self.client_is_src = True
        self.partial = [bytearray(), bytearray()]
        """By direction: an incomplete handshake message."""
        self.encrypted = [False, False]
        """By direction: ChangeCipherSpec was sent."""
        self.lost = [False, False]
        """By direction: bytes are missing, so records cannot be followed."""
        self.patience = PATIENCE

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete records; application data may be skipped beyond ``data``."""
        pos = 0
        size = len(data)
        talk = self.talk
        if self.lost[from_src]:
            self.patience -= 1
            if self.patience <= 0:
                self.finish()
            return size
        while size - pos >= 5:
            kind = data[pos]
            length = data[pos + 3] << 8 | data[pos + 4]
            if not CHANGE <= kind <= HEARTBEAT or data[pos + 1] != 3 or length > MAX_RECORD:
                after = self._no_record(data, pos, from_src)
                if after == pos:
                    return pos
                pos = after
                continue
            end = pos + 5 + length
            if kind == DATA:
                if self._expects_hello(from_src):
                    pos = end
                    continue
                self.finish()
                return size
            if end > size:
                return pos
            self._record(kind, data, pos + 5, end, from_src)
            if talk.finished:
                return size
            pos = end
        return pos

    def _record(self, kind: int, data: bytes, pos: int, end: int, from_src: bool) -> None:
        """Read the content of a record other than application data; heartbeats are ignored."""
        if kind == HANDSHAKE:
            self._fragment(data, pos, end, from_src)
        elif kind == ALERT:
            self._alert(data[pos:end], from_src)
        elif kind == CHANGE:
            self._change(from_src)

    def cut(self, data: bytes, from_src: bool) -> None:
        """Read the complete messages of a record whose rest is lost."""
        if data[0] == HANDSHAKE and not self.partial[from_src]:
            self._fragment(data, 5, len(data), from_src)

    def gap(self, size: int, from_src: bool) -> None:
        """Wait for the server's hello if it can still follow, else store the row."""
        other = self.lost[not from_src]
        self.lost[from_src] = True
        if self.server is not None or other or (self.client is not None and from_src != self.client_is_src):
            self.finish()

    def close(self) -> None:
        """Store the row if it was not stored yet."""
        self.finish()

    def finish(self) -> None:
        """Store the row if it has content, and read no more of the flow."""
        talk = self.talk
        if self.begun:
            self.begun = False
            talk.emit(self.row, self.ts, self.packet)
        talk.finish()

    def begin(self) -> None:
        """Stamp the row with the current packet. Only the first call counts."""
        if not self.begun:
            self.begun = True
            self.ts = self.talk.ts
            self.packet = self.talk.packet

    def reject(self, error: DissectError) -> None:
        """Withdraw the claim on a flow that has not begun; later, report the error and keep the row."""
        if not self.begun:
            raise error
        self.talk.anomaly("malformed_tls", str(error))
        self.finish()

    def _expects_hello(self, from_src: bool) -> bool:
        """Whether this is early data, or the server's hello may still follow in a reordered capture."""
        client = self.client
        self.patience -= 1
        if client is None or self.server is not None or self.patience <= 0:
            return False
        return from_src == self.client_is_src

    def _no_record(self, data: bytes, pos: int, from_src: bool) -> int:
        """Read an SSL 2.0 hello; anything else that is not a TLS record is an error."""
        if self.client is None and data[pos] & 0x80 and data[pos + 2] == 1:
            end = pos + 2 + ((data[pos] & 0x7F) << 8 | data[pos + 1])
            if end > len(data):
                return pos
            self._ssl2_client(data[pos + 2 : end], from_src)
            return end
        if self.server is None and data[pos] & 0x80 and data[pos + 2] == 4 and self.begun:
            self.row.version = version_name(2)
        else:
            self.reject(DissectError("expected a TLS record header"))
        self.finish()
        return len(data)

    def _ssl2_client(self, body: bytes, from_src: bool) -> None:
        if len(body) < 9:
            raise DissectError("truncated SSL 2.0 ClientHello")
        version = body[1] << 8 | body[2]
        ciphers = body[3] << 8 | body[4]
        if ciphers % 3 or 9 + ciphers > len(body) or not (version == 2 or version >> 8 == 3):
            raise DissectError("inconsistent lengths in an SSL 2.0 ClientHello")
        self.begin()
        kinds = [int.from_bytes(body[i : i + 3], "big") for i in range(9, 9 + min(ciphers, 600), 3)]
        if version == 2 and not any(kind in SSL2_CIPHERS for kind in kinds):
            raise DissectError("expected an SSL 2.0 cipher in an SSL 2.0 ClientHello")
        self.client_is_src = from_src
        plain = b"".join([kind.to_bytes(2, "big") for kind in kinds if kind < 0x10000])
        self.client = ClientHello(version, b"", b"", plain)
        self.row.offered_versions = [version_name(version)]
        self.talk.state = "CLIENT_HELLO"

    def _fragment(self, data: bytes, pos: int, size: int, from_src: bool) -> None:
        """Read the handshake messages in a record, and keep an incomplete one."""
        if self.encrypted[from_src]:
            return
        partial = self.partial[from_src]
        if partial:
            partial += data[pos:size]
            if len(partial) < 4 or len(partial) < 4 + int.from_bytes(partial[1:4], "big"):
                return
            data = bytes(partial)
            partial.clear()
            pos = 0
            size = len(data)
        while size - pos >= 4:
            kind = data[pos]
            length = data[pos + 1] << 16 | data[pos + 2] << 8 | data[pos + 3]
            if not _KNOWN[kind] or length > MAX_MESSAGE:
                detail = "implausible handshake message of type {kind} and {length} bytes"
                self.reject(DissectError(detail, kind=kind, length=length))
                return
            end = pos + 4 + length
            if end > size:
                break
            self._message(kind, data[pos + 4 : end], from_src)
            if self.talk.finished:
                return
            pos = end
        if pos < size:
            partial += data[pos:size]

    def _message(self, kind: int, body: bytes, from_src: bool) -> None:
        """Read one handshake message; a malformed one does not lose the row."""
        try:
            if kind == _CLIENT_HELLO:
                self._client_hello(body, from_src)
            elif kind == _SERVER_HELLO:
                self._server_hello(body, from_src)
            elif kind == _OLD_RETRY:
                self._old_retry(body, from_src)
            elif kind == _CERTIFICATE:
                self._certificates(body, from_src)
            elif kind == _SERVER_KEY:
                self._server_key(body)
        except DissectError as error:
            if kind <= _SERVER_HELLO and len(body) >= 38 and body[0] == 3:
                self.begin()  # record, message and version agree, so this is TLS
            self.reject(error)

    def _client_hello(self, body: bytes, from_src: bool) -> None:
        if self.client is not None:
            if self.server is None and from_src == self.client_is_src:  # else a renegotiation
                self._second_hello(body)
            return
        hello = parse_client_hello(body, self.letter == "d")
        talk = self.talk
        self.begin()
        self.client = hello
        self.client_is_src = from_src
        describe_client(self.row, hello, self.letter)
        if hello.sni:
            talk.name_host(hello.sni.lower(), "sni")
        talk.state = "CLIENT_HELLO"

    def _second_hello(self, body: bytes) -> None:
        """Read the ClientHello after a HelloRetryRequest, which may be stored behind it, or with DTLS's cookie."""
        try:
            describe_second(self.row, parse_client_hello(body, self.letter == "d"), self.letter)
        except DissectError as error:
            self.talk.anomaly("malformed_dtls" if self.letter == "d" else "malformed_tls", str(error))

    def _server_hello(self, body: bytes, from_src: bool) -> None:
        hello = parse_server_hello(body)
        talk = self.talk
        self.begin()
        row = self.row
        if self.client is None:
            self.client_is_src = not from_src
        else:
            row.server_hello_ms = elapsed(self.ts, talk.ts)
        if hello.retry:
            row.hello_retry = True
            if self.letter == "t":
                row.retry_ja3s = ja3s(hello)
            return
        self.server = hello
        describe_server(row, hello, self.client, self.letter)
        talk.state = "SERVER_HELLO"
        if is_13(hello.version):
            row.established = True
            talk.state = "ESTABLISHED"
            self.finish()

    def _old_retry(self, body: bytes, from_src: bool) -> None:
        """Note the HelloRetryRequest of TLS 1.3 up to draft 21, a message of its own."""
        if len(body) >= 4 and body[0] == 0x7F and body[1] <= LAST_SHORT & 0xFF:
            self.begin()
            self.row.hello_retry = True
            if self.client is None:
                self.client_is_src = not from_src

    def _certificates(self, body: bytes, from_src: bool) -> None:
        chain = certificates(body)
        if not chain:
            return  # a client without a certificate
        self.begin()
        from_client = from_src == self.client_is_src if self.client is not None or self.server is not None else False
        row = self.row
        if not from_client:
            row.chain_length = len(chain)
        try:
            leaf = read_certificate(chain[0])
        except DissectError as error:
            self.talk.anomaly("malformed_certificate", str(error))
            return
        if from_client:
            row.client_subject = leaf.subject
            row.client_cert_sha256 = leaf.sha256
        else:
            self._server_certificate(leaf)

    def _server_certificate(self, leaf: Certificate) -> None:
        row = self.row
        row.subject = leaf.subject
        row.issuer = leaf.issuer
        row.sans = leaf.sans
        row.san_count = leaf.san_count
        row.not_before = leaf.not_before
        row.not_after = leaf.not_after
        row.cert_sha256 = leaf.sha256
        row.cert_serial = leaf.serial
        row.cert_key_type = leaf.key_type
        row.cert_key_bits = leaf.key_bits
        row.cert_signature = leaf.signature
        row.self_signed = leaf.self_signed
        if leaf.sans:
            self.talk.name_host(leaf.sans[0].lower(), "cert")

    def _server_key(self, body: bytes) -> None:
        """Note the named curve of an ECDHE key exchange (RFC 8422)."""
        if len(body) >= 3 and body[0] == 3 and self.server is not None and "_ECDH" in f"_{self.row.cipher}":
            self.row.key_group = group_name(body[1] << 8 | body[2])

    def _change(self, from_src: bool) -> None:
        """Handle ChangeCipherSpec: everything that this direction sends from now on is encrypted."""
        if self.server is None and self.row.hello_retry:
            return  # for middlebox compatibility: more hellos follow
        self.encrypted[from_src] = True
        if self.server is not None and from_src != self.client_is_src:
            self.row.established = True
            self.talk.state = "ESTABLISHED"
            self.finish()

    def _alert(self, body: bytes, from_src: bool) -> None:
        """Read an unencrypted alert; a fatal one ends the handshake."""
        if self.encrypted[from_src] or len(body) != 2 or body[0] not in ALERT_LEVELS:
            if not self.begun:
                self.finish()
            return
        self.begin()
        row = self.row
        level = ALERT_LEVELS[body[0]]
        if row.alert is None or level == "fatal":
            row.alert = alert_name(body[1])
            row.alert_level = level
            known = self.client is not None or self.server is not None
            row.alert_from_client = from_src == self.client_is_src if known else None
        if level == "fatal" or body[1] == 0:
            self.talk.state = "ALERT"
            self.finish()


TLS = Dissector("tls", "Transport Layer Security (RFC 8446)", ("tcp",), PORTS, (Tls,), probe_tls, TlsParser, STARTS)
