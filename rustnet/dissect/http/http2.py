"""HTTP/2 in clear text (RFC 9113)."""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, Dissector, Parser
from rustnet.dissect.http.record import Http

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Http2Parser(Parser):
    """HTTP/2 in clear text: the preface is a row, its frames are not read."""

    __slots__ = ()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Store a row for the preface and read no more."""
        self.talk.emit(Http(version="HTTP/2"))
        self.talk.finish()
        return len(data)


def probe(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the connection preface, which is the same for every client."""
    if data.startswith(PREFACE):
        return YES
    return MORE if data and PREFACE.startswith(data) else NO


HTTP2 = Dissector("http2", "HTTP/2 in clear text (RFC 9113)", ("tcp",), (), (Http,), probe, Http2Parser, first=b"P")
