import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES
from rustnet.dissect.http.parser import HTTP
from rustnet.dissect.http.record import Http
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_web import CHUNKED, HTTP_TALK, POST, REQUEST, RESPONSE
from tests.support.effort import assert_linear


def talk(*said: tuple[bool, bytes], close: bool = True) -> tuple[Flow, list[Http]]:
    flow = Flow(HTTP)
    for from_src, data in said:
        flow.tick(10)
        flow.feed(data, from_src)
    if close:
        flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Http)]


def test_one_transaction() -> None:
    flow, (row,) = talk((CLIENT, REQUEST), (SERVER, RESPONSE), close=False)
    assert (row.method, row.host, row.uri, row.version) == ("GET", "www.example.org:8080", "/a?b=c", "HTTP/1.1")
    assert (row.user_agent, row.referer) == ("curl/8.5.0", "http://r.example/")
    assert (row.status, row.reason, row.server, row.content_type) == (200, "OK", "nginx", "text/html; charset=utf-8")
    assert (row.response_bytes, row.response_ms) == (5, 10.0)
    assert (row.has_authorization, row.has_cookie, row.has_set_cookie, row.proxy) == (True, True, True, False)
    assert (flow.talk.hostname, flow.talk.hostname_source) == ("www.example.org", "http")
    assert flow.sink.stamps == [(1_010_000_000, 1)]
    assert "secret" not in repr(row)


def test_a_whole_connection() -> None:
    _, rows = talk(*HTTP_TALK)
    assert [(r.method, r.status, r.request_bytes, r.response_bytes) for r in rows] == [
        (None, 100, 0, 0),
        ("GET", 200, 0, 5),
        ("POST", 206, 7, 20),
        ("HEAD", 200, 0, 0),
        ("GET", 404, 0, 13),
    ]


def test_pipelining_is_answered_in_order() -> None:
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % i for i in range(50))
    responses = b"".join(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (200 + i) for i in range(50))
    _, rows = talk((CLIENT, requests), (SERVER, responses))
    assert [(r.uri, r.status) for r in rows] == [(f"/{i}", 200 + i) for i in range(50)]


def test_unanswered_requests_and_lone_responses_are_rows() -> None:
    _, (row,) = talk((CLIENT, REQUEST))
    assert (row.method, row.status) == ("GET", None)
    _, (row,) = talk((SERVER, RESPONSE))
    assert (row.method, row.status, row.version) == (None, 200, "HTTP/1.1")


def test_requests_without_end_are_bounded() -> None:
    flow, rows = talk((CLIENT, REQUEST * 1000), close=False)
    assert len(rows) >= 1000 - 256
    flow.close()
    assert len(flow.rows) == 1000


def test_a_long_download_is_skipped_even_where_the_capture_has_holes() -> None:
    flow = Flow(HTTP)
    flow.feed(REQUEST)
    flow.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + bytes(100), SERVER)
    calls = flow.calls
    assert len(flow.rows) == 1
    flow.feed(bytes(2_000_000), SERVER, 1460)
    flow.lose(1_000_000, SERVER)
    flow.feed(bytes(1_999_900), SERVER, 1460)
    assert flow.calls == calls
    flow.feed(REQUEST)
    flow.feed(RESPONSE, SERVER)
    assert [r.response_bytes for r in flow.rows] == [5_000_000, 5]  # type: ignore[attr-defined]
    assert flow.sink.anomalies == []


def test_a_body_until_the_close_is_counted() -> None:
    flow = Flow(HTTP)
    flow.feed(REQUEST)
    flow.feed(b"HTTP/1.0 200 OK\r\n\r\n", SERVER)
    flow.feed(bytes(10_000), SERVER, 1000)
    flow.lose(500, SERVER)
    assert flow.rows == []
    flow.close()
    assert [r.response_bytes for r in flow.rows] == [10_500]  # type: ignore[attr-defined]


def test_a_chunked_download_that_never_ends_is_a_row() -> None:
    _, (row,) = talk((CLIENT, REQUEST), (SERVER, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nabc"))
    assert row.response_bytes == 256


def test_after_a_loss_the_next_head_is_found() -> None:
    flow = Flow(HTTP)
    flow.feed(REQUEST)
    flow.feed(b"HTTP/1.1 200 OK\r\nContent-Ty", SERVER)
    flow.lose(300, SERVER)
    flow.feed(b"half of a body\r\nHTTP is nice\r\n", SERVER)
    flow.feed(REQUEST.replace(b"/a?b=c", b"/2"))
    flow.feed(b"rest\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", SERVER)
    flow.close()
    assert [(r.uri, r.status) for r in flow.rows] == [("/a?b=c", None), ("/2", 404)]  # type: ignore[attr-defined]


def test_a_capture_that_begins_within_a_body() -> None:
    flow = Flow(HTTP)
    flow.feed(b"\x00\x01 end of some body", SERVER)
    flow.feed(REQUEST)
    flow.feed(b"more\n" + RESPONSE, SERVER)
    flow.close()
    assert [(r.method, r.status) for r in flow.rows] == [("GET", 200)]  # type: ignore[attr-defined]
    assert flow.sink.anomalies == []


def test_junk_after_a_message_is_reported() -> None:
    flow, rows = talk((CLIENT, REQUEST), (SERVER, RESPONSE + b"\x00junk\r\n"), (CLIENT, REQUEST), (SERVER, RESPONSE))
    assert [r.status for r in rows] == [200, 200]
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_http"]


def test_connect_hands_over() -> None:
    flow = Flow(HTTP)
    flow.feed(b"CONNECT mail.example:443 HTTP/1.1\r\nHost: mail.example:443\r\n\r\n")
    flow.feed(b"\x16\x03\x01early")
    assert flow.pending[CLIENT] == b"\x16\x03\x01early"
    flow.feed(b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x03", SERVER)
    (row,) = flow.rows
    assert isinstance(row, Http)
    assert (row.method, row.host, row.uri, row.proxy) == ("CONNECT", "mail.example:443", "mail.example:443", True)
    assert flow.talk.parser is None
    assert not flow.talk.finished
    assert flow.pending[SERVER] == b"\x16\x03\x03"


def test_connect_refused_goes_on() -> None:
    flow = Flow(HTTP)
    flow.feed(b"CONNECT a:443 HTTP/1.1\r\n\r\n")
    flow.feed(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", SERVER)
    flow.feed(REQUEST)
    flow.feed(RESPONSE, SERVER)
    assert [(r.method, r.status) for r in flow.rows] == [("CONNECT", 407), ("GET", 200)]  # type: ignore[attr-defined]


def test_upgrade() -> None:
    request = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"
    response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"
    flow, (row,) = talk((CLIENT, request), (SERVER, response))
    assert (row.status, row.upgrade) == (101, "websocket")
    assert flow.talk.finished
    assert flow.talk.app is None


def test_absolute_targets_are_for_proxies() -> None:
    _, (row,) = talk((CLIENT, b"GET http://a.example/x HTTP/1.1\r\n\r\n"))
    assert (row.proxy, row.host, row.uri) == (True, "a.example", "http://a.example/x")


def test_folded_and_unusual_headers() -> None:
    head = b"PROPFIND /dav HTTP/1.1\nHOST:h\nUser-Agent: a\n\tb\nX-Forwarded-For: 10.0.0.1\nReferer: \xff\n\n"
    _, (row,) = talk((CLIENT, b"\r\n" + head))
    assert (row.method, row.host, row.user_agent, row.forwarded_for) == ("PROPFIND", "h", "a b", "10.0.0.1")
    assert row.referer == "ÿ"


@pytest.mark.parametrize(
    ("fields", "host", "agent"),
    [
        (b"Host: a\nUser-Agent: x\n  y\nHost: b", "a", "x y"),
        (b"Host:\n a\nUser-Agent", "a", ""),
        (b"Hosts: n\nHosT:a:b \r\nuser-agent:\t x", "a:b", "x"),
        (b"Host: a\n" * 990 + b"X: y\n z\nUser-Agent: x", "a", "x"),
        (b"A: b\n" * 600 + b" c\n" * 600 + b"Host: a\nUser-Agent: x", "a", "x"),
    ],
)
def test_header_lines(fields: bytes, host: str, agent: str) -> None:
    _, (row,) = talk((CLIENT, b"GET / HTTP/1.1\n" + fields + b"\n\n"))
    assert (row.host, row.user_agent) == (host, agent)


@pytest.mark.parametrize("fields", [b"A: b\n" * 1001, b"A: b\n c\n" * 1001])
def test_too_many_header_lines(fields: bytes) -> None:
    flow, rows = talk((CLIENT, b"GET / HTTP/1.1\n" + fields + b"\n"))
    assert rows == []
    assert flow.sink.anomalies == [("malformed_http", "more than 1000 header lines")]


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        b"Content-Length : 3",
    ],
)
def test_ambiguous_framing_is_reported(headers: bytes) -> None:
    flow, rows = talk((CLIENT, b"POST / HTTP/1.1\r\n" + headers + b"\r\n\r\n"))
    assert len(rows) == 1
    assert flow.sink.anomalies[0][0] == "ambiguous_http"


def test_interim_responses_are_rows_of_their_own() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    _, rows = talk((CLIENT, POST), (SERVER, interim + RESPONSE))
    assert [(r.method, r.status, r.reason) for r in rows] == [
        (None, 100, "Continue"),
        (None, 103, "Early Hints"),
        ("POST", 200, "OK"),
    ]


def test_statuses_without_bodies() -> None:
    for status in (204, 304):
        _, rows = talk(
            (CLIENT, REQUEST * 2),
            (SERVER, b"HTTP/1.1 %d No\r\nContent-Length: 9\r\n\r\n" % status + RESPONSE),
        )
        assert [r.status for r in rows] == [status, 200]


def test_hostile_heads_take_little_time() -> None:
    def heads(size: int) -> None:
        for head in (
            b"GET /" + b" " * size,
            b"GET" + b" " * size + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"a:\n" * (size // 3),
            REQUEST + b"\x00" + b"\nHTTP/1.1 200 \n" * (size // 16),
            REQUEST + b"\x00" + b"\nA" * (size // 2) + b"\n\n",
        ):
            talk((CLIENT, head), (CLIENT, b"\n\n"))
            talk((CLIENT, REQUEST), (SERVER, head))

    assert_linear(heads, 16_000)


def test_a_head_beyond_64_kib_is_given_up() -> None:
    flow, rows = talk((CLIENT, REQUEST), (CLIENT, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 11_000))
    assert len(rows) == 1
    assert flow.sink.anomalies == [("malformed_http", "header section is larger than 64 KiB")]


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (REQUEST, YES),
        (POST, YES),
        (RESPONSE, YES),
        (CHUNKED, YES),
        (REQUEST[:3], MORE),
        (RESPONSE[:10], MORE),
        (b"HTTP/", MORE),
        (b"M-SEARCH * HTTP/1.1\r\n", YES),
        (b"OPTIONS rtsp://h/ RTSP/1.0\r\n", NO),
        (b"INVITE sip:a@b SIP/2.0\r\n", NO),
        (b"ICY 200 OK\r\n", YES),
        (b"get / HTTP/1.1\r\n", NO),
        (b"USER anonymous\r\n", NO),
        (b"HTTP/2.0 200 OK\r\n", YES),
        (b"GET /" + b"x" * 1500, YES),
        (b"QUIT", MORE),
        (b"A\x00", NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(HTTP).probe(data) == verdict
