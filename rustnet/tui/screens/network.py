"""Network: interfaces with their traffic, VLANs, tunnels, gateways; of live captures also what the machine had."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import BindingType

from rustnet.i18n import N_, _, ngettext
from rustnet.present.values import humanised
from rustnet.query.session import Session
from rustnet.query.views import machine, network
from rustnet.query.views.listed import Listing
from rustnet.query.views.spec import ViewSpec
from rustnet.tui.bindings import bindings
from rustnet.tui.screens.parts import PartsPane
from rustnet.tui.widgets.grid import Grid
from rustnet.tui.widgets.listing_grid import TIME, Shown

_LOADERS = {
    "interfaces": network.interfaces, "vlans": network.vlans, "tunnels": network.tunnels,
    "gateways": network.gateways, "counters": machine.counters, "routes": machine.routes,
    "neighbours": machine.neighbours,
}  # fmt: skip
_RECORDED_IN = {
    "interfaces": "interface_stats", "counters": "machine_interfaces", "neighbours": "neighbour_changes",
}  # fmt: skip
"""Table of the machine that a part is about, or mentions; of others `route_changes`."""
_FILTERS = {
    "interfaces": (("capture", "capture_id"),), "gateways": (("mac", "mac"), ("ip", "ip")),
    "vlans": (("vlan", "vlan_id"),), "routes": (("ip", "destination"),), "neighbours": (("ip", "ip"),),
}  # fmt: skip
"""Keywords and columns of filters that rows lead to, the best first."""


class NetworkPane(PartsPane):
    """The Network screen."""

    NAME = "network"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("network")]
    PARTS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("interfaces", N_("Interfaces")), ("gateways", N_("Gateways")), ("vlans", N_("VLANs")),
        ("tunnels", N_("Tunnels")), ("counters", N_("Counters")), ("routes", N_("Routes")),
        ("neighbours", N_("Neighbours")),
    )  # fmt: skip
    COLUMNS: ClassVar[Mapping[str, Sequence[Shown]]] = {
        "interfaces": (
            Shown("capture_id", N_("Capture"), 10, right=True), Shown("interface", N_("No."), 5, right=True),
            Shown("name", N_("Interface"), 14, 2), Shown("link_type", N_("Link type"), 16, 1, drop=4),
            Shown("packets", N_("Packets"), 12, right=True), Shown("bytes", N_("Bytes"), 9, right=True),
            Shown("rate", N_("Now"), 11, right=True), Shown("packet_rate", N_("Packets/s"), 12, right=True, drop=5),
            Shown("cut", N_("Cut short"), 12, right=True, drop=6), Shown("snaplen", N_("Snap length"), 14, right=True,
            drop=3), Shown("first", N_("First"), TIME, drop=1), Shown("last", N_("Last"), TIME, drop=2),
            Shown("description", N_("Description"), 16, 1, drop=1), Shown("source", N_("Read from"), 20, 2, drop=7),
        ),
        "gateways": (
            Shown("ip", N_("Address"), 20, 1), Shown("confidence", N_("Confidence"), 24, 3),
            Shown("evidence", N_("Evidence"), 24, 4), Shown("mac", N_("Hardware"), 17, drop=5),
            Shown("vendor", N_("Vendor"), 18, 1, drop=3), Shown("senders", N_("Senders"), 10, right=True, drop=4),
            Shown("destinations", N_("Remotes"), 10, right=True, drop=4),
            Shown("asked_by", N_("Asked by"), 11, right=True, drop=2), Shown("first", N_("First"), TIME, drop=1),
            Shown("flow_id", N_("Flow"), 8, right=True, drop=2),
        ),
        "vlans": (
            Shown("outer_vlan_id", N_("Outer VLAN"), 14, right=True), Shown("vlan_id", "VLAN", 8, right=True),
            Shown("flows", N_("Flows"), 10, right=True), Shown("packets", N_("Packets"), 12, right=True),
            Shown("bytes", N_("Bytes"), 10, right=True), Shown("addresses", N_("Senders"), 10, right=True),
            Shown("first", N_("First"), TIME, drop=2), Shown("last", N_("Last"), TIME, drop=1),
        ),
        "tunnels": (
            Shown("tunnel", N_("Tunnel"), 10), Shown("src_ip", N_("From"), 19, 1), Shown("dst_ip", N_("To"), 19, 1),
            Shown("inner", N_("Flows inside"), 15, right=True), Shown("bytes", N_("Bytes"), 10, right=True),
            Shown("first", N_("First"), TIME, drop=2), Shown("last", N_("Last"), TIME, drop=1),
            Shown("flow_id", N_("Flow"), 8, right=True, drop=3),
        ),
        "counters": (
            Shown("name", N_("Interface"), 14, 1), Shown("state", N_("State"), 8),
            Shown("kind", N_("Kind"), 10, drop=5), Shown("received_rate", N_("Receives"), 11, right=True),
            Shown("sent_rate", N_("Sends"), 11, right=True), Shown("received", N_("Received"), 10, right=True, drop=8),
            Shown("sent", N_("Sent"), 10, right=True, drop=7), Shown("errors", N_("Errors"), 8, right=True),
            Shown("drops", N_("Drops"), 8, right=True),
            Shown("ip_addresses", N_("Addresses"), 20, 2, drop=6), Shown("mac", N_("Hardware"), 17, drop=4),
            Shown("mtu", "MTU", 9, right=True, drop=3), Shown("master", N_("Part of"), 10, drop=2),
            Shown("since", N_("So since"), TIME, drop=1),
        ),
        "routes": (
            Shown("routing_table", N_("Table"), 8, drop=5), Shown("destination", N_("Destination"), 20, 2),
            Shown("gateway", N_("Gateway"), 16, 2), Shown("interface_name", N_("Interface"), 12, 1),
            Shown("metric", N_("Metric"), 8, right=True, drop=4), Shown("type", N_("Type"), 10, drop=3),
            Shown("origin", N_("Origin"), 8, drop=6), Shown("preferred_source", N_("Source"), 16, 1, drop=2),
            Shown("added", N_("Added"), TIME, drop=1),
        ),
        "neighbours": (
            Shown("ip", N_("Address"), 20, 1), Shown("mac", N_("Hardware"), 17),
            Shown("vendor", N_("Vendor"), 18, 1, drop=3), Shown("interface_name", N_("Interface"), 12, drop=4),
            Shown("state", N_("State"), 10), Shown("router", N_("Router"), 8, drop=2),
            Shown("since", N_("So since"), TIME, drop=1), Shown("macs", N_("Known"), 8, right=True, drop=5),
        ),
    }  # fmt: skip

    def load(self, session: Session, spec: ViewSpec, request: str) -> tuple[str, Listing, bool]:
        """Ask for the list of a part, and whether a live capture recorded what it is about, or mentions."""
        table = _RECORDED_IN.get(request, "route_changes")
        return request, _LOADERS[request](session, spec), machine.recorded(session, table)

    def show(self, snapshot: tuple[str, Listing, bool]) -> None:
        """Show the list, and in words what the session does not have."""
        part, listing, recorded = snapshot
        if part == "interfaces":
            listing = self._with_own_names(listing)
        self.show_listing(part, listing, self._words(part, listing, recorded=recorded))

    def _with_own_names(self, listing: Listing) -> Listing:
        """Add the names that the configuration has for interfaces."""
        names = {} if self.browser.presenter.redacting else self.browser.settings.interfaces
        at = [field.name for field in listing.fields].index("name")
        rows = [
            (*row[:at], f"{row[at]} ({names[row[at]]})" if row[at] in names else row[at], *row[at + 1 :])
            for row in listing.rows
        ]
        return dataclasses.replace(listing, rows=rows)

    def _words(self, part: str, listing: Listing, *, recorded: bool) -> str:
        count = len(listing.rows)
        if part == "interfaces":
            return _interface_words(listing, counters=recorded)
        if part == "gateways":
            return _gateway_words(count, routes=recorded)
        if part in ("counters", "routes", "neighbours"):
            return _machine_words(part, count, recorded=recorded)
        if part == "vlans":
            tagged = sum(listing.value(row, "vlan_id") is not None for row in listing.rows)
            words = ngettext("{n} VLAN", "{n} VLANs", tagged).format(n=f"{tagged:,}")
            return words if tagged else _("No flow has a VLAN tag.")
        words = ngettext("{n} tunnel", "{n} tunnels", count).format(n=f"{count:,}")
        return words if count else _("No flow was carried in a tunnel.")

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show the flows of the row, or its flow."""
        event.stop()
        if self.part == "tunnels" and self.grid.field("flow_id") is not None:
            self.browser.open_flow(self.grid.field("flow_id"))
            return
        text = self._filter()
        if text:
            self.browser.change(filter=text)
            self.browser.show_tab("overview", remember=False)

    def _filter(self) -> str:
        """Filter of the flows that a row is about; empty if it is about none."""
        for keyword, name in _FILTERS.get(self.part, ()):
            value = self.grid.field(name)
            if value is not None:
                return f"{keyword}:{value}"
        return ""


def _interface_words(listing: Listing, *, counters: bool) -> str:
    count = len(listing.rows)
    size = humanised(sum(listing.value(row, "bytes") for row in listing.rows))
    words = ngettext("{n} interface, {size}", "{n} interfaces, {size}", count).format(n=f"{count:,}", size=size)
    if counters:
        return f"{words} · {_('Counted from the stored packets; Counters has what the system counted.')}"
    counted = _(
        "Counted from the stored packets: the session has neither counters of the system's interfaces nor routes; "
        "a live capture records them."
    )
    return f"{words} · {counted}"


def _machine_words(part: str, count: int, *, recorded: bool) -> str:
    """What a list of the machine of a live capture holds, or why it is empty."""
    if not recorded:
        return _("The session has no record of this: only a live capture makes one of its machine.")
    if not count:
        return _("Nothing of this was recorded at this time.")
    if part == "counters":
        words = ngettext("{n} interface of the machine", "{n} interfaces of the machine", count).format(n=f"{count:,}")
        return " · ".join((words, _("counted by the system since the capture began, whatever the filter")))
    if part == "routes":
        words = ngettext("{n} route of the machine", "{n} routes of the machine", count).format(n=f"{count:,}")
        return " · ".join((words, _("as they were at this time, whatever the filter")))
    words = ngettext("{n} neighbour that the machine knew", "{n} neighbours that the machine knew", count)
    known = _("known: hardware addresses that it had for the address so far")
    return " · ".join((words.format(n=f"{count:,}"), known))


def _gateway_words(count: int, *, routes: bool) -> str:
    if not count:
        return _("No address shows itself as a router: nothing announces one, and no traffic shows a next hop.")
    words = ngettext("{n} router seen", "{n} routers seen", count).format(n=f"{count:,}")
    how = _("by what the traffic shows; the session has no routes")
    return words if routes else f"{words} · {how}"


PANE = NetworkPane
