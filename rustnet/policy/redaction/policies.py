"""Policies of redaction: what becomes of the values of each kind."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from rustnet.policy.redaction.moments import Shift
from rustnet.policy.redaction.names import Kept
from rustnet.policy.redaction.numbers import IdentifyingNumbers
from rustnet.records import Kind


class Method(enum.Enum):
    """What becomes of a value."""

    KEEP = "stays"
    ADDRESS = "address with the same prefixes in common, within its range of special purpose"
    MAC = "another hardware address"
    HOST = "pseudonym for each label"
    USER = "pseudonym, and of the domain label by label"
    PATH = "pseudonym for each component; the known ending of a file stays"
    URI = "user, host, parts of the path, names and values of the query: each its pseudonym; passwords are hidden"
    COMMAND_LINE = "program and arguments: each by what it is, else its pseudonym"
    SOFTWARE = "words and versions of widespread software stay, others become pseudonyms"
    SOFTWARE_WHOLE = "pseudonym of all of it"
    DISTINGUISHED = "pseudonym for each value; types of the parts stay"
    IDENTIFIER = "pseudonym; a number above 999 becomes another number"
    DIGEST = "pseudonym of the digest"
    FINGERPRINT = "pseudonym as fingerprint"
    OBJECT = "pseudonym"
    TERM = "usual words of protocols stay, others become pseudonyms"
    PLACE = "a country's code stays, a city becomes a pseudonym"
    SYSTEM = "a number for private use (RFC 6996), and a pseudonym for its name"
    VALUE = "what is recognised (address, host, mail, URI, path) by its kind, common words stay, the rest is hidden"
    RECOGNISED = "what is recognised (address, host, mail, URI, path) by its kind, the rest is hidden"
    TEXT = "the same for each word"
    HIDE = "hidden"
    PORT = "another port for those of clients, from 32768 on"
    TTL = "the value with which systems begin"
    SHIFT = "shifted by the same span as all others"


_NO_NUMBERS = IdentifyingNumbers()


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of values of each kind."""

    name: str
    meaning: str
    methods: Mapping[Kind, Method]
    kept: Kept
    numbers: IdentifyingNumbers = _NO_NUMBERS
    """Numbers that identify a machine and are replaced."""
    shift: Shift | None = None
    """How moments are shifted; None: they stay."""
    columns: Mapping[str, Method] = field(default_factory=dict)
    """Methods of columns, by `table.column`, which go before those of their kinds."""


NUMBERS = (
    Kind.TIME, Kind.DURATION, Kind.BYTES, Kind.COUNT, Kind.RATIO, Kind.PORT, Kind.NUMBER, Kind.FLAGS, Kind.BOOLEAN,
    Kind.FLOW, Kind.PACKET, Kind.KEY,
)  # fmt: skip
"""Kinds of numbers and moments."""
_NUMBERS = dict.fromkeys(NUMBERS, Method.KEEP)
_SHARE = {
    **_NUMBERS,
    Kind.WORD: Method.KEEP,
    Kind.ADDRESS: Method.ADDRESS,
    Kind.ADDRESS_NUMBER: Method.ADDRESS,
    Kind.MAC: Method.MAC,
    Kind.HOST: Method.HOST,
    Kind.USER: Method.USER,
    Kind.PATH: Method.PATH,
    Kind.COMMAND_LINE: Method.COMMAND_LINE,
    Kind.URI: Method.URI,
    Kind.SOFTWARE: Method.SOFTWARE,
    Kind.DISTINGUISHED_NAME: Method.DISTINGUISHED,
    Kind.FINGERPRINT: Method.KEEP,
    Kind.DIGEST: Method.DIGEST,
    Kind.IDENTIFIER: Method.IDENTIFIER,
    Kind.OBJECT: Method.OBJECT,
    Kind.PLACE: Method.PLACE,
    Kind.AUTONOMOUS_SYSTEM: Method.SYSTEM,
    Kind.TERM: Method.TERM,
    Kind.SECRET: Method.HIDE,
    Kind.MIXED: Method.VALUE,
    Kind.FREE_TEXT: Method.TEXT,
}
_STRICT = {
    **_SHARE,
    Kind.SOFTWARE: Method.SOFTWARE_WHOLE,
    Kind.MIXED: Method.RECOGNISED,
    Kind.FINGERPRINT: Method.FINGERPRINT,
    Kind.PLACE: Method.HIDE,
    Kind.AUTONOMOUS_SYSTEM: Method.HIDE,
    Kind.COMMAND_LINE: Method.HIDE,
    Kind.FREE_TEXT: Method.HIDE,
}
_OF_PACKETS = IdentifyingNumbers(ttl=True, sequence=True, ip_id=True)
"""Not ports: with them flows are found again in lists, logs and rules of firewalls."""
_TIMING = dict.fromkeys(Kind, Method.HIDE) | _NUMBERS | {Kind.WORD: Method.KEEP}

SHARE = Policy(
    "share",
    "What identifies people, machines, organisations and their data is replaced; what very many systems have in common "
    "stays: vendors of network cards, last labels of names, well-known software, accounts and directories, countries.",
    _SHARE,
    Kept(),
)
STRICT = Policy(
    "strict",
    "Common words are replaced as well: vendors, last labels, software, accounts, directories and fingerprints become "
    "pseudonyms; places, autonomous systems, command lines and texts are hidden; numbers that identify a machine are "
    "replaced: times to live, sequence numbers, identifiers of packets.",
    _STRICT,
    Kept(vendors=False, suffixes=False, words=False),
    _OF_PACKETS,
)
TIMING_ONLY = Policy(
    "timing-only",
    "Only times, sizes, counts, ports and the words of protocols stay; everything else is hidden or replaced.",
    _TIMING,
    Kept(vendors=False, suffixes=False, words=False),
    _OF_PACKETS,
)
POLICIES: dict[str, Policy] = {policy.name: policy for policy in (SHARE, STRICT, TIMING_ONLY)}
"""All policies by name; the first is the default."""
