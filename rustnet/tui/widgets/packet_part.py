"""Packets of a flow: the index, and of the selected packet its bytes and the protocol tree of scapy or tshark."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from rustnet.errors import RustnetError
from rustnet.export.captured import Originals
from rustnet.i18n import N_, _
from rustnet.inspect import Node
from rustnet.inspect.inspector import Inspector
from rustnet.present.values import tcp_flags
from rustnet.query.detail import StoredPacket
from rustnet.query.selection import IngestedFile
from rustnet.query.views.flow_messages import PacketPage, stored_packet
from rustnet.records import Kind
from rustnet.tui.presenter import REDACTED
from rustnet.tui.widgets.field_tree import FieldTree
from rustnet.tui.widgets.grid import Grid, GridColumn
from rustnet.tui.widgets.hex_view import HexView

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

Tool = Literal["scapy", "tshark"]
DECODE_DELAY = 0.15
"""Seconds that the cursor rests on a packet before it is decoded."""
KEPT = 64
"""Decoded packets that are kept."""
HIDDEN = N_("redact mode shows no bytes of packets: they cannot be replaced by kind")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Bytes of a packet and its tree, or what went wrong."""

    data: bytes = b""
    layers: tuple[Node, ...] = ()
    error: RustnetError | None = None
    doubt: str = ""


class FlowGrid(Grid):
    """A table within the details: j and k walk from flow to flow there, and arrows move within the table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "walk(1)", show=False),
        Binding("k", "walk(-1)", show=False),
    ]

    class Beyond(Message):
        """A page beyond the first or last row is wanted."""

        def __init__(self, direction: int) -> None:
            super().__init__()
            self.direction = direction

    def action_page(self, step: int) -> None:
        """Select the row one page on; beyond the ends, ask for other rows."""
        at_end = self.cursor >= self.row_count - 1 if step > 0 else self.cursor == 0
        if at_end:
            self.post_message(self.Beyond(step))
        super().action_page(step)

    def action_walk(self, step: int) -> None:
        """Walk to the next flow, or the previous one."""
        for node in self.ancestors:
            walk = getattr(node, "action_walk", None)
            if walk is not None:
                walk(step)
                return


def read_bytes(originals: Originals, file: IngestedFile | None, packet: StoredPacket) -> Decoded:
    """Read a packet's bytes. Works on any thread."""
    if file is None:
        return Decoded(error=RustnetError("the session does not describe file {n} of the capture", n=packet.file))
    try:
        return Decoded(originals.packet(file, packet), doubt=originals.checked(file).doubt)
    except RustnetError as error:
        return Decoded(error=error)


def decode(inspector: Inspector, read: Decoded, packet: StoredPacket, tool: Tool) -> Decoded:
    """Decode the bytes of a packet. Works on any thread."""
    if read.error is not None:
        return read
    if packet.link_type is None:
        return replace(read, error=RustnetError("the link type of packet {n} is not known", n=packet.number))
    try:
        layers = inspector.inspect(read.data, packet.link_type, packet.length, tool=tool, ts=packet.ts)
    except RustnetError as error:
        return replace(read, error=error)
    return replace(read, layers=tuple(layers))


class PacketPart(Container):
    """Table of packets, tree and bytes of the selected one."""

    DEFAULT_CSS = """
    PacketPart { layout: vertical; height: 1fr; }
    PacketPart > FlowGrid { height: 2fr; min-height: 4; }
    PacketPart > .decoded { height: 3fr; layout: horizontal; border-top: solid $panel; }
    PacketPart > .words { height: 1; color: $foreground-muted; padding: 0 1; }
    PacketPart FieldTree { width: 1fr; }
    PacketPart HexView { width: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.tool: Tool = "scapy"
        self.page: PacketPage | None = None
        self.begun = 0
        self._originals: Originals | None = None
        self._known: OrderedDict[tuple[int, int, Tool], Decoded] = OrderedDict()
        self._wanted: tuple[int, int, Tool] | None = None
        self._timer: Timer | None = None
        self.decoded: Decoded | None = None
        self.inspector = Inspector()

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    def compose(self) -> ComposeResult:
        """Table, tree and bytes."""
        yield FlowGrid(text=self._text)
        with Container(classes="decoded"):
            yield FieldTree()
            yield HexView()
        yield Static(Content(""), classes="words")

    def on_resize(self) -> None:
        """Give the bytes as much as sixteen of them in a line need, where there is room for that."""
        wide = self.size.width
        self.query_one(HexView).styles.width = 77 if wide >= 125 else 44 if wide >= 76 else None

    # ---- contents ------------------------------------------------------------------------------------------------

    def show(self, page: PacketPage, flow_id: int, begun: int, originals: Originals) -> None:
        """Show the packets of a flow that began at ``begun``."""
        self.page, self.begun, self._originals = page, begun, originals
        self.flow_id = flow_id
        rows = [
            (number, ts, from_src, length, captured if captured < length else None, payload, tcp_flags(flags),
             duplicate or None)
            for number, ts, from_src, length, captured, payload, flags, duplicate, *_place in page.rows.rows
        ]  # fmt: skip
        grid = self.query_one(FlowGrid)
        grid.show(_columns(), rows)
        self._words()
        self._choose()

    flow_id = 0

    def on_unmount(self) -> None:
        """End the worker."""
        self.inspector.close()

    def _text(self, value: object, column: GridColumn) -> str:
        if column.name == "ts" and isinstance(value, int):
            return f"+{(value - self.begun) / 1e6:,.3f} ms"
        if column.name == "from_src":
            return "src >" if value else "< dst"
        return self.browser.presenter.text(value, column.name, column.sql_type, column.kind)

    @property
    def selected(self) -> int | None:
        """Number of the selected packet within its capture."""
        row = self.query_one(FlowGrid).current
        return None if row is None else int(row[0])

    def on_grid_moved(self, event: Grid.Moved) -> None:
        """Decode the packet at the cursor once it rests there."""
        event.stop()
        self._choose()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Go to the tree of the packet."""
        event.stop()
        self.query_one(FieldTree).focus()

    def choose_tool(self) -> None:
        """Decode with the other tool."""
        self.tool = "tshark" if self.tool == "scapy" else "scapy"
        self._choose()

    def _words(self, words: str = "") -> None:
        if not words and self.page is not None and self.page.more:
            words = _("the first {count} packets of the flow; the filter packet: finds others").format(
                count=f"{len(self.page.rows.rows):,}"
            )
        line = self.query_one(".words", Static)
        line.update(Content(words))
        line.display = bool(words)

    # ---- one packet ----------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        """Show the selected packet, at once if it is known, otherwise after a moment."""
        if self._timer is not None:
            self._timer.stop()
        tree, number = self.query_one(FieldTree), self.query_one(FlowGrid).current_number
        if self.browser.presenter.redacting:
            self._wanted = None
            self.decoded = None
            tree.show(REDACTED, (), _(HIDDEN))
            self.query_one(HexView).show(b"")
            return
        if self.page is None or number is None:
            tree.show("", (), _("the index has no packets of this flow up to this time"))
            self.query_one(HexView).show(b"")
            return
        packet = stored_packet(self.page, number, self.flow_id)
        self._wanted = (packet.capture_id, packet.number, self.tool)
        known = self._known.get(self._wanted)
        if known is not None:
            self._show(known)
            return
        self.decoded = None
        tree.show(self.tool, (), _("{tool} decodes the packet …").format(tool=self.tool))
        self.query_one(HexView).show(b"")
        self._timer = self.set_timer(DECODE_DELAY, lambda: self._decode(packet))

    def _decode(self, packet: StoredPacket) -> None:
        originals, page, tool = self._originals, self.page, self.tool
        if originals is None or page is None:
            return
        inspector = self.inspector
        file = page.files[packet.file] if packet.file < len(page.files) else None
        key = (packet.capture_id, packet.number, tool)

        def work() -> None:
            read = read_bytes(originals, file, packet)
            if self.is_running and read.error is None:
                self.app.call_from_thread(self._bytes_came, key, read)
            decoded = decode(inspector, read, packet, tool)
            if self.is_running:
                self.app.call_from_thread(self._came, key, decoded)

        self.run_worker(work, thread=True, group="decode", exclusive=True, exit_on_error=False)

    def _bytes_came(self, key: tuple[int, int, Tool], read: Decoded) -> None:
        """Show the bytes while the tool still works."""
        if key == self._wanted and not self.browser.presenter.redacting:
            self.query_one(HexView).show(read.data)

    def _came(self, key: tuple[int, int, Tool], decoded: Decoded) -> None:
        if decoded.error is None:  # another try may succeed
            self._known[key] = decoded
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        if key == self._wanted and not self.browser.presenter.redacting:
            self._show(decoded)

    def _show(self, decoded: Decoded) -> None:
        self.decoded = decoded
        error = "" if decoded.error is None else self.browser.presenter.error(decoded.error)
        self.query_one(FieldTree).show(self.tool, decoded.layers, error)
        self.query_one(HexView).show(decoded.data)
        self._words(_(decoded.doubt) if decoded.doubt else "")

    def on_field_tree_selected(self, event: FieldTree.Selected) -> None:
        """Emphasise the bytes of the selected field."""
        event.stop()
        node = event.node
        marked = None if node is None or node.start is None else (node.start, node.start + node.size)
        self.query_one(HexView).mark(marked)


def _columns() -> list[GridColumn]:
    return [
        GridColumn("number", _("Packet"), Kind.PACKET, width=9, right=True),
        GridColumn("ts", _("Time"), width=16, right=True),
        GridColumn("from_src", "", width=6),
        GridColumn("length", _("Bytes"), Kind.COUNT, width=8, right=True),
        GridColumn("captured", _("Captured"), Kind.COUNT, width=8, right=True, drop=1),
        GridColumn("payload", _("Payload"), Kind.COUNT, width=8, right=True),
        GridColumn("tcp_flags", _("Flags"), Kind.WORD, width=8, weight=1),
        GridColumn("duplicate", _("Copy"), Kind.BOOLEAN, width=5, drop=2),
    ]
