"""Captures made by hand, byte by byte as their formats are specified, and what rustnet makes of them."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import duckdb

from rustnet.ingest.options import Options
from rustnet.ingest.report import Report
from rustnet.ingest.road import ingest

T0 = 1_780_000_000


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def block(kind: int, body: bytes) -> bytes:
    body = pad(body)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def option(code: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<HH", code, len(raw)) + pad(raw)


def section(*options: bytes) -> bytes:
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + b"".join(options))


def interface(link: int = 1) -> bytes:
    return block(1, struct.pack("<HHI", link, 0, 0))


def epb(data: bytes, at: float = 0.0, *options: bytes) -> bytes:
    us = round((T0 + at) * 1_000_000)
    head = struct.pack("<IIIII", 0, us >> 32, us & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + pad(data) + b"".join(options) + (option(0, b"") if options else b""))


def comment(text: str | bytes) -> bytes:
    return option(1, text)


def flags(value: int) -> bytes:
    return option(2, struct.pack("<I", value))


def process(pid: int, name: str | None = None, *options: bytes) -> bytes:
    """Apple's process information block."""
    return block(0x80000001, struct.pack("<I", pid) + (option(2, name) if name else b"") + b"".join(options))


def udp(src: str = "10.0.0.1:45000", dst: str = "10.9.9.9:6000", payload: bytes = b"\1\2\3\4") -> bytes:
    """An Ethernet frame."""
    (a, ap), (b, bp) = (end.split(":") for end in (src, dst))
    inner = struct.pack("!HHHH", int(ap), int(bp), 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 1, 0, 64, 17, 0)
    ip = head + IPv4Address(a).packed + IPv4Address(b).packed
    return bytes(range(12)) + b"\x08\x00" + ip + inner


def pcap(link: int, *frames: bytes) -> bytes:
    made = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for n, frame in enumerate(frames):
        made += struct.pack("<IIII", T0 + n, 0, len(frame), len(frame)) + frame
    return made


@dataclass
class Made:
    """A session in memory of the disk."""

    con: duckdb.DuckDBPyConnection
    report: Report

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.con.execute(sql, list(values)).fetchall()

    def claims(self) -> list[tuple[Any, ...]]:
        """Everything of the claims but times, best first."""
        return self.ask(
            """SELECT flow_id, pid, p.name, source, quality, rank, reversed, match, evidence
            FROM claims JOIN processes p USING (process_id) ORDER BY flow_id, rank, reversed, pid"""
        )

    def verdicts(self) -> list[tuple[Any, ...]]:
        """Pid and name of each flow's owner, the source, and whether or why not."""
        return self.ask(
            """SELECT p.pid, p.name, process_source, process_contested, unowned_reason
            FROM flows LEFT JOIN processes p USING (process_id) ORDER BY flow_id"""
        )

    def process(self, pid: int) -> dict[str, Any]:
        """What is known of a process, without what is not."""
        found = self.con.execute("SELECT * EXCLUDE (process_id) FROM processes WHERE pid = ?", [pid])
        names = [column[0] for column in found.description or ()]
        rows = found.fetchall()
        assert len(rows) == 1
        return {name: value for name, value in zip(names, rows[0], strict=True) if value is not None}


def replay(folder: Path, data: bytes | Path, name: str = "x.pcapng", **options: Any) -> Made:
    """Ingest a capture and open its session."""
    if isinstance(data, Path):
        path = data
    else:
        path = folder / name
        path.write_bytes(data)
    session = str(folder / "s.duckdb")
    Path(session).unlink(missing_ok=True)
    report = ingest([str(path)], session, Options(strict_parsers=True, **options))
    assert not report.failed, report.failed
    return Made(duckdb.connect(session, read_only=True), report)
