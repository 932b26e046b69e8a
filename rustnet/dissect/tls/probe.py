"""The probe of TLS: a record header followed by matching content (RFC 8446, 5246, E.2)."""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation
from rustnet.dissect.tls.names import ALERT_LEVELS

MAX_RECORD = 16_384 + 2_048
MAX_MESSAGE = 131_072
"""Maximum size of a handshake message that is read."""

CHANGE, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
_FIRST = bytes(kind in {0, 1, 2, 4, 11, 12, 13, 14, 15, 16, 20, 22} for kind in range(256))
"""For each type of handshake message, whether a stream may begin with it."""
STARTS = bytes((CHANGE, ALERT, HANDSHAKE, DATA, *range(0x80, 0x100)))
PORTS = (443, 8443, 993, 995, 465, 990, 989, 636, 853, 5061, 5223, 5228, 8883, 6697, 9443, 4433, 6514, 3269)


def probe_tls(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a record header followed by a handshake message, an alert or another record that fits it."""
    if not data:
        return NO
    kind = data[0]
    if kind == HANDSHAKE:
        if len(data) < 6:
            return MORE if data[1:2] in {b"", b"\x03"} else NO
        length = data[3] << 8 | data[4]
        if data[1] != 3 or data[2] > 4 or not 4 <= length <= MAX_RECORD:
            return NO
        return _probe_handshake(data, talk, length)
    if kind & 0x80:
        return _probe_ssl2(data) if data[2:3] in {b"", b"\x01"} else NO
    if kind in {CHANGE, ALERT, DATA}:
        return _probe_midstream(data, talk, kind)
    return NO


def _probe_handshake(data: bytes, talk: Conversation, length: int) -> int:
    if _FIRST[data[5]]:
        if data[5] > 2:
            return YES if len(data) < 9 or (data[6] << 16 | data[7] << 8 | data[8]) <= MAX_MESSAGE else NO
        if len(data) < 11:
            return MORE
        old_draft = data[5] == 2 and data[9] == 0x7F  # of TLS 1.3
        return YES if data[6] <= 1 and (data[9] == 3 or data[5] == 0 or old_draft) else NO
    # Encrypted: accepted on the standard ports only.
    return YES if talk.has_port(*PORTS) and length >= 16 else NO


def _probe_ssl2(data: bytes) -> int:
    if len(data) < 11:
        return MORE if len(data) < 4 or data[3] in {0, 3} else NO
    ciphers = data[5] << 8 | data[6]
    session = data[7] << 8 | data[8]
    challenge = data[9] << 8 | data[10]
    version = data[3] << 8 | data[4]
    fits = ((data[0] & 0x7F) << 8 | data[1]) == 9 + ciphers + session + challenge
    sane = ciphers % 3 == 0 and ciphers > 0 and session in {0, 16} and 16 <= challenge <= 32
    return YES if data[2] == 1 and fits and sane and (version == 2 or 0x0300 <= version <= 0x0303) else NO


def _probe_midstream(data: bytes, talk: Conversation, kind: int) -> int:
    """Recognise records within a connection: the next header must fit, except on the standard ports."""
    if len(data) < 5:
        return MORE if data[1:2] in {b"", b"\x03"} and talk.has_port(*PORTS) else NO
    length = data[3] << 8 | data[4]
    if data[1] != 3 or data[2] > 3 or not 1 <= length <= MAX_RECORD:
        return NO
    if kind == CHANGE:
        return YES if length == 1 and data[5:6] in {b"", b"\x01"} else NO
    if kind == ALERT and length == 2:
        return YES if len(data) >= 7 and data[5] in ALERT_LEVELS else NO
    after = 5 + length
    if len(data) >= after + 3:
        return YES if CHANGE <= data[after] <= HEARTBEAT and data[after + 1] == 3 and data[after + 2] <= 3 else NO
    return YES if talk.has_port(*PORTS) and length >= 16 else NO
