"""The HTTP archive: read by a reader of such archives, and what the session says."""

import json
from pathlib import Path
from typing import Any

import duckdb
import haralyzer
import pytest

import rustnet
from rustnet.export.har import entry, write_har
from rustnet.query.session import Session
from tests.export.exported import Event, rows, written
from tests.query.conftest import BEGIN, SECOND, Rows

ENTRY: dict[str, Any] = {
    "startedDateTime": str, "time": float, "cache": {}, "connection": str, "serverIPAddress": str,
    "request": {"method": str, "url": str, "httpVersion": str, "cookies": [str],
                "headers": [{"name": str, "value": str}], "queryString": [{"name": str, "value": str}],
                "headersSize": float, "bodySize": float},
    "response": {"status": float, "statusText": str, "httpVersion": str, "cookies": [str],
                 "headers": [{"name": str, "value": str}], "content": {"size": float, "mimeType": str},
                 "redirectURL": str, "headersSize": float, "bodySize": float},
    "timings": dict.fromkeys(("blocked", "dns", "connect", "ssl", "send", "wait", "receive"), float),
}  # fmt: skip
"""What HAR 1.2 requires of an entry, and the optional fields that are written; numbers are ``float``."""
OPTIONAL = {"connection", "serverIPAddress"}


def faults(value: Any, wanted: Any, path: str = "") -> list[str]:
    if isinstance(wanted, dict):
        missing = [f"{path}.{name}: missing" for name in wanted.keys() - value.keys() - OPTIONAL]
        found = [
            fault
            for name in value.keys() & wanted.keys()
            for fault in faults(value[name], wanted[name], f"{path}.{name}")
        ]
        return missing + found + [f"{path}.{name}: unknown" for name in value.keys() - wanted.keys() if name[0] != "_"]
    if isinstance(wanted, list):
        return [fault for each in value for fault in faults(each, wanted[0], f"{path}[]")]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return [] if (number if wanted is float else type(value) is wanted) else [f"{path}: {value!r}"]


def archive(session: Session, target: Path) -> tuple[Event, list[str]]:
    text, remarks = written(write_har, session, target)
    return json.loads(text), remarks


def test_entries_are_those_of_the_session(sample: Session, tmp_path: Path) -> None:
    made = archive(sample, tmp_path / "o")[0]
    assert made["log"].keys() == {"version", "creator", "entries"}
    assert made["log"]["version"] == "1.2"
    entries = made["log"]["entries"]
    assert [fault for each in entries for fault in faults(each, ENTRY)] == []
    wanted = rows(
        sample,
        """SELECT h.*, epoch_ns(h.ts) AS ns, f.dst_ip FROM http AS h JOIN flows AS f USING (flow_id)
        WHERE method IS NOT NULL ORDER BY h.ts, h.packet""",
    )
    assert len(entries) == len(wanted)
    for each, row in zip(entries, wanted, strict=True):
        request, response = each["request"], each["response"]
        assert each["startedDateTime"].endswith(f".{row['ns'] % SECOND:09d}Z")
        assert (each["_flow_id"], each["connection"], each["_packet"], each["serverIPAddress"]) == (
            row["flow_id"], str(row["flow_id"]), row["packet"], row["dst_ip"])  # fmt: skip
        assert each["time"] == each["timings"]["wait"] == row.get("response_ms", 0)
        assert (request["method"], request["httpVersion"], request["bodySize"]) == (
            row["method"], row["version"], row["request_bytes"])  # fmt: skip
        assert request["url"] == f"http://{row.get('host') or row['dst_ip']}{row['uri']}" or not row.get("host")
        assert response["status"] == row.get("status", 0)
        assert response["content"]["size"] == row["response_bytes"]
        headers = {each["name"]: each["value"] for each in request["headers"]}
        assert headers.get("User-Agent") == row.get("user_agent")
        headers = {each["name"]: each["value"] for each in response["headers"]}
        assert (headers.get("Server"), headers.get("Content-Type")) == (row.get("server"), row.get("content_type"))


@pytest.mark.parametrize("name", ["web.pcap", "contested.pcap"])
def test_a_reader_reads_it(samples: dict[str, Path], name: str, tmp_path: Path) -> None:
    with rustnet.open(samples[name]) as session:
        made = archive(session, tmp_path / "o")[0]
        wanted = rows(session, "SELECT host, uri, status, user_agent FROM http ORDER BY ts, packet")
    (page,) = haralyzer.HarParser(made).pages
    assert len(page.entries) == len(wanted)
    for each, row in zip(page.entries, wanted, strict=True):
        assert each.url == f"http://{row['host']}{row['uri']}"
        assert each.response.status == row["status"]
        assert each.request.get_header_value("User-Agent") == row.get("user_agent")
        assert each.request.method == "GET" or each.request.bodySize > 0


def test_what_has_no_place_is_counted(writable: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(writable)) as con:
        con.execute("DELETE FROM http")
        new = Rows(con)
        several: list[Event] = [{"status": 100}, {"status": 200}, {"status": 204}, {"method": "GET", "uri": "/"}]
        for number, row in enumerate(several):
            new.insert("http", capture_id=1, flow_id=1, ts=BEGIN + number, packet=number, **row)
    with rustnet.open(writable) as session:
        made, remarks = archive(session, tmp_path / "o")
    assert remarks[:2] == [
        "1 interim response is left out",
        "2 responses whose requests are not in the capture are left out",
    ]
    (lone,) = made["log"]["entries"]
    assert faults(lone, ENTRY) == []
    assert (lone["response"]["status"], lone["response"]["bodySize"]) == (0, -1)
    assert lone["request"]["url"] == "http://192.0.2.1:443/"


ROW: Event = dict.fromkeys(
    ("host", "uri", "version", "user_agent", "referer", "status", "reason", "content_type", "request_content_type",
     "server", "location", "request_bytes", "response_bytes", "response_ms", "has_authorization", "has_cookie",
     "has_set_cookie", "forwarded_for", "upgrade", "pair_unknown")
) | {
    "moment": BEGIN, "flow_id": 1, "packet": 2, "method": "GET", "f.dst_ip": "2001:db8::1", "f.dst_port": 80,
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "url", "query"),
    [
        ({"host": "a.example:8080", "uri": "/x?a=1&b=%20&c&=d#e"}, "http://a.example:8080/x?a=1&b=%20&c&=d#e",
         [("a", "1"), ("b", "%20"), ("c", ""), ("", "d")]),
        ({"host": "a.example", "uri": "http://b.example/x"}, "http://b.example/x", []),
        ({"method": "CONNECT", "host": "b.example:443", "uri": "b.example:443"}, "http://b.example:443", []),
        ({"uri": "/"}, "http://[2001:db8::1]/", []),
        ({"uri": "/", "f.dst_ip": "192.0.2.1", "f.dst_port": 8000}, "http://192.0.2.1:8000/", []),
        ({"method": "OPTIONS", "host": "a.example", "uri": "*"}, "http://a.example/*", []),
        ({"host": "a.example"}, "http://a.example", []),
    ],
)  # fmt: skip
def test_urls(row: Event, url: str, query: list[tuple[str, str]]) -> None:
    made = entry(ROW | row)["request"]
    assert made["url"] == url
    assert [(each["name"], each["value"]) for each in made["queryString"]] == query


def test_what_was_seen_without_its_value_and_what_was_switched_to() -> None:
    made = entry(
        ROW | {"has_cookie": True, "has_authorization": True, "upgrade": "h2c", "host": "a", "version": "HTTP/2"}
    )
    assert made["_has_cookie"] is made["_has_authorization"] is True
    assert "_has_set_cookie" not in made
    assert made["request"]["cookies"] == []
    assert {each["name"] for each in made["request"]["headers"]} == {":authority", "Upgrade"}
    made = entry(ROW | {"upgrade": "websocket", "status": 101})
    assert made["request"]["headers"] == []
    assert made["response"]["headers"] == [{"name": "Upgrade", "value": "websocket"}]
