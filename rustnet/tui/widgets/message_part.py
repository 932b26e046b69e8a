"""Messages of a flow's protocols: a table in time order, and every field of the selected one."""

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from rustnet.i18n import _
from rustnet.query.views.flow_messages import FlowMessage, MessagePage
from rustnet.records import Kind
from rustnet.tui.widgets.cards import Block, Cards, Sentence
from rustnet.tui.widgets.flow_items import FlowItems
from rustnet.tui.widgets.grid import Grid, GridColumn
from rustnet.tui.widgets.packet_part import FlowGrid

if TYPE_CHECKING:
    from rustnet.tui.app import Browser


class MessagePart(Container):
    """Table of messages, fields of the selected one."""

    DEFAULT_CSS = """
    MessagePart { layout: vertical; height: 1fr; }
    MessagePart > FlowGrid { height: 2fr; min-height: 4; }
    MessagePart > Cards { height: 3fr; border-top: solid $panel; }
    MessagePart > .words { height: 1; color: $foreground-muted; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.page: MessagePage | None = None
        self._items: FlowItems | None = None

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    def compose(self) -> ComposeResult:
        """Table, fields, and which messages of how many they are."""
        yield FlowGrid(text=self._text)
        yield Cards()
        yield Static(Content(""), classes="words")

    def show(self, page: MessagePage, items: FlowItems) -> None:
        """Show a page of messages."""
        fresh = self.page is None or page.offset != self.page.offset
        self.page, self._items = page, items
        rows = [(m.ts, m.table, m.packet, items.message_summary(m)) for m in page.messages]
        self.query_one(FlowGrid).show(_columns(), rows, keep=not fresh)
        first, last = page.offset + 1, page.offset + len(page.messages)
        words = _("messages {first} to {last} of {total}; PageUp and PageDown beyond the ends show others")
        shown = len(page.messages) < page.total
        text = words.format(first=f"{first:,}", last=f"{last:,}", total=f"{page.total:,}") if shown else ""
        line = self.query_one(".words", Static)
        line.update(Content(text))
        line.display = bool(text)
        self._fields()

    def _text(self, value: object, column: GridColumn) -> str:
        if column.name == "ts" and isinstance(value, int) and self._items is not None:
            return f"+{(value - self._items.page.flow['started_at']) / 1e6:,.3f} ms"
        if column.name == "summary":
            return str(value)
        return self.browser.presenter.text(value, column.name, column.sql_type, column.kind)

    @property
    def selected(self) -> FlowMessage | None:
        """Message at the cursor."""
        number = self.query_one(FlowGrid).current_number
        return None if self.page is None or number is None else self.page.messages[number]

    def _fields(self) -> None:
        message = self.selected
        if message is None or self._items is None:
            words = _("no message of this flow was decoded")
            self.query_one(Cards).show([Block(_("Message"), [Sentence(words)])])
        else:
            self.query_one(Cards).show(self._items.message_blocks(message))

    def on_grid_moved(self, event: Grid.Moved) -> None:
        """Show the fields of the message at the cursor."""
        event.stop()
        self._fields()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Go to the fields of the message."""
        event.stop()
        self.query_one(Cards).focus()


def _columns() -> list[GridColumn]:
    return [
        GridColumn("ts", _("Time"), width=16, right=True),
        GridColumn("table", _("Protocol"), Kind.WORD, width=12),
        GridColumn("packet", _("Packet"), Kind.PACKET, width=9, right=True, drop=1),
        GridColumn("summary", _("Contents"), width=20, weight=1),
    ]
