"""XMPP (RFC 6120) and Jabber before it: the stream's opening, its login, never its stanzas.

One row per stream. It leaves when the client is bound to its address, when stanzas begin to flow, or when both sides
change to TLS, which is read on as such.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Parser
from rustnet.dissect.framework.lines import sasl_user
from rustnet.dissect.framework.reading import text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import Host, Term, User, record

MAX_TAG = 8192
"""Bytes of one tag, or of the text ahead of it."""
MAX_TAGS = 400
"""Tags of both directions after which the login is not waited for."""
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
    """Both sides changed to TLS; what follows is then not visible."""
    auth_method: Term | None = None
    """SASL mechanism, or `iq-auth`."""
    username: User | None = None
    """User who logs in, where the mechanism tells it in the clear."""
    has_password: bool = False
    """A secret was sent."""
    authenticated: bool | None = None
    """The server accepted the login; NULL where its answer was not seen."""
    jid: User | None = None
    """Full address that the server gave the client, or that stanzas name as the client's."""


def _attributes(tag: bytes) -> dict[bytes, bytes]:
    """Attributes of a tag."""
    return {name: one or two for name, one, two in _ATTRIBUTE.findall(tag)}


class XmppParser(Parser):
    """One stream up to the end of its login."""

    __slots__ = ("answers", "begun", "client", "packet", "row", "tags", "ts")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.row = Xmpp()
        self.client: bool | None = None
        """Direction of the initiator, once a header names whom it wants."""
        self.begun = False
        self.tags = 0
        self.answers = 0
        """Answers to the SASL mechanism's questions."""
        self.ts = 0
        self.packet = 0

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read tags, each with the text ahead of it."""
        if not self.begun:
            self.begun = True
            self.ts = self.talk.ts
            self.packet = self.talk.packet
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
                    self._broken("a tag is too long")
                return pos
            start = data.rfind(b"<", pos, end)
            name = _NAME(data, start) if start >= 0 else None
            if name is not None:
                self._tag(name.group(1), data[start : end + 1], data[pos:start], from_src)
            elif self.tags == 0 and not data.startswith(b"<?xml", start):
                raise DissectError("the stream does not begin with a tag")
            pos = end + 1
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Tell what is known."""
        self._done()

    def close(self) -> None:
        """Tell what is known, if it was not told yet."""
        self._done()

    def _done(self) -> None:
        if self.begun:
            self.begun = False
            self.talk.emit(self.row, self.ts, self.packet)
        self.talk.finish()

    def _broken(self, detail: str) -> None:
        if self.tags == 0:
            raise DissectError(detail)
        self.talk.anomaly("malformed_xmpp", detail)
        self._done()

    def _encrypt(self) -> None:
        """Let TLS read what follows."""
        self.row.tls = True
        self.begun = False
        self.talk.emit(self.row, self.ts, self.packet)
        self.talk.hand_over(TLS)

    def _tag(self, name: bytes, tag: bytes, before: bytes, from_src: bool) -> None:
        """Read one tag."""
        self.tags += 1
        row = self.row
        if name == b"stream:stream":
            self._header(_attributes(tag), from_src)
        elif name == b"proceed":
            self._encrypt()
        elif name == b"auth":
            row.auth_method = text(_attributes(tag).get(b"mechanism", b"")).upper() or None
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
        elif name == b"/jid":
            row.jid = text(before.strip())
            self._done()
        else:
            self._stanza(name, tag, from_src)

    def _header(self, found: dict[bytes, bytes], from_src: bool) -> None:
        """Read the opening of a stream; the initiator's names whom it wants."""
        row = self.row
        row.namespace = text(found.get(b"xmlns", b"")) or row.namespace
        row.version = text(found.get(b"version", b"")) or row.version
        if b"id" in found:  # only the responder's has one
            self.client = not from_src
            row.host = row.host or text(found.get(b"from", b"")) or None
            return
        self.client = from_src
        row.host = row.host or text(found.get(b"to", b"")) or None
        row.origin = row.origin or text(found.get(b"from", b"")) or None
        if row.host and from_src:
            self.talk.name_host(row.host.lower(), "xmpp")

    def _credential(self, answer: bytes) -> None:
        self.answers += 1
        user, secret = sasl_user(self.row.auth_method or "", answer, self.answers)
        self.row.username = self.row.username or user
        self.row.has_password = self.row.has_password or secret

    def _stanza(self, name: bytes, tag: bytes, from_src: bool) -> None:
        """End with the stanzas that follow a login, or that a capture begins with."""
        if name == b"iq" and self.row.namespace is not None and self.tags < MAX_TAGS:
            return
        if name in {b"iq", b"presence", b"message"}:
            if self.row.namespace is None:
                found = _attributes(tag)
                jid = found.get(b"to", b"") if from_src is False else found.get(b"from", b"")
                self.row.jid = text(jid) if b"@" in jid else None
            if self.row.namespace is not None or self.row.jid is not None or self.tags > 8:
                self._done()
        elif name == b"/stream:stream" or self.tags >= MAX_TAGS:
            self._done()


def _probe_xmpp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a stream's header by its namespace; on the ports also stanzas of a stream that began earlier."""
    if not data:
        return MORE
    if data[0] not in b"< \n\r":
        return NO
    said = data.lstrip()
    if not said.startswith(_STARTS):
        return MORE if len(said) < 16 and any(word.startswith(said) for word in _STARTS) else NO
    if said.startswith(b"</stream:stream>"):
        return YES
    if said.startswith((b"<iq", b"<presence", b"<message")):
        if b">" not in said:
            return MORE if talk.has_port(*_PORTS) else NO
        near = talk.has_port(*_PORTS) or b"xmlns='jabber:" in said or b'xmlns="jabber:' in said
        return YES if near and _STANZA(said) is not None else NO
    start = said.find(b"<stream:stream")
    if start >= 0:
        end = said.find(b">", start)
        return YES if _STREAMS in said[start : end if end >= 0 else None] else MORE if end < 0 else NO
    rest = said.partition(b"?>")[2].strip()
    return MORE if len(said) < 512 and b"<stream:stream".startswith(rest[:14]) else NO


XMPP = Dissector(
    "xmpp", "Extensible Messaging and Presence Protocol (RFC 6120)", ("tcp",), _PORTS, (Xmpp,), _probe_xmpp, XmppParser,
    first=b"< \n\r",
)  # fmt: skip
