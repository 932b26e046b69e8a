"""Decode the syntax of other tools' logs into dicts: JSON in any layout, Zeek's TSV, auditd's lines.

`process_logs` interprets the fields. Every decoder streams, holds a bounded piece of the file, and counts malformed
records.
"""

import codecs
import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import BinaryIO

from rustnet.attribute.observation import Faults

Record = dict[str, object]
Records = Iterator[tuple[int, Record]]
"""Line number and record."""

MAX_RECORD = 1 << 20
"""Maximum size of a record; a longer one is malformed."""

CHUNK = 1 << 18
"""Bytes that are read at once."""

_SEPARATORS = re.compile(r"[\s,\[\]\x1e]*")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECODER = json.JSONDecoder()


def encoding(head: bytes) -> str:
    """Encoding of a text file, by its byte order mark: Windows tools write UTF-16."""
    return next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")


def as_utf8(head: bytes) -> bytes:
    """The beginning of a file, converted to UTF-8."""
    name = encoding(head)
    return head if name == "utf-8" else head[: len(head) & ~1].decode(name, "ignore").encode()


def json_records(file: BinaryIO, faults: Faults) -> Records:
    """Objects of a JSON file: one per line, an array, or pretty-printed in sequence."""
    head = file.read(CHUNK)
    decoder = codecs.getincrementaldecoder(encoding(head))("replace")
    text, at, line = decoder.decode(head), 0, 1
    skipping = ended = False
    while at < len(text) or not ended:
        match = _SEPARATORS.match(text, at)
        start = match.end() if match else at
        line += text.count("\n", at, start)
        at = start
        problem = "expected a JSON object"
        incomplete = at >= len(text)
        if text[at : at + 1] == "{":
            try:
                record, after = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError as error:
                problem = f"invalid JSON: {error.msg}"
                # The end of the chunk may have cut a string, number or literal.
                incomplete = error.pos >= len(text) - 16 or error.msg.startswith("Unterminated")
            except (ValueError, RecursionError):
                problem = "invalid JSON: a number too long or nested too deeply"
            else:
                yield line, record
                line += text.count("\n", at, after)
                at, skipping = after, False
                continue
        if incomplete and not ended and len(text) - at <= MAX_RECORD:
            more = file.read(CHUNK)
            ended = not more
            text, at = text[at:] + decoder.decode(more, ended), 0
            continue
        if at < len(text) and not skipping:
            faults.malformed(line, problem)
        skipping = True  # the rest of a malformed object is not counted again
        end = text.find("\n", at)
        line += end >= 0
        at = end + 1 if end >= 0 else len(text)


def lines(file: BinaryIO, faults: Faults) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text; lines that are too long are counted in ``faults``."""
    number = 0
    while raw := file.readline(MAX_RECORD + 1):
        number += 1
        if len(raw) > MAX_RECORD:
            faults.malformed(number, f"longer than {MAX_RECORD} bytes")
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(MAX_RECORD)
            continue
        yield number, raw.decode("utf-8", "replace").rstrip("\r\n")


def zeek_records(file: BinaryIO, faults: Faults) -> Records:
    """Rows of a Zeek log, TSV with a header or JSON, without unset fields."""
    if file.peek(1)[:1] == b"{":  # type: ignore[attr-defined]  # opened files are buffered
        yield from json_records(file, faults)
        return
    separator, unset, empty = "\t", "-", "(empty)"
    fields: list[str] = []
    for number, line in lines(file, faults):
        if line.startswith("#"):
            word, _, value = line[1:].partition(" " if line.startswith("#separator") else separator)
            if word == "separator":
                separator = _unescaped(value) or "\t"
            elif word == "unset_field":
                unset = value
            elif word == "empty_field":
                empty = value
            elif word == "fields":
                fields = value.split(separator)
            continue
        cells = line.split(separator)
        if not fields or len(cells) != len(fields):
            if line:
                faults.malformed(number, f"expected {len(fields)} fields as in the header, got {len(cells)}")
            continue
        pairs = zip(fields, cells, strict=True)
        yield number, {name: _unescaped(cell) for name, cell in pairs if cell not in (unset, empty)}


def _unescaped(text: str) -> str:
    r"""Text with Zeek's escapes such as ``\x09`` decoded."""
    if "\\x" not in text:
        return text
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)


# ---- auditd ------------------------------------------------------------------------------------------------------

_AUDIT = re.compile(r"(?:node=(\S+) )?type=([A-Z_]+) msg=audit\((\d{1,12}\.\d{1,9}):(\d{1,20})\):\s*(.*)", re.ASCII)
_PAIR = re.compile(r"([A-Za-z0-9_-]+)=(\"[^\"]*\"|\{[^}]*\}|\S*)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_TYPES = frozenset(("SYSCALL", "SOCKADDR", "PROCTITLE", "CWD"))
_CONNECT = {"c000003e": 42, "c00000b7": 203, "c00000f3": 203, "40000003": 362, "40000028": 283, "80000016": 362,
            "c0000015": 328, "80000015": 328}  # fmt: skip
"""System call number of ``connect`` by architecture: x86-64, arm64, riscv64, i386, arm, s390x, ppc64le, ppc64."""
_SOCKETCALL, _SOCKETCALL_CONNECT = "102", "3"
_PENDING = 512
"""Maximum number of incomplete events: the records of one event are close together."""


def audit_records(file: BinaryIO, faults: Faults) -> Records:
    """Calls of ``connect`` in a raw audit log, each merged from its records SYSCALL, SOCKADDR, PROCTITLE and CWD.

    The fields are auditd's own, plus ``node``, ``stamp``, ``cmdline``, and ``laddr`` and ``lport`` of the address.
    """
    pending: dict[tuple[str, str, str], tuple[int, Record]] = {}
    for number, line in lines(file, faults):
        match = _AUDIT.match(line)
        if match is None:
            if "msg=audit(" in line:
                faults.malformed(number, "invalid audit record")
            continue
        node, kind, stamp, serial, rest = match.groups()
        key = (node or "", stamp, serial)
        if kind == "EOE":
            if key in pending:
                yield from _connect(*pending.pop(key))
            continue
        if kind not in _TYPES:
            continue
        if key not in pending and len(pending) >= _PENDING:
            yield from _connect(*pending.pop(next(iter(pending))))
        _, event = pending.setdefault(key, (number, {"node": node, "stamp": stamp}))
        _merge(event, kind, rest)
    for entry in pending.values():
        yield from _connect(*entry)


def _merge(event: Record, kind: str, rest: str) -> None:
    """Add one record's fields to its event."""
    pairs = {key: _value(key, value) for key, value in _PAIR.findall(rest[:65_536])}
    if kind == "PROCTITLE":
        event["cmdline"] = pairs.get("proctitle")
    elif kind == "CWD":
        event["cwd"] = pairs.get("cwd")
    elif kind == "SOCKADDR":
        event |= _sockaddr(pairs.get("saddr") or "")
    else:
        event |= pairs


def _value(key: str, raw: str) -> str | None:
    """Value of a field; auditd writes untrusted text in hexadecimal instead of quotes."""
    if raw in ("(null)", "?", ""):
        return None
    if raw[0] == '"':
        return raw.strip('"')
    if key in ("comm", "exe", "cwd", "proctitle") and _HEX.fullmatch(raw):
        return bytes.fromhex(raw).rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    return raw


def _sockaddr(raw: str) -> Record:
    """Address and port of an IPv4 or IPv6 socket address, in hexadecimal or interpreted."""
    if raw.startswith("{"):
        pairs = dict(_PAIR.findall(raw))
        return {"laddr": pairs.get("laddr"), "lport": pairs.get("lport")}
    if not _HEX.fullmatch(raw[:256]):
        return {}
    data = bytes.fromhex(raw[:256])
    family = data[:2]
    for number, start, size in ((2, 4, 4), (10, 8, 16)):
        if family in (number.to_bytes(2, "little"), number.to_bytes(2, "big")) and len(data) >= start + size:
            return {"laddr": str(ip_address(data[start : start + size])), "lport": int.from_bytes(data[2:4])}
    return {}


def _connect(number: int, event: Record) -> Records:
    """Yield the event if it is a call of ``connect`` to an IP address."""
    call, arch = event.get("syscall"), event.get("arch")
    is_connect = (
        "connect" in (call, event.get("SYSCALL"))
        or (isinstance(arch, str) and call == str(_CONNECT.get(arch)))
        or (call == _SOCKETCALL and event.get("a0") == _SOCKETCALL_CONNECT)
    )
    if is_connect and event.get("laddr") is not None:
        # Refused and pending connections have packets, too.
        event["quality"] = (
            "connect" if event.get("success") == "yes" or event.get("exit") == "-115" else "connect-failed"
        )
        yield number, event
