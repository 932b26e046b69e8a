"""Choice of the interfaces that are captured: by name, all of them (``any``), or that of the default route (Linux)."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rustnet.errors import Phrase, UsageError
from rustnet.probe.links import LOOPBACK, Link, everything, present_links
from rustnet.probe.ring_socket import MAX_RINGS
from rustnet.sources.libpcap import default_device, devices

ANY = "any"
IPV4_ROUTES, IPV6_ROUTES = Path("/proc/net/route"), Path("/proc/net/ipv6_route")
RTF_UP, RTF_REJECT = 0x1, 0x200
IPV4_COLUMNS, IPV6_COLUMNS = 8, 10
"""Columns of a route that are read, or more."""
MAX_ROUTES_BYTES = 16 << 20
SHOWN_INTERFACES, SHOWN_ADDRESSES = 40, 3
"""How many a message lists."""


@dataclass(frozen=True)
class Present:
    """An interface that exists, for choices and messages."""

    name: str
    state: str
    """``up``, ``no-carrier`` (switched on, without a connection), ``down``."""
    kind: str = ""
    """Kind of a virtual interface: `veth`, `bridge`, `wireguard` …; ``loopback``; empty for hardware."""
    addresses: tuple[str, ...] = ()
    """IP addresses with the length of their prefix, where that is known."""

    def __str__(self) -> str:
        """Name, state and addresses, as messages list it."""
        return " ".join((self.name, self.state, *self.addresses[:SHOWN_ADDRESSES]))


@dataclass(frozen=True)
class Choice:
    """The interfaces that a capture begins with."""

    names: list[str]
    everything: bool = False
    """All that are up were asked for, and those that come up later too."""
    default: bool = False
    """None was asked for: it is that of the default route."""
    notes: list[Phrase] = field(default_factory=list)
    """What has to be said about the choice."""


def present() -> list[Present]:
    """Interfaces that exist now, in the system's order; raises OSError."""
    if not sys.platform.startswith("linux"):
        return [Present(each.name, each.state, each.kind, each.addresses) for each in devices()]
    return [_present(link) for link in present_links(addresses=True)]


def _present(link: Link) -> Present:
    state = "down"
    if link.up:
        state = "no-carrier" if link.state in ("down", "lowerlayerdown", "notpresent") else "up"
    kind = "loopback" if link.hardware == LOOPBACK else link.kind
    return Present(link.name, state, kind, tuple(link.addresses))


def default_interface() -> str | None:
    """Interface of the default route with the lowest metric, of IPv4 if there is one, else of IPv6; None without."""
    if not sys.platform.startswith("linux"):
        return default_device()
    return _lowest(_ipv4_defaults(_routes(IPV4_ROUTES))) or _lowest(_ipv6_defaults(_routes(IPV6_ROUTES)))


def _routes(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return [line.split() for line in file.read(MAX_ROUTES_BYTES).splitlines()]
    except OSError:
        return []


def _lowest(routes: list[tuple[int, str]]) -> str | None:
    """Interface of the first route that has the lowest metric."""
    return min(routes, key=lambda route: route[0])[1] if routes else None


def _ipv4_defaults(routes: list[list[str]]) -> list[tuple[int, str]]:
    """Metric and interface of the default routes in ``/proc/net/route``."""
    return [
        (int(columns[6]), columns[0])
        for columns in routes[1:]
        if len(columns) >= IPV4_COLUMNS
        and columns[1] == columns[7] == "00000000"
        and int(columns[3], 16) & (RTF_UP | RTF_REJECT) == RTF_UP
    ]


def _ipv6_defaults(routes: list[list[str]]) -> list[tuple[int, str]]:
    """The same of ``/proc/net/ipv6_route``."""
    return [
        (int(columns[5], 16), columns[9])
        for columns in routes
        if len(columns) >= IPV6_COLUMNS
        and columns[0] == "0" * 32
        and columns[1] == "00"
        and int(columns[8], 16) & (RTF_UP | RTF_REJECT) == RTF_UP
    ]


def resolve(names: Sequence[str]) -> Choice:
    """Interfaces for the names that were asked for, each once; raises `UsageError`, which lists those there are.

    A name counts in any case if no interface has it exactly. ``any`` stands for all that are up now, chosen so that
    each packet is seen once where that is known (`rustnet.probe.links.everything`).
    """
    there = present()
    if any(name.lower() == ANY for name in names):
        return _all(there)
    if not names:
        name = default_interface()
        if name is None or name not in {each.name for each in there}:
            raise UsageError(
                "there is no default route, so name the interface to capture; there are: {interfaces}",
                interfaces=listed(there),
            )
        words = Phrase("{name} is captured, the interface of the default route", name=name)
        return Choice([name], default=True, notes=[words, *_down([name], there)])
    chosen = list(dict.fromkeys(_named(name, there) for name in names))
    if len(chosen) > MAX_RINGS:
        raise UsageError("expected at most {count} interfaces", count=MAX_RINGS)
    return Choice(chosen, notes=_down(chosen, there))


def _all(there: list[Present]) -> Choice:
    """All interfaces."""
    if not sys.platform.startswith("linux"):
        raise UsageError("“any” is an interface of Linux only; name one of: {interfaces}", interfaces=listed(there))
    names = [link.name for link in everything(present_links())]
    notes = []
    if len(names) > MAX_RINGS:
        template = "{count} interfaces are up, of which the first {most} are captured"
        notes.append(Phrase(template, count=len(names), most=MAX_RINGS))
    return Choice(names[:MAX_RINGS], everything=True, notes=notes)


def _named(name: str, there: list[Present]) -> str:
    names = [each.name for each in there]
    if name in names:
        return name
    alike = [each for each in names if each.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    raise UsageError("there is no interface “{name}”; there are: {interfaces}", name=name, interfaces=listed(there))


def _down(names: list[str], there: list[Present]) -> list[Phrase]:
    """Notes on interfaces that have no packets now."""
    return [
        Phrase("the interface {name} is down: its packets are captured once it is up", name=each.name)
        for each in there
        if each.name in names and each.state == "down"
    ]


def listed(there: Sequence[Present]) -> str:
    """Interfaces as a message lists them."""
    texts = [str(each) for each in there[:SHOWN_INTERFACES]]
    return "; ".join((*texts, "…") if len(there) > SHOWN_INTERFACES else texts)
