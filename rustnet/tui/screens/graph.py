"""Graph: traffic over time in layers, round-trip times, retransmissions, flows, states, applications and talkers."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from rustnet.i18n import N_, _
from rustnet.present.values import humanised, short_duration
from rustnet.query.session import Session
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.query.views.traffic import STACKS, Layer, Traffic, Values, Wanted, traffic
from rustnet.records import Kind
from rustnet.tui.bindings import bindings
from rustnet.tui.pane import Pane
from rustnet.tui.widgets.charts import MARGIN, Bar, Series
from rustnet.tui.widgets.listing_grid import rate
from rustnet.tui.widgets.part_line import PartLine
from rustnet.tui.widgets.plot import Bars, Chart

STACK_TITLES: dict[str, str] = {
    "app": N_("Application"), "protocol": N_("Protocol"), "process": N_("Process"), "direction": N_("Direction"),
    "country": N_("Country"),
}  # fmt: skip
SPANS: tuple[tuple[int | None, str], ...] = (
    (None, N_("All")), (3600, N_("1 h")), (600, N_("10 min")), (60, N_("1 min")),
)  # fmt: skip
"""Seconds before the time that is shown."""
PARTS: tuple[tuple[str, str], ...] = (
    ("all", N_("All plots")), ("traffic", N_("Traffic")), ("quality", N_("Quality")), ("flows", N_("Flows")),
    ("lists", N_("Lists")),
)  # fmt: skip
PLOTS: dict[str, tuple[str, ...]] = {
    "traffic": ("traffic",), "quality": ("quality",), "flows": ("lifecycle",), "lists": ("apps", "states", "talkers"),
}  # fmt: skip
"""What each part asks for."""
RESIZE_SECONDS = 0.15
"""Time after a change of size at which the columns are asked for anew."""
STACK_KINDS = {"process": Kind.SOFTWARE, "country": Kind.PLACE}
DIRECTIONS = {
    "out": N_("to public"), "in": N_("from public"), "internal": N_("internal"), "external": N_("between public"),
    "multicast": N_("multicast"), "broadcast": N_("broadcast"),
}  # fmt: skip
NONE_OF = {"process": N_("no process known"), "country": N_("no country"), "direction": N_("no direction")}


class Titled(Vertical):
    """A plot below its title."""

    DEFAULT_CSS = """
    Titled { height: 1fr; width: 1fr; padding: 0 1; }
    Titled > Static { height: 1; color: $foreground-muted; text-style: bold; text-wrap: nowrap; }
    """

    def __init__(self, title: str, plot: Widget, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._title, self.plot = title, plot

    def compose(self) -> ComposeResult:
        """Title and plot."""
        yield Static(Content(self._title))
        yield self.plot

    def remark(self, words: str) -> None:
        """Add words to the title."""
        self.query_one(Static).update(Content(f"{self._title} · {words}" if words else self._title))


class GraphPane(Pane, can_focus=True):
    """The Graph screen."""

    NAME = "graph"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("graph")]
    SCOPED_CSS: ClassVar[bool] = False
    DEFAULT_CSS = """
    GraphPane { layout: vertical; }
    GraphPane .lines { height: 1; }
    GraphPane #parts PartLine { width: 1fr; }
    GraphPane #parts .spans { width: 30; }
    GraphPane #traffic { height: 3fr; }
    GraphPane #middle { height: 2fr; }
    GraphPane #lists { height: 12; }
    GraphPane.-part-traffic #middle, GraphPane.-part-traffic #lists { display: none; }
    GraphPane.-part-quality #traffic, GraphPane.-part-quality #lists, GraphPane.-part-quality #flows { display: none; }
    GraphPane.-part-quality #middle { layout: vertical; height: 1fr; }
    GraphPane.-part-flows #traffic, GraphPane.-part-flows #lists, GraphPane.-part-flows #rtt,
    GraphPane.-part-flows #lost { display: none; }
    GraphPane.-part-flows #middle { height: 1fr; }
    GraphPane.-part-lists #traffic, GraphPane.-part-lists #middle { display: none; }
    GraphPane.-part-lists #lists { height: 1fr; }
    .-narrow GraphPane.-part-lists #lists { layout: vertical; }
    .-narrow GraphPane.-part-all #middle { display: none; }
    .-narrow GraphPane.-part-all #lists { height: 7; }
    .-narrow GraphPane.-part-all #states { display: none; }
    .-normal GraphPane.-part-all #flows { display: none; }
    .-short GraphPane.-part-all #middle, .-low GraphPane.-part-all #middle { display: none; }
    .-low GraphPane.-part-all #lists { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = "app"
        self.seconds: int | None = None
        self.part = "all"
        self.snapshot: Traffic | None = None
        self._parts = PartLine(tuple((name, _(title)) for name, title in PARTS))
        self._stacks = PartLine(tuple((name, _(title)) for name, title in STACK_TITLES.items()))
        self._spans = PartLine(tuple((str(seconds), _(title)) for seconds, title in SPANS))
        self._spans.add_class("spans")
        self.add_class("-part-all")

    def compose(self) -> ComposeResult:
        """Modes, and the plots of all parts."""
        with Horizontal(id="parts", classes="lines"):
            yield self._parts
            yield self._spans
        yield self._stacks
        yield Titled(_("Bytes per second"), Chart(stacked=True, show=rate), id="traffic")
        with Horizontal(id="middle"):
            yield Titled(_("TCP round-trip times"), Chart(show=_milliseconds), id="rtt")
            yield Titled(_("TCP segments sent again"), Chart(show=_percent), id="lost")
            yield Titled(_("Flows per second"), Chart(), id="flows")
        with Horizontal(id="lists"):
            yield Titled(_("Applications by bytes"), Bars(), id="apps")
            yield Titled(_("States by flows"), Bars(), id="states")
            yield Titled(_("Addresses by bytes"), Bars(), id="talkers")

    def chart(self, name: str) -> Chart:
        """A plot by its name."""
        return self.query_one(f"#{name}", Titled).query_one(Chart)

    def bars(self, name: str) -> Bars:
        """A list by its name."""
        return self.query_one(f"#{name}", Titled).query_one(Bars)

    # ---- asking and showing ------------------------------------------------------------------------------------------

    def request(self) -> Wanted:
        """Columns by the width of the screen, and what is visible."""
        columns = max(10, self.app.size.width - MARGIN - 4)
        wide = self.app.size.width >= 160
        roomy = self.app.size.width >= 100 and self.app.size.height >= 30
        parts = set(PLOTS.get(self.part, ()))
        if self.part == "all":
            parts = {"traffic", "apps", "talkers"}
            parts |= {"quality", "states"} if roomy else set()
            parts |= {"lifecycle"} if roomy and wide else set()
        return Wanted(columns, self.stack, self.seconds, frozenset(parts))

    def load(self, session: Session, spec: ViewSpec, request: Wanted) -> Traffic:
        """Ask for what the plots show."""
        return traffic(session, spec, request)

    def statement(self) -> Statement | None:
        """The SQL of the traffic."""
        return None if self.snapshot is None else self.snapshot.statement

    def show(self, snapshot: Traffic) -> None:
        """Show the plots; those that were not asked for keep what they have, unseen."""
        self.snapshot = snapshot
        self._stacks.set(self.stack)
        self._spans.set(str(self.seconds))
        times = snapshot.times
        layers = [Series(self._layer(layer), layer.values, humanised(layer.bytes)) for layer in snapshot.layers]
        self.chart("traffic").show_series(layers, times)
        self.query_one("#traffic", Titled).remark(_remarks(snapshot))
        rtt = [
            _measured(_("to remote ends"), snapshot.remote_rtt, _milliseconds),
            _measured(_("to local ends"), snapshot.local_rtt, _milliseconds),
        ]
        self.chart("rtt").show_series(rtt, times)
        lost = _measured(_("of the segments with data"), snapshot.retransmitted, _percent)
        self.chart("lost").show_series([lost], times)
        self.chart("flows").show_series(
            [Series(_("begun"), snapshot.opened), Series(_("ended"), snapshot.closed)], times
        )
        self._show_lists(snapshot)

    def _show_lists(self, snapshot: Traffic) -> None:
        text = self.browser.presenter.text
        apps = [
            Bar(text(app.name, kind=Kind.WORD) + ("?" if app.guessed else ""), app.bytes, humanised(app.bytes))
            for app in snapshot.apps
        ]
        self.bars("apps").show_bars(apps)
        states = [
            Bar(
                f"{text(one.protocol, kind=Kind.WORD)} {text(one.state, kind=Kind.WORD) if one.state else '-'}",
                one.flows, f"{one.flows:,}",
            )
            for one in snapshot.states
        ]  # fmt: skip
        self.bars("states").show_bars(states)
        talkers = [
            Bar(
                text(one.name, "hostname", kind=Kind.HOST) if one.name else text(one.ip, kind=Kind.ADDRESS),
                one.sent + one.received, humanised(one.sent + one.received),
            )
            for one in snapshot.talkers
        ]  # fmt: skip
        self.bars("talkers").show_bars(talkers)

    def _layer(self, layer: Layer) -> str:
        """Name of a layer."""
        if layer.kind == "other":
            return _("other")
        if layer.kind == "undecoded":
            return _("of no flow")
        if layer.name is None:
            return _(NONE_OF[self.stack]) if self.stack in NONE_OF else "-"
        if self.stack == "direction" and layer.name in DIRECTIONS:
            return _(DIRECTIONS[layer.name])
        return self.browser.presenter.text(layer.name, kind=STACK_KINDS.get(self.stack, Kind.WORD))

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        """Ask for as many columns as there are now."""
        if self.visible_now and self.snapshot is not None:
            self.reload(delay=RESIZE_SECONDS)

    def focus_first(self) -> None:
        """Take the focus: there is nothing to select within."""
        self.focus()

    # ---- actions -----------------------------------------------------------------------------------------------------

    def action_stack(self) -> None:
        """Stack the traffic by the next property."""
        names = list(STACKS)
        self._choose_stack(names[(names.index(self.stack) + 1) % len(names)])

    def _choose_stack(self, name: str) -> None:
        self.stack = name
        self._stacks.set(name)
        self.reload()

    def action_plot(self, step: int) -> None:
        """Show the next part alone, or all."""
        names = [name for name, _title in PARTS]
        self._choose_part(names[(names.index(self.part) + step) % len(names)])

    def _choose_part(self, name: str) -> None:
        self.remove_class(f"-part-{self.part}")
        self.part = name
        self.add_class(f"-part-{name}")
        self._parts.set(name)
        self.refresh_if_old()

    def action_span(self) -> None:
        """Show less of the time before the present one, or all of it."""
        spans = [seconds for seconds, _title in SPANS]
        self._choose_span(spans[(spans.index(self.seconds) + 1) % len(spans)])

    def _choose_span(self, seconds: int | None) -> None:
        self.seconds = seconds
        self._spans.set(str(seconds))
        self.reload()

    def on_part_line_chosen(self, event: PartLine.Chosen) -> None:
        """Choose by a click on a word."""
        event.stop()
        spans = {str(seconds): seconds for seconds, _title in SPANS}
        if event.name in STACKS:
            self._choose_stack(event.name)
        elif event.name in spans:
            self._choose_span(spans[event.name])
        else:
            self._choose_part(event.name)

    def reset(self) -> None:
        """Show all plots over all of the time."""
        self.stack, self.seconds = "app", None
        self._stacks.set("app")
        self._spans.set("None")
        self._choose_part("all")

    def presentation_changed(self) -> None:
        """Draw again."""
        if self.snapshot is not None:
            self.show(self.snapshot)


def _milliseconds(value: float) -> str:
    return short_duration(value * 1e6) if value else "0 ms"


def _percent(value: float) -> str:
    return f"{value:.3g} %"


def _remarks(snapshot: Traffic) -> str:
    """What the marks on the axis of the traffic mean, if there are any."""
    words = []
    if None in snapshot.times:
        words.append(_("⋯ silence cut out"))
    if any(
        time is not None and value is None
        for layer in snapshot.layers[:1]
        for time, value in zip(snapshot.times, layer.values, strict=True)
    ):
        words.append(_("dots: no capture ran"))
    return " · ".join(words)


def _measured(name: str, values: Values, show: Callable[[float], str]) -> Series:
    """Series with its latest value in the legend, or that there is none."""
    known = [value for value in values if value is not None]
    return Series(name, values, show(known[-1]) if known else _("not measured"))


PANE = GraphPane
