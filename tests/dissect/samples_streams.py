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

STREAMS: dict[str, tuple[tuple[str, int, Talk], ...]] = {
    "ftp": (("tcp", 21, FTP_TALK),),
    "smtp": (("tcp", 25, SMTP_TALK),),
    "pop3": (("tcp", 110, POP3_TALK),),
    "mysql": (("tcp", 3306, MYSQL_TALK),),
    "postgresql": (("tcp", 5432, POSTGRESQL_TALK),),
    "imap": (("tcp", 143, IMAP_TALK),),
}
"""By protocol: transport, port and conversation."""
