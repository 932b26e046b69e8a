"""How logs of other tools are written: JSON in any arrangement, Zeek's TSV, auditd's lines. Records come out as dicts.

What a field means is known to `process_logs` alone. Every reader streams, holds a bounded piece of the file, and
counts what it cannot read.
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
"""A longer record is broken."""

_CHUNK = 1 << 18
_BETWEEN = re.compile(r"[\s,\[\]\x1e]*")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECODER = json.JSONDecoder()


def encoding(head: bytes) -> str:
    """Encoding of a text file that begins like this: Windows tools write UTF-16."""
    return next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")


def plain(head: bytes) -> bytes:
    """The beginning of a file as UTF-8, whatever its encoding."""
    name = encoding(head)
    return head if name == "utf-8" else head[: len(head) & ~1].decode(name, "ignore").encode()


def json_records(file: BinaryIO, faults: Faults) -> Records:
    """Objects of a file of JSON: one per line, an array of them, or pretty-printed one behind another."""
    head = file.read(_CHUNK)
    decoder = codecs.getincrementaldecoder(encoding(head))("replace")
    text, at, line = decoder.decode(head), 0, 1
    lost = ended = False
    while at < len(text) or not ended:
        found = _BETWEEN.match(text, at)
        start = found.end() if found else at
        line += text.count("\n", at, start)
        at = start
        problem = "is no JSON object"
        short = at >= len(text)
        if text[at : at + 1] == "{":
            try:
                record, after = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError as error:
                problem = f"is no JSON: {error.msg}"
                # A string, number or word may be cut in its middle by the end of what was read.
                short = error.pos >= len(text) - 16 or error.msg.startswith("Unterminated")
            except (ValueError, RecursionError):
                problem = "is no JSON that can be read: a number or a nesting beyond all bounds"
            else:
                yield line, record
                line += text.count("\n", at, after)
                at, lost = after, False
                continue
        if short and not ended and len(text) - at <= MAX_RECORD:
            more = file.read(_CHUNK)
            ended = not more
            text, at = text[at:] + decoder.decode(more, ended), 0
            continue
        if at < len(text) and not lost:
            faults.broken(line, problem)
        lost = True  # the rest of a broken object is no fault of its own
        end = text.find("\n", at)
        line += end >= 0
        at = end + 1 if end >= 0 else len(text)


def lines(file: BinaryIO, faults: Faults) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text; those that are too long become faults."""
    number = 0
    while raw := file.readline(MAX_RECORD + 1):
        number += 1
        if len(raw) > MAX_RECORD:
            faults.broken(number, f"longer than {MAX_RECORD} bytes")
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(MAX_RECORD)
            continue
        yield number, raw.decode("utf-8", "replace").rstrip("\r\n")


def zeek_records(file: BinaryIO, faults: Faults) -> Records:
    """Rows of a Zeek log, by its own header; JSON logs too. Fields that are not set are left out."""
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
                faults.broken(number, f"has {len(cells)} fields where the header has {len(fields)}")
            continue
        pairs = zip(fields, cells, strict=True)
        yield number, {name: _unescaped(cell) for name, cell in pairs if cell not in (unset, empty)}


def _unescaped(text: str) -> str:
    r"""Text with Zeek's ``\x09`` resolved."""
    if "\\x" not in text:
        return text
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)


# ---- auditd ------------------------------------------------------------------------------------------------------

_AUDIT = re.compile(r"(?:node=(\S+) )?type=([A-Z_]+) msg=audit\((\d{1,12}\.\d{1,9}):(\d{1,20})\):\s*(.*)", re.ASCII)
_PAIR = re.compile(r"([A-Za-z0-9_-]+)=(\"[^\"]*\"|\{[^}]*\}|\S*)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_TYPES = frozenset(("SYSCALL", "SOCKADDR", "PROCTITLE", "CWD"))
_CONNECT = {"c000003e": 42, "c00000b7": 203, "c00000f3": 203, "40000003": 362, "40000028": 283, "80000016": 362,
            "c0000015": 328, "80000015": 328}  # fmt: skip
"""Number of ``connect`` by architecture: x86-64, arm64, riscv64, i386, arm, s390x, ppc64le, ppc64."""
_SOCKETCALL, _SOCKETCALL_CONNECT = "102", "3"
_PENDING = 512
"""Events whose records are still awaited: those of one event stand close together."""


def audit_records(file: BinaryIO, faults: Faults) -> Records:
    """Calls of ``connect`` in a raw audit log: their records SYSCALL, SOCKADDR, PROCTITLE and CWD as one.

    The fields are auditd's own, and ``node``, ``stamp``, ``cmdline``, ``laddr`` and ``lport`` of the address.
    """
    pending: dict[tuple[str, str, str], tuple[int, Record]] = {}
    for number, line in lines(file, faults):
        found = _AUDIT.match(line)
        if found is None:
            if "msg=audit(" in line:
                faults.broken(number, "is no audit record")
            continue
        node, kind, stamp, serial, rest = found.groups()
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
    """Value of a field; untrusted text that is not quoted stands in hexadecimal digits."""
    if raw in ("(null)", "?", ""):
        return None
    if raw[0] == '"':
        return raw.strip('"')
    if key in ("comm", "exe", "cwd", "proctitle") and _HEX.fullmatch(raw):
        return bytes.fromhex(raw).rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    return raw


def _sockaddr(raw: str) -> Record:
    """Address and port of a socket address, of IPv4 or IPv6: in hexadecimal digits, or spelled out."""
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
    """Yield the event, if it is a call of ``connect`` to an address of IP."""
    call, arch = event.get("syscall"), event.get("arch")
    mine = (
        "connect" in (call, event.get("SYSCALL"))
        or (isinstance(arch, str) and call == str(_CONNECT.get(arch)))
        or (call == _SOCKETCALL and event.get("a0") == _SOCKETCALL_CONNECT)
    )
    if mine and event.get("laddr") is not None:
        # A connection that was refused or is still being made has packets all the same.
        event["quality"] = (
            "connect" if event.get("success") == "yes" or event.get("exit") == "-115" else "connect-failed"
        )
        yield number, event
