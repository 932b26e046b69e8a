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
    "imap": (("tcp", 143, IMAP_TALK),),
}
"""By protocol: transport, port and conversation."""
