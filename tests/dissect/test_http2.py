"""HTTP/2 in clear text: rows of streams, header compression, losses, gRPC, upgrades, and hostile frames."""

import struct
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from rustnet.bounds import MARK
from rustnet.dissect.framework.conversation import MORE, NO, YES
from rustnet.dissect.http.frames import LAST_STREAM
from rustnet.dissect.http.http2 import HTTP2, MAX_STREAMS, MAX_TEXT
from rustnet.dissect.http.record import Http
from rustnet.dissect.http.streams import EXPANSION, USUAL_TEXT
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.support.effort import assert_linear
from tests.support.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PREFACE,
    PRIORITIZED,
    PUSH_PROMISE,
    RST_STREAM,
    WINDOW_UPDATE,
    Peer,
    frame,
    grpc_talk,
    settings,
)
from tests.support.packets import ACK, PSH, START, SYN, Captured, tcp_frame
from tests.support.paths import ROOT
from tests.support.pcap import pcap_file

OPEN = PREFACE + settings()


def talk(*said: tuple[bool, bytes], close: bool = True) -> tuple[Flow, list[Http]]:
    flow = Flow(HTTP2, dst_port=80)
    for from_src, data in said:
        flow.tick(10)
        flow.feed(data, from_src)
    if close:
        flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Http)]


def test_requests_and_responses_are_paired_by_stream() -> None:
    client, server = Peer(), Peer()
    flow, rows = talk(
        (CLIENT, OPEN + client.request(1, "/one?a=b", ("user-agent", "curl/8"), ("referer", "http://r.example/"))),
        (SERVER, settings()),
        (CLIENT, client.request(3, "/two", ("content-type", "text/plain"), method="POST", end=False)
         + frame(DATA, 0, 3, b"12345") + frame(DATA, END_STREAM, 3, b"678")),
        (SERVER, server.response(3, 404, ("server", "nginx"))),
        (SERVER, server.response(1, 200, ("content-type", "text/html"), ("location", "/x"), body=b"hello")),
    )  # fmt: skip
    assert [(row.stream_id, row.method, row.uri, row.status) for row in rows] == [
        (3, "POST", "/two", 404),
        (1, "GET", "/one?a=b", 200),
    ]
    two, one = rows
    assert (one.host, one.version, one.scheme, one.user_agent) == ("h2.example", "HTTP/2", "http", "curl/8")
    assert (one.referer, one.content_type, one.location) == ("http://r.example/", "text/html", "/x")
    assert (one.request_bytes, one.response_bytes, one.response_ms) == (0, 5, 40.0)
    assert (two.request_bytes, two.response_bytes, two.response_ms) == (8, 0, 10.0)
    assert (two.request_content_type, two.server, two.grpc) == ("text/plain", "nginx", False)
    assert (flow.talk.hostname, flow.talk.hostname_source) == ("h2.example", "http")
    assert flow.sink.anomalies == []


def test_grpc() -> None:
    flow, rows = talk(*grpc_talk())
    assert [(row.uri, row.status, row.grpc, row.grpc_status, row.grpc_message) for row in rows] == [
        ("/shop.Orders/Get", 200, True, 0, None),
        ("/shop.Orders/Put", 200, True, 7, "not allowed"),
    ]
    assert [(row.request_bytes, row.response_bytes) for row in rows] == [(10, 8), (5, 0)]
    assert flow.sink.anomalies == []


@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_an_upgrade_makes_the_request_stream_1(chunk: int) -> None:
    client, server = Peer(), Peer()
    request = (
        b"GET /up HTTP/1.1\r\nHost: up.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
    )
    switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    said = [
        (CLIENT, request),
        (SERVER, switching + settings((3, 100))),
        (CLIENT, OPEN),
        (SERVER, server.response(1, 200, ("content-type", "text/plain"), body=b"first")),
        (CLIENT, client.request(3, "/next")),
        (SERVER, server.response(3, 204)),
    ]
    flow = DispatchedFlow(said, port=80, chunk=chunk)
    rows = flow.rows(Http)
    shown = [(row.get("stream_id"), row.get("method"), row.get("uri"), row["status"], row["version"]) for row in rows]
    assert shown == [
        (1, None, None, 101, "HTTP/1.1"),
        (1, "GET", "/up", 200, "HTTP/1.1"),
        (3, "GET", "/next", 204, "HTTP/2"),
    ]
    assert (rows[1]["host"], rows[1]["response_bytes"], rows[1]["upgrade"]) == ("up.example", 5, "h2c")
    assert (rows[0]["reason"], rows[1].get("reason")) == ("Switching Protocols", None)
    assert flow.talk.app == "http2"
    assert flow.sink.anomalies == []


def test_an_upgrade_of_which_nothing_follows_has_status_101() -> None:
    request = b"GET /up HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n"
    flow = DispatchedFlow([(CLIENT, request), (SERVER, b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n")], port=80)
    (row,) = flow.rows(Http)
    assert (row["method"], row["uri"], row["status"], row["reason"]) == ("GET", "/up", 101, "Switching")
    assert flow.talk.app == "http2"


def test_padding_priority_and_continuation() -> None:
    client, server = Peer(), Peer()
    block = client.block((":method", "GET"), (":scheme", "http"), (":path", "/padded"), (":authority", "h.example"))
    first, second, third = block[:3], block[3:9], block[9:]
    head = bytes((4,)) + struct.pack(">IB", 0, 15) + first + bytes(4)
    answer = server.block((":status", "200"))
    _, (row,) = talk(
        (CLIENT, OPEN + frame(HEADERS, PADDED | PRIORITIZED | END_STREAM, 1, head)
         + frame(CONTINUATION, 0, 1, second) + frame(CONTINUATION, END_HEADERS, 1, third)),
        (SERVER, settings() + frame(HEADERS, END_HEADERS, 1, answer)
         + frame(DATA, PADDED | END_STREAM, 1, b"\x05hello" + bytes(5))),
    )  # fmt: skip
    assert (row.uri, row.host, row.status, row.response_bytes) == ("/padded", "h.example", 200, 5)


def test_a_long_body_is_skipped() -> None:
    client, server = Peer(), Peer()
    flow = Flow(HTTP2, dst_port=80)
    flow.feed(OPEN + client.request(1, "/big"))
    flow.feed(settings() + server.headers(1, (":status", "200")), SERVER)
    flow.feed(frame(DATA, 0, 1, bytes(16_384))[:100], SERVER)
    calls = flow.calls
    flow.feed(bytes(8_000), SERVER, 1460)
    flow.lose(16_384 + 9 - 8_100, SERVER)
    assert flow.calls == calls
    flow.feed(frame(DATA, END_STREAM, 1, b"end"), SERVER)
    assert [(row.uri, row.response_bytes) for row in flow.rows if isinstance(row, Http)] == [("/big", 16_387)]
    assert flow.sink.anomalies == []


def test_resets_and_goaway() -> None:
    client, server = Peer(), Peer()
    _, rows = talk(
        (CLIENT, OPEN + b"".join(client.request(number, f"/{number}") for number in (1, 3, 5, 7))),
        (SERVER, settings() + frame(RST_STREAM, 0, 1, struct.pack(">I", 7)) + server.response(5, 200)),
        (CLIENT, frame(RST_STREAM, 0, 3, struct.pack(">I", 0x99))),
        (SERVER, frame(GOAWAY, 0, 0, struct.pack(">II", 5, 0) + b"secret debug data")),
    )
    assert [(row.uri, row.status, row.reset_code) for row in rows] == [
        ("/1", None, "REFUSED_STREAM"),
        ("/5", 200, None),
        ("/3", None, "0x99"),
        ("/7", None, "GOAWAY"),
    ]
    assert "secret" not in repr([vars_of(row) for row in rows])


def test_requests_that_cross_a_goaway() -> None:
    client, server = Peer(), Peer()
    _, rows = talk(
        (CLIENT, OPEN + client.request(1, "/1") + client.request(3, "/3")),
        (SERVER, settings() + frame(GOAWAY, 0, 0, struct.pack(">II", LAST_STREAM, 0))),
        (SERVER, frame(GOAWAY, 0, 0, struct.pack(">II", 3, 0))),
        (CLIENT, client.request(5, "/5")),
        (SERVER, server.response(1, 200) + server.response(3, 200)),
    )
    assert [(row.uri, row.status, row.reset_code) for row in rows] == [
        ("/1", 200, None),
        ("/3", 200, None),
        ("/5", None, "GOAWAY"),
    ]


def vars_of(row: Http) -> list[object]:
    return [getattr(row, name) for name in row.__slots__]  # type: ignore[attr-defined]


def test_pushed_responses() -> None:
    client, server = Peer(), Peer()
    promise = server.block((":method", "GET"), (":scheme", "http"), (":path", "/pushed"), (":authority", "h.example"))
    _, rows = talk(
        (CLIENT, OPEN + client.request(1, "/page")),
        (SERVER, settings() + frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + promise)
         + server.response(2, 200, body=b"style") + server.response(1, 200, body=b"page")),
    )  # fmt: skip
    assert [(row.stream_id, row.uri, row.status, row.pushed, row.response_bytes) for row in rows] == [
        (2, "/pushed", 200, True, 5),
        (1, "/page", 200, False, 4),
    ]


def test_interim_responses_and_trailers() -> None:
    client, server = Peer(), Peer()
    _, rows = talk(
        (CLIENT, OPEN + client.request(1, "/")),
        (SERVER, settings() + server.headers(1, (":status", "103"), ("link", "</a.css>"))
         + server.headers(1, (":status", "200")) + frame(DATA, 0, 1, b"x")
         + server.headers(1, ("x-checksum", "1"), end=True)),
    )  # fmt: skip
    assert [(row.method, row.status, row.response_bytes) for row in rows] == [(None, 103, 0), ("GET", 200, 1)]


def test_credentials_are_not_stored() -> None:
    client, server = Peer(), Peer()
    fields = (("authorization", "Bearer S3cretToken"), ("cookie", "sid=S3cretCookie"), ("x-api-key", "S3cretKey"))
    flow, (row,) = talk(
        (CLIENT, OPEN + client.request(1, "/?token=S3cretQuery", *fields)),
        (SERVER, settings() + server.response(1, 200, ("set-cookie", "sid=S3cretSet"), ("server", "S3cretToken"))),
    )
    assert (row.has_authorization, row.has_cookie, row.has_set_cookie) == (True, True, True)
    assert "S3cret" not in repr(vars_of(row))
    assert flow.sink.anomalies == []


def test_authority_counts_and_connect_has_no_path() -> None:
    client = Peer()
    _, rows = talk(
        (CLIENT, OPEN + client.request(1, "/", ("host", "other.example"))
         + client.headers(3, (":method", "CONNECT"), (":authority", "t.example:443"))
         + client.headers(5, (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                          (":path", "/chat"), (":authority", "w.example"))),
    )  # fmt: skip
    assert [(row.host, row.uri, row.proxy, row.upgrade) for row in rows] == [
        ("h2.example", "/", False, None),
        ("t.example:443", "t.example:443", True, None),
        ("w.example", "/chat", False, "websocket"),
    ]
    assert rows[0].request_oddities == ["host-conflict"]


# ---- beginnings and losses -------------------------------------------------------------------------------------------


def test_a_capture_that_begins_within_a_connection_guesses_nothing() -> None:
    client, server = Peer(), Peer()
    client.request(1, "/before", ("user-agent", "old/1"), host="before.example")
    server.response(1, 201, ("server", "old-server"))
    said = [
        (CLIENT, client.request(3, "/before", ("user-agent", "old/1"), host="before.example")),
        (SERVER, server.response(3, 201, ("server", "old-server"))),
        (CLIENT, client.request(5, "/new", ("user-agent", "new/2"), host="new.example")),
        (SERVER, server.response(5, 200, ("server", "new-server"))),
        (CLIENT, client.request(7, "/new", ("user-agent", "new/2"), host="new.example")),
        (SERVER, server.response(7, 200, ("server", "new-server"))),
    ]
    flow = DispatchedFlow(said, port=9999)
    assert flow.talk.app == "http2"
    rows = {row["stream_id"]: row for row in flow.rows(Http)}
    assert sorted(rows) == [3, 5, 7]  # type: ignore[type-var]
    assert rows[3]["method"] == "GET"
    assert [rows[3].get(name) for name in ("uri", "host", "user_agent", "status", "server")] == [None] * 5
    assert rows[3]["request_oddities"] == rows[3]["response_oddities"] == ["unknown-fields"]
    for number in (5, 7):
        names = ("uri", "host", "user_agent", "status", "server")
        assert [rows[number][name] for name in names] == ["/new", "new.example", "new/2", 200, "new-server"]
        assert "request_oddities" not in rows[number]
    assert flow.sink.anomalies == []


@pytest.mark.parametrize("lost", [20, 30, 60, 5_000])
def test_after_a_loss_frames_are_found_and_old_fields_are_unknown(lost: int) -> None:
    client, server = Peer(), Peer()
    flow = Flow(HTTP2, dst_port=80)
    flow.feed(OPEN + client.request(1, "/1", ("user-agent", "a/1")))
    flow.feed(settings() + server.response(1, 200, ("server", "s/1"), body=b"x"), SERVER)
    hidden = client.request(3, "/3", ("user-agent", "b/2"), host="b.example") + bytes(5_000)
    flow.lose(lost)
    rest = hidden[lost:] if lost < 5_000 else b""
    flow.feed(rest[:60] + b"GET / junk" + bytes(300))
    flow.feed(
        client.request(5, "/3", ("user-agent", "b/2"), host="b.example")
        + client.request(7, "/7", ("user-agent", "c/3"), host="c.example")
        + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")
    )
    flow.feed(server.response(5, 200) + server.response(7, 404), SERVER)
    flow.close()
    rows = {row.stream_id: row for row in flow.rows if isinstance(row, Http)}
    assert (rows[1].uri, rows[1].status) == ("/1", 200)
    assert 3 not in rows
    assert (rows[5].uri, rows[5].host, rows[5].user_agent, rows[5].status) == (None, None, None, 200)
    assert rows[5].request_oddities == ["unknown-fields"]
    assert (rows[7].uri, rows[7].host, rows[7].user_agent, rows[7].status) == ("/7", "c.example", "c/3", 404)


def test_a_broken_header_block_is_an_anomaly_and_what_it_hid_is_unknown() -> None:
    client = Peer()
    first = client.request(1, "/1", host="one.example")
    broken = frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\xff\xff\xff\xff\x7f")
    again = client.request(5, "/1", host="one.example")
    flow, rows = talk((CLIENT, OPEN + first + broken + again))
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_http2"]
    assert [(row.stream_id, row.uri, row.host) for row in rows] == [(1, "/1", "one.example"), (5, None, None)]
    assert rows[1].request_oddities == ["unknown-fields"]


def test_the_size_of_a_table_changes() -> None:
    client = Peer()
    first = client.request(1, "/1", ("x-a", "b" * 100))
    client.encoder.header_table_size = 100
    second = client.request(3, "/2", ("x-a", "b" * 20))
    client.encoder.header_table_size = 65_536
    third = client.request(5, "/3", *[(f"x-{number}", "c" * 500) for number in range(20)])
    fourth = client.request(7, "/3", *[(f"x-{number}", "c" * 500) for number in range(20)])
    flow, rows = talk((SERVER, settings((1, 65_536))), (CLIENT, OPEN + first + second + third + fourth))
    assert [row.uri for row in rows] == ["/1", "/2", "/3", "/3"]
    assert all(row.request_oddities is None for row in rows)
    assert flow.sink.anomalies == []


# ---- hostile input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (frame(DATA, 0, 0, b"x"), "belongs to a stream"),
        (frame(RST_STREAM, 0, 1, b"x"), "a size that its type cannot have"),
        (b"\x01\x00\x00\x00\x00\x00\x00\x00\x01", "larger than its receiver allows"),
        (frame(HEADERS, 0, 1, b"\x82") + frame(DATA, 0, 1, b""), "not continued"),
        (frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09\x82"), "padding is longer"),
        (frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, 0, 1, b"\x82" * 16_000) * 5, "too large to be read"),
    ],
)
def test_malformed_frames(sent: bytes, detail: str) -> None:
    flow, rows = talk((CLIENT, OPEN + sent))
    assert rows == []
    assert flow.sink.anomalies[0][0] == "malformed_http2"
    assert detail in flow.sink.anomalies[0][1]


def test_unknown_frames_are_ignored() -> None:
    _, (row,) = talk((CLIENT, OPEN + frame(0xFA, 0xFF, 0x7FFFFFFF, b"grease") + Peer().request(1, "/")))
    assert row.uri == "/"


def test_streams_are_bounded() -> None:
    client = Peer()
    flow, rows = talk(
        (CLIENT, OPEN), *[(CLIENT, client.request(2 * n + 1, f"/{n}")) for n in range(2_000)], close=False
    )
    assert len(rows) == 2_000 - MAX_STREAMS
    flow.close()
    assert len(flow.rows) == 2_000


def test_references_to_long_texts_are_bounded() -> None:
    client, server = Peer(), Peer()
    server_settings = settings((1, 1 << 16))
    client.encoder.header_table_size = 1 << 16
    path, agent, token = "/" + "p" * 3_999, "a" * 4_000, "Bearer " + "s" * 400
    more = (("user-agent", agent), ("authorization", token))
    numbers = range(1, 201, 2)
    flow, rows = talk(
        (SERVER, server_settings),
        (CLIENT, OPEN + b"".join(client.request(n, path, *more) for n in numbers)),
        (SERVER, b"".join(server.response(n, 200) for n in numbers)),
    )
    assert [row.stream_id for row in rows] == list(numbers)
    assert (rows[0].uri, rows[0].user_agent) == (path, agent)  # the block itself has them
    for row in rows[1:]:
        assert row.uri is not None
        assert row.uri.endswith(MARK)
        assert (row.user_agent, row.host, row.status) == (MARK, "h2.example", 200)
        assert len(row.uri) <= USUAL_TEXT + EXPANSION * 20
        assert row.has_authorization
    assert {anomaly[0] for anomaly in flow.sink.anomalies} == {"row_cut"}


def test_texts_that_wait_are_bounded() -> None:
    client = Peer()
    flow = Flow(HTTP2)
    flow.feed(OPEN, CLIENT)
    for number in range(1, 201, 2):
        flow.feed(client.request(number, f"/{number:04}" + "p" * 4_000, end=False), CLIENT)
    stored = [row.stream_id for row in flow.rows if isinstance(row, Http)]
    assert stored == list(range(1, 1 + 2 * len(stored), 2))
    assert (100 - len(stored)) * 4_000 < MAX_TEXT < (102 - len(stored)) * 4_100
    flow.close()
    assert len([row for row in flow.rows if isinstance(row, Http)]) == 100


def test_a_header_block_does_not_grow_without_bound() -> None:
    client = Peer()
    bomb = client.block(("x", "y" * 3_900)) + b"\xbe" * 10_000
    flow, _ = talk((CLIENT, OPEN + frame(HEADERS, END_HEADERS, 1, bomb)))
    assert flow.sink.anomalies == [("malformed_http2", "a header block cannot be decompressed")]


def test_hostile_bytes_take_little_time() -> None:
    def sizes(size: int) -> None:
        for filler in (bytes(size), b"\0\0\1\0\0\0\0\0\1" * (size // 9), b"\0\0\4\x08\0" * (size // 5), b"\xff" * size):
            flow = Flow(HTTP2, dst_port=80)
            flow.feed(OPEN)
            flow.lose(10)
            flow.feed(filler, CLIENT, 1460)
        talk((CLIENT, OPEN + frame(HEADERS, END_HEADERS, 1, b"\x20" * (size // 4))))
        talk((CLIENT, OPEN + frame(HEADERS, END_HEADERS, 1, b"\x00\x01a\x00" * (size // 16))))

    assert_linear(sizes, 60_000)


# ---- recognition -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (PREFACE[:1], MORE),
        (PREFACE[:10], MORE),
        (PREFACE, YES),
        (settings((3, 100), (4, 65_535)), YES),
        (settings((0x1234, 1)), NO),
        (settings(), MORE),
        (Peer().request(1, "/"), YES),
        (Peer().response(1, 200), YES),
        (Peer().headers(1, ("x-only", "y")), NO),
        (frame(DATA, 0, 1, b"x" * 50), MORE),
        (b"\0\0\0\x08\x04\xd2\x16\x2f\0", NO),
        (b"\0\0\0\x55\xffSMBr\0\0\0\0", NO),
        (b"\0\x1d\x12\x34\x01\0\0\1\0\0\0\0\0\0", NO),
        (bytes(100), NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(HTTP2, dst_port=9999).probe(data) == verdict


def test_the_library_is_loaded_for_http2_alone() -> None:
    script = (
        "import sys; from tests.dissect.dispatched import DispatchedFlow;"
        "flow = DispatchedFlow([(True, b'GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n')], port=80);"
        "assert flow.talk.app == 'http'; assert 'hpack' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_parsing_process_that_opens_no_file_decompresses_headers(tmp_path: Path) -> None:
    client, server = ("10.0.0.2", 40_000), ("192.0.2.80", 50_051)
    seq = {True: 101, False: 501}
    packets = [
        tcp_frame(client, server, 100, 0, SYN),
        tcp_frame(server, client, 500, 101, SYN | ACK),
    ]
    for from_client, data in grpc_talk():
        source, target = (client, server) if from_client else (server, client)
        packets.append(tcp_frame(source, target, seq[from_client], seq[not from_client], PSH | ACK, data))
        seq[from_client] += len(data)
    capture, path = tmp_path / "grpc.pcap", tmp_path / "s.duckdb"
    capture.write_bytes(pcap_file([Captured(START + n * 1_000_000, data) for n, data in enumerate(packets)]))
    command = [sys.executable, "-m", "rustnet", "replay", "--no-tui", "--no-sidecar", "--db", str(path), str(capture)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    with duckdb.connect(str(path), read_only=True) as con:
        rows = con.execute("SELECT uri, status, grpc_status FROM http ORDER BY ts").fetchall()
        apps = con.execute("SELECT app, app_source FROM flows").fetchall()
    assert rows == [("/shop.Orders/Get", 200, 0), ("/shop.Orders/Put", 200, 7)]
    assert apps == [("http2", "payload")]
