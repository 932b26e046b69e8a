"""`MachineRows`: rows of the machine's tables from the lines that the probe writes about it.

The probe is ours, but what it reads is not: names of processes, interfaces and hosts are chosen by others. Each value
is checked and bounded; a line with a wrong one is counted and dropped.
"""

import ipaddress
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from rustnet.attribute.values import MAX_TIME, Address, BadValue, bounded_integer, bounded_text, parse_endpoint
from rustnet.records import table_name
from rustnet.store.batches import Batch, Records
from rustnet.store.live_tables import (
    InterfaceStats,
    MachineInterface,
    MachineRow,
    NeighbourChange,
    RouteChange,
    SocketChange,
)
from rustnet.store.tables import Anomaly

Line = dict[str, Any]

MAX_U16, MAX_U32, MAX_I63, MAX_U64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1
MOST_ITEMS = 64
"""Elements of a list at most."""
NAME, LONG = 256, 4096
"""Characters of names, and of paths and command lines at most."""
WAITING = 200_000
"""Rows at most that wait to be taken; later ones are counted and dropped."""
GAP = "machine_not_recorded"
"""Kind of the anomaly that says what is missing."""
WHATS = frozenset(("interfaces", "routes", "neighbours", "sockets", "notices", "network"))
REASONS = frozenset(("overrun", "limit", "rate", "refused"))
COUNTERS = ("rx_packets", "rx_bytes", "rx_errors", "rx_drops", "tx_packets", "tx_bytes", "tx_errors", "tx_drops")
PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "ICMP": "icmp", "IGMP": "raw", "RAW": "raw"}
WITH_PORTS = frozenset(("tcp", "udp"))
CHANGES = frozenset(("present", "added", "opened", "changed", "removed", "closed"))


class MachineRows:
    """Turns lines about the machine into rows of one capture; one thread may add while another takes."""

    def __init__(self, capture_id: int) -> None:
        self.capture_id = capture_id
        self.invalid = 0
        """Lines with a wrong value, or of another kind."""
        self.dropped = 0
        """Rows for which there was no room."""
        self._waiting: dict[type, list[Any]] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._stated: Counter[str] = Counter()
        """How many of those that are missing rows of anomalies have stated."""
        self._makers: dict[str, Callable[[Line], Any]] = {
            "host": self._host,
            "interface": self._interface,
            "interface_stats": self._stats,
            "route": self._route,
            "neighbour": self._neighbour,
            "socket": self._socket,
            "machine_gap": self._gap,
        }

    def takes(self, line: Line) -> bool:
        """Whether this is a line about the machine."""
        return line.get("record") in self._makers

    def add(self, line: Line) -> None:
        """Take one line in; never raises."""
        try:
            row = self._makers[line["record"]](line)
        except (BadValue, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            self.invalid += 1
            return
        with self._lock:
            if self._count >= WAITING:
                self.dropped += 1
                return
            self._waiting.setdefault(type(row), []).append(row)
            self._count += 1

    def take(self) -> list[Batch]:
        """The rows since the last call, by table; anomalies state what is missing among them."""
        with self._lock:
            waiting, self._waiting, self._count = self._waiting, {}, 0
            missing = {"lines: invalid": self.invalid, "rows: limit": self.dropped}
        lost = [
            Anomaly(None, self.capture_id, None, None, GAP, detail, count=count - self._stated[detail])
            for detail, count in missing.items()
            if count > self._stated[detail]
        ]
        self._stated.update(missing)
        if lost:
            waiting.setdefault(Anomaly, []).extend(lost)
        return [Records(cls, waiting[cls]) for cls in sorted(waiting, key=table_name)]

    def _start(self, line: Line) -> tuple[int, int, str]:
        """Capture, time and change."""
        return self.capture_id, _time(line["at"]), _word(line["change"], CHANGES)

    def _host(self, line: Line) -> MachineRow:
        return MachineRow(
            self.capture_id,
            _time(line["at"]),
            hostname=bounded_text(line.get("hostname"), NAME),
            system=bounded_text(line.get("system"), NAME),
            kernel=bounded_text(line.get("kernel"), NAME),
            os=bounded_text(line.get("os"), NAME),
            architecture=bounded_text(line.get("architecture"), NAME),
            boot_id=bounded_text(line.get("boot_id"), NAME),
            machine_id=bounded_text(line.get("machine_id"), NAME),
            clock_source=bounded_text(line.get("clock_source"), NAME),
            timezone=bounded_text(line.get("timezone"), NAME),
            cpus=bounded_integer(line.get("cpus"), MAX_U16),
            memory_bytes=bounded_integer(line.get("memory_bytes"), MAX_U64),
            network_namespace=bounded_integer(line.get("network_namespace"), MAX_I63),
            dns_servers=[_address(one) for one in _list(line.get("dns_servers"))],
            dns_upstreams=[_address(one) for one in _list(line.get("dns_upstreams"))],
            dns_search=_texts(line.get("dns_search")),
        )

    def _interface(self, line: Line) -> MachineInterface:
        return MachineInterface(
            *self._start(line),
            ifindex=_number(line["ifindex"]),
            name=bounded_text(line["name"], NAME) or "",
            kind=bounded_text(line.get("kind"), NAME),
            mac=_mac(line.get("mac")),
            mtu=bounded_integer(line.get("mtu")),
            ip_addresses=[_own_address(one) for one in _list(line.get("addresses"))],
            up=_boolean(line.get("up")),
            state=bounded_text(line.get("state"), NAME),
            master=bounded_text(line.get("master"), NAME),
            parent=bounded_text(line.get("parent"), NAME),
            network_namespace=bounded_integer(line.get("network_namespace"), MAX_I63),
        )

    def _stats(self, line: Line) -> InterfaceStats:
        span = bounded_integer(line.get("span_ns"), MAX_I63)
        growth: Line = {name: None if span is None else _number(line[name], MAX_I63) for name in COUNTERS}
        totals: Line = {f"total_{name}": _number(line[f"total_{name}"], MAX_U64) for name in COUNTERS}
        return InterfaceStats(
            capture_id=self.capture_id,
            ts=_time(line["at"]),
            interface_name=_name(line["interface"]),
            span_ms=None if span is None else span / 1e6,
            **growth,
            **totals,
        )

    def _route(self, line: Line) -> RouteChange:
        return RouteChange(
            *self._start(line),
            route=_number(line["route"]),
            routing_table=_name(line["table"]),
            destination=_network(line["destination"]),
            gateway=_address_or_none(line.get("gateway")),
            interface_name=bounded_text(line.get("interface"), NAME),
            metric=_number(line["metric"]),
            type=_name(line["type"]),
            protocol=_name(line["protocol"]),
            preferred_source=_address_or_none(line.get("source")),
            from_network=None if line.get("from_network") is None else _network(line["from_network"]),
            tos=_number(line["tos"], 255),
            weight=_number(line["weight"], MAX_U16),
        )

    def _neighbour(self, line: Line) -> NeighbourChange:
        return NeighbourChange(
            *self._start(line),
            ip=_address(line["address"]),
            mac=_mac(line.get("mac")),
            interface_name=bounded_text(line.get("interface"), NAME),
            ifindex=_number(line["ifindex"]),
            state=_name(line["state"]),
            router=_boolean(line.get("router")),
        )

    def _socket(self, line: Line) -> SocketChange:
        capture_id, ts, change = self._start(line)
        protocol = PROTOCOLS[line["protocol"]]
        local, remote = parse_endpoint(line["local"]), line.get("remote")
        far = None if remote is None else parse_endpoint(remote)
        ported = protocol in WITH_PORTS
        started, before = line.get("process_started"), line.get("before")
        holders = line.get("holders")
        return SocketChange(
            capture_id,
            ts,
            None if before is None else _time(before),
            change,
            _number(line["socket"]),
            protocol,
            _text_of(local[0]),
            _number_of(local[0]),
            local[1] if ported else None,
            None if far is None else _text_of(far[0]),
            None if far is None else _number_of(far[0]),
            far[1] if far is not None and ported else None,
            listening=_boolean(line.get("listening")),
            state=bounded_text(line.get("state"), NAME),
            ipv6_only=None if line.get("ipv6_only") is None else _boolean(line["ipv6_only"]),
            uid=bounded_integer(line.get("uid")),
            inode=bounded_integer(line.get("inode"), MAX_I63),
            pid=bounded_integer(line.get("pid")),
            process_name=bounded_text(line.get("process_name"), NAME),
            process_started_at=None if started is None else _time(started),
            exe=bounded_text(line.get("exe"), LONG),
            cmdline=bounded_text(line.get("cmdline"), LONG),
            username=bounded_text(line.get("username"), NAME),
            holders=None if holders is None else [_holder(one) for one in _list(holders)],
            holder_count=bounded_integer(line.get("holder_count")),
            network_namespace=bounded_integer(line.get("network_namespace"), MAX_I63),
        )

    def _gap(self, line: Line) -> Anomaly:
        what, reason = _word(line["what"], WHATS), _word(line["reason"], REASONS)
        return Anomaly(_time(line["at"]), self.capture_id, None, None, GAP, f"{what}: {reason}",
                       count=max(_number(line["count"], MAX_I63), 1))  # fmt: skip


def _number(value: object, largest: int = MAX_U32) -> int:
    number = bounded_integer(value, largest)
    if number is None:
        raise BadValue("expected a number")
    return number


def _time(value: object) -> int:
    return _number(value, MAX_TIME)


def _boolean(value: object) -> bool:
    if type(value) is not bool:
        raise BadValue("expected true or false")
    return value


def _word(value: object, words: frozenset[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise BadValue("expected another word")
    return value


def _name(value: object) -> str:
    name = bounded_text(value, NAME)
    if name is None:
        raise BadValue("expected a name")
    return name


def _list(value: object) -> list[Any]:
    """A list, without what is beyond its bound; None is an empty one."""
    if value is None:
        return []
    if type(value) is not list:
        raise BadValue("expected a list")
    return value[:MOST_ITEMS]


def _texts(value: object) -> list[str]:
    return [text for one in _list(value) if (text := bounded_text(one, NAME)) is not None]


def _address(value: object) -> str:
    """An address in its canonical form."""
    if type(value) is not str or len(value) > NAME:
        raise BadValue("expected an address")
    return str(ipaddress.ip_address(value.partition("%")[0]))


def _address_or_none(value: object) -> str | None:
    return None if value is None else _address(value)


def _network(value: object) -> str:
    """An address with a prefix length."""
    if type(value) is not str or len(value) > NAME or "/" not in value:
        raise BadValue("expected an address and a prefix length")
    return str(ipaddress.ip_interface(value))


def _own_address(value: object) -> str:
    """An address, with a prefix length where that is known."""
    return _network(value) if isinstance(value, str) and "/" in value else _address(value)


def _mac(value: object) -> str | None:
    """A hardware address as text."""
    if value is None:
        return None
    if type(value) is not str or len(value) > 64:
        raise BadValue("expected a hardware address")
    return bytes.fromhex(value.replace(":", "")).hex(":")


def _text_of(address: Address) -> str:
    number = ipaddress.IPv6Address(_number_of(address))
    return str(number.ipv4_mapped or number)


def _number_of(address: Address) -> int:
    return address[0] << 64 | address[1]


def _holder(value: object) -> str:
    """A process as ``name(pid)``."""
    if type(value) is not list or len(value) != 2:
        raise BadValue("expected a name and a process id")
    pid = bounded_integer(value[1])
    return f"{bounded_text(value[0], NAME) or '?'}({'?' if pid is None else pid})"
