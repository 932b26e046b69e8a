"""DNS, multicast DNS (RFC 6762) and LLMNR (RFC 4795), each over UDP and TCP (RFC 1035, 7766).

One row per message, whatever its opcode. A message with several questions gets one row per question, with the answers
in the first, so that ``SELECT query`` finds each. Addresses in answers name their hosts by the name in the question.
"""

import cython

from rustnet.bounds import MARK
from rustnet.dissect.dns.message import OPCODES, class_name
from rustnet.dissect.dns.probe import probe_dns, probe_llmnr, probe_mdns
from rustnet.dissect.framework.conversation import Conversation, DissectError, Dissector, Parser, Shape
from rustnet.policy.timeouts import DNS as DNS_SECONDS
from rustnet.records import U8, U16, Bytes16, Count16, Host, Ip, Mixed, Seconds, Word, record

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.dissect.dns.message import Message, parse, rcode_name
    from rustnet.dissect.dns.texts import type_name

IDLE_NS = DNS_SECONDS * 1_000_000_000

MAX_OUTSTANDING = 64
"""Pending queries of one flow."""
RETRY_SECONDS = 15
"""A query that is repeated so soon, unanswered, is another try of the same question: resolvers wait up to 10 s."""
RETRY_NS = RETRY_SECONDS * 1_000_000_000
EARLY_MS = 10
"""Cards with several queues may store a response this long before its query."""
EARLY_NS = EARLY_MS * 1_000_000


@record("dns")
class Dns:
    """One DNS, mDNS or LLMNR message, or one further question of it."""

    query: Host | None = None
    """Name in the question without the trailing dot; empty for the root, NULL without a question. Names of DNS and
    LLMNR compare without case and are in lower case here, those of mDNS as sent."""
    qtype: Word | None = None
    """Type in the question: `A`, `AAAA`, `HTTPS`, or `TYPE65280` style."""
    qclass: Word | None = None
    """Class in the question: `IN`, `CH`, `ANY` …"""
    rcode: Word | None = None
    """Response code, EDNS extension included; NULL in queries."""
    answers: list[Mixed] | None = None
    """Data of the answer section's records as text: addresses, names (of MX, too), the presentation form, of TXT with
    one string that alone, of types without a form at most 64 bytes in hexadecimal (RFC 3597). It is followed by the
    addresses of the other sections, which begin after `answer_count` entries. The answer section of an UPDATE has its
    prerequisites."""
    answer_types: list[Word] | None = None
    """Types of `answers`."""
    answer_names: list[Host] | None = None
    """Owners of `answers`, if any of them is neither `query` nor an alias of it."""
    cnames: list[Host] | None = None
    """Canonical names along the alias chain."""
    response: bool = False
    """The message is a response."""
    transport: Word = "dns"
    """`dns`, `mdns` or `llmnr`."""
    txid: U16 = 0
    """Transaction id."""
    rtt_ms: float | None = None
    """Time from the latest query of the same id and question in the same flow, in milliseconds."""
    tries: Count16 | None = None
    """Of a query: which try of its question it is. Of a response: tries so far. A try is a query of the same client for
    the same name and type within 15 s of the previous one and without an answer in between, also from other ports, with
    another id, to another server or over TCP. NULL in mDNS, and if the query is not in the capture."""
    answer_ms: float | None = None
    """Of the first answer to a question: time from its first try, in milliseconds."""
    unanswered_ms: float | None = None
    """Of the last try of a question without an answer in the capture: time from its first try, in milliseconds."""
    ttl: Seconds | None = None
    """Smallest TTL of the answers, in seconds."""
    opcode: Word = "QUERY"
    """`QUERY`, `IQUERY`, `STATUS`, `NOTIFY`, `UPDATE`, `DSO` (RFC 8490), or `OPCODE7` style."""
    flags: U16 = 0
    """Flags word of the header."""
    authoritative: bool = False
    """AA: the answer is authoritative."""
    truncated: bool = False
    """TC: the answer did not fit."""
    questions: Count16 = 0
    """Questions that the header claims."""
    answer_count: U16 = 0
    """Answers that the header claims."""
    authority_count: U16 = 0
    """Authority records that the header claims."""
    additional_count: U16 = 0
    """Additional records that the header claims."""
    edns_version: U8 | None = None
    """EDNS version; NULL without EDNS."""
    edns_udp_size: Bytes16 | None = None
    """Largest UDP payload that the sender accepts, by EDNS."""
    dnssec_ok: bool | None = None
    """EDNS DO bit; NULL without EDNS."""
    client_subnet: Ip | None = None
    """EDNS client subnet, as prefix."""
    updates: list[Mixed] | None = None
    """Prerequisites and changes of an UPDATE (RFC 2136) of the zone in `query`, as commands of nsupdate: `prereq
    nxdomain host.example.com`, `update add host.example.com 1200 A 192.0.2.7`, `update delete host.example.com A` …"""


class DnsParser(Parser):
    """Messages of one flow, and its pending queries."""

    __slots__ = (
        "asked",
        "early",
        "early_ts",
        "first",
        "kind",
        "klass",
        "label",
        "name",
        "need_dst",
        "need_src",
        "seen",
        "since",
        "tries",
        "txid",
        "waiting",
    )

    def __init__(self, talk: Conversation, label: str = "dns") -> None:
        self.talk = talk
        self.label = label
        self.name: str | None = None
        """Name in the latest query, or in the only pending one; the next attributes describe it, too."""
        self.txid = self.kind = self.klass = 0
        self.since = self.first = 0
        """Times of the latest and of the first try."""
        self.tries = 0
        self.waiting = False
        """It is pending."""
        self.asked: dict[tuple[int, str, int, int], tuple[int, int, int]] | None = None
        """Pending queries by id and question: times of the latest and the first try, tries. Empty if there is one."""
        self.early: tuple[int, str, int, int] | None = None
        """Id and question of the latest response without a query, whose time is ``early_ts``."""
        self.early_ts = 0
        self.need_src = self.need_dst = 0
        """Length of the TCP message being read, by direction."""
        self.seen = False

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        self._message(data)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete messages; a length prefix is consumed before its message."""
        pos = 0
        need = self.need_src if from_src else self.need_dst
        while True:
            if not need:
                if len(data) - pos < 2:
                    break
                need = (data[pos] << 8) | data[pos + 1]
                pos += 2
            if len(data) - pos < need:
                break
            self._framed(data[pos : pos + need])
            pos += need
            need = 0
        if from_src:
            self.need_src = need
        else:
            self.need_dst = need
        return pos

    def _framed(self, data: bytes) -> None:
        """Read one TCP message; a malformed one after a valid one does not end the reading."""
        try:
            self._message(data)
        except DissectError as error:
            if not self.seen:
                raise
            self.talk.anomaly(f"malformed_{self.label}", str(error))

    def _message(self, data: bytes) -> None:
        talk = self.talk
        label = self.label
        message = parse(data, True, label != "mdns")
        if not self.seen:
            self.seen = True
            if talk.transport == "udp":
                talk.set_idle_timeout(IDLE_NS)
        flags = message.flags
        response = flags >= 0x8000
        if message.fault is not None and not flags & 0x0200:  # a message with the TC bit may be cut anywhere
            talk.anomaly(f"malformed_{label}", message.fault)
        state = None
        if message.name is not None and label != "mdns":
            state = self._match_query(message, message.name, response)
        talk.state = "DNS_RESPONSE" if response else "DNS_QUERY"
        talk.emit(self._row(message, response, state))
        if message.further is not None:
            for further in message.further:
                talk.emit(self._further_row(message, further, response))
        if response and message.addresses is not None and not message.rcode:
            self._learn_addresses(message, message.addresses)

    def _match_query(self, message: Message, name: str, response: bool) -> tuple[int, int, int] | None:
        """Remember a query, or take the one that a response answers: times of the latest and the first try, tries."""
        now = self.talk.ts
        same = self.name is not None and self._is_same(message, name)
        if response:
            if same and self.waiting:
                self.waiting = False
                return (self.since, self.first, self.tries)
            pending = self._take_query(message, name)
            if pending is None and not same:  # a second answer waits for no query
                self.early = (message.txid, name, message.kind, message.klass)
                self.early_ts = now
            return pending
        waiting = self.waiting
        if self.early is not None and self._is_answered(message, name):
            if not waiting:
                self._remember(message, name, (now, now, 1))
                self.waiting = False
            return (now, now, 1)
        if same or not (waiting or self.asked):
            first, tries = now, 1
            if same and waiting and now - self.since <= RETRY_NS:
                first, tries = self.first, self.tries + 1
            self._remember(message, name, (now, first, tries))
            return (now, first, tries)
        return self._queue(message, name)

    def _remember(self, message: Message, name: str, state: tuple[int, int, int]) -> None:
        """Keep a query in the attributes."""
        self.name, self.txid, self.kind, self.klass = name, message.txid, message.kind, message.klass
        self.since, self.first, self.tries = state
        self.waiting = True

    def _queue(self, message: Message, name: str) -> tuple[int, int, int]:
        """Remember one of several pending queries."""
        now = self.talk.ts
        asked = self.asked
        if asked is None:
            asked = self.asked = {}
        if self.waiting and self.name is not None:
            asked[self.txid, self.name, self.kind, self.klass] = (self.since, self.first, self.tries)
            self.waiting = False
        self.name = None
        key = (message.txid, name, message.kind, message.klass)
        state = (now, now, 1)
        earlier = asked.get(key)
        if earlier is not None and now - earlier[0] <= RETRY_NS:
            state = (now, earlier[1], earlier[2] + 1)
        if len(asked) >= MAX_OUTSTANDING:
            del asked[next(iter(asked))]
        asked[key] = state
        return state

    def _is_answered(self, message: Message, name: str) -> bool:
        """Whether the latest response without a query answers this one, which is stored behind it."""
        late = self.talk.ts - self.early_ts
        if late > EARLY_NS or late < -EARLY_NS:
            self.early = None
            return False
        if self.early != (message.txid, name, message.kind, message.klass):
            return False
        self.early = None
        return True

    def _is_same(self, message: Message, name: str) -> bool:
        """Whether the query in the attributes has a message's id and question."""
        if self.txid != message.txid or self.kind != message.kind or self.klass != message.klass:
            return False
        return self.name == name

    def _take_query(self, message: Message, name: str) -> tuple[int, int, int] | None:
        """The query among several pending ones that a response answers."""
        if not self.asked:
            return None
        return self.asked.pop((message.txid, name, message.kind, message.klass), None)

    def _class(self, klass: int) -> str:
        """Mnemonic of a question's class; the top bit asks for a unicast answer in mDNS (RFC 6762)."""
        if self.label == "mdns":
            klass &= 0x7FFF
        return "IN" if klass == 1 else class_name(klass)

    def _row(self, message: Message, response: bool, state: tuple[int, int, int] | None) -> Dns:
        """Row of a message and its first question; ``state`` is that of its query."""
        flags = message.flags
        rtt = waited = tries = None
        if state is not None:
            tries = min(state[2], 0xFFFF)
            if response:
                now = self.talk.ts
                rtt = (now - state[0]) / 1e6
                waited = (now - state[1]) / 1e6 if not flags & 0x0200 else None  # a cut answer is asked for again
        edns = message.edns_version is not None
        answers = message.answers
        types = message.answer_types
        glue = None
        if message.cut:
            talk = self.talk
            talk.anomaly(
                "row_cut", f"{self.label}: longer than a row may be, so cut: answers, answer_types, answer_names"
            )
            for values in (answers, types, message.answer_names):
                if values is not None:
                    values.append(MARK)
        elif message.addresses is not None and message.hosts < len(message.addresses):
            # Addresses of the other sections (mostly those of the name servers) follow the answers.
            glue = [ip for ip, _, _ in message.addresses[message.hosts :]]
            answers = (answers or []) + glue
            types = (types or []) + ["AAAA" if ":" in ip else "A" for ip in glue]
        return Dns(  # in the order of the fields: keywords cost as much as the rest
            message.name,
            type_name(message.kind) if message.name is not None else None,
            self._class(message.klass) if message.name is not None else None,
            rcode_name(message.rcode) if response else None,
            answers,
            types,
            message.answer_names if _has_other_owners(message) else None,
            message.cnames,
            response,
            self.label,
            message.txid,
            rtt,
            tries,
            waited,
            None,
            message.ttl,
            OPCODES[(flags >> 11) & 15],
            flags,
            flags & 0x0400 != 0,
            flags & 0x0200 != 0,
            message.asked,
            message.answered,
            message.authorities,
            message.additionals,
            message.edns_version,
            message.edns_size,
            message.edns_flags & 0x8000 != 0 if edns else None,
            message.client_subnet,
            message.updates,
        )

    def _further_row(self, message: Message, question: tuple[str, int, int], response: bool) -> Dns:
        """Row of a question after the first."""
        flags = message.flags
        name, kind, klass = question
        return Dns(
            name,
            type_name(kind),
            self._class(klass),
            rcode_name(message.rcode) if response else None,
            response=response,
            transport=self.label,
            txid=message.txid,
            opcode=OPCODES[(flags >> 11) & 15],
            flags=flags,
            questions=message.asked,
        )

    def _learn_addresses(self, message: Message, addresses: list[tuple[str, str, int]]) -> None:
        """Name the addresses: by the question, or by the record's owner for mDNS and outside of the answers."""
        label = self.label
        talk = self.talk
        question = message.name if label != "mdns" else None
        client = talk.src_ip if label == "dns" else None
        chain = None
        for number, (ip, owner, ttl) in enumerate(addresses):
            name = owner
            if question and number < message.hosts and owner is not question:
                # A zone transfer answers with records of other owners than the name in the question.
                if chain is None:
                    chain = {question, *(message.cnames or ())}
                if owner in chain:
                    name = question
            if name:
                talk.learn(ip[7:] if ip.startswith("::ffff:") and "." in ip else ip, name, label, ttl, client)


def _has_other_owners(message: Message) -> bool:
    """Whether an answer's owner is neither the name in the question nor an alias of it."""
    owners = message.answer_names
    if owners is None:
        return False
    name = message.name
    for owner in owners:
        if owner is not name and owner != name:  # the same object if it is a compression pointer to the question
            expected = {name, *(message.cnames or ())}
            return not expected.issuperset(owners)
    return False


def _mdns(talk: Conversation) -> DnsParser:
    return DnsParser(talk, "mdns")


def _llmnr(talk: Conversation) -> DnsParser:
    return DnsParser(talk, "llmnr")


DNS = Dissector(
    "dns", "Domain Name System (RFC 1035)", ("udp", "tcp"), (53,), (Dns,), probe_dns, DnsParser,
    shapes={"udp": Shape(17, {4: b"\0", 5: b"\1"}), "tcp": Shape(at={6: b"\0", 7: b"\1"})},
)  # fmt: skip
MDNS = Dissector("mdns", "Multicast DNS (RFC 6762)", ("udp", "tcp"), (5353,), (Dns,), probe_mdns, _mdns, first=b"")
LLMNR = Dissector(
    "llmnr", "Link-Local Multicast Name Resolution (RFC 4795)", ("udp", "tcp"), (5355,), (Dns,), probe_llmnr, _llmnr,
    first=b"",
)  # fmt: skip
