"""SMB 1, 2 and 3 over TCP, direct or within a NetBIOS session (RFC 1002; [MS-CIFS], [MS-SMB2]).

One row per request that names a dialect, a user, a share, a file, a pipe or a search pattern, also if it failed or was
compounded with others; one per entry of a directory listing, one per file closed after data was transferred. Contents
are skipped, but for calls of DCE/RPC in pipes, which are rows of `dcerpc`. Encryption is recorded once per session and
compression once per connection; what is encrypted or compressed is not read.
"""

import struct

from rustnet.dissect.dcerpc.parser import Dcerpc
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Parser
from rustnet.dissect.smb import smb1, smb2
from rustnet.dissect.smb.session import MAX_IDENTITIES, Session, Smb

_MAGICS = (b"\xfeSMB", b"\xffSMB", b"\xfdSMB", b"\xfcSMB")
_ENCRYPTED, _COMPRESSED = b"\xfdSMB", b"\xfcSMB"
_COMPRESSION = struct.Struct("<HHI")
"""In a compressed packet: algorithm, flags, and the size of the first part or of what is ahead of it."""
MAX_ENCRYPTED = 1000
"""Encrypted packets in succession after which a connection is no longer read."""
_COMMANDS = frozenset((*range(0x35), 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x80, 0x81, 0x82, *range(0xA0, 0xA6), 0xC0))
"""Commands of SMB 1 that a first message may have."""


class SmbParser(Parser):
    """Both directions of one connection."""

    __slots__ = ("compressed", "encrypted", "lost", "rest", "sealed", "session", "smb1", "smb2")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.session = Session(talk)
        self.smb1 = smb1.Smb1(self.session)
        self.smb2 = smb2.Smb2(self.session)
        self.rest = [0, 0]
        """By direction: bytes of the packet that hold further compounded commands."""
        self.encrypted = 0
        """Encrypted packets since the last one that was not."""
        self.sealed: set[int] = set()
        """Sessions whose encryption was recorded."""
        self.compressed = False
        self.lost = [False, False]
        """By direction: bytes are missing, and the beginning of the next packet is searched for."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the beginnings of packets and of the commands in them; skip the rest."""
        pos = 0
        size = len(data)
        while size - pos >= 8 and not self.talk.finished:
            if self.lost[from_src]:
                pos = self._resume(data, pos, from_src)
                continue
            at, length = pos, self.rest[from_src]
            if not length:
                at = pos + 4
                length = int.from_bytes(data[pos + 1 : at], "big")
                if data[pos] == 0x85 and length == 0:
                    pos = at
                    continue
                if data[pos] or data[at : at + 4] not in _MAGICS or length < 32:
                    raise DissectError("expected an SMB packet")
            if size - at < min(length, 64):
                break
            wanted = min(length, self._look(data, at) if length >= 64 else length)
            if size - at < wanted:
                break
            step = self._packet(data[at : at + wanted], at != pos, length, from_src)
            self.rest[from_src] = length - step if step else 0
            pos = at + (step or length)
        return pos

    def _look(self, data: bytes, pos: int) -> int:
        """Bytes of the message at ``pos`` that are needed to read it."""
        if data[pos] == 0xFE:
            return self.smb2.look(data, pos)
        return 64 if data[pos] == 0xFD else smb1.LOOK

    def cut(self, data: bytes, from_src: bool) -> None:
        """Read what is present of a packet whose end is lost; names that are not complete are left out."""
        at = 0 if self.rest[from_src] else 4
        least = {b"\xfeSMB": 64, b"\xffSMB": 33}.get(data[at : at + 4])
        if least is not None and len(data) >= at + least and not self.lost[from_src]:
            self._packet(data[at:], at > 0, smb1.LOOK << 8, from_src)

    def gap(self, size: int, from_src: bool) -> None:
        """Bytes are missing: look for the next packet."""
        self.lost[from_src] = True
        self.rest[from_src] = 0
        self.session.pipes.resume()

    def close(self) -> None:
        """Store what is pending."""
        self.session.close()

    def _packet(self, data: bytes, first: bool, length: int, from_src: bool) -> int:
        """Read one command, of ``length`` bytes in all; return the offset of one that follows it, or 0."""
        talk = self.talk
        magic = data[:4]
        from_client = from_src != (talk.src_port in {445, 139} and talk.dst_port not in {445, 139})
        step = 0
        if magic == b"\xfeSMB":
            following = int.from_bytes(data[20:24], "little")
            step = following if 64 <= following <= length - 64 else 0
            self.smb2.command(data[:step] if step else data, first)
        elif magic == b"\xffSMB":
            self.smb1.packet(data, len(data) == length)
        elif magic == _ENCRYPTED:
            self._sealed(data)
            return 0
        elif magic == _COMPRESSED:
            self._compressed(data)
        self.encrypted = 0
        if not self.session.named and self.session.identity.target is not None:
            self.session.name_server(talk.dst_ip if from_client == from_src else talk.src_ip)
        return step

    def _sealed(self, data: bytes) -> None:
        """Record that a session encrypts; others of the connection, or other shares, may not."""
        session = int.from_bytes(data[44:52], "little")
        if session not in self.sealed and len(self.sealed) < MAX_IDENTITIES:
            self.sealed.add(session)
            row = Smb(command="ENCRYPTED", dialect=self.session.dialect, session_id=session, encrypted=True)
            self.session.store_row(row)
        self.encrypted += 1
        if self.encrypted >= MAX_ENCRYPTED:
            self.session.close()
            self.talk.finish()

    def _compressed(self, data: bytes) -> None:
        """Record compression, and read the header of the command ahead of what is compressed ([MS-SMB2] 2.2.42)."""
        if not self.compressed:
            self.compressed = True
            self.session.store_row(Smb(command="COMPRESSED", dialect=self.session.dialect))
        algorithm, flags, size = _COMPRESSION.unpack_from(data, 8)
        if flags and algorithm:  # chained, the first part is compressed
            return
        plain = data[16 : 16 + size]
        if plain[:4] == b"\xfeSMB" and len(plain) >= 64:
            self.smb2.command(plain, True)

    def _resume(self, data: bytes, pos: int, from_src: bool) -> int:
        """Position of the next packet after a loss, or of the last bytes that may begin one."""
        for magic in _MAGICS[:2]:
            start = data.find(magic, pos + 4)
            if start >= 0 and data[start - 4] == 0 and data[start - 3] < 8:
                self.lost[from_src] = False
                return start - 4
        return max(len(data) - 7, pos + 1)


def _probe_smb(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a length followed by one of SMB's magic numbers."""
    if not data or data[0]:
        return NO
    if len(data) < 9:
        return MORE if len(data) <= 4 or any(m.startswith(data[4:8]) for m in _MAGICS) else NO
    magic = data[4:8]
    if magic not in _MAGICS or int.from_bytes(data[1:4], "big") < 32:
        return NO
    if magic == b"\xffSMB":
        return YES if data[8] in _COMMANDS else NO
    return YES if magic != b"\xfeSMB" or data[8] == 64 else NO


SMB = Dissector(
    "smb", "Server Message Block ([MS-SMB2])", ("tcp",), (445,), (Smb, Dcerpc), _probe_smb, SmbParser, first=b"\0"
)
