"""XMPP (RFC 6120) and Jabber before it: the stream's opening, its login, never its stanzas.

One row per stream, stored when the client is bound to its address, at the first stanza, or when both sides switch to
TLS, which the TLS parser then reads.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import mechanism_name, read_sasl
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.reading import text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import Host, Term, User, record

MAX_TAG = 8192
"""Maximum size of a tag with the text before it."""
MAX_TAGS = 400
"""Tags of both directions after which the parser no longer waits for a login."""
_ATTRIBUTE = re.compile(rb"""([A-Za-z_:][\w:.-]{0,40})\s*=\s*(?:'([^'<]{0,1024})'|"([^"<]{0,1024})")""")
_NAME = re.compile(rb"<(/?[A-Za-z_][A-Za-z0-9_.:-]{0,63})").match
_STREAMS = b"http://etherx.jabber.org/streams"
_STANZA = re.compile(
    rb"<(?:iq|presence|message)(?=[\s>/])[^>]*\s(?:xmlns=['\"]jabber:|(?:type|id|to|from)=['\"])"
).match
_STARTS = (b"<?xml", b"<stream:stream", b"</stream:stream>", b"<iq ", b"<presence", b"<message ")
_PORTS = (5222, 5269, 5280)


@record("xmpp")
class Xmpp:
    """One XMPP stream, as far as its beginning is in the clear."""

    host: Host | None = None
    """Domain that the initiator asks for."""
    origin: User | None = None
    """Address that the initiator names as its own; of servers their domain."""
    namespace: Term | None = None
    """Kind of the stream: `jabber:client`, `jabber:server`, `jabber:component:accept`."""
    version: Term | None = None
    """Version of XMPP; NULL for Jabber before it."""
    tls: bool = False
    """Both sides switched to TLS; what follows is not visible."""
    auth_method: Term | None = None
    """SASL mechanism, or `iq-auth`."""
    username: User | None = None
    """User who logs in, if the mechanism sends it in the clear."""
    has_password: bool = False
    """A secret was sent."""
    authenticated: bool | None = None
    """The server accepted the login; NULL if its answer was not seen."""
    jid: User | None = None
    """Full address that the server gave the client, or that stanzas name as the client's."""


def _attributes(tag: bytes) -> dict[bytes, bytes]:
    """Attributes of a tag."""
    return {name: one or two for name, one, two in _ATTRIBUTE.findall(tag)}


class XmppParser(OneRowParser[Xmpp]):
    """One stream up to the end of its login."""

    __slots__ = ("answers", "client", "tags")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Xmpp())
        self.client: bool | None = None
        """Direction of the initiator, once a stream header shows it."""
        self.tags = 0
        """Tags read."""
        self.answers = 0
        """SASL responses read."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read tags, each with the text before it."""
        self.begin()
        if self.row.tls and data[:1] == b"\x16":
            self._encrypt()
            return 0
        pos = 0
        size = len(data)
        talk = self.talk
        while pos < size and talk.parser is self and not talk.finished:
            end = data.find(b">", pos)
            if end < 0:
                if size - pos > MAX_TAG:
                    self._too_long()
                return pos
            start = data.rfind(b"<", pos, end)
            name = _NAME(data, start) if start >= 0 else None
            if name is not None:
                self._tag(name.group(1), data[start : end + 1], data[pos:start], from_src)
            elif self.tags == 0 and not data.startswith(b"<?xml", start):
                raise DissectError("expected a tag at the beginning of the stream")
            pos = end + 1
        return pos

    def _too_long(self) -> None:
        error = DissectError("tag exceeds {limit} bytes", limit=MAX_TAG)
        if self.tags == 0:
            raise error
        self.reject(error)

    def _encrypt(self) -> None:
        """Let TLS read what follows."""
        self.row.tls = True
        self.hand_over(TLS)

    def _tag(self, name: bytes, tag: bytes, before: bytes, from_src: bool) -> None:
        """Read one tag."""
        self.tags += 1
        row = self.row
        if name == b"stream:stream":
            self._header(_attributes(tag), from_src)
        elif name == b"proceed":
            self._encrypt()
        elif name == b"auth":
            row.auth_method = mechanism_name(_attributes(tag).get(b"mechanism", b""), self.talk) or None
            self.answers = 0
        elif name in {b"/auth", b"/response"}:
            self._credential(before.strip())
        elif name == b"success":
            row.authenticated = True
        elif name == b"failure" and row.auth_method is not None:
            row.authenticated = False
        elif name == b"/username":
            row.username = text(before.strip()) or None
            row.auth_method = "iq-auth"
        elif name in {b"/password", b"/digest"}:
            row.has_password = True
            self.talk.keep_secret(before.strip())
        elif name == b"/jid":
            row.jid = text(before.strip())
            self.finish()
        else:
            self._stanza(name, tag, from_src)

    def _header(self, attributes: dict[bytes, bytes], from_src: bool) -> None:
        """Read a stream header; the initiator's names the host that it connects to."""
        row = self.row
        row.namespace = text(attributes.get(b"xmlns", b"")) or row.namespace
        row.version = text(attributes.get(b"version", b"")) or row.version
        if b"id" in attributes:  # only the responder's has one
            self.client = not from_src
            row.host = row.host or text(attributes.get(b"from", b"")) or None
            return
        self.client = from_src
        row.host = row.host or text(attributes.get(b"to", b"")) or None
        row.origin = row.origin or text(attributes.get(b"from", b"")) or None
        if row.host and from_src:
            self.talk.name_host(row.host.lower(), "xmpp")

    def _credential(self, answer: bytes) -> None:
        self.answers += 1
        user, secret = read_sasl(self.talk, self.row.auth_method or "", answer, self.answers)
        self.row.username = self.row.username or user
        self.row.has_password = self.row.has_password or secret

    def _stanza(self, name: bytes, tag: bytes, from_src: bool) -> None:
        """Finish at a stanza that follows the login, or that the capture begins with."""
        if name == b"iq" and self.row.namespace is not None and self.tags < MAX_TAGS:
            return
        if name in {b"iq", b"presence", b"message"}:
            if self.row.namespace is None:
                jid = _attributes(tag).get(b"from" if from_src else b"to", b"")
                self.row.jid = text(jid) if b"@" in jid else None
            if self.row.namespace is not None or self.row.jid is not None or self.tags > 8:
                self.finish()
        elif name == b"/stream:stream" or self.tags >= MAX_TAGS:
            self.finish()


def _probe_xmpp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a stream header by its namespace; on the standard ports also stanzas of a stream that began earlier."""
    if not data:
        return MORE
    if data[0] not in b"< \n\r":
        return NO
    head = data.lstrip()
    if not head.startswith(_STARTS):
        return MORE if len(head) < 16 and any(word.startswith(head) for word in _STARTS) else NO
    if head.startswith(b"</stream:stream>"):
        return YES
    if head.startswith((b"<iq", b"<presence", b"<message")):
        if b">" not in head:
            return MORE if talk.has_port(*_PORTS) else NO
        client_stanza = talk.has_port(*_PORTS) or b"xmlns='jabber:" in head or b'xmlns="jabber:' in head
        return YES if client_stanza and _STANZA(head) is not None else NO
    start = head.find(b"<stream:stream")
    if start >= 0:
        end = head.find(b">", start)
        return YES if _STREAMS in head[start : end if end >= 0 else None] else MORE if end < 0 else NO
    rest = head.partition(b"?>")[2].strip()
    return MORE if len(head) < 512 and b"<stream:stream".startswith(rest[:14]) else NO


XMPP = Dissector(
    "xmpp", "Extensible Messaging and Presence Protocol (RFC 6120)", ("tcp",), _PORTS, (Xmpp,), _probe_xmpp, XmppParser,
    first=b"< \n\r",
)  # fmt: skip
