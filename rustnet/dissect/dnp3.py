"""DNP3 over TCP and UDP (IEEE 1815; no RFC). One row per application message, or link frame without one.

Checksums are verified. Values of points are not kept.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser
from rustnet.records import U8, U16, Word, record

_PRIMARY = {0: "reset_link", 2: "test_link", 3: "confirmed_user_data", 4: "unconfirmed_user_data", 9: "request_status"}
_SECONDARY = {0: "ack", 1: "nack", 11: "link_status", 15: "not_supported"}
_FUNCTIONS = {
    0: "confirm", 1: "read", 2: "write", 3: "select", 4: "operate", 5: "direct_operate", 6: "direct_operate_no_ack",
    7: "immediate_freeze", 8: "immediate_freeze_no_ack", 9: "freeze_clear", 10: "freeze_clear_no_ack",
    11: "freeze_at_time", 12: "freeze_at_time_no_ack", 13: "cold_restart", 14: "warm_restart", 15: "initialize_data",
    16: "initialize_application", 17: "start_application", 18: "stop_application", 19: "save_configuration",
    20: "enable_unsolicited", 21: "disable_unsolicited", 22: "assign_class", 23: "delay_measure",
    24: "record_current_time", 25: "open_file", 26: "close_file", 27: "delete_file", 28: "get_file_info",
    29: "authenticate_file", 30: "abort_file", 31: "activate_configuration", 32: "authentication_request",
    33: "authentication_request_no_ack", 129: "response", 130: "unsolicited_response",
    131: "authentication_response",
}  # fmt: skip
_INDICATIONS = (
    "broadcast", "class_1_events", "class_2_events", "class_3_events", "need_time", "local_control", "device_trouble",
    "device_restart", "function_not_supported", "object_unknown", "parameter_error", "event_buffer_overflow",
    "already_executing", "configuration_corrupt",
)  # fmt: skip


def _table() -> tuple[int, ...]:
    """Table of the checksum: polynomial 0x3D65, reflected."""
    content = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0xA6BC if value & 1 else 0)
        content.append(value)
    return tuple(content)


_CRC = _table()


def checksum(block: bytes) -> int:
    """Checksum of a header or of a block of at most 16 bytes (IEEE 1815, 9.2.4.3)."""
    value = 0
    for byte in block:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
    return value ^ 0xFFFF


@record("dnp3")
class Dnp3:
    """One DNP3 message."""

    link_function: Word | None = None
    """Function of the link layer, such as `unconfirmed_user_data`."""
    function: Word | None = None
    """Function of the application layer: `read`, `operate`, `response` …; NULL without one."""
    link_source: U16 | None = None
    """Address of the sending station."""
    link_destination: U16 | None = None
    """Address of the receiving station."""
    from_master: bool | None = None
    """The sender is the master station."""
    sequence: U8 | None = None
    """Sequence number of the application layer."""
    indications: list[Word] | None = None
    """State of the outstation, in a response."""
    object_type: Word | None = None
    """Group and variation of the first object, as `g30v2`."""


class Dnp3Parser(RowParser):
    """Both directions of one flow."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read the frames of one datagram."""
        if self.stream(data, from_src) != len(data):
            raise DissectError("truncated frame")

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the frames that are complete."""
        pos = 0
        while len(data) - pos >= 10 and not self.talk.finished:
            if data[pos] != 5 or data[pos + 1] != 0x64 or data[pos + 2] < 5:
                raise DissectError("expected a frame header")
            size = _frame(data[pos + 2])
            if len(data) - pos < size:
                break
            self._read(data[pos : pos + size])
            pos += size
        return pos

    def _read(self, frame: bytes) -> None:
        control = frame[3]
        if checksum(frame[:8]) != frame[8] | frame[9] << 8:
            self.talk.anomaly("malformed_dnp3", "wrong checksum of a header")
            return
        table = _PRIMARY if control & 0x40 else _SECONDARY
        row = Dnp3(
            link_function=table.get(control & 15) or f"function{control & 15}",
            link_destination=frame[4] | frame[5] << 8,
            link_source=frame[6] | frame[7] << 8,
            from_master=control & 0x80 != 0,
        )
        data = self._user_data(frame)
        if data is None:
            return
        if data:
            if not data[0] & 0x40:
                return  # a later fragment of a message that spans several frames
            self._application(data[1:], row)
        self.store_row(row)

    def _user_data(self, frame: bytes) -> bytes | None:
        """Content of the data blocks; None if a checksum is wrong."""
        content = b""
        for pos in range(10, len(frame), 18):
            block = frame[pos : pos + 18]
            if checksum(block[:-2]) != block[-2] | block[-1] << 8:
                self.talk.anomaly("malformed_dnp3", "wrong checksum of a data block")
                return None
            content += block[:-2]
        return content

    def _application(self, data: bytes, row: Dnp3) -> None:
        if len(data) < 2:
            return
        row.sequence = data[0] & 15
        row.function = _FUNCTIONS.get(data[1]) or f"function{data[1]}"
        pos = 2
        if data[1] >= 129 and len(data) >= 4:
            bits = data[2] | data[3] << 8
            row.indications = [name for i, name in enumerate(_INDICATIONS) if bits >> i & 1] or None
            pos = 4
        if len(data) >= pos + 2:
            row.object_type = f"g{data[pos]}v{data[pos + 1]}"


def _frame(length: int) -> int:
    """Size of a frame with this length field: header, data, and a checksum per block of 16 bytes."""
    data = length - 5
    return 10 + data + 2 * ((data + 15) >> 4)


def _probe_dnp3(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the start bytes and the header's checksum."""
    if not data or data[0] != 5:
        return NO
    if len(data) < 10:
        short = talk.transport == "tcp" and (len(data) < 2 or data[1] == 0x64) and not (len(data) > 2 and data[2] < 5)
        return MORE if short else NO
    if data[1] != 0x64 or data[2] < 5:
        return NO
    return YES if checksum(data[:8]) == data[8] | data[9] << 8 else NO


DNP3 = Dissector("dnp3", "DNP3 (IEEE 1815)", ("tcp", "udp"), (20000,), (Dnp3,), _probe_dnp3, Dnp3Parser, first=b"\x05")
