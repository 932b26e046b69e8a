"""Leaving while the session is still being written: what becomes of the process that writes it."""

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from rustnet.i18n import N_, _
from rustnet.tui.dialogs.base import Dialog

Choice = Literal["stop", "go on", "stay"]

CHOICES: tuple[tuple[Choice, str, str], ...] = (
    ("stop", "s", N_("Stop reading, and quit: what was read is stored, the capture is marked incomplete")),
    ("go on", "g", N_("Quit the browser only: reading goes on in the terminal")),
    ("stay", "b", N_("Stay in the browser")),
)
"""Choices while captures are read, their keys and their texts."""
LIVE_CHOICES: tuple[tuple[Choice, str, str], ...] = (
    ("stop", "s", N_("Stop the capture, and quit")),
    ("go on", "g", N_("Quit the browser only: the capture goes on without it")),
    ("stay", "b", N_("Stay in the browser")),
)
"""Choices while packets are captured."""


class LeaveDialog(Dialog[Choice]):
    """Asks whether the writer is to be stopped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
        *(Binding(key, f"choose('{choice}')", show=False) for choice, key, _words in CHOICES),
    ]
    DEFAULT_CSS = """
    LeaveDialog OptionList, LeaveDialog OptionList:focus {
        border: none; background: $surface; height: auto; padding: 0; scrollbar-size: 0 0;
    }
    LeaveDialog:ansi OptionList { background: ansi_default; }
    """

    def __init__(self, *, live: bool) -> None:
        super().__init__()
        self.live = live

    def compose(self) -> ComposeResult:
        """Title, choices, and what the keys do."""
        with Vertical(classes="dialog"):
            title = _("Packets are being captured") if self.live else _("The captures are still being read")
            choices = LIVE_CHOICES if self.live else CHOICES
            yield Static(Content(title), classes="title")
            yield OptionList(
                *(Option(Content(f"{key}  {_(words)}"), id=choice) for choice, key, words in choices), markup=False
            )
            yield Static(Content(_("Esc stays")), classes="hint")

    def on_mount(self) -> None:
        """Choose what loses nothing."""
        options = self.query_one(OptionList)
        options.focus()
        options.highlighted = 1

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take what Enter or a click selected."""
        for choice, _key, _words in CHOICES:
            if event.option_id == choice:
                self.dismiss(choice)

    def action_choose(self, choice: Choice) -> None:
        """Take what a key stands for."""
        self.dismiss(choice)

    def action_move(self, step: int) -> None:
        """Move by one."""
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()
