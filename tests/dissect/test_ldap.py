import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.ldap import LDAP, Ldap
from rustnet.dissect.tls.parser import TlsParser
from tests.dissect.harness import CLIENT, SERVER, Flow, fields, parsed, rows
from tests.dissect.samples_domain import LDAP_SEARCH, LDAP_TALK, ldap, ntlm_authenticate, num, octets, result, tlv


def searched(asked: bytes) -> str | None:
    body = octets("") + num(0, 10) + num(0, 10) + num(0) + num(0) + tlv(1, b"\0") + asked + tlv(0x30)
    (row,) = rows(Ldap, LDAP, (CLIENT, ldap(1, 0x63, body)), transport="tcp")
    return row.filter


def test_operations() -> None:
    bound, found, changed, left = rows(Ldap, LDAP, *LDAP_TALK, transport="tcp")
    assert (bound.operation, bound.dn, bound.auth) == ("bind", "cn=admin,dc=example,dc=com", "simple")
    assert (bound.result, bound.diagnostic, bound.has_password) == ("invalidCredentials", "data 52e", True)
    assert "secret" not in str(fields(bound))
    assert (found.operation, found.dn, found.scope) == ("search", "dc=example,dc=com", "subtree")
    assert (found.attributes, found.entries, found.result) == (["cn", "mail"], 2, "success")
    assert found.filter == "(&(objectClass=user)(mail=*)(!(cn=a\\2a*b)))"
    assert (changed.operation, changed.attributes, changed.result) == ("modify", ["mail"], "insufficientAccessRights")
    assert left.operation == "unbind"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (tlv(0xA5, octets("n"), octets("5")), "(n>=5)"),
        (tlv(0xA6, octets("n"), octets("5")), "(n<=5)"),
        (tlv(0xA8, octets("cn"), octets(b"\xff(")), "(cn~=\\ff\\28)"),
        (tlv(0xA4, octets("cn"), tlv(0x30, octets("x", 0x81))), "(cn=*x*)"),
        (tlv(0xA9, octets("1.2", 0x81), octets("m", 0x82), octets("v", 0x83), tlv(0x84, b"\xff")), "(m:dn:1.2:=v)"),
        (tlv(0xA1, tlv(0x87, b"a"), tlv(0x87, b"b")), "(|(a=*)(b=*))"),
    ],
)
def test_filters(asked: bytes, text: str) -> None:
    assert searched(asked) == text


def test_deep_filters_are_bounded() -> None:
    asked = tlv(0x87, b"a")
    for _ in range(200):
        asked = tlv(0xA2, asked)
    assert searched(asked) == "(!" * 12 + "(…)" + ")" * 12


def test_sasl_with_ntlm_and_sealing() -> None:
    blob = tlv(0x60, ntlm_authenticate("jane", "EXAMPLE", "DESK1"))
    bind = ldap(1, 0x60, num(3), octets(""), tlv(0xA3, octets("GSS-SPNEGO"), octets(blob)))
    flow = parsed(LDAP, [(CLIENT, bind), (SERVER, ldap(1, 0x61, result(0))), (CLIENT, b"\0\0\0\x40" + bytes(64))])
    (row,) = flow.rows
    assert isinstance(row, Ldap)
    assert (row.auth, row.username, row.domain) == ("sasl GSS-SPNEGO", "jane", "EXAMPLE")
    assert flow.talk.finished
    assert flow.sink.anomalies == []


def test_start_tls() -> None:
    asked = ldap(1, 0x77, octets("1.3.6.1.4.1.1466.20037", 0x80))
    flow = parsed(LDAP, [(CLIENT, asked), (SERVER, ldap(1, 0x78, result(0)))])
    assert isinstance(flow.talk.parser, TlsParser)
    flow = parsed(LDAP, [(CLIENT, asked), (SERVER, ldap(1, 0x78, result(52)))])
    assert flow.talk.parser is flow.parser


def test_long_entries_are_skipped() -> None:
    entry = ldap(2, 0x64, octets("cn=big"), tlv(0x30, octets(bytes(60_000))))
    made = rows(Ldap, LDAP, LDAP_TALK[2], (SERVER, entry), (SERVER, ldap(2, 0x65, result(4))), transport="tcp")
    assert [(row.entries, row.result) for row in made] == [(1, "sizeLimitExceeded")]


def test_connectionless() -> None:
    made = rows(Ldap, LDAP, (CLIENT, ldap(2, 0x63, LDAP_SEARCH)), (SERVER, ldap(2, 0x65, result(0))))
    assert [row.result for row in made] == ["success"]


def test_every_cut_is_malformed() -> None:
    message = ldap(2, 0x63, LDAP_SEARCH)
    for size in range(1, len(message)):
        with pytest.raises(DissectError):
            parsed(LDAP, [(CLIENT, message[:size])], "udp")


@pytest.mark.parametrize(
    ("data", "transport", "verdict"),
    [
        (LDAP_TALK[0][1], "tcp", YES),
        (LDAP_TALK[1][1], "tcp", YES),
        (ldap(2, 0x63, LDAP_SEARCH), "udp", YES),
        (ldap(9, 0x42), "tcp", YES),
        (b"\x30", "tcp", MORE),
        (b"\x30\x82\x01", "tcp", MORE),
        (b"\x30\x01\x02\x01\x01", "tcp", NO),
        (tlv(0x30, num(1), octets("public"), tlv(0xA0)), "tcp", NO),
        (tlv(0x30, num(1), tlv(0x60, octets("no version"))), "tcp", NO),
        (b"\x30\x80" + bytes(40), "tcp", NO),
        (b"GET / HTTP/1.1\r\n", "tcp", NO),
    ],
)
def test_probe(data: bytes, transport: str, verdict: int) -> None:
    assert Flow(LDAP, transport, dst_port=9999).probe(data) == verdict
