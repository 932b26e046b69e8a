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

STREAMS: dict[str, tuple[tuple[str, int, Talk], ...]] = {
    "ftp": (("tcp", 21, FTP_TALK),),
    "smtp": (("tcp", 25, SMTP_TALK),),
    "pop3": (("tcp", 110, POP3_TALK),),
    "imap": (("tcp", 143, IMAP_TALK),),
}
"""By protocol: transport, port and conversation."""
