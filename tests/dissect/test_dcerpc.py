import struct

import pytest

from rustnet.dissect.dcerpc.parser import DCERPC, Dcerpc
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_domain import DCERPC_TALK, EPMAPPER, NDR, ntlm_authenticate, rpc, rpc4


def test_binding_and_calls() -> None:
    bound, called, failed = rows(Dcerpc, DCERPC, *DCERPC_TALK, transport="tcp")
    assert (bound.operation, bound.interface, bound.interface_version) == ("bind", "epmapper", "3.0")
    assert bound.interface_uuid == "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
    assert (bound.accepted, bound.endpoint, bound.result) == (True, "135", "ok")
    assert (called.interface, called.opnum, called.request_size, called.result) == ("epmapper", 3, 64, "ok")
    assert (failed.opnum, failed.result, failed.rtt_ms) == (99, "OP_RANGE_ERROR", 1.0)


def test_big_endian() -> None:
    body = struct.pack(">IHH", 8, 0, 7) + bytes(8)
    message = struct.pack(">BBBB4sHHI", 5, 0, 0, 3, b"\0\0\0\0", 16 + len(body), 0, 5) + body
    (row,) = rows(Dcerpc, DCERPC, (CLIENT, message), transport="tcp")
    assert (row.opnum, row.request_size, row.call_number) == (7, 8, 5)


def test_refused_binding() -> None:
    (row,) = rows(Dcerpc, DCERPC, DCERPC_TALK[0], (SERVER, rpc(13, b"\x04\0\0\0")), transport="tcp")
    assert (row.accepted, row.result) == (False, "refused")


def test_authentication() -> None:
    auth = b"\x0a\x02\0\0\0\0\0\0" + ntlm_authenticate("jane", "EXAMPLE", "DESK1")
    message = bytearray(rpc(16, bytes(4) + auth, 1))
    message[10:12] = struct.pack("<H", len(auth) - 8)
    made = rows(Dcerpc, DCERPC, *DCERPC_TALK[:2], (CLIENT, bytes(message)), *DCERPC_TALK[2:4], transport="tcp")
    assert (made[-1].username, made[-1].domain) == ("jane", "EXAMPLE")


def test_datagrams() -> None:
    (row,) = rows(Dcerpc, DCERPC, (CLIENT, rpc4(0, bytes(20))), (CLIENT, rpc4(0, bytes(20))), (SERVER, rpc4(2, b"")))
    assert (row.interface, row.opnum, row.result, row.request_size) == ("pnio_device", 4, "ok", 20)
    (lone,) = rows(Dcerpc, DCERPC, (SERVER, rpc4(3, struct.pack("<I", 0x1C010003))))
    assert (lone.operation, lone.result) == ("fault", "UNKNOWN_IF")


def test_contexts_that_are_not_there() -> None:
    body = struct.pack("<HHIBBH", 5840, 5840, 0, 200, 0, 0) + struct.pack("<HBB", 0, 1, 0) + EPMAPPER + bytes(4) + NDR
    with pytest.raises(DissectError):
        parsed(DCERPC, [(CLIENT, rpc(11, body))])


def test_a_long_call_is_skipped() -> None:
    flow = parsed(DCERPC, [*DCERPC_TALK[:2], (CLIENT, rpc(0, struct.pack("<IHH", 5000, 0, 3) + bytes(5000), 2)[:100])])
    assert flow.skip[CLIENT] == 5024 - 100


@pytest.mark.parametrize(
    ("data", "transport", "verdict"),
    [
        (DCERPC_TALK[0][1], "tcp", YES),
        (DCERPC_TALK[1][1], "tcp", YES),
        (DCERPC_TALK[2][1][:30], "tcp", YES),
        (DCERPC_TALK[0][1][:10], "tcp", MORE),
        (b"\5\1\0", "tcp", MORE),
        (b"\5\2\0\2", "tcp", NO),
        (b"\5\1\0\3\x0bexample.org\0\x50", "tcp", NO),
        (rpc4(0, bytes(20)), "udp", YES),
        (rpc4(0, bytes(20))[:90], "udp", NO),
        (bytes(100), "udp", NO),
    ],
)
def test_probe(data: bytes, transport: str, verdict: int) -> None:
    assert Flow(DCERPC, transport, dst_port=9999).probe(data) == verdict
