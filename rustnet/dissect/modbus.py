"""Modbus over TCP (Modbus Messaging on TCP/IP 1.0b; no RFC). One row per request with its response.

Values of registers are not kept. Polling repeats itself: the same request answered the same way is counted in one row.
"""

from rustnet.dissect.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.reading import RowParser
from rustnet.records import U8, U16, U32, record

MAX_POLLS = 512
"""Distinct requests of one connection whose repetitions are counted."""
_FUNCTIONS = {
    1: "read_coils", 2: "read_discrete_inputs", 3: "read_holding_registers", 4: "read_input_registers",
    5: "write_coil", 6: "write_register", 7: "read_exception_status", 8: "diagnostics", 11: "get_event_counter",
    12: "get_event_log", 15: "write_coils", 16: "write_registers", 17: "report_server_id", 20: "read_file_record",
    21: "write_file_record", 22: "mask_write_register", 23: "read_write_registers", 24: "read_fifo_queue",
    43: "encapsulated_interface", 90: "umas",
}  # fmt: skip
_EXCEPTIONS = {
    1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "server device failure",
    5: "acknowledge", 6: "server device busy", 8: "memory parity error", 10: "gateway path unavailable",
    11: "gateway target failed to respond",
}  # fmt: skip
_ADDRESSED = frozenset((1, 2, 3, 4, 5, 6, 15, 16, 22, 23))
_COUNTED = frozenset((1, 2, 3, 4, 15, 16, 23))
_REQUEST_SIZES = {1: 6, 2: 6, 3: 6, 4: 6, 5: 6, 6: 6, 7: 2, 11: 2, 12: 2, 17: 2, 22: 8, 24: 4}
_WRITES = frozenset((5, 6, 15, 16, 21, 22, 23, 90))

Key = tuple[str | None, int, int | None, int | None, str | None]


@record("modbus")
class Modbus:
    """One Modbus request with its response, or one kind of request that a client repeats."""

    function: str | None = None
    """What is done: `read_coils`, `write_register` …"""
    function_code: U8 | None = None
    """Number of the function."""
    unit_id: U8 | None = None
    """Device behind a gateway."""
    address: U16 | None = None
    """First coil or register."""
    quantity: U16 | None = None
    """Coils or registers."""
    writes: bool = False
    """The function changes the device."""
    exception: str | None = None
    """Why the device refused."""
    answered: bool = False
    """A response was seen."""
    times: U32 = 1
    """How often the same request was answered in the same way."""
    txid: U16 | None = None
    """Transaction id of the first."""
    rtt_ms: float | None = None
    """Time from the first request to its response."""


class ModbusParser(RowParser):
    """Both directions of one connection."""

    __slots__ = ("asked", "polls", "server_is_dst")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked: dict[int, tuple[Modbus, int, int]] = {}
        """Requests that wait, by transaction."""
        self.polls: dict[Key, tuple[Modbus, int, int]] = {}
        """Rows of distinct requests, with time and number of their first packet."""
        self.server_is_dst = talk.dst_port == 502 or talk.src_port != 502

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the messages that are complete."""
        pos = 0
        while len(data) - pos >= 8 and not self.talk.finished:
            size = (data[pos + 4] << 8) | data[pos + 5]
            if data[pos + 2] or data[pos + 3] or not 2 <= size <= 260:
                raise DissectError("no Modbus header stands where one must")
            if len(data) - pos - 6 < size:
                break
            self._message(data[pos : pos + 6 + size], from_src == self.server_is_dst)
            pos += 6 + size
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Messages are lost: where the next begins is not known."""
        self.talk.finish()

    def close(self) -> None:
        """Tell what was asked, each kind of request once."""
        for row, ts, packet in self.asked.values():
            self._count(row, ts, packet)
        self.asked.clear()
        for row, ts, packet in self.polls.values():
            self.say(row, ts, packet)
        self.polls.clear()

    def _message(self, data: bytes, request: bool) -> None:
        txid = (data[0] << 8) | data[1]
        code = data[7]
        if request:
            row = Modbus(function_code=code, unit_id=data[6], txid=txid)
            row.function = _FUNCTIONS.get(code) or f"function{code}"
            row.writes = code in _WRITES
            if code == 90 and len(data) >= 10:
                row.function = f"umas {data[9]:#04x}"  # Schneider's own functions within this one
            if code in _ADDRESSED and len(data) >= 12:
                row.address = (data[8] << 8) | data[9]
                row.quantity = (data[10] << 8) | data[11] if code in _COUNTED else None
            if len(self.asked) >= 64:
                first = next(iter(self.asked))
                self._count(*self.asked.pop(first))
            self.asked[txid] = (row, self.talk.ts, self.talk.packet)
            return
        found = self.asked.pop(txid, None)
        if found is None or found[0].function_code != code & 0x7F:
            name = _FUNCTIONS.get(code & 0x7F) or f"function{code & 0x7F}"
            row = Modbus(function_code=code & 0x7F, function=name, unit_id=data[6], txid=txid)
            found = (row, self.talk.ts, self.talk.packet)
        else:
            found[0].rtt_ms = (self.talk.ts - found[1]) / 1e6
        row = found[0]
        row.answered = True
        if code & 0x80 and len(data) >= 9:
            row.exception = _EXCEPTIONS.get(data[8]) or f"exception {data[8]}"
        self._count(*found)

    def _count(self, row: Modbus, ts: int, packet: int) -> None:
        """Keep a row until the end, or count it to the one that says the same."""
        key = (row.function, (row.unit_id or 0) << 1 | row.answered, row.address, row.quantity, row.exception)
        known = self.polls.get(key)
        if known is not None:
            known[0].times = min(known[0].times + 1, 0xFFFFFFFF)
        elif len(self.polls) < MAX_POLLS:
            self.polls[key] = (row, ts, packet)
        else:
            self.say(row, ts, packet)


def _probe_modbus(data: bytes, talk: Conversation, from_src: bool) -> int:
    """The header's protocol id and length, and a known function; off port 502 only a request of exact size."""
    if len(data) < 8:
        plausible = talk.has_port(502) and not any(data[2:5]) and not (len(data) > 5 and data[5] < 2)
        return MORE if plausible else NO
    size = (data[4] << 8) | data[5]
    code = data[7]
    if data[2] or data[3] or not 2 <= size <= 254 or code & 0x7F not in _FUNCTIONS:
        return NO
    if talk.has_port(502):
        if code & 0x80:
            return YES if size == 3 else NO
        return YES if size >= _REQUEST_SIZES.get(code, 2) or code <= 4 else NO
    return YES if _REQUEST_SIZES.get(code) == size == len(data) - 6 and code <= 6 and from_src else NO


MODBUS = Dissector(
    "modbus", "Modbus/TCP (Modbus Application Protocol 1.1b3)", ("tcp",), (502,), (Modbus,),
    _probe_modbus, ModbusParser,
    shapes={"tcp": Shape(at={2: b"\0", 3: b"\0", 4: b"\0", 7: bytes(range(1, 7))})},
)  # fmt: skip
