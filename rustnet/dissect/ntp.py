"""NTP versions 1 to 4 and SNTP (RFC 5905, 1305), with control messages (RFC 9327) and the old private mode 7.

One row per packet. A reply with a captured request also gives the offset of the capture's clock.
"""

import struct
from socket import inet_ntoa

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.records import I32, U8, Mixed, Ts, Word, record

_PACKET = struct.Struct(">BBbbII4sQQQQ")
_MODES = (
    "reserved", "symmetric_active", "symmetric_passive", "client", "server", "broadcast", "control", "private",
)  # fmt: skip
_OPERATIONS = {
    0: "unspecified", 1: "read_status", 2: "read_variables", 3: "write_variables", 4: "read_clock", 5: "write_clock",
    6: "set_trap", 7: "trap", 8: "configure", 9: "export_config", 10: "read_mru", 11: "read_ordered_list",
    12: "request_nonce", 31: "unset_trap",
}  # fmt: skip
_PRIVATE = {0: "peer_list", 1: "peer_list_sum", 2: "peer_info", 4: "sys_info", 20: "mon_getlist", 42: "mon_getlist_1"}
_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
_SANE_SECONDS = 3600


@record("ntp")
class Ntp:
    """One NTP packet."""

    version: Word | None = None
    """Version number of the packet."""
    mode: Word | None = None
    """`client`, `server`, `broadcast`, `symmetric_active`, `symmetric_passive`, `control` or `private`."""
    leap: U8 | None = None
    """Leap indicator; 3 means that the clock is not synchronised."""
    stratum: U8 | None = None
    """Distance from a reference clock; 0 unspecified, 16 not synchronised."""
    poll: I32 | None = None
    """Interval between messages, as power of 2 seconds."""
    precision: I32 | None = None
    """Precision of the clock, as power of 2 seconds."""
    root_delay_ms: float | None = None
    """Round trip to the reference clock."""
    root_dispersion_ms: float | None = None
    """Error of the reference clock."""
    reference_id: Mixed | None = None
    """Reference clock, kiss code, or address (of IPv4) of the server's own source."""
    reference_time: Ts | None = None
    """When the clock was last set."""
    originate_time: Ts | None = None
    """Time of the request by the client's clock, as the reply repeats it."""
    receive_time: Ts | None = None
    """Time at which the request arrived, by the server's clock."""
    transmit_time: Ts | None = None
    """When the packet was sent, by the sender's clock."""
    rtt_ms: float | None = None
    """Time from the request to its reply."""
    clock_offset_ms: float | None = None
    """Server's clock less the capture's clock, halfway between request and reply."""
    operation: Word | None = None
    """Operation of a control or private message, such as `read_variables` or `mon_getlist_1`."""
    response: bool | None = None
    """The control or private message is a response."""
    authenticated: bool = False
    """A key id and a digest follow."""


def _time(value: int) -> int | None:
    """Nanoseconds since 1970 of a 64-bit NTP timestamp; its era is the one that lies within 1968 to 2104."""
    if value == 0:
        return None
    seconds = value >> 32
    if seconds < 1 << 31:
        seconds += 1 << 32
    return (seconds - _EPOCH) * 1_000_000_000 + ((value & 0xFFFFFFFF) * 1_000_000_000 >> 32)


def _reference(raw: bytes, stratum: int) -> str | None:
    """Meaning of the reference id: four letters of a reference clock, else an address."""
    if raw == bytes(4):
        return None
    if stratum <= 1:
        return text(raw.rstrip(b"\0")) or None
    return inet_ntoa(raw)


class NtpParser(RowParser):
    """Packets of one flow, and the pending request."""

    __slots__ = ("asked", "asked_ts")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked = 0
        """Transmit timestamp of the last request: the reply repeats it."""
        self.asked_ts = 0

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one packet."""
        if len(data) < 8:
            raise DissectError("truncated NTP packet")
        mode = data[0] & 7
        if mode >= 6:
            self.store_row(self._control(data, mode))
            return
        if len(data) < 48:
            raise DissectError("truncated NTP packet")
        first, stratum, poll, precision, delay, dispersion, reference, ref, originate, receive, transmit = (
            _PACKET.unpack_from(data)
        )
        row = Ntp(
            version=str((first >> 3) & 7),
            mode=_MODES[mode],
            leap=first >> 6,
            stratum=stratum,
            poll=poll,
            precision=precision,
            root_delay_ms=delay / 65.536,
            root_dispersion_ms=dispersion / 65.536,
            reference_id=_reference(reference, stratum),
            reference_time=_time(ref),
            originate_time=_time(originate),
            receive_time=_time(receive),
            transmit_time=_time(transmit),
            authenticated=len(data) >= 68,
        )
        if mode == 3:
            self.asked, self.asked_ts = transmit, self.talk.ts
        elif mode == 4 and self.asked and originate == self.asked:
            self._measure(row)
        self.store_row(row)

    def _measure(self, row: Ntp) -> None:
        """Compare the server's clock with the capture's."""
        now = self.talk.ts
        row.rtt_ms = elapsed(self.asked_ts, now)
        if row.receive_time is not None and row.transmit_time is not None:
            row.clock_offset_ms = (row.receive_time - self.asked_ts + row.transmit_time - now) / 2e6
        self.asked = 0

    def _control(self, data: bytes, mode: int) -> Ntp:
        """Row of a control (6) or private (7) message."""
        row = Ntp(version=str((data[0] >> 3) & 7), mode=_MODES[mode])
        if mode == 6:
            row.response = data[1] & 0x80 != 0
            row.operation = _OPERATIONS.get(data[1] & 31) or f"operation{data[1] & 31}"
        else:
            row.response = data[0] & 0x80 != 0
            row.operation = _PRIVATE.get(data[3]) or f"request{data[3]}"
            row.authenticated = data[1] & 0x80 != 0
        return row


def _probe_ntp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a header that fits its mode; on other ports than 123 its clock must agree with the capture's."""
    if len(data) < 8 or not 1 <= (data[0] >> 3) & 7 <= 4:
        return NO
    mode = data[0] & 7
    if talk.src_port != 123 and talk.dst_port != 123:
        return _clock_agrees(data, mode, talk)
    if mode == 6:
        return YES if len(data) >= 12 and data[1] & 31 in _OPERATIONS and _count_fits(data) else NO
    if mode == 7:
        return YES if data[2] in {0, 2, 3} and len(data) >= 8 else NO
    if mode == 0:  # version 1 has no mode
        return YES if len(data) == 48 and (data[0] >> 3) & 7 == 1 and data[1] <= 16 else NO
    usual = data[2] <= 36 or data[2] >= 0xF0  # the poll interval is signed
    return YES if len(data) >= 48 and len(data) % 4 == 0 and data[1] <= 16 and usual else NO


def _count_fits(data: bytes) -> bool:
    """Whether a control message's count of bytes fits the message."""
    return int.from_bytes(data[10:12], "big") <= len(data) - 12


def _clock_agrees(data: bytes, mode: int, talk: Conversation) -> int:
    """Recognise a packet of standard size whose transmit time is within an hour of the capture's clock."""
    if len(data) not in {48, 68, 72} or not 1 <= mode <= 5 or data[1] > 16 or data[2] > 17:
        return NO
    sent = _time(int.from_bytes(data[40:48], "big"))
    return YES if sent is not None and abs(sent - talk.ts) < _SANE_SECONDS * 1_000_000_000 else NO


_ASKING = bytes(b for b in range(256) if 1 <= b & 7 <= 5)
"""First bytes of the modes that are recognised on other ports."""
NTP = Dissector(
    "ntp", "Network Time Protocol (RFC 5905)", ("udp",), (123,), (Ntp,), _probe_ntp, NtpParser,
    first=bytes(b for b in range(256) if 1 <= b >> 3 & 7 <= 4),
    shapes={"udp": Shape(48, {0: _ASKING, 1: bytes(range(17)), 2: bytes(range(18))})},
)  # fmt: skip
