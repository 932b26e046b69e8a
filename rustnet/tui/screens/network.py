"""Network: interfaces with their traffic, VLANs, tunnels, gateways, and routes where a session has them."""

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
    "gateways": network.gateways,
}  # fmt: skip


class NetworkPane(PartsPane):
    """The Network screen."""

    NAME = "network"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("network")]
    PARTS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("interfaces", N_("Interfaces")), ("gateways", N_("Gateways")), ("vlans", N_("VLANs")),
        ("tunnels", N_("Tunnels")),
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
    }  # fmt: skip

    def load(self, session: Session, spec: ViewSpec, request: str) -> tuple[str, Listing, bool]:
        """Ask for the list of a part, and whether the session has routes."""
        return request, _LOADERS[request](session, spec), machine.recorded(session, "route_changes")

    def show(self, snapshot: tuple[str, Listing, bool]) -> None:
        """Show the list, and in words what the session does not have."""
        part, listing, routes = snapshot
        if part == "interfaces":
            listing = self._with_own_names(listing)
        self.show_listing(part, listing, self._words(part, listing, routes=routes))

    def _with_own_names(self, listing: Listing) -> Listing:
        """Add the names that the configuration has for interfaces."""
        names = {} if self.browser.presenter.redacting else self.browser.settings.interfaces
        at = [field.name for field in listing.fields].index("name")
        rows = [
            (*row[:at], f"{row[at]} ({names[row[at]]})" if row[at] in names else row[at], *row[at + 1 :])
            for row in listing.rows
        ]
        return dataclasses.replace(listing, rows=rows)

    def _words(self, part: str, listing: Listing, *, routes: bool) -> str:
        count = len(listing.rows)
        if part == "interfaces":
            return _interface_words(listing)
        if part == "gateways":
            return _gateway_words(count, routes=routes)
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
        field = self.grid.field
        match self.part:
            case "interfaces":
                return f"capture:{field('capture_id')}"
            case "gateways" if field("mac"):
                return f"mac:{field('mac')}"
            case "gateways" if field("ip"):
                return f"ip:{field('ip')}"
            case "vlans" if field("vlan_id") is not None:
                return f"vlan:{field('vlan_id')}"
        return ""


def _interface_words(listing: Listing) -> str:
    count = len(listing.rows)
    size = humanised(sum(listing.value(row, "bytes") for row in listing.rows))
    words = ngettext("{n} interface, {size}", "{n} interfaces, {size}", count).format(n=f"{count:,}", size=size)
    counted = _(
        "Counted from the stored packets: the session has neither counters of the system's interfaces nor routes; "
        "a live capture records them."
    )
    return f"{words} · {counted}"


def _gateway_words(count: int, *, routes: bool) -> str:
    if not count:
        return _("No address shows itself as a router: nothing announces one, and no traffic shows a next hop.")
    words = ngettext("{n} router seen", "{n} routers seen", count).format(n=f"{count:,}")
    how = _("by what the traffic shows; the session has no routes")
    return words if routes else f"{words} · {how}"


PANE = NetworkPane
