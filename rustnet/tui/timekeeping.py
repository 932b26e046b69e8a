"""What the app does with time: plays, steps, goes to times, and follows a session that is being written."""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from rustnet.errors import RustnetError
from rustnet.i18n import N_, _
from rustnet.present.values import clock_time, duration, zone
from rustnet.query.session import Session
from rustnet.query.views import moments, timeline
from rustnet.query.views.moments import Extent, Place
from rustnet.query.views.timeline import AnomalyAt, Progress
from rustnet.records import Kind
from rustnet.tui.bindings import BY_ID, keys_of
from rustnet.tui.clock import TICKS_PER_SECOND, PlayClock, Source
from rustnet.tui.following import Following
from rustnet.tui.widgets.tab_line import Chip
from rustnet.tui.widgets.time_bar import TimeBar, shown_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rustnet.tui.app import Browser

_KEY = "time"
"""Name of questions about time."""


def bar_keys(wanted: "Mapping[str, str]") -> dict[str, str]:
    """Keys that the bar names, with the user's key map; of pairs, both."""

    def keys(*names: str) -> str:
        every = [keys_of(BY_ID[name], wanted)[:1] for name in names]
        return " ".join(key[0] for key in every if key)

    return {
        "time.play": keys("time.play"), "time.go": keys("time.go"), "time.live": keys("time.live"),
        "step": keys("time.back", "time.forward"), "speed": keys("time.slower", "time.faster"),
        "anomaly": keys("time.anomaly.previous", "time.anomaly.next"),
    }  # fmt: skip


class Timekeeping:
    """The part of the app that keeps the time. `Browser` is the only class with it."""

    clock: PlayClock
    progress: Progress | None
    """What is known of the session's time; None: not asked yet."""

    def prepare_time(self) -> None:
        """Set the clock up; called when the app is made."""
        self.clock = PlayClock()
        self.following = Following()
        self.progress = None
        self._asked_busy = 0.0
        self._pane_generation = -1
        self._scrub_begun = False
        self._held = False

    @property
    def _app(self) -> "Browser":
        return cast("Browser", self)

    def make_time_bar(self) -> TimeBar:
        """Return the bar for the frame."""
        settings = self._app.settings
        return TimeBar(self.clock, accessible=settings.accessible, keys=bar_keys(settings.keys))

    def start_time(self) -> None:
        """Ask for the session's time, and go to the one that the settings name."""
        self._ask_progress()
        self._app.set_interval(1 / TICKS_PER_SECOND, self._tick)

    def on_app_blur(self) -> None:
        """Ask a writer less often while nobody looks."""
        self.following.blurred = True

    def on_app_focus(self) -> None:
        """Ask a writer as often as usual."""
        self.following.blurred = False

    # ---- what is known -----------------------------------------------------------------------------------------------

    def _ask_progress(self) -> None:
        known = self.progress
        app = self._app
        self.following.asked()
        self._asked_busy = app.runner.busy_seconds
        app.runner.submit(
            _KEY, lambda session: timeline.progress(session, known), self._progress_came, self._no_progress, priority=1
        )

    def _progress_came(self, progress: Progress) -> None:
        app = self._app
        before = self.progress
        ended = before is not None and before.written and not progress.written
        self.progress = progress
        self.lay_out_time()
        if before is None:
            self._go_to_start()
        if progress.written or ended:
            self._refresh_followed(before, progress, ended=ended)
        else:
            self.following.answered()
        app.update_frame()

    def _no_progress(self, error: RustnetError) -> None:
        self.following.answered()
        self._app.failed(error)

    def _refresh_followed(self, before: Progress | None, progress: Progress, *, ended: bool) -> None:
        """Let the screen that is shown ask again if there is more to show."""
        app = self._app
        more = before is not None and before.timeline.rows != progress.timeline.rows
        pane = app.pane
        if pane is not None and self.clock.position is None:
            if ended:
                pane.reload()
            elif more or self._held:
                self._held = not pane.follow()
        if ended:
            app.ask_facts()
        else:
            line = progress.timeline
            app.session_facts = replace(app.session_facts, first_ns=line.first, last_ns=line.last)

    def lay_out_time(self) -> None:
        """Lay the bar out for its width, and give the clock the span of the session."""
        if self.progress is None:
            return
        line, written = self.progress.timeline, self.progress.written
        source = Source.SAVED if not written else Source.LIVE if self.progress.live else Source.REPLAY
        for bar in self._app.frame.query(TimeBar):
            _start, columns = bar.room
            laid = timeline.bar(line, columns or 1)
            bar.set_bar(laid, columns)
            self.clock.extend(line.first, line.last, source, () if laid is None else laid.gaps)

    def _go_to_start(self) -> None:
        """Go to the time that the settings name."""
        text = self._app.settings.at
        if text:
            self.go_to_text(text)

    # ---- moving on ---------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Move on while it plays, and ask what came while the session is being written."""
        app = self._app
        if self.clock.playing:
            if len(app.screen_stack) > 1:
                self.clock.hold()  # nobody sees the screen under a dialog
            elif self.clock.tick(busy=self._busy()):
                self._show_position()
        if self.progress is None or not self.progress.written or app.settings.accessible:
            return
        if self.following.due():
            self._ask_progress()
        elif self.following.waiting and app.runner.idle:
            nothing_yet = self.progress.timeline.first is None
            self.following.answered(0.0 if nothing_yet else app.runner.busy_seconds - self._asked_busy)

    def _busy(self) -> bool:
        """Whether the screen does not show the last position yet."""
        app = self._app
        pane = app.pane
        return pane is not None and pane.generation == self._pane_generation and not app.runner.idle

    def _show_position(self, *, remember: bool = False) -> None:
        """Let every screen show the session as it stood at the clock's position."""
        app = self._app
        self._pane_generation = -1 if app.pane is None else app.pane.generation
        app.change(remember=remember, at=self.clock.position)
        self.refresh_time()

    def refresh_time(self) -> None:
        """Draw the bar and the chips again."""
        app = self._app
        for bar in app.frame.query(TimeBar):
            bar.refresh()
        app.update_frame()

    def adopt_time(self) -> None:
        """Set the clock to what the screens show, after Escape or a reset went back to another time."""
        if self._app.spec.at != self.clock.position:
            self.clock.go_to(self._app.spec.at)
            for bar in self._app.frame.query(TimeBar):
                bar.refresh()

    def go_to(self, ns: int | None, *, remember: bool = True) -> None:
        """Show the session as it stood at a packet time; None: at its end, or live."""
        self.clock.go_to(ns)
        self._show_position(remember=remember)

    def begin_scrub(self) -> None:
        """Remember the place before a drag on the bar, to which Escape comes back."""
        self.clock.stop()
        self._scrub_begun = True

    def scrub(self, ns: int | None) -> None:
        """Show the time under the mouse."""
        remember, self._scrub_begun = self._scrub_begun, False
        self.go_to(ns, remember=remember)

    # ---- chips -------------------------------------------------------------------------------------------------------

    def time_chips(self) -> "Iterator[Chip]":
        """Say in the first line that what is shown is not the present."""
        clock = self.clock
        if clock.position is None:
            return
        bars = [bar.bar for bar in self._app.frame.query(TimeBar)]
        if clock.written and not clock.playing:
            yield Chip(_("PAUSED {time} behind").format(time=duration(clock.behind)), "alert")
        yield Chip(_("AT {time}").format(time=shown_time(clock.position, bars[0] if bars else None)), "accent")

    # ---- keys --------------------------------------------------------------------------------------------------------

    def has_time(self) -> bool:
        """Whether the session has packets; says so if not."""
        if self.clock.first is not None:
            return True
        self._app.say(_("the session has no packets, hence no times"))
        return False

    def action_play(self) -> None:
        """Play or pause."""
        if self.has_time():
            self.clock.toggle()
            self._show_position(remember=self._app.spec.at is None)

    def action_step(self, step: int) -> None:
        """Go one step back or forward."""
        if not self.has_time():
            return
        self.clock.stop()
        at, by = self.clock.at or 0, step * self.clock.step
        if self.clock.position is None and step > 0:
            self._app.say(_("this is the end"))
            return
        self._app.runner.submit(
            "step", lambda session: moments.step(session, at, by), self._stepped, self._app.failed, priority=0
        )

    def _stepped(self, ns: int | None) -> None:
        self.go_to(ns, remember=self._app.spec.at is None)

    def action_speed(self, step: int) -> None:
        """Play slower or faster."""
        if self.has_time():
            self.clock.change_speed(step)
            self.refresh_time()

    def action_go_live(self) -> None:
        """Show the end, or what is being written; for screen readers, ask what has come."""
        if self.has_time():
            self.go_to(None)
            if self.clock.written and self._app.settings.accessible:
                self._ask_progress()

    def action_anomaly(self, step: int) -> None:
        """Go to the next or previous anomaly."""
        if not self.has_time():
            return
        at = self.clock.at or 0
        if self.clock.position is None and step < 0:
            at += 1  # one at the very end is before it
        self._app.runner.submit(
            "anomaly", lambda session: timeline.anomaly(session, at, step),
            lambda anomaly: self._anomaly_came(anomaly, step), self._app.failed, priority=0,
        )  # fmt: skip

    def _anomaly_came(self, anomaly: AnomalyAt | None, step: int) -> None:
        app = self._app
        if anomaly is None:
            app.say(_("there is no later anomaly") if step > 0 else _("there is no earlier anomaly"))
            return
        self.clock.stop()
        self.go_to(anomaly.ns)
        kind, detail = (anomaly.kind, Kind.WORD), (anomaly.detail, Kind.FREE_TEXT)
        if anomaly.together > 1:
            words = "{kind}: {detail} ({count} anomalies at this time)"
            app.say(app.presenter.line(words, kind=kind, detail=detail, count=anomaly.together))
        else:
            app.say(app.presenter.line(N_("{kind}: {detail}"), kind=kind, detail=detail))

    def action_ask_time(self) -> None:
        """Ask for a time to go to."""
        if not self.has_time():
            return
        from rustnet.tui.dialogs.go_to import GoToDialog  # noqa: PLC0415 -- a dialog

        self._app.push_screen(GoToDialog(self.extent()), self._typed)

    def _typed(self, text: str | None) -> None:
        if text:
            self.go_to_text(text)

    def extent(self) -> Extent:
        """The session's span and the time that is shown."""
        return Extent(self.clock.first or 0, self.clock.head or 0, self.clock.position)

    def go_to_text(self, text: str) -> None:
        """Go to a typed time, and say which packet it is."""
        app = self._app
        try:
            target = moments.parse(text, self.extent(), zone())
        except RustnetError as error:
            app.failed(error)
            return

        def work(session: Session) -> Place:
            return moments.find(session, target)

        app.runner.submit("go to", work, self._arrived_at, app.failed, priority=0)

    def _arrived_at(self, place: Place) -> None:
        app = self._app
        self.clock.stop()
        self.go_to(place.ns)
        if place.ns is None:
            if place.live and not self.clock.written:
                app.say(_("the session is complete: this is its end"))
            return
        words = _("packet {number}, {time}") if place.asked is None else _("nearest packet {time} (number {number})")
        app.say(words.format(number=f"{place.packet:,}", time=clock_time(place.ns)))
