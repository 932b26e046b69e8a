"""What each protocol's specification says about responses that do not simply follow their requests."""

from rustnet.dissect.ftp import FTP
from rustnet.dissect.http.parser import HTTP
from rustnet.dissect.imap import IMAP
from rustnet.dissect.memcached import MEMCACHED
from rustnet.dissect.radius import RADIUS
from rustnet.dissect.redis import REDIS
from rustnet.dissect.smtp import SMTP
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed


def test_a_command_during_a_transfer_is_answered_before_the_transfer_ends() -> None:
    flow = parsed(FTP, [
        (SERVER, b"220 FTP\r\n"), (CLIENT, b"RETR file\r\n"), (SERVER, b"150 Opening\r\n"), (CLIENT, b"STAT\r\n"),
        (SERVER, b"211 Half of it\r\n"), (SERVER, b"226 Complete\r\n"), (CLIENT, b"QUIT\r\n"), (SERVER, b"221 Bye\r\n"),
    ])  # fmt: skip
    assert [(r.command, r.reply_code) for r in flow.rows] == [  # type: ignore[attr-defined]
        (None, 220), ("STAT", 211), ("RETR", 226), ("QUIT", 221),
    ]  # fmt: skip


def test_a_greeting_answers_no_command() -> None:
    flow = parsed(FTP, [(CLIENT, b"USER x\r\n"), (SERVER, b"220 FTP\r\n"), (SERVER, b"331 Password\r\n")])
    assert [(r.command, r.reply_code) for r in flow.rows] == [(None, 220), ("USER", 331)]  # type: ignore[attr-defined]


def test_each_recipient_of_lmtp_has_a_reply_to_the_message() -> None:
    flow = parsed(SMTP, [
        (SERVER, b"220 lmtp.example LMTP\r\n"), (CLIENT, b"LHLO c\r\n"), (SERVER, b"250 ok\r\n"),
        (CLIENT, b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nRCPT TO:<d>\r\nDATA\r\n"),
        (SERVER, b"250 from\r\n250 b\r\n550 no c\r\n250 d\r\n354 go\r\n"), (CLIENT, b"text\r\n.\r\nQUIT\r\n"),
        (SERVER, b"250 b has it\r\n452 d is full\r\n221 bye\r\n"),
    ])  # fmt: skip
    assert [(r.command, r.reply_code) for r in flow.rows] == [  # type: ignore[attr-defined]
        (None, 220), ("LHLO", 250), ("MAIL", 250), ("RCPT", 250), ("RCPT", 550), ("RCPT", 250), ("DATA", 250),
        (None, 452), ("QUIT", 221),
    ]  # fmt: skip


def test_redis_without_replies_has_no_pairs() -> None:
    off = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n"
    get = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
    flow = parsed(REDIS, [(CLIENT, get), (SERVER, b"$1\r\nv\r\n"), (CLIENT, off + get + get), (SERVER, b":1\r\n")])
    rows = [(r.command, r.result, r.pair_unknown) for r in flow.rows]  # type: ignore[attr-defined]
    assert rows[0] == ("GET", "bulk", False)
    assert (None, "integer", True) in rows
    assert [row for row in rows[1:] if not row[2] or (row[0] and row[1])] == []
    assert ("pair_unknown", sum(flow.sink.counts)) == (flow.sink.anomalies[-1][0], len(rows) - 1)


def test_counters_and_unknown_commands_of_memcached_have_replies() -> None:
    flow = parsed(MEMCACHED, [
        (CLIENT, b"incr k 1\r\nfrobnicate\r\nversion\r\n"), (SERVER, b"42\r\nERROR\r\nVERSION 1.6\r\n"),
    ])  # fmt: skip
    assert [(r.command, r.result) for r in flow.rows] == [  # type: ignore[attr-defined]
        ("incr", "NUMBER"), ("unknown (10 bytes)", "ERROR"), ("version", "VERSION"),
    ]  # fmt: skip


def test_two_commands_of_imap_with_one_tag() -> None:
    flow = parsed(IMAP, [(SERVER, b"* OK IMAP\r\n"), (CLIENT, b"a NOOP\r\na CHECK\r\n"), (SERVER, b"a OK done\r\n")])
    assert [(r.command, r.result, r.pair_unknown) for r in flow.rows][1] == ("NOOP", None, True)  # type: ignore[attr-defined]
    assert flow.sink.anomalies[0][0] == "pair_unknown"


def test_an_identifier_of_radius_that_is_used_again_is_another_request() -> None:
    def message(code: int, authenticator: bytes) -> bytes:
        return bytes((code, 7, 0, 20)) + authenticator * 16

    flow = Flow(RADIUS, "udp")
    for from_src, code, proof, wait in (
        (SERVER, 2, b"r", 0), (CLIENT, 1, b"a", 0), (CLIENT, 1, b"b", 60_000), (CLIENT, 1, b"b", 3_000),
        (SERVER, 2, b"s", 20),
    ):  # fmt: skip
        flow.tick(wait)
        flow.datagram(message(code, proof), from_src)
    assert [r.response_ms for r in flow.rows][-1] == 3_022.0  # type: ignore[attr-defined]


def test_a_lone_response_to_head_hides_no_other_one() -> None:
    def response(status: int) -> bytes:
        return b"HTTP/1.1 %d Fine\r\nContent-Length: 500\r\n\r\n" % status

    def request(name: bytes) -> bytes:
        return b"HEAD /%s HTTP/1.1\r\nHost: h\r\n\r\n" % name

    flow = Flow(HTTP)
    flow.feed(request(b"1"))
    flow.feed(response(201), SERVER)
    flow.lose(len(request(b"2")), CLIENT)
    flow.feed(response(202), SERVER)
    flow.feed(request(b"3"))
    flow.feed(response(203), SERVER)
    flow.close()
    assert [(r.uri, r.status, r.pair_unknown) for r in flow.rows] == [  # type: ignore[attr-defined]
        ("/1", 201, False), (None, 202, True), ("/3", 203, False),
    ]  # fmt: skip
    assert flow.sink.anomalies == [
        (
            "pair_unknown",
            "bytes are missing or cannot be read: requests and responses of HTTP cannot all be assigned to each other",
        )
    ]
