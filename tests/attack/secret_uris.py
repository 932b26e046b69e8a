"""Binary messages and datagrams that carry URIs and parameters with secrets."""

import struct

from tests.attack.secret_cases import Case
from tests.dissect.samples_lookup import GOPHER_MENU
from tests.dissect.samples_services import dhcp_message, option
from tests.dissect.samples_udp_secure import coap
from tests.dissect.samples_web import HERE, answer, dns, question


def counted(raw: bytes, size: str = ">H") -> bytes:
    """Bytes with their length in front."""
    return struct.pack(size, len(raw)) + raw


def uri(s: bytes, d: bytes) -> bytes:
    """A URI with a secret in each place that has a name for it."""
    return b"http://bob:" + s + b"@h/" + d + b"?token=" + s + b"&x=1"


def radius(s: bytes, d: bytes) -> bytes:
    """An Access-Reject whose message has a link."""
    said = b"see http://h/" + d + b"?password=" + s
    attributes = b"\x12" + bytes([len(said) + 2]) + said
    return b"\3\1" + struct.pack(">H", 20 + len(attributes)) + bytes(16) + attributes


def mqtt(s: bytes, d: bytes) -> bytes:
    """A CONNECT whose names are addresses."""
    body = counted(b"MQTT") + b"\4\x82\0\x3c" + counted(b"mqtt://bob:" + s + b"@h/" + d)
    body += counted(d + b"/?sig=" + s)
    return b"\x10" + bytes([len(body)]) + body


def bson(name: bytes, value: bytes) -> bytes:
    return b"\2" + name + b"\0" + struct.pack("<i", len(value) + 1) + value + b"\0"


def postgres(s: bytes, d: bytes) -> bytes:
    """A start-up message with addresses in the parameters."""
    words = b"user\0" + d + b"\0database\0postgres://bob:" + s + b"@h/x\0application_name\0a password=" + s + b"\0\0"
    body = struct.pack(">i", 196608) + words
    return struct.pack(">i", len(body) + 4) + body


def kafka(s: bytes, d: bytes) -> bytes:
    """A request for versions by a client whose name is an address."""
    body = struct.pack(">hhi", 18, 0, 1) + counted(b"kafka://bob:" + s + b"@" + d)
    return struct.pack(">i", len(body)) + body


def syslog(s: bytes, d: bytes) -> bytes:
    """A syslog message whose program is an address."""
    return b"<34>Oct 11 22:14:15 " + d + b" http://bob:" + s + b"@h/: started"


SSDP = (
    b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1\r\nEXT:\r\nLOCATION: http://bob:%s@h/%s?auth=%s\r\n"
    b"SERVER: X token=%s\r\nST: upnp:x;password=%s\r\nUSN: uuid:1?key=%s\r\n\r\n"
)


def discover(s: bytes, d: bytes) -> bytes:
    """A DHCP message with addresses and parameters in its options."""
    address = b"http://b:" + s + b"@h/"
    options = (
        (53, b"\1"), (252, address + d), (67, address),
        (60, b"x password=" + s), (66, b"b:" + s + b"@h"), (77, b"key=" + s),
    )  # fmt: skip
    return dhcp_message(1, b"".join(option(*one) for one in options) + b"\xff")


def texts(s: bytes, d: bytes) -> list[tuple[str, bytes]]:
    """A question for TXT records, and its answer."""
    asked = question(d.decode() + ".example", 16)
    said = (counted(b"password=" + s, ">B"), counted(uri(s, d), ">B"))
    return [(">", dns(0x0100, (asked,))), ("<", dns(0x8180, (asked,), tuple(answer(HERE, 16, one) for one in said)))]


URIS = [
    Case("ssdp-uri", 1900, lambda s, d: [("<", SSDP % (s, d, s, s, s, s))], udp=True),
    Case("dhcp-uri", 67, lambda s, d: [(">", discover(s, d))], udp=True),
    Case(
        "coap-uri",
        5683,
        lambda s, d: [(">", coap(0, 1, 7, b"ab", ((11, d), (15, b"token=" + s), (15, b"x=1"))))],
        udp=True,
    ),
    Case("tftp-uri", 69, lambda s, d: [(">", b"\0\1http://b:" + s + b"@h/" + d + b"\0octet\0")], udp=True),
    Case("radius-uri", 1812, lambda s, d: [(">", radius(s, d))], udp=True),
    Case("mqtt-uri", 1883, lambda s, d: [(">", mqtt(s, d)), ("<", b"\x20\2\0\0")]),
    Case("postgresql-uri", 5432, lambda s, d: [(">", postgres(s, d))]),
    Case("kafka-uri", 9092, lambda s, d: [(">", kafka(s, d))]),
    Case("syslog-uri", 514, lambda s, d: [(">", syslog(s, d))], udp=True),
    Case(
        "gopher-binary-uri",
        70,
        lambda s, d: [(">", b"/" + d + b"?x=1;password=" + s + b"\r\n"), ("<", GOPHER_MENU)],
    ),
    Case("dns-txt", 53, texts, udp=True),
]
