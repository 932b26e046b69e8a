import pytest

from rustnet.dissect.framework import ber
from rustnet.dissect.framework.conversation import DissectError
from tests.dissect.samples_domain import num, octets, oid, tlv


@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, -129, 1 << 31, (1 << 63) - 1, -(1 << 63)])
def test_integers(value: int) -> None:
    data = tlv(2, value.to_bytes(9, "big", signed=True))
    assert ber.integer(data, ber.part(data, 0, len(data))) == value


def test_numbers_out_of_range() -> None:
    for body in (b"", b"\x7f" * 9, bytes(10)):
        data = tlv(2, body)
        with pytest.raises(DissectError):
            ber.integer(data, ber.part(data, 0, len(data)))
    data = num(-1)
    assert ber.unsigned(data, ber.part(data, 0, len(data))) == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "length"),
    [(b"\x30", 0), (b"\x30\x05", 7), (b"\x30\x81", 0), (b"\x30\x81\xff", 258), (b"\x30\x80", -1), (b"\x30\x85\1", -1)],
)
def test_measure(data: bytes, length: int) -> None:
    assert ber.measure(data) == length


def test_dotted() -> None:
    data = oid("2b06010401820b01")
    assert ber.dotted(data, ber.part(data, 0, len(data))) == "1.3.6.1.4.1.267.1"
    assert ber.dotted(b"", (6, 0, 0)) == "0"


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x05\0", b"\x30\x80\0\0", b"\x30\x85\0\0\0\0\0", b"\x1f\1\0"])
def test_malformed(data: bytes) -> None:
    with pytest.raises(DissectError):
        ber.part(data, 0, len(data))


def test_rows_of_values() -> None:
    data = num(1) + octets("x")
    assert [tag for tag, _, _ in ber.parts(data, 0, len(data))] == [2, 4]
    assert len(ber.parts(num(1) * 100, 0, 300)) == 64
    with pytest.raises(DissectError):
        ber.exactly(data, 0, len(data), 3)
