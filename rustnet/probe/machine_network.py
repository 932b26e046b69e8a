"""Interfaces, routes and neighbours of this network namespace, and lines about their changes."""

from __future__ import annotations

import time
from typing import Any, Callable, Tuple

from rustnet.probe import machine_netlink as netlink
from rustnet.probe import machine_parse as parse
from rustnet.probe.lines import Keys
from rustnet.probe.machine_parse import AF_INET, AF_INET6, Link, Neighbour, Route
from rustnet.probe.system import network_namespace

MOST_INTERFACES, MOST_ADDRESSES, MOST_ROUTES, MOST_NEIGHBOURS = 4096, 64, 16384, 16384
DATAGRAMS = 512
"""Datagrams of notices that are read at a time."""
WAITING = 1 << 16
"""Most datagrams that wait for a socket."""
CHANGES = 500
"""Changes of one kind in a second of which each has its line; what is beyond that shows at the next comparison."""
SETTLE_SECONDS, COMPARE_SECONDS, BUSY_SECONDS = 0.2, 60.0, 5.0
"""From a notice to the comparison with the kernel's tables; between two of these at most; after too many changes."""
IDLE_SHARE = 9
"""Times as long as a comparison took, at least, until the next."""

Put = Callable[[Keys], None]
Key = Tuple[int, str]
"""A neighbour: interface and address."""


class Budget:
    """Limits the lines of one kind in a second."""

    def __init__(self) -> None:
        self.second = self.used = self.refused = 0

    def allows(self) -> bool:
        """Whether there may be one more line now."""
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.used = second, 0
        self.used += 1
        self.refused += self.used > CHANGES
        return self.used <= CHANGES


class NetworkTables:
    """What the kernel's tables hold, as far as lines have said it.

    Notices give changes their times. But the kernel gives none of the routes that go with an interface, and loses
    notices that it has no room for: after notices, and now and then, the tables are compared with the kernel's.
    """

    def __init__(self, put: Put) -> None:
        self.put = put
        self.questions, self.notices = netlink.Questions(), netlink.Notices()
        self.namespace = network_namespace()
        self.links: dict[int, Link] = {}
        self.addresses: dict[int, set[str]] = {}
        self.shown: dict[int, Keys] = {}
        """What the latest line of an interface said."""
        self.routes: dict[Route, Keys] = {}
        self.neighbours: dict[Key, Keys] = {}
        self.numbered = 0
        """Routes so far."""
        self.compared = False
        self.due = 0.0
        """When the tables are next to be compared (monotonic)."""
        self.earliest = 0.0
        self.overruns = 0
        self.left_out: dict[str, int] = {}
        """Most entries beyond the bounds at a time, by kind, as last said."""
        self.budgets = {kind: Budget() for kind in ("routes", "neighbours", "interfaces")}

    def close(self) -> None:
        """Close the sockets to the kernel."""
        self.questions.close()
        self.notices.close()

    def descriptors(self) -> list[Any]:
        """Sockets that become readable when there are notices."""
        return [self.notices.socket]

    def next_due(self) -> float:
        """When `follow` has something to do even if nothing becomes readable (monotonic)."""
        return max(self.due, self.earliest)

    def follow(self) -> None:
        """Take in the notices that have come, and compare the tables if that is due."""
        dirty: set[int] = set()
        for notice in self.notices.read(DATAGRAMS):
            self._take(notice, dirty)
        for index in sorted(dirty):
            self._show(index, time.time_ns())
        if self.notices.overruns != self.overruns:
            self._gap("notices", "overrun", self.notices.overruns - self.overruns)
            for _ in self.notices.read(WAITING):
                pass  # they are of before the comparison, and what would take them back may be lost
            self.overruns = self.notices.overruns
            self.due = 0.0
        if time.monotonic() >= self.next_due():
            self.compare()

    def _gap(self, what: str, reason: str, count: int) -> None:
        self.put({"record": "machine_gap", "at": time.time_ns(), "what": what, "reason": reason, "count": count})

    def _compare_soon(self, seconds: float = SETTLE_SECONDS) -> None:
        self.due = min(self.due, time.monotonic() + seconds)

    def _take(self, notice: netlink.Notice, dirty: set[int]) -> None:
        kind, flags, body = notice
        at = time.time_ns()
        if kind in {netlink.RTM_NEWROUTE, netlink.RTM_DELROUTE}:
            if flags & netlink.NLM_F_REPLACE:
                self._compare_soon(0)  # the notice does not show what was replaced
            for route in parse.routes(body):
                self._route(route, kind == netlink.RTM_NEWROUTE, at)
            self._compare_soon()
        elif kind in {netlink.RTM_NEWNEIGH, netlink.RTM_DELNEIGH}:
            neighbour = parse.neighbour(body)
            if neighbour is not None:
                self._neighbour(neighbour, kind == netlink.RTM_NEWNEIGH, at)
        elif kind in {netlink.RTM_NEWADDR, netlink.RTM_DELADDR}:
            self._address(body, kind == netlink.RTM_NEWADDR, dirty)
        elif kind in {netlink.RTM_NEWLINK, netlink.RTM_DELLINK}:
            self._link(body, kind == netlink.RTM_NEWLINK, dirty)

    def _allowed(self, kind: str) -> bool:
        """Whether a notice may have its line; if not, the next comparison shows what has become of it."""
        budget = self.budgets[kind]
        if budget.allows():
            return True
        self._compare_soon(BUSY_SECONDS)
        return False

    # ---- interfaces ------------------------------------------------------------------------------------------------

    def _link(self, body: bytes, present: bool, dirty: set[int]) -> None:
        link = parse.link(body)
        if link is None or self.links.get(link.ifindex) == (link if present else None):
            return
        if not present:
            self.links.pop(link.ifindex, None)
            self.addresses.pop(link.ifindex, None)
        elif link.ifindex in self.links or len(self.links) < MOST_INTERFACES:
            self.links[link.ifindex] = link
        dirty.add(link.ifindex)
        self._compare_soon()

    def _address(self, body: bytes, present: bool, dirty: set[int]) -> None:
        parsed = parse.interface_address(body)
        if parsed is None or parsed[0] not in self.links:
            return
        index, address = parsed
        own = self.addresses.setdefault(index, set())
        if not present:
            own.discard(address)
        elif len(own) < MOST_ADDRESSES:
            own.add(address)
        dirty.add(index)
        self._compare_soon()

    def _name(self, index: int) -> str | None:
        link = self.links.get(index)
        return link.name if link else None

    def _show(self, index: int, at: int, *, compared: bool = False) -> None:
        """Write a line about an interface if something of it has changed."""
        link, before = self.links.get(index), self.shown.get(index)
        if link is None:
            if before is not None:
                self.put({**self.shown.pop(index), "change": "removed", "at": at})
            return
        keys: Keys = {
            "record": "interface",
            "ifindex": index,
            "name": link.name,
            "kind": link.kind,
            "mac": link.mac,
            "mtu": link.mtu,
            "addresses": sorted(self.addresses.get(index, ())),
            "up": link.up,
            "state": link.state,
            "master": self._name(link.master),
            "parent": self._name(link.parent),
            "network_namespace": self.namespace,
        }
        if keys != before and (compared or self._allowed("interfaces")):
            self.shown[index] = keys
            change = "present" if not self.compared else "added" if before is None else "changed"
            self.put({**keys, "change": change, "at": at})

    # ---- routes ----------------------------------------------------------------------------------------------------

    def _route(self, route: Route, present: bool, at: int, *, compared: bool = False) -> None:
        known = self.routes.get(route)
        if (known is not None) == present or not (compared or self._allowed("routes")):
            return
        if known is not None:
            del self.routes[route]
            self.put({**known, "change": "removed", "at": at})
        elif len(self.routes) < MOST_ROUTES:
            self.numbered += 1
            keys = self.routes[route] = {
                "record": "route",
                "route": self.numbered,
                "table": route.table,
                "destination": route.destination,
                "from_network": route.origin_network,
                "tos": route.service,
                "gateway": route.gateway,
                "interface": self._name(route.ifindex),
                "metric": route.metric,
                "type": route.kind,
                "protocol": route.origin,
                "source": route.source,
                "weight": route.weight,
            }
            self.put({**keys, "change": "added" if self.compared else "present", "at": at})

    # ---- neighbours ------------------------------------------------------------------------------------------------

    def _neighbour(self, one: Neighbour, present: bool, at: int, *, compared: bool = False) -> None:
        key = one.ifindex, one.address
        known = self.neighbours.get(key)
        if not present:
            if known is not None and (compared or self._allowed("neighbours")):
                del self.neighbours[key]
                self.put({**known, "change": "removed", "at": at})
            return
        if one.state == "incomplete" or (one.state == "failed" and known is None):
            return  # asked for, and not answered so far
        keys = {
            "record": "neighbour",
            "ifindex": one.ifindex,
            "interface": self._name(one.ifindex),
            "address": one.address,
            "mac": one.mac,
            "state": one.state,
            "router": one.router,
        }
        full = known is None and len(self.neighbours) >= MOST_NEIGHBOURS
        if keys == known or full or not (compared or self._allowed("neighbours")):
            return
        self.neighbours[key] = keys
        change = "present" if not self.compared else "added" if known is None else "changed"
        self.put({**keys, "change": change, "at": at})

    # ---- comparison ------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Read the kernel's tables and write lines about what differs from what was said before."""
        began = time.monotonic()
        try:
            self._compare_interfaces()
            self._compare_routes()
            self._compare_neighbours()
            self.compared = True
        except OSError:
            self._gap("network", "refused", 1)
        for kind, budget in self.budgets.items():
            if budget.refused:
                self._gap(kind, "rate", budget.refused)
                budget.refused = 0
        ended = time.monotonic()
        self.due, self.earliest = ended + COMPARE_SECONDS, ended + IDLE_SHARE * (ended - began)

    def _limited(self, what: str, left_out: int) -> None:
        """Say how many entries are left out, if there were never so many."""
        more = left_out - self.left_out.get(what, 0)
        if more > 0:
            self.left_out[what] = left_out
            self._gap(what, "limit", more)

    def _compare_interfaces(self) -> None:
        at = time.time_ns()
        dump = self.questions.dump(netlink.RTM_GETLINK, 0, MOST_INTERFACES)
        links = [link for link in map(parse.link, dump.bodies) if link is not None]
        self.links = {link.ifindex: link for link in links}
        self.addresses = {}
        most = MOST_INTERFACES * 4
        for family in (AF_INET, AF_INET6):
            for body in self.questions.dump(netlink.RTM_GETADDR, family, most).bodies:
                self._address(body, True, set())
        for index in sorted({*self.links, *self.shown}):
            self._show(index, at, compared=True)
        self._limited("interfaces", dump.left_out)

    def _compare_routes(self) -> None:
        at, left_out = time.time_ns(), 0
        present: dict[Route, None] = {}
        for family in (AF_INET, AF_INET6):
            # Those that the kernel derives from addresses come along and are not counted among the bound's.
            dump = self.questions.dump(netlink.RTM_GETROUTE, family, 2 * MOST_ROUTES)
            left_out += dump.left_out
            for body in dump.bodies:
                present.update(dict.fromkeys(parse.routes(body)))
        for route in [one for one in self.routes if one not in present]:
            self._route(route, False, at, compared=True)
        for route in present:
            self._route(route, True, at, compared=True)
        self._limited("routes", left_out + max(len(present) - MOST_ROUTES, 0))

    def _compare_neighbours(self) -> None:
        at, left_out = time.time_ns(), 0
        present: dict[Key, Neighbour] = {}
        for family in (AF_INET, AF_INET6):
            dump = self.questions.dump(netlink.RTM_GETNEIGH, family, 2 * MOST_NEIGHBOURS)
            left_out += dump.left_out
            for one in map(parse.neighbour, dump.bodies):
                if one is not None:
                    present[one.ifindex, one.address] = one
        for key in [one for one in self.neighbours if one not in present]:
            self._neighbour(Neighbour(key[0], key[1], None, "failed", False), False, at, compared=True)
        for one in present.values():
            self._neighbour(one, True, at, compared=True)
        self._limited("neighbours", left_out)
