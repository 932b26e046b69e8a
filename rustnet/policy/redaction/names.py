"""Replacements of addresses in texts, of names of hosts, users and entries of directories, and of identifiers."""

import contextlib
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from rustnet.policy.redaction import vocabulary
from rustnet.policy.redaction.addresses import Addresses
from rustnet.policy.redaction.numbers import Numbers
from rustnet.policy.redaction.pseudonyms import HOST, IDENTIFIER, NAME, OBJECT, REDACTED, USER, Pseudonyms, cached
from rustnet.policy.redaction.suffixes import suffix_labels

MAX_TEXT = 16_384
"""Characters of a text that are looked at; the rest is left out."""
MAX_PARTS = 256
"""Most parts of a name, path or text that are replaced one by one; the rest is left out."""

_V4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_PLAIN_V4 = re.compile(_V4, re.ASCII)
_V6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,39}(?:\d{1,3}(?:\.\d{1,3}){3})?"
_ADDRESS = re.compile(
    rf"(?P<open>\[?)(?P<address>{_V4}|{_V6})(?P<zone>%[^\s\]/:]{{1,64}})?(?P<close>\]?)"
    rf"(?P<length>/\d{{1,3}}|/{_V4})?(?P<port>:\d{{1,5}})?",
    re.ASCII,
)
_MAC = re.compile(
    r"[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
)
_CONSTANT_MACS = re.compile(
    r"ffffffffffff|000000000000|01005e0000..|01005e7ffffa|0180c20000..|01000cccccc[cd]|3333000000..|33330001000[0-9]"
    r"|00005e000[12].."
)
"""Broadcast, none, groups of protocols, and virtual routers."""
_SID = re.compile(r"S-1-\d{1,3}(?:-\d{1,10}){0,15}")
_MAIL = re.compile(r"([^\s<>@\"]{1,256})@([^\s<>@\"]{1,256})")
_DN = re.compile(r"\s*([A-Za-z][\w.-]{0,31}|\d+(?:\.\d+){0,15})\s*=((?:\\.|[^\\,+;])*)([,+;]|$)", re.DOTALL)
_DN_WORDS = frozenset(
    ("cn", "c", "o", "ou", "l", "st", "s", "dc", "uid", "email", "emailaddress", "serialnumber", "street", "sn")
)
"""Types of the parts of distinguished names."""
_NUMBERED = re.compile(r"([A-Za-z_]+)(\d{0,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    """What replacements keep of their originals."""

    vendors: bool = True
    """First half of hardware addresses."""
    suffixes: bool = True
    """Public suffixes of host names, such as `com` or `co.uk`."""
    words: bool = True
    """Words that very many systems have."""


class Names:
    """Replacements of names under one key."""

    def __init__(self, pseudonyms: Pseudonyms, addresses: Addresses, kept: Kept, numbers: Numbers) -> None:
        self.numbers = numbers
        self.pseudonyms = pseudonyms
        self.addresses = addresses
        self.kept = kept

    def is_common(self, word: str, words: frozenset[str]) -> bool:
        """Whether a word may stay."""
        return self.kept.words and word.lower() in words

    # ---- addresses ---------------------------------------------------------------------------------------------------

    @cached
    def address(self, text: str) -> str:
        """Replace an address, perhaps with a zone, a prefix length or a port; empty for what is none."""
        if _PLAIN_V4.fullmatch(text):  # most are
            with contextlib.suppress(OSError):
                number = int.from_bytes(socket.inet_pton(socket.AF_INET, text))
                return socket.inet_ntoa(self.addresses.v4.replace(number).to_bytes(4))
        return self.any_address(text, back=False)

    def any_address(self, text: str, *, back: bool) -> str:
        """Replacement, or original, of an address in any of its forms; empty for what is none."""
        match = _ADDRESS.fullmatch(text)
        if match is None or bool(match["open"]) != bool(match["close"]):
            return ""
        try:
            address = ip_address(_without_zeros(match["address"]))
        except ValueError:
            return ""
        replaced = self.addresses.address(address, back=back)
        if match["length"]:
            host = _host_bits(match["length"][1:], address.max_prefixlen)
            if host is None:
                return ""
            if int(address) & host == 0:
                replaced = type(replaced)(int(replaced) & ~host)
        if address.version == 6 and address.ipv4_mapped is not None:
            mapped: IPv6Address = replaced  # type: ignore[assignment]
            shown = f"::ffff:{mapped.ipv4_mapped}"
        else:
            shown = str(replaced)
        zone = match["zone"] or ""
        if zone:
            zone = "%" + (self.pseudonyms.original(zone[1:]) or zone[1:] if back else self.object(zone[1:]))
        end = (match["length"] or "") + self.port(match["port"], back=back)
        return f"{match['open']}{shown}{zone}{match['close']}{end}"

    def address_number(self, number: int, *, back: bool = False) -> int:
        """Replacement, or original, of an address as a number of 128 bits."""
        if not 0 <= number < 1 << 128:
            return 0
        return self.addresses.number(number, back=back)

    @cached
    def mac(self, text: str) -> str:
        """Replace a hardware address; empty for what is none."""
        if not _MAC.fullmatch(text):
            return ""
        digits = re.sub(r"[:.-]", "", text).lower()
        if _CONSTANT_MACS.fullmatch(digits):
            return text
        if self.kept.vendors:
            replaced = f"{self.addresses.hardware.replace(int(digits, 16)):012x}"
        else:
            # Locally administered: the number of no vendor. A group stays one.
            number = self.pseudonyms.number(f"mac {digits}") >> 16
            replaced = f"{number & ~(3 << 40) | 2 << 40 | int(digits[1], 16) % 2 << 40:012x}"
        shown = _with_separators(replaced, text)
        self.pseudonyms.remember(shown, text)
        return shown

    def port(self, text: str | None, *, back: bool = False) -> str:
        """Replacement, or original, of a port with the colon before it."""
        if not text:
            return ""
        replaced = self.numbers.original_port(int(text[1:])) if back else self.numbers.port(int(text[1:]))
        return f":{replaced}" if replaced != int(text[1:]) else text

    # ---- hosts -------------------------------------------------------------------------------------------------------

    @cached
    def host(self, text: str) -> str:
        """Replace a name of a machine or domain label by label, or the address in its place."""
        if len(text) > MAX_TEXT:
            text = text[:MAX_TEXT]
        if "." in text or ":" in text:
            address = self.address(text) or self.mac(text)
            if address:
                return address
        for separator in ("@", "/"):
            if separator in text:
                return separator.join(map(self.host, text.split(separator, MAX_PARTS)[:MAX_PARTS]))
        match = re.fullmatch(r"(\\{0,2})(.*?)(<[0-9A-Fa-f]{2}>)?(:\d{1,5})?", text, re.DOTALL)
        before, name, kind, port = match.groups() if match else ("", text, None, None)
        return f"{before}{self._reverse(name.lower()) or self._labels(name)}{kind or ''}{self.port(port)}"

    def label(self, label: str) -> str:
        """Replacement of one label, whatever its case."""
        return self.pseudonyms.of(HOST, label.lower())

    def _labels(self, name: str) -> str:
        labels = name.split(".", MAX_PARTS)[:MAX_PARTS]
        named = [label for label in labels if label]
        if len(named) <= 1:
            whole = self.is_common(name.strip("."), vocabulary.HOST_NAMES)
            return name if whole else ".".join(self.label(label) if label else "" for label in labels)
        end = len(labels) - (not labels[-1])
        stay, public = suffix_labels([label.lower() for label in labels[:end]]) if self.kept.suffixes else (0, 1)
        # The label below a suffix is always replaced, and so are those of a suffix that do not stay: a domain may be
        # called shop or mail.
        below, first_kept = end - public - 1, end - stay
        return ".".join(
            label
            if not label or at >= first_kept or (at < below and self.is_common(label, vocabulary.HOST_LABELS))
            else self.label(label)
            for at, label in enumerate(labels)
        )

    def _reverse(self, name: str, *, back: bool = False) -> str:
        """Replacement, or original, of the name of an address for reverse lookups; empty for others."""
        bare = name.rstrip(".")
        for ending, size, bits in ((".in-addr.arpa", 8, 32), (".ip6.arpa", 4, 128)):
            if not bare.endswith(ending):
                continue
            labels = bare[: -len(ending)].split(".", MAX_PARTS)[:MAX_PARTS]
            numbers: list[int] = []
            while labels and len(numbers) < bits // size and _number(labels[-1], size) is not None:
                numbers.append(_number(labels.pop(), size) or 0)
            used = size * len(numbers)
            number = sum(each << (bits - size * (at + 1)) for at, each in enumerate(numbers))
            version = IPv4Address if bits == 32 else IPv6Address
            replaced = int(self.addresses.address(version(number), back=back))
            parts = [replaced >> (bits - size * (at + 1)) & ((1 << size) - 1) for at in range(used // size)]
            others = [label if back else self.label(label) for label in labels if label]
            shown = [str(part) if size == 8 else f"{part:x}" for part in reversed(parts)]
            return ".".join([*others, *shown]) + ending + name[len(bare) :]
        return ""

    def original_name(self, name: str) -> str:
        """Original of a name for reverse lookups; empty for others."""
        return self._reverse(name.lower(), back=True)

    # ---- users -------------------------------------------------------------------------------------------------------

    @cached
    def user(self, text: str) -> str:
        r"""Replace a person or an account: a name, `user@domain`, `DOMAIN\user`, `nick!user@host`, a mail address."""
        text = text[:MAX_TEXT]
        if self.is_common(text, vocabulary.ACCOUNTS):
            return text
        if _SID.fullmatch(text):
            return self.sid(text)
        if "<" in text or (" " in text and "@" in text):
            address = _MAIL.search(text)
            if address:
                return f"<{self._account(address[1])}@{self.host(address[2])}>"
        head, at, domain = text.rpartition("@")
        if at:
            domain, slash, resource = domain.partition("/")
            end = slash + (self._account(resource) if resource else "")
            return f"{self._local(head)}@{self.host(domain)}{end}"
        return self._local(text)

    def _local(self, text: str) -> str:
        r"""Replace what is before the `@`: `DOMAIN\user`, `nick!user`, `service/host`, or a name."""
        for separator, first in (("\\", self.host), ("/", self._account), ("!", self._account), (":", self._account)):
            head, found, rest = text.partition(separator)
            if found:
                second = (
                    self.host if separator == "/" and self.is_common(head, vocabulary.ACCOUNTS) else self._local_end
                )
                return f"{first(head) if head else ''}{separator}{second(rest) if rest else ''}"
        return self._account(text)

    def _local_end(self, text: str) -> str:
        return self._account(text)

    def _account(self, name: str) -> str:
        if not name or self.is_common(name, vocabulary.ACCOUNTS):
            return name
        if name.endswith("$") and len(name) > 1:
            return self.label(name[:-1]) + "$"
        return self.pseudonyms.of(USER, name)

    def sid(self, text: str) -> str:
        """Replace a security identifier of Windows: its domain's numbers, and those of users."""
        parts = text.split("-")
        if parts[3:4] != ["21"] or len(parts) < 7:
            return text if self.kept.words and all(len(part) <= 4 for part in parts) else self.identifier(text)
        domain = [str(self.pseudonyms.number(f"sid {part}") >> 32) for part in parts[4:7]]
        rest = [
            part if len(part) <= 3 else str(1000 + (self.pseudonyms.number(f"rid {text}") >> 34)) for part in parts[7:]
        ]
        shown = "-".join([*parts[:4], *domain, *rest])
        self.pseudonyms.remember(shown, text)
        return shown

    # ---- entries of directories, objects, identifiers ----------------------------------------------------------------

    @cached
    def distinguished(self, text: str) -> str:
        """Replace a name of a directory or a certificate value by value; the types of its parts stay."""
        shown, at, parts = [], 0, 0
        text = text[:MAX_TEXT]
        while at < len(text):
            match = _DN.match(text, at)
            if match is None or parts >= MAX_PARTS:
                shown.append(REDACTED)
                break
            parts += 1
            kind, value, end = match.groups()
            known = kind.lower() in _DN_WORDS or kind[0].isdigit()
            shown.append(f"{kind if known else REDACTED}={self._directory_value(kind.lower(), value)}{end}")
            at = match.end()
        return "".join(shown)

    def _directory_value(self, kind: str, value: str) -> str:
        bare = value.strip()
        if not bare or (kind == "c" and len(bare) == 2 and self.kept.words):
            return value
        if self.is_common(bare.replace("\\", ""), vocabulary.AUTHORITIES):
            return value
        if kind == "dc":
            plain = self.kept.suffixes and bare.lower() in vocabulary.SUFFIXES
            return bare if plain else self.label(bare)
        if kind in ("email", "emailaddress", "uid"):
            return self.user(bare)
        looks_like_host = "." in bare and re.fullmatch(r"[\w*.:-]+", bare)
        return self.host(bare) if looks_like_host else self.pseudonyms.of(NAME, bare)

    @cached
    def object(self, text: str) -> str:
        """Replace a name that users chose; names that systems come with, and those of interfaces, stay."""
        numbered = _NUMBERED.fullmatch(text)
        interface = numbered is not None and self.is_common(numbered[1], vocabulary.INTERFACES)
        if not text or interface or self.is_common(text, vocabulary.OBJECTS):
            return text
        return self.pseudonyms.of(OBJECT, text)

    def identifier(self, text: str) -> str:
        """Replace an identifier."""
        return self.pseudonyms.of(IDENTIFIER, text) if text else text


def _without_zeros(address: str) -> str:
    """An IPv4 address without zeros before its numbers, with which some programs write it; others as they are."""
    return ".".join(str(int(part)) for part in address.split(".")) if _PLAIN_V4.fullmatch(address) else address


def _host_bits(length: str, most: int) -> int | None:
    """Bits of an address that are not the network's, by a prefix length or a mask."""
    if "." not in length:
        return (1 << (most - int(length))) - 1 if int(length) <= most else None
    try:
        return int(IPv4Address(length)) ^ 0xFFFF_FFFF if most == 32 else None
    except ValueError:
        return None


def _number(label: str, size: int) -> int | None:
    """Number in a label of a reverse name: decimal, or one hexadecimal digit."""
    if size == 4:
        return int(label, 16) if re.fullmatch(r"[0-9a-f]", label) else None
    return int(label) if re.fullmatch(r"\d{1,3}", label, re.ASCII) and int(label) < 256 else None


def _with_separators(digits: str, like: str) -> str:
    """Digits of a hardware address, separated and in the case of another one."""
    if any(char.isupper() for char in like):
        digits = digits.upper()
    if "." in like:
        return ".".join(digits[at : at + 4] for at in (0, 4, 8))
    return (":" if ":" in like else "-").join(digits[at : at + 2] for at in range(0, 12, 2))
