"""Hostile payloads cost time in proportion to their size."""

import time

from rustnet.export.redacted_packets.payload import STREAM_BYTES
from rustnet.export.redacted_packets.payloads import datagram_rewriter
from rustnet.export.redacted_packets.streams import Streams
from tests.dissect.samples_web import HERE, answer, dns, name, question
from tests.export.payloads.support import CLIENT, context, datagram, stream
from tests.support.effort import assert_linear

LEAST = 20_000
"""Messages of DNS per second, also on a busy machine."""


def test_deep_names_with_pointers() -> None:
    deep = b"".join(b"\1%c" % (97 + at % 26) for at in range(120)) + b"\0"
    records = [b"\1%c\xc0\x0c" % (97 + at % 26) + bytes(10) for at in range(4000)]
    message = dns(0x8180, (deep + b"\0\1\0\1",), tuple(records))
    begun = time.process_time()
    _data, kept = datagram(message, context("dns"))
    assert kept < len(message)  # names with 32,768 labels in all are read
    assert time.process_time() - begun < 3


def test_lines_of_spaces() -> None:
    def head(size: int) -> None:
        stream(b"GET / HTTP/1.1\r\n" + b"A: " + b" " * size + b"b\r\n" * 2 + b"\r\n", context("http", "tcp", 80))

    assert_linear(head, 15_000)


def test_words_of_commands() -> None:
    def talk(size: int) -> None:
        for app in ("smtp", "ftp", "imap", "irc", "pop3"):
            line = b":" + b"a" * 500 + b" " + b" ({|1" * 200 + b"\r\n"
            stream(line * (size // len(line)), context(app, "tcp", 25))

    assert_linear(talk, 60_000)


def test_segments_in_reverse_order() -> None:
    def collect(count: int) -> None:
        streams = Streams(lambda _what: None if _what.app else (lambda _data, _holes, _context: []))
        for at in range(count, 0, -1):
            streams.add(1, context("", "tcp", client=CLIENT), at * 20, 16, b"z" * 10)
        streams.finish()

    assert_linear(collect, STREAM_BYTES // 20 // 4, slack=0.2)


def test_messages_per_second() -> None:
    message = dns(
        0x8180,
        (question("www.some-customer.example.com"),),
        (answer(HERE, 5, name("edge.some-cdn.net")), *(answer(HERE, 1, bytes((93, 184, 216, n))) for n in range(3))),
    )
    what = context("dns")
    rewrite = datagram_rewriter(what)
    assert rewrite is not None
    best = 0.0
    for _ in range(5):
        begun = time.process_time()
        for _ in range(2000):
            rewrite(bytearray(message), what)
        best = max(best, 2000 / (time.process_time() - begun))
    assert best > LEAST
