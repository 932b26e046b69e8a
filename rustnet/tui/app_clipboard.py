"""What the app does with the terminal's clipboard and mouse, and with the SQL of the screen that is shown."""

import base64
import os
from typing import TYPE_CHECKING, Any, cast

from rustnet.i18n import _
from rustnet.present.text import cut, safe

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

LARGEST_COPY = 74_000
"""Most bytes that terminals usually take for the clipboard."""


class Clipboard:
    """The part of the app that copies and gives the mouse away. `Browser` is the only class with it."""

    mouse_released = False
    """The terminal has the mouse."""

    @property
    def _this(self) -> "Browser":
        return cast("Browser", self)

    def copy(self, text: str) -> None:
        """Send a text to the terminal's clipboard (OSC 52), also through tmux. No terminal confirms it."""
        data = text.encode("utf-8", "backslashreplace")
        if len(data) > LARGEST_COPY:
            self._this.say(
                _("{count} bytes are too many for the terminal's clipboard; export them").format(count=f"{len(data):,}")
            )
            return
        sequence = f"\x1b]52;c;{base64.b64encode(data).decode('ascii')}\x07"
        if self._this._driver is not None:
            self._this._driver.write(sequence)
            if "TMUX" in os.environ:
                self._this._driver.write("\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\")
        self.last_copy = text
        self._this.say(_("sent to the terminal: {text}").format(text=cut(safe(text), 50)))

    last_copy = ""
    """Text that was copied last."""

    def release_mouse(self, *, released: bool) -> None:
        """Leave the mouse to the terminal, or take it back."""
        driver: Any = self._this._driver
        change = getattr(driver, "_disable_mouse_support" if released else "_enable_mouse_support", None)
        if change is not None:
            change()

    def action_show_sql(self) -> None:
        """Show the SQL of the present screen."""
        statement = None if self._this.pane is None else self._this.pane.statement()
        if statement is None:
            self._this.say(_("this screen has no SQL"))
            return
        from rustnet.tui.dialogs.value import ValueDialog  # noqa: PLC0415 -- a dialog

        shown = "\n".join(safe(line) for line in self._this.presenter.sql(statement.text()).splitlines())
        self._this.push_screen(ValueDialog(_("SQL behind this screen"), shown))

    def action_copy_cell(self) -> None:
        """Copy the SQL of the present screen as a cell of a notebook."""
        statement = None if self._this.pane is None else self._this.pane.statement()
        if statement is None:
            self._this.say(_("this screen has no SQL"))
            return
        self.copy(self._this.presenter.notebook_cell(self._this.session.path, statement.text()))

    def action_toggle_mouse(self) -> None:
        """Leave the mouse to the terminal, or take it back."""
        self.mouse_released = not self.mouse_released
        self.release_mouse(released=self.mouse_released)
        self._this.update_frame()
