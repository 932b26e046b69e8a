"""Looks into captures: texts of their blocks, and what rustnet decodes of their packets."""

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet import isolation
from rustnet.errors import InputError
from rustnet.export.leaks.tables import FLOW, TableScan
from rustnet.i18n import _
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.export.leaks.files import FolderScan

MOST_BLOCK = 1 << 24
"""Longest block of a capture whose options are read."""
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _NAMES, _STATISTICS, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6
_FIXED = {_SECTION: 16, _INTERFACE: 8, _STATISTICS: 12}
"""Bytes of a block's body before its options."""
_DERIVED = frozenset((Kind.PLACE, Kind.AUTONOMOUS_SYSTEM, Kind.DIGEST, Kind.FINGERPRINT, Kind.KEY))
"""Kinds that are worked out from what is in the packets; equal ones say nothing about the packets."""
_ABOUT_THE_READING = frozenset(("capture_files", "data_sources", "confinement", "meta", "migrations"))


def scan_capture(path: Path, name: str, scan: "FolderScan") -> set[str]:
    """Look into the blocks of a pcapng, and into what is decoded of any capture.

    Returns values that are originals and replacements, of which it is known what they are.
    """
    with path.open("rb") as stream:
        if stream.read(4) == b"\x0a\x0d\x0d\x0a":
            _blocks(path, name, scan)
    return _decoded(path, name, scan)


def _blocks(path: Path, name: str, scan: "FolderScan") -> None:
    packets = 0
    for kind, offset, body, order in blocks_of(path):
        if kind in (_PACKET, _SIMPLE, _ENHANCED):
            packets += 1
        texts = "\n".join(_texts(kind, body, order))
        if not texts:
            continue
        place = _("packet") if kind in (_PACKET, _ENHANCED) else _("block {n}").format(n=kind)
        number = packets if kind in (_PACKET, _ENHANCED) else None
        for hit in scan.searcher.text(texts, cells=True):
            scan.findings.add(hit, name, place, number, offset)


def blocks_of(path: Path) -> Iterator[tuple[int, int, bytes, str]]:
    """Type, offset, body and byte order of each block of a pcapng. Raises `InputError` for what is none."""
    size = path.stat().st_size
    order = "<"
    with path.open("rb") as stream:
        offset = 0
        while offset + 12 <= size:
            stream.seek(offset)
            head = stream.read(12)
            if head[:4] == b"\x0a\x0d\x0d\x0a":
                order = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            kind, length = struct.unpack(f"{order}II", head[:8])
            if length < 12 or length % 4 or offset + length > size:
                raise InputError("{path}: a block at offset {offset} is damaged", path=path, offset=offset)
            stream.seek(offset + 8)
            yield kind, offset, stream.read(min(length - 12, MOST_BLOCK)), order
            offset += length


def _texts(kind: int, body: bytes, order: str) -> Iterator[str]:
    """Texts of a block: options, names of addresses and the addresses themselves."""
    if kind == _NAMES:
        yield from _names(body, order)
        return
    start = _FIXED.get(kind)
    if kind in (_PACKET, _ENHANCED) and len(body) >= 20:
        captured = struct.unpack_from(f"{order}I", body, 12)[0]
        start = 20 + (captured + 3) // 4 * 4
    if kind == _SIMPLE or (start is None and kind < 7):
        return
    if start is None:
        yield from _printable(body)
        return
    yield from _options(body, start, order)


def _options(body: bytes, at: int, order: str) -> Iterator[str]:
    while at + 4 <= len(body):
        code, length = struct.unpack_from(f"{order}HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == 0:
            return
        if code in (4, 5) and length in (8, 17):  # addresses of an interface, or a checksum
            yield from _address(value)
        elif code == 6 and length == 6:
            yield value.hex(":")
        else:
            yield value.decode("utf-8", "surrogateescape")
        at += 4 + (length + 3) // 4 * 4


def _names(body: bytes, order: str) -> Iterator[str]:
    at = 0
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(f"{order}HH", body, at)
        value = body[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
        if kind == 0:
            break
        size = 4 if kind == 1 else 16
        yield from _address(value[:size])
        yield value[size:].replace(b"\0", b"\n").decode("utf-8", "surrogateescape")
    yield from _options(body, at, order)


def _address(value: bytes) -> Iterator[str]:
    from ipaddress import IPv4Address, IPv6Address  # noqa: PLC0415

    if len(value) >= 16:
        yield str(IPv6Address(value[:16]))
    elif len(value) >= 4:
        yield str(IPv4Address(value[:4]))


def _printable(body: bytes) -> Iterator[str]:
    from rustnet.export.leaks.sought import printable  # noqa: PLC0415

    return printable(body, 4)


def _decoded(path: Path, name: str, scan: "FolderScan") -> set[str]:
    """Replay a capture into a session of its own, in a process of its own, and look into its tables."""
    from rustnet.store.foreign_tables import ForeignTables  # noqa: PLC0415 -- DuckDB

    mark = os.urandom(4).hex()
    capture, session = scan.spill / f"c{mark}{path.suffix}", scan.spill / f"s{mark}.duckdb"
    capture.symlink_to(path.absolute())
    words = ["--no-config", "replay", str(capture), "--db", str(session), "--no-tui", "--no-sidecar"]
    command = isolation.python_command(f"import sys; from rustnet.cli.main import main; sys.exit(main({words!r}))")
    try:
        done = subprocess.run(
            command, cwd=scan.spill, env=isolation.environment(), capture_output=True, check=False, stdin=subprocess.DEVNULL
        )  # fmt: skip
        if not session.exists():
            reason = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
            raise InputError("{path}: its packets cannot be decoded: {reason}", path=name, reason=reason)
        with ForeignTables(session, ".duckdb", "", scan.spill) as tables:
            looked = TableScan(scan.searcher, scan.session, scan.findings, name, tables)
            looked.skip = _is_derived
            looked.schema = False
            looked.words_of_protocols = True
            looked.aligned = lambda columns: FLOW in columns
            looked.scan()
            return looked.decided
    finally:
        capture.unlink(missing_ok=True)
        session.unlink(missing_ok=True)


def _is_derived(table: str, column: str, kind: Kind | None) -> bool:
    """Whether a column says nothing about what is in the packets."""
    own = table == "captures" and kind in (Kind.PATH, Kind.HOST)
    looked_up = table == "addresses" and kind not in (Kind.ADDRESS, Kind.ADDRESS_NUMBER)
    return own or looked_up or table in _ABOUT_THE_READING or kind in _DERIVED or column == "vendor"
