"""RustNet's event log (``--json-log``): lines ``new_connection`` and ``connection_closed``, keys as in a sidecar.

``source`` is RustNet's local end. ``new_connection`` is written with the first packet, usually before the process is
known: such a line only says that RustNet saw the connection. ``connection_closed`` is written by a sweep after the
connection fell idle, with whole seconds from its beginning up to then: the window is that long, up to one second
longer, and contains the idle time. Connections that are open when RustNet ends have no second line. Other events and
whatever is not about ownership (names, bytes, applications, GeoIP) are read past.
"""

import re
from pathlib import Path

from rustnet.attribute.formats.rustnet_sidecar import Json, LineParser, RustnetSidecar, json_object
from rustnet.attribute.observation import Observation
from rustnet.attribute.values import BadValue, bounded, parse_time

SOURCE = "rustnet-json-log"
_EVENTS = ("new_connection", "connection_closed")
_RECOGNISED = re.compile(rb'"event"\s*:\s*"(?:new_connection|connection_closed)"')
_LONGEST = 1 << 40
_SECOND = 1_000_000_000


class EventParser(LineParser):
    """Makes observations of events."""

    def parse(self, line: bytes, number: int) -> Observation | None:
        """One event; ``None`` for an event that is about no connection.

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
            lasted = bounded(event.get("duration_secs"), _LONGEST)
            begun = written if lasted is None else max(0, written - (lasted + 1) * _SECOND)
            ends |= {"first_seen": _time(begun), "last_seen": _time(written)}
        return self.observe(event | ends, number)


class RustnetJsonLog(RustnetSidecar):
    """Reader of one event log."""

    source = SOURCE

    def _parser(self) -> LineParser:
        return EventParser(self.faults, self.source)

    @staticmethod
    def recognise(_path: Path, head: bytes) -> bool:
        """Whether a file that begins like this is likely one: by an event that only this format has."""
        return _RECOGNISED.search(head) is not None


def _endpoint(address: object, port: object) -> str:
    """An address and a port as sidecars write them."""
    if type(address) is not str:
        raise BadValue("names no addresses")
    number = bounded(port, 0xFFFF) or 0
    return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"


def _time(ns: int) -> Json:
    return {"secs_since_epoch": ns // _SECOND, "nanos_since_epoch": ns % _SECOND}
