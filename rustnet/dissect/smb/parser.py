"""SMB 1, 2 and 3 over TCP, direct or within a NetBIOS session (RFC 1002; [MS-CIFS], [MS-SMB2]).

One row per request that names a dialect, a user, a share or a file; one per entry of a directory listing, one per file
closed after data was transferred. Contents are skipped. Encryption is recorded once, then the flow is no longer read.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Parser
from rustnet.dissect.smb import smb1, smb2
from rustnet.dissect.smb.session import Session, Smb

_MAGICS = (b"\xfeSMB", b"\xffSMB", b"\xfdSMB", b"\xfcSMB")
_ENCRYPTED, _COMPRESSED = b"\xfdSMB", b"\xfcSMB"
_COMMANDS = frozenset((*range(0x35), 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x80, 0x81, 0x82, *range(0xA0, 0xA6), 0xC0))
"""Commands of SMB 1 that a first message may have."""


class SmbParser(Parser):
    """Both directions of one connection."""

    __slots__ = ("lost", "session", "smb1", "smb2")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.session = Session(talk)
        self.smb1 = smb1.Smb1(self.session)
        self.smb2 = smb2.Smb2(self.session)
        self.lost = [False, False]
        """By direction: bytes are missing, and the beginning of the next packet is searched for."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the beginnings of packets; skip the rest of them."""
        pos = 0
        size = len(data)
        while size - pos >= 8 and not self.talk.finished:
            if self.lost[from_src]:
                pos = self._resume(data, pos, from_src)
                continue
            length = int.from_bytes(data[pos + 1 : pos + 4], "big")
            if data[pos] == 0x85 and length == 0:
                pos += 4
                continue
            magic = data[pos + 4 : pos + 8]
            if data[pos] or magic not in _MAGICS or length < 32:
                raise DissectError("expected an SMB packet")
            if size - pos < min(length, 64) + 4:
                break
            wanted = min(length, smb2.look(data, pos + 4) if magic == b"\xfeSMB" and length >= 64 else smb1.LOOK)
            if size - pos - 4 < wanted:
                break
            self._packet(data[pos + 4 : pos + 4 + wanted], magic, from_src)
            pos += 4 + length
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Bytes are missing: look for the next packet."""
        self.lost[from_src] = True

    def close(self) -> None:
        """Store what is pending."""
        self.session.close()

    def _packet(self, data: bytes, magic: bytes, from_src: bool) -> None:
        talk = self.talk
        from_client = from_src != (talk.src_port in {445, 139} and talk.dst_port not in {445, 139})
        if magic == b"\xfeSMB":
            self.smb2.packet(data)
        elif magic == b"\xffSMB":
            self.smb1.packet(data)
        else:
            if magic == _ENCRYPTED:
                self.session.close()
                self.session.store_row(Smb(command="ENCRYPTED", dialect=self.session.dialect, encrypted=True))
                talk.finish()
            return
        if not self.session.named and self.session.identity.target is not None:
            self.session.name_server(talk.dst_ip if from_client == from_src else talk.src_ip)

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


SMB = Dissector("smb", "Server Message Block ([MS-SMB2])", ("tcp",), (445,), (Smb,), _probe_smb, SmbParser, first=b"\0")
