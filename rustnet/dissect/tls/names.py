"""Names of TLS numbers: cipher suites, groups, versions and alerts (the IANA TLS parameter registries)."""

_KX_OLD = ("RSA", "DH_DSS", "DH_RSA", "DHE_DSS", "DHE_RSA", "DH_anon")
_KX_EC = ("ECDHE_ECDSA", "ECDH_ECDSA", "ECDHE_RSA", "ECDH_RSA")
_KX_GCM = ("RSA", "DHE_RSA", "DH_RSA", "DHE_DSS", "DH_DSS", "DH_anon", *_KX_EC)
_KX_PSK = ("PSK", "DHE_PSK", "RSA_PSK")

# Consecutive suites from a first number; `-` stands for a number that is not assigned.
_RUNS = {
    0x0000: """NULL_WITH_NULL_NULL RSA_WITH_NULL_MD5 RSA_WITH_NULL_SHA RSA_EXPORT_WITH_RC4_40_MD5
        RSA_WITH_RC4_128_MD5 RSA_WITH_RC4_128_SHA RSA_EXPORT_WITH_RC2_CBC_40_MD5 RSA_WITH_IDEA_CBC_SHA
        RSA_EXPORT_WITH_DES40_CBC_SHA RSA_WITH_DES_CBC_SHA RSA_WITH_3DES_EDE_CBC_SHA
        DH_DSS_EXPORT_WITH_DES40_CBC_SHA DH_DSS_WITH_DES_CBC_SHA DH_DSS_WITH_3DES_EDE_CBC_SHA
        DH_RSA_EXPORT_WITH_DES40_CBC_SHA DH_RSA_WITH_DES_CBC_SHA DH_RSA_WITH_3DES_EDE_CBC_SHA
        DHE_DSS_EXPORT_WITH_DES40_CBC_SHA DHE_DSS_WITH_DES_CBC_SHA DHE_DSS_WITH_3DES_EDE_CBC_SHA
        DHE_RSA_EXPORT_WITH_DES40_CBC_SHA DHE_RSA_WITH_DES_CBC_SHA DHE_RSA_WITH_3DES_EDE_CBC_SHA
        DH_anon_EXPORT_WITH_RC4_40_MD5 DH_anon_WITH_RC4_128_MD5 DH_anon_EXPORT_WITH_DES40_CBC_SHA
        DH_anon_WITH_DES_CBC_SHA DH_anon_WITH_3DES_EDE_CBC_SHA""",
    0x001E: """KRB5_WITH_DES_CBC_SHA KRB5_WITH_3DES_EDE_CBC_SHA KRB5_WITH_RC4_128_SHA KRB5_WITH_IDEA_CBC_SHA
        KRB5_WITH_DES_CBC_MD5 KRB5_WITH_3DES_EDE_CBC_MD5 KRB5_WITH_RC4_128_MD5 KRB5_WITH_IDEA_CBC_MD5
        KRB5_EXPORT_WITH_DES_CBC_40_SHA KRB5_EXPORT_WITH_RC2_CBC_40_SHA KRB5_EXPORT_WITH_RC4_40_SHA
        KRB5_EXPORT_WITH_DES_CBC_40_MD5 KRB5_EXPORT_WITH_RC2_CBC_40_MD5 KRB5_EXPORT_WITH_RC4_40_MD5
        PSK_WITH_NULL_SHA DHE_PSK_WITH_NULL_SHA RSA_PSK_WITH_NULL_SHA""",
    0x003B: """RSA_WITH_NULL_SHA256 RSA_WITH_AES_128_CBC_SHA256 RSA_WITH_AES_256_CBC_SHA256
        DH_DSS_WITH_AES_128_CBC_SHA256 DH_RSA_WITH_AES_128_CBC_SHA256 DHE_DSS_WITH_AES_128_CBC_SHA256""",
    0x0067: """DHE_RSA_WITH_AES_128_CBC_SHA256 DH_DSS_WITH_AES_256_CBC_SHA256 DH_RSA_WITH_AES_256_CBC_SHA256
        DHE_DSS_WITH_AES_256_CBC_SHA256 DHE_RSA_WITH_AES_256_CBC_SHA256 DH_anon_WITH_AES_128_CBC_SHA256
        DH_anon_WITH_AES_256_CBC_SHA256""",
    0x00A8: """PSK_WITH_AES_128_GCM_SHA256 PSK_WITH_AES_256_GCM_SHA384 DHE_PSK_WITH_AES_128_GCM_SHA256
        DHE_PSK_WITH_AES_256_GCM_SHA384 RSA_PSK_WITH_AES_128_GCM_SHA256 RSA_PSK_WITH_AES_256_GCM_SHA384
        PSK_WITH_AES_128_CBC_SHA256 PSK_WITH_AES_256_CBC_SHA384 PSK_WITH_NULL_SHA256 PSK_WITH_NULL_SHA384
        DHE_PSK_WITH_AES_128_CBC_SHA256 DHE_PSK_WITH_AES_256_CBC_SHA384 DHE_PSK_WITH_NULL_SHA256
        DHE_PSK_WITH_NULL_SHA384 RSA_PSK_WITH_AES_128_CBC_SHA256 RSA_PSK_WITH_AES_256_CBC_SHA384
        RSA_PSK_WITH_NULL_SHA256 RSA_PSK_WITH_NULL_SHA384""",
    0x00C6: "SM4_GCM_SM3 SM4_CCM_SM3",
    0x00FF: "EMPTY_RENEGOTIATION_INFO_SCSV",
    0x1301: """AES_128_GCM_SHA256 AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 AES_128_CCM_SHA256
        AES_128_CCM_8_SHA256 AEGIS_256_SHA512 AEGIS_128L_SHA256""",
    0x5600: "FALLBACK_SCSV",
    0xC01A: """SRP_SHA_WITH_3DES_EDE_CBC_SHA SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA SRP_SHA_DSS_WITH_3DES_EDE_CBC_SHA
        SRP_SHA_WITH_AES_128_CBC_SHA SRP_SHA_RSA_WITH_AES_128_CBC_SHA SRP_SHA_DSS_WITH_AES_128_CBC_SHA
        SRP_SHA_WITH_AES_256_CBC_SHA SRP_SHA_RSA_WITH_AES_256_CBC_SHA SRP_SHA_DSS_WITH_AES_256_CBC_SHA""",
    0xC033: """ECDHE_PSK_WITH_RC4_128_SHA ECDHE_PSK_WITH_3DES_EDE_CBC_SHA ECDHE_PSK_WITH_AES_128_CBC_SHA
        ECDHE_PSK_WITH_AES_256_CBC_SHA ECDHE_PSK_WITH_AES_128_CBC_SHA256 ECDHE_PSK_WITH_AES_256_CBC_SHA384
        ECDHE_PSK_WITH_NULL_SHA ECDHE_PSK_WITH_NULL_SHA256 ECDHE_PSK_WITH_NULL_SHA384""",
    0xC09C: """RSA_WITH_AES_128_CCM RSA_WITH_AES_256_CCM DHE_RSA_WITH_AES_128_CCM DHE_RSA_WITH_AES_256_CCM
        RSA_WITH_AES_128_CCM_8 RSA_WITH_AES_256_CCM_8 DHE_RSA_WITH_AES_128_CCM_8 DHE_RSA_WITH_AES_256_CCM_8
        PSK_WITH_AES_128_CCM PSK_WITH_AES_256_CCM DHE_PSK_WITH_AES_128_CCM DHE_PSK_WITH_AES_256_CCM
        PSK_WITH_AES_128_CCM_8 PSK_WITH_AES_256_CCM_8 PSK_DHE_WITH_AES_128_CCM_8 PSK_DHE_WITH_AES_256_CCM_8
        ECDHE_ECDSA_WITH_AES_128_CCM ECDHE_ECDSA_WITH_AES_256_CCM ECDHE_ECDSA_WITH_AES_128_CCM_8
        ECDHE_ECDSA_WITH_AES_256_CCM_8 ECCPWD_WITH_AES_128_GCM_SHA256 ECCPWD_WITH_AES_256_GCM_SHA384
        ECCPWD_WITH_AES_128_CCM_SHA256 ECCPWD_WITH_AES_256_CCM_SHA384 SHA256_SHA256 SHA384_SHA384""",
    0xC100: """GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC GOSTR341112_256_WITH_MAGMA_CTR_OMAC
        GOSTR341112_256_WITH_28147_CNT_IMIT GOSTR341112_256_WITH_KUZNYECHIK_MGM_L
        GOSTR341112_256_WITH_MAGMA_MGM_L GOSTR341112_256_WITH_KUZNYECHIK_MGM_S GOSTR341112_256_WITH_MAGMA_MGM_S""",
    0xCC13: """ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256_OLD ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256_OLD
        DHE_RSA_WITH_CHACHA20_POLY1305_SHA256_OLD""",
    0xCCA8: """ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        DHE_RSA_WITH_CHACHA20_POLY1305_SHA256 PSK_WITH_CHACHA20_POLY1305_SHA256
        ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 DHE_PSK_WITH_CHACHA20_POLY1305_SHA256
        RSA_PSK_WITH_CHACHA20_POLY1305_SHA256""",
    0xD001: """ECDHE_PSK_WITH_AES_128_GCM_SHA256 ECDHE_PSK_WITH_AES_256_GCM_SHA384
        ECDHE_PSK_WITH_AES_128_CCM_8_SHA256 - ECDHE_PSK_WITH_AES_128_CCM_SHA256""",
}

_AES_CBC_2 = ("AES_128_CBC_SHA256", "AES_256_CBC_SHA384")
_AES_GCM_2 = ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384")
_EC_5 = ("NULL_SHA", "RC4_128_SHA", "3DES_EDE_CBC_SHA", "AES_128_CBC_SHA", "AES_256_CBC_SHA")
_PSK_4 = ("RC4_128_SHA", "3DES_EDE_CBC_SHA", "AES_128_CBC_SHA", "AES_256_CBC_SHA")
_ARIA_CBC = ("ARIA_128_CBC_SHA256", "ARIA_256_CBC_SHA384")
_ARIA_GCM = ("ARIA_128_GCM_SHA256", "ARIA_256_GCM_SHA384")
_CAMELLIA_CBC = ("CAMELLIA_128_CBC_SHA256", "CAMELLIA_256_CBC_SHA384")
_CAMELLIA_GCM = ("CAMELLIA_128_GCM_SHA256", "CAMELLIA_256_GCM_SHA384")

# Products: from a first number, every key exchange with every cipher; the second varies fastest.
_GRIDS: tuple[tuple[int, tuple[str, ...], tuple[str, ...]], ...] = (
    (0x002F, _KX_OLD, ("AES_128_CBC_SHA",)),
    (0x0035, _KX_OLD, ("AES_256_CBC_SHA",)),
    (0x0041, _KX_OLD, ("CAMELLIA_128_CBC_SHA",)),
    (0x0084, _KX_OLD, ("CAMELLIA_256_CBC_SHA",)),
    (0x008A, _KX_PSK, _PSK_4),
    (0x0096, _KX_OLD, ("SEED_CBC_SHA",)),
    (0x009C, ("RSA", "DHE_RSA", "DH_RSA", "DHE_DSS", "DH_DSS", "DH_anon"), _AES_GCM_2),
    (0x00BA, _KX_OLD, ("CAMELLIA_128_CBC_SHA256",)),
    (0x00C0, _KX_OLD, ("CAMELLIA_256_CBC_SHA256",)),
    (0xC001, ("ECDH_ECDSA", "ECDHE_ECDSA", "ECDH_RSA", "ECDHE_RSA", "ECDH_anon"), _EC_5),
    (0xC023, _KX_EC, _AES_CBC_2),
    (0xC02B, _KX_EC, _AES_GCM_2),
    (0xC03C, (*_KX_OLD, *_KX_EC), _ARIA_CBC),
    (0xC050, _KX_GCM, _ARIA_GCM),
    (0xC064, _KX_PSK, _ARIA_CBC),
    (0xC06A, _KX_PSK, _ARIA_GCM),
    (0xC070, ("ECDHE_PSK",), _ARIA_CBC),
    (0xC072, _KX_EC, _CAMELLIA_CBC),
    (0xC07A, _KX_GCM, _CAMELLIA_GCM),
    (0xC08E, _KX_PSK, _CAMELLIA_GCM),
    (0xC094, (*_KX_PSK, "ECDHE_PSK"), _CAMELLIA_CBC),
)


def _suites() -> dict[int, str]:
    suites = {}
    for first, names in _RUNS.items():
        for number, name in enumerate(names.split(), first):
            if name != "-":
                suites[number] = f"TLS_{name}"
    for first, exchanges, ciphers in _GRIDS:
        pairs = (f"TLS_{exchange}_WITH_{cipher}" for exchange in exchanges for cipher in ciphers)
        suites.update(enumerate(pairs, first))
    return suites


CIPHERS = _suites()

SSL2_CIPHERS = {
    0x010080: "SSL_CK_RC4_128_WITH_MD5",
    0x020080: "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
    0x030080: "SSL_CK_RC2_128_CBC_WITH_MD5",
    0x040080: "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
    0x050080: "SSL_CK_IDEA_128_CBC_WITH_MD5",
    0x060040: "SSL_CK_DES_64_CBC_WITH_MD5",
    0x0700C0: "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
}

GROUPS = {
    1: "sect163k1", 2: "sect163r1", 3: "sect163r2", 4: "sect193r1", 5: "sect193r2", 6: "sect233k1", 7: "sect233r1",
    8: "sect239k1", 9: "sect283k1", 10: "sect283r1", 11: "sect409k1", 12: "sect409r1", 13: "sect571k1",
    14: "sect571r1", 15: "secp160k1", 16: "secp160r1", 17: "secp160r2", 18: "secp192k1", 19: "secp192r1",
    20: "secp224k1", 21: "secp224r1", 22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1",
    26: "brainpoolP256r1", 27: "brainpoolP384r1", 28: "brainpoolP512r1", 29: "x25519", 30: "x448",
    31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13", 33: "brainpoolP512r1tls13", 41: "curveSM2",
    256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192", 512: "MLKEM512",
    513: "MLKEM768", 514: "MLKEM1024", 4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768", 4589: "SecP384r1MLKEM1024",
    16696: "CECPQ2", 25497: "X25519Kyber768Draft00", 25498: "SecP256r1Kyber768Draft00",
}  # fmt: skip

VERSIONS = {
    0x0002: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
    0x0100: "DTLS 1.0",  # what OpenSSL sent before the RFC
    0xFEFF: "DTLS 1.0",
    0xFEFD: "DTLS 1.2",
    0xFEFC: "DTLS 1.3",
}

ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
    30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
    43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
    52: "too_many_cids_requested", 60: "export_restriction", 70: "protocol_version", 71: "insufficient_security",
    80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
    109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
    113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
    116: "certificate_required", 117: "general_error", 120: "no_application_protocol", 121: "ech_required",
}  # fmt: skip

ALERT_LEVELS = {1: "warning", 2: "fatal"}


def cipher_name(number: int) -> str:
    """IANA name of a cipher suite, or `0x1234` if there is none."""
    return CIPHERS.get(number) or f"0x{number:04X}"


def group_name(number: int) -> str:
    """IANA name of a key exchange group, or `0x1234` if there is none."""
    return GROUPS.get(number) or f"0x{number:04X}"


def version_name(number: int) -> str:
    """Protocol version in its usual notation; drafts of TLS 1.3 are named as such."""
    name = VERSIONS.get(number)
    if name is None:
        name = f"TLS 1.3 draft {number & 255}" if number >> 8 in {0x7F, 0xFB} else f"0x{number:04X}"
    return name


def alert_name(number: int) -> str:
    """Name of an alert description."""
    return ALERTS.get(number) or f"alert {number}"
