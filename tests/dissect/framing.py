"""Frames around the messages of protocols without ports, captures of them, and sessions of these."""

import struct
from collections.abc import Iterable
from pathlib import Path
from socket import inet_aton
from typing import Any

import duckdb
from samples_layer2 import MAC_A, MAC_B, internet_sum

from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest

ETHERNET, PPP, CHDLC, COOKED, COOKED2 = 1, 9, 104, 113, 276
NEAREST, CDP_GROUP, BRIDGES, SLOW, PVST_GROUP = (
    bytes.fromhex(digits) for digits in ("0180c200000e", "01000ccccccc", "0180c2000000", "0180c2000002", "01000ccccccd")
)
CISCO = bytes.fromhex("aaaa0300000c")


def ether(kind: int, body: bytes, dst: bytes = MAC_B, src: bytes = MAC_A, vlans: tuple[int, ...] = ()) -> bytes:
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    return (dst + src + tags + struct.pack(">H", kind) + body).ljust(60, b"\0")


def llc(body: bytes, dst: bytes, src: bytes = MAC_A, vlans: tuple[int, ...] = ()) -> bytes:
    """IEEE 802.3: the length stands where the type would, and padding follows."""
    return ether(len(body), body, dst, src, vlans)


def snap(kind: int, body: bytes, dst: bytes = CDP_GROUP, vlans: tuple[int, ...] = ()) -> bytes:
    return llc(CISCO + struct.pack(">H", kind) + body, dst, vlans=vlans)


def bridge(body: bytes) -> bytes:
    return llc(b"\x42\x42\x03" + body, BRIDGES)


def cooked(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHH", 1, 1, 6) + MAC_A + bytes(2) + struct.pack(">H", kind) + body


def cooked2(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHIHBB", kind, 0, 1, 1, 1, 6) + MAC_A + bytes(2) + body


def ip4(protocol: int, body: bytes, src: str = "192.0.2.1", dst: str = "198.51.100.2", options: bytes = b"") -> bytes:
    size = 20 + len(options)
    head = struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, size + len(body), 1, 0, 64, protocol, 0)
    head += inet_aton(src) + inet_aton(dst) + options
    return ether(0x0800, head[:10] + struct.pack(">H", internet_sum(head)) + head[12:] + body)


def ip6(protocol: int, body: bytes, src: bytes, dst: bytes) -> bytes:
    return ether(0x86DD, struct.pack(">IHBB", 6 << 28, len(body), protocol, 255) + src + dst + body)


def udp(src: str, src_port: int, dst: str, dst_port: int, body: bytes = b"x") -> bytes:
    return ip4(17, struct.pack(">HHHH", src_port, dst_port, 8 + len(body), 0) + body, src, dst)


def capture(path: Path, frames: Iterable[bytes], link: int = ETHERNET, step_ms: int = 1) -> Path:
    """Write a capture whose packets are ``step_ms`` apart."""
    made = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link)]
    for i, frame in enumerate(frames):
        seconds, rest = divmod(i * step_ms, 1000)
        made.append(struct.pack("<IIII", 1_700_000_000 + seconds, rest * 1000, len(frame), len(frame)) + frame)
    path.write_bytes(b"".join(made))
    return path


def session(path: Path, *captures: Path) -> "duckdb.DuckDBPyConnection":
    """Ingest captures into a session and open it."""
    report = ingest([str(name) for name in captures], str(path), Options(strict_parsers=True))
    assert not report.failed
    return duckdb.connect(str(path), read_only=True)


def asked(con: "duckdb.DuckDBPyConnection", sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()
