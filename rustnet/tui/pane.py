"""Base of the eight tabs: asks the session through the runner and shows the newest answer."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.containers import Container

from rustnet.errors import RustnetError
from rustnet.query.session import Session
from rustnet.query.views.spec import Statement, ViewSpec

if TYPE_CHECKING:
    from rustnet.tui.app import Browser


class Pane(Container):
    """One tab. The old rows stay until the newer ones have come."""

    NAME: ClassVar[str]
    """Name of the tab, of its place in the bindings and of its questions to the session."""

    DEFAULT_CSS = """
    Pane { height: 1fr; width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__(id=self.NAME)
        self._asked: tuple[ViewSpec, object] | None = None
        self.generation = 0
        """Number of the last snapshot that was shown."""

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    # ---- what a screen defines ---------------------------------------------------------------------------------------

    def request(self) -> object:
        """State of the screen on which its question depends, on the thread of the screen; equal states are equal."""
        return None

    def load(self, session: Session, spec: ViewSpec, request: Any) -> Any:
        """Ask the session, on the runner's thread: no widgets here."""
        raise NotImplementedError

    def show(self, snapshot: Any) -> None:
        """Show an answer, on the thread of the screen."""
        raise NotImplementedError

    def statement(self) -> Statement | None:
        """The SQL of what is shown, if there is any."""
        return None

    def focus_first(self) -> None:
        """Give the focus to the main part of the screen."""
        for widget in self.query("*"):
            if widget.focusable:
                widget.focus()
                return

    def back(self) -> bool:
        """Take one step back within the screen; False: there is none."""
        return False

    def reset(self) -> None:
        """Reset what the screen shows to its defaults; the caller reloads."""

    def follow(self) -> bool:
        """Ask again, since more has been written; False: not for everything, so ask once more even if nothing comes.

        `rustnet.tui.following` decides how often.
        """
        self.reload()
        return True

    def cursor_place(self) -> object:
        """Where the cursor is, for `restore_cursor`."""
        return None

    def restore_cursor(self, place: object) -> None:
        """Put the cursor back to where `cursor_place` was."""

    def presentation_changed(self) -> None:
        """Draw again what is shown, since values are presented in another way (redact mode)."""
        self.reload()

    # ---- what it can use ---------------------------------------------------------------------------------------------

    @property
    def visible_now(self) -> bool:
        """Whether this is the tab that is shown."""
        return self.is_mounted and self.browser.tab == self.NAME

    def refresh_if_old(self) -> None:
        """Ask again if what is shown is not what should be."""
        if self._asked != (self.browser.spec, self.request()):
            self.reload()

    def reload(self, delay: float = 0.0) -> None:
        """Ask the session; an unanswered older question is dropped."""
        spec, request = self.browser.spec, self.request()
        self._asked = (spec, request)
        self.browser.runner.submit(
            self.NAME, lambda session: self.load(session, spec, request), self._arrived, self._failed, delay=delay
        )

    def _arrived(self, snapshot: Any) -> None:
        if not self.is_mounted:
            return
        self.show(snapshot)
        self.generation += 1
        self.browser.answered()

    def _failed(self, error: RustnetError) -> None:
        self.browser.failed(error)
