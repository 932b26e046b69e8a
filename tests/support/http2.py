"""Frames of HTTP/2, built as RFC 9113 lays them out; header blocks are compressed by the library hpack."""

import struct

from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITIZED = 1, 4, 8, 32


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(*values: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *value) for value in values))


class Peer:
    """One end of a connection, with the table of its encoder."""

    def __init__(self) -> None:
        self.encoder = Encoder()

    def block(self, *fields: tuple[str, str]) -> bytes:
        return bytes(self.encoder.encode(list(fields)))

    def headers(self, stream: int, *fields: tuple[str, str], end: bool = False) -> bytes:
        return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.block(*fields))

    def request(
        self, stream: int, path: str, *fields: tuple[str, str], method: str = "GET", host: str = "h2.example",
        end: bool = True,
    ) -> bytes:  # fmt: skip
        pseudo = ((":method", method), (":scheme", "http"), (":path", path), (":authority", host))
        return self.headers(stream, *pseudo, *fields, end=end)

    def response(self, stream: int, status: int, *fields: tuple[str, str], body: bytes = b"") -> bytes:
        head = self.headers(stream, (":status", str(status)), *fields, end=not body)
        return head + (frame(DATA, END_STREAM, stream, body) if body else b"")


GRPC = (("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "grpc-python/1.60"))


def grpc_talk() -> list[tuple[bool, bytes]]:
    """A client of gRPC by prior knowledge: one call that succeeds, one that fails at once."""
    client, server = Peer(), Peer()
    call = frame(DATA, END_STREAM, 1, b"\0\0\0\0\x05hello")
    return [
        (True, PREFACE + settings((4, 65_535)) + frame(WINDOW_UPDATE, 0, 0, b"\0\0\xff\xff")),
        (False, settings((3, 100)) + frame(SETTINGS, 1, 0)),
        (True, frame(SETTINGS, 1, 0) + client.request(1, "/shop.Orders/Get", *GRPC, method="POST", end=False) + call),
        (False, server.headers(1, (":status", "200"), ("content-type", "application/grpc"))
         + frame(DATA, 0, 1, b"\0\0\0\0\x03abc") + server.headers(1, ("grpc-status", "0"), end=True)),
        (True, client.request(3, "/shop.Orders/Put", *GRPC, method="POST", end=False)
         + frame(DATA, END_STREAM, 3, b"\0\0\0\0\0")),
        (False, server.headers(3, (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "7"),
                               ("grpc-message", "not%20allowed"), end=True) + frame(PING, 0, 0, bytes(8))),
    ]  # fmt: skip
