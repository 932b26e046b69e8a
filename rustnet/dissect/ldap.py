"""LDAP version 2 and 3 over TCP, and CLDAP over UDP (RFC 4511). One row per operation, with its result.

Entries in results are counted, not kept; passwords and attribute values of changes are not read.
"""

import re

from rustnet.dissect.embedded.ntlmssp import Identity
from rustnet.dissect.framework import ber
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import mechanism_name
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text, utf16
from rustnet.dissect.framework.requests import RequestParser
from rustnet.dissect.framework.secrets import raw_parts, reply_text
from rustnet.dissect.tls.parser import TLS
from rustnet.records import Count32, DistinguishedName, FreeText, Host, Term, User, Word, record

_LOOK = 16_384
"""Bytes of a message that are buffered; the rest is skipped."""
_MAX_LISTED = 64
_MAX_FILTER = 1024
_MAX_DEPTH = 12
_OPERATIONS = {
    0x60: "bind", 0x42: "unbind", 0x63: "search", 0x66: "modify", 0x68: "add", 0x4A: "delete", 0x6C: "rename",
    0x6E: "compare", 0x50: "abandon", 0x77: "extended",
}  # fmt: skip
_ANSWERS = {0x61, 0x65, 0x67, 0x69, 0x6B, 0x6D, 0x6F, 0x78}
_ENTRY, _REFERENCE, _INTERMEDIATE = 0x64, 0x73, 0x79
_TAGS = frozenset((*_OPERATIONS, *_ANSWERS, _ENTRY, _REFERENCE, _INTERMEDIATE))
_SCOPES = {0: "base", 1: "one", 2: "subtree", 3: "children"}
_START_TLS = "1.3.6.1.4.1.1466.20037"
_RESULTS = {
    0: "success", 1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded",
    5: "compareFalse", 6: "compareTrue", 7: "authMethodNotSupported", 8: "strongerAuthRequired", 10: "referral",
    11: "adminLimitExceeded", 12: "unavailableCriticalExtension", 13: "confidentialityRequired",
    14: "saslBindInProgress", 16: "noSuchAttribute", 17: "undefinedAttributeType", 18: "inappropriateMatching",
    19: "constraintViolation", 20: "attributeOrValueExists", 21: "invalidAttributeSyntax", 32: "noSuchObject",
    33: "aliasProblem", 34: "invalidDNSyntax", 36: "aliasDereferencingProblem", 48: "inappropriateAuthentication",
    49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
    53: "unwillingToPerform", 54: "loopDetect", 64: "namingViolation", 65: "objectClassViolation",
    66: "notAllowedOnNonLeaf", 67: "notAllowedOnRDN", 68: "entryAlreadyExists", 69: "objectClassModsProhibited",
    71: "affectsMultipleDSAs", 80: "other",
}  # fmt: skip


_SECRET_ATTRIBUTE = re.compile(
    r"(?i)(?:pass(?:w(?:or)?d|phrase)?|pwd|pword|secret|privatekey|rootpw|principalkey|krbmkey|nthash|lmhash|pkcs12"
    r"|credential|authtoken|authincoming|authoutgoing|otpkey|apikey|accesstoken|currentvalue|keyfile"
    r"|^2\.5\.4\.35$|^1\.2\.840\.113556\.1\.4\."
    r"(?:55|90|94|125|160)$)"
).search
"""Names of attributes whose values are passwords or keys: userPassword, unicodePwd, sambaNTPassword, ms-Mcs-AdmPwd …"""
_ABOUT_SECRET = re.compile(
    r"(?i)(?:count$|time$|age$|length$|^last|last(?:set|change)|propert|polic|expir|changed|lockout|mustchange|allow"
    r"|quality|warn|grace|attribute$|interval|duration|required|scheme|question|subentry|checksyntax)"
).search
"""Names of attributes about passwords: pwdLastSet, badPwdCount …"""
_RDN = re.compile(r"([^=,+\s]{1,128})(\s*=\s*)((?:\\.|[^,+\\])*)")
_OID = re.compile(rb"[0-9]+(?:\.[0-9]+)*").fullmatch
_MODIFY_PASSWORD = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105 - an operation


def _is_secret(attribute: str) -> bool:
    """Whether an attribute's values are passwords or keys; options after its name don't matter."""
    name = attribute.partition(";")[0]
    return _SECRET_ATTRIBUTE(name) is not None and _ABOUT_SECRET(name) is None


def _name(raw: bytes) -> str:
    """A distinguished name without the values of attributes that are secret."""
    name = text(raw)
    if _SECRET_ATTRIBUTE(name) is None and "2.5.4.35" not in name and "1.2.840" not in name:
        return name
    return _RDN.sub(lambda part: f"{part[1]}{part[2]}***" if _is_secret(part[1]) else part[0], name)


@record("ldap")
class Ldap:
    """One LDAP operation."""

    operation: Word | None = None
    """`bind`, `search`, `modify`, `add`, `delete`, `rename`, `compare`, `extended`, `abandon` or `unbind`."""
    dn: DistinguishedName | None = None
    """Name used to bind, base of the search, or entry that is changed; empty for anonymous and for the root."""
    version: Word | None = None
    """Version of the protocol that a bind asks for."""
    auth: Term | None = None
    """How a bind proves itself: `anonymous`, `simple`, or `sasl` and the mechanism, as `sasl GSS-SPNEGO`."""
    has_password: bool = False
    """A simple bind carries a password, in the clear."""
    username: User | None = None
    """User of an NTLM bind."""
    domain: Host | None = None
    """Domain of an NTLM bind."""
    scope: Word | None = None
    """`base`, `one`, `subtree` or `children`."""
    filter: FreeText | None = None
    """Filter of a search (RFC 4515)."""
    attributes: list[Term] | None = None
    """Attributes that a search requests, or that a change concerns."""
    new_name: DistinguishedName | None = None
    """New relative name of a renamed entry."""
    oid: Term | None = None
    """Extended operation."""
    result: Word | None = None
    """Result, such as `success` or `invalidCredentials`; NULL if no response was seen."""
    matched_dn: DistinguishedName | None = None
    """Last existing entry on the path to the requested one."""
    diagnostic: FreeText | None = None
    """Server's message about the result."""
    entries: Count32 | None = None
    """Entries that a search returned."""
    references: Count32 | None = None
    """Referrals that a search gave."""
    rtt_ms: float | None = None
    """Time from request to result."""


class LdapParser(RequestParser[int, Ldap]):
    """Both directions of one connection."""

    __slots__ = ("identity",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.identity = Identity()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read the messages of one CLDAP datagram."""
        pos = 0
        while pos < len(data) and not self.talk.finished:
            size = ber.measure(data, pos)
            if size <= 0 or pos + size > len(data):
                raise DissectError("truncated LDAP message")
            self._message(data[pos : pos + size], cut=False)
            pos += size

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the messages that are complete, or long enough to be understood."""
        pos = 0
        while pos < len(data) and not self.talk.finished and self.talk.parser is self:
            if data[pos] != 0x30:
                self._wrapped()
                break
            size = ber.measure(data, pos)
            if size < 0:
                raise DissectError("expected a definite length of a message")
            if size == 0 or len(data) - pos < min(size, _LOOK):
                break
            self._message(data[pos : pos + min(size, _LOOK)], cut=size > _LOOK)
            pos += size
        return pos

    def close(self) -> None:
        """Store the operations without a result."""
        for row, ts, packet in self.waiting.drain():
            self.store_row(row, ts, packet)

    def _wrapped(self) -> None:
        """Stop reading if messages after a SASL bind are sealed."""
        if not self.rows and not self.waiting.rows:
            raise DissectError("expected a SEQUENCE")
        self.close()
        self.talk.finish()

    def _message(self, data: bytes, cut: bool) -> None:
        """Read one message; the end of a long one may be missing."""
        _, start, end = _open(data, 0, len(data), cut)
        number = ber.part(data, start, end)
        tag, start, end = _open(data, number[2], end, cut)
        if number[0] != 2 or tag not in _TAGS:
            raise DissectError("unknown operation tag {tag:#04x}", tag=tag)
        message = ber.integer(data, number)
        if tag in _OPERATIONS:
            self._request(data, tag, message, start, end)
        elif tag in _ANSWERS:
            self._result(data, tag, message, start, end)
        elif tag != _INTERMEDIATE:
            entry = self.waiting.rows.get(message)
            if entry is not None and tag == _ENTRY:
                entry[0].entries = (entry[0].entries or 0) + 1
            elif entry is not None:
                entry[0].references = (entry[0].references or 0) + 1

    def _request(self, data: bytes, tag: int, message: int, start: int, end: int) -> None:
        row = Ldap(operation=_OPERATIONS[tag])
        if tag == 0x60:
            self._bind(data, start, end, row)
        elif tag == 0x63:
            self._search(data, start, end, row)
        elif tag == 0x4A:
            row.dn = _name(data[start:end])
        elif tag == 0x77:
            self._extended(data, start, end, row)
        elif tag in {0x66, 0x68, 0x6C, 0x6E}:
            self._change(data, tag, start, end, row)
        if tag in {0x42, 0x50}:
            self.store_row(row)
            return
        self.add_request(message, row)

    def _bind(self, data: bytes, start: int, end: int, row: Ldap) -> None:
        version, name = ber.exactly(data, start, end, 2)
        row.version = str(ber.integer(data, version))
        row.dn = _name(data[name[1] : name[2]])
        kind, first, last = ber.part(data, name[2], end)
        if kind == 0x80:
            row.has_password = last > first
            self.talk.keep_secret(data[first:last])
            row.auth = "simple" if row.has_password else "anonymous"
        elif kind == 0xA3:
            mechanism = ber.part(data, first, last)
            name_of = mechanism_name(data[mechanism[1] : min(mechanism[2], mechanism[1] + 64)], self.talk)
            row.auth = f"sasl {name_of}"
            if mechanism[2] < last:
                proof = ber.part(data, mechanism[2], last)
                self.talk.keep_secret(*raw_parts(data[proof[1] : proof[2]]))
            self._identify_user(data[mechanism[2] : last], row)
        else:  # Microsoft's NTLM binds ([MS-ADTS] 5.1.1.1.3)
            row.auth = "ntlm"
            self._identify_user(data[first:last], row)

    def _extended(self, data: bytes, start: int, end: int, row: Ldap) -> None:
        """Read an operation's identifier; of a change of a password (RFC 3062) nothing else."""
        kind, first, last = ber.part(data, start, end)
        oid = data[first:last]
        row.oid = text(oid) if kind == 0x80 and _OID(oid) is not None else None
        if row.oid == _MODIFY_PASSWORD and last < end:
            value = ber.part(data, last, end)
            _, inner, stop = ber.part(data, value[1], value[2])
            for tag, begin, after in ber.parts(data, inner, stop, 3):
                if tag in {0x81, 0x82}:
                    self.talk.keep_secret(data[begin:after])

    def _search(self, data: bytes, start: int, end: int, row: Ldap) -> None:
        members = ber.exactly(data, start, end, 8)
        base, scope, wanted = members[0], members[1], members[7]
        row.dn = _name(data[base[1] : base[2]])
        number = ber.integer(data, scope)
        row.scope = _SCOPES.get(number) or f"scope{number}"
        parts: list[str] = []
        _filter(data, members[6], parts, _MAX_DEPTH)
        row.filter = "".join(parts)[:_MAX_FILTER]
        listed = ber.parts(data, wanted[1], wanted[2], _MAX_LISTED)
        row.attributes = [text(data[a:z], 128) for _, a, z in listed] or None

    def _change(self, data: bytes, tag: int, start: int, end: int, row: Ldap) -> None:
        """MODIFY, ADD, RENAME and COMPARE: the entry, and the attributes' names."""
        entry, rest = ber.exactly(data, start, end, 2)
        row.dn = _name(data[entry[1] : entry[2]])
        if tag == 0x6C:
            row.new_name = _name(data[rest[1] : rest[2]])
            return
        names: list[str] = []
        pos, stop = rest[1], rest[2]
        while pos < stop and len(names) < _MAX_LISTED:
            _, first, last = part = ber.part(data, pos, stop)
            pos = last
            if tag == 0x66:  # the kind of change precedes the attribute
                part = ber.exactly(data, first, last, 2)[1]
                last = part[2]
                part = ber.part(data, part[1], part[2])
            elif tag == 0x68:
                part = ber.part(data, first, last)
            names.append(text(data[part[1] : part[2]], 128))
            if _is_secret(names[-1]):
                self._keep_values(data, part[2], stop if tag == 0x6E else last)
            if tag == 0x6E:
                break
        row.attributes = names or None

    def _keep_values(self, data: bytes, start: int, end: int) -> None:
        """Keep the values of a password's attribute out of the server's answer."""
        if start < end:
            kind, first, last = ber.part(data, start, end)
            values = ber.parts(data, first, last, 8) if kind == 0x31 else [(kind, first, last)]
            for _, first, last in values:
                self.talk.keep_secret(data[first:last], utf16(data[first:last]).strip('"').encode("utf-8"))

    def _identify_user(self, credentials: bytes, row: Ldap) -> None:
        if self.identity.read(credentials) == 3:
            row.username, row.domain = self.identity.username, self.identity.domain

    def _result(self, data: bytes, tag: int, message: int, start: int, end: int) -> None:
        """Complete the row of an operation with its result."""
        talk = self.talk
        entry = self.waiting.take(message)
        row, ts, packet = entry or (Ldap(operation=_answer_to(tag)), 0, 0)
        code, matched, diagnostic = ber.exactly(data, start, end, 3)
        number = ber.integer(data, code)
        row.result = _RESULTS.get(number) or f"result{number}"
        row.matched_dn = _name(data[matched[1] : matched[2]]) or None
        row.diagnostic = reply_text(data[diagnostic[1] : diagnostic[2]]) or None
        if tag == 0x65:
            row.entries = row.entries or 0
        if ts:
            row.rtt_ms = elapsed(ts, talk.ts)
        self.store_row(row, ts, packet)
        if row.oid == _START_TLS and number == 0 and talk.transport == "tcp":
            self.close()
            talk.hand_over(TLS)


def _open(data: bytes, pos: int, end: int, cut: bool) -> ber.Part:
    """A constructed value; its end is the end of the data if the message is not buffered completely."""
    if not cut:
        return ber.part(data, pos, end)
    if pos + 6 > end:
        raise DissectError("truncated LDAP message")
    start = pos + 2 + (data[pos + 1] & 0x7F if data[pos + 1] & 0x80 else 0)
    return data[pos], start, min(end, pos + max(ber.measure(data, pos), 0))


def _answer_to(tag: int) -> str:
    """Operation that an answer is to."""
    return (
        "extended" if tag == 0x78 else _OPERATIONS.get(0x4A if tag == 0x6B else tag - 2 if tag == 0x65 else tag - 1, "")
    )


def _escaped(raw: bytes) -> str:
    """A value in a filter (RFC 4515, 3); bytes that are not text in hexadecimal."""
    escaped = "".join(f"\\{ord(c):02x}" if c in "*()\\\0" else c for c in raw[:256].decode("utf-8", "surrogateescape"))
    return "".join(f"\\{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in escaped)


def _filter(data: bytes, value: ber.Part, parts: list[str], depth: int) -> None:
    """Write a filter as text, down to a bounded depth and length."""
    tag, start, end = value
    if depth == 0 or len(parts) > 256:
        parts.append("(…)")
        return
    parts.append("(")
    if tag in {0xA0, 0xA1, 0xA2}:
        parts.append("&|!"[tag - 0xA0])
        for inner in ber.parts(data, start, end, _MAX_LISTED):
            _filter(data, inner, parts, depth - 1)
    elif tag == 0x87:
        parts.append(f"{text(data[start:end], 128)}=*")
    elif tag in {0xA3, 0xA5, 0xA6, 0xA8}:
        name, assertion = ber.exactly(data, start, end, 2)
        sign = {0xA3: "=", 0xA5: ">=", 0xA6: "<=", 0xA8: "~="}[tag]
        attribute = text(data[name[1] : name[2]], 128)
        shown = "***" if _is_secret(attribute) else _escaped(data[assertion[1] : assertion[2]])
        parts.append(f"{attribute}{sign}{shown}")
    elif tag == 0xA4:
        parts.append(_substrings(data, start, end))
    elif tag == 0xA9:
        parts.append(_extensible(data, start, end))
    else:
        raise DissectError("unknown filter tag {tag:#04x}", tag=tag)
    parts.append(")")


def _substrings(data: bytes, start: int, end: int) -> str:
    name, pieces = ber.exactly(data, start, end, 2)
    attribute = text(data[name[1] : name[2]], 128)
    shown = f"{attribute}="
    if _is_secret(attribute):
        return f"{shown}***"
    listed = ber.parts(data, pieces[1], pieces[2], 16)
    for tag, first, last in listed:
        shown += f"{'' if tag == 0x80 else '*'}{_escaped(data[first:last])}"
    return shown if listed and listed[-1][0] == 0x82 else f"{shown}*"


def _extensible(data: bytes, start: int, end: int) -> str:
    members = {tag: text(data[first:last], 128) for tag, first, last in ber.parts(data, start, end, 4)}
    rule = f":{members[0x81]}" if 0x81 in members else ""
    attribute = members.get(0x82, "")
    value = "***" if _is_secret(attribute) else members.get(0x83, "")
    return f"{attribute}{':dn' if 0x84 in members else ''}{rule}:={value}"


def _probe_ldap(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a SEQUENCE that begins with a message id and an operation that fits into it."""
    if not data or data[0] != 0x30:
        return NO
    stream = talk.transport == "tcp"
    if len(data) < 7:
        return MORE if stream and (len(data) < 2 or data[1] >= 5) else NO
    size = ber.measure(data)
    start = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    if size < 7 or size > 1 << 26 or start > 6 or (not stream and size > len(data)):
        return NO
    if len(data) < start + 12 and len(data) < size:
        return MORE if stream else NO
    count = data[start + 1]
    at = start + 2 + count
    if data[start] != 2 or not 1 <= count <= 5 or data[start + 2] & 0x80 or at + 1 >= len(data):
        return NO
    inner = ber.measure(data, at)
    if data[at] not in _TAGS or inner <= 0 or at + inner > size:
        return NO
    if at + inner < size and (at + inner < len(data)) and data[at + inner] != 0xA0:
        return NO
    return YES if _fits_operation(data, at) else NO


def _fits_operation(data: bytes, at: int) -> bool:
    """Whether an operation's first member is of the type that it must be."""
    tag = data[at]
    if tag in {0x42, 0x50, 0x4A}:
        return tag != 0x42 or data[at + 1] == 0
    inner = at + 2 + (data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0)
    if inner >= len(data):
        return False
    wanted = {0x60: 2, 0x77: 0x80, 0x79: None}
    if tag in _ANSWERS:
        return data[inner] == 10
    expected = wanted.get(tag, 4)
    return expected is None or data[inner] == expected


LDAP = Dissector(
    "ldap", "Lightweight Directory Access Protocol (RFC 4511)", ("tcp", "udp"), (389, 3268), (Ldap,), _probe_ldap,
    LdapParser, first=b"0",
)  # fmt: skip
