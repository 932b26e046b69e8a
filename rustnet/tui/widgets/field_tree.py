"""The protocol tree of a packet: layers and fields, opened and closed; the selected one may have bytes."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from rustnet.inspect import Node
from rustnet.present.text import printable
from rustnet.tui.widgets.cards import wrapped
from rustnet.tui.widgets.columns import Column, Placed
from rustnet.tui.widgets.table import Cell, Row, Table

MOST_SHOWN = 20_000
"""Most lines of a tree."""


class FieldTree(Table):
    """Lines of a tree; Enter and Space open and close one that has lines below it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "open_node(True)", show=False),
        Binding("left", "open_node(False)", show=False),
        Binding("space", "fold", show=False),
    ]

    class Selected(Message):
        """Another line is selected."""

        def __init__(self, node: Node | None) -> None:
            super().__init__()
            self.node = node

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__([Column("field", "", 10, 1, sortable=False)], id=id)
        self._layers: tuple[Node, ...] = ()
        self._lines: list[tuple[int, Node]] = []
        self._folded: set[int] = set()
        """Lines that were closed, by the identity of their node."""
        self._words = ""

    def show(self, title: str, layers: Sequence[Node], words: str = "") -> None:
        """Show a tree, or words in its place."""
        self._layers, self._words = tuple(layers), words
        self._folded = {id(child) for layer in self._layers for child in layer.children if child.children}
        self.set_columns([Column("field", title, 10, 1, sortable=False)])
        self._flatten()
        self.cursor = 0
        self.post_message(self.Selected(self.node))

    def _flatten(self) -> None:
        lines: list[tuple[int, Node]] = []
        stack = [(0, node) for node in reversed(self._layers)]
        while stack and len(lines) < MOST_SHOWN:
            depth, node = stack.pop()
            lines.append((depth, node))
            if id(node) not in self._folded:
                stack += [(depth + 1, child) for child in reversed(node.children)]
        self._lines = lines
        self.set_row_count(len(lines) or len(self._sentence))

    @property
    def _sentence(self) -> list[str]:
        """Lines of the words that stand in the place of a tree."""
        return wrapped(self._words, max(20, self.size.width - 4)) if self._words else []

    @property
    def node(self) -> Node | None:
        """Node at the cursor."""
        return self._lines[self.cursor][1] if self.cursor < len(self._lines) else None

    def row_at(self, index: int, placed: Sequence[Placed]) -> Row | None:  # noqa: ARG002 -- there is one column
        """One line."""
        if not self._lines:
            sentence = self._sentence
            return Row([Cell(sentence[index] if index < len(sentence) else "", "dim")])
        depth, node = self._lines[index]
        mark = ("▸" if id(node) in self._folded else "▾") if node.children else " "
        text = f"{node.name}: {node.value}" if node.value else node.name
        return Row([Cell(f"{'  ' * depth}{mark} {text}", "" if depth else "accent")])

    def value_at(self, index: int, key: str) -> str:  # noqa: ARG002
        """Value of a field, or its name where it has none."""
        if not self._lines:
            return self._words
        node = self._lines[index][1]
        return printable(node.value or node.name)

    def watch_cursor(self, old: int, new: int) -> None:
        """Report which node is selected."""
        super().watch_cursor(old, new)
        self.post_message(self.Selected(self.node))

    def action_open_node(self, wanted: bool) -> None:
        """Open or close a line."""
        node = self.node
        if node is not None and node.children and (id(node) in self._folded) == wanted:
            (self._folded.discard if wanted else self._folded.add)(id(node))
            self._flatten()

    def action_fold(self) -> None:
        """Open a closed line, close an open one."""
        node = self.node
        if node is not None:
            self.action_open_node(id(node) in self._folded)

    def action_open(self) -> None:
        """Open or close a line; show the whole value of one that has nothing below it."""
        node = self.node
        if node is not None and node.children:
            self.action_fold()
        else:
            self.action_view()

    def on_table_opened(self, event: Table.Opened) -> None:
        """Open or close the line that was clicked twice."""
        event.stop()
        self.action_fold()
