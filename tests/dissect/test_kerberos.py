import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.kerberos import KERBEROS, Kerberos
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_domain import AS_REP, AS_REQ, KRB_ERROR, TICKET, at, num, prefixed, tlv


def test_request() -> None:
    flow = parsed(KERBEROS, [(CLIENT, AS_REQ)], "udp")
    (row,) = flow.rows
    assert isinstance(row, Kerberos)
    assert (row.message, row.cname, row.realm, row.sname) == ("AS-REQ", "jane", "EXAMPLE.COM", "krbtgt/EXAMPLE.COM")
    assert row.etypes == ["aes256-cts-hmac-sha1-96", "rc4-hmac", "rc4-hmac-old-exp"]
    assert (row.padata, row.preauthenticated, row.till) == (["PA-ENC-TIMESTAMP"], True, "20370913024805Z")
    assert (row.kdc_options, row.addresses) == (0x40810010, ["DESK1"])
    assert flow.sink.names == [("192.0.2.1", "DESK1", "kerberos", None)]


def test_reply() -> None:
    (row,) = rows(Kerberos, KERBEROS, (SERVER, AS_REP))
    assert (row.message, row.cname, row.sname) == ("AS-REP", "jane", "krbtgt/EXAMPLE.COM")
    assert (row.ticket_etype, row.reply_etype) == ("aes256-cts-hmac-sha1-96", "rc4-hmac")


def test_error() -> None:
    (row,) = rows(Kerberos, KERBEROS, (SERVER, KRB_ERROR))
    assert (row.message, row.error, row.cname) == ("KRB-ERROR", "KDC_ERR_PREAUTH_REQUIRED", None)


def test_ticket_of_an_application_request() -> None:
    message = tlv(0x6E, tlv(0x30, at(0, num(5)), at(1, num(14)), at(2, tlv(3, bytes(5))), at(3, TICKET)))
    (row,) = rows(Kerberos, KERBEROS, (CLIENT, message))
    assert (row.message, row.realm, row.sname) == ("AP-REQ", "EXAMPLE.COM", "krbtgt/EXAMPLE.COM")


def test_a_direction_that_begins_within_a_message_is_left_alone() -> None:
    flow = parsed(KERBEROS, [(CLIENT, prefixed(AS_REQ)), (SERVER, prefixed(AS_REP)[60:]), (SERVER, b"\x99" * 80)])
    assert len(flow.rows) == 1
    assert flow.sink.anomalies == []


def test_every_cut_is_malformed() -> None:
    for size in range(len(AS_REQ)):
        with pytest.raises(DissectError):
            parsed(KERBEROS, [(CLIENT, AS_REQ[:size])], "udp")
    with pytest.raises(DissectError):
        parsed(KERBEROS, [(CLIENT, b"\0\0\0\x20" + b"A" * 32)])


@pytest.mark.parametrize(
    ("data", "transport", "verdict"),
    [
        (AS_REQ, "udp", YES),
        (KRB_ERROR, "udp", YES),
        (AS_REQ + b"\0", "udp", NO),
        (prefixed(AS_REP), "tcp", YES),
        (prefixed(AS_REP)[:40], "tcp", YES),
        (b"\0\0\0", "tcp", MORE),
        (b"\0\0\0\x50\x41", "tcp", NO),
        (b"\0\0\0\x50" + AS_REQ, "tcp", NO),
        (AS_REQ.replace(b"\xa1\x03\x02\x01\x05", b"\xa1\x03\x02\x01\x04"), "udp", NO),
    ],
)
def test_probe(data: bytes, transport: str, verdict: int) -> None:
    assert Flow(KERBEROS, transport, dst_port=9999).probe(data) == verdict
