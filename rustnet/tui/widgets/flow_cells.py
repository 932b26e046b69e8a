"""What the list of flows shows of a flow: a text and a style for each column."""

import dataclasses
from collections.abc import Callable, Mapping

from rustnet.i18n import N_, _
from rustnet.present.values import duration, humanised, short_moment
from rustnet.query.views.flow_list import Context, End, FlowGroup, ListedFlow
from rustnet.records import Kind
from rustnet.tui.presenter import Presenter
from rustnet.tui.widgets.columns import Column
from rustnet.tui.widgets.table import Cell, Row

STALE = 0.75
"""Part of a flow's idle timeout after which it is stale."""
LATE = 0.9
"""Part of a flow's idle timeout after which it is about to end."""
GOOD_RTT_MS = 50
SLOW_RTT_MS = 150
LONGEST_MS = 1e12
"""Round-trip time from which on it is none."""
COMPACT_APP = 24
"""Width below which the application is shown without transport and name."""
NOTHING = "-"
"""In the place of a value that a flow does not have."""
UNOWNED = "<unknown>"
"""Name of the group of flows without a known process; also in RustNet."""

COLUMNS: dict[str, Column] = {
    column.key: column
    for column in (
        Column("process", N_("Process"), 22, 2),
        Column("remote", N_("Remote"), 21, 4),
        Column("local", N_("Local"), 18, 1, drop=3),
        Column("country", N_("Loc"), 4, drop=1),
        Column("service", N_("Service"), 10, drop=2),
        Column("app", N_("App"), 24, 3, drop=5, compact=14),
        Column("state", N_("State"), 12, drop=6),
        Column("rtt", N_("RTT"), 7, right=True, drop=4),
        Column("bytes", "Rx↓/Tx↑", 11, right=True),
        Column("time", N_("Begin"), 20, drop=7),
        Column("ended", N_("Last packet"), 20, drop=7),
        Column("duration", N_("Duration"), 9, right=True, drop=7),
        Column("packets", N_("Packets"), 9, right=True, drop=7),
        Column("sent", N_("Sent"), 8, right=True, drop=7),
        Column("received", N_("Received"), 8, right=True, drop=7),
        Column("retransmissions", N_("Retransmitted"), 8, right=True, drop=7),
        Column("protocol", N_("Protocol"), 8, drop=7),
        Column("direction", N_("Direction"), 9, drop=7),
        Column("user", N_("User"), 12, drop=7),
        Column("pid", "PID", 7, right=True, drop=7),
        Column("as", "AS", 18, 1, drop=7),
        Column("flow", N_("Flow"), 8, right=True, drop=7),
    )
}
"""Every column that the list can show, by name."""
USUAL = ("process", "remote", "local", "country", "service", "app", "state", "rtt", "bytes")
"""Columns without a choice of the user."""


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """How flows are shown."""

    names: bool = True
    services: bool = True
    rates: bool = False
    """Bytes per second instead of bytes: while flows are open."""
    mixed: bool = False
    """Open and ended flows are shown together, so that ended ones are marked."""
    now_ns: int | None = None
    """Packet time as of which flows are shown."""
    gateways: frozenset[str] = frozenset()
    words: bool = False
    """Marks are put in words too, for screen readers."""
    clocks: Mapping[int, int] = dataclasses.field(default_factory=dict)
    """Packet time of captures that had ended before: their flows were not seen to go on."""

    @classmethod
    def of(cls, known: Context, *, names: bool, services: bool, words: bool = False) -> "Look":
        """Return the look of flows in a session."""
        living = known.being_written or known.at is not None
        clocks = {} if known.moment is None else dict(known.moment.clocks or ())
        return cls(names, services, living, living, known.now_ns, known.gateways, words, clocks)


def titled(column: Column, look: Look) -> Column:
    """Return a column with its title in the user's language."""
    title = _(column.title)
    if column.key == "service" and not look.services:
        title = _("Port")
    if column.key == "bytes" and look.rates:
        title = _("Rx↓/Tx↑ /s")
    return dataclasses.replace(column, title=title)


class FlowCells:
    """Makes cells of flows, through the presenter."""

    def __init__(self, presenter: Presenter, look: Look) -> None:
        self._text = presenter.text
        self.look = look
        self._cells: dict[str, Callable[[ListedFlow], Cell]] = {
            "process": self._process,
            "remote": self._remote,
            "local": self._local,
            "country": lambda flow: self._plain(flow.remote.country, Kind.PLACE),
            "service": self._service,
            "state": self._state,
            "rtt": self._rtt,
            "bytes": self._bytes,
            "time": lambda flow: Cell(short_moment(flow.started_ns)),
            "ended": lambda flow: Cell(short_moment(flow.ended_ns)),
            "duration": lambda flow: Cell(duration(flow.ended_ns - flow.started_ns)),
            "packets": lambda flow: _number(_sum(flow.local.packets, flow.remote.packets)),
            "sent": lambda flow: _size(flow.local.bytes),
            "received": lambda flow: _size(flow.remote.bytes),
            "retransmissions": lambda flow: _number(_sum(flow.local.retransmissions, flow.remote.retransmissions)),
            "protocol": lambda flow: self._plain(flow.protocol, Kind.WORD),
            "direction": lambda flow: self._plain(flow.direction, Kind.WORD),
            "user": lambda flow: self._plain(flow.user, Kind.USER),
            "pid": lambda flow: _number(flow.pid, grouped=False),
            "as": self._autonomous_system,
            "flow": lambda flow: _number(flow.flow_id, grouped=False),
        }

    # ---- rows ----------------------------------------------------------------------------------------------------

    def row(self, flow: ListedFlow, widths: list[tuple[str, int]], branch: str = "") -> Row:
        """Row of a flow: a cell for each of the columns, by name and width; ``branch`` is its place in the tree."""
        mark, style = self.mark(flow)
        cells = [self.cell(flow, key, width) for key, width in widths]
        if branch:
            for at, (key, _width) in enumerate(widths):
                if key == "process":
                    pid = NOTHING if flow.pid is None else str(flow.pid)
                    cells[at] = Cell(f"{branch} {pid}", "dim")
        if style:
            cells = [Cell(cell.text, cell.style if cell.style == "dim" else style) for cell in cells]
        return Row(cells, mark, style)

    def mark(self, flow: ListedFlow) -> tuple[str, str]:
        """First character of a flow's row and its style: how near the flow is to its end."""
        if not flow.open:
            return ("x", "dim") if self.look.mixed else (" ", "")
        passed = flow.staleness(self.look.clocks.get(flow.capture_id, self.look.now_ns))
        if passed is None or passed < STALE:
            return " ", ""
        return ("!", "error") if passed >= LATE else ("-", "warn")

    def cell(self, flow: ListedFlow, key: str, width: int) -> Cell:
        """Cell of a flow."""
        return self._app(flow, width) if key == "app" else self._cells[key](flow)

    def title(self, group: FlowGroup, widths: list[tuple[str, int]], *, expanded: bool) -> Row:
        """Row of a group's title."""
        name = _(UNOWNED) if group.name is None else self._text(group.name, kind=Kind.SOFTWARE)
        texts = {
            "process": f"{'▾' if expanded else '▸'} {name} ({group.flows:,})",
            "app": f"TCP:{group.tcp:,} UDP:{group.udp:,}",
            "sent": _size(group.sent).text,
            "received": _size(group.received).text,
            "bytes": _both(group.received_rate, group.sent_rate)
            if self.look.rates
            else _both(group.received, group.sent),
        }
        return Row([Cell(texts.get(key, ""), "title") for key, _width in widths], " ", "title")

    # ---- cells ---------------------------------------------------------------------------------------------------

    def _plain(self, value: str | None, kind: Kind) -> Cell:
        return Cell(self._text(value, kind=kind)) if value else Cell(NOTHING, "dim")

    def _process(self, flow: ListedFlow) -> Cell:
        if flow.process is None and flow.pid is None:
            return Cell(NOTHING, "dim")
        name = self._text(flow.process, "process_name", kind=Kind.SOFTWARE) if flow.process else _(UNOWNED)
        text = name if flow.pid is None else f"{name} ({flow.pid})"
        if flow.pod:
            place = self._text(flow.pod, kind=Kind.OBJECT)
            if flow.namespace:
                place = f"{self._text(flow.namespace, kind=Kind.OBJECT)}/{place}"
            text = f"{place} {text}"
        return Cell(f"{text} ?", "warn") if flow.process_contested else Cell(text)

    def address(self, end: End, *, port: bool = True) -> str:
        """An end in usual notation."""
        if end.ip is None:
            return self._text(end.mac, kind=Kind.MAC) if end.mac else NOTHING
        shown = self._text(end.ip, kind=Kind.ADDRESS)
        if end.port is None or not port:
            return shown
        return f"[{shown}]:{end.port}" if ":" in shown else f"{shown}:{end.port}"

    def _named(self, flow: ListedFlow, end: End) -> Cell | None:
        if not self.look.names or not flow.hostname:
            return None
        port = "" if end.port is None else f":{end.port}"
        name = self._text(flow.hostname, "hostname", kind=Kind.HOST)
        return Cell(f"{name}{port}") if flow.name_is_own else Cell(f"~{name}{port}", "learned")

    def _remote(self, flow: ListedFlow) -> Cell:
        end = flow.remote
        cell = self._named(flow, end) if flow.remote_is_dst else None
        if cell is None and self.look.names and end.cast:
            cell = Cell(
                ("bcast" if end.cast == "broadcast" else "mcast") + ("" if end.port is None else f":{end.port}")
            )
        if cell is None:
            cell = Cell(self.address(end))
        if end.ip is not None and end.ip in self.look.gateways:
            return Cell(f"{cell.text} (gw)", cell.style)
        return cell

    def _local(self, flow: ListedFlow) -> Cell:
        named = None if flow.remote_is_dst else self._named(flow, flow.local)
        return named or Cell(self.address(flow.local))

    def _service(self, flow: ListedFlow) -> Cell:
        if self.look.services:
            return self._plain(flow.service, Kind.WORD)
        port = flow.remote.port if flow.remote.port is not None else flow.local.port
        return _number(port, grouped=False)

    def _app(self, flow: ListedFlow, width: int) -> Cell:
        protocol = self._text(flow.protocol, kind=Kind.WORD).upper()
        if not flow.app:
            return Cell(protocol)
        guess = "?" if flow.app_source == "port" else ""
        app = f"{self._text(flow.app, kind=Kind.WORD).upper()}{guess}"
        if width < COMPACT_APP:
            return Cell(app)
        name = (
            f" ({self._text(flow.hostname, 'hostname', kind=Kind.HOST)})" if flow.hostname and flow.name_is_own else ""
        )
        return Cell(f"{app}{name}" if app == protocol else f"{protocol}·{app}{name}")

    def _state(self, flow: ListedFlow) -> Cell:
        if self.look.mixed and not flow.open:
            return Cell(_("closed"), "dim")
        cell = self._plain(flow.state or flow.conn_state, Kind.WORD)
        mark = self.mark(flow)[0] if self.look.words else ""
        if mark == "!":
            return Cell(_("about to end, {state}").format(state=cell.text))
        return Cell(_("stale, {state}").format(state=cell.text)) if mark == "-" else cell

    @staticmethod
    def _rtt(flow: ListedFlow) -> Cell:
        if flow.rtt_ms is None or not abs(flow.rtt_ms) < LONGEST_MS:  # a session may contain any number, or none
            return Cell(NOTHING, "dim")
        style = "ok" if flow.rtt_ms < GOOD_RTT_MS else "warn" if flow.rtt_ms < SLOW_RTT_MS else "error"
        return Cell(short_rtt(flow.rtt_ms), style)

    def _bytes(self, flow: ListedFlow) -> Cell:
        if not self.look.rates:
            return Cell(_both(flow.remote.bytes, flow.local.bytes))
        if not flow.open:
            return Cell(_("n/a"), "dim")
        received, sent = flow.remote.rate, flow.local.rate
        return Cell(_both(received, sent), "dim" if not received and not sent else "")

    def _autonomous_system(self, flow: ListedFlow) -> Cell:
        if flow.remote.asn is None:
            return Cell(NOTHING, "dim")
        number = self._text(flow.remote.asn, kind=Kind.AUTONOMOUS_SYSTEM)
        name = self._text(flow.remote.as_name, kind=Kind.AUTONOMOUS_SYSTEM) if flow.remote.as_name else ""
        return Cell(f"AS{number} {name}".rstrip())


def short_rtt(ms: float) -> str:
    """A round-trip time in at most seven characters: ``0.04ms``, ``41.7ms``, ``116ms``, ``12.5s``."""
    if ms < 0.995:
        return f"{ms:.2f}ms"
    if ms < 99.95:
        return f"{ms:.1f}ms"
    return f"{ms:.0f}ms" if ms < 9_999.5 else f"{ms / 1000:.1f}s" if ms < 999_950 else f"{ms / 1000:.0f}s"


def short_size(count: float | None) -> str:
    """A number of bytes in at most five characters: ``928``, ``3.1M``; ``-`` if it is not known."""
    if count is None:
        return NOTHING
    number = float(count)
    for unit in ("", "K", "M", "G", "T"):
        if number < 999.5:
            return f"{number:.1f}{unit}" if unit and number < 9.95 else f"{number:.0f}{unit}"
        number /= 1000
    return f"{number:.0f}P"


def _both(received: float | None, sent: float | None) -> str:
    return f"{short_size(received)}/{short_size(sent)}"


def _size(count: int | None) -> Cell:
    return Cell(NOTHING, "dim") if count is None else Cell(humanised(count))


def _number(count: int | None, *, grouped: bool = True) -> Cell:
    return Cell(NOTHING, "dim") if count is None else Cell(f"{count:,}" if grouped else str(count))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
