"""Modbus over TCP (Modbus Messaging on TCP/IP 1.0b; no RFC). One row per request with its response.

Values of registers are not kept. Repeated polling, the same request with the same result, is counted in one row.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import RowParser
from rustnet.records import U8, U16, Count16, Count32, Word, record

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

Key = tuple[str, int, int | None, int | None, str | None]


@record("modbus")
class Modbus:
    """One Modbus request with its response, or one kind of request that a client repeats."""

    function: Word | None = None
    """Function: `read_coils`, `write_register` …"""
    function_code: U8 | None = None
    """Number of the function."""
    unit_id: U8 | None = None
    """Device behind a gateway."""
    address: U16 | None = None
    """First coil or register."""
    quantity: Count16 | None = None
    """Coils or registers."""
    writes: bool = False
    """The function changes the device."""
    exception: Word | None = None
    """Why the device refused."""
    answered: bool = False
    """A response was seen."""
    times: Count32 = 1
    """How often the same request was answered in the same way."""
    txid: U16 | None = None
    """Transaction id of the first."""
    rtt_ms: float | None = None
    """Time from the first request to its response."""


class Request:
    """A pending request, or a response without a captured request."""

    __slots__ = ("address", "code", "function", "packet", "quantity", "ts", "txid", "unit", "writes")

    def __init__(self, data: bytes, code: int, ts: int, packet: int) -> None:
        self.code = code
        self.function = _FUNCTIONS.get(code) or f"function{code}"
        self.unit = data[6]
        self.txid = data[0] << 8 | data[1]
        self.ts = ts
        self.packet = packet
        self.writes = False
        self.address: int | None = None
        self.quantity: int | None = None

    def describe(self, data: bytes) -> None:
        """Read the fields that only a request has."""
        code = self.code
        self.writes = code in _WRITES
        if code == 90 and len(data) >= 10:
            self.function = f"umas {data[9]:#04x}"  # Schneider's own functions within this one
        if code in _ADDRESSED and len(data) >= 12:
            self.address = data[8] << 8 | data[9]
            self.quantity = data[10] << 8 | data[11] if code in _COUNTED else None

    def row(self, exception: str | None, answered: bool, rtt_ms: float | None) -> Modbus:
        """Row of the request with its outcome."""
        return Modbus(
            function=self.function,
            function_code=self.code,
            unit_id=self.unit,
            address=self.address,
            quantity=self.quantity,
            writes=self.writes,
            exception=exception,
            answered=answered,
            txid=self.txid,
            rtt_ms=rtt_ms,
        )


class ModbusParser(RowParser):
    """Both directions of one connection."""

    __slots__ = ("asked", "polls", "server_is_dst")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked: dict[int, Request] = {}
        """Pending requests by transaction id."""
        self.polls: dict[Key, tuple[Modbus, int, int]] = {}
        """Rows of distinct requests, with time and number of their first packet."""
        self.server_is_dst = talk.dst_port == 502 or talk.src_port != 502

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete messages."""
        pos = 0
        end = len(data)
        while end - pos >= 8 and not self.talk.finished:
            size = (data[pos + 4] << 8) | data[pos + 5]
            if data[pos + 2] or data[pos + 3] or not 2 <= size <= 260:
                raise DissectError("expected a Modbus header")
            if end - pos - 6 < size:
                break
            self._message(data[pos : pos + 6 + size], from_src == self.server_is_dst)
            pos += 6 + size
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Stop reading: the beginning of the next message is unknown."""
        self.talk.finish()

    def close(self) -> None:
        """Store the rows of all distinct requests."""
        for request in self.asked.values():
            self._count(request, None, False, None)
        self.asked.clear()
        for row, ts, packet in self.polls.values():
            self.store_row(row, ts, packet)
        self.polls.clear()

    def _message(self, data: bytes, asks: bool) -> None:
        talk = self.talk
        code = data[7]
        if asks:
            request = Request(data, code, talk.ts, talk.packet)
            request.describe(data)
            if len(self.asked) >= 64:
                self._count(self.asked.pop(next(iter(self.asked))), None, False, None)
            self.asked[request.txid] = request
            return
        pending = self.asked.pop(data[0] << 8 | data[1], None)
        rtt_ms = None
        if pending is None or pending.code != code & 0x7F:
            pending = Request(data, code & 0x7F, talk.ts, talk.packet)
        else:
            rtt_ms = elapsed(pending.ts, talk.ts)
        exception = None
        if code & 0x80 and len(data) >= 9:
            exception = _EXCEPTIONS.get(data[8]) or f"exception {data[8]}"
        self._count(pending, exception, True, rtt_ms)

    def _count(self, request: Request, exception: str | None, answered: bool, rtt_ms: float | None) -> None:
        """Keep a request's row until the end, or count it in an equal one."""
        key = (request.function, request.unit << 1 | answered, request.address, request.quantity, exception)
        known = self.polls.get(key)
        if known is not None:
            row = known[0]
            row.times = min(row.times + 1, 0xFFFFFFFF)
            return
        row = request.row(exception, answered, rtt_ms)
        if len(self.polls) < MAX_POLLS:
            self.polls[key] = (row, request.ts, request.packet)
        else:
            self.store_row(row, request.ts, request.packet)


def _probe_modbus(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise protocol id, length and a known function; on other ports than 502 only a request of the exact size."""
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
