import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.ntp import NTP, Ntp, _time
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import NTP_CONTROL, NTP_MONLIST, NTP_TALK, SECOND, ntp


def test_request_and_reply() -> None:
    asked, answered = rows(Ntp, NTP, *NTP_TALK)
    assert (asked.mode, asked.version, asked.transmit_time, asked.rtt_ms) == ("client", "4", 1_000_000_000, None)
    assert (answered.mode, answered.stratum, answered.reference_id) == ("server", 2, "192.0.2.9")
    assert (answered.root_delay_ms, answered.root_dispersion_ms, answered.precision) == (1000.0, 500.0, -20)
    # Asked at 1.001 s and answered at 1.002 s of the capture; the server's clock says 1.5 s.
    assert answered.rtt_ms == 1.0
    assert answered.clock_offset_ms == pytest.approx(498.5)


def test_a_reply_to_another_request_is_not_matched() -> None:
    _, answered = rows(Ntp, NTP, NTP_TALK[0], (SERVER, ntp(0x24, 2, SECOND + 1, SECOND, SECOND)))
    assert answered.rtt_ms is None


def test_control_and_private() -> None:
    (control,) = rows(Ntp, NTP, (CLIENT, NTP_CONTROL))
    assert (control.mode, control.operation, control.response) == ("control", "read_variables", False)
    (private,) = rows(Ntp, NTP, (SERVER, NTP_MONLIST))
    assert (private.mode, private.operation, private.response) == ("private", "mon_getlist_1", True)


def test_kiss_code_and_digest() -> None:
    packet = bytearray(ntp(0xE4, 0) + bytes(20))
    packet[12:16] = b"RATE"
    (row,) = rows(Ntp, NTP, (SERVER, bytes(packet)))
    assert (row.leap, row.stratum, row.reference_id, row.authenticated) == (3, 0, "RATE", True)


def test_eras() -> None:
    assert _time(0) is None
    assert _time(2_208_988_800 << 32) == 0
    assert _time(0xFFFFFFFF << 32) == (0xFFFFFFFF - 2_208_988_800) * 10**9
    assert _time(1 << 32) == (2**32 + 1 - 2_208_988_800) * 10**9  # 2036


@pytest.mark.parametrize("size", [4, 20, 47])
def test_cut_off(size: int) -> None:
    with pytest.raises(DissectError):
        parsed(NTP, [(CLIENT, NTP_TALK[0][1][:size])], "udp")


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (NTP_TALK[0][1], 123, YES),
        (NTP_TALK[0][1], 9999, YES),  # its clock is that of the capture
        (ntp(0x23, 0, transmit=SECOND + (7200 << 32)), 9999, NO),
        (ntp(0x23, 0), 9999, NO),
        (ntp(0x23, 17), 123, NO),
        (ntp(0x3B, 0), 123, NO),
        (NTP_TALK[0][1] + b"\0", 123, NO),
        (NTP_CONTROL, 123, YES),
        (NTP_CONTROL[:11] + b"\x09", 123, NO),
        (NTP_MONLIST, 9999, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(NTP, "udp", dst_port=port).probe(data) == verdict
