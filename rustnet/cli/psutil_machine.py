"""Interfaces, their counters and sockets from psutil, for systems other than Linux.

`PsutilMachine` gives the lines of `rustnet.probe.machine.Machine`, without routes and neighbours, which psutil does not
list. Tested on Linux only and with recorded answers of other systems, not on macOS, Windows or BSD.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rustnet.cli.psutil_sources import PsutilProcesses, PsutilSockets
from rustnet.probe.lines import Keys
from rustnet.probe.machine import Machine, Network
from rustnet.probe.machine_counters import MOST_COUNTED, Counters
from rustnet.probe.machine_sockets import OwnSockets
from rustnet.probe.options import Options

COMPARE_SECONDS = 5.0
"""Between two looks at the interfaces: there are no notices of changes."""
MOST_INTERFACES, MOST_ADDRESSES = 4096, 64
IP_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class PsutilMachine(Machine):
    """What psutil shows of a machine."""

    def __init__(self, interfaces: Sequence[str] | None, options: Options | None = None) -> None:
        """Begin; sockets are listed with the ``options`` of a recorder, else not at all."""
        own = None
        if options is not None:
            processes = PsutilProcesses(options)
            own = OwnSockets(PsutilSockets(processes), processes)
        super().__init__(interfaces, own=own)

    def _sources(self) -> tuple[Network, Counters]:
        """Interfaces and their counters, as psutil lists them."""
        return PsutilInterfaces(self.waiting.append), Counters(lambda: psutil_counters(self.interfaces))


class PsutilInterfaces:
    """Interfaces, compared with what was written of them before."""

    def __init__(self, put: Callable[[Keys], None]) -> None:
        self.put = put
        self.shown: dict[str, Keys] = {}
        self.numbers: dict[str, int] = {}
        """psutil shows no numbers of interfaces: those that the system gives, or the order in which they were seen."""
        self.compared = False
        self.due = 0.0

    def descriptors(self) -> list[Any]:
        """There are no notices."""
        return []

    def next_due(self) -> float:
        """When the interfaces are next to be compared (monotonic)."""
        return self.due

    def close(self) -> None:
        """Do nothing: no resource stays open."""

    def follow(self) -> None:
        """Write lines about what has changed, if that is due."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + COMPARE_SECONDS
        at, present = time.time_ns(), {keys["name"]: keys for keys in self._listed()}
        for name in [name for name in self.shown if name not in present]:
            self.put({**self.shown.pop(name), "change": "removed", "at": at})
        for name, keys in present.items():
            before = self.shown.get(name)
            if keys != before:
                self.shown[name] = keys
                change = "present" if not self.compared else "added" if before is None else "changed"
                self.put({**keys, "change": change, "at": at})
        self.compared = True

    def _listed(self) -> Iterator[Keys]:
        """Keys of each interface."""
        import psutil  # noqa: PLC0415 -- only while capturing

        states = psutil.net_if_stats()
        for name, addresses in sorted(psutil.net_if_addrs().items())[:MOST_INTERFACES]:
            state = states.get(name)
            cards = [one.address for one in addresses if one.family == psutil.AF_LINK]
            own = sorted(filter(None, (_network(one) for one in addresses if one.family in IP_FAMILIES)))
            yield {
                "record": "interface",
                "ifindex": self._number(name),
                "name": name,
                "kind": "loopback" if "loopback" in getattr(state, "flags", "").split(",") else None,
                "mac": _mac(cards[0]) if cards else None,
                "mtu": state.mtu if state and state.mtu > 0 else None,
                "addresses": own[:MOST_ADDRESSES],
                "up": bool(state and state.isup),
                "state": "unknown" if state is None else "up" if state.isup else "down",
                "master": None,
                "parent": None,
            }

    def _number(self, name: str) -> int:
        try:
            return socket.if_nametoindex(name)
        except OSError:
            return self.numbers.setdefault(name, len(self.numbers) + 1)


def _mac(text: str) -> str | None:
    """A hardware address in lower case with colons; None for nothing but zeros and for what is none."""
    digits = text.replace("-", "").replace(":", "").lower()
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return None
    return raw.hex(":") if len(raw) in {6, 8} and any(raw) else None


def _network(one: Any) -> str | None:
    """An address with the length of its prefix, where a netmask shows it; None for what is no address."""
    address, mask = one.address.partition("%")[0], (one.netmask or "").partition("/")[0]
    try:
        socket.inet_pton(one.family, address)
        raw = socket.inet_pton(one.family, mask) if mask else None
    except (OSError, ValueError):
        return None
    return address if raw is None else f"{address}/{int.from_bytes(raw, 'big').bit_count()}"


def psutil_counters(names: Sequence[str] | None) -> Iterator[tuple[str, list[int]]]:
    """Counters of the named interfaces that exist; without names, of all of them up to a bound."""
    import psutil  # noqa: PLC0415 -- only while capturing

    listed = psutil.net_io_counters(pernic=True, nowrap=False)
    for name in sorted(listed)[:MOST_COUNTED] if names is None else names[:MOST_COUNTED]:
        if one := listed.get(name):
            yield name, [one.packets_recv, one.bytes_recv, one.errin, one.dropin,
                         one.packets_sent, one.bytes_sent, one.errout, one.dropout]  # fmt: skip
