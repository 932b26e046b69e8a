"""The app: state that all screens share, going to and fro between them, and what every key of the frame does."""

import contextlib
import gc
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.command import Provider
from textual.screen import Screen
from textual.widgets import Input, TextArea

from rustnet.errors import ExitCode, RustnetError
from rustnet.i18n import _, ngettext
from rustnet.present.text import cut
from rustnet.present.values import clock_time
from rustnet.query.session import Session
from rustnet.query.views.facts import SessionFacts, session_facts
from rustnet.query.views.spec import ViewSpec
from rustnet.records import Kind
from rustnet.tui import themes
from rustnet.tui.app_clipboard import Clipboard
from rustnet.tui.app_commands import PaletteCommands, screen_text
from rustnet.tui.bindings import UNBOUND, hints, keymap
from rustnet.tui.dialogs.leave import Choice, LeaveDialog
from rustnet.tui.harmless import Harmless
from rustnet.tui.main_screen import TABS, MainScreen
from rustnet.tui.presenter import Presenter
from rustnet.tui.runner import Runner
from rustnet.tui.settings import BrowserSettings
from rustnet.tui.terminal import Guarded
from rustnet.tui.timekeeping import Timekeeping
from rustnet.tui.widgets.filter_line import FilterLine
from rustnet.tui.widgets.status_line import StatusLine
from rustnet.tui.widgets.tab_line import Chip, TabLine
from rustnet.tui.writer import Writer, reading

__all__ = ["Browser", "screen_text"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from textual.filter import LineFilter

    from rustnet.tui.pane import Pane

MOST_PLACES = 100
"""Most places that Escape can go back to."""
WAIT_SHOWN_SECONDS = 0.15
"""Time of a question after which the status line counts."""
WRITER_SECONDS = 0.5
"""Interval at which the process that writes the session is looked at."""
MOST_TOASTS = 5
"""Most messages of that process that are shown at once."""
TWICE_SECONDS = 3.0
"""Time within which a key that is to be pressed twice must be pressed again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the user was: tab, what was shown, and the cursor."""

    tab: str
    spec: ViewSpec
    cursor: object


class Browser(PaletteCommands, Clipboard, Timekeeping, Guarded, App[int]):
    """A session in the terminal."""

    TITLE = "rustnet"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = UNBOUND  # the table of keys has it, without precedence over the filter line
    BINDINGS: ClassVar[list[BindingType]] = []
    CSS = """
    * { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    Toast { border-left: none; padding: 0 2; margin: 0; }
    SearchIcon { display: none; }
    """

    def __init__(
        self, session: Session, settings: BrowserSettings, writer: Writer | None = None, *, light: bool = False
    ) -> None:
        with _no_color_variable(wanted=not settings.color):
            super().__init__(ansi_color=None if settings.color else True)
        self.session = session
        self.settings = settings
        self.writer = writer
        """The process that writes the session, if the browser was started with it."""
        self.presenter = Presenter(settings.redactor, redacting=settings.redact != "off")
        self.spec = ViewSpec(filter=settings.filter)
        self.session_facts = SessionFacts(session.path)
        self.tab = TABS[0][0]
        self.runner: Runner
        self.light = light
        """The terminal's background is light."""
        self.prepare_time()
        self._frozen = False
        """Whether the objects that the start made were left out of collections, each of which takes 50 ms."""
        self.harmless = Harmless()
        self._places: list[Place] = []
        self._pressed = ("", 0)
        """Name of a key that is to be pressed twice, and the number of keys and clicks until then."""
        self._inputs = 0
        self._last_input = 0.0
        for theme in themes.themes(settings.theme_overrides):
            self.register_theme(theme)

    # ---- start and end -----------------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        """Return the one screen."""
        return MainScreen()

    def get_line_filters(self) -> "Sequence[LineFilter]":
        """Return Textual's filters of lines, and the one that leaves nothing a terminal would obey."""
        return [*super().get_line_filters(), *([self.harmless] if self.harmless.enabled else [])]

    def on_load(self) -> None:
        """Begin to ask the session while the screen is being built."""
        self.runner = Runner(self.session, self.call_later)
        self.ask_facts()

    def on_mount(self) -> None:
        """Put the settings in force."""
        self.theme = themes.theme_name(self.settings.theme, light=self.light, color=self.settings.color)
        self.set_keymap(keymap(self.settings.keys))
        self.set_interval(0.25, self._show_waiting)
        self.start_time()
        if self.writer is not None:
            self._writer_timer = self.set_interval(WRITER_SECONDS, self._show_writer)

    def on_unmount(self) -> None:
        """End the thread that asks."""
        self.runner.close()

    def ask_facts(self) -> None:
        """Ask what the frame shows of the session."""
        self.runner.submit("facts", session_facts, self._facts_came, self.failed, priority=1)

    def _facts_came(self, facts: SessionFacts) -> None:
        self.session_facts = facts
        self.update_frame()

    def get_css_variables(self) -> dict[str, str]:
        """Return Textual's variables and ours."""
        variables = super().get_css_variables()
        for name, default in themes.VARIABLES.items():
            if name not in variables:
                variables[name] = variables.get(default.removeprefix("$"), variables["foreground"])
        self.theme_variables = variables
        return variables

    # ---- what is shown -----------------------------------------------------------------------------------------------

    @property
    def frame(self) -> MainScreen:
        """The one screen, also under a dialog."""
        return cast("MainScreen", self.screen_stack[0])

    @property
    def pane(self) -> "Pane | None":
        """The tab that is shown."""
        return self.frame.pane_if_made(self.tab)

    def change(self, *, remember: bool = True, **changes: Any) -> None:
        """Change what all screens show: fields of `ViewSpec`; Escape comes back to the old one if ``remember``."""
        spec = replace(self.spec, **changes)
        if spec == self.spec:
            return
        if remember:
            self.remember()
        self.spec = spec
        self._spec_changed()

    def _spec_changed(self) -> None:
        self.update_frame()
        pane = self.pane
        if pane is not None and pane.is_mounted:
            pane.refresh_if_old()

    def remember(self) -> None:
        """Keep the present place for Escape."""
        pane = self.pane
        place = Place(self.tab, self.spec, None if pane is None or not pane.is_mounted else pane.cursor_place())
        if not self._places or self._places[-1] != place:
            self._places.append(place)
            del self._places[:-MOST_PLACES]

    def move_remembered(self, tab: str, cursor: object) -> None:
        """Let Escape come back to another place of a tab: its cursor went along with the screen that is shown."""
        if self._places and self._places[-1].tab == tab:
            self._places[-1] = replace(self._places[-1], cursor=cursor)

    def show_tab(self, name: str, *, remember: bool = True) -> None:
        """Show a tab."""
        if name == self.tab and self.pane is not None:
            return
        if remember:
            self.remember()
        self.tab = name
        self.run_worker(self.frame.show_tab(name), group="tabs", exclusive=True)

    def open_flow(self, flow_id: int, neighbours: object = None) -> None:
        """Show the details of a flow; ``neighbours`` walks the list that it was opened from."""
        self.run_worker(self._open_flow(flow_id, neighbours), group="tabs", exclusive=True)

    async def _open_flow(self, flow_id: int, neighbours: object) -> None:
        pane = await self.frame.pane("details")
        open_flow: Any = pane
        open_flow.open(flow_id, neighbours)
        if self.tab != "details":
            self.remember()
            self.tab = "details"
        await self.frame.show_tab("details")

    def update_frame(self) -> None:
        """Show tab, chips and hints as they are now."""
        frame = self.frame
        self.adopt_time()
        for line in frame.query(TabLine):
            line.set(self.tab, tuple(self.chips()))
        for status in frame.query(StatusLine):
            status.set_hints(hints(self.tab, self.settings.keys))

    def chips(self) -> "Iterable[Chip]":
        """Chips at the right of the first line, the most important one first."""
        if self.presenter.redacting:
            yield Chip(_("REDACTED"), "alert")
        if self.mouse_released:
            yield Chip(_("MOUSE OFF (F8)"), "alert")
        facts = self.session_facts
        if facts.alerts and self.spec.at is None and self.spec.since is None:  # it counts those of all of the time
            words = ngettext("{n} alert", "{n} alerts", facts.alerts).format(n=f"{facts.alerts:,}")
            yield Chip(words, "alert" if facts.high_alerts else "accent", "app.show_alerts")
        yield from self.time_chips()
        if self.spec.since is not None:
            yield Chip(_("since {time}").format(time=clock_time(self.spec.since)), "accent")
        if self.spec.filter:
            yield Chip("/ " + cut(self.presenter.shown_filter(self.spec.filter), 24), "accent")
        if self.writer is not None and (words := reading(self.writer)):
            yield Chip(words, "accent")
        if self.session_facts.captures:
            source = self.presenter.text(self.session_facts.source_name, kind=Kind.PATH)
            yield Chip(f"● {source}")

    def answered(self) -> None:
        """A screen shows a new answer: an older error is over."""
        if not self._frozen:
            self._frozen = True
            gc.freeze()  # what has been imported and made so far stays: collections need not look at it again
        for status in self.frame.query(StatusLine):
            status.set_message("")

    def failed(self, error: RustnetError) -> None:
        """Show an error in the status line."""
        for status in self.frame.query(StatusLine):
            status.set_message(self.presenter.error(error), error=True)

    def _show_writer(self) -> None:
        """Show what the process that writes the session reports, until it has ended."""
        if self.writer is None:
            return
        running = self.writer.running()
        for line in self.writer.messages()[-MOST_TOASTS:]:
            self.say(self.presenter.text(line.removeprefix("rustnet: "), kind=Kind.FREE_TEXT))
        self.update_frame()
        if not running:
            self._writer_timer.stop()

    def _show_waiting(self) -> None:
        if not self.screen_stack:  # the app is ending
            return
        seconds = self.runner.running_seconds
        words = (
            _("asking … {seconds} s (Esc stops)").format(seconds=f"{seconds:.1f}")
            if seconds > WAIT_SHOWN_SECONDS
            else ""
        )
        for status in self.frame.query(StatusLine):
            status.set_note(words)

    def say(self, text: str, *, error: bool = False) -> None:
        """Show a text that is safe already as a toast."""
        self.notify(text, severity="error" if error else "information", markup=False, timeout=4)

    # ---- actions of the frame ----------------------------------------------------------------------------------------

    def twice(self, name: str, words: str) -> bool:
        """Whether a key that asks for a second press was pressed for the second time."""
        if self._pressed == (name, self._inputs - 1):
            self._pressed = ("", 0)
            return True
        self._pressed = pressed = (name, self._inputs)
        for status in self.frame.query(StatusLine):
            status.set_message(words)

        def forget() -> None:
            if self._pressed == pressed:
                self._pressed = ("", 0)
                self.answered()

        self.set_timer(TWICE_SECONDS, forget)
        return False

    async def on_event(self, event: events.Event) -> None:
        """Count keys and clicks."""
        if isinstance(event, events.Key | events.MouseDown) and event.time != self._last_input:  # it comes back unused
            self._last_input = event.time
            self._inputs += 1
            if self._pressed[0] and self._pressed[1] < self._inputs - 1:
                self._pressed = ("", 0)
                self.answered()
        await super().on_event(event)

    def close_dialogs(self) -> None:
        """Close all dialogs."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_show_tab(self, name: str) -> None:
        """Show a tab."""
        self.show_tab(name)
        self._refill_help()

    def action_show_alerts(self) -> None:
        """Show the alerts that were raised."""
        self.run_worker(self._show_alerts(), group="tabs", exclusive=True)

    async def _show_alerts(self) -> None:
        health: Any = await self.frame.pane("health")
        if self.tab != "health":
            self.remember()
            self.tab = "health"
        await self.frame.show_tab("health")
        health.choose_part("alerts")
        self._refill_help()

    def action_next_tab(self, step: int) -> None:
        """Show the next or previous tab, round at the ends."""
        names = [name for name, _title in TABS]
        self.show_tab(names[(names.index(self.tab) + step) % len(names)])
        self._refill_help()

    def _refill_help(self) -> None:
        from rustnet.tui.dialogs.help import HelpDialog  # noqa: PLC0415 -- a dialog

        if isinstance(self.screen, HelpDialog):
            self.screen.fill()

    def action_help(self) -> None:
        """Show the keys of the present screen."""
        from rustnet.tui.dialogs.help import HelpDialog  # noqa: PLC0415 -- a dialog

        self.push_screen(HelpDialog())

    async def action_back(self) -> None:
        """Go back one step: stop what runs, within the screen, to the place before, and last clear the filter."""
        if self.runner.running_seconds > WAIT_SHOWN_SECONDS:
            self.runner.cancel()
            self.say(_("the question was stopped; what is shown is older"))
            return
        pane = self.pane
        if pane is not None and pane.back():
            return
        if self._places:
            self._go_to_place(self._places.pop())
        elif self.tab != TABS[0][0]:
            self.show_tab(TABS[0][0], remember=False)
        elif self.spec.filter:
            self.change(filter="", remember=False)

    def _go_to_place(self, place: Place) -> None:
        changed = place.spec != self.spec
        self.spec = place.spec
        if place.tab != self.tab:
            self.show_tab(place.tab, remember=False)
        elif changed:
            self._spec_changed()
        pane = self.frame.pane_if_made(place.tab)
        if pane is not None:
            pane.restore_cursor(place.cursor)

    def action_reset(self) -> None:
        """Reset what is shown to the defaults."""
        self._places.clear()
        pane = self.pane
        if pane is not None:
            pane.reset()
        self.spec = ViewSpec()
        self.update_frame()
        if pane is not None:
            pane.reload()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave ``/`` to texts that are being typed."""
        if action == "open_filter" and isinstance(self.focused, Input | TextArea):
            return False
        return super().check_action(action, parameters)

    def action_open_filter(self) -> None:
        """Type a filter."""
        self.frame.query_one(FilterLine).open()

    def filter_line_changed(self) -> None:
        """Fill the filter line when it opens: the screen that is shown knows how many flows match."""
        line = self.frame.query_one(FilterLine)
        summary = getattr(self.pane, "summary", None)
        line.set_info(summary() if summary is not None else "")
        for list_line in self.frame.query("ListLine"):  # the filter line takes its place, so that the list stays
            list_line.display = not line.is_open

    def action_toggle_redact(self) -> None:
        """Switch redact mode."""
        if self.settings.redact == "always":
            self.say(_("the configuration redacts always"))
            return
        try:
            self.presenter.redacting = not self.presenter.redacting
        except RustnetError as error:
            self.say(self.presenter.error(error), error=True)
            return
        self.clear_notifications()
        self.answered()
        for line in self.frame.query(FilterLine):
            line.presentation_changed()
        self.update_frame()
        for pane in self.frame.query("Pane"):
            cast("Pane", pane).presentation_changed()

    def action_count_from_now(self) -> None:
        """Count flows and traffic from the present packet time on; nothing is deleted."""
        if self.spec.since is not None:
            self.change(since=None)
        elif self.twice("since", _("x again: count from now on")):
            self.answered()
            now = self.spec.at if self.spec.at is not None else self.session_facts.last_ns
            self.change(since=now)

    def action_redraw(self) -> None:
        """Draw everything again."""
        self.screen.refresh(repaint=True, layout=True)

    def action_leave(self) -> None:
        """Leave after a second press; ask what becomes of a session that is still being written."""
        if self.writer is not None and not self.writer.temporary and self.writer.running():
            self.push_screen(LeaveDialog(live=self.writer.live), self._leave)
        elif self.twice("quit", _("q again quits")):
            self.exit(ExitCode.DONE)

    def _leave(self, choice: Choice | None) -> None:
        if choice == "stop" and self.writer is not None:
            self.writer.stop()
        if choice == "go on" and self.writer is not None and self.writer.live:
            self.writer.detach()
        if choice in ("stop", "go on"):
            self.exit(ExitCode.DONE)

    def action_leave_now(self) -> None:
        """Leave at once; if text is selected, copy it instead."""
        selected = self.screen.get_selected_text()
        if selected:
            self.copy(selected)
            self.screen.clear_selection()
            return
        self.exit(ExitCode.INTERRUPTED)

    def get_system_commands(self, screen: Screen[Any]) -> "Iterable[SystemCommand]":  # noqa: ARG002
        """Return none of Textual's commands: its screenshot names fonts of the net."""
        return ()

    COMMANDS: ClassVar[set[Any]] = set()


@contextlib.contextmanager
def _no_color_variable(*, wanted: bool) -> "Iterator[None]":
    """Set NO_COLOR, which Textual reads when an application is made, by what is in force; it takes "" for set."""
    before = os.environ.pop("NO_COLOR", None)
    if wanted:
        os.environ["NO_COLOR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("NO_COLOR", None)
        if before is not None:
            os.environ["NO_COLOR"] = before


def _commands() -> type[Provider]:
    from rustnet.tui.palette import Commands  # noqa: PLC0415 -- when the palette opens

    return Commands


Browser.COMMANDS = {_commands}
