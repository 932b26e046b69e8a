"""HTTP/1.x as real servers and clients get it wrong: read as RFC 9112 demands, and what is odd is named."""

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES
from rustnet.dissect.http.parser import HTTP
from rustnet.dissect.http.record import Http
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.support.effort import assert_linear

GET = b"GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Http]]:
    flow = Flow(HTTP)
    for from_src, data in said:
        flow.tick(10)
        flow.feed(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Http)]


@pytest.mark.parametrize(
    ("line", "version", "reason", "odd"),
    [
        (b"HTTP/1.1 200 OK\r\n", "HTTP/1.1", "OK", None),
        (b"HTTP/1.1 200 \r\n", "HTTP/1.1", None, None),
        (b"HTTP/1.1 200\r\n", "HTTP/1.1", None, ["no-reason"]),
        (b"HTTP/1.1  200 OK\r\n", "HTTP/1.1", "OK", ["spacing"]),
        (b"HTTP/1.1\t200\tOK\r\n", "HTTP/1.1", "OK", ["spacing"]),
        (b"HTTP/1.1\t200\r\n", "HTTP/1.1", None, ["spacing", "no-reason"]),
        (b"http/1.1 200 OK\r\n", "HTTP/1.1", "OK", ["version"]),
        (b"HTTP/1 200 OK\r\n", "HTTP/1", "OK", ["version"]),
        (b"HTTP/1.0 200 OK\n", "HTTP/1.0", "OK", ["bare-lf"]),
        (b"HTTP/1.10 200 OK\r\n", "HTTP/1.10", "OK", ["version"]),
        (b"HTTP/2.0 200 OK\r\n", "HTTP/2.0", "OK", ["version"]),
        (b"HTTP/2 200\r\n", "HTTP/2", None, ["version", "no-reason"]),
    ],
)
def test_status_lines(line: bytes, version: str, reason: str | None, odd: list[str] | None) -> None:
    head = line + b"Content-Length: 2\r\n\r\nhi"
    _, (row,) = talk((CLIENT, GET), (SERVER, head))
    assert (row.status, row.reason, row.response_bytes) == (200, reason, 2)
    assert set(row.response_oddities or ()) == set(odd or ())
    assert row.request_oddities is None
    _, (alone,) = talk((SERVER, head))
    assert (alone.version, alone.status) == (version, 200)
    believed = Flow(HTTP, dst_port=80).probe(head, SERVER)
    assert believed == YES


def test_a_status_line_without_version_answers_a_request() -> None:
    """Alone it is no evidence of HTTP; within a connection the response is read and the next one too."""
    head = b"HTTP 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert Flow(HTTP, dst_port=80).probe(head, SERVER) == NO
    for pieces in ([head], [head[:5], head[5:]]):
        flow, (row, later) = talk((CLIENT, GET), *((SERVER, piece) for piece in pieces), (CLIENT, GET), (SERVER, OK))
        assert (row.status, row.reason, row.response_bytes, row.version) == (200, "OK", 2, "HTTP/1.1")
        assert row.response_oddities == ["no-version"]
        assert (later.status, later.response_oddities, later.pair_unknown) == (200, None, False)
        assert flow.sink.anomalies == []


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"HTTP/3"])
def test_requests_of_other_versions(version: bytes) -> None:
    head = b"GET /a " + version + b"\r\nHost: h.example\r\n\r\n"
    _, (row,) = talk((CLIENT, head), (SERVER, OK))
    assert (row.uri, row.version, row.host, row.status) == ("/a", version.decode(), "h.example", 200)
    assert row.request_oddities == ["version"]
    assert Flow(HTTP, dst_port=80).probe(head) == YES


def test_the_preface_of_http2_is_no_request() -> None:
    assert Flow(HTTP, dst_port=80).probe(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == NO


def test_shoutcast() -> None:
    request = b"GET /radio HTTP/1.0\r\nHost: s.example\r\nIcy-MetaData: 1\r\n\r\n"
    response = b"ICY 200 OK\r\nicy-name: Radio\r\nContent-Type: audio/mpeg\r\n\r\n" + bytes(1000)
    _, (row,) = talk((CLIENT, request), (SERVER, response))
    assert (row.status, row.reason, row.content_type, row.response_bytes) == (200, "OK", "audio/mpeg", 1000)
    assert row.response_oddities == ["icy"]
    flow = DispatchedFlow([(SERVER, response)], port=8211)
    assert flow.talk.app == "http"
    assert flow.rows(Http)[0]["version"] == "ICY"


@pytest.mark.parametrize(
    ("line", "uri", "odd"),
    [
        (b"GET  /a HTTP/1.1\r\n", "/a", {"spacing"}),
        (b"GET\t/a\tHTTP/1.1\r\n", "/a", {"spacing"}),
        (b"GET /a  HTTP/1.1\r\n", "/a", {"spacing"}),
        (b"GET /a HTTP/1.1 \r\n", "/a", {"spacing"}),
        (b"GET /a http/1.1\r\n", "/a", {"version"}),
        (b"GET /a b HTTP/1.1\r\n", "/a b", {"space-in-target"}),
        (b"GET /a HTTP/1.1\n", "/a", {"bare-lf"}),
    ],
)
def test_request_lines(line: bytes, uri: str, odd: set[str]) -> None:
    head = line + b"Host: h.example\r\n\r\n"
    _, (row,) = talk((CLIENT, head), (SERVER, OK))
    assert (row.method, row.uri, row.version, row.host, row.status) == ("GET", uri, "HTTP/1.1", "h.example", 200)
    assert set(row.request_oddities or ()) == odd
    assert row.response_oddities is None
    flow = DispatchedFlow([(CLIENT, head)], port=8080)
    assert flow.rows(Http)[0]["uri"] == uri


@pytest.mark.parametrize(
    ("fields", "odd"),
    [
        (b"Host: h.example\r\nUser-Agent: a\r\n b\r\n", {"obs-fold"}),
        (b"Host: h.example\r\nUser-Agent: a\r\n\t b\r\n", {"obs-fold"}),
        (b"Host : h.example\r\nUser-Agent\t: a b\r\n", {"space-before-colon"}),
        (b"Host: h.example\r\nnonsense\r\nUser-Agent: a b\r\n", {"no-colon"}),
        (b"Host: h.example\nUser-Agent: a b\n", {"bare-lf"}),
        (b"Host: h.example\r\nUser-Agent: a b\r\nHost: other.example\r\n", {"host-repeated"}),
        (b" X: y\r\nHost: h.example\r\nUser-Agent: a b\r\n", {"leading-space"}),
        (b"Host: h.example\r\nUser-Agent: a b\r\nCookie: x\r\n", set()),
    ],
)
def test_header_lines(fields: bytes, odd: set[str]) -> None:
    flow, (row,) = talk((CLIENT, b"GET /a HTTP/1.1\r\n" + fields + b"\r\n"), (SERVER, OK))
    assert (row.host, row.user_agent, row.status) == ("h.example", "a b", 200)
    assert set(row.request_oddities or ()) == odd
    assert flow.sink.anomalies == []
    _, (row,) = talk((CLIENT, GET), (SERVER, b"HTTP/1.1 204 No\r\n" + fields + b"\r\n"))
    assert set(row.response_oddities or ()) == odd - {"host-repeated"}


def test_a_folded_line_costs_as_much_as_its_size() -> None:
    def line(size: int) -> None:
        talk((CLIENT, b"GET / HTTP/1.1\r\nHost: h\r\n x-" + b"key" * (size // 3) + b"\r\n\r\n"))

    assert_linear(line, 12_000)


def test_a_request_needs_a_host() -> None:
    _, (row,) = talk((CLIENT, b"GET / HTTP/1.1\r\n\r\n"))
    assert row.request_oddities == ["no-host"]
    _, (row,) = talk((CLIENT, b"GET / HTTP/1.0\r\n\r\n"))
    assert row.request_oddities is None


@pytest.mark.parametrize(
    ("fields", "body", "size", "odd", "anomalies"),
    [
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc", 3, {"length-repeated"}, []),
        (b"Content-Length: 3, 3\r\n", b"abc", 3, {"length-repeated"}, []),
        (b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", 3,
         {"length-and-coding"}, ["ambiguous_http"]),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", 3, set(), []),
        (b"Transfer-Encoding: chunked\r\n", b"3;a=b\r\nabc\r\n0\r\n\r\n", 3, {"chunk-extension"}, []),
        (b"Transfer-Encoding: chunked\r\n", b"3 \r\nabc\r\n0\r\n\r\n", 3, {"chunk-spacing"}, []),
        (b"Transfer-Encoding: chunked\r\n", b"3\nabc\n0\n\n", 3, {"bare-lf"}, []),
        (b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n", b"abc", 3, {"length-and-coding", "unusual-coding"},
         ["ambiguous_http"]),
        (b"Content-Length : 3\r\n", b"abc", 3, {"space-before-colon"}, ["ambiguous_http"]),
    ],
)  # fmt: skip
def test_lengths_of_bodies(fields: bytes, body: bytes, size: int, odd: set[str], anomalies: list[str]) -> None:
    head = b"POST /1 HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"
    flow, rows = talk((CLIENT, head + body + GET), (SERVER, OK + OK))
    assert [(row.uri, row.status, row.request_bytes) for row in rows] == [("/1", 200, size), ("/a", 200, 0)]
    assert set(rows[0].request_oddities or ()) == odd
    assert [kind for kind, _ in flow.sink.anomalies] == anomalies
    response = b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n"
    flow, rows = talk((CLIENT, GET + GET), (SERVER, response + body + OK))
    assert [(row.status, row.response_bytes) for row in rows] == [(200, size), (200, 0)]
    assert set(rows[0].response_oddities or ()) == odd
    assert [kind for kind, _ in flow.sink.anomalies] == anomalies


@pytest.mark.parametrize(
    ("fields", "odd", "anomaly"),
    [
        (b"Content-Length: 3\r\nContent-Length: 60\r\n", {"length-conflict"}, "ambiguous_http"),
        (b"Content-Length: 3, 60\r\n", {"length-conflict"}, "ambiguous_http"),
        (b"Content-Length: +3\r\n", {"length-invalid"}, "malformed_http"),
        (b"Content-Length: 0x3\r\n", {"length-invalid"}, "malformed_http"),
        (b"Transfer-Encoding: xchunked\r\n", {"unusual-coding"}, "ambiguous_http"),
        (b"Transfer-Encoding: chunked, identity\r\nContent-Length: 3\r\n", {"unusual-coding", "length-and-coding"},
         "ambiguous_http"),
    ],
)  # fmt: skip
def test_a_length_that_cannot_be_believed_is_not(fields: bytes, odd: set[str], anomaly: str) -> None:
    head = b"POST /1 HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\nabc\r\n"
    flow, rows = talk((CLIENT, head), (SERVER, OK))
    assert [(row.uri, row.status, row.request_bytes) for row in rows] == [("/1", 200, 0)]
    assert set(rows[0].request_oddities or ()) == odd
    assert [kind for kind, _ in flow.sink.anomalies] == [anomaly]


def test_a_coding_in_a_version_that_has_none() -> None:
    head = b"POST /1 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    _, (row,) = talk((CLIENT, head), (SERVER, OK))
    assert (row.request_bytes, row.request_oddities, row.status) == (3, ["coding-in-1.0"], 200)


@pytest.mark.parametrize(
    ("request_", "host", "uri", "odd"),
    [
        (b"GET http://u:p@web.example.net:8081/x HTTP/1.1\r\nHost: other.example.net\r\n\r\n",
         "web.example.net:8081", "http://u:***@web.example.net:8081/x", ["host-conflict"]),
        (b"GET http://Web.example.net/x HTTP/1.1\r\nHost: web.EXAMPLE.net:80\r\n\r\n",
         "Web.example.net", "http://Web.example.net/x", None),
        (b"GET http://web.example.net:81/ HTTP/1.1\r\nHost: web.example.net:82\r\n\r\n",
         "web.example.net:81", "http://web.example.net:81/", ["host-conflict"]),
        (b"CONNECT mail.example:443 HTTP/1.1\r\nHost: mail.example\r\n\r\n", "mail.example:443", "mail.example:443",
         None),
        (b"CONNECT mail.example:443 HTTP/1.1\r\nHost: proxy\r\n\r\n", "mail.example:443", "mail.example:443",
         ["host-conflict"]),
        (b"GET http:///x HTTP/1.1\r\nHost: h.example\r\n\r\n", "h.example", "http:///x", None),
        (b"GET http://[2001:db8::1]:8080/ HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n", "[2001:db8::1]:8080",
         "http://[2001:db8::1]:8080/", None),
    ],
)  # fmt: skip
def test_a_host_in_the_target_counts(request_: bytes, host: str, uri: str, odd: list[str] | None) -> None:
    flow, (row,) = talk((CLIENT, request_))
    assert (row.host, row.request_oddities, row.proxy) == (host, odd, True)
    assert row.uri == uri
    named = host.rpartition(":")[0].lower() if not host.endswith("example.net") else host.lower()
    if "[" not in host and host != "h.example":
        assert flow.talk.hostname == named


@pytest.mark.parametrize("chunk", [0, 1, 3])
@pytest.mark.parametrize("line", [b"GET /old\r\n", b"GET /old\r\n\r\n", b"GET /old\n", b"GET  /old \r\n\r\n"])
def test_a_response_without_a_head(line: bytes, chunk: int) -> None:
    body = b"\r\n<html>hello</html>\r\n\r\nPOST of a page\r\n"
    flow = DispatchedFlow([(CLIENT, line), (SERVER, body)], port=80, chunk=chunk)
    (row,) = flow.rows(Http)
    assert (row["method"], row["uri"], row["version"], row["response_bytes"]) == ("GET", "/old", "HTTP/0.9", len(body))
    assert "status" not in row
    assert "no-version" in row["request_oddities"]  # type: ignore[operator]
    assert flow.talk.app == "http"
    assert flow.sink.anomalies == []


@pytest.mark.parametrize("fields", [b"", b"\r\n", b"Host: h.example\r\n\r\n"])
def test_a_request_without_version_may_get_a_modern_response(fields: bytes) -> None:
    flow = DispatchedFlow([(CLIENT, b"GET /old\r\n" + fields), (SERVER, OK.replace(b"h: 0", b"h: 2") + b"hi")], port=80)
    (row,) = flow.rows(Http)
    assert (row["uri"], row["status"], row["response_bytes"], row["response_ms"]) == ("/old", 200, 2, 1.0)
    assert row.get("host") == ("h.example" if b"Host" in fields else None)
    assert flow.sink.anomalies == []


def test_a_request_without_version_and_answer() -> None:
    flow = DispatchedFlow([(CLIENT, b"GET /old\r\n")], port=80)
    assert [(row["uri"], row["version"]) for row in flow.rows(Http)] == [("/old", "HTTP/0.9")]


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"GET /x\r\n", 80, YES),
        (b"GET /x\r\n", 9999, NO),
        (b"GET /x\r\nHost: h\r\n\r\n", 9999, YES),
        (b"GET key\r\n", 80, NO),
        (b"http/1.1 200 OK\r\n", 80, YES),
        (b"http/1.1 200 OK\r\n", 9999, NO),
        (b"ICY 200 OK\r\n", 9999, YES),
        (b"ICY nonsense\r\n", 9999, NO),
        (b"HTTP/1.1  ", 9999, MORE),
        (b"HTTP/1.1200 OK\r\n", 80, NO),
        (b"HTTP/1.1 20 OK\r\n", 80, NO),
        (b"LOG fetched it by HTTP/2\r\n", 80, NO),
        (b"LOG /x by HTTP/2.0\r\n", 80, NO),
        (b"HTTP/2.0 200 OK\r\n", 80, YES),
        (b"HTTP/2.0 20 OK\r\n", 80, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(HTTP, dst_port=port).probe(data) == verdict


def test_interim_responses_have_oddities_too() -> None:
    _, rows = talk((CLIENT, GET), (SERVER, b"HTTP/1.1 100\r\n\r\n" + OK))
    assert [(row.status, row.response_oddities) for row in rows] == [(100, ["no-reason"]), (200, None)]
