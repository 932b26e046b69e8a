import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.syslog import SYSLOG, Syslog
from tests.dissect.harness import CLIENT, Flow, fields, parsed, rows
from tests.dissect.samples_services import SYSLOG_3164, SYSLOG_5424, SYSLOG_CISCO


def one(data: bytes) -> Syslog:
    (row,) = rows(Syslog, SYSLOG, (CLIENT, data))
    return row


def test_rfc_5424() -> None:
    row = one(SYSLOG_5424)
    assert (row.facility, row.severity, row.format) == ("local4", "notice", "rfc5424")
    assert (row.hostname, row.program, row.procid, row.message_type) == ("host.example", "evntslog", "8710", "ID47")
    assert row.logged_at == "2003-08-24T05:14:15.000003-07:00"
    assert one(b"<14>1 - - - - - text").hostname is None


def test_rfc_3164() -> None:
    row = one(SYSLOG_3164)
    assert (row.facility, row.severity, row.format) == ("auth", "crit", "rfc3164")
    assert (row.hostname, row.program, row.procid) == ("mymachine", "su", "123")
    assert (row.logged_at, row.message_bytes) == ("Oct 11 22:14:15", len(SYSLOG_3164))


@pytest.mark.parametrize(
    ("data", "hostname", "program", "mnemonic"),
    [
        (SYSLOG_CISCO, "R1", None, "LINK-3-UPDOWN"),
        (b"<189>72: Mar  3 19:57:17.371: %SYS-5-CONFIG_I: Configured", None, None, "SYS-5-CONFIG_I"),
        (b"<189>72: Mar  3 19:57:17.371 CET: %SYS-5-CONFIG_I: Configured", None, None, "SYS-5-CONFIG_I"),
        (b"<30>snmpd[6956]: Connection from UDP", None, "snmpd", None),
        (b"<6>Mar  9 04:44:27 NDC3CL kernel: IPv6: x", "NDC3CL", "kernel", None),
        (b"<167>2016-05-24T09:50:52.926451+02:00 ldap01 slapd[34534]: conn", "ldap01", "slapd", None),
        (b"<134>854 08/20/2013-19:05:23 CONFIG QLA", None, None, None),
    ],
)
def test_what_devices_send(data: bytes, hostname: str | None, program: str | None, mnemonic: str | None) -> None:
    row = one(data)
    assert (row.hostname, row.program, row.message_type) == (hostname, program, mnemonic)


def test_the_text_is_not_kept() -> None:
    row = one(SYSLOG_3164)
    assert "lonvick" not in str(fields(row))


def test_lines_behind_a_message_belong_to_it() -> None:
    flow = parsed(SYSLOG, [(CLIENT, SYSLOG_3164 + b"\n  at line 5\n\n" + SYSLOG_5424 + b"\n")])
    assert len(flow.rows) == 2
    assert flow.sink.anomalies == []


def test_no_priority() -> None:
    for data in (b"hello", b"<999>x", b"<>x"):
        with pytest.raises(DissectError):
            parsed(SYSLOG, [(CLIENT, data)], "udp")


@pytest.mark.parametrize(
    ("data", "transport", "port", "verdict"),
    [
        (SYSLOG_5424, "udp", 9999, YES),
        (SYSLOG_3164, "udp", 9999, YES),
        (b"<30>snmpd[6956]: Connection", "udp", 514, YES),
        (b"<30>snmpd[6956]: Connection", "udp", 9999, NO),
        (b"<192>snmpd[6956]: Connection", "udp", 514, NO),
        (b"<30>\x01\x02\x03\x04\x05", "udp", 514, NO),
        (b"<html>", "tcp", 514, NO),
        (b"<1", "tcp", 514, MORE),
        (b"12", "tcp", 514, MORE),
        (b"120 <", "tcp", 514, MORE),
        (b"200 OK", "tcp", 514, NO),
    ],
)
def test_probe(data: bytes, transport: str, port: int, verdict: int) -> None:
    assert Flow(SYSLOG, transport, dst_port=port).probe(data) == verdict
