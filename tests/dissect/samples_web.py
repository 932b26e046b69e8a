"""Messages as they stand on the wire, built byte by byte or by a genuine TLS library, for tests and fuzzing."""

import datetime as dt
import ssl
import struct
import tempfile
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Talk = list[tuple[bool, bytes]]
"""Who spoke (the client: true), and what."""


# ---- DNS ---------------------------------------------------------------------------------------------------------


def name(text: str) -> bytes:
    """Labels of a name, without compression."""
    labels = [part.encode() for part in text.split(".") if part]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(text: str, kind: int = 1, klass: int = 1) -> bytes:
    return name(text) + struct.pack(">HH", kind, klass)


def answer(owner: bytes, kind: int, data: bytes, ttl: int = 300, klass: int = 1) -> bytes:
    return owner + struct.pack(">HHIH", kind, klass, ttl, len(data)) + data


def dns(
    flags: int = 0x0100,
    questions: tuple[bytes, ...] = (),
    answers: tuple[bytes, ...] = (),
    authorities: tuple[bytes, ...] = (),
    additionals: tuple[bytes, ...] = (),
    txid: int = 0x1234,
) -> bytes:
    head = struct.pack(">6H", txid, flags, len(questions), len(answers), len(authorities), len(additionals))
    return head + b"".join((*questions, *answers, *authorities, *additionals))


def framed(message: bytes) -> bytes:
    return struct.pack(">H", len(message)) + message


HERE = b"\xc0\x0c"
"""Compression pointer to the first question's name."""

DNS_QUERY = dns(
    questions=(question("www.Example.com"),), additionals=(b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0),)
)
DNS_RESPONSE = dns(
    0x8180,
    (question("www.Example.com"),),
    (
        answer(HERE, 5, b"\x03cdn\x03net\0", 600),
        answer(b"\xc0\x2d", 1, bytes([93, 184, 216, 34]), 60),
        answer(b"\xc0\x2d", 28, bytes.fromhex("20010db8000000000000000000000001"), 90),
    ),
)
MDNS_RESPONSE = dns(
    0x8400,
    (),
    (
        answer(name("_ipp._tcp.local"), 12, b"\x0aMy Printer" + HERE, 4500),
        answer(b"\xc0\x27", 33, struct.pack(">HHH", 0, 0, 631) + name("printer.local"), 120, 0x8001),
    ),
    (),
    (answer(name("printer.local"), 1, bytes([10, 0, 0, 9]), 120, 0x8001),),
    txid=0,
)


# ---- TLS ---------------------------------------------------------------------------------------------------------


def vector(body: bytes, size: int = 2) -> bytes:
    return len(body).to_bytes(size, "big") + body


def numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def client_hello(
    ciphers: tuple[int, ...],
    extensions: tuple[tuple[int, bytes], ...] | None = (),
    version: int = 0x0303,
    session_id: bytes = b"",
) -> bytes:
    """Body of a ClientHello; without an extension block where ``extensions`` is None."""
    body = struct.pack(">H", version) + bytes(range(32)) + vector(session_id, 1) + vector(numbers(*ciphers)) + b"\x01\0"
    if extensions is None:
        return body
    return body + vector(b"".join(struct.pack(">H", kind) + vector(data) for kind, data in extensions))


def handshake_message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vector(body, 3)


def tls_record(kind: int, body: bytes, version: int = 0x0301) -> bytes:
    return bytes([kind]) + struct.pack(">H", version) + vector(body)


def certificate(
    common_name: str,
    sans: tuple[str, ...] = (),
    kind: str = "ec",
    subject: list[x509.NameAttribute[str]] | None = None,
    days: int = 90,
) -> tuple[bytes, bytes]:
    """PEM of a self-signed certificate, valid from 2024, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    named = x509.Name(subject or [x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    begin = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(0x1234567890)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
    )
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in sans]), critical=False)
    made = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), secret


@cache
def server_pem() -> tuple[bytes, bytes]:
    return certificate("server.example", ("www.example.org", "*.example.org"))


@cache
def client_pem() -> tuple[bytes, bytes]:
    return certificate("Some Client", days=36_500)


def _load(context: ssl.SSLContext, pem: tuple[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(pem[0] + pem[1])
        context.load_cert_chain(file)


class Peers:
    """Two TLS contexts that shake hands in memory."""

    def __init__(self, version: ssl.TLSVersion, mutual: bool = False, curve: str | None = None) -> None:
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client.check_hostname = False
        self.client.verify_mode = ssl.CERT_NONE
        for context in (self.server, self.client):
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
        _load(self.server, server_pem())
        if curve:
            self.server.set_ecdh_curve(curve)
        if mutual:
            _load(self.client, client_pem())
            self.server.verify_mode = ssl.CERT_OPTIONAL
            self.server.load_verify_locations(cadata=client_pem()[0].decode())
        self.session: ssl.SSLSession | None = None

    def shake(self, sni: str | None = "www.example.org", reuse: bool = False) -> Talk:
        """Bytes of one handshake and a few of application data, in the order of their flights."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client_out, server_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.client.wrap_bio(
            to_client, client_out, server_hostname=sni, session=self.session if reuse else None
        )
        server = self.server.wrap_bio(to_server, server_out, server_side=True)
        talk: Talk = []
        done = [False, False]
        for _ in range(10):
            for side, peer, out, target in ((0, client, client_out, to_server), (1, server, server_out, to_client)):
                try:
                    if not done[side]:
                        peer.do_handshake()
                        done[side] = True
                        peer.write(b"hello")
                    elif side == 0:
                        peer.read(10)
                        self.session = peer.session
                except ssl.SSLWantReadError:
                    pass
                sent = out.read()
                if sent:
                    talk.append((side == 0, sent))
                    target.write(sent)
            if all(done) and self.session is not None:
                break
        return talk


@cache
def tls_talk(version: int) -> tuple[tuple[bool, bytes], ...]:
    """A genuine handshake of TLS 1.2 or 1.3."""
    return tuple(Peers(ssl.TLSVersion.TLSv1_2 if version == 12 else ssl.TLSVersion.TLSv1_3).shake())


# ---- SSH ---------------------------------------------------------------------------------------------------------


def ssh_packet(payload: bytes) -> bytes:
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def kexinit(*lists: str) -> bytes:
    """A KEXINIT packet of ten lists."""
    body = b"".join(vector(item.encode(), 4) for item in lists)
    return ssh_packet(b"\x14" + bytes(range(16)) + body + b"\0" + bytes(4))


NEWKEYS = ssh_packet(b"\x15")
CLIENT_LISTS = (
    "sntrup761x25519-sha512@openssh.com,curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com",
    "ssh-ed25519,rsa-sha2-512",
    "chacha20-poly1305@openssh.com,aes128-ctr",
    "chacha20-poly1305@openssh.com,aes128-ctr",
    "umac-64-etm@openssh.com,hmac-sha2-256",
    "umac-64-etm@openssh.com,hmac-sha2-256",
    "none,zlib@openssh.com",
    "none,zlib@openssh.com",
    "",
    "",
)
SERVER_LISTS = (
    "curve25519-sha256,kex-strict-s-v00@openssh.com",
    "rsa-sha2-512,ssh-ed25519",
    "aes128-ctr",
    "chacha20-poly1305@openssh.com,aes128-ctr",
    "hmac-sha2-256,umac-64-etm@openssh.com",
    "hmac-sha2-256,umac-64-etm@openssh.com",
    "none",
    "none",
    "",
    "",
)
SSH_TALK: Talk = [
    (False, b"Hello, stranger\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u1\r\n"),
    (True, b"SSH-2.0-libssh_0.10.5\n"),
    (True, kexinit(*CLIENT_LISTS)),
    (False, kexinit(*SERVER_LISTS)),
    (True, ssh_packet(b"\x1e" + vector(bytes(32), 4))),
    (False, ssh_packet(b"\x1f" + bytes(100)) + NEWKEYS + b"\x01\x02encrypted"),
    (True, NEWKEYS + bytes(range(200, 250))),
]


# ---- HTTP --------------------------------------------------------------------------------------------------------

REQUEST = (
    b"GET /a?b=c HTTP/1.1\r\nHost: www.example.org:8080\r\nUser-Agent: curl/8.5.0\r\nCookie: secret=1\r\n"
    b"Authorization: Basic c2VjcmV0\r\nReferer: http://r.example/\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n"
    b"Set-Cookie: secret=2\r\n\r\nhello"
)
CHUNKED = (
    b"HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\nWiki\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n"
)
POST = b"POST /form HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\nGET / H"
HTTP_TALK: Talk = [
    (True, REQUEST + POST),
    (False, b"HTTP/1.1 100 Continue\r\n\r\n" + RESPONSE + CHUNKED),
    (True, b"HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n"),
    (False, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    (True, b"GET /last HTTP/1.0\n\n"),
    (False, b"HTTP/1.0 404 Not Found\nContent-Type: text/plain\n\nuntil the end"),
]
