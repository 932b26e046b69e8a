"""Metrics of a live capture: their text, the file, and the socket that answers with them."""

import os
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rustnet import __version__
from rustnet.errors import RustnetError
from rustnet.ingest import metrics
from rustnet.ingest.live_state import Coverage, InterfaceState, LiveState, rated
from rustnet.ingest.metrics import MetricsFile, MetricsSocket, metrics_text, open_metrics
from rustnet.probe.newfile import RefusedError
from tests.support.paths import ROOT

STATE = LiveState(
    seconds=61.5,
    packets=1200,
    bytes=3_000_000_000_000,
    flows=40,
    open_flows=7,
    packets_per_second=12.25,
    interfaces=(InterfaceState("eth0", 1100, 5, 2), InterfaceState("wl0", 100, up=False)),
    attribution="ebpf",
    flows_owned=Coverage(30, 40),
    bytes_owned=Coverage(1, 3),
    flows_owned_last_minute=Coverage(0, 0),
    session_bytes=1 << 20,
    resident={"writer": 1, "parser": 2},
    alerts={'new "listener"\\\n': 3},
    flush_seconds=0.025,
)
SAMPLE = re.compile(r'(?P<name>[a-z_]+)(?:\{(?P<labels>(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (?P<value>\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\\n]|\\[\\"n])*)"')


def read(text: str) -> dict[tuple[str, ...], float]:
    """Samples of a text, of which each line is checked."""
    samples: dict[tuple[str, ...], float] = {}
    described: dict[str, str] = {}
    present = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            present = line.split()[2]
            assert present not in described, "each metric is described once"
            described[present] = ""
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == present
            assert kind in ("gauge", "counter")
            assert (kind == "counter") == name.endswith("_total")
            described[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match["name"] == present
            assert described[present], "the type comes before"
            labels = [re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value) for _, value in
                      LABEL.findall(match["labels"] or "")]  # fmt: skip
            key = (match["name"].removeprefix("rustnet_"), *labels)
            assert key not in samples
            samples[key] = float(match["value"])
    return samples


def test_all_that_is_known_has_a_sample() -> None:
    samples = read(metrics_text(STATE))
    del samples["build_info", __version__]
    assert samples == {
        ("capture_seconds",): 61.5,
        ("packets_total",): 1200,
        ("bytes_total",): 3_000_000_000_000,
        ("packets_per_second",): 12.25,
        ("flows_total",): 40,
        ("open_flows",): 7,
        ("kernel_dropped_packets_total",): 5,
        ("ring_freezes_total",): 2,
        ("interface_packets_total", "eth0"): 1100,
        ("interface_packets_total", "wl0"): 100,
        ("interface_dropped_packets_total", "eth0"): 5,
        ("interface_dropped_packets_total", "wl0"): 0,
        ("interface_up", "eth0"): 1,
        ("interface_up", "wl0"): 0,
        ("attribution_info", "ebpf"): 1,
        ("attribution_coverage_ratio", "flows", "capture"): 0.75,
        ("attribution_coverage_ratio", "bytes", "capture"): 1 / 3,
        ("session_bytes",): 1 << 20,
        ("process_resident_bytes", "writer"): 1,
        ("process_resident_bytes", "parser"): 2,
        ("alerts_total", 'new "listener"\\\n'): 3,
        ("flush_seconds",): 0.025,
    }


def test_what_is_not_known_is_not_zero() -> None:
    names = {name for name, *_ in read(metrics_text(LiveState(0.0)))}
    assert names == {"build_info", "capture_seconds", "packets_total", "bytes_total", "flows_total"}


def test_each_metric_is_documented() -> None:
    page = (ROOT / "docs" / "live.md").read_text("utf-8")
    whole = replace(STATE, bytes_per_second=1.0)
    names = {name for name, *_ in read(metrics_text(whole))}
    assert sorted(name for name in names if f"`rustnet_{name}`" not in page) == []


def test_bytes_of_a_name_that_are_no_text() -> None:
    text = metrics_text(LiveState(1.0, alerts={os.fsdecode(b"\xff"): 1}))
    assert ("alerts_total", "?") in read(text)
    text.encode("utf-8")


def test_rates_between_two_states() -> None:
    before = LiveState(10.0, packets=100, bytes=1000)
    now = LiveState(12.0, packets=150, bytes=5000)
    state = rated(now, before)
    assert (state.packets_per_second, state.bytes_per_second) == (25, 2000)
    assert rated(state, None).packets_per_second is None
    assert rated(now, now).packets_per_second is None, "no time has passed"
    assert rated(before, now).bytes_per_second is None, "counters of another session"


def test_the_file_is_whole_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "rustnet.prom"
    output = open_metrics(str(path))
    assert isinstance(output, MetricsFile)
    output.start()
    output.put(STATE)
    assert read(path.read_text()) == read(metrics_text(STATE))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stop = False
    seen = set()

    def collect() -> None:
        while not stop:
            text = path.read_text()
            assert text.startswith("# HELP"), text
            assert text.endswith("\n")
            seen.add(len(read(text)))

    thread = threading.Thread(target=collect)
    thread.start()
    for n in range(200):
        output.put(STATE if n % 2 else LiveState(1.0))
    stop = True
    thread.join()
    assert seen <= {5, len(read(metrics_text(STATE)))}
    assert [each.name for each in tmp_path.iterdir()] == ["rustnet.prom"], "no temporary file is left"
    output.close()
    assert path.read_text() == "", "numbers of a capture that has ended are not there"


def test_a_file_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "rustnet.prom"
    path.touch(0o644)
    path.chmod(0o644)
    with closing(MetricsFile(str(path))) as output:
        output.put(STATE)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_the_file_must_not_replace(tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    session.write_bytes(b"12345678DUCK")
    capture = tmp_path / "c.pcap"
    capture.write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(20))
    plain = tmp_path / "plain"
    plain.write_text("mine")
    os.mkfifo(tmp_path / "fifo")
    for path, words in (
        (session, "belongs to a session"),
        (capture, "is a capture"),
        (tmp_path, "is a directory"),
        (tmp_path / "fifo", "expected a file, or unix: and the path of a socket"),
        (tmp_path / "missing" / "m.prom", "metrics cannot be written: No such file or directory"),
        ("", "is no file name"),
    ):
        with pytest.raises(RustnetError, match=words):
            open_metrics(str(path))
    with pytest.raises(RustnetError, match="is an input"):
        open_metrics(str(plain), [str(plain)])
    assert plain.read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(plain)
    with closing(MetricsFile(str(link))) as output:
        output.put(STATE)
    assert plain.read_text() == "mine", "a link is replaced, not followed"


def test_a_file_that_became_a_capture_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.prom"
    output = MetricsFile(str(path))
    path.write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(20))
    with pytest.raises(RefusedError):
        output.put(STATE)
    output.close()
    assert path.read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[MetricsSocket]:
    made = open_metrics(f"unix:{tmp_path / 'm.sock'}")
    assert isinstance(made, MetricsSocket)
    made.start()
    made.put(STATE)
    yield made
    made.close()


def ask(served: MetricsSocket, request: bytes) -> tuple[str, dict[str, str], str]:
    """Status, fields and body of an answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(10)
        link.connect(str(served.path))
        link.sendall(request)
        data = b""
        while part := link.recv(1 << 16):
            data += part
    head, _, body = data.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


def test_the_socket_answers_with_the_latest_state(served: MetricsSocket) -> None:
    status, fields, body = ask(served, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
    assert status == "HTTP/1.0 200 OK"
    assert fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(fields["Content-Length"]) == len(body.encode())
    assert body == metrics_text(STATE)
    served.put(LiveState(5.0))
    assert ask(served, b"GET /metrics?x=1 HTTP/1.0\n\n")[2] == metrics_text(LiveState(5.0))
    status, fields, body = ask(served, b"HEAD /metrics HTTP/1.0\r\n\r\n")
    assert (status, body) == ("HTTP/1.0 200 OK", "")
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "404 Not Found"),
        (b"GET /metrics/x HTTP/1.0\r\n\r\n", "404 Not Found"),
        (b"POST /metrics HTTP/1.0\r\n\r\n", "405 Method Not Allowed"),
        (b"GET /metrics\r\n\r\n", "400 Bad Request"),
        (b"\0\xff\r\n\r\n", "400 Bad Request"),
        (b"\n\n", "400 Bad Request"),
        (b"GET /metrics HTTP/1.0\r\nX: ".ljust(metrics.MAX_REQUEST + 1, b"x"), "400 Bad Request"),
    ],
)
def test_other_requests(served: MetricsSocket, request_: bytes, status: str) -> None:
    assert ask(served, request_)[0] == f"HTTP/1.0 {status}"


def test_slow_and_rude_clients_do_not_stop_it(served: MetricsSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REQUEST_SECONDS", 0.2)
    rude = []
    for n in range(metrics.BACKLOG // 2):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.connect(str(served.path))
        if n % 2:
            link.sendall(b"GET /me")
        rude.append(link)
    rude[0].close()
    began = time.monotonic()
    assert ask(served, b"GET /metrics HTTP/1.0\r\n\r\n")[0].endswith("200 OK")
    assert time.monotonic() - began < 4
    for link in rude:
        link.close()


def test_the_socket_s_name(tmp_path: Path, served: MetricsSocket) -> None:
    with pytest.raises(RustnetError, match="the name is taken"):
        MetricsSocket(str(served.path))
    plain = tmp_path / "plain"
    plain.touch()
    with pytest.raises(RustnetError, match="the name is taken"):
        MetricsSocket(str(plain))
    with pytest.raises(RustnetError, match="path too long"):
        MetricsSocket(str(tmp_path / ("x" * 120)))
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(stale))
    again = MetricsSocket(str(stale))
    again.close()
    assert not stale.exists()
    served.close()
    assert not served.path.exists()
