"""Details of a flow: its neighbours in the list, its values, messages, packets and payload."""

from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from rustnet.export.captured import Originals
from rustnet.export.stream import Plan, plan
from rustnet.i18n import _
from rustnet.present.text import printable
from rustnet.present.values import moment
from rustnet.query.filter_for import with_term
from rustnet.query.session import Session
from rustnet.query.views import flow_messages
from rustnet.query.views.flow_messages import MessagePage, PacketPage, Traffic
from rustnet.query.views.flow_page import FlowPage, flow_page
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.tui.bindings import bindings
from rustnet.tui.dialogs.value import ValueDialog
from rustnet.tui.neighbours import Neighbours
from rustnet.tui.pane import Pane
from rustnet.tui.widgets.cards import Block, Cards, Item, Sentence
from rustnet.tui.widgets.flow_charts import CHART_LINES, flow_charts
from rustnet.tui.widgets.flow_items import PARTS, FlowItems
from rustnet.tui.widgets.hex_view import HexView
from rustnet.tui.widgets.message_part import MessagePart
from rustnet.tui.widgets.neighbour_strip import NeighbourStrip
from rustnet.tui.widgets.packet_part import FlowGrid, PacketPart
from rustnet.tui.widgets.part_line import PartLine
from rustnet.tui.widgets.stream_view import StreamView

CARD_PARTS = ("connection", "transport", "ownership")
WALK_WAIT = 0.05
"""Seconds after which the flow at a list's cursor is looked at again, while it is being read."""
WALK_TRIES = 60


@dataclass(frozen=True, slots=True)
class Request:
    """What the screen asks for."""

    flow_id: int | None
    part: str
    width: int = 0
    """Spans of the traffic over time."""
    offset: int = 0
    """Messages before the first one."""
    redacting: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the session answered."""

    request: Request
    page: FlowPage | None
    traffic: Traffic | None = None
    messages: MessagePage | None = None
    packets: PacketPage | None = None
    stream: Plan | None = None


class DetailsPane(Pane):
    """Everything of one flow."""

    NAME = "details"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("details")]
    DEFAULT_CSS = """
    DetailsPane { layout: vertical; }
    DetailsPane > .head { height: 1; padding: 0 1; }
    DetailsPane > ContentSwitcher { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.flow_id: int | None = None
        self.neighbours: Neighbours | None = None
        self.part = PARTS[0][0]
        self.first_message = 0
        self.snapshot: Snapshot | None = None
        self.items: FlowItems | None = None
        self._originals: Originals | None = None
        self._listed: int | None = None
        """Flow that was selected in the overview when this screen last looked."""
        self._walks = 0

    def compose(self) -> ComposeResult:
        """Neighbours, header, parts."""
        yield NeighbourStrip()
        yield Static(Content(""), classes="head")
        yield PartLine(tuple((name, _(title)) for name, title, _cards in PARTS))
        with ContentSwitcher(initial="cards", id="parts"):
            yield Cards(id="cards")
            yield MessagePart(id="messages")
            yield PacketPart(id="packets")
            yield StreamView(id="stream")

    # ---- which flow ------------------------------------------------------------------------------------------------

    def open(self, flow_id: int, neighbours: Neighbours | None = None) -> None:
        """Show a flow, and walk the list that it was opened from."""
        self.neighbours = neighbours
        listed = self._overview
        self._listed = None if listed is None else listed.flow_id
        self._choose(flow_id)

    def _choose(self, flow_id: int | None) -> None:
        if flow_id != self.flow_id:
            self.flow_id, self.first_message = flow_id, 0
        self._show_strip()
        if self.visible_now:
            self.refresh_if_old()

    @property
    def originals(self) -> Originals:
        """The session's captures."""
        if self._originals is None:
            self._originals = Originals(self.browser.session.path)
        return self._originals

    def refresh_if_old(self) -> None:
        """Ask again if what is shown is not what should be; a flow that was newly selected in the overview is shown."""
        listed = self._overview
        if listed is not None and listed.flow_id is not None and listed.flow_id != self._listed:
            self.neighbours, self._listed = listed, listed.flow_id
            if self.flow_id != self._listed:
                self.flow_id, self.first_message = self._listed, 0
            self._show_strip()
        super().refresh_if_old()

    @property
    def _overview(self) -> Neighbours | None:
        """List of the overview."""
        overview: Any = self.browser.frame.pane_if_made("overview")
        listed: Neighbours | None = getattr(overview, "neighbours", None)
        return listed

    # ---- what Pane asks --------------------------------------------------------------------------------------------

    def request(self) -> Request:
        """What is asked for."""
        width = 0
        if self.part == "transport":
            width = max(20, self.query_one(Cards).column_width - 16)
        return Request(self.flow_id, self.part, width, self.first_message, self.browser.presenter.redacting)

    def load(self, session: Session, spec: ViewSpec, request: Request) -> Snapshot:
        """Ask the session."""
        flow_id = request.flow_id
        if flow_id is None:
            return Snapshot(request, None)
        page = flow_page(session, spec, flow_id)
        if not page.exists:
            return Snapshot(request, page)
        part = request.part
        return Snapshot(
            request,
            page,
            flow_messages.traffic(session, spec, flow_id, request.width) if part == "transport" else None,
            flow_messages.messages(session, spec, flow_id, request.offset, flow_messages.PAGE, page.messages)
            if part == "messages"
            else None,
            flow_messages.packets(session, spec, flow_id) if part == "packets" else None,
            plan(session, flow_id, spec.at) if part == "stream" and not request.redacting else None,
        )

    def show(self, snapshot: Snapshot) -> None:
        """Show the answer."""
        if snapshot.request.flow_id != self.flow_id or snapshot.request.part != self.part:
            return
        self.snapshot = snapshot
        page = snapshot.page
        self._show_strip()
        self.query_one(PartLine).set(self.part)
        if page is None or not page.exists:
            self._show_nothing(page)
            return
        self.items = FlowItems(page, self.browser.presenter)
        self.query_one(".head", Static).update(
            Content.assemble(*((text, _HEAD_STYLES[style]) for text, style in self.items.head()))
        )
        self.query_one("#parts", ContentSwitcher).current = "cards" if self.part in CARD_PARTS else self.part
        if self.part in CARD_PARTS:
            self._show_cards(snapshot, self.items)
        elif self.part == "messages" and snapshot.messages is not None:
            self.query_one(MessagePart).show(snapshot.messages, self.items)
        elif self.part == "packets" and snapshot.packets is not None:
            self.query_one(PacketPart).show(snapshot.packets, page.flow_id, page.flow["started_at"], self.originals)
        elif self.part == "stream":
            self._show_stream(snapshot, page, self.items)
        self._focus_part()

    def _show_nothing(self, page: FlowPage | None) -> None:
        self.items = None
        if page is None:
            words = _("no flow is selected: choose one in the overview")
        elif page.at is not None:
            words = _("flow {number} had not begun at {time}").format(number=page.flow_id, time=moment(page.at))
        else:
            words = _("there is no flow {number} in this session").format(number=page.flow_id)
        self.query_one(".head", Static).update(Content(""))
        self.query_one("#parts", ContentSwitcher).current = "cards"
        self.query_one("#cards", Cards).show([Block(_("Details"), [Sentence(words, "")])])

    def _show_cards(self, snapshot: Snapshot, items: FlowItems) -> None:
        cards = self.query_one("#cards", Cards)
        blocks = items.blocks(self.part)
        charts = {}
        if snapshot.traffic is not None and not self.browser.settings.accessible:
            charts = flow_charts(snapshot.traffic, items, cards.column_width, self.browser)
            blocks += [Block(title, (), CHART_LINES) for title in charts]
        cards.show(blocks)
        for title, strips in charts.items():
            cards.set_chart(title, strips)

    def _show_stream(self, snapshot: Snapshot, page: FlowPage, items: FlowItems) -> None:
        view = self.query_one(StreamView)
        rows = {row.name: row for card in page.cards if card.name == "connection" for row in card.rows}
        ends = items.row_text(rows["local"]), items.row_text(rows["remote"])
        view.show(snapshot.stream, self.originals, page.flow["started_at"],
                  (ends[1], ends[0]) if page.local_is_dst else ends)  # fmt: skip

    def _show_strip(self) -> None:
        alone = "" if self.flow_id is None else _("flow {number}").format(number=f"{self.flow_id:,}")
        self.query_one(NeighbourStrip).show(self.neighbours, alone)

    def statement(self) -> Statement | None:
        """The SQL of what is shown."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.page is None:
            return None
        for part in (snapshot.messages, snapshot.packets, snapshot.traffic):
            if part is not None:
                return part.statement
        return snapshot.page.statement

    def focus_first(self) -> None:
        """Give the focus to the part that is shown."""
        self._focus_part()

    def _focus_part(self) -> None:
        if not self.visible_now:
            return
        shown = {"messages": MessagePart, "packets": PacketPart}.get(self.part)
        inside = self.app.focused is not None and self in self.app.focused.ancestors
        if inside and self.app.focused is not None and self.app.focused.display and self._holds(self.app.focused):
            return
        if shown is not None:
            self.query_one(shown).query_one(FlowGrid).focus()
        elif self.part == "stream":
            self.query_one(StreamView).focus()
        else:
            self.query_one("#cards", Cards).focus()

    def _holds(self, widget: Any) -> bool:
        """Whether a widget belongs to the part that is shown."""
        current = self.query_one("#parts", ContentSwitcher).current
        return any(node.id == current for node in (widget, *widget.ancestors))

    def cursor_place(self) -> object:
        """Flow and part."""
        return self.flow_id, self.neighbours, self.part

    def restore_cursor(self, place: object) -> None:
        """Show a flow and part again."""
        if isinstance(place, tuple) and len(place) == 3:
            self.flow_id, self.neighbours, self.part = place
            self._choose(self.flow_id)

    # ---- walking ---------------------------------------------------------------------------------------------------

    def action_walk(self, step: int) -> None:
        """Show the flow some rows on in the list."""
        if self.neighbours is not None:
            self.neighbours.walk(step)
            self._follow(step)

    def action_walk_end(self, direction: int) -> None:
        """Show the first flow of the list, or the last."""
        if self.neighbours is not None:
            self.neighbours.walk_end(direction)
            self._follow(-direction)

    def _follow(self, step: int) -> None:
        """Show the flow at the list's cursor, as soon as it has been read; ``step``: where from."""
        self._walks += 1
        self._follow_later(self._walks, 1 if step > 0 else -1, WALK_TRIES)

    def _follow_later(self, walk: int, direction: int, tries: int) -> None:
        if walk != self._walks or self.neighbours is None:
            return
        self._show_strip()
        flow_id = self.neighbours.flow_id
        if flow_id is not None:
            self._listed = flow_id
            overview = self.browser.frame.pane_if_made("overview")
            if overview is not None:
                self.browser.move_remembered("overview", overview.cursor_place())
            self._choose(flow_id)
        elif tries:
            if tries % 10 == 0 and self.neighbours.row(0, ()) is not None:  # the title of a group
                self.neighbours.walk(direction)
            self.set_timer(WALK_WAIT, lambda: self._follow_later(walk, direction, tries - 1))

    def on_neighbour_strip_walked(self, event: NeighbourStrip.Walked) -> None:
        """Show the neighbour that was clicked."""
        event.stop()
        self.action_walk(event.step)

    # ---- parts -----------------------------------------------------------------------------------------------------

    def action_part(self, step: int) -> None:
        """Show the next part, or the previous one."""
        names = [name for name, _title, _cards in PARTS]
        self.choose_part(names[(names.index(self.part) + step) % len(names)])

    def choose_part(self, name: str) -> None:
        """Show a part."""
        self.part = name
        self.query_one(PartLine).set(name)
        self.refresh_if_old()

    def on_part_line_chosen(self, event: PartLine.Chosen) -> None:
        """Show the part that was clicked."""
        event.stop()
        self.choose_part(event.name)

    def on_flow_grid_beyond(self, event: FlowGrid.Beyond) -> None:
        """Show the next page of messages, or the previous one."""
        event.stop()
        page = None if self.snapshot is None else self.snapshot.messages
        if self.part != "messages" or page is None:
            return
        if event.direction > 0 and page.more:
            self.first_message = page.offset + len(page.messages)
        elif event.direction < 0 and page.offset:
            self.first_message = max(0, page.offset - flow_messages.PAGE)
        self.refresh_if_old()

    # ---- values ----------------------------------------------------------------------------------------------------

    @property
    def shown_cards(self) -> Cards | None:
        """Cards whose values keys act on."""
        if self.part in CARD_PARTS:
            return self.query_one("#cards", Cards)
        if self.part == "messages":
            return self.query_one(MessagePart).query_one(Cards)
        return None

    @property
    def selected(self) -> Item | None:
        """Value that keys act on."""
        cards = self.shown_cards
        return None if cards is None else cards.selected

    def action_value(self, step: int) -> None:
        """Select the next value, or scroll where there are none."""
        cards = self.shown_cards
        if cards is not None:
            cards.move(step)
        elif self.part == "stream":
            self.query_one(StreamView).scroll_lines(step)
        elif isinstance(view := self.app.focused, HexView):
            view.scroll_lines(step)

    def action_scroll(self, lines: int) -> None:
        """Scroll what is shown."""
        cards = self.shown_cards
        target: Any = cards if cards is not None else self.query_one(StreamView)
        if self.part == "packets":
            target = self.app.focused or target
        target.scroll_to(y=max(0, target.scroll_offset.y + lines), animate=False)

    def action_view(self) -> None:
        """Show the selected value whole, or the flow that it leads to."""
        if self.part == "stream":
            self.query_one(StreamView).view()
        elif (item := self.selected) is not None:
            self._view(item)

    def _view(self, item: Item) -> None:
        if item.flow_id is not None:
            self.browser.remember()
            self.open(item.flow_id)
        elif item.text:
            note = f"\n\n{item.note}" if item.note else ""
            self.app.push_screen(ValueDialog(item.label, item.full + note))

    def action_copy(self) -> None:
        """Copy the selected value."""
        if self.part == "stream":
            stream = self.query_one(StreamView)
            stream.copy(stream.top_chunk)
        elif (item := self.selected) is not None and item.text:
            self.browser.copy(item.full)

    def on_cards_copied(self, event: Cards.Copied) -> None:
        """Copy the value that was clicked."""
        event.stop()
        self.browser.copy(event.item.full)

    def on_cards_viewed(self, event: Cards.Viewed) -> None:
        """Show the value that was clicked twice."""
        event.stop()
        self._view(event.item)

    def on_stream_view_viewed(self, event: StreamView.Viewed) -> None:
        """Show whole what one direction sent."""
        event.stop()
        text = "\n".join(printable(line) for line in event.text.split("\n"))
        self.app.push_screen(ValueDialog(event.title, text))

    def action_filter_by(self) -> None:
        """Show only flows with the selected value."""
        self._filter(out=False)

    def action_filter_out(self) -> None:
        """Show only flows without the selected value."""
        self._filter(out=True)

    def _filter(self, *, out: bool) -> None:
        item = self.selected
        term = "" if item is None else item.term
        if self.part == "packets" and (number := self.query_one(PacketPart).selected) is not None:
            term = f"packet:{number}"
        if not term:
            self.browser.say(_("the filter language has no keyword for this value"))
            return
        self.browser.change(filter=with_term(self.browser.spec.filter, term, out=out))
        self.browser.show_tab("overview", remember=False)

    # ---- the rest --------------------------------------------------------------------------------------------------

    def action_toggle_hex(self) -> None:
        """Show the stream as text or as hex."""
        if self.part == "stream":
            self.query_one(StreamView).toggle_hex()
        else:
            self.choose_part("stream")

    def action_tool(self) -> None:
        """Decode packets with the other tool."""
        if self.part == "packets":
            self.query_one(PacketPart).choose_tool()

    def action_export(self) -> None:
        """Export this flow."""
        if self.snapshot is not None and self.snapshot.page is not None and self.snapshot.page.exists:
            from rustnet.tui.dialogs.export import ExportDialog  # noqa: PLC0415 -- a dialog

            self.app.push_screen(ExportDialog(self.snapshot.page.flow_id, self.originals))

    def on_resize(self) -> None:
        """Ask for as many spans of traffic as fit now."""
        if self.visible_now and self.part == "transport":
            self.refresh_if_old()

    def presentation_changed(self) -> None:
        """Draw again; values of redact mode are others."""
        self._show_strip()
        self.reload()


_HEAD_STYLES = {
    "strong": "bold", "dim": "$foreground-muted", "accent": "$accent", "": "", "ok": "$success", "warn": "$warning",
    "error": "$error",
}  # fmt: skip

PANE = DetailsPane
