"""Conversations with secrets: what protocols carry them, and where they may end up."""

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.attack.secret_asn1 import LDAP, SNMP
from tests.attack.secret_cases import Case, Steps, b64, lines
from tests.attack.secret_uris import URIS
from tests.support.http2 import DATA, END_STREAM, GOAWAY, PREFACE, Peer, frame, settings


def read_talks() -> Iterator[Case]:
    """Conversations of lines: those of ``talks.txt``."""
    blocks = Path(__file__).with_name("talks.txt").read_text("utf-8").split("\n\n")[1:]
    name, port, flags, count = "", 0, "", 0
    for one in blocks:
        header = re.fullmatch(r"\[(\S+) (\d+)(.*)\]", one.strip())
        if header is not None:
            name, port, flags, count = header[1], int(header[2]), header[3], 0
        elif one.strip():
            said = [
                line.encode().decode("unicode_escape").encode("latin-1").decode()
                for line in one.strip("\n").split("\n")
            ]
            yield Case(
                f"{name}-{count}",
                port,
                lines(*said),
                "nodecoy" not in flags,
                "later" not in flags,
                app="unread" not in flags,
            )
            count += 1


IRC = [
    Case(
        "irc-pieces",
        6667,
        lambda s, d: [
            (">", b"NICK " + d + b"\r\nAUTHENTICATE PLAIN\r\n"),
            *[
                (">", b"AUTHENTICATE " + b64(b"\0u\0" + s + b"x" * 700)[at : at + 400] + b"\r\n")
                for at in range(0, 1200, 400)
            ],
            ("<", b":s 904 x :no\r\n"),
        ],
    )
]


def resp(*words: bytes) -> bytes:
    """A Redis command."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


REDIS = [
    Case("redis-auth", 6379, lambda s, d: [(">", resp(b"AUTH", d, s)), ("<", b"-WRONGPASS " + s + b"\r\n")]),
    Case("redis-hello", 6379, lambda s, d: [(">", resp(b"HELLO", b"3", b"AUTH", d, s)), ("<", b"-" + s + b"\r\n")]),
    Case("redis-renamed", 6379, lambda s, d: [(">", resp(s, d) + resp(b"AUTH", d, b"x")), ("<", b"+OK\r\n+OK\r\n")]),
    Case(
        "redis-config", 6379, lambda s, d: [(">", resp(b"AUTH", d, b"x") + resp(b"CONFIG", b"SET", b"requirepass", s))]
    ),
    Case("redis-acl", 6379, lambda s, d: [(">", resp(b"AUTH", d, b"x") + resp(b"ACL", b"SETUSER", b"u", b">" + s))]),
    Case("redis-later", 6379, lambda s, d: [(">", s + b"\r\n" + resp(b"AUTH", d, s))], False, opened=False, app=False),
]


def telnet(prompt: bytes, user: bytes = b"login: ") -> Callable[[bytes, bytes], Steps]:
    """A login by Telnet, typed key by key."""
    return lambda s, d: [
        ("<", b"\xff\xfd\x18\xff\xfb\x01\xff\xfb\x03" + user),
        *[(">", bytes([key])) for key in d],
        *[("<", bytes([key])) for key in d],
        (">", b"\r\n"),
        ("<", b"\r\n" + prompt),
        *[(">", bytes([key])) for key in s],
        (">", b"\r\n"),
        ("<", b"\r\nLogin incorrect " + s),
    ]


TELNET = [
    Case(f"telnet-{n}", 23, telnet(prompt))
    for n, prompt in enumerate(
        (
            b"Password: ",
            b"Passwort: ",
            b"Mot de passe : ",
            b"Login password: ",
            b"PIN: ",
            b"Login-Kennwort: ",
            "Contraseña: ".encode(),
            "Логин пароль: ".encode(),
            b"User secret: ",
        )
    )
]
TELNET += [
    Case(
        "telnet-lost",
        23,
        lambda s, d: [
            ("<", b"\xff\xfd\x18\xff\xfb\x01\xff\xfb\x03login: "),
            (">", d + b"\r\n"),
            ("?", b"Password: "),
            (">", s + b"\r\n"),
        ],
    )
]


def counted(raw: bytes, size: str = ">H") -> bytes:
    """Bytes with their length in front."""
    return struct.pack(size, len(raw)) + raw


def mqtt_connect(s: bytes, d: bytes) -> Steps:
    body = (
        counted(b"MQTT")
        + b"\4\xc6\0\x3c"
        + counted(b"client")
        + counted(b"will/" + d)
        + counted(s)
        + counted(b"u")
        + counted(s)
    )
    return [(">", b"\x10" + bytes([len(body)]) + body), ("<", b"\x20\2\0\4")]


def mongo(document: bytes) -> bytes:
    """An OP_MSG with one document."""
    body = b"\0\0\0\0\0" + struct.pack("<i", len(document) + 5) + document + b"\0"
    return struct.pack("<iiii", len(body) + 16, 1, 0, 2013) + body


def bson(name: bytes, value: bytes) -> bytes:
    """A string in BSON."""
    return b"\2" + name + b"\0" + struct.pack("<i", len(value) + 1) + value + b"\0"


def cql(code: int, body: bytes, reply: bool = False) -> bytes:
    """A frame of Cassandra's protocol."""
    return bytes([0x84 if reply else 4, 0, 0, 0, code]) + struct.pack(">i", len(body)) + body


def postgres(kind: bytes, body: bytes) -> bytes:
    """A message of PostgreSQL's."""
    return kind + struct.pack(">i", len(body) + 4) + body


def startup(user: bytes) -> bytes:
    body = struct.pack(">i", 196608) + b"user\0" + user + b"\0\0"
    return struct.pack(">i", len(body) + 4) + body


def amqp(number: tuple[int, int], body: bytes) -> bytes:
    """A method of AMQP 0-9-1."""
    whole = struct.pack(">HH", *number) + body
    return b"\1\0\0" + struct.pack(">I", len(whole)) + whole + b"\xce"


def amqp_case(mechanism: bytes, response: Callable[[bytes, bytes], bytes]) -> Case:
    def login(s: bytes, d: bytes) -> bytes:
        return struct.pack(">I", 0) + counted(mechanism, ">B") + counted(response(s, d), ">I") + b"\5en_US"

    return Case(f"amqp-{mechanism.decode()}", 5672, lambda s, d: [
        (">", b"AMQP\0\0\x09\1"),
        (">", amqp((10, 11), login(s, d))),
        ("<", amqp((10, 50), struct.pack(">H", 403) + counted(b"refused " + s, ">B") + b"\0\0\0\0")),
    ])  # fmt: skip


def wide(raw: bytes) -> bytes:
    """Text in UTF-16."""
    return raw.decode().encode("utf-16-le")


def tds_login(s: bytes, d: bytes) -> Steps:
    scrambled = bytes(((byte >> 4 | (byte & 15) << 4) ^ 0xA5) for byte in wide(s))
    texts = {40: wide(d), 44: scrambled}
    fixed = bytearray(94)
    tail = b""
    for offset, raw in texts.items():
        struct.pack_into("<HH", fixed, offset, 94 + len(tail), len(raw) // 2)
        tail += raw
    fixed[4:8] = b"\4\0\0\x74"
    struct.pack_into("<I", fixed, 0, 94 + len(tail))
    body = bytes(fixed) + tail
    error = struct.pack("<IBB", 18456, 1, 14) + counted(wide(s), "<H")[:0] + struct.pack("<H", len(s)) + wide(s)
    token = b"\xaa" + counted(error, "<H")
    return [(">", b"\x10\1" + struct.pack(">H", len(body) + 8) + b"\0\0\1\0" + body),
            ("<", b"\4\1" + struct.pack(">H", len(token) + 8) + b"\0\0\1\0" + token)]  # fmt: skip


def memcached(s: bytes, d: bytes) -> Steps:
    body = b"PLAIN\0" + d + b"\0" + s
    head = struct.pack(">BBHBBHIIQ", 0x80, 0x21, 5, 0, 0, 0, len(body), 1, 0)
    return [(">", head + body), ("<", struct.pack(">BBHBBHIIQ", 0x81, 0x21, 0, 0, 0, 0x20, 0, 1, 0))]


def radius(s: bytes, d: bytes) -> Steps:
    attributes = (
        b"\1" + bytes([len(d) + 2]) + d + b"\2\x12" + s.ljust(16, b"\0")[:16] + b"\3\x13\1" + s.ljust(16, b"\0")[:16]
    )
    return [(">", b"\1\1" + struct.pack(">H", 20 + len(attributes)) + bytes(16) + attributes)]


def rdp(cookie: bytes) -> bytes:
    more = cookie + b"\r\n" + b"\1\0\x08\0\3\0\0\0"
    return b"\3\0" + struct.pack(">H", 11 + len(more)) + bytes([6 + len(more)]) + b"\xe0\0\0\0\0\0" + more


BINARY = [
    Case("mqtt", 1883, mqtt_connect),
    Case(
        "mqtt-publish",
        1883,
        lambda s, d: [*mqtt_connect(s, d), (">", b"\x30" + bytes([len(s) + 5]) + counted(b"t/x") + s)],
    ),
    Case(
        "mongodb-create", 27017, lambda s, d: [(">", mongo(bson(b"createUser", d) + bson(b"pwd", s) + bson(b"$db", d)))]
    ),
    Case(
        "mongodb-eval",
        27017,
        lambda s, d: [(">", mongo(bson(b"$eval", b"db.auth('u','" + s + b"')") + bson(b"$db", d)))],
    ),
    Case(
        "mongodb-sasl",
        27017,
        lambda s, d: [
            (
                ">",
                mongo(
                    b"\x10saslStart\0\1\0\0\0"
                    + bson(b"mechanism", b"PLAIN")
                    + b"\5payload\0"
                    + struct.pack("<i", len(s) + len(d) + 2)
                    + b"\0\0"
                    + d
                    + b"\0"
                    + s
                    + bson(b"$db", d)
                ),
            )
        ],
    ),
    Case(
        "mongodb-mechanism",
        27017,
        lambda s, d: [(">", mongo(b"\x10saslStart\0\1\0\0\0" + bson(b"mechanism", s) + bson(b"$db", d)))],
    ),
    Case(
        "cassandra",
        9042,
        lambda s, d: [
            (">", cql(1, b"\0\1" + counted(b"CQL_VERSION") + counted(b"3.0.0"))),
            ("<", cql(3, counted(b"org.apache.PasswordAuthenticator"), True)),
            (">", cql(15, struct.pack(">i", len(s) + len(d) + 2) + b"\0" + d + b"\0" + s)),
            ("<", cql(0, struct.pack(">i", 256) + counted(b"bad " + s), True)),
        ],
    ),
    Case(
        "postgresql",
        5432,
        lambda s, d: [
            (">", startup(d)),
            ("<", postgres(b"R", b"\0\0\0\3")),
            (">", postgres(b"p", s + b"\0")),
            ("<", postgres(b"E", b"SFATAL\0C28P01\0Mpassword " + s + b" is wrong\0\0")),
        ],
    ),
    Case(
        "postgresql-sql",
        5432,
        lambda s, d: [
            (">", startup(d)),
            ("<", postgres(b"R", b"\0\0\0\0") + postgres(b"Z", b"I")),
            (">", postgres(b"Q", b"ALTER USER x PASSWORD '" + s + b"'\0")),
            ("<", postgres(b"E", b"SERROR\0C42601\0M" + s + b"\0\0")),
        ],
    ),
    amqp_case(b"PLAIN", lambda s, d: b"\0" + d + b"\0" + s),
    amqp_case(b"AMQPLAIN", lambda s, d: b"\5LOGINS" + counted(d, ">I") + b"\x08PASSWORDS" + counted(s, ">I")),
    Case("tds", 1433, tds_login),
    Case("memcached-binary", 11211, memcached),
    Case(
        "memcached-text",
        11211,
        lambda s, d: [
            (">", b"set auth 0 0 %d\r\nu %s\r\n" % (len(s) + 2, s)),
            ("<", b"CLIENT_ERROR " + s + b"\r\n"),
            (">", s + b"\r\nversion\r\n"),
            ("<", b"ERROR\r\nVERSION " + d + b"\r\n"),
        ],
    ),
    Case(
        "memcached-udp",
        11211,
        lambda s, d: [("<", b"\0\1\0\1\0\2\0\0" + s + b" x\r\n")],
        udp=True,
        decoy=False,
        app=False,
    ),
    Case("radius", 1812, radius, udp=True),
    Case(
        "socks",
        1080,
        lambda s, d: [
            (">", b"\5\1\2"),
            ("<", b"\5\2"),
            (">", b"\1" + counted(d, ">B") + counted(s, ">B")),
            ("<", b"\1\1"),
        ],
    ),
    Case("rdp-cookie", 3389, lambda s, d: [(">", rdp(b"Cookie: mstshash=" + d))], decoy=True),
    Case("rdp-token", 3389, lambda s, d: [(">", rdp(b"Cookie: gateway=" + s))], decoy=False),
    Case("rdp-routing", 3389, lambda s, d: [(">", rdp(s))], decoy=False),
    Case(
        "syslog", 514, lambda s, d: [(">", b"<34>Oct 11 22:14:15 " + d + b" su: password " + s + b" refused")], udp=True
    ),
    Case(
        "syslog-5424",
        514,
        lambda s, d: [(">", b"<34>1 2003-10-11T22:14:15Z " + d + b" su 1 - - password=" + s)],
        udp=True,
    ),
    Case("tftp", 69, lambda s, d: [(">", b"\0\2" + d + b"\0octet\0")], udp=True),
]


def http2(secret: bytes, decoy: bytes) -> Steps:
    """A request with credentials, and a response that repeats them."""
    client, server, s = Peer(), Peer(), secret.decode()
    fields = (("authorization", f"Bearer {s}"), ("cookie", f"sid={s}"), ("x-token", s), ("user-agent", s))
    return [
        (">", PREFACE + settings((3, 100)) + client.request(1, f"/{decoy.decode()}?token={s}", *fields, end=False)),
        (">", frame(DATA, END_STREAM, 1, secret)),
        ("<", settings((3, 100)) + server.response(1, 401, ("server", s), ("set-cookie", s), ("grpc-message", s))),
        ("<", frame(GOAWAY, 0, 0, bytes(8) + secret)),
    ]


HTTP2 = [Case("http2", 50051, http2)]
CASES = [*HTTP2, *read_talks(), *IRC, *REDIS, *TELNET, *LDAP, *SNMP, *BINARY, *URIS]
