"""X.509 certificates (RFC 5280): the fields that describe a server, read by a bounded DER reader.

Real and hostile chains contain certificates that strict libraries reject as a whole. Here each field is read on its
own, and only a certificate whose structure is broken raises `DissectError`. Signatures are not verified.
"""

import re
from calendar import timegm
from hashlib import sha256
from socket import AF_INET6, inet_ntoa, inet_ntop

import cython

from rustnet.dissect.framework.ber import dotted
from rustnet.dissect.framework.conversation import DissectError

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.dissect.framework.ber import part, parts

MAX_SANS = 2048
"""Names kept of a certificate: more than a row may have."""
MAX_NAMES = 65_535
"""Names read of a certificate."""
MAX_CACHED = 2048
"""Distinct certificates that are cached."""
MAX_TIME = 9_223_372_036_000_000_000
"""Later times, such as `no well-defined expiry` (9999-12-31), become 2262-04-11."""
_MAX_RDNS = 64
_MAX_VALUE = 1024

_ATTRIBUTES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550409"): "STREET",
    bytes.fromhex("0992268993f22c640119"): "DC",
    bytes.fromhex("0992268993f22c640101"): "UID",
}
_CODECS = {
    12: "utf-8",
    18: "ascii",
    19: "ascii",
    20: "latin-1",
    22: "ascii",
    26: "ascii",
    28: "utf-32-be",
    30: "utf-16-be",
}
_SAN = bytes.fromhex("551d11")
_EC = bytes.fromhex("2a8648ce3d0201")
_CURVES = {
    bytes.fromhex("2a8648ce3d030101"): ("secp192r1", 192),
    bytes.fromhex("2b81040021"): ("secp224r1", 224),
    bytes.fromhex("2a8648ce3d030107"): ("secp256r1", 256),
    bytes.fromhex("2b81040022"): ("secp384r1", 384),
    bytes.fromhex("2b81040023"): ("secp521r1", 521),
    bytes.fromhex("2b8104000a"): ("secp256k1", 256),
    bytes.fromhex("2b2403030208010107"): ("brainpoolP256r1", 256),
    bytes.fromhex("2b240303020801010b"): ("brainpoolP384r1", 384),
    bytes.fromhex("2b240303020801010d"): ("brainpoolP512r1", 512),
    bytes.fromhex("2a811ccf5501822d"): ("curveSM2", 256),
}
_KEYS = {
    bytes.fromhex("2a864886f70d010101"): "RSA",
    bytes.fromhex("2a864886f70d01010a"): "RSA-PSS",
    bytes.fromhex("2a8648ce380401"): "DSA",
    bytes.fromhex("2a864886f70d010301"): "DH",
    bytes.fromhex("2b656e"): "X25519",
    bytes.fromhex("2b656f"): "X448",
    bytes.fromhex("2b6570"): "Ed25519",
    bytes.fromhex("2b6571"): "Ed448",
}
_FIXED_BITS = {"X25519": 256, "X448": 448, "Ed25519": 256, "Ed448": 456}
_SIGNATURES = {
    bytes.fromhex("2a864886f70d010102"): "md2WithRSA",
    bytes.fromhex("2a864886f70d010104"): "md5WithRSA",
    bytes.fromhex("2a864886f70d010105"): "sha1WithRSA",
    bytes.fromhex("2a864886f70d01010a"): "RSASSA-PSS",
    bytes.fromhex("2a864886f70d01010b"): "sha256WithRSA",
    bytes.fromhex("2a864886f70d01010c"): "sha384WithRSA",
    bytes.fromhex("2a864886f70d01010d"): "sha512WithRSA",
    bytes.fromhex("2a864886f70d01010e"): "sha224WithRSA",
    bytes.fromhex("2b0e03021d"): "sha1WithRSA",
    bytes.fromhex("2a8648ce380403"): "dsaWithSha1",
    bytes.fromhex("608648016503040302"): "dsaWithSha256",
    bytes.fromhex("2a8648ce3d0401"): "ecdsaWithSha1",
    bytes.fromhex("2a8648ce3d040302"): "ecdsaWithSha256",
    bytes.fromhex("2a8648ce3d040303"): "ecdsaWithSha384",
    bytes.fromhex("2a8648ce3d040304"): "ecdsaWithSha512",
    bytes.fromhex("2b6570"): "Ed25519",
    bytes.fromhex("2b6571"): "Ed448",
}
_SPECIAL = re.compile(r'[\\"+,;<>\x00]')
_UTC = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:Z|([+-])(\d\d)(\d\d))").fullmatch
_GENERAL = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:\.\d+)?(?:Z|([+-])(\d\d)(\d\d))?").fullmatch


class Certificate:
    """The fields of one certificate."""

    __slots__ = (
        "issuer",
        "key_bits",
        "key_type",
        "not_after",
        "not_before",
        "san_count",
        "sans",
        "self_signed",
        "serial",
        "sha256",
        "signature",
        "subject",
    )

    def __init__(self, fingerprint: str) -> None:
        self.sha256 = fingerprint
        """Hash of the whole certificate, hexadecimal."""
        self.serial: str | None = None
        """Hexadecimal, as encoded."""
        self.subject: str | None = None
        """RFC 4514 text."""
        self.issuer: str | None = None
        """RFC 4514 text."""
        self.self_signed = False
        """Issuer and subject are the same name."""
        self.not_before: int | None = None
        """Nanoseconds since 1970."""
        self.not_after: int | None = None
        """Nanoseconds since 1970."""
        self.sans: list[str] = []
        """DNS names, addresses, mail addresses and URIs of the subject alternative name."""
        self.san_count = 0
        """Number of these names, kept or not."""
        self.key_type: str | None = None
        self.key_bits: int | None = None
        self.signature: str | None = None


_CACHE: dict[bytes, Certificate] = {}


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate; each distinct one is read once and cached."""
    digest = sha256(der).digest()
    certificate = _CACHE.get(digest)
    if certificate is None:
        certificate = _parse(der, digest.hex())
        if len(_CACHE) >= MAX_CACHED:
            del _CACHE[next(iter(_CACHE))]
        _CACHE[digest] = certificate
    return certificate


def _parse(der: bytes, fingerprint: str) -> Certificate:
    certificate = Certificate(fingerprint)
    tag, start, end = part(der, 0, len(der))
    outer = parts(der, start, end, 3)
    if tag != 0x30 or len(outer) < 2 or outer[0][0] != 0x30:
        raise DissectError("expected a certificate as a SEQUENCE of three values")
    values = parts(der, outer[0][1], outer[0][2])
    if values and values[0][0] == 0xA0:  # version
        values = values[1:]
    if len(values) < 6:
        raise DissectError("expected at least 6 fields in a certificate")
    serial, _, issuer, validity, subject, key = values[:6]
    certificate.serial = der[serial[1] : min(serial[2], serial[1] + 64)].hex()
    certificate.issuer = _name(der, issuer[1], issuer[2])
    certificate.subject = _name(der, subject[1], subject[2])
    certificate.self_signed = der[issuer[1] : issuer[2]] == der[subject[1] : subject[2]]
    times = parts(der, validity[1], validity[2], 2)
    if len(times) == 2:
        certificate.not_before = _time(der, *times[0])
        certificate.not_after = _time(der, *times[1])
    _key(der, key[1], key[2], certificate)
    algorithm = parts(der, outer[1][1], outer[1][2], 1)
    if algorithm:
        oid = der[algorithm[0][1] : algorithm[0][2]]
        certificate.signature = _SIGNATURES.get(oid) or dotted(der, algorithm[0])
    for tag, start, end in values[6:]:
        if tag == 0xA3:
            _extensions(der, start, end, certificate)
    return certificate


def _name(data: bytes, pos: int, end: int) -> str:
    """A distinguished name in RFC 4514 notation: the last part first."""
    names = []
    for _, start, stop in parts(data, pos, end, _MAX_RDNS):
        pairs = [_pair(data, a, z) for _, a, z in parts(data, start, stop, 8)]
        names.append("+".join(pairs))
    names.reverse()
    return ",".join(names)


def _pair(data: bytes, pos: int, end: int) -> str:
    values = parts(data, pos, end, 2)
    if len(values) < 2:
        raise DissectError("expected a type and a value in a distinguished name")
    oid = data[values[0][1] : values[0][2]]
    tag, start, stop = values[1]
    attribute = _ATTRIBUTES.get(oid) or dotted(data, values[0])
    return f"{attribute}={_value(tag, data[start : min(stop, start + _MAX_VALUE)])}"


def _value(tag: int, raw: bytes) -> str:
    """An attribute value, escaped (RFC 4514, 2.4); hexadecimal if it is not a string."""
    codec = _CODECS.get(tag)
    if codec is None:
        return "#" + raw.hex()
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = _SPECIAL.sub(lambda m: "\\00" if m.group() == "\0" else "\\" + m.group(), text)
    if text[:1] in {" ", "#"}:
        text = "\\" + text
    if text.endswith(" ") and len(text) > 1 and not text.endswith("\\ "):
        text = text[: len(text) - 1] + "\\ "
    return text


def _time(data: bytes, tag: int, start: int, stop: int) -> int | None:
    """UTCTime or GeneralizedTime in nanoseconds since 1970; None if it is invalid."""
    raw = data[start : min(stop, start + 32)]
    match = _UTC(raw) if tag == 23 else _GENERAL(raw)
    if match is None:
        return None
    year, month, day, hour, minute, second, sign, hours, minutes = match.groups()
    full = int(year)
    if tag == 23:
        full += 1900 if full >= 50 else 2000
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(hour) < 24 and int(minute) < 60 and full):
        return None
    seconds = timegm((full, int(month), 1, int(hour), int(minute), int(second or 0))) + (int(day) - 1) * 86_400
    if sign is not None:
        shift = int(hours) * 3600 + int(minutes) * 60
        seconds += shift if sign == b"-" else -shift
    return max(-MAX_TIME, min(MAX_TIME, seconds * 1_000_000_000))


def _key(data: bytes, pos: int, end: int, certificate: Certificate) -> None:
    """Read type and size of the public key."""
    values = parts(data, pos, end, 2)
    if len(values) < 2:
        return
    algorithm = parts(data, values[0][1], values[0][2], 2)
    if not algorithm:
        return
    oid = data[algorithm[0][1] : algorithm[0][2]]
    if oid == _EC:
        curve = data[algorithm[1][1] : algorithm[1][2]] if len(algorithm) > 1 else b""
        certificate.key_type = "EC"
        certificate.key_bits = _CURVES[curve][1] if curve in _CURVES else None
        return
    kind = certificate.key_type = _KEYS.get(oid) or dotted(data, algorithm[0])
    certificate.key_bits = _FIXED_BITS.get(kind)
    if kind in {"RSA", "RSA-PSS"}:
        certificate.key_bits = _first_integer_bits(data, values[1][1] + 1, values[1][2], nested=True)
    elif kind in {"DSA", "DH"} and len(algorithm) > 1:
        certificate.key_bits = _first_integer_bits(data, algorithm[1][1], algorithm[1][2], nested=False)


def _first_integer_bits(data: bytes, pos: int, end: int, nested: bool) -> int | None:
    """Size of the first integer of a sequence: RSA's modulus, DSA's prime."""
    try:
        if nested:
            _, pos, end = part(data, pos, end)
        tag, start, stop = part(data, pos, end)
    except DissectError:
        return None
    return int.from_bytes(data[start:stop], "big").bit_length() if tag == 2 and stop - start <= 4096 else None


def _extensions(data: bytes, pos: int, end: int, certificate: Certificate) -> None:
    """Read the subject alternative name, if it is among the extensions."""
    _, pos, end = part(data, pos, end)
    for _, start, stop in parts(data, pos, end):
        values = parts(data, start, stop, 3)
        if len(values) >= 2 and data[values[0][1] : values[0][2]] == _SAN:
            _, value, last = values[len(values) - 1]
            _, value, last = part(data, value, last)
            for tag, a, z in parts(data, value, last, MAX_NAMES):
                name = _general_name(tag, data[a:z])
                if name:
                    certificate.san_count = min(certificate.san_count + 1, MAX_NAMES)
                    if len(certificate.sans) < MAX_SANS:
                        certificate.sans.append(name)


def _general_name(tag: int, raw: bytes) -> str | None:
    if tag in {0x82, 0x81, 0x86}:  # DNS, mail, URI
        return raw[:_MAX_VALUE].decode("latin-1").replace("\0", "\\00")
    if tag == 0x87 and len(raw) == 4:
        return inet_ntoa(raw)
    if tag == 0x87 and len(raw) == 16:
        return inet_ntop(AF_INET6, raw)
    return None
