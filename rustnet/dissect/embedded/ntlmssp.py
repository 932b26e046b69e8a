"""NTLM authentication messages ([MS-NLMP]; in SPNEGO, RFC 4178): user, client and server. Responses are not kept."""

from rustnet.dissect.framework.reading import text, utf16

_SIGNATURE = b"NTLMSSP\0"
_UNICODE = 1
_VERSION = 0x0200_0000
_MAX_PAIRS = 16


class Identity:
    """The names in the messages of one authentication; later messages complete earlier ones."""

    __slots__ = ("dns_domain", "dns_name", "domain", "os_version", "target", "username", "workstation")

    def __init__(self) -> None:
        self.username: str | None = None
        self.domain: str | None = None
        self.workstation: str | None = None
        self.target: str | None = None
        """NetBIOS name of the server."""
        self.dns_name: str | None = None
        """DNS name of the server."""
        self.dns_domain: str | None = None
        """DNS name of the server's domain."""
        self.os_version: str | None = None
        """Version and build of the server's system."""

    def read(self, blob: bytes) -> int:
        """Read the NTLM message anywhere within ``blob``; return its type, 0 if there is none."""
        start = blob.find(_SIGNATURE)
        if start < 0 or len(blob) < start + 12:
            return 0
        message = blob[start:]
        kind = int.from_bytes(message[8:12], "little")
        if kind == 2:
            self._challenge(message)
        elif kind == 3:
            self._authenticate(message)
        return kind if kind in {1, 2, 3} else 0

    def _challenge(self, message: bytes) -> None:
        flags = int.from_bytes(message[20:24], "little")
        info = _field(message, 40)
        pos = 0
        for _ in range(_MAX_PAIRS):
            kind = int.from_bytes(info[pos : pos + 2], "little")
            size = int.from_bytes(info[pos + 2 : pos + 4], "little")
            value = info[pos + 4 : pos + 4 + size]
            pos += 4 + size
            if kind == 0 or pos > len(info):
                break
            if kind == 1:
                self.target = utf16(value)
            elif kind == 3:
                self.dns_name = utf16(value)
            elif kind == 4:
                self.dns_domain = utf16(value)
        if flags & _VERSION and len(message) >= 56 and message[48]:
            build = int.from_bytes(message[50:52], "little")
            self.os_version = f"{message[48]}.{message[49]}.{build}"

    def _authenticate(self, message: bytes) -> None:
        wide = len(message) < 64 or message[60] & _UNICODE != 0
        read = utf16 if wide else text
        self.domain = read(_field(message, 28)) or None
        self.username = read(_field(message, 36)) or None
        self.workstation = read(_field(message, 44)) or None


def _field(message: bytes, pos: int) -> bytes:
    """Bytes at the length and offset stored at ``pos``; empty if they exceed the message."""
    size = int.from_bytes(message[pos : pos + 2], "little")
    start = int.from_bytes(message[pos + 4 : pos + 8], "little")
    return message[start : start + size] if start + size <= len(message) else b""
