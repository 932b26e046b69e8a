"""SSDP, the discovery of UPnP devices (UPnP Device Architecture 2.0; heads as in RFC 9112). One row per message."""

import re

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser, head, number
from rustnet.records import U16, Host, Identifier, Mixed, ObjectName, Seconds, Software, Term, Uri, Word, record

_FIRST = re.compile(r"(M-SEARCH|NOTIFY) \* HTTP/1\.[01]\s*|HTTP/1\.[01] (\d{3})(?: .*)?").fullmatch
_BEGIN = re.compile(rb"(?:M-SEARCH|NOTIFY) \* HTTP/1\.[01]\r?\n").match
_ANSWER = re.compile(rb"\r?\n(?:ST|USN|EXT|NTS?|01-NLS) ?:", re.IGNORECASE).search
_AGE = re.compile(r"max-age\s*=\s*(\d+)", re.IGNORECASE).search


@record("ssdp")
class Ssdp:
    """One SSDP message."""

    method: Word | None = None
    """`M-SEARCH` or `NOTIFY`; NULL in answers."""
    status: U16 | None = None
    """Status code of an answer."""
    target: Mixed | None = None
    """Target of a search (ST), or the announced type (NT)."""
    notification: Term | None = None
    """`ssdp:alive`, `ssdp:byebye` or `ssdp:update` (NTS)."""
    usn: Identifier | None = None
    """Unique name of the service."""
    location: Uri | None = None
    """URL of the device's description."""
    server: Software | None = None
    """System, UPnP version and product of the device."""
    user_agent: Software | None = None
    """System and product of the searcher."""
    host: Host | None = None
    """Group that the message is sent to."""
    max_age: Seconds | None = None
    """Seconds for which the announcement holds."""
    max_wait: Seconds | None = None
    """Seconds within which responses are requested (MX)."""
    friendly_name: ObjectName | None = None
    """Name that a control point or device gives itself."""


class SsdpParser(RowParser):
    """Messages of one flow, each independent of the others."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        line, fields = head(data)
        match = _FIRST(line)
        if match is None:
            raise DissectError("expected an SSDP start line")
        get = fields.get
        age = _AGE(get("cache-control", ""))
        self.store_row(
            Ssdp(
                method=match.group(1),
                status=number(match.group(2), 999),
                target=get("st") or get("nt"),
                notification=get("nts"),
                usn=get("usn"),
                location=get("location"),
                server=get("server"),
                user_agent=get("user-agent"),
                host=get("host"),
                max_age=number(age.group(1), 0xFFFFFFFF) if age is not None else None,
                max_wait=number(get("mx"), 0xFFFFFFFF),
                friendly_name=get("cpfn.upnp.org") or get("x-friendly-name"),
            )
        )


def _probe_ssdp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a request line that only SSDP has, or a response with fields that only SSDP has."""
    if len(data) < 20 or data[0] not in b"MNH":
        return NO
    if _BEGIN(data) is not None:
        return YES
    return YES if data.startswith(b"HTTP/1.") and _ANSWER(data, 0, 2048) is not None else NO


SSDP = Dissector(
    "ssdp", "Simple Service Discovery Protocol (UPnP)", ("udp",), (1900,), (Ssdp,), _probe_ssdp, SsdpParser,
    first=b"MNH",
)  # fmt: skip
