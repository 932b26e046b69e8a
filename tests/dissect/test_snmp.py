import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.snmp import SNMP, Snmp
from tests.dissect.harness import CLIENT, SERVER, Flow, fields, parsed, rows
from tests.dissect.samples_domain import num, octets, oid, tlv
from tests.dissect.samples_services import SNMP_3, SNMP_3_ENCRYPTED, SNMP_GET, SNMP_RESPONSE, SNMP_TRAP, SYS_NAME, snmp


def test_request_and_response() -> None:
    flow = parsed(SNMP, [(CLIENT, SNMP_GET), (SERVER, SNMP_RESPONSE)], "udp")
    asked, answered = flow.rows
    assert isinstance(asked, Snmp)
    assert isinstance(answered, Snmp)
    assert (asked.version, asked.community, asked.pdu, asked.request_id) == ("v2c", "public", "get", 77)
    assert (asked.objects, asked.object_count) == (["1.3.6.1.2.1.1.5.0"], 1)
    assert (answered.pdu, answered.error, answered.rtt_ms) == ("response", "noError", 1.0)
    assert answered.system_name == "core-switch"
    assert flow.sink.names == [("198.51.100.2", "core-switch", "snmp", None)]
    assert flow.talk.hostname == "core-switch"


def test_an_error_and_values_that_are_not_kept() -> None:
    inner = tlv(0xA2, num(1), num(2), num(1), tlv(0x30, tlv(0x30, oid("2b0601020101"), octets("secret"))))
    (row,) = rows(Snmp, SNMP, (SERVER, tlv(0x30, num(0), octets("c"), inner)))
    assert (row.version, row.error, row.error_index) == ("v1", "noSuchName", 1)
    assert "secret" not in str(fields(row))


def test_trap() -> None:
    (row,) = rows(Snmp, SNMP, (CLIENT, SNMP_TRAP))
    assert (row.pdu, row.trap) == ("trap_v1", "enterpriseSpecific 42")
    assert (row.community, row.has_community) == (None, True)
    assert (row.enterprise, row.agent_ip) == ("1.3.6.1.4.1.9.3", "10.0.0.1")


def test_version_3() -> None:
    (row,) = rows(Snmp, SNMP, (CLIENT, SNMP_3))
    assert (row.version, row.username, row.engine_id, row.engine_boots) == ("v3", "admin", "80001f88", 3)
    assert (row.pdu, row.authenticated, row.encrypted) == ("get", True, False)
    (row,) = rows(Snmp, SNMP, (CLIENT, SNMP_3_ENCRYPTED))
    assert (row.pdu, row.encrypted, row.community) == (None, True, None)


def test_many_objects_are_counted() -> None:
    bindings = [tlv(0x30, oid(SYS_NAME), b"\x05\0")] * 100
    (row,) = rows(Snmp, SNMP, (CLIENT, snmp(1, "public", 0xA0, 1, *bindings)))
    assert (row.object_count, len(row.objects or [])) == (100, 32)


def test_every_cut_is_malformed() -> None:
    for size in range(len(SNMP_GET)):
        with pytest.raises(DissectError):
            parsed(SNMP, [(CLIENT, SNMP_GET[:size])], "udp")


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (SNMP_GET, 161, YES),
        (SNMP_GET, 9999, YES),
        (SNMP_GET + b"\0", 161, YES),
        (SNMP_GET + b"\0", 9999, NO),
        (SNMP_3_ENCRYPTED, 9999, YES),
        (snmp(2, "x", 0xA0, 1, bytes(20)), 161, NO),
        (snmp(1, "x", 0xB0, 1, bytes(20)), 161, NO),
        (b"\x30" + bytes(40), 161, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(SNMP, "udp", dst_port=port).probe(data) == verdict
