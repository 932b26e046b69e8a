"""Syslog over UDP and TCP: the RFC 5424 format, the older RFC 3164 one and its variants (RFC 6587 framing).

One row per message: its sender and severity. Of the text only the length is kept.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.records import U32, FreeText, Host, Identifier, Software, Term, Word, record

MAX_MESSAGE = 65_000
MAX_PRIORITY = 191
_FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_PRIORITY = re.compile(rb"<(0|[1-9]\d{0,2})>").match
_RFC5424 = re.compile(
    rb"1 (-|\d{4}-\d\d-\d\dT[\d:.]{8,15}(?:Z|[+-]\d\d:\d\d)?) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,64})"
    rb"(?= )"
).match
_STAMP = (
    rb"(?:(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]?\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,6})?"
    rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
)
_STAMPED = re.compile(
    rb" ?(?:\d{1,10}: )?(?:([!-9;-~]{1,64}): )?[*.]?(" + _STAMP + rb")(?: [A-Z]{3,4}(?=:))?:? *"
).match
_HOST = re.compile(rb"([!-$&-9;-Z\\^-~]{1,255}) +").match
_TAG = re.compile(rb"([\w./%@+-]{1,48})(?:\[([^\]\s]{1,32})\])?:").match
_COUNT = re.compile(rb"([1-9]\d{0,4}) (?=<)").match


@record("syslog")
class Syslog:
    """One syslog message."""

    facility: Word | None = None
    """Part of the system: `kern`, `auth`, `local0` …"""
    severity: Word | None = None
    """`emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info` or `debug`."""
    format: Word | None = None
    """`rfc5424`, `rfc3164`, or `other` for a device's own format."""
    logged_at: FreeText | None = None
    """Time of the event as the message writes it; the older format has no year and no zone."""
    hostname: Host | None = None
    """Machine that logged."""
    program: Software | None = None
    """Program that logged."""
    procid: Identifier | None = None
    """Process id by the message."""
    message_type: Term | None = None
    """Type of the message (MSGID, RFC 5424), or the mnemonic of a Cisco device."""
    message_bytes: U32 = 0
    """Length of the whole message."""


class SyslogParser(RowParser):
    """Messages of one flow, over UDP or framed by counts or line ends over TCP."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        self._message(data)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete messages."""
        pos = 0
        while pos < len(data) and not self.talk.finished:
            count = _COUNT(data, pos)
            if count is not None:
                start = count.end()
                end = after = start + int(count.group(1))
            elif data[pos : pos + 1].isdigit() and len(data) - pos < 7 and b"<" not in data[pos:]:
                break
            else:
                start = pos
                end = data.find(b"\n", pos)
                after = end + 1
            if end < 0 or end > len(data):
                if len(data) - pos > MAX_MESSAGE:
                    raise DissectError("no end of message within {limit} bytes", limit=MAX_MESSAGE)
                break
            if end > start:
                self._message(data[start:end])
            pos = after
        return pos

    def _message(self, data: bytes) -> None:
        match = _PRIORITY(data)
        priority = int(match.group(1)) if match is not None else MAX_PRIORITY + 1
        if match is None or priority > MAX_PRIORITY:
            if self.rows and self.talk.transport == "tcp":
                return  # a further line of the message above
            raise DissectError("expected a priority value")
        row = Syslog(
            facility=_FACILITIES[priority >> 3],
            severity=_SEVERITIES[priority & 7],
            format="other",
            message_bytes=len(data),
        )
        pos = match.end()
        modern = _RFC5424(data, pos)
        if modern is not None:
            row.format = "rfc5424"
            values = [None if value == b"-" else text(value) for value in modern.groups()]
            row.logged_at, row.hostname, row.program, row.procid, row.message_type = values
        else:
            self._rfc3164(data, pos, row)
        self.store_row(row)

    def _rfc3164(self, data: bytes, pos: int, row: Syslog) -> None:
        """Read the fields common to the older format and its variants."""
        stamped = _STAMPED(data, pos)
        if stamped is not None:
            row.format = "rfc3164"
            row.logged_at = text(stamped.group(2))
            pos = stamped.end()
            host = _HOST(data, pos)
            if stamped.group(1) is not None:
                row.hostname = text(stamped.group(1))  # Cisco devices put it before the time
            elif host is not None:
                row.hostname = text(host.group(1))
                pos = host.end()
        elif data[pos : pos + 1] == b" ":
            pos += 1
        tag = _TAG(data, pos)
        if tag is None or tag.group(1).isdigit():
            return
        if tag.group(1).startswith(b"%"):
            row.message_type = text(tag.group(1)[1:])
        else:
            row.program = text(tag.group(1))
            row.procid = text(tag.group(2)) if tag.group(2) else None


def _probe_syslog(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a priority followed by a time or a RFC 5424 header; on port 514 by any text."""
    if not data:
        return NO
    stream = talk.transport == "tcp"
    if data[0] != 0x3C:
        if not stream or not 0x31 <= data[0] <= 0x39:
            return NO
        count = _COUNT(data)
        if count is None:
            return MORE if len(data) < 6 and data.rstrip(b" ").isdigit() else NO
        data = data[count.end() :]
    priority = _PRIORITY(data)
    if priority is None or int(priority.group(1)) > MAX_PRIORITY:
        return MORE if stream and len(data) < 5 and data[1:].isdigit() | (len(data) == 1) else NO
    rest = data[priority.end() : priority.end() + 160]
    if _RFC5424(rest) is not None or _STAMPED(rest) is not None:
        return YES
    on_port = talk.src_port == 514 or talk.dst_port == 514
    if stream and len(data) < 200 and b"\n" not in data:
        return MORE
    return YES if on_port and len(rest) >= 4 and _is_text(rest) else NO


def _is_text(raw: bytes) -> bool:
    """Whether bytes are printable, apart from the separators that devices use between and after lines."""
    return not raw.rstrip(b"\0").translate(None, _PRINTABLE)


_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n" + bytes(range(0x80, 0x100))

SYSLOG = Dissector(
    "syslog", "Syslog Protocol (RFC 5424)", ("udp", "tcp"), (514, 601), (Syslog,), _probe_syslog, SyslogParser,
    first=b"<123456789",
)  # fmt: skip
