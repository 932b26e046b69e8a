"""Conversations with secrets of the protocols in ASN.1: LDAP and SNMP."""

import struct

from tests.attack.secret_cases import Case, Steps


def ber(tag: int, *parts: bytes) -> bytes:
    """A value in BER."""
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + struct.pack(">H", len(body))
    return bytes([tag]) + size + body


def ldap(*messages: bytes) -> bytes:
    """LDAP messages with the same number."""
    return b"".join(ber(0x30, ber(2, b"\1"), message) for message in messages)


def search(filter_: bytes, base: bytes) -> bytes:
    """An LDAP search."""
    return ldap(
        ber(
            0x63,
            ber(4, base),
            ber(10, b"\2"),
            ber(10, b"\0"),
            ber(2, b"\0"),
            ber(2, b"\0"),
            ber(1, b"\0"),
            filter_,
            ber(0x30),
        )
    )


def result(tag: int, said: bytes) -> bytes:
    """An LDAP result with a diagnostic message."""
    return ldap(ber(tag, ber(10, b"\x31"), ber(4), ber(4, said)))


def attribute_case(name: str, kind: int = 0xA3) -> Case:
    """A search for the value of a secret attribute, beside an innocent one."""

    def steps(s: bytes, d: bytes) -> Steps:
        value = ber(0x30, ber(0x80, s)) if kind == 0xA4 else ber(4, s)
        secret = (
            ber(0xA9, ber(0x82, name.encode()), ber(0x83, s))
            if kind == 0xA9
            else ber(kind, ber(4, name.encode()), value)
        )
        return [
            (">", search(ber(0xA0, ber(0xA3, ber(4, b"cn"), ber(4, d)), secret), b"dc=x")),
            ("<", result(0x65, b"no " + s[:0])),
        ]

    return Case(f"ldap-{name}-{kind:x}", 389, steps)


LDAP = [attribute_case(name) for name in (
    "userPassword", "userpassword;x-opt", "unicodePwd", "sambaNTPassword", "sambaLMPassword", "krbPrincipalKey",
    "ms-Mcs-AdmPwd", "msDS-ManagedPassword", "pwdHistory", "clearTextPassword", "msLAPS-Password",
    "supplementalCredentials", "2.5.4.35", "trustAuthIncoming", "initialAuthOutgoing", "ipatokenOTPkey",
)] + [attribute_case("userPassword", kind) for kind in (0xA4, 0xA5, 0xA8, 0xA9)]  # fmt: skip
LDAP += [
    Case(
        "ldap-bind",
        389,
        lambda s, d: [
            (">", ldap(ber(0x60, ber(2, b"\3"), ber(4, b"cn=" + d), ber(0x80, s)))),
            ("<", result(0x61, b"wrong password " + s)),
        ],
    ),
    Case(
        "ldap-sasl",
        389,
        lambda s, d: [
            (
                ">",
                ldap(ber(0x60, ber(2, b"\3"), ber(4, b"cn=" + d), ber(0xA3, ber(4, b"PLAIN"), ber(4, b"\0u\0" + s)))),
            ),
            ("<", result(0x61, s)),
        ],
    ),
    Case("ldap-dn", 389, lambda s, d: [(">", search(ber(0x87, b"cn"), b"userPassword=" + s + b",dc=" + d))]),
    Case(
        "ldap-compare",
        389,
        lambda s, d: [
            (">", ldap(ber(0x6E, ber(4, b"cn=" + d), ber(0x30, ber(4, b"userPassword"), ber(4, s))))),
            ("<", result(0x6F, s)),
        ],
    ),
    Case(
        "ldap-modify",
        389,
        lambda s, d: [
            (
                ">",
                ldap(
                    ber(
                        0x66,
                        ber(4, b"cn=" + d),
                        ber(0x30, ber(0x30, ber(10, b"\2"), ber(0x30, ber(4, b"userPassword"), ber(0x31, ber(4, s))))),
                    )
                ),
            ),
            ("<", result(0x67, b"too weak: " + s)),
        ],
    ),
    Case(
        "ldap-add",
        389,
        lambda s, d: [
            (
                ">",
                ldap(
                    ber(0x68, ber(4, b"cn=" + d), ber(0x30, ber(0x30, ber(4, b"userPassword"), ber(0x31, ber(4, s)))))
                ),
            ),
            ("<", result(0x69, s)),
        ],
    ),
    Case(
        "ldap-extended",
        389,
        lambda s, d: [
            (
                ">",
                ldap(
                    ber(
                        0x77, ber(0x80, b"1.3.6.1.4.1.4203.1.11.1"), ber(0x81, ber(0x30, ber(0x80, b"u"), ber(0x82, s)))
                    )
                ),
            ),
            ("<", result(0x78, d + b" " + s)),
        ],
    ),
]


def snmp(community: bytes, name: bytes, version: int = 1) -> bytes:
    """An SNMP response with the system's name."""
    binding = ber(0x30, ber(6, bytes.fromhex("2b06010201010500")), ber(4, name))
    pdu = ber(0xA2, ber(2, b"\1"), ber(2, b"\0"), ber(2, b"\0"), ber(0x30, binding))
    return ber(0x30, ber(2, bytes([version])), ber(4, community), pdu)


SNMP = [
    Case("snmp-v2c", 161, lambda s, d: [("<", snmp(s, d))], udp=True),
    Case("snmp-v1", 161, lambda s, d: [("<", snmp(s, d, 0))], udp=True),
    Case("snmp-vlan", 161, lambda s, d: [("<", snmp(s + b"@12", d))], udp=True),
    Case("snmp-name", 161, lambda s, d: [("<", snmp(s, s)), ("<", snmp(b"public", d))], udp=True),
    Case("snmp-default", 161, lambda s, d: [("<", snmp(b"public@" + s, d))], udp=True),
]
