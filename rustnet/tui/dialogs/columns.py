"""The dialog that chooses the columns of the list of flows and their order."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rustnet.i18n import _
from rustnet.tui.dialogs.base import Dialog
from rustnet.tui.widgets.columns import Column


class ColumnsDialog(Dialog[tuple[str, ...]]):
    """Every column, those that are shown first; the result is the names of the shown ones in order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "switch", show=False, priority=True),
        Binding("left,shift+up", "shift(-1)", show=False, priority=True),
        Binding("right,shift+down", "shift(1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ColumnsDialog OptionList { height: auto; max-height: 16; border: none; padding: 0; background: $surface; }
    ColumnsDialog OptionList:focus { border: none; }
    """

    def __init__(self, columns: Sequence[Column], shown: Sequence[str]) -> None:
        super().__init__()
        self.shown = [key for key in shown if any(column.key == key for column in columns)]
        self._titles = {column.key: column.title for column in columns}
        self._keys = [*self.shown, *(key for key in self._titles if key not in self.shown)]

    def compose(self) -> ComposeResult:
        """A list with a mark for the columns that are shown."""
        with Vertical(classes="dialog"):
            yield Static(Content(_("Columns of the list of flows")), classes="title")
            yield OptionList(*(Option(self._line(key), id=key) for key in self._keys))
            yield Static(
                Content(_("Space shows or hides, ← → move, Enter takes over, Esc leaves all as it was")), classes="hint"
            )

    def on_mount(self) -> None:
        """Begin in the list."""
        self.list.focus()

    @property
    def list(self) -> OptionList:
        """The list of columns."""
        return self.query_one(OptionList)

    def _line(self, key: str) -> Content:
        return Content(f"{'●' if key in self.shown else '○'} {self._titles[key]}")

    def _fill(self, at: int) -> None:
        self.list.clear_options()
        self.list.add_options([Option(self._line(key), id=key) for key in self._keys])
        self.list.highlighted = at

    def _at(self) -> int:
        return self.list.highlighted or 0

    def action_switch(self) -> None:
        """Show a column, or hide it; one stays."""
        key = self._keys[self._at()]
        if key not in self.shown:
            self.shown = [each for each in self._keys if each in self.shown or each == key]
        elif len(self.shown) > 1:
            self.shown.remove(key)
        self._fill(self._at())

    def action_shift(self, step: int) -> None:
        """Move a column to the left or to the right."""
        at = self._at()
        to = max(0, min(len(self._keys) - 1, at + step))
        self._keys.insert(to, self._keys.pop(at))
        self.shown = [key for key in self._keys if key in self.shown]
        self._fill(to)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take over what is shown."""
        event.stop()
        self.dismiss(tuple(self.shown))
