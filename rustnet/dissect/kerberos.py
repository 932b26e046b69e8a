"""Kerberos 5 over UDP and TCP (RFC 4120). One row per message. Tickets and encrypted parts are not kept."""

from rustnet.dissect.framework.ber import Part, fields, integer, measure, part, parts
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.records import Flags32, FreeText, Host, Mixed, User, Word, record

MAX_MESSAGE = 1 << 20
_MAX_LISTED = 32
_MESSAGES = {
    0x6A: "AS-REQ", 0x6B: "AS-REP", 0x6C: "TGS-REQ", 0x6D: "TGS-REP", 0x6E: "AP-REQ", 0x6F: "AP-REP", 0x74: "KRB-SAFE",
    0x75: "KRB-PRIV", 0x76: "KRB-CRED", 0x7E: "KRB-ERROR",
}  # fmt: skip
_REQUESTS = (0x6A, 0x6C)
_REPLIES = (0x6B, 0x6D)
_PROOFS = frozenset((2, 16, 14, 138, 151))
"""Types of preauthentication data that prove knowledge of the key."""
_ETYPES = {
    1: "des-cbc-crc", 2: "des-cbc-md4", 3: "des-cbc-md5", 5: "des3-cbc-md5", 7: "des3-cbc-sha1",
    15: "rc2CBC-EnvOID", 16: "des3-cbc-sha1-kd", 17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96",
    19: "aes128-cts-hmac-sha256-128", 20: "aes256-cts-hmac-sha384-192", 23: "rc4-hmac", 24: "rc4-hmac-exp",
    25: "camellia128-cts-cmac", 26: "camellia256-cts-cmac", -128: "rc4-md4", -133: "rc4-hmac-old",
    -135: "rc4-hmac-old-exp",
}  # fmt: skip
_PADATA = {
    1: "PA-TGS-REQ", 2: "PA-ENC-TIMESTAMP", 3: "PA-PW-SALT", 11: "PA-ETYPE-INFO", 14: "PA-PK-AS-REQ-OLD",
    15: "PA-PK-AS-REP-OLD", 16: "PA-PK-AS-REQ", 17: "PA-PK-AS-REP", 19: "PA-ETYPE-INFO2", 128: "PA-PAC-REQUEST",
    129: "PA-FOR-USER", 130: "PA-FOR-X509-USER", 133: "PA-FX-COOKIE", 136: "PA-FX-FAST", 138: "PA-ENCRYPTED-CHALLENGE",
    147: "PA-OTP", 149: "PA-REQ-ENC-PA-REP", 150: "PA-AS-FRESHNESS", 151: "PA-SPAKE", 165: "PA-SUPPORTED-ENCTYPES",
    167: "PA-PAC-OPTIONS",
}  # fmt: skip
_ERRORS = {
    0: "KDC_ERR_NONE", 1: "KDC_ERR_NAME_EXP", 2: "KDC_ERR_SERVICE_EXP", 3: "KDC_ERR_BAD_PVNO",
    6: "KDC_ERR_C_PRINCIPAL_UNKNOWN", 7: "KDC_ERR_S_PRINCIPAL_UNKNOWN", 8: "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
    9: "KDC_ERR_NULL_KEY", 10: "KDC_ERR_CANNOT_POSTDATE", 11: "KDC_ERR_NEVER_VALID", 12: "KDC_ERR_POLICY",
    13: "KDC_ERR_BADOPTION", 14: "KDC_ERR_ETYPE_NOSUPP", 15: "KDC_ERR_SUMTYPE_NOSUPP", 16: "KDC_ERR_PADATA_TYPE_NOSUPP",
    18: "KDC_ERR_CLIENT_REVOKED", 19: "KDC_ERR_SERVICE_REVOKED", 20: "KDC_ERR_TGT_REVOKED",
    21: "KDC_ERR_CLIENT_NOTYET", 22: "KDC_ERR_SERVICE_NOTYET", 23: "KDC_ERR_KEY_EXPIRED",
    24: "KDC_ERR_PREAUTH_FAILED", 25: "KDC_ERR_PREAUTH_REQUIRED", 26: "KDC_ERR_SERVER_NOMATCH",
    27: "KDC_ERR_MUST_USE_USER2USER", 28: "KDC_ERR_PATH_NOT_ACCEPTED", 29: "KDC_ERR_SVC_UNAVAILABLE",
    31: "KRB_AP_ERR_BAD_INTEGRITY", 32: "KRB_AP_ERR_TKT_EXPIRED", 33: "KRB_AP_ERR_TKT_NYV", 34: "KRB_AP_ERR_REPEAT",
    35: "KRB_AP_ERR_NOT_US", 36: "KRB_AP_ERR_BADMATCH", 37: "KRB_AP_ERR_SKEW", 38: "KRB_AP_ERR_BADADDR",
    39: "KRB_AP_ERR_BADVERSION", 40: "KRB_AP_ERR_MSG_TYPE", 41: "KRB_AP_ERR_MODIFIED", 42: "KRB_AP_ERR_BADORDER",
    44: "KRB_AP_ERR_BADKEYVER", 45: "KRB_AP_ERR_NOKEY", 46: "KRB_AP_ERR_MUT_FAIL", 47: "KRB_AP_ERR_BADDIRECTION",
    48: "KRB_AP_ERR_METHOD", 49: "KRB_AP_ERR_BADSEQ", 50: "KRB_AP_ERR_INAPP_CKSUM", 52: "KRB_ERR_RESPONSE_TOO_BIG",
    60: "KRB_ERR_GENERIC", 61: "KRB_ERR_FIELD_TOOLONG", 68: "KDC_ERR_WRONG_REALM", 90: "KDC_ERR_PREAUTH_EXPIRED",
    91: "KDC_ERR_MORE_PREAUTH_DATA_REQUIRED",
}  # fmt: skip


@record("kerberos")
class Kerberos:
    """One Kerberos message."""

    message: Word | None = None
    """`AS-REQ`, `AS-REP`, `TGS-REQ`, `TGS-REP`, `KRB-ERROR` …."""
    cname: User | None = None
    """Client: the parts of its name joined by `/`."""
    realm: Host | None = None
    """Realm of the requested server in requests and errors, of the client in replies."""
    sname: Mixed | None = None
    """Service that a ticket is for, such as `krbtgt/EXAMPLE.COM`."""
    error: Word | None = None
    """Error of a `KRB-ERROR`."""
    error_text: FreeText | None = None
    """Text that the error carries."""
    etypes: list[Word] | None = None
    """Encryption types that the client offers."""
    ticket_etype: Word | None = None
    """Encryption of the ticket: a service's long-term key."""
    reply_etype: Word | None = None
    """Encryption of the reply's own part; with `rc4-hmac` and no preauthentication open to guessing."""
    padata: list[Word] | None = None
    """Kinds of preauthentication data."""
    preauthenticated: bool | None = None
    """An `AS-REQ` proves knowledge of the key."""
    kdc_options: Flags32 | None = None
    """Options of a request, as bits: forwardable is 0x40000000."""
    till: FreeText | None = None
    """End of validity that a request asks for, as written: `20370913024805Z`."""
    addresses: list[Host] | None = None
    """NetBIOS names among the client's addresses."""


def _name(data: bytes, value: Part) -> str | None:
    """A principal name: the strings of its sequence."""
    strings = fields(data, value[1], value[2]).get(1)
    if strings is None:
        return None
    return "/".join([text(data[start:end]) for _, start, end in parts(data, strings[1], strings[2], 8)]) or None


def _etype(number: int) -> str:
    return _ETYPES.get(number) or f"etype{number}"


def _encryption(data: bytes, value: Part) -> str | None:
    """Encryption type of an EncryptedData."""
    kind = fields(data, value[1], value[2]).get(0)
    return _etype(integer(data, kind)) if kind is not None else None


class KerberosParser(RowParser):
    """Messages of one flow."""

    __slots__ = ("read", "unsynchronised")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.read = [False, False]
        """By direction: a message was read."""
        self.unsynchronised = [False, False]
        """By direction: the capture begins within a message, so message boundaries are unknown."""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        self._message(data)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete messages, each preceded by its length."""
        pos = 0
        while len(data) - pos >= 5 and not self.talk.finished:
            size = int.from_bytes(data[pos : pos + 4], "big")
            if not 0 < size <= MAX_MESSAGE or data[pos + 4] not in _MESSAGES:
                if self.read[from_src] or not self.rows:
                    raise DissectError("expected a Kerberos message")
                self.unsynchronised[from_src] = True
            if self.unsynchronised[from_src]:
                return len(data)
            if len(data) - pos - 4 < size:
                break
            self._message(data[pos + 4 : pos + 4 + size])
            self.read[from_src] = True
            pos += 4 + size
        return pos

    def _message(self, data: bytes) -> None:
        tag, start, end = part(data, 0, len(data))
        kind = _MESSAGES.get(tag)
        if kind is None:
            raise DissectError("unknown message tag {tag:#04x}", tag=tag)
        row = Kerberos(message=kind)
        _, start, end = part(data, start, end)
        members = fields(data, start, end)
        if tag in _REQUESTS:
            self._request(data, members, row, tag)
        elif tag in _REPLIES:
            self._reply(data, members, row)
        elif tag == 0x7E:
            _error(data, members, row)
        elif tag == 0x6E and 3 in members:
            _ticket(data, members[3], row)
        self.store_row(row)

    def _request(self, data: bytes, members: dict[int, Part], row: Kerberos, tag: int) -> None:
        """Read an AS-REQ or TGS-REQ (RFC 4120, 5.4.1)."""
        kinds = _padata(data, members.get(3), row)
        if tag == 0x6A:
            row.preauthenticated = not _PROOFS.isdisjoint(kinds)
        asked = members.get(4)
        if asked is None:
            raise DissectError("expected a request body")
        body = fields(data, asked[1], asked[2])
        if 0 in body:
            options = data[body[0][1] + 1 : body[0][2]][:4]
            row.kdc_options = int.from_bytes(options.ljust(4, b"\0"), "big")
        if 1 in body:
            row.cname = _name(data, body[1])
        if 2 in body:
            row.realm = text(data[body[2][1] : body[2][2]])
        if 3 in body:
            row.sname = _name(data, body[3])
        if 5 in body:
            row.till = text(data[body[5][1] : body[5][2]], 32)
        if 8 in body:
            row.etypes = [_etype(integer(data, p)) for p in parts(data, body[8][1], body[8][2], _MAX_LISTED)]
        if 9 in body:
            row.addresses = self._hosts(data, body[9])

    def _hosts(self, data: bytes, value: Part) -> list[str] | None:
        """NetBIOS names (type 20) among host addresses, which name the client machine."""
        names = []
        for _, start, end in parts(data, value[1], value[2], _MAX_LISTED):
            host = fields(data, start, end)
            if 0 in host and 1 in host and integer(data, host[0]) == 20:
                names.append(text(data[host[1][1] : host[1][2]].rstrip(b" \0")))
        for name in names:
            if name and self.talk.dst_port == 88:
                self.learn_name(self.talk.src_ip, name, "kerberos")
        return names or None

    def _reply(self, data: bytes, members: dict[int, Part], row: Kerberos) -> None:
        """Read an AS-REP or TGS-REP (RFC 4120, 5.4.2)."""
        _padata(data, members.get(2), row)
        if 3 in members:
            row.realm = text(data[members[3][1] : members[3][2]])
        if 4 in members:
            row.cname = _name(data, members[4])
        if 5 in members:
            _ticket(data, members[5], row)
        if 6 in members:
            row.reply_etype = _encryption(data, members[6])


def _padata(data: bytes, value: Part | None, row: Kerberos) -> list[int]:
    """Kinds of the preauthentication data."""
    if value is None:
        return []
    kinds = []
    for _, start, end in parts(data, value[1], value[2], _MAX_LISTED):
        kind = fields(data, start, end).get(1)
        if kind is not None:
            kinds.append(integer(data, kind))
    row.padata = [_PADATA.get(kind) or f"PA-{kind}" for kind in kinds] or None
    return kinds


def _ticket(data: bytes, value: Part, row: Kerberos) -> None:
    """Read service and encryption of a ticket (RFC 4120, 5.3)."""
    _, start, end = part(data, value[1], value[2])
    members = fields(data, start, end)
    if 2 in members:
        row.sname = _name(data, members[2])
    if row.realm is None and 1 in members:
        row.realm = text(data[members[1][1] : members[1][2]])
    if 3 in members:
        row.ticket_etype = _encryption(data, members[3])


def _error(data: bytes, members: dict[int, Part], row: Kerberos) -> None:
    """Read a KRB-ERROR (RFC 4120, 5.9.1)."""
    if 6 in members:
        code = integer(data, members[6])
        row.error = _ERRORS.get(code) or f"error{code}"
    if 8 in members:
        row.cname = _name(data, members[8])
    if 9 in members:
        row.realm = text(data[members[9][1] : members[9][2]])
    if 10 in members:
        row.sname = _name(data, members[10])
    if 11 in members:
        row.error_text = text(data[members[11][1] : members[11][2]]) or None


def _probe_kerberos(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise an application tag, a sequence within it, and version 5 as its first or second member."""
    pos = 0
    if talk.transport == "tcp":
        if not data or data[0]:
            return NO
        if len(data) < 5:
            return MORE
        pos = 4
    if len(data) > pos and data[pos] not in _MESSAGES:
        return NO
    if len(data) < pos + 24:
        return MORE if talk.transport == "tcp" else NO
    size = measure(data, pos)
    if talk.transport == "tcp":
        if size != int.from_bytes(data[:4], "big"):
            return NO
    elif size != len(data):
        return NO
    return YES if _has_version(data, pos) else NO


def _has_version(data: bytes, pos: int) -> bool:
    """Whether the message's sequence begins with protocol version 5 and a message type."""
    pos += 2 + (data[pos + 1] & 0x7F if data[pos + 1] & 0x80 else 0)
    if data[pos : pos + 1] != b"\x30" or pos + 1 >= len(data):
        return False
    pos += 2 + (data[pos + 1] & 0x7F if data[pos + 1] & 0x80 else 0)
    version, kind = data[pos : pos + 5], data[pos + 5 : pos + 9]
    return version[1:] == b"\x03\x02\x01\x05" and (version[:1] + kind) in {
        b"\xa0\xa1\x03\x02\x01",
        b"\xa1\xa2\x03\x02\x01",
    }


KERBEROS = Dissector(
    "kerberos", "Kerberos 5 (RFC 4120)", ("udp", "tcp"), (88,), (Kerberos,), _probe_kerberos, KerberosParser,
    first=bytes((0, *_MESSAGES)),
    shapes={"udp": Shape(24, {0: bytes(_MESSAGES)}), "tcp": Shape(at={0: b"\0", 4: bytes(_MESSAGES)})},
)  # fmt: skip
