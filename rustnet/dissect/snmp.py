"""SNMP versions 1, 2c and 3 (RFC 1157, 3416, 3412, 3414). One row per message.

Values of objects are not kept, except sysName and sysDescr, which identify a system.
"""

from socket import inet_ntoa

from rustnet.dissect.framework import ber
from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import MAX_OUTSTANDING, RowParser, text
from rustnet.records import (
    I64,
    U32,
    Count32,
    Host,
    Identifier,
    Ip,
    Mixed,
    ObjectName,
    Secret,
    Software,
    Term,
    User,
    Word,
    record,
)

MAX_OBJECTS = 32
"""Object names of one message that are kept."""
_VERSIONS = {0: "v1", 1: "v2c", 3: "v3"}
_PDUS = {
    0xA0: "get", 0xA1: "get_next", 0xA2: "response", 0xA3: "set", 0xA4: "trap_v1", 0xA5: "get_bulk", 0xA6: "inform",
    0xA7: "trap", 0xA8: "report",
}  # fmt: skip
_ERRORS = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
    "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
    "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)  # fmt: skip
_TRAPS = (
    "coldStart", "warmStart", "linkDown", "linkUp", "authenticationFailure", "egpNeighborLoss", "enterpriseSpecific",
)  # fmt: skip
_DEFAULTS = frozenset({b"public", b"private"})
"""Communities that everybody knows."""
_SYS_DESCR = bytes.fromhex("2b06010201010100")
_SYS_NAME = bytes.fromhex("2b06010201010500")


@record("snmp")
class Snmp:
    """One SNMP message."""

    version: Word | None = None
    """`v1`, `v2c` or `v3`."""
    community: Secret | None = None
    """Community name in versions 1 and 2c, if it is `public` or `private`; any other is a password."""
    has_community: bool = False
    """The message carries a community name that is not empty."""
    pdu: Word | None = None
    """`get`, `get_next`, `get_bulk`, `set`, `response`, `trap_v1`, `trap`, `inform`, `report`; NULL if encrypted."""
    request_id: I64 | None = None
    """Number that joins request and response."""
    error: Word | None = None
    """Error status of a response."""
    error_index: U32 | None = None
    """Which object the error is about, counted from 1."""
    objects: list[Mixed] | None = None
    """Names of the objects, in dotted form."""
    object_count: U32 | None = None
    """Objects in the message."""
    system_name: Host | None = None
    """Value of sysName.0, if the message contains it."""
    system_description: Software | None = None
    """Value of sysDescr.0, if the message contains it."""
    enterprise: Term | None = None
    """Enterprise of a version 1 trap, in dotted form."""
    trap: Word | None = None
    """Kind of a version 1 trap: `linkDown` …, or `enterpriseSpecific` and its number."""
    agent_ip: Ip | None = None
    """Sender of a version 1 trap, as it states it."""
    engine_id: Identifier | None = None
    """Authoritative engine of version 3, hexadecimal."""
    engine_boots: Count32 | None = None
    """Restarts of the engine."""
    engine_seconds: U32 | None = None
    """Seconds since the engine's restart."""
    username: User | None = None
    """User of version 3."""
    context_name: ObjectName | None = None
    """Context of version 3."""
    authenticated: bool | None = None
    """The version 3 message carries a digest."""
    encrypted: bool | None = None
    """The version 3 message's content is encrypted."""
    rtt_ms: float | None = None
    """Time from the request to its response."""


class SnmpParser(RowParser):
    """Messages of one flow, and when its requests were sent."""

    __slots__ = ("asked",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked: dict[int, int] = {}

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        tag, start, end = ber.part(data, 0, len(data))
        members = ber.parts(data, start, end, 4)
        if tag != 0x30 or len(members) < 3 or members[0][0] != 2:
            raise DissectError("expected a SEQUENCE that begins with a version")
        number = ber.integer(data, members[0])
        row = Snmp(version=_VERSIONS.get(number) or f"v{number + 1}")
        if number == 3:
            self._version_3(data, members, row)
        else:
            self._community(row, data[members[1][1] : members[1][2]])
            self._pdu(data, members[2], row, from_src)
        self.store_row(row)

    def _community(self, row: Snmp, name: bytes) -> None:
        """Keep a community that everybody knows; Cisco's devices append a VLAN to it."""
        row.has_community = bool(name)
        bare, _, vlan = name.partition(b"@")
        if bare in _DEFAULTS:
            row.community = text(name if vlan.isdigit() and len(vlan) <= 4 else bare)
        elif not bare.isalpha():  # a mere word, as a vendor's name, may well be in a system's description
            self.talk.keep_secret(name, bare)

    def _version_3(self, data: bytes, members: list[ber.Part], row: Snmp) -> None:
        """Read the header, the user-based security parameters, and the PDU unless it is encrypted."""
        if len(members) < 4:
            raise DissectError("expected 4 fields in a version 3 message")
        header = ber.parts(data, members[1][1], members[1][2], 4)
        if len(header) == 4 and header[2][2] > header[2][1]:
            flags = data[header[2][1]]
            row.authenticated = flags & 1 != 0
            row.encrypted = flags & 2 != 0
        if len(header) == 4 and ber.integer(data, header[3]) == 3 and members[2][2] > members[2][1]:
            _user(data, members[2], row)
        if members[3][0] != 0x30 or row.encrypted:
            row.encrypted = True
            return
        scoped = ber.parts(data, members[3][1], members[3][2], 3)
        if len(scoped) < 3:
            raise DissectError("expected 3 fields in a scoped PDU")
        row.context_name = text(data[scoped[1][1] : scoped[1][2]]) or None
        self._pdu(data, scoped[2], row, from_src=True)

    def _pdu(self, data: bytes, pdu: ber.Part, row: Snmp, from_src: bool) -> None:
        tag, start, end = pdu
        row.pdu = _PDUS.get(tag)
        if row.pdu is None:
            raise DissectError("unknown PDU tag {tag:#04x}", tag=tag)
        members = ber.parts(data, start, end, 6)
        if tag == 0xA4:
            _trap(data, members, row)
            return
        if len(members) < 4:
            raise DissectError("expected 4 fields in a PDU")
        row.request_id = ber.integer(data, members[0])
        if tag in {0xA2, 0xA8}:
            error = ber.integer(data, members[1])
            row.error = _ERRORS[error] if 0 <= error < len(_ERRORS) else f"error{error}"
            row.error_index = ber.unsigned(data, members[2]) if error else None
            since = self.asked.pop(row.request_id, None)
            row.rtt_ms = None if since is None else elapsed(since, self.talk.ts)
        elif tag != 0xA7:
            if len(self.asked) >= MAX_OUTSTANDING:
                del self.asked[next(iter(self.asked))]
            self.asked[row.request_id] = self.talk.ts
        _objects(data, members[3], row)
        if row.system_name and tag == 0xA2:
            self._learn_agent(row.system_name, from_src)

    def _learn_agent(self, name: str, from_src: bool) -> None:
        """Learn the agent's name from its response; the agent is not always the flow's responder."""
        talk = self.talk
        at_src = talk.src_port == 161
        self.learn_name(talk.src_ip if at_src else talk.dst_ip, name, "snmp")
        if not at_src:
            talk.name_host(name, "snmp")


def _user(data: bytes, value: ber.Part, row: Snmp) -> None:
    """User-based security parameters (RFC 3414, 2.4)."""
    _, start, end = ber.part(data, value[1], value[2])
    members = ber.parts(data, start, end, 6)
    if len(members) < 4:
        raise DissectError("expected 4 security parameters")
    row.engine_id = data[members[0][1] : min(members[0][2], members[0][1] + 32)].hex() or None
    row.engine_boots = ber.unsigned(data, members[1])
    row.engine_seconds = ber.unsigned(data, members[2])
    row.username = text(data[members[3][1] : members[3][2]]) or None


def _trap(data: bytes, members: list[ber.Part], row: Snmp) -> None:
    """Read a trap of version 1 (RFC 1157, 4.1.6)."""
    if len(members) < 6:
        raise DissectError("expected 6 fields in a trap")
    row.enterprise = ber.dotted(data, members[0])
    raw = data[members[1][1] : members[1][2]]
    row.agent_ip = inet_ntoa(raw) if len(raw) == 4 else None
    generic = ber.integer(data, members[2])
    row.trap = _TRAPS[generic] if 0 <= generic < len(_TRAPS) else f"trap{generic}"
    if generic == 6:
        row.trap = f"enterpriseSpecific {ber.integer(data, members[3])}"
    _objects(data, members[5], row)


def _objects(data: bytes, bindings: ber.Part, row: Snmp) -> None:
    """Names of the variable bindings."""
    pos, end = bindings[1], bindings[2]
    names: list[str] = []
    count = 0
    while pos < end:
        _, start, pos = ber.part(data, pos, end)
        count += 1
        if count > MAX_OBJECTS:
            continue
        name = ber.part(data, start, pos)
        names.append(ber.dotted(data, name))
        oid = data[name[1] : name[2]]
        if oid in {_SYS_NAME, _SYS_DESCR} and name[2] < pos:
            tag, first, last = ber.part(data, name[2], pos)
            if tag == 4 and last > first:
                value = text(data[first:last])
                if oid == _SYS_NAME:
                    row.system_name = value
                else:
                    row.system_description = value
    row.objects = names or None
    row.object_count = count


def _probe_snmp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a SEQUENCE that fills the datagram, with a version and the type that must follow it."""
    if len(data) < 20 or data[0] != 0x30:
        return NO
    try:
        _, start, end = ber.part(data, 0, len(data))
        if end != len(data) and not (talk.has_port(161, 162) and len(data) - end < 16):
            return NO
        version, second = ber.parts(data, start, end, 2)
        number = ber.integer(data, version)
        if version[0] != 2 or number not in _VERSIONS:
            return NO
        third = ber.part(data, second[2], end)
    except (DissectError, ValueError):
        return NO
    if number == 3:
        return YES if second[0] == 0x30 and third[0] == 4 else NO
    return YES if second[0] == 4 and third[0] in _PDUS and third[2] == end else NO


SNMP = Dissector(
    "snmp", "Simple Network Management Protocol (RFC 3416)", ("udp",), (161, 162), (Snmp,), _probe_snmp, SnmpParser,
    first=b"0",
)  # fmt: skip
