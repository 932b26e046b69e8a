"""RustNet's event log (``--json-log``): lines ``new_connection`` and ``connection_closed``, keys as in a sidecar.

``source`` is RustNet's local end. ``new_connection`` is written with the first packet, usually before the process is
known, and then only shows that RustNet saw the connection. ``connection_closed`` is written by a sweep after the
connection became idle, with its duration in whole seconds up to then: the window has that length plus up to one second,
and includes the idle time. Connections open when RustNet exits have no ``connection_closed``. Other events, and keys
that do not concern ownership (names, bytes, applications, GeoIP), are ignored.
"""

import re
from pathlib import Path

from rustnet.attribute.formats.line_reader import LineReader
from rustnet.attribute.formats.sidecar_line import Json, LineParser, json_object
from rustnet.attribute.observation import Observation
from rustnet.attribute.values import BadValue, bounded_integer, parse_time

SOURCE = "rustnet-json-log"
_EVENTS = ("new_connection", "connection_closed")
_RECOGNISED = re.compile(rb'"event"\s*:\s*"(?:new_connection|connection_closed)"')
_LONGEST = 1 << 40
_SECOND = 1_000_000_000


class EventParser(LineParser):
    """Parser of events."""

    def parse(self, line: bytes, number: int) -> Observation | None:
        """Parse one event; ``None`` for events that do not concern a connection.

        Raises `BadValue` as `LineParser.parse` does.
        """
        event = json_object(line)
        if event.get("event") not in _EVENTS:
            return None
        ends: Json = {
            "local_addr": _endpoint(event.get("source_ip"), event.get("source_port")),
            "remote_addr": _endpoint(event.get("destination_ip"), event.get("destination_port")),
        }
        written = parse_time(event.get("timestamp"))
        if written is not None:
            duration = bounded_integer(event.get("duration_secs"), _LONGEST)
            start = written if duration is None else max(0, written - (duration + 1) * _SECOND)
            ends |= {"first_seen": _time(start), "last_seen": _time(written)}
        return self.observe(event | ends, number)


class RustnetJsonLog(LineReader):
    """Reader of one event log."""

    source = SOURCE

    def _parser(self) -> LineParser:
        return EventParser(self.faults, self.source)

    @staticmethod
    def recognise(_path: Path, head: bytes) -> bool:
        """Whether a file is likely an event log: by an event that only this format has."""
        return _RECOGNISED.search(head) is not None


def _endpoint(address: object, port: object) -> str:
    """Address and port in a sidecar's notation."""
    if type(address) is not str:
        raise BadValue("missing address")
    number = bounded_integer(port, 0xFFFF) or 0
    return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"


def _time(ns: int) -> Json:
    return {"secs_since_epoch": ns // _SECOND, "nanos_since_epoch": ns % _SECOND}
