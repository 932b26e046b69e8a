import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.tftp import TFTP, Tftp
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import TFTP_ERROR, TFTP_OPTIONS, TFTP_READ


def test_request_options_error() -> None:
    asked, agreed, failed = rows(Tftp, TFTP, (CLIENT, TFTP_READ), (SERVER, TFTP_OPTIONS), (SERVER, TFTP_ERROR))
    assert (asked.operation, asked.filename, asked.mode, asked.block_size) == ("read", "firmware.bin", "octet", 1428)
    assert (agreed.operation, agreed.transfer_size) == ("options", 70000)
    assert (failed.error, failed.error_text) == ("file not found", "File not found")


def test_write_and_data() -> None:
    (row,) = rows(
        Tftp, TFTP, (CLIENT, b"\0\2x\0NETASCII\0blksize\0many\0"), (CLIENT, b"\0\3\0\1data"), (SERVER, b"\0\4\0\1")
    )
    assert (row.operation, row.filename, row.mode, row.block_size) == ("write", "x", "netascii", None)


def test_no_operation() -> None:
    for data in (b"", b"\0\0\0\0", b"\0\7\0\0", b"\1\1ab"):
        with pytest.raises(DissectError):
            parsed(TFTP, [(CLIENT, data)], "udp")


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (TFTP_READ, 9999, YES),
        (TFTP_READ[:-1], 69, NO),
        (b"\0\1name\0mode\0", 69, NO),
        (b"\0\1na\x01me\0octet\0", 69, NO),
        (TFTP_OPTIONS, 9999, YES),
        (b"\0\6other\x001\0", 69, NO),
        (TFTP_ERROR, 69, YES),
        (TFTP_ERROR, 9999, NO),
        (b"\0\3\0\1" + bytes(512), 69, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(TFTP, "udp", dst_port=port).probe(data) == verdict


def test_transfers_between_new_ports() -> None:
    def data(block: int, size: int = 512) -> bytes:
        return b"\0\3" + block.to_bytes(2, "big") + bytes(size)

    def ack(block: int) -> bytes:
        return b"\0\4" + block.to_bytes(2, "big")

    for said in (
        [(SERVER, data(1)), (CLIENT, ack(1))],
        [(SERVER, ack(0)), (CLIENT, data(1, 3))],
        [(SERVER, data(1)), (SERVER, data(1)), (CLIENT, ack(1))],
        [(CLIENT, ack(1)), (SERVER, data(2))],
    ):
        through = DispatchedFlow(said, 40000, "udp")
        assert (through.talk.app, through.sink.rows) == ("tftp", [])
    for said in (
        [(SERVER, data(1)), (SERVER, ack(1))],
        [(SERVER, data(1)), (CLIENT, ack(2))],
        [(SERVER, data(900)), (CLIENT, ack(900))],
        [(SERVER, data(1)), (CLIENT, ack(1) + b"\0")],
    ):
        assert DispatchedFlow(said, 40000, "udp").talk.app is None
