"""NFS versions 2 to 4 and related services, over ONC RPC (RFC 1094, 1813, 7530; RFC 5531, 1833).

One row per call with its reply: the caller and the file name. File contents are skipped.
"""

import struct

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import need, text
from rustnet.dissect.framework.requests import RequestParser
from rustnet.dissect.nfs.procedures import NFS4_OPERATIONS, NFS4_SIZES, PROCEDURES, PROGRAMS, STATUS
from rustnet.records import U32, FilePath, Host, Id32, Port, Word, record

_LOOK = 1500
"""Bytes of a message that are buffered; the rest is skipped."""
_MAX_FRAGMENT = 1 << 25
_MAX_OPERATIONS = 32
_U32 = struct.Struct(">I")
_CALL = struct.Struct(">6I")
_REPLIES = {0: "success", 1: "PROG_UNAVAIL", 2: "PROG_MISMATCH", 3: "PROC_UNAVAIL", 4: "GARBAGE_ARGS", 5: "SYSTEM_ERR"}
_FLAVORS = {0: "none", 1: "sys", 2: "short", 3: "dh", 6: "gss"}
_NFS, _MOUNT, _PORTMAP = 100003, 100005, 100000
_NAMED = {
    2: {4: 1, 9: 1, 10: 1, 11: 2, 12: 2, 13: 1, 14: 1, 15: 1},
    3: {3: 1, 8: 1, 9: 1, 10: 1, 11: 1, 12: 1, 13: 1, 14: 2, 15: 3},
}
"""Procedures of NFS 2 and 3 that name files: 1 handle and name, 2 twice that, 3 handle and then those."""


@record("nfs")
class Nfs:
    """One call of NFS or of a service around it."""

    program: Word | None = None
    """`nfs`, `mount`, `portmap`, `nlm`, `nsm`, `rquota` …"""
    version: Word | None = None
    """Version of the program."""
    procedure: Word | None = None
    """Procedure, such as `LOOKUP`; of NFS 4 the operations, joined by commas."""
    filename: FilePath | None = None
    """Name within a directory, or path to mount."""
    new_name: FilePath | None = None
    """Name after a rename, or of a link."""
    result: Word | None = None
    """`success`, the program's own error, or why the call was refused; NULL if no reply was seen."""
    auth: Word | None = None
    """Kind of the credentials: `none`, `sys`, `gss` …"""
    uid: Id32 | None = None
    """User id, as the caller states it."""
    gid: Id32 | None = None
    """Group id, as the caller states it."""
    machine: Host | None = None
    """Name of the calling machine, as it states it."""
    mapped_program: Word | None = None
    """Program whose port is requested of the port mapper."""
    mapped_port: Port | None = None
    """Port that the port mapper gives."""
    xid: U32 | None = None
    """Number that joins call and reply."""
    rtt_ms: float | None = None
    """Time from call to reply."""


def _opaque(data: bytes, pos: int, most: int = 4096) -> tuple[bytes, int]:
    """Length-prefixed bytes, and the position after their padding (RFC 4506, 4.10)."""
    need(data, pos + 4, "XDR value")
    size = _U32.unpack_from(data, pos)[0]
    if size > most:
        raise DissectError("XDR value of {size} bytes is too long", size=size)
    need(data, pos + 4 + size, "XDR value")
    return data[pos + 4 : pos + 4 + size], pos + 4 + (size + 3 & ~3)


class NfsParser(RequestParser[int, Nfs]):
    """Calls and replies of one flow."""

    __slots__ = ("inside",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.inside = [False, False]
        """By direction: the next fragment continues a message."""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        self._message(data, from_src)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read messages by their record marks; continued fragments are skipped."""
        pos = 0
        while len(data) - pos >= 4 and not self.talk.finished:
            mark = _U32.unpack_from(data, pos)[0]
            size = mark & 0x7FFFFFFF
            if size > _MAX_FRAGMENT:
                raise DissectError("fragment of {size} bytes is too long", size=size)
            wanted = 0 if self.inside[from_src] else min(size, _LOOK)
            if len(data) - pos - 4 < wanted:
                break
            if wanted:
                self._message(data[pos + 4 : pos + 4 + wanted], from_src)
            self.inside[from_src] = mark < 0x80000000
            pos += 4 + size
        return pos

    def close(self) -> None:
        """Store the calls that were not answered."""
        for row, ts, packet in self.waiting.drain():
            self.store_row(row, ts, packet)

    def _message(self, data: bytes, from_src: bool) -> None:
        need(data, 8, "RPC message")
        xid, kind = struct.unpack_from(">II", data)
        if kind == 0:
            self._call(data, xid, from_src)
        elif kind == 1:
            self._reply(data, xid)
        else:
            raise DissectError("unknown RPC message type {kind}", kind=kind)

    def _call(self, data: bytes, xid: int, from_src: bool) -> None:
        need(data, 40, "RPC call")
        _, _, rpc, program, version, procedure = _CALL.unpack_from(data)
        if rpc != 2:
            raise DissectError("unknown RPC version {version}", version=rpc)
        row = Nfs(
            program=PROGRAMS.get(program) or str(program), version=str(version), xid=xid,
            procedure=_procedure(program, version, procedure),
        )  # fmt: skip
        flavor = _U32.unpack_from(data, 24)[0]
        row.auth = _FLAVORS.get(flavor) or f"flavor{flavor}"
        credentials, pos = _opaque(data, 28, 400)
        if flavor == 1:
            self._unix(credentials, row, from_src)
        need(data, pos + 4, "RPC call")
        _, pos = _opaque(data, pos + 4, 400)
        try:
            _arguments(data, pos, (program, version, procedure), row)
        except DissectError:
            if len(data) < _LOOK:
                self.talk.anomaly("malformed_nfs", f"truncated arguments of {row.program} {row.procedure}")
        evicted = self.waiting.add(xid, row, self.talk)
        if evicted is not None and evicted[0].procedure != row.procedure:  # the same call again is a repetition
            self.store_row(*evicted)

    def _unix(self, raw: bytes, row: Nfs, from_src: bool) -> None:
        """Credentials of AUTH_SYS (RFC 5531, 14)."""
        name, pos = _opaque(raw, 4, 255)
        row.machine = text(name) or None
        if len(raw) >= pos + 8:
            row.uid, row.gid = struct.unpack_from(">II", raw, pos)
        if row.machine:
            self.learn_name(self.talk.src_ip if from_src else self.talk.dst_ip, row.machine, "rpc")

    def _reply(self, data: bytes, xid: int) -> None:
        entry = self.waiting.take(xid)
        if entry is None:
            return
        row, ts, packet = entry
        row.rtt_ms = elapsed(ts, self.talk.ts)
        need(data, 12, "RPC reply")
        if _U32.unpack_from(data, 8)[0]:
            row.result = "denied"
        else:
            need(data, 20, "RPC reply")
            _, pos = _opaque(data, 16, 400)
            need(data, pos + 4, "RPC reply")
            state = _U32.unpack_from(data, pos)[0]
            row.result = _REPLIES.get(state) or f"state{state}"
            if state == 0:
                _results(data, pos + 4, row)
        self.store_row(row, ts, packet)


def _procedure(program: int, version: int, number: int) -> str:
    names = PROCEDURES.get((program, version)) or PROCEDURES.get((program, 0)) or ()
    return names[number] if number < len(names) else f"procedure{number}"


def _arguments(data: bytes, pos: int, called: tuple[int, int, int], row: Nfs) -> None:
    """Read the names in a call's arguments."""
    program, version, procedure = called
    if program == _NFS and version == 4 and procedure == 1:
        _compound(data, pos, row)
    elif program == _NFS and version in _NAMED:
        form = _NAMED[version].get(procedure)
        if form:
            _names(data, pos, version, form, row)
    elif program == _MOUNT and procedure in {1, 3}:
        row.filename = text(_opaque(data, pos, 1024)[0])
    elif program == _PORTMAP and procedure == 3 and len(data) >= pos + 4:
        mapped = _U32.unpack_from(data, pos)[0]
        row.mapped_program = PROGRAMS.get(mapped) or str(mapped)


def _names(data: bytes, pos: int, version: int, form: int, row: Nfs) -> None:
    """Directory handle and name, once or twice."""

    def handle(at: int) -> int:
        return at + 32 if version == 2 else _opaque(data, at, 64)[1]

    if form == 3 or (version == 2 and row.procedure == "LINK"):
        pos = handle(pos)
    name, pos = _opaque(data, handle(pos), 1024)
    row.filename = text(name)
    if form == 2 and row.procedure == "RENAME":
        row.new_name = text(_opaque(data, handle(pos), 1024)[0])


def _compound(data: bytes, pos: int, row: Nfs) -> None:
    """Read the operations of NFS 4 up to the first of unknown length."""
    _, pos = _opaque(data, pos, 1024)
    need(data, pos + 8, "COMPOUND")
    count = _U32.unpack_from(data, pos + 4)[0]
    pos += 8
    names = []
    for _ in range(min(count, _MAX_OPERATIONS)):
        need(data, pos + 4, "COMPOUND")
        number = _U32.unpack_from(data, pos)[0]
        pos += 4
        names.append(NFS4_OPERATIONS.get(number) or f"operation{number}")
        row.procedure = ",".join(names)
        form = NFS4_SIZES.get(number)
        if form is None:
            break
        for step in form:
            if isinstance(step, int):
                pos += step
            elif step == "bitmap":
                need(data, pos + 4, "bitmap")
                pos += 4 + 4 * min(_U32.unpack_from(data, pos)[0], 16)
            else:
                value, pos = _opaque(data, pos, 4096)
                if step == "name":
                    row.filename = text(value)
                elif step == "new_name":
                    row.new_name = text(value)


def _results(data: bytes, pos: int, row: Nfs) -> None:
    """Read the status that a program's results begin with, or the port that the port mapper returns."""
    if row.procedure == "NULL" or len(data) < pos + 4:
        return
    value = _U32.unpack_from(data, pos)[0]
    if row.program == "portmap":
        if row.procedure == "GETPORT":
            row.mapped_port = value & 0xFFFF
        elif row.procedure == "GETADDR":
            row.mapped_port = _universal_port(text(_opaque(data, pos, 256)[0]))
    elif row.program in {"nfs", "mount"} and row.procedure not in {"DUMP", "UMNT", "UMNTALL", "EXPORT"}:
        row.result = "success" if value == 0 else STATUS.get(value) or f"error{value}"


def _universal_port(address: str) -> int | None:
    """Port in the last two numbers of a universal address (RFC 5665)."""
    words = address.split(".")[-2:]
    if len(words) != 2 or not all(w.isascii() and w.isdigit() and len(w) <= 3 for w in words):
        return None
    return (int(words[0]) << 8 | int(words[1])) & 0xFFFF


def _probe_nfs(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a call of a known program, or on the services' own ports a reply."""
    if talk.transport == "udp":
        return _probe_message(data, talk) if data[4:7] == b"\0\0\0" and len(data) >= 24 else NO
    if len(data) < 12:
        return MORE if not data or (data[0] & 0x7F < 2 and not any(data[8:11])) else NO
    size = int.from_bytes(data[:4], "big") & 0x7FFFFFFF
    if data[8:11] != b"\0\0\0" or data[11] > 1 or not 24 <= size <= _MAX_FRAGMENT:
        return NO
    if len(data) < 4 + min(size, 40):
        return MORE
    return _probe_message(data[4 : 4 + size], talk)


def _probe_message(data: bytes, talk: Conversation) -> int:
    if data[7] == 1:
        return _probe_reply(data, talk)
    if data[7] or len(data) < 40:
        return NO
    _, _, rpc, program, version, procedure = _CALL.unpack_from(data)
    if rpc != 2 or program not in PROGRAMS or not 1 <= version <= 4 or procedure > 32:
        return NO
    flavor, size = struct.unpack_from(">II", data, 24)
    return YES if flavor in _FLAVORS and size <= 400 and not size & 3 else NO


def _probe_reply(data: bytes, talk: Conversation) -> int:
    """Recognise a reply, which has few distinctive fields."""
    if not talk.has_port(111, 2049) or len(data) & 3:
        return NO
    state, flavor, size, accepted = struct.unpack_from(">IIII", data, 8)
    if state == 1:
        return YES if flavor <= 1 and len(data) <= 24 else NO
    return YES if state == 0 and flavor in _FLAVORS and (size or accepted <= 5) and size <= 400 else NO


NFS = Dissector(
    "nfs",
    "Network File System and ONC RPC (RFC 1813)",
    ("udp", "tcp"),
    (2049, 111),
    (Nfs,),
    _probe_nfs,
    NfsParser,
    shapes={
        "udp": Shape(24, {4: b"\0", 5: b"\0", 6: b"\0", 7: b"\0\1"}),
        "tcp": Shape(at={0: b"\0\1\x80\x81", 8: b"\0", 9: b"\0", 10: b"\0", 11: b"\0\1"}),
    },
)
