"""SSH (RFC 4253): identification, key exchange and its fingerprints (HASSH, Salesforce), as far as it is in the clear.

One row per connection, stored when both sides have sent NEWKEYS, after which everything is encrypted, or when the flow
ends. If the other side speaks HTTP instead, that is reported, and its messages are rows of HTTP.
"""

import re
from functools import lru_cache
from hashlib import md5

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.http.parser import HTTP
from rustnet.records import Fingerprint, Software, Term, record

MAX_LINE = 1024
"""Maximum size of a line before the binary packets; the RFC allows 255."""
MAX_LINES = 64
"""Lines that a server may send before its identification."""
MAX_PACKET = 65_000
MAX_FOREIGN = 8192
"""Bytes of an HTTP head that is waited for."""
MAX_NULS = 8
"""NUL bytes between an identification and the first binary packet that are skipped."""
PATIENCE = 64
"""Segments of encrypted data after which the parser no longer waits for the other direction's NEWKEYS."""
_KEXINIT, _NEWKEYS = 20, 21
_IDENTIFICATION = re.compile(rb"SSH-(1\.\d{1,3}|2\.0)-([\x20-\x7e\x80-\xff]*)").match
_HTTP = re.compile(rb"[A-Z]{3,20} [^\x00-\x20\x7f]+ HTTP/[0-9]|HTTP/[0-9]\.[0-9] [0-9]{3}").match
_KNOWN = re.compile(rb"SSH-(?:2\.0-|1\.[0-9]{1,3}(?:-|\Z))").match
_BEHIND = re.compile(rb"[^\x00]*\nSSH-(?:2\.0-|1\.)").match
"""An identification after other lines."""
_END = re.compile(rb"[\r\x00 ]{1,8}\n").match
_TEXT = re.compile(rb"[\x20-\x7e]{6}").match
_SOFTWARE = re.compile(r"[^ ]+").match
_COMBINED = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
"""Ciphers that authenticate by themselves: no MAC is used."""
_STRICT = ("kex-strict-c-v00@openssh.com", "kex-strict-s-v00@openssh.com")


@record("ssh")
class Ssh:
    """One SSH connection, as far as it is in the clear."""

    client_banner: Software | None = None
    """Identification line of the client."""
    server_banner: Software | None = None
    """Identification line of the server."""
    client_software: Software | None = None
    """Software version in the client's line."""
    server_software: Software | None = None
    """Software version in the server's line."""
    hassh: Fingerprint | None = None
    """HASSH fingerprint of the client."""
    hassh_server: Fingerprint | None = None
    """HASSH fingerprint of the server."""
    kex: Term | None = None
    """Key exchange method chosen; NULL unless both sides were seen and agree."""
    host_key: Term | None = None
    """Host key algorithm chosen."""
    cipher: Term | None = None
    """Cipher chosen from client to server."""
    server_cipher: Term | None = None
    """Cipher chosen from server to client."""
    mac: Term | None = None
    """MAC chosen from client to server; NULL if the cipher needs none."""
    server_mac: Term | None = None
    """MAC chosen from server to client; NULL if the cipher needs none."""
    compression: Term | None = None
    """Compression chosen from client to server."""
    server_compression: Term | None = None
    """Compression chosen from server to client."""
    strict_kex: bool | None = None
    """Both sides offered strict key exchange (the counter to Terrapin)."""
    established: bool = False
    """Both sides have changed to the new keys."""


class Offer:
    """The algorithms of one KEXINIT."""

    __slots__ = ("hassh_client", "hassh_server", "lists")

    def __init__(self, lists: list[str]) -> None:
        self.lists = lists
        """The ten name-lists of RFC 4253, 7.1, each with commas."""
        self.hassh_client = _md5(lists[0], lists[2], lists[4], lists[6])
        self.hassh_server = _md5(lists[0], lists[3], lists[5], lists[7])


def _md5(*lists: str) -> str:
    return md5(";".join(lists).encode("latin-1"), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=512)
def _offer(payload: bytes) -> Offer:
    """Algorithms of a KEXINIT without its type and cookie."""
    pos = 0
    size = len(payload)
    lists = []
    for _ in range(10):
        start = pos + 4
        pos = start + int.from_bytes(payload[pos:start], "big")
        if start > size or pos > size:
            raise DissectError("name-list exceeds its KEXINIT")
        lists.append(payload[start:pos].decode("latin-1"))
    return Offer(lists)


def _chosen(client: str, server: str) -> str | None:
    """First algorithm of the client's list that the server has too."""
    offered = frozenset(server.split(","))
    for name in client.split(","):
        if name in offered:
            return name or None
    return None


class SshParser(OneRowParser[Ssh]):
    """Both directions of one connection."""

    __slots__ = ("foreign", "identified", "lines", "new_keys", "offers", "packets", "patience")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Ssh())
        self.lines = [0, 0]
        """By direction: lines read."""
        self.identified = [False, False]
        """By direction: the identification was seen, binary packets follow."""
        self.foreign = [False, False]
        """By direction: its sender speaks HTTP."""
        self.packets = [0, 0]
        """By direction: binary packets read."""
        self.offers: list[Offer | None] = [None, None]
        self.new_keys = [False, False]
        self.patience = PATIENCE

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read lines up to the identification, then binary packets up to NEWKEYS."""
        side = 1 if self._is_client(from_src) else 0
        pos = 0
        size = len(data)
        while pos < size and not self.talk.finished:
            if self.new_keys[side]:
                self.patience -= 1
                if self.patience <= 0:
                    self.finish()
                return size
            if self.foreign[side]:
                return size
            if not self.identified[side]:
                after = self._line(data, pos, side, from_src)
            else:
                after = self._packet(data, pos, side)
            if after == pos:
                return pos
            pos = after
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Store what is known, unless the missing packets were encrypted anyway."""
        if not self.new_keys[1 if self._is_client(from_src) else 0]:
            self.finish()

    def _is_client(self, from_src: bool) -> bool:
        """Whether a direction is the client's: the flow's initiator, unless only its port is 22."""
        talk = self.talk
        return from_src != (talk.src_port == 22 and talk.dst_port != 22)

    def store(self) -> None:
        """Store the row with the algorithms that both sides agree on."""
        self._choose()
        super().store()

    def _line(self, data: bytes, pos: int, side: int, from_src: bool) -> int:
        """Read one line of text; the last one is the identification."""
        end = data.find(b"\n", pos, pos + MAX_LINE)
        match = _IDENTIFICATION(data, pos)
        if match is not None and data[match.end() : match.end() + 1] == b"\r":
            ended = _END(data, match.end())
            if ended is not None:
                end = ended.end() - 1
            elif len(data) > match.end() + 6:  # some senders end it with CR alone
                end = match.end()
        if end < 0:
            if len(data) - pos >= MAX_LINE:
                self.reject(DissectError("line before the identification exceeds {limit} bytes", limit=MAX_LINE))
                return len(data)
            return pos
        line = data[pos:end].rstrip(b"\r")
        if match is not None:
            self.lines[side] += 1
            self._identify(match, side)
        elif self.begun and _HTTP(line):
            return self._read_http(data, pos, side, from_src)
        else:
            self._other_line(line, side)
        return end + 1

    def _other_line(self, line: bytes, side: int) -> None:
        """Skip a line that is not the identification: a server may send some; of a client empty ones are tolerated."""
        self.lines[side] += 1
        error = DissectError("expected an SSH identification line")
        if side and not line.strip(b"\0 ") and self.begun:
            if self.lines[1] == 1:
                self.talk.anomaly("malformed_ssh", str(error))
        elif side or self.lines[0] > MAX_LINES or (not self.begun and line.startswith(b"SSH-")):
            self.reject(error)

    def _read_http(self, data: bytes, pos: int, side: int, from_src: bool) -> int:
        """Let HTTP read the messages of a side that takes the other one for its peer; nothing else is read of it."""
        if b"\n\r\n" not in data[pos:] and b"\n\n" not in data[pos:] and len(data) - pos < MAX_FOREIGN:
            return pos
        self.foreign[side] = True
        sender = "client" if side else "server"
        self.talk.anomaly("malformed_ssh", f"the {sender} speaks HTTP, the other side SSH")
        parser = HTTP.parser(self.talk)
        parser.stream(data[pos:], from_src)
        parser.close()
        return len(data)

    def _identify(self, match: re.Match[bytes], side: int) -> None:
        if not self.begun:
            self.begin()
            self.talk.state = "BANNER"
        self.identified[side] = True
        banner = match.group().decode("latin-1").rstrip(" ")
        software = _SOFTWARE(match.group(2).decode("latin-1"))
        name = software.group() if software is not None else None
        row = self.row
        if side:
            row.client_banner, row.client_software = banner, name
        else:
            row.server_banner, row.server_software = banner, name
        version = match.group(1)
        if version not in {b"2.0", b"1.99"} and (self.identified[1 - side] or side == 1):
            self.finish()  # SSH 1 has another binary protocol

    def _packet(self, data: bytes, pos: int, side: int) -> int:
        """Read one binary packet that is not encrypted."""
        if len(data) - pos < 6:
            return pos
        start = pos
        if not self.packets[side] and data[pos + 5] != _KEXINIT:
            if _TEXT(data, pos):  # a complaint about the other side's identification
                self.finish()
                return len(data)
            if data[pos : pos + 3] == bytes(3) and len(data) - pos < MAX_NULS + 6:
                return pos
            pos = _after_nuls(data, pos)
        self.packets[side] += 1
        length = int.from_bytes(data[pos : pos + 4], "big")
        padding = data[pos + 4]
        if not padding + 2 <= length <= MAX_PACKET:
            self.reject(DissectError("binary packet length {length} is out of range", length=length))
            return len(data)
        kind = data[pos + 5]
        end = pos + 4 + length
        if kind == _KEXINIT:
            if end > len(data):
                self.packets[side] -= 1
                return start
            self._key_exchange(data[pos + 5 : end - padding], side)
        elif kind == _NEWKEYS:
            self._switched(side)
        return end

    def _key_exchange(self, payload: bytes, side: int) -> None:
        self.talk.state = "KEYEXCHANGE"
        try:
            offer = _offer(payload[17:])
        except DissectError as error:
            self.reject(error)
            return
        self.offers[side] = offer
        if side:
            self.row.hassh = offer.hassh_client
        else:
            self.row.hassh_server = offer.hassh_server

    def _switched(self, side: int) -> None:
        """Handle NEWKEYS."""
        self.new_keys[side] = True
        if self.new_keys[1 - side]:
            self.talk.state = "ESTABLISHED"
            self.row.established = True
            self.finish()
        else:
            self.talk.state = "AUTHENTICATION"

    def _choose(self) -> None:
        """Determine the algorithms that both offers agree on (RFC 4253, 7.1)."""
        server, client = self.offers
        if server is None or client is None:
            return
        row = self.row
        ours, theirs = client.lists, server.lists
        row.kex, row.host_key, row.cipher, row.server_cipher, row.mac, row.server_mac, to_server, to_client = (
            _chosen(a, b) for a, b in zip(ours[:8], theirs[:8], strict=True)
        )
        row.compression, row.server_compression = to_server, to_client
        if row.cipher in _COMBINED:
            row.mac = None
        if row.server_cipher in _COMBINED:
            row.server_mac = None
        row.strict_kex = _STRICT[0] in ours[0].split(",") and _STRICT[1] in theirs[0].split(",")


def _after_nuls(data: bytes, pos: int) -> int:
    """Position of the first KEXINIT after NUL bytes that some senders put after their identification."""
    for shift in range(1, MAX_NULS + 1):
        if data[pos + shift - 1]:
            break
        at = pos + shift
        if at + 6 <= len(data) and data[at + 5] == _KEXINIT and data[at + 4] + 2 <= int.from_bytes(data[at : at + 4]):
            return at
    return pos


def _probe_ssh(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise an identification line; on port 22 a server may send other lines first."""
    if data.startswith(b"SSH-"):
        if len(data) < 8:
            return MORE
        return YES if _KNOWN(data) else NO
    if b"SSH-".startswith(data):
        return MORE
    if talk.src_port != 22 and talk.dst_port != 22:
        return NO
    if _BEHIND(data):
        return YES
    return NO if len(data) >= 4 * MAX_LINE or b"\0" in data else MORE


SSH = Dissector("ssh", "Secure Shell (RFC 4253)", ("tcp",), (22,), (Ssh,), _probe_ssh, SshParser, first=b"S")
