"""dns.log: questions with their answers."""

from rustnet.export.zeek.spec import PROTO, WITH_FLOW, Field, Log, message_fields

TYPES = {
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS",
    12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT",
    22: "NSAP", 23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT",
    31: "EID", 32: "NIMLOC", 33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME",
    40: "SINK", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
    49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY",
    58: "TALINK", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS",
    99: "SPF", 100: "UINFO", 101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP",
    108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA",
    255: "*", 256: "URI", 257: "CAA", 32768: "TA", 32769: "DLV", 65281: "WINS", 65282: "WINS-R", 65422: "XPF",
    65521: "INTEGRITY",
}  # fmt: skip
"""Zeek's names of record types by number; the session's are the same but for `ANY`."""
CLASSES = {"IN": 1, "CS": 2, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
CLASS_NAMES = {1: "C_INTERNET", 2: "C_CSNET", 3: "C_CHAOS", 4: "C_HESIOD", 254: "C_NONE", 255: "C_ANY"}
CODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSet", "NOTAUTH",
    "NOTZONE", "unassigned-11", "unassigned-12", "unassigned-13", "unassigned-14", "unassigned-15",
)  # fmt: skip

_NUMBERS = {name: number for number, name in TYPES.items()} | {"ANY": 255}
_SHORTER = {
    "MX": (2, "{1}"),
    "SOA": (7, "{0}"),
    "SRV": (4, "{3}"),
    "DNSKEY": (4, "DNSKEY {2}"),
    "DS": (4, "DS {1} {2}"),
}
"""Words in the presentation form of a record's data, and what Zeek shows of them."""
CUT = 1024
"""Length at which a session cuts a record's text."""


def type_number(name: str) -> str | None:
    """Number of a record type."""
    number = _numbered(name, "TYPE", _NUMBERS)
    return None if number is None else str(number)


def type_name(name: str) -> str:
    """Zeek's name of a record type."""
    number = _numbered(name, "TYPE", _NUMBERS)
    return name if number is None else TYPES.get(number) or f"query-{number}"


def class_number(name: str) -> str | None:
    """Number of a class."""
    number = _numbered(name, "CLASS", CLASSES)
    return None if number is None else str(number)


def class_name(name: str) -> str:
    """Zeek's name of a class."""
    number = _numbered(name, "CLASS", CLASSES)
    return name if number is None else CLASS_NAMES.get(number) or f"qclass-{number}"


def _numbered(name: str, prefix: str, known: dict[str, int]) -> int | None:
    rest = name.removeprefix(prefix)
    if rest != name and rest.isascii() and rest.isdigit():
        return int(rest)
    return known.get(name)


def answers(records: list[str | None]) -> list[str | None]:
    """Answers as Zeek writes them; each comes as its type, a space and its data in the presentation form."""
    return [None if record is None else answer(*record.split(" ", 1)) for record in records]


def answer(kind: str, data: str) -> str:
    """One answer: of MX, SOA and SRV the name alone; of TXT each string with its length."""
    words = data.split(" ")
    if kind in {"TXT", "SPF"}:
        return strings(kind, data)
    count, shown = _SHORTER.get(kind, (0, ""))
    return shown.format(*words) if count == len(words) else data


def strings(kind: str, data: str) -> str:
    """Strings of a TXT record with their lengths in bytes, where the session's text does not escape or cut any."""
    several = data.startswith('"') and data.endswith('"') and '" "' in data
    parts = data[1:-1].split('" "') if several else [data]
    if "\\" in data or len(data) >= CUT:
        return data
    return " ".join(f"{kind} {len(part.encode())} {part}" for part in parts)


_PAIRS = """requests AS (
    SELECT capture_id, flow_id, ts, packet, txid, query, qtype, flags, truncated,
        row_number() OVER (ORDER BY ts, packet, flow_id, query, qtype) AS request
    FROM dns WHERE NOT response AND opcode = 'QUERY'
), replies AS (
    SELECT a.*, q.request, q.ts AS asked_at, q.flags AS asked_flags
    FROM (SELECT * FROM dns WHERE response AND opcode = 'QUERY' AND rtt_ms IS NOT NULL) a
    ASOF LEFT JOIN requests q ON q.capture_id = a.capture_id AND q.flow_id = a.flow_id AND q.txid = a.txid
        AND q.query = a.query AND q.qtype = a.qtype AND q.ts <= a.ts
    QUALIFY q.request IS NULL OR row_number() OVER (PARTITION BY q.request ORDER BY a.ts, a.packet) = 1
), messages AS (
    SELECT capture_id, flow_id, coalesce(asked_at, ts) AS began, ts, packet, txid, asked_at, query, qtype, qclass,
        response, flags, asked_flags, truncated, authoritative, questions, answers, answer_types, answer_count,
        authority_count, additional_count, ttl FROM replies
    UNION ALL BY NAME
    SELECT d.*, d.ts AS began FROM dns d ANTI JOIN replies r ON r.capture_id = d.capture_id AND r.packet = d.packet
        AND r.flow_id = d.flow_id AND r.query IS NOT DISTINCT FROM d.query AND r.qtype IS NOT DISTINCT FROM d.qtype
    WHERE d.response AND d.opcode = 'QUERY'
    UNION ALL BY NAME
    SELECT d.*, d.ts AS began FROM (SELECT capture_id, flow_id, ts, packet, txid, query, qtype, qclass, response, flags,
        truncated, row_number() OVER (ORDER BY ts, packet, flow_id, query, qtype) AS request
        FROM dns WHERE NOT response AND opcode = 'QUERY') d ANTI JOIN replies r ON r.request = d.request
)"""


def _bit(mask: int, flags: str = "m.flags") -> str:
    return f"coalesce(({flags} & {mask}) <> 0, false)"


_KNOWN_ANSWERS = "least(m.answer_count, len(m.answers))"
FIELDS = message_fields(
    Field("proto", "enum", PROTO, "as in conn.log"),
    Field("trans_id", "count", "m.txid"),
    Field(
        "rtt", "interval", "epoch_ns(m.ts) // 1000 - epoch_ns(m.asked_at) // 1000", "from the question to the answer"
    ),
    Field("query", "string", "m.query"),
    Field("qclass", "count", "m.qclass", "number of `qclass`", class_number),
    Field("qclass_name", "string", "m.qclass", "Zeek's name of `qclass`", class_name),
    Field("qtype", "count", "m.qtype", "number of `qtype`", type_number),
    Field("qtype_name", "string", "m.qtype", "Zeek's name of `qtype`", type_name),
    Field("rcode", "count", "CASE WHEN m.response THEN m.flags & 15 END", "of `flags`, without EDNS's extension"),
    Field(
        "rcode_name",
        "string",
        f"CASE WHEN m.response THEN {list(CODES)}[(m.flags & 15) + 1] END",
        "Zeek's name of `rcode`",
    ),
    Field("AA", "bool", "m.response AND coalesce(m.authoritative, false)", "of the answer"),
    Field("TC", "bool", "coalesce(m.truncated, false)", "of the answer, else of the question"),
    Field("RD", "bool", _bit(0x0100, "coalesce(m.asked_flags, m.flags)"), "of the question, else of the answer"),
    Field("RA", "bool", f"m.response AND {_bit(0x0080)}", "of the answer"),
    Field("Z", "count", "(coalesce(m.asked_flags, m.flags) >> 4) & 7", "of the question, else of the answer"),
    Field(
        "answers",
        "vector[string]",
        f"""CASE WHEN {_KNOWN_ANSWERS} > 0 THEN
        list_transform(list_zip(m.answer_types[1:{_KNOWN_ANSWERS}], m.answers[1:{_KNOWN_ANSWERS}]),
            lambda pair: coalesce(pair[1], '') || ' ' || pair[2]) END""",
        "the answer section; of MX, SOA and SRV the name alone, of TXT with lengths, of others the presentation form",
        answers,
    ),
    Field(
        "TTLs",
        "vector[interval]",
        "CASE WHEN m.answer_count = 1 AND len(m.answers) >= 1 AND m.ttl IS NOT NULL THEN [m.ttl || '.000000'] END",
        "of a single answer; of several a session has the smallest",
    ),
    Field(
        "rejected",
        "bool",
        """m.response AND coalesce((m.questions > 0 AND m.answer_count + m.authority_count + m.additional_count = 0)
        OR (m.questions = 0 AND m.flags & 15 <> 0), false)""",
        "as Zeek has it: an answer without any record, or an error without a question",
    ),
    ts="epoch_ns(m.began)",
    text="of the question, else of the answer",
)

DNS = Log(
    "dns",
    ("flows", "dns"),
    f"messages m {WITH_FLOW}",
    FIELDS,
    ("m.began", "m.packet", "m.query", "m.qtype"),
    "One row for each question of DNS, LLMNR or mDNS with its first answer: the answers that `dns.rtt_ms` relates to a "
    "question. A question without an answer and an answer without a question have rows of their own, and so has each "
    "further question of a message. Operations other than queries (NOTIFY, UPDATE …) have no place, as in Zeek.",
    common=(_PAIRS,),
)
