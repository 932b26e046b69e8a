"""Hosts and names: who is on the network, how each name was learned, sockets; and the page of one host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from rustnet.i18n import N_, _, ngettext
from rustnet.present.hosts import host_fields
from rustnet.present.text import pad
from rustnet.query.session import Session
from rustnet.query.views import host_list, machine
from rustnet.query.views.host_page import HostPage, host_page
from rustnet.query.views.listed import Listing
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.records import Kind
from rustnet.tui.bindings import bindings
from rustnet.tui.screens.parts import PartsPane
from rustnet.tui.widgets.grid import Grid
from rustnet.tui.widgets.listing_grid import TIME, Shown, value_text
from rustnet.tui.widgets.part_line import PartLine

HOST_PARTS: tuple[tuple[str, str], ...] = (
    ("facts", N_("Discloses")), ("offered", N_("Offers")), ("used", N_("Uses")), ("names", N_("Names")),
    ("owners", N_("Owners")),
)  # fmt: skip
LABEL = 12
"""Columns of a label on the page of a host."""
MOST_FIELDS = 10
"""Lines of a host's page above its list."""
MOST_OTHERS = 6
"""Other addresses of a host that are named."""
_FIRST_LAST = (Shown("first", N_("First"), TIME, drop=2), Shown("last", N_("Last"), TIME, drop=1))
_SERVICES = (
    Shown("port", N_("Port"), 6, right=True), Shown("protocol", N_("Protocol"), 10),
    Shown("app", N_("Application"), 16, 2), Shown("app_source", N_("Known by"), 12),
    Shown("service", N_("Service"), 14, 1, drop=4), Shown("flows", N_("Flows"), 9, right=True),
    Shown("peers", N_("Peers"), 8, right=True), Shown("bytes", N_("Bytes"), 10, right=True), *_FIRST_LAST,
    Shown("example_flow", N_("Flow"), 8, right=True, drop=3),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """State of the screen."""

    part: str
    host: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Answer for a part, or for the page of a host."""

    request: Request
    listing: Listing | None = None
    page: HostPage | None = None
    sockets: bool = False
    """The session has the sockets of its host."""
    at: int | None = None


class HostsPane(PartsPane):
    """The Hosts screen."""

    NAME = "hosts"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("hosts")]
    DEFAULT_CSS = """
    HostsPane > .hidden { display: none; }
    HostsPane.-page > .summary { max-height: 14; color: $foreground; }
    .-short HostsPane.-page > .summary { max-height: 9; }
    .-low HostsPane.-page > .summary { max-height: 4; }
    """
    PARTS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("local", N_("On this network")), ("hosts", N_("All hosts")), ("names", N_("Names")),
        ("sockets", N_("Listeners")), ("open", N_("Open sockets")), ("aliases", N_("Other tools")),
    )  # fmt: skip
    COLUMNS: ClassVar[Mapping[str, Sequence[Shown]]] = {
        "local": (
            Shown("ip", N_("Address"), 20, 1), Shown("hostname", N_("Name"), 20, 2), Shown("mac", N_("Hardware"), 17),
            Shown("vendor", N_("Vendor"), 18, 1, drop=8), Shown("roles", N_("Roles"), 14, 1, drop=7),
            Shown("os", N_("System"), 12, drop=5), Shown("device", N_("Device"), 14, 1, drop=3),
            Shown("learned_from", N_("By"), 10, drop=4), Shown("sent", N_("Sent"), 10, right=True),
            Shown("received", N_("Received"), 11, right=True, drop=6), Shown("first_seen", N_("First"), TIME, drop=1),
            Shown("last_seen", N_("Last"), TIME, drop=2),
        ),
        "hosts": (
            Shown("ip", N_("Address"), 20, 1), Shown("hostname", N_("Name"), 22, 3),
            Shown("hostname_source", N_("Name by"), 10, drop=8), Shown("scope", N_("Scope"), 13, drop=5),
            Shown("country", N_("Loc"), 5, drop=7), Shown("as_name", "AS", 18, 1, drop=4),
            Shown("flows", N_("Flows"), 9, right=True), Shown("sent", N_("Sent"), 10, right=True),
            Shown("received", N_("Received"), 11, right=True), Shown("roles", N_("Roles"), 12, 1, drop=3),
            Shown("first_seen", N_("First"), TIME, drop=1), Shown("last_seen", N_("Last"), TIME, drop=2),
        ),
        "names": (
            Shown("name", N_("Name"), 24, 3), Shown("ip", N_("Address"), 19, 1), Shown("source", N_("By"), 9),
            Shown("first", N_("First"), TIME), Shown("last", N_("Last"), TIME, drop=1),
            Shown("times", N_("Times"), 8, right=True, drop=5), Shown("clients", N_("Clients"), 9, right=True, drop=4),
            Shown("ttl", "TTL", 10, right=True, drop=2), Shown("flows", N_("Flows"), 8, right=True, drop=3),
        ),
        "sockets": (
            Shown("ip", N_("Address"), 18, 1), Shown("port", N_("Port"), 6, right=True),
            Shown("protocol", N_("Protocol"), 10), Shown("app", N_("Application"), 16, 1),
            Shown("app_source", N_("Known by"), 12, drop=4), Shown("process", N_("Process"), 13, 1),
            Shown("pid", "PID", 8, right=True, drop=5), Shown("clients", N_("Clients"), 9, right=True, drop=6),
            Shown("flows", N_("Flows"), 9, right=True), Shown("bytes", N_("Bytes"), 10, right=True, drop=7),
            Shown("first", N_("First"), TIME, drop=1), Shown("last", N_("Last"), TIME, drop=2),
        ),
        "open": (
            Shown("protocol", N_("Protocol"), 9, drop=4), Shown("local_addr", N_("Own address"), 16, 1),
            Shown("local_port", N_("Port"), 6, right=True), Shown("remote_addr", N_("Remote"), 16, 1),
            Shown("remote_port", N_("Port"), 6, right=True), Shown("state", N_("State"), 12, drop=3),
            Shown("process", N_("Process"), 14, 1), Shown("pid", "PID", 8, right=True, drop=6),
            Shown("user", N_("User"), 10, drop=5), Shown("opened", N_("Opened"), TIME, drop=2),
            Shown("cmdline", N_("Command line"), 20, 2, drop=1),
        ),
        "aliases": (
            Shown("alias", N_("Name there"), 24, 1), Shown("source", N_("Tool"), 10),
            Shown("service", N_("Service"), 16), Shown("flow_id", N_("Flow"), 10, right=True),
            Shown("evidence", N_("Evidence"), 24, 2, drop=1),
        ),
        "facts": (
            Shown("fact", N_("Fact"), 16), Shown("value", N_("Value"), 24, 3), Shown("source", N_("By"), 10),
            Shown("ip", N_("Address"), 18, 1, drop=4), Shown("mac", N_("Hardware"), 17, drop=3),
            Shown("first", N_("First"), TIME, drop=5), Shown("last", N_("Last"), TIME, drop=1),
            Shown("count", N_("Times"), 8, right=True, drop=2), Shown("flow_id", N_("Flow"), 8, right=True, drop=6),
            Shown("packet", N_("Packet"), 10, right=True, drop=7),
        ),
        "offered": _SERVICES,
        "used": _SERVICES,
        "host-names": (
            Shown("name", N_("Name"), 26, 3), Shown("source", N_("By"), 10), Shown("ip", N_("Address"), 20, 1, drop=3),
            *_FIRST_LAST, Shown("times", N_("Times"), 8, right=True),
        ),
        "owners": (
            Shown("process_name", N_("Process"), 22, 2), Shown("pid", "PID", 8, right=True),
            Shown("username", N_("User"), 12, 1, drop=3), Shown("flows", N_("Flows"), 9, right=True),
            Shown("sent", N_("Sent"), 10, right=True), Shown("received", N_("Received"), 11, right=True), *_FIRST_LAST,
        ),
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.host = ""
        """Address of the page that is shown; empty: none."""
        self.host_part = HOST_PARTS[0][0]
        self.page: HostPage | None = None
        self._place: object = None
        self._host_line = PartLine(tuple((name, _(title)) for name, title in HOST_PARTS))
        self._host_line.add_class("hidden")

    def compose(self) -> ComposeResult:
        """The lines of parts of the lists and of a host's page; then as on the other screens."""
        first, *rest = super().compose()
        yield first
        yield self._host_line
        yield from rest

    # ---- asking and showing ------------------------------------------------------------------------------------------

    def request(self) -> Request:
        """Part, or host."""
        return Request(self.part, self.host)

    def load(self, session: Session, spec: ViewSpec, request: Request) -> Snapshot:
        """Ask for a list, or for what is known of a host."""
        if request.host:
            return Snapshot(request, page=host_page(session, request.host), at=spec.at)
        loaders = {"names": host_list.names, "sockets": host_list.sockets, "aliases": host_list.aliases,
                   "open": machine.open_sockets}  # fmt: skip
        if request.part in loaders:
            listing = loaders[request.part](session, spec)
        else:
            listing = host_list.hosts(session, spec, local=request.part == "local")
        return Snapshot(request, listing, sockets=machine.recorded(session, "socket_changes"), at=spec.at)

    def show(self, snapshot: Snapshot) -> None:
        """Show a list or a page."""
        if snapshot.page is not None:
            self.page = snapshot.page
            self._show_page(snapshot)
            return
        self.page = None
        self.set_class(False, "-page")
        self._host_line.set_class(True, "hidden")
        self._line.set_class(False, "hidden")
        if snapshot.listing is not None:
            part = snapshot.request.part
            self.show_listing(part, snapshot.listing, self._words(part, snapshot.listing, sockets=snapshot.sockets))
            if self._place is not None:
                place, self._place = self._place, None
                self.restore_cursor(place)

    def _words(self, part: str, listing: Listing, *, sockets: bool) -> str:
        count = len(listing.rows)
        if part == "local":
            gateways = sum("next hop" in roles or "default gateway" in roles for roles in self._roles(listing))
            words = ngettext("{n} address with a known hardware address", "{n} addresses with a known hardware address",
                             count).format(n=f"{count:,}")  # fmt: skip
            more = ngettext("{n} gateway", "{n} gateways", gateways).format(n=f"{gateways:,}")
            return f"{words} · {more}" if count else _("Nothing shows which hardware address an address belongs to.")
        if part == "hosts":
            return ngettext("{n} address sent packets", "{n} addresses sent packets", count).format(n=f"{count:,}")
        if part == "names":
            words = ngettext("{n} name of an address", "{n} names of addresses", count).format(n=f"{count:,}")
            return " · ".join((words, _("in the order in which they were learned; by: what taught it")))
        if part == "sockets":
            words = ngettext("{n} listener proved by traffic", "{n} listeners proved by traffic", count)
            words = words.format(n=f"{count:,}")
            none = _("The session has no list of the host's open sockets; a live capture records it.")
            return words if sockets else f"{words} · {none}"
        if part == "open":
            return _open_words(count, sockets=sockets)
        words = ngettext("{n} name of a flow in another tool", "{n} names of flows in other tools", count)
        return words.format(n=f"{count:,}") if count else _("No other tool's records were matched with the flows.")

    @staticmethod
    def _roles(listing: Listing) -> list[list[str]]:
        return [listing.value(row, "roles") or [] for row in listing.rows]

    def _show_page(self, snapshot: Snapshot) -> None:
        page = snapshot.page
        assert page is not None
        self.set_class(True, "-page")
        self._host_line.set_class(False, "hidden")
        self._line.set_class(True, "hidden")
        presenter = self.browser.presenter
        address = presenter.text(page.address, "ip", kind=_kind(page.address))
        lines = [_("host {address} · Esc goes back").format(address=address)]
        if page.missing is not None:
            lines = [presenter.error(page.missing)]
        for host in page.hosts[:1]:
            lines += [f"{pad(label, LABEL)} {words}" for label, words in host_fields(host, self._plain)]
        if not page.hosts and page.missing is None:
            lines.append(_("no packet was sent from an address of it"))
        if page.other_addresses:
            others = ", ".join(presenter.text(ip, "ip", kind=Kind.ADDRESS) for ip in page.other_addresses[:MOST_OTHERS])
            more = len(page.other_addresses) - MOST_OTHERS
            lines.append(f"{pad(_('also'), LABEL)} {others}" + (f" +{more:,}" if more > 0 else ""))
        if snapshot.at is not None:
            known = _("as known at the end of the session, not at the time above")
            lines[0] = f"{lines[0]} · {known}"
        self.summarise("\n".join(lines))
        self._show_host_part()

    def _show_host_part(self) -> None:
        assert self.page is not None
        self._host_line.set(self.host_part)
        listing = self.page.lists.get(self.host_part)
        if listing is None:
            self.grid.show((), ())
            return
        self.listing = listing
        shown = "host-names" if self.host_part == "names" else self.host_part
        self.grid.show_listing(listing, self.COLUMNS[shown], keep=self._shown_part == f"host-{self.host_part}")
        self._shown_part = f"host-{self.host_part}"

    def _plain(self, value: Any, name: str, kind: Kind | None) -> str:
        return value_text(self.browser.presenter, value, name, kind)

    def statement(self) -> Statement | None:
        """The SQL of the list."""
        return None if self.listing is None else self.listing.statement

    # ---- actions -----------------------------------------------------------------------------------------------------

    def action_part(self, step: int) -> None:
        """Show the next part of the lists, or of the host's page."""
        if not self.host:
            super().action_part(step)
            return
        names = [name for name, _title in HOST_PARTS]
        self._choose_host_part(names[(names.index(self.host_part) + step) % len(names)])

    def _choose_host_part(self, name: str) -> None:
        self.host_part = name
        if self.page is not None:
            self._show_host_part()

    def part_clicked(self, name: str) -> None:
        """Show the part of that name, of the lists or of the host's page."""
        if self.host:
            self._choose_host_part(name)
        else:
            self.choose_part(name)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show the page of the host, or the flow of the row."""
        event.stop()
        if self.grid.current is None:
            return
        field = self.grid.field
        flow = field("example_flow" if self.host else "flow_id") or (field("flow_id") if self.host else None)
        if self.host and self.host_part == "owners":
            self.browser.change(filter=_quoted("process", field("process_name")))
            self.browser.show_tab("overview", remember=False)
        elif flow is not None and (self.host or self.part == "aliases"):
            self.browser.open_flow(flow)
        elif not self.host and self.part == "open":
            self.action_filter_by()
        elif field("ip") and (not self.host or field("ip") != self.host):
            self.open_host(field("ip"))

    def open_host(self, address: str) -> None:
        """Show the page of a host."""
        if not self.host:
            self._place = self.cursor_place()
        self.host, self.host_part = address, HOST_PARTS[0][0]
        self.refresh_if_old()

    def action_filter_by(self) -> None:
        """Show the flows of the selected row in the overview."""
        field = self.grid.field
        if self.host:
            text = f"{'mac' if _kind(self.host) is Kind.MAC else 'ip'}:{self.host}"
        elif self.grid.current is None:
            return
        elif self.part == "names":
            text = _quoted("host", field("name"))
        elif self.part == "sockets":
            text = f"dst:{field('ip')} dport:{field('port')} proto:{field('protocol')}"
        elif self.part == "aliases":
            text = f"flow:{field('flow_id')}"
        elif self.part == "open":
            ends = [f"ip:{field('remote_addr')}"] if field("remote_addr") else []
            ports = [f"port:{port}" for port in (field("local_port"), field("remote_port")) if port]
            text = " ".join((*ends, *ports, f"proto:{field('protocol')}"))
        else:
            text = f"ip:{field('ip')}"
        self.browser.change(filter=text)
        self.browser.show_tab("overview", remember=False)

    def back(self) -> bool:
        """Close the page of the host."""
        if not self.host:
            return False
        self.host = ""
        self.refresh_if_old()
        return True

    def reset(self) -> None:
        """Show the first list."""
        super().reset()
        self.host = ""

    def presentation_changed(self) -> None:
        """Draw again."""
        self.reload()


def _open_words(count: int, *, sockets: bool) -> str:
    if not sockets:
        return _("The session has no list of the host's open sockets; a live capture records it.")
    words = ngettext("{n} open socket of the machine", "{n} open sockets of the machine", count).format(n=f"{count:,}")
    looked = _("looked at every 5 seconds, whatever the filter; those that wait for peers come first")
    return f"{words} · {looked}" if count else _("No socket was recorded at this time.")


def _kind(address: str) -> Kind:
    """Whether a host's address is a hardware address."""
    return Kind.MAC if len(address) == 17 and address.count(":") == 5 and "::" not in address else Kind.ADDRESS


def _quoted(keyword: str, value: str | None) -> str:
    """A term of the filter language for exactly this text."""
    text = (value or "").replace("\\", "\\\\").replace('"', '\\"')
    return f'{keyword}:="{text}"'


PANE = HostsPane
