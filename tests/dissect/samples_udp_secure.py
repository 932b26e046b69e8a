"""Genuine messages of QUIC, DTLS, STUN, RTP, VPNs, RADIUS and CoAP: of the specifications, or built by hand."""

import struct
from functools import cache
from hashlib import sha256
from hmac import digest

from cryptography import x509
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding

from tests.dissect.samples_web import client_hello, handshake_message, numbers, server_pem, tls_talk, vector

Talk = tuple[tuple[bool, bytes], ...]


def server_name(name: str) -> tuple[int, bytes]:
    return 0, vector(b"\0" + vector(name.encode()))


def protocols(*names: str) -> tuple[int, bytes]:
    return 16, vector(b"".join(vector(n.encode(), 1) for n in names))


# ---- QUIC: an encryptor written from RFC 9001, apart from the decryptor under test ----------------------------------

SALT_1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
SALT_2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
SALT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
DCID, SCID, SERVER_CID = bytes.fromhex("8394c8f03e515708"), b"\x01\x02\x03\x04", bytes.fromhex("f067a5502a4262b5")


def expand(secret: bytes, label: str, size: int) -> bytes:
    text = b"tls13 " + label.encode()
    return digest(secret, struct.pack(">HB", size, len(text)) + text + b"\0\x01", "sha256")[:size]


def varint(value: int) -> bytes:
    if value < 64:
        return bytes([value])
    if value < 1 << 14:
        return struct.pack(">H", value | 0x4000)
    return struct.pack(">I", value | 0x80000000)


def initial(
    frames: bytes,
    number: int = 0,
    client: bool = True,
    version: int = 1,
    salt: bytes = SALT_1,
    dcid: bytes = DCID,
    key_cid: bytes = DCID,
    scid: bytes = SCID,
    token: bytes = b"",
    fill: int = 1200,
) -> bytes:
    """An Initial packet, padded so that it has ``fill`` bytes at least."""
    second = version == 0x6B3343CF
    word = "quicv2" if second else "quic"
    secret = expand(digest(salt, key_cid, "sha256"), "client in" if client else "server in", 32)
    key, iv, hp = (expand(secret, f"{word} {part}", size) for part, size in (("key", 16), ("iv", 12), ("hp", 16)))
    first = 0xC1 | (0x10 if second else 0)
    head = bytes([first]) + struct.pack(">I", version) + vector(dcid, 1) + vector(scid, 1) + varint(len(token)) + token
    frames += bytes(max(0, fill - len(head) - 2 - 2 - 16 - len(frames)))
    head += struct.pack(">H", (2 + len(frames) + 16) | 0x4000)
    full = head + struct.pack(">H", number)
    nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, frames, full)
    mask = Cipher(algorithms.AES(hp), modes.ECB()).encryptor().update(sealed[2:18])
    protected = bytes([full[0] ^ mask[0] & 15]) + head[1:] + bytes([full[-2] ^ mask[1], full[-1] ^ mask[2]])
    return protected + sealed


def crypto(data: bytes, offset: int = 0) -> bytes:
    return b"\x06" + varint(offset) + varint(len(data)) + data


PARAMETERS = b"\x01\x04\x80\x00\x75\x30" + b"\x0f\x04" + SCID + varint(0x3129) + b"\x08test/1.0"


def hello(name: str = "quic.example", parameters: bytes = PARAMETERS, kind: int = 57) -> bytes:
    extensions = (server_name(name), protocols("h3", "h3-29"), (43, b"\x02\x03\x04"), (kind, parameters))
    return handshake_message(1, client_hello((0x1301, 0x1302), extensions))


def server_hello() -> bytes:
    extensions = struct.pack(">HHH", 43, 2, 0x0304) + struct.pack(">HHHH", 51, 4 + 32, 29, 32) + bytes(32)
    return handshake_message(2, b"\x03\x03" + bytes(range(32)) + b"\0" + b"\x13\x01" + b"\0" + vector(extensions))


SERVER_INITIAL = bytes.fromhex(
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c"
    "3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f5889"
    "1850abbdca3d20398c276456cbc42158407dd074ee"
)
"""RFC 9001, A.3: the server's answer to a client that began with `DCID`."""
SHORT = b"\x41" + SERVER_CID + bytes(range(40))
HANDSHAKE = b"\xe0\0\0\0\x01" + vector(SCID, 1) + vector(SERVER_CID, 1) + varint(40) + bytes(40)


def chlo(tags: dict[bytes, bytes]) -> bytes:
    """A CHLO message of Google's QUIC."""
    table = values = b""
    for tag, value in tags.items():
        values += value
        table += tag + struct.pack("<I", len(values))
    return b"CHLO" + struct.pack("<HH", len(tags), 0) + table + values


CHLO = chlo(
    {
        b"PAD\0": b"-" * 900,
        b"SNI\0": b"g.example",
        b"VER\0": b"Q043",
        b"UAID": b"Chrome/9 Linux",
        b"ICSL": b"\x1e\0\0\0",
    }
)
GOOGLE_43 = b"\x0d" + DCID + b"Q043\x01" + bytes(12) + b"\xa0\x01" + struct.pack(">H", len(CHLO)) + CHLO
GOOGLE_46 = b"\xc3Q046\x50" + DCID + b"\0\0\0\x01" + bytes(12) + b"\xa0\x01" + struct.pack(">H", len(CHLO)) + CHLO
QUIC_TALK: Talk = (
    (True, initial(crypto(hello()))),
    (False, SERVER_INITIAL + HANDSHAKE),
    (True, SHORT),
)

# ---- DTLS -----------------------------------------------------------------------------------------------------------


def fragment(kind: int, body: bytes, number: int, offset: int = 0, size: int | None = None) -> bytes:
    part = body[offset : offset + (len(body) if size is None else size)]
    sizes = (
        len(body).to_bytes(3, "big"),
        struct.pack(">H", number),
        offset.to_bytes(3, "big"),
        len(part).to_bytes(3, "big"),
    )
    return bytes([kind]) + b"".join(sizes) + part


def dtls(kind: int, body: bytes, number: int = 0, epoch: int = 0, version: int = 0xFEFD) -> bytes:
    return struct.pack(">BHH", kind, version, epoch) + number.to_bytes(6, "big") + vector(body)


def dtls_hello(cookie: bytes = b"") -> bytes:
    body = client_hello((0xC02B, 0xC02F), (server_name("dtls.example"), (10, vector(numbers(29, 23)))), 0xFEFD)
    return body[:35] + vector(cookie, 1) + body[35:]


@cache
def server_certificate() -> bytes:
    return x509.load_pem_x509_certificate(server_pem()[0]).public_bytes(Encoding.DER)


def dtls_server_hello() -> bytes:
    return b"\xfe\xfd" + bytes(range(32)) + b"\0" + b"\xc0\x2b" + b"\0"


@cache
def dtls_talk() -> Talk:
    """A handshake of DTLS 1.2 with a cookie, the certificate in three fragments."""
    chain = vector(vector(server_certificate(), 3), 3)
    third = len(chain) // 3
    pieces = [fragment(11, chain, 2, at, third if at < 2 * third else None) for at in (0, third, 2 * third)]
    return (
        (True, dtls(22, fragment(1, dtls_hello(), 0), 0)),
        (False, dtls(22, fragment(3, b"\xfe\xff\x04abcd", 0), 0, version=0xFEFF)),
        (True, dtls(22, fragment(1, dtls_hello(b"abcd"), 1), 1)),
        (False, dtls(22, fragment(2, dtls_server_hello(), 1), 1) + dtls(22, pieces[2], 2)),
        (False, dtls(22, pieces[0], 3)),
        (False, dtls(22, pieces[1], 4) + dtls(22, fragment(14, b"", 3), 5)),
        (True, dtls(22, fragment(16, bytes(33), 2), 2) + dtls(20, b"\x01", 3) + dtls(22, bytes(40), 0, 1)),
        (False, dtls(20, b"\x01", 6) + dtls(22, bytes(40), 0, 1)),
        (True, dtls(23, bytes(50), 1, 1)),
    )


# ---- STUN, RTP ------------------------------------------------------------------------------------------------------

STUN_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
"""RFC 5769, 2.1."""
STUN_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599"
    "fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
"""RFC 5769, 2.2."""
STUN_RESPONSE_6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5"
    "bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
"""RFC 5769, 2.3."""


def stun(
    kind: int, *attributes: tuple[int, bytes], txid: bytes = bytes(range(12)), cookie: bytes = b"\x21\x12\xa4\x42"
) -> bytes:
    body = b"".join(struct.pack(">HH", t, len(v)) + v + bytes(-len(v) % 4) for t, v in attributes)
    return struct.pack(">HH", kind, len(body)) + cookie + txid + body


CLASSIC = stun(1, (3, bytes(4)), txid=bytes(range(100, 112)), cookie=b"abcd")
CLASSIC_ANSWER = stun(0x101, (1, b"\0\x01\x12\x34\xc0\0\2\1"), txid=bytes(range(100, 112)), cookie=b"abcd")


def rtp(number: int, kind: int = 0, ssrc: int = 0xABCDEF01, first: int = 0x80, size: int = 160) -> bytes:
    return struct.pack(">BBHII", first, kind, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc) + bytes(size)


def rtcp(kind: int, body: bytes, count: int = 0) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body


BLOCK = b"\xab\xcd\xef\x01\x40\xff\xff\xfe" + bytes(4) + struct.pack(">III", 17, 0, 0)
REPORT = rtcp(200, struct.pack(">I8xIII", 0x11223344, 800, 50, 8000) + BLOCK, 1) + rtcp(
    202, b"\x11\x22\x33\x44\x01\x09me@a.test\x06\x04tool\0", 1
)
RTP_TALK: Talk = (
    (True, rtp(65534, 0x80)),
    (False, rtp(7, 8, 0x22)),
    (True, rtp(65535)),
    (True, rtp(65536)),
    (False, rtp(8, 8, 0x22)),
    (True, REPORT),
)

# ---- VPNs ---------------------------------------------------------------------------------------------------------

INITIATION = b"\x01\0\0\0\x11\x22\x33\x44" + sha256(b"a").digest() * 3 + bytes(44 - 16) + bytes(16)
RESPONSE = b"\x02\0\0\0\x55\x66\x77\x88\x11\x22\x33\x44" + sha256(b"b").digest() * 2 + bytes(16)
COOKIE = b"\x03\0\0\0\x11\x22\x33\x44" + sha256(b"c").digest() + bytes(24)


def wireguard_data(index: bytes, number: int, size: int = 64) -> bytes:
    return b"\x04\0\0\0" + index + number.to_bytes(8, "little") + sha256(index).digest() * (size // 32) + bytes(16)


WIREGUARD_TALK: Talk = ((True, INITIATION), (False, RESPONSE), (True, wireguard_data(b"\x55\x66\x77\x88", 0)))

CLIENT_SESSION, SERVER_SESSION = b"\x39\xfd\xed\x2d\xaa\x10\xa4\x37", b"\x94\x21\x91\x7d\xe7\x26\x77\x29"


def control(
    opcode: int, session: bytes, number: int, body: bytes = b"", acks: tuple[int, ...] = (), hmac: int = 0
) -> bytes:
    """An OpenVPN control packet; its acknowledgements are of the other session."""
    other = SERVER_SESSION if session == CLIENT_SESSION else CLIENT_SESSION
    auth = bytes(range(hmac)) + struct.pack(">II", number + 1, 0x63CF4FF5) if hmac else b""
    array = bytes([len(acks)]) + b"".join(struct.pack(">I", a) for a in acks) + (other if acks else b"")
    return bytes([opcode << 3]) + session + auth + array + struct.pack(">I", number) + body


@cache
def openvpn_talk(hmac: int = 0) -> Talk:
    """A session whose control channel is readable, with a genuine TLS handshake inside."""
    made: list[tuple[bool, bytes]] = [
        (True, control(7, CLIENT_SESSION, 0, hmac=hmac)),
        (False, control(8, SERVER_SESSION, 0, b"", (0,), hmac)),
    ]
    counts = [1, 1]
    for from_client, data in tls_talk(12):
        session = CLIENT_SESSION if from_client else SERVER_SESSION
        for at in range(0, len(data), 1100):
            made.append((from_client, control(4, session, counts[from_client], data[at : at + 1100], hmac=hmac)))
            counts[from_client] += 1
    made.append((True, b"\x48\0\0\1" + bytes(60)))
    return tuple(made)


def framed(talk: Talk) -> Talk:
    return tuple((side, vector(data)) for side, data in talk)


SPI_I, SPI_R = b"\x89\x92\x2c\x91\x5f\x35\x57\x0e", b"\x98\xd5\x6d\x32\xe2\xa0\x47\x42"


def ike(
    payloads: tuple[tuple[int, bytes], ...],
    exchange: int = 34,
    version: int = 0x20,
    flags: int = 8,
    responder: bytes = bytes(8),
    number: int = 0,
) -> bytes:
    kinds = [kind for kind, _ in payloads] + [0]
    body = b"".join(
        struct.pack(">BBH", after, 0, 4 + len(p)) + p for after, (_, p) in zip(kinds[1:], payloads, strict=True)
    )
    return SPI_I + responder + struct.pack(">BBBBII", kinds[0], version, exchange, flags, number, 28 + len(body)) + body


def substructure(body: bytes, more: int = 0) -> bytes:
    return struct.pack(">BBH", more, 0, 4 + len(body)) + body


PROPOSAL_2 = substructure(
    b"\x01\x01\0\x04"
    + substructure(b"\x01\0\0\x0c\x80\x0e\x01\0", 3)
    + substructure(b"\x02\0\0\x05", 3)
    + substructure(b"\x03\0\0\x0c", 3)
    + substructure(b"\x04\0\0\x13")
)
IKE_INIT = ike(
    (
        (33, PROPOSAL_2),
        (34, b"\0\x13\0\0" + bytes(64)),
        (40, bytes(32)),
        (43, bytes.fromhex("882fe56d6fd20dbc2251613b2ebe5beb")),
    )
)
IKE_ANSWER = ike(((33, PROPOSAL_2), (41, b"\0\0\x40\x04" + bytes(20))), flags=0x20, responder=SPI_R)
IKE_AUTH = ike(((46, bytes(80)),), 35, responder=SPI_R, number=1)
TRANSFORM_1 = substructure(b"\x01\x01\0\0" + numbers(0x8001, 7, 0x800E, 256, 0x8002, 2, 0x8003, 1, 0x8004, 14))
SA_1 = struct.pack(">II", 1, 1) + substructure(b"\x01\x01\0\x01" + TRANSFORM_1)
AGGRESSIVE = ike(((1, SA_1), (4, bytes(128)), (10, bytes(16)), (5, b"\x03\x11\x01\xf4me@vpn.test")), 4, 0x10, 0)


def esp(spi: bytes, number: int) -> bytes:
    return spi + struct.pack(">I", number) + sha256(spi).digest() * 3


# ---- RADIUS, CoAP ---------------------------------------------------------------------------------------------------

RADIUS_REQUEST = bytes.fromhex(
    "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003"
)
"""RFC 2865, 7.1: user nemo."""
RADIUS_ACCEPT = bytes.fromhex("0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103")


def radius(code: int, identifier: int, *attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(bytes([kind, len(value) + 2]) + value for kind, value in attributes)
    return struct.pack(">BBH", code, identifier, 20 + len(body)) + bytes(range(16)) + body


def coap(
    kind: int,
    code: int,
    number: int,
    token: bytes = b"",
    options: tuple[tuple[int, bytes], ...] = (),
    body: bytes = b"",
) -> bytes:
    made = bytes([0x40 | kind << 4 | len(token), code]) + struct.pack(">H", number) + token
    last = 0
    for option, value in options:
        nibbles, tails = [], b""
        for part in (option - last, len(value)):
            nibbles.append(part if part < 13 else 13 if part < 269 else 14)
            tails += b"" if part < 13 else bytes([part - 13]) if part < 269 else struct.pack(">H", part - 269)
        made += bytes([nibbles[0] << 4 | nibbles[1]]) + tails + value
        last = option
    return made + (b"\xff" + body if body else b"")


COAP_GET = coap(0, 1, 0x7D34, b"\x20", ((3, b"sensor.test"), (11, b"rooms"), (11, b"temperature"), (15, b"unit=c")))
COAP_CONTENT = coap(2, 0x45, 0x7D34, b"\x20", ((12, b""),), b"22.3 C")

UDP_SECURE: dict[str, tuple[tuple[str, int, Talk], ...]] = {
    "quic": (
        ("udp", 443, QUIC_TALK),
        ("udp", 443, ((True, GOOGLE_43),)),
        ("udp", 443, ((True, GOOGLE_46),)),
    ),
    "dtls": (("udp", 4433, dtls_talk()),),
    "stun": (
        ("udp", 3478, ((True, STUN_REQUEST), (False, STUN_RESPONSE))),
        ("udp", 3478, ((True, CLASSIC), (False, CLASSIC_ANSWER))),
        ("tcp", 3478, ((True, STUN_REQUEST), (False, STUN_RESPONSE), (True, b"\x40\0\0\x05hello\0\0\0"))),
        ("tcp", 3478, framed(((True, STUN_REQUEST), (False, STUN_RESPONSE), *dtls_talk()))),
    ),
    "rtp": (("udp", 5004, RTP_TALK),),
    "rtcp": (("udp", 5005, ((True, REPORT), (False, rtcp(201, bytes(4)) + REPORT))),),
    "wireguard": (("udp", 51820, WIREGUARD_TALK),),
    "openvpn": (
        ("udp", 1194, openvpn_talk()),
        ("udp", 1194, openvpn_talk(64)),
        ("tcp", 1194, framed(openvpn_talk(20))),
    ),
    "ipsec": (
        ("udp", 500, ((True, IKE_INIT), (False, IKE_ANSWER), (True, IKE_AUTH))),
        ("udp", 4500, ((True, bytes(4) + IKE_AUTH), (True, esp(SPI_R[:4], 1)))),
        ("udp", 500, ((True, AGGRESSIVE),)),
    ),
    "radius": (("udp", 1812, ((True, RADIUS_REQUEST), (False, RADIUS_ACCEPT))),),
    "coap": (("udp", 5683, ((True, COAP_GET), (False, COAP_CONTENT))),),
}
