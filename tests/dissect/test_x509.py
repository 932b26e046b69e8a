import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.tls import x509 as ours
from rustnet.dissect.tls.x509 import MAX_TIME, read_certificate
from tests.dissect.samples_web import certificate, server_pem
from tests.support.effort import examples

DER = x509.load_pem_x509_certificate(server_pem()[0]).public_bytes(serialization.Encoding.DER)


def der(pem: tuple[bytes, bytes]) -> tuple[bytes, x509.Certificate]:
    made = x509.load_pem_x509_certificate(pem[0])
    return made.public_bytes(serialization.Encoding.DER), made


def test_names_as_rfc_4514() -> None:
    subject = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Ümläut, "Söhne" & Co. <x>; a+b=c'),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, " leading and trailing "),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.example"),
        x509.NameAttribute(NameOID.COMMON_NAME, "#hash\\"),
    ]
    raw, made = der(certificate("x", subject=subject))
    assert read_certificate(raw).subject == made.subject.rfc4514_string()


def test_keys() -> None:
    raw, _ = der(certificate("x", kind="rsa"))
    read = read_certificate(raw)
    assert (read.key_type, read.key_bits, read.signature) == ("RSA", 2048, "sha256WithRSA")
    for key, kind, bits in (
        (ec.generate_private_key(ec.SECP521R1()), "EC", 521),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519", 256),
        (dsa.generate_private_key(1024), "DSA", 1024),
    ):
        named = x509.Name([])
        built = (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(named)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(dt.datetime(1980, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC))
            .sign(key, None if kind == "Ed25519" else hashes.SHA256())
        )
        read = read_certificate(built.public_bytes(serialization.Encoding.DER))
        assert (read.key_type, read.key_bits, read.subject) == (kind, bits, "")
        assert (read.not_before, read.not_after) == (315_532_800_000_000_000, MAX_TIME)


@pytest.mark.parametrize(
    ("tag", "text", "seconds"),
    [
        (23, b"700101000000Z", 0),
        (23, b"491231235959Z", 2_524_607_999),
        (23, b"500101000000Z", -631_152_000),
        (23, b"7001010000Z", 0),
        (23, b"700101010000+0100", 0),
        (24, b"20240229120000Z", 1_709_208_000),
        (24, b"20240229120000.5Z", 1_709_208_000),
        (24, b"20241329120000Z", None),
        (23, b"garbage", None),
        (24, b"", None),
    ],
)
def test_times(tag: int, text: bytes, seconds: int | None) -> None:
    made = ours._time(text, tag, 0, len(text))
    assert made == (None if seconds is None else seconds * 10**9)


def test_each_certificate_is_read_once() -> None:
    assert read_certificate(DER) is read_certificate(bytes(DER))


def test_the_cache_is_bounded() -> None:
    for i in range(ours.MAX_CACHED + 10):
        read_certificate(DER + i.to_bytes(4, "big"))
    assert len(ours._CACHE) <= ours.MAX_CACHED


@settings(max_examples=examples(500))
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(DER)))
def test_hostile_certificates(changes: list[tuple[int, int]], cut: int) -> None:
    raw = bytearray(DER)
    for where, value in changes:
        raw[where] = value
    try:
        made = read_certificate(bytes(raw[:cut] if cut % 3 == 0 else raw))
    except DissectError:
        return
    for text in (made.subject, made.issuer, made.serial, *made.sans):
        (text or "").encode("utf-8")
    for moment in (made.not_before, made.not_after):
        assert moment is None or abs(moment) < 1 << 63
