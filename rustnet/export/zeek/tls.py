"""ssl.log and x509.log: handshakes and certificates of TLS, DTLS and QUIC."""

import ipaddress
import re

from rustnet.export.zeek.spec import WITH_FLOW, Field, Log, message_fields, plain, unset

_VERSION = re.compile(r"(SSL|TLS|DTLS) (\d)\.(\d)(?: draft (\d+))?")

SIGNATURES = {
    "md2WithRSA": "md2WithRSAEncryption", "md5WithRSA": "md5WithRSAEncryption",
    "sha1WithRSA": "sha1WithRSAEncryption", "sha224WithRSA": "sha224WithRSAEncryption",
    "sha256WithRSA": "sha256WithRSAEncryption", "sha384WithRSA": "sha384WithRSAEncryption",
    "sha512WithRSA": "sha512WithRSAEncryption", "RSASSA-PSS": "rsassaPss", "dsaWithSha1": "dsaWithSHA1",
    "dsaWithSha256": "dsa_with_SHA256", "ecdsaWithSha1": "ecdsa-with-SHA1", "ecdsaWithSha256": "ecdsa-with-SHA256",
    "ecdsaWithSha384": "ecdsa-with-SHA384", "ecdsaWithSha512": "ecdsa-with-SHA512", "Ed25519": "ED25519",
    "Ed448": "ED448",
}  # fmt: skip
"""OpenSSL's names of signature algorithms, which Zeek uses; others are kept."""
KEYS = {
    "RSA": "rsaEncryption", "RSA-PSS": "rsassaPss", "DSA": "dsaEncryption", "DH": "dhKeyAgreement",
    "EC": "id-ecPublicKey", "X25519": "X25519", "X448": "X448", "Ed25519": "ED25519", "Ed448": "ED448",
}  # fmt: skip
KEY_TYPES = {"RSA": "rsa", "RSA-PSS": "rsa", "DSA": "dsa", "EC": "ecdsa"}


def version(name: str) -> str:
    """Zeek's name of a version: ``TLSv12``, ``SSLv3``, ``TLSv13-draft28``; ``unknown-N`` for other numbers."""
    match = _VERSION.fullmatch(name)
    if match is None:
        return unknown(name)
    family, major, minor, draft = match.groups()
    short = f"{family}v{major}" if family == "SSL" else f"{family}v{major}{minor}"
    return f"{short}-draft{draft}" if draft else short


def unknown(name: str) -> str:
    """A name, or Zeek's ``unknown-N`` for a number that has none."""
    return f"unknown-{int(name, 16)}" if re.fullmatch(r"0x[0-9A-Fa-f]{1,6}", name) else name


def kind_of_name(name: str) -> str:
    """Kind of a subject alternative name: ``ip``, ``uri``, ``email`` or ``dns``."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        return "ip"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", name):
        return "uri"
    return "email" if "@" in name else "dns"


def chain(parts: list[str]) -> list[str | None]:
    """Fingerprints of a chain, of which the first is known, by that and the number of certificates."""
    return [parts[0], *[None] * (int(parts[1]) - 1)]


def _ssl_fields() -> tuple[Field, ...]:
    return message_fields(
        Field("version", "string", "m.version", change=version),
        Field("cipher", "string", "m.cipher", change=unknown),
        Field("curve", "string", "m.key_group", "`key_group`", change=unknown),
        Field("server_name", "string", "m.sni"),
        plain("resumed", "bool", text="unset if it is not known"),
        Field(
            "last_alert",
            "string",
            "CASE WHEN m.alert_level = 'fatal' THEN m.alert END",
            "a fatal alert in the clear; of warnings the session has the first, not the last",
        ),
        Field("next_protocol", "string", "m.alpn", "encrypted in TLS 1.3"),
        plain("established", "bool"),
        unset("ssl_history", "string", "the order of messages is not in a session"),
        Field(
            "cert_chain_fps",
            "vector[string]",
            "CASE WHEN m.cert_sha256 IS NOT NULL "
            "THEN [m.cert_sha256, greatest(coalesce(m.chain_length, 1), 1)::VARCHAR] END",
            "the server's own certificate, then an unset value for each further one",
            chain,
        ),
        Field(
            "client_cert_chain_fps",
            "vector[string]",
            "CASE WHEN m.client_cert_sha256 IS NOT NULL THEN [m.client_cert_sha256] END",
            "the client's own certificate; the length of its chain is not in a session",
        ),
        unset("sni_matches_cert", "bool"),
        plain("ja3", "string", text="as by the package ja3"),
        plain("ja3s", "string", text="as by the package ja3"),
    )


_QUIC = """hellos AS (
    SELECT capture_id, flow_id, ts, packet, sni, version, cipher, alpn, ja3, ja3s, key_group, resumed, alert,
        alert_level, established, cert_sha256, chain_length, client_cert_sha256 FROM tls
    UNION ALL BY NAME
    SELECT capture_id, flow_id, ts, packet, sni, CASE WHEN cipher IS NOT NULL THEN 'TLS 1.3' END AS version, cipher,
        ja3, ja3s, key_group, established FROM quic WHERE ja3 IS NOT NULL OR cipher IS NOT NULL)"""

SSL = Log(
    "ssl",
    ("flows", "tls", "quic"),
    f"hellos m {WITH_FLOW}",
    _ssl_fields(),
    ("m.ts", "m.packet", "m.flow_id"),
    "One row for each handshake of TLS or DTLS, and of QUIC as far as its hellos could be decrypted.",
    common=(_QUIC,),
)

_CERTIFICATES = """certificates AS (
    SELECT capture_id, ts, packet, flow_id, cert_sha256 AS sha256, false AS client, subject, issuer, not_before,
        not_after, cert_serial, cert_key_type, cert_key_bits, cert_signature, sans
    FROM tls WHERE cert_sha256 IS NOT NULL
    UNION ALL BY NAME
    SELECT capture_id, ts, packet, flow_id, client_cert_sha256 AS sha256, true AS client, client_subject AS subject
    FROM tls WHERE client_cert_sha256 IS NOT NULL
), days AS (
    SELECT *, (epoch_ns(ts) - min(epoch_ns(ts)) OVER (PARTITION BY sha256, client)) // 86400000000000 AS day
    FROM certificates
)"""


def _names(kind: str, words: str) -> Field:
    def of_kind(names: list[str]) -> list[str] | None:
        return [name for name in names if kind_of_name(name) == kind] or None

    value = "vector[addr]" if kind == "ip" else "vector[string]"
    return Field(f"san.{kind}", value, "m.sans", f"those of `sans` that are {words}", of_kind)


X509 = Log(
    "x509",
    ("tls",),
    "days m QUALIFY row_number() OVER (PARTITION BY m.sha256, m.client, m.day ORDER BY m.ts, m.packet, m.flow_id) = 1",
    (
        Field("ts", "time", "epoch_ns(m.ts)"),
        Field("fingerprint", "string", "m.sha256", "SHA-256, as Zeek's default"),
        unset("certificate.version", "count"),
        Field("certificate.serial", "string", "upper(m.cert_serial)"),
        Field("certificate.subject", "string", "m.subject"),
        Field("certificate.issuer", "string", "m.issuer"),
        Field("certificate.not_valid_before", "time", "epoch_ns(m.not_before)"),
        Field("certificate.not_valid_after", "time", "epoch_ns(m.not_after)"),
        Field("certificate.key_alg", "string", "m.cert_key_type", "OpenSSL's name", change=lambda v: KEYS.get(v, v)),
        Field(
            "certificate.sig_alg", "string", "m.cert_signature", "OpenSSL's name", change=lambda v: SIGNATURES.get(v, v)
        ),
        Field("certificate.key_type", "string", "m.cert_key_type", "`rsa`, `dsa` or `ecdsa`", change=KEY_TYPES.get),
        Field("certificate.key_length", "count", "m.cert_key_bits"),
        unset("certificate.exponent", "string"),
        unset("certificate.curve", "string"),
        _names("dns", "names of hosts"),
        _names("uri", "URIs"),
        _names("email", "mail addresses"),
        _names("ip", "addresses"),
        unset("basic_constraints.ca", "bool"),
        unset("basic_constraints.path_len", "count"),
        Field("host_cert", "bool", "true", "the session has the first certificate of each chain"),
        Field("client_cert", "bool", "m.client", "it is a certificate of a client"),
    ),
    ("m.ts", "m.packet", "m.flow_id", "m.client"),
    "One row a day for each certificate of a server or client: the first of its chain. Others are not in a session. Of "
    "a client's certificate a session has the fingerprint and the subject.",
    common=(_CERTIFICATES,),
)
