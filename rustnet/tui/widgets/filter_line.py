"""The line in which a filter is typed: flows are filtered as it changes, an error stands below it."""

from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.strip import Strip
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from rustnet.i18n import _
from rustnet.present.text import UNSAFE, cut, safe, width
from rustnet.query.filters import FilterError, parse
from rustnet.query.keywords import KEYWORDS
from rustnet.tui.bindings import bindings

if TYPE_CHECKING:
    from rustnet.tui.app import Browser

DEBOUNCE_SECONDS = 0.08
"""Time without a key after which flows are filtered."""
MOST_FILTERS = 100
"""Most filters that ctrl+p goes back to."""
LONGEST = 4096
"""Most characters of a filter."""
NAMES = tuple(
    name
    for names in ({k.name for k in KEYWORDS}, {alias for k in KEYWORDS for alias in k.aliases})
    for name in sorted(names, key=lambda name: (len(name), name))
)
"""Names of the keywords, then their other names, the shortest first."""


def completed(text: str) -> str | None:
    """``text`` with its last word completed to a keyword, if it is the beginning of one."""
    start = max(text.rfind(char) for char in ' (!-"') + 1
    word = text[start:].lower()
    if not word or ":" in word or '"' in text[:start]:
        return None
    name = next((name for name in NAMES if name.startswith(word)), None)
    return None if name is None else f"{text[:start]}{text[start:]}{name[len(word) :]}:"


class Completion(Suggester):
    """Completes keywords."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the completed text."""
        return completed(value)


class FilterInput(Input):
    """The input of a filter, which may contain captured text."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("filter")]

    def render_line(self, y: int) -> Strip:
        """Draw the line without characters that a terminal would obey."""
        strip = super().render_line(y)
        if not UNSAFE.search(strip.text):
            return strip
        return Strip([Segment(UNSAFE.sub("\ufffd", text), style, control) for text, style, control in strip])

    @property
    def line(self) -> "FilterLine":
        """The line around it."""
        return next(node for node in self.ancestors if isinstance(node, FilterLine))

    def action_keep(self) -> None:
        """Keep the filter, and go back to the flows."""
        self.line.keep()

    def action_clear(self) -> None:
        """Clear the filter, and go back to the flows."""
        self.line.clear()

    def action_older(self) -> None:
        """Take an older filter."""
        self.line.walk(-1)

    def action_newer(self) -> None:
        """Take a newer filter."""
        self.line.walk(1)

    def action_row(self, step: int) -> None:
        """Move the cursor of the list while typing."""
        self.line.move_row(step)


class FilterLine(Vertical):
    """The line, which is shown while it is used."""

    DEFAULT_CSS = """
    FilterLine { height: auto; display: none; background: $surface; }
    FilterLine.-open { display: block; }
    FilterLine Horizontal { height: 1; }
    FilterLine #filter-sign { width: 2; color: $accent; text-style: bold; }
    FilterLine FilterInput { width: 1fr; height: 1; border: none; padding: 0; background: $surface; }
    FilterLine FilterInput:focus { border: none; background-tint: $surface 0%; }
    FilterLine #filter-info { width: 34; text-align: right; color: $foreground-muted; padding: 0 1; }
    FilterLine #filter-error { height: 1; color: $error; display: none; }
    FilterLine.-wrong #filter-error { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.past: list[str] = []
        """Filters that were used, the oldest first."""
        self._place = 0
        self._timer: Timer | None = None
        self._remembered = False
        self._before: Widget | None = None
        self._shown = ("", "")
        """The filter as it was put into the input, and what it means: in redact mode the two differ."""

    @property
    def browser(self) -> "Browser":
        """The app."""
        return cast("Browser", self.app)

    @property
    def input(self) -> FilterInput:
        """The input."""
        return self.query_one(FilterInput)

    def compose(self) -> ComposeResult:
        """Sign, input, and what was found; the error below."""
        with Horizontal():
            yield Static(Content("/ "), id="filter-sign")
            yield FilterInput(suggester=Completion(), max_length=LONGEST, compact=True, select_on_focus=False)
            yield Static(id="filter-info")
        yield Static(id="filter-error")

    @property
    def is_open(self) -> bool:
        """Whether a filter is being typed."""
        return self.has_class("-open")

    def open(self) -> None:
        """Begin to type, with the present filter."""
        if not self.is_open:
            self._before = self.screen.focused
            self._remembered = False
        self._place = len(self.past)
        self.add_class("-open")
        self.display = True  # at once, and so is the focus: the next key may have been typed already
        self.fill(self.browser.spec.filter)
        self.screen.set_focus(self.input, scroll_visible=False)
        self.set_error(None)
        self.browser.filter_line_changed()

    def fill(self, text: str) -> None:
        """Put a text into the input without filtering by it yet."""
        with self.prevent(Input.Changed):
            self._put(text)

    def close(self) -> None:
        """End typing."""
        self._stop_timer()
        if not self.is_open:
            return
        self.remove_class("-open")
        self.display = False
        self.set_error(None)
        before, self._before = self._before, None
        if before is not None and before.is_mounted and before is not self.input:
            before.focus()
        elif self.browser.pane is not None:
            self.browser.pane.focus_first()
        self.browser.filter_line_changed()

    def keep(self) -> None:
        """Filter by what was typed, and end typing; an invalid filter stays to be corrected."""
        if self._apply():
            text = self.browser.spec.filter.strip()
            if text:
                self.past = [*(old for old in self.past if old != text), text][-MOST_FILTERS:]
            self.close()

    def clear(self) -> None:
        """Show all flows again, and end typing."""
        self.fill("")
        self._apply()
        self.close()

    def walk(self, step: int) -> None:
        """Take an older or newer filter."""
        place = max(0, min(len(self.past), self._place + step))
        if place == self._place:
            return
        self._place = place
        self._put(self.past[place] if place < len(self.past) else "")

    def _put(self, text: str) -> None:
        """Put a filter into the input, as it may be shown."""
        self._shown = (self.browser.presenter.shown_filter(text), text)
        self.input.value = self._shown[0]
        self.input.cursor_position = len(self.input.value)

    def presentation_changed(self) -> None:
        """Show the filter in another way."""
        with self.prevent(Input.Changed):
            self._put(self.browser.spec.filter)

    def _meant(self, text: str) -> str:
        """Filter that a text of the input stands for. Raises `FilterError`."""
        return self._shown[1] if text == self._shown[0] else self.browser.presenter.typed_filter(text)

    def move_row(self, step: int) -> None:
        """Move the cursor of the table on the screen."""
        from rustnet.tui.widgets.table import Table  # noqa: PLC0415 -- another widget of the screen

        pane = self.browser.pane
        for table in () if pane is None else pane.query(Table):
            table.action_move(step)
            return

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter once no key came for a moment; show an error at once."""
        event.stop()
        self._stop_timer()
        if self._checked() is not None:
            self._timer = self.set_timer(DEBOUNCE_SECONDS, self._apply)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _checked(self) -> str | None:
        """Filter in the input, or None if it is none: its error is shown."""
        try:
            text = self._meant(self.input.value)
            parse(text)
        except FilterError as error:
            self.set_error(error)
            return None
        self.set_error(None)
        return text

    def _apply(self) -> bool:
        """Filter by the text; returns whether it is a filter."""
        self._stop_timer()
        text = self._checked()
        if text is None:
            return False
        if text != self.browser.spec.filter:
            self.browser.change(filter=text, remember=not self._remembered)
            self._remembered = True
        return True

    def set_error(self, error: FilterError | None) -> None:
        """Show an error below the word that it is about; None: there is none."""
        self.set_class(error is not None, "-wrong")
        if error is None:
            return
        place = 2 + min(width(safe(error.text[: error.start])), self.size.width // 2)
        reason = self.browser.presenter.error_reason(error)
        marks = "^" * max(1, min(8, error.end - error.start))
        line = f"{' ' * place}{marks} {reason}"
        if width(line) > self.size.width:
            line = f"  {reason}"
        self.query_one("#filter-error", Static).update(Content(cut(line, max(1, self.size.width))))

    def set_info(self, text: str) -> None:
        """Show how many flows match, and how long that took."""
        self.query_one("#filter-info", Static).update(Content(text), layout=False)


def counted(shown: int | None, total: int, seconds: float) -> str:
    """How many flows match: ``1,204 of 1,000,000 · 41 ms``."""
    if shown is None:
        return _("counting … of {total}").format(total=f"{total:,}")
    if shown == total:
        return _("{total} flows · {ms} ms").format(total=f"{total:,}", ms=f"{seconds * 1000:.0f}")
    return _("{shown} of {total} · {ms} ms").format(shown=f"{shown:,}", total=f"{total:,}", ms=f"{seconds * 1000:.0f}")
