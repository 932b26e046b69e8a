"""Small captures made byte by byte, and the command line run in this process or in one of its own."""

import contextlib
import io
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rustnet.cli.main import main

START = 1_700_000_000 * 10**9
CLIENT, SERVER, RESOLVER = "10.0.0.2", "192.0.2.80", "10.0.0.53"


def ethernet(payload: bytes, kind: int = 0x0800) -> bytes:
    return bytes.fromhex("02000000000202000000000102")[:12] + struct.pack(">H", kind) + payload


def ipv4(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    ends = b"".join(bytes(map(int, ip.split("."))) for ip in (source, destination))
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + ends + payload


def tcp(
    source: tuple[str, int], destination: tuple[str, int], seq: int, ack: int, flags: int, data: bytes = b""
) -> bytes:
    head = struct.pack(">HHIIBBHHH", source[1], destination[1], seq, ack, 0x50, flags, 65535, 0, 0)
    return ethernet(ipv4(source[0], destination[0], 6, head + data))


def udp(source: tuple[str, int], destination: tuple[str, int], data: bytes) -> bytes:
    head = struct.pack(">HHHH", source[1], destination[1], 8 + len(data), 0)
    return ethernet(ipv4(source[0], destination[0], 17, head + data))


def http_flow(port: int = 40000, host: str = "shop.example", path: str = "/") -> list[bytes]:
    a, b = (CLIENT, port), (SERVER, 80)
    ask = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    say = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
    return [
        tcp(a, b, 100, 0, 2), tcp(b, a, 500, 101, 18), tcp(a, b, 101, 501, 16),
        tcp(a, b, 101, 501, 24, ask), tcp(b, a, 501, 101 + len(ask), 24, say),
        tcp(a, b, 101 + len(ask), 501 + len(say), 17), tcp(b, a, 501 + len(say), 102 + len(ask), 17),
        tcp(a, b, 102 + len(ask), 502 + len(say), 16),
    ]  # fmt: skip


def dns_flow(port: int = 50000, name: str = "shop.example") -> list[bytes]:
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    question = labels + struct.pack(">HH", 1, 1)
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes(map(int, SERVER.split(".")))
    a, b = (CLIENT, port), (RESOLVER, 53)
    return [
        udp(a, b, struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question),
        udp(b, a, struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question + answer),
    ]


def pcap(frames: list[bytes], link: int = 1, snaplen: int = 65535) -> bytes:
    """Classic pcap in microseconds, one frame per millisecond."""
    made = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)
    for number, frame in enumerate(frames):
        ts = START // 1000 + number * 1000
        kept = frame[:snaplen]
        made += struct.pack("<IIII", ts // 10**6, ts % 10**6, len(kept), len(frame)) + kept
    return made


@dataclass
class Result:
    code: int
    out: str
    err: str
    raw: bytes


class _Binary(io.TextIOWrapper):
    def __init__(self, tty: bool) -> None:
        super().__init__(io.BytesIO(), "utf-8", newline="\n", write_through=True)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.fixture
def run(monkeypatch):
    """Run a command line in this process; ``tty`` pretends that output is a terminal of ``columns``."""

    def call(*arguments: object, tty: bool = False, columns: int = 80, stdin: bytes = b"") -> Result:
        out, err = _Binary(tty), _Binary(False)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LANGUAGE", "C")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in arguments])
        raw = out.buffer.getvalue()
        return Result(code, raw.decode("utf-8", "replace"), err.buffer.getvalue().decode(), raw)

    return call


def child(*arguments: object, stdin: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "rustnet", *map(str, arguments)]
    path = str(Path(__file__).parents[2])
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )  # fmt: skip


@pytest.fixture
def capture(tmp_path):
    """An HTTP conversation and a DNS one."""
    path = tmp_path / "web.pcap"
    path.write_bytes(pcap(dns_flow() + http_flow()))
    return path


@pytest.fixture
def session(capture, run):
    """A session made of `capture`."""
    path = capture.with_name("web.duckdb")
    made = run("replay", capture, "--db", path)
    assert made.code == 0, made.err
    return path
