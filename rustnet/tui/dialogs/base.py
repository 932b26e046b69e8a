"""What all dialogs share: they lie over the lower part of the screen, Escape closes them, the mouse outside too."""

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.binding import Binding, BindingType
from textual.events import Click
from textual.screen import ModalScreen

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

R = TypeVar("R")


class Dialog(ModalScreen[R]):
    """A dialog; its content is one container with the class ``dialog``."""

    ANY_CLICK_CLOSES: ClassVar[bool] = False
    """Whether a click on the dialog itself closes it, too."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False),
        Binding("ctrl+c", "app.leave_now", show=False, priority=True),
        Binding("tab", "app.focus_next", show=False),
        Binding("shift+tab", "app.focus_previous", show=False),
    ]
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > .dialog {
        width: 80%; max-width: 110; height: auto; max-height: 90%; background: $surface; padding: 1 2;
        border-top: heavy $accent;
    }
    Dialog:ansi > .dialog { background: ansi_default; border: solid ansi_default; }
    Dialog .title { text-style: bold; color: $accent; height: 1; margin-bottom: 1; }
    Dialog .hint { color: $foreground-muted; height: auto; margin-top: 1; }
    Dialog Input, Dialog Input:focus { border: none; height: 1; padding: 0 1; background: $panel; }
    """

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    def action_close(self) -> None:
        """Close without a result."""
        self.dismiss(None)

    def on_click(self, event: Click) -> None:
        """Close if the click was outside."""
        inside = self.get_widget_at(event.screen_x, event.screen_y)[0] is not self
        if self.is_current and (self.ANY_CLICK_CLOSES or not inside):
            self.dismiss(None)
