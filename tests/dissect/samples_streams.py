"""Genuine conversations of mail, file, database, message and terminal protocols over streams."""

from base64 import b64encode

Talk = tuple[tuple[bool, bytes], ...]


def lines(*said: str) -> Talk:
    """A conversation of lines; those of the client begin with ``> ``, those of the server with ``< ``."""
    return tuple((line[0] == ">", line[2:].encode() + b"\r\n") for line in said)


FTP_TALK: Talk = (
    *lines(
        "< 220 (vsFTPd 3.0.3)",
        "> USER anonymous",
        "< 331 Please specify the password.",
        "> PASS Sesame1",
        "< 230 Login successful.",
        "> FEAT",
        "< 211-Features:",
        "<  EPRT",
        "<  UTF8",
        "< 211 End",
        "> PASV",
        "< 227 Entering Passive Mode (198,51,100,2,100,85).",
        "> LIST",
        "< 150 Here comes the directory listing.",
        "< 226 Directory send OK.",
        "> EPSV",
        "< 229 Entering Extended Passive Mode (|||6446|)",
        "> EPRT |2|2001:DB8::1|5282|",
        "< 200 EPRT command successful.",
        "> PORT 192,0,2,1,4,1",
        "< 200 PORT command successful.",
        "> RETR a file.txt",
        "< 550 Failed to open file.",
        "> XYZW Sesame2",
        "< 500 Unknown command.",
        "> QUIT",
        "< 221 Goodbye.",
    ),
)

MESSAGE = "Subject: secret\r\n\r\n..dots\r\nMAIL FROM:<no@body>\r\n"
SMTP_TALK: Talk = (
    *lines(
        "< 220 mail.example.org ESMTP Postfix",
        "> EHLO client.example.net",
        "< 250-mail.example.org",
        "< 250-SIZE 1000000",
        "< 250 AUTH PLAIN LOGIN",
        "> AUTH LOGIN",
        "< 334 VXNlcm5hbWU6",
        "> " + b64encode(b"jane").decode(),
        "< 334 UGFzc3dvcmQ6",
        "> " + b64encode(b"Sesame1").decode(),
        "< 235 2.7.0 Authentication successful",
        "> MAIL FROM:<jane@example.net> SIZE=57 BODY=8BITMIME",
        "< 250 2.1.0 Ok",
        "> RCPT TO:<bob@example.org>",
        "< 250 2.1.5 Ok",
        "> DATA",
        "< 354 End data with <CR><LF>.<CR><LF>",
        "> " + MESSAGE + ".",
        "< 250 2.0.0 Ok: queued as 12345",
        "> MAIL FROM:<jane@example.net>",
        "< 250 2.1.0 Ok",
        "> BDAT 12 LAST",
        "> RCPT TO:<x>",
        "< 503 no recipients",
        "> XYZW Sesame2",
        "< 500 what",
        "> QUIT",
        "< 221 2.0.0 Bye",
    ),
)

POP3_TALK: Talk = (
    *lines(
        "< +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>",
        "> CAPA",
        "< +OK Capability list follows",
        "< TOP",
        "< UIDL",
        "< .",
        "> USER jane",
        "< +OK",
        "> PASS Sesame1",
        "< +OK maildrop has 1 message",
        "> LIST",
        "< +OK 1 messages (120 octets)",
        "< 1 120",
        "< .",
        "> LIST 1",
        "< +OK 1 120",
        "> RETR 1",
        "< +OK 120 octets",
        "< " + MESSAGE + ".",
        "> TOP 1 0",
        "< +OK",
        "< .",
        "> DELE 2",
        "< -ERR no such message",
        "> QUIT",
        "< +OK bye",
    ),
)

IMAP_TALK: Talk = (
    *lines(
        "< * OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.",
        "> a1 LOGIN jane Sesame1",
        "< * CAPABILITY IMAP4rev1",
        "< a1 OK Logged in",
        "> a2 SELECT INBOX",
        "< * 1 EXISTS",
        "< a2 OK [READ-WRITE] Select completed.",
        "> a3 UID FETCH 1:* (FLAGS BODY.PEEK[HEADER])",
        "< * 1 FETCH (UID 7 BODY[HEADER] {12}",
        "< a3 OK secret FLAGS (\\Seen))",
        "< a3 OK Fetch completed.",
        "> a4 APPEND Drafts (\\Draft) {11}",
        "< + OK",
        "> a9 LOGIN x ",
        "< a4 OK [APPENDUID 1 2] done",
        '> a5 SEARCH SUBJECT "secret"',
        "< * SEARCH 1",
        "< a5 OK Search completed.",
        "> a6 IDLE",
        "< + idling",
        "> DONE",
        "< a6 OK Idle completed.",
        "> a7 LOGOUT",
        "< * BYE Logging out",
        "< a7 OK Logout completed.",
    ),
)


def mysql_packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


MYSQL_GREETING = mysql_packet(
    0,
    b"\n8.0.36-0ubuntu0.22.04.1\0" + (4711).to_bytes(4, "little") + b"saltsalt\0" + b"\xff\xff\xff\x02\0\xff\xdf\x15"
    + bytes(10) + b"salt2salt2sa\0caching_sha2_password\0",
)  # fmt: skip
MYSQL_FIXED = (0x01FFA68D | 0x8).to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\xff" + bytes(23)


def counted(*said: bytes) -> bytes:
    return b"".join(bytes([len(part)]) + part for part in said)


MYSQL_LOGIN = mysql_packet(
    1,
    MYSQL_FIXED + b"jane\0" + counted(b"Sesame1Sesame1Sesame") + b"shop\0caching_sha2_password\0"
    + counted(counted(b"_os", b"Linux", b"_client_name", b"libmysql", b"program_name", b"mysql",
                      b"_client_version", b"8.0.36")),
)  # fmt: skip
MYSQL_TALK: Talk = (
    (False, MYSQL_GREETING),
    (True, MYSQL_LOGIN),
    (False, mysql_packet(2, b"\xfemysql_native_password\0saltsalt\0") + mysql_packet(3, b"\x01\x03")),
    (True, mysql_packet(4, b"Sesame1")),
    (False, mysql_packet(5, b"\0\0\0\x02\0\0\0")),
    (True, mysql_packet(0, b"\x03select secret")),
)


def pg_startup(*pairs: bytes) -> bytes:
    body = b"\0\x03\0\0" + b"".join(part + b"\0" for part in pairs) + b"\0"
    return (len(body) + 4).to_bytes(4, "big") + body


def pg(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


POSTGRESQL_TALK: Talk = (
    (True, pg_startup(b"user", b"jane", b"database", b"shop", b"application_name", b"psql")),
    (False, pg(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0")),
    (True, pg(b"p", b"Sesame1")),
    (False, pg(b"R", b"\0\0\0\x0bxyz") + pg(b"R", b"\0\0\0\0") + pg(b"S", b"server_version\x0016.2\0")),
    (False, pg(b"K", b"\0\0\x12\x34\0\0\0\x01") + pg(b"Z", b"I")),
    (True, pg(b"Q", b"select secret\0")),
)


SOCKS5_TALK: Talk = (
    (True, b"\x05\x02\0\x02"),
    (False, b"\x05\x02"),
    (True, b"\x01\x04jane\x07Sesame1"),
    (False, b"\x01\0"),
    (True, b"\x05\x01\0\x03\x0bexample.org\x01\xbb"),
    (False, b"\x05\0\0\x01\xc6\x33\x64\x07\x04\x38"),
)
SOCKS4_TALK: Talk = (
    (True, b"\x04\x01\0\x50\0\0\0\x01jane\0example.org\0"),
    (False, b"\0\x5a\0\x50\xc6\x33\x64\x07"),
)

STREAMS_NS = "xmlns:stream='http://etherx.jabber.org/streams'"
XMPP_HEAD = "<?xml version='1.0'?><stream:stream {}version='1.0' xmlns='jabber:client' {}>"
XMPP_ASKED = XMPP_HEAD.format("to='example.org' from='jane@example.org' ", STREAMS_NS)
XMPP_GIVEN = XMPP_HEAD.format("id='42' from='example.org' ", STREAMS_NS)
BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
XMPP_TALK: Talk = (
    (True, XMPP_ASKED.encode()),
    (False, f"{XMPP_GIVEN}<stream:features><mechanisms {SASL}><mechanism>PLAIN</mechanism></mechanisms>".encode()),
    (False, b"</stream:features>"),
    (True, f"<auth {SASL} mechanism='PLAIN'>AGphbmUAU2VzYW1lMQ==</auth>".encode()),
    (False, f"<success {SASL}/>".encode()),
    (True, XMPP_ASKED.encode()),
    (False, f"{XMPP_GIVEN}<stream:features>{BIND}</bind></stream:features>".encode()),
    (True, f"<iq type='set' id='1'>{BIND}<resource>x</resource></bind></iq>".encode()),
    (False, f"<iq type='result' id='1'>{BIND}<jid>jane@example.org/x</jid></bind></iq>".encode()),
    (True, b"<message to='bob@example.org'><body>secret</body></message>"),
)


def tpkt(body: bytes) -> bytes:
    return b"\x03\0" + (len(body) + 4).to_bytes(2, "big") + body


def x224(kind: int, more: bytes) -> bytes:
    return tpkt(bytes([6 + len(more), kind]) + b"\0\0\0\0\0" + more)


RDP_REQUEST = x224(0xE0, b"Cookie: mstshash=jane\r\n\x01\0\x08\0\x0b\0\0\0")
RDP_CORE = (
    b"\x04\0\x08\0" + (1920).to_bytes(2, "little") + (1080).to_bytes(2, "little") + b"\x01\xca\x03\xaa"
    + (0x407).to_bytes(4, "little") + (19045).to_bytes(4, "little") + "DESK-1".encode("utf-16-le").ljust(32, b"\0")
)  # fmt: skip
RDP_TALK: Talk = (
    (True, RDP_REQUEST),
    (False, x224(0xD0, b"\x02\x1f\x08\0\0\0\0\0")),
    (True, tpkt(b"\x02\xf0\x80\x7f\x65" + bytes(40) + b"Duca\x81\0\x01\xc0\xd8\0" + RDP_CORE + bytes(100))),
)

VNC_TALK: Talk = (
    (False, b"RFB 003.008\n"),
    (True, b"RFB 003.008\n"),
    (False, b"\x02\x02\x13"),
    (True, b"\x02"),
    (False, bytes(range(16))),
    (True, b"Sesame1Sesame1Se"),
    (False, bytes(4)),
    (True, b"\x01"),
    (False, b"\x07\x80\x04\x38" + bytes(16) + b"\0\0\0\x06jane:1"),
)


def tds(kind: int, body: bytes, status: int = 1) -> bytes:
    return bytes([kind, status]) + (len(body) + 8).to_bytes(2, "big") + b"\0\0\x01\0" + body


def tds_prelogin(version: bytes, encryption: int) -> bytes:
    return b"\0\0\x10\0\x06\x01\0\x16\0\x01\x02\0\x17\0\x05\xff" + version + bytes([encryption]) + b"inst\0"


def tds_login(*texts: str) -> bytes:
    """A login of TDS 7.4 with host, user, password, program, server, extension, library, language and database."""
    table, body = b"", b""
    for said in texts:
        table += (94 + len(body)).to_bytes(2, "little") + len(said).to_bytes(2, "little")
        body += said.encode("utf-16-le")
    head = b"\x04\0\0\x74" + bytes(28)
    made = head + table + bytes(94 - 4 - len(head) - len(table)) + body
    return (len(made) + 4).to_bytes(4, "little") + made


TDS_LOGIN = tds_login("DESK-1", "jane", "Sesame1", "sqlcmd", "db.example", "", "ODBC", "", "shop")
TDS_ACK = b"\x01\x74\0\0\x04\x03" + "SQL".encode("utf-16-le") + bytes(4)
TDS_TALK: Talk = (
    (True, tds(0x12, tds_prelogin(b"\x12\x03\x01\x02\0\0", 2))),
    (False, tds(0x04, tds_prelogin(b"\x0f\0\x07\xd0\0\0", 2))),
    (True, tds(0x10, TDS_LOGIN[:60], 0) + tds(0x10, TDS_LOGIN[60:])),
    (False, tds(0x04, b"\xe3\x03\0\x01\0\0\xad" + len(TDS_ACK).to_bytes(2, "little") + TDS_ACK + b"\xfd" + bytes(12))),
    (True, tds(0x01, b"select secret")),
)


def resp(*words: bytes) -> bytes:
    """A Redis command."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


REDIS_TALK: Talk = (
    (True, resp(b"AUTH", b"jane", b"Sesame1") + resp(b"SET", b"key", b"secret\r\n$3\r\n")),
    (False, b"+OK\r\n+OK\r\n"),
    (True, resp(b"lrange", b"key", b"0", b"-1") + resp(b"HGETALL", b"key")),
    (False, b"*3\r\n$6\r\nsecret\r\n*1\r\n:1\r\n$-1\r\n"),
    (False, b"%1\r\n$1\r\nx\r\n$2\r\n\r\n\r\n"),
    (True, resp(b"GET", b"list") + resp(b"PING")),
    (False, b"-WRONGTYPE Operation against a key\r\n>2\r\n+a\r\n+b\r\n+PONG\r\n"),
)


def mqtt(kind: int, body: bytes) -> bytes:
    size, made = len(body), b""
    while True:
        made += bytes([size % 128 | (0x80 if size > 127 else 0)])
        size //= 128
        if not size:
            return bytes([kind]) + made + body


def mqtt_text(said: str) -> bytes:
    return len(said).to_bytes(2, "big") + said.encode()


MQTT_TALK: Talk = (
    (
        True,
        mqtt(
            0x10,
            mqtt_text("MQTT")
            + b"\x04\xc6\0\x3c"
            + b"".join(map(mqtt_text, ("sensor-1", "home/gone", "secret", "jane", "Sesame1"))),
        ),
    ),
    (False, b"\x20\x02\0\0"),
    (True, mqtt(0x82, b"\0\x01" + mqtt_text("home/#") + b"\x01" + mqtt_text("alarm") + b"\x02") + b"\xc0\0"),
    (False, b"\x90\x04\0\x01\x01\x02\xd0\0"),
    (True, mqtt(0x33, mqtt_text("home/temp") + b"\0\x02" + b"secret" * 40)),
    (False, b"\x40\x02\0\x02" + mqtt(0x30, mqtt_text("home/x") + b"1")),
    (True, b"\xe0\0"),
)

TELNET_TALK: Talk = (
    (False, b"\xff\xfd\x18\xff\xfd\x20\xff\xfb\x01\xff\xfd\x1f"),
    (True, b"\xff\xfb\x18\xff\xfc\x20\xff\xfd\x01\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0"),
    (False, b"\xff\xfa\x18\x01\xff\xf0"),
    (True, b"\xff\xfa\x18\0xterm\xff\xf0"),
    (False, b"\r\nDebian GNU/Linux 12\r\nhost login: "),
    (True, b"jabe\x7f\x7fne\r\0"),
    (False, b"jane\r\nPassword: "),
    (True, b"Sesame1\r\0"),
    (False, b"\r\nLast login: today\r\n$ "),
)

IRC_TALK: Talk = lines(
    "> CAP LS 302",
    "> NICK jane",
    "> USER jdoe 0 * :Jane Doe",
    "< :irc.example.org NOTICE * :*** Looking up your hostname",
    "< :irc.example.org 001 jane :Welcome",
    "< :irc.example.org 372 jane :- secret",
    "> JOIN #chat Sesame1",
    "< :jane!jdoe@host JOIN :#chat",
    "> PRIVMSG #chat :secret",
    "> PRIVMSG bob :secret",
    "< :bob!b@host PRIVMSG jane :secret",
    "< :irc.example.org 433 jane joe :Nickname is already in use",
    "> QUIT :secret",
)


def kafka(key: int, version: int, number: int, client: bytes, body: bytes = b"") -> bytes:
    made = key.to_bytes(2, "big") + version.to_bytes(2, "big") + number.to_bytes(4, "big")
    made += len(client).to_bytes(2, "big") + client + body
    return len(made).to_bytes(4, "big") + made


def kafka_reply(number: int, body: bytes) -> bytes:
    return (len(body) + 4).to_bytes(4, "big") + number.to_bytes(4, "big") + body


KAFKA_TALK: Talk = (
    (True, kafka(18, 3, 1, b"producer-1", b"\0\x12apache-kafka-java\x063.7.0\0")),
    (False, kafka_reply(1, bytes(40))),
    (True, kafka(3, 12, 2, b"producer-1", bytes(20)) + kafka(0, 9, 3, b"producer-1", b"secret" * 300)),
    (False, kafka_reply(2, bytes(2000)) + kafka_reply(3, bytes(30))),
)


def bson(*parts: tuple[int, bytes, bytes]) -> bytes:
    body = b"".join(bytes([kind]) + name + b"\0" + value for kind, name, value in parts)
    return (len(body) + 5).to_bytes(4, "little") + body + b"\0"


def bson_text(name: bytes, said: bytes) -> tuple[int, bytes, bytes]:
    return 2, name, (len(said) + 1).to_bytes(4, "little") + said + b"\0"


def mongo(number: int, answers: int, code: int, body: bytes) -> bytes:
    return b"".join(n.to_bytes(4, "little") for n in (len(body) + 16, number, answers, code)) + body


OK = (1, b"ok", b"\0\0\0\0\0\0\xf0\x3f")
HELLO = bson(
    (0x10, b"isMaster", b"\x01\0\0\0"),
    (3, b"client", bson(
        (3, b"application", bson(bson_text(b"name", b"shop"))),
        (3, b"driver", bson(bson_text(b"name", b"PyMongo"), bson_text(b"version", b"4.6"))),
        (3, b"os", bson(bson_text(b"type", b"Linux"))),
    )),
)  # fmt: skip
SCRAM = b"n,,n=jane,r=Sesame1"
MONGODB_TALK: Talk = (
    (True, mongo(1, 0, 2004, bytes(4) + b"admin.$cmd\0" + bytes(4) + b"\xff\xff\xff\xff" + HELLO)),
    (False, mongo(9, 1, 1, bytes(16) + b"\x01\0\0\0" + bson(OK))),
    (True, mongo(2, 0, 2013, bytes(5) + bson(
        (0x10, b"saslStart", b"\x01\0\0\0"), bson_text(b"mechanism", b"SCRAM-SHA-256"),
        (5, b"payload", len(SCRAM).to_bytes(4, "little") + b"\0" + SCRAM), bson_text(b"$db", b"admin")))),
    (False, mongo(10, 2, 2013, bytes(5) + bson((1, b"ok", bytes(8)), bson_text(b"codeName", b"AuthenticationFailed")))),
    (True, mongo(3, 0, 2013, bytes(5) + bson(
        bson_text(b"find", b"users"), (3, b"filter", bson(bson_text(b"n", b"secret"))), bson_text(b"$db", b"shop")))),
    (False, mongo(11, 3, 2013, bytes(5) + bson((3, b"cursor", bson(bson_text(b"x", b"secret" * 2000))), OK))),
)  # fmt: skip

MEMCACHED_TALK: Talk = (
    (True, b"set key 0 60 13\r\nsecret\r\nget x\r\n"),
    (False, b"STORED\r\n"),
    (True, b"get key other\r\nincr n 1 noreply\r\n"),
    (False, b"VALUE key 0 13\r\nsecret\r\nget x\r\nEND\r\n"),
    (True, b"version\r\nstats\r\nquit\r\n"),
    (False, b"VERSION 1.6.21\r\nSTAT pid 1\r\nSTAT uptime 2\r\nEND\r\n"),
)


def memcached(
    magic: int, code: int, key: bytes = b"", extras: bytes = b"", value: bytes = b"", status: int = 0
) -> bytes:
    head = bytes([magic, code]) + len(key).to_bytes(2, "big") + bytes([len(extras), 0]) + status.to_bytes(2, "big")
    return head + len(extras + key + value).to_bytes(4, "big") + bytes(12) + extras + key + value


MEMCACHED_BINARY: Talk = (
    (True, memcached(0x80, 0x21, b"PLAIN", b"", b"\0jane\0Sesame1")),
    (False, memcached(0x81, 0x21, b"", b"", b"Authenticated")),
    (True, memcached(0x80, 0x01, b"key", bytes(8), b"secret" * 200)),
    (False, memcached(0x81, 0x01, status=5)),
)
MEMCACHED_UDP: Talk = (
    (True, b"\x12\x34\0\0\0\x01\0\0stats\r\n"),
    (False, b"\x12\x34\0\0\0\x02\0\0" + b"STAT x y\r\n" * 100),
    (False, b"\x12\x34\0\x01\0\x02\0\0" + b"STAT x y\r\n" * 99 + b"END\r\n"),
)


def cql(version: int, code: int, body: bytes = b"") -> bytes:
    return bytes([version, 0, 0, 1, code]) + len(body).to_bytes(4, "big") + body


CASSANDRA_STARTUP = b"\0\x03" + b"".join(
    map(mqtt_text, ("CQL_VERSION", "3.0.0", "DRIVER_NAME", "DataStax", "DRIVER_VERSION", "3.29"))
)
CASSANDRA_TALK: Talk = (
    (True, cql(4, 5)),
    (False, cql(0x84, 6, b"\0\0")),
    (True, cql(4, 1, CASSANDRA_STARTUP)),
    (False, cql(0x84, 3, mqtt_text("org.apache.cassandra.auth.PasswordAuthenticator"))),
    (True, cql(4, 0x0F, b"\0\0\0\x0d\0jane\0Sesame1")),
    (False, cql(0x84, 0x10, b"\xff\xff\xff\xff")),
    (True, cql(4, 7, b"\0\0\0\x0dselect secret")),
)


def amqp(kind: int, channel: int, body: bytes) -> bytes:
    return bytes([kind]) + channel.to_bytes(2, "big") + len(body).to_bytes(4, "big") + body + b"\xce"


def amqp_method(channel: int, group: int, method: int, body: bytes) -> bytes:
    return amqp(1, channel, group.to_bytes(2, "big") + method.to_bytes(2, "big") + body)


def amqp_table(*pairs: tuple[bytes, bytes]) -> bytes:
    made = b"".join(counted(key) + b"S" + len(value).to_bytes(4, "big") + value for key, value in pairs)
    return len(made).to_bytes(4, "big") + made


AMQP_TALK: Talk = (
    (True, b"AMQP\0\0\x09\x01"),
    (
        False,
        amqp_method(
            0,
            10,
            10,
            b"\0\x09" + amqp_table((b"product", b"RabbitMQ"), (b"version", b"3.12")) + b"\0\0\0\x05PLAIN\0\0\0\0",
        ),
    ),
    (True, amqp_method(0, 10, 11, amqp_table((b"product", b"pika")) + b"\x05PLAIN\0\0\0\x0d\0jane\0Sesame1\0")),
    (True, amqp_method(0, 10, 40, b"\x04shop\0\0") + amqp_method(1, 20, 10, b"\0")),
    (True, amqp_method(1, 50, 10, b"\0\0\x06orders\0" + bytes(4))),
    (False, amqp_method(1, 50, 11, b"\x06orders" + bytes(8))),
    (
        True,
        amqp_method(1, 60, 40, b"\0\0\x02ex\x03key\0") + amqp(2, 1, b"\0\x3c\0\0" + (600).to_bytes(8, "big") + b"\0\0"),
    ),
    (True, amqp(3, 1, b"secret" * 100) + amqp(8, 0, b"")),
    (
        False,
        amqp_method(1, 60, 60, b"\x03tag" + bytes(9) + b"\x02ex\x03key")
        + amqp(2, 1, b"\0\x3c\0\0" + bytes(7) + b"\x06\0\0"),
    ),
    (False, amqp(3, 1, b"secret") + amqp_method(0, 10, 50, b"\x01\x40\x03bye" + bytes(4))),
)


def amqp1(code: int, fields: bytes, count: int, kind: int = 0, more: bytes = b"") -> bytes:
    body = b"\0\x53" + bytes([code]) + b"\xc0" + bytes([len(fields) + 1, count]) + fields + more
    return (len(body) + 8).to_bytes(4, "big") + bytes([2, kind, 0, 0]) + body


def symbol(said: bytes) -> bytes:
    return b"\xa3" + counted(said)


AMQP1_TALK: Talk = (
    (True, b"AMQP\x03\x01\0\0"),
    (False, b"AMQP\x03\x01\0\0" + amqp1(0x40, symbol(b"PLAIN"), 1, 1)),
    (
        True,
        amqp1(0x41, symbol(b"PLAIN") + b"\xa0" + counted(b"\0jane\0Sesame1") + b"\xa1" + counted(b"bus.example"), 3, 1),
    ),
    (False, amqp1(0x44, b"\x50\0", 1, 1)),
    (True, b"AMQP\0\x01\0\0" + amqp1(0x10, b"\xa1\x04cont\xa1\x0bbus.example", 2)),
    (True, amqp1(0x12, b"\xa1\x01l\x43\x42\x40\x40\x40\0\x53\x29\xc0\x05\x01\xa1\x02q1", 7)),
    (True, amqp1(0x14, b"\x43\x43", 2, 0, b"\0\x53\x75\xa0\x06secret")),
    (False, b"AMQP\0\x01\0\0" + amqp1(0x18, b"\0\x53\x1d\xc0\x09\x01" + symbol(b"amqp:x"), 1)),
)

NNTP_TALK: Talk = (
    *lines(
        "< 200 news.example.org InterNetNews NNRP server INN 2.6.4 ready (posting ok)",
        "> CAPABILITIES",
        "< 101 Capability list:",
        "< VERSION 2",
        "< STARTTLS",
        "< .",
        "> AUTHINFO USER jane",
        "< 381 Enter password",
        "> AUTHINFO PASS Sesame1",
        "< 281 Authentication succeeded",
        "> MODE READER",
        "< 200 posting ok",
        "> GROUP misc.test",
        "< 211 3 1 3 misc.test",
        "> LISTGROUP misc.test 1-2",
        "< 211 3 1 3 misc.test list follows",
        "< 1",
        "< 2",
        "< .",
        "> ARTICLE 1",
        "< 220 1 <45223423@example.com>",
        "< " + MESSAGE + ".",
        "> STAT 9",
        "< 423 no such article number",
        "> POST",
        "< 340 Input article",
        "> " + MESSAGE + ".",
        "< 240 Article received OK",
        "> TAKETHIS <i.am@example.com>",
        "> " + MESSAGE + ".",
        "< 239 <i.am@example.com>",
        "> XYZW Sesame2",
        "< 500 Unknown command",
        "> QUIT",
        "< 205 bye",
    ),
)
LMTP_TALK: Talk = (
    *lines(
        "< 220 store.example.org LMTP ready",
        "> LHLO mx.example.org",
        "< 250-store.example.org",
        "< 250 PIPELINING",
        "> MAIL FROM:<jane@example.net>",
        "< 250 2.1.0 Ok",
        "> QUIT",
        "< 221 2.0.0 Bye",
    ),
)
SCRIPT = 'require "fileinto"; # secret\r\n'
SIEVE_TALK: Talk = (
    *lines(
        '< "IMPLEMENTATION" "Dovecot Pigeonhole"',
        '< "SASL" "PLAIN LOGIN"',
        '< "SIEVE" "fileinto vacation"',
        '< "STARTTLS"',
        '< OK "ready."',
        '> AUTHENTICATE "PLAIN" "' + b64encode(b"\0jane\0Sesame1").decode() + '"',
        '< OK "Logged in."',
        '> HAVESPACE "summer" 99',
        "< OK",
        f'> PUTSCRIPT "summer" {{{len(SCRIPT)}+}}',
        "> " + SCRIPT,
        '< NO (QUOTA/MAXSIZE) "too large"',
        "> LISTSCRIPTS",
        '< "summer"',
        '< "main" ACTIVE',
        "< OK",
        '> GETSCRIPT "summer"',
        f"< {{{len(SCRIPT)}}}",
        "< " + SCRIPT,
        "< OK",
        '> SETACTIVE "winter"',
        '< NO (NONEXISTENT) "Nothing has that name"',
        "> XYZW Sesame2",
        '< NO "what"',
        "> LOGOUT",
        '< OK "bye"',
    ),
)
STREAMS: dict[str, tuple[tuple[str, int, Talk], ...]] = {
    "ftp": (("tcp", 21, FTP_TALK),),
    "smtp": (("tcp", 25, SMTP_TALK),),
    "pop3": (("tcp", 110, POP3_TALK),),
    "mysql": (("tcp", 3306, MYSQL_TALK),),
    "postgresql": (("tcp", 5432, POSTGRESQL_TALK),),
    "socks": (("tcp", 1080, SOCKS5_TALK), ("tcp", 1080, SOCKS4_TALK)),
    "xmpp": (("tcp", 5222, XMPP_TALK),),
    "rdp": (("tcp", 3389, RDP_TALK),),
    "vnc": (("tcp", 5900, VNC_TALK),),
    "tds": (("tcp", 1433, TDS_TALK),),
    "redis": (("tcp", 6379, REDIS_TALK),),
    "mqtt": (("tcp", 1883, MQTT_TALK),),
    "telnet": (("tcp", 23, TELNET_TALK),),
    "irc": (("tcp", 6667, IRC_TALK),),
    "kafka": (("tcp", 9092, KAFKA_TALK),),
    "mongodb": (("tcp", 27017, MONGODB_TALK),),
    "memcached": (("tcp", 11211, MEMCACHED_TALK), ("tcp", 11211, MEMCACHED_BINARY), ("udp", 11211, MEMCACHED_UDP)),
    "cassandra": (("tcp", 9042, CASSANDRA_TALK),),
    "amqp": (("tcp", 5672, AMQP_TALK), ("tcp", 5672, AMQP1_TALK)),
    "imap": (("tcp", 143, IMAP_TALK),),
    "nntp": (("tcp", 119, NNTP_TALK),),
    "lmtp": (("tcp", 24, LMTP_TALK),),
    "managesieve": (("tcp", 4190, SIEVE_TALK),),
}
"""By protocol: transport, port and conversation."""
