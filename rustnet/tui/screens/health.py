"""Health: quality of the captures, anomalies with their packets, quality of paths, sources of data, checks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import BindingType

from rustnet.i18n import N_, _, ngettext
from rustnet.query.integrity import Finding
from rustnet.query.session import Session
from rustnet.query.views import alerts, health
from rustnet.query.views.alerts import Check
from rustnet.query.views.health import Captures
from rustnet.query.views.listed import Field, Listing
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.records import Kind
from rustnet.tui.bindings import bindings
from rustnet.tui.screens.health_rows import Line, alert_words, capture_lines, finding_lines
from rustnet.tui.screens.parts import PartsPane
from rustnet.tui.widgets.grid import Grid
from rustnet.tui.widgets.listing_grid import EXACT_TIME, TIME, Shown

_LINES = (Field("label", Kind.WORD), Field("value", Kind.WORD), Field("remark", Kind.WORD))
_LINE_COLUMNS = (
    Shown("label", N_("Property"), 26), Shown("value", N_("Value"), 27, 1), Shown("remark", N_("Remark"), 16, 4),
)  # fmt: skip
_LOADERS: dict[str, Callable[[Session, ViewSpec], Listing]] = {
    "anomalies": health.anomalies, "quality": health.quality, "sources": health.sources,
    "alerts": alerts.alerts,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """State of the screen."""

    part: str
    kind: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Answer for a part."""

    request: Request
    listing: Listing | None = None
    captures: Captures | None = None
    without_time: int = 0
    """Anomalies that belong to no moment."""
    at: int | None = None
    checks: Sequence[Check] = ()
    """How far each alert was checked."""


class HealthPane(PartsPane):
    """The Health screen."""

    NAME = "health"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("health")]
    PARTS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("captures", N_("Captures")), ("alerts", N_("Alerts")), ("anomalies", N_("Anomalies")),
        ("quality", N_("Paths")), ("sources", N_("Sources")), ("checks", N_("Checks")),
    )  # fmt: skip
    COLUMNS: ClassVar[Mapping[str, Sequence[Shown]]] = {
        "captures": _LINE_COLUMNS,
        "checks": _LINE_COLUMNS,
        "alerts": (
            Shown("ts", N_("Time"), TIME, drop=3), Shown("severity", N_("Severity"), 10),
            Shown("alert", N_("Alert"), 24, drop=2), Shown("summary", N_("What was noticed"), 36, 4),
            Shown("flow_id", N_("Flow"), 9, right=True, drop=4),
            Shown("capture_id", N_("Capture"), 10, right=True, drop=1),
        ),
        "anomalies": (
            Shown("kind", N_("Kind"), 24, 1), Shown("times", N_("Times"), 9, right=True),
            Shown("flows", N_("Flows"), 9, right=True),
            Shown("first_packet", N_("First packet"), 15, right=True, drop=3),
            Shown("first", N_("First"), TIME, drop=2), Shown("last", N_("Last"), TIME, drop=1),
            Shown("example", N_("For example"), 24, 4), Shown("details", N_("Different"), 13, right=True, drop=1),
        ),
        "places": (
            Shown("ts", N_("Time"), EXACT_TIME), Shown("capture_id", N_("Capture"), 10, right=True, drop=2),
            Shown("packet", N_("Packet"), 11, right=True), Shown("flow_id", N_("Flow"), 9, right=True),
            Shown("detail", N_("Detail"), 26, 4), Shown("count", N_("Times"), 8, right=True, drop=3),
            Shown("offset", N_("At byte"), 11, right=True, drop=1),
        ),
        "quality": (
            Shown("local_ip", N_("Local"), 18, 1), Shown("remote_ip", N_("Remote"), 18, 1),
            Shown("flows", N_("Flows"), 8, right=True, drop=6), Shown("rtt_p50_ms", N_("RTT p50"), 10, right=True),
            Shown("rtt_p95_ms", N_("RTT p95"), 10, right=True, drop=8),
            Shown("handshake_p50_ms", N_("Handshake"), 12, right=True, drop=4),
            Shown("sent_again_percent", N_("Sent again"), 13, right=True),
            Shown("received_again_percent", N_("Recv. again"), 14, right=True, drop=7),
            Shown("out_of_order", N_("Reordered"), 13, right=True, drop=3),
            Shown("zero_windows", N_("0 windows"), 12, right=True, drop=2),
            Shown("missed_bytes", N_("Missing"), 10, right=True, drop=5),
            Shown("payload_bytes", N_("Payload"), 10, right=True), Shown("note", N_("Note"), 20, 2, drop=1),
        ),
        "sources": (
            Shown("about", N_("About"), 10), Shown("name", N_("Source"), 28, 2), Shown("version", N_("Version"), 16, 1),
            Shown("dated", N_("Dated"), TIME, drop=2), Shown("rows", N_("Records"), 10, right=True),
            Shown("note", N_("Note"), 24, 2, drop=1),
        ),
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.kind = ""
        """Kind of the anomalies whose packets are shown; empty: none."""
        self.snapshot: Snapshot | None = None
        self.findings: list[Finding] | None = None
        self._kind_row = 0

    # ---- asking and showing ------------------------------------------------------------------------------------------

    def request(self) -> Request:
        """Part, and kind of anomaly."""
        return Request(self.part, self.kind if self.part == "anomalies" else "")

    def load(self, session: Session, spec: ViewSpec, request: Request) -> Snapshot:
        """Ask for a part; the checks are asked on their own, since they take long."""
        if request.part == "captures":
            return Snapshot(request, captures=health.captures(session, spec), at=spec.at)
        if request.part == "checks":
            return Snapshot(request)
        if request.kind:
            return Snapshot(request, health.places(session, spec, request.kind), at=spec.at)
        if request.part == "alerts":
            return Snapshot(request, alerts.alerts(session, spec), at=spec.at, checks=alerts.checks(session))
        lost = health.without_time(session) if request.part == "anomalies" and spec.at is not None else 0
        return Snapshot(request, _LOADERS[request.part](session, spec), without_time=lost, at=spec.at)

    def show(self, snapshot: Snapshot) -> None:
        """Show a part."""
        self.snapshot = snapshot
        part = snapshot.request.part
        if snapshot.captures is not None:
            self._show_captures(snapshot, snapshot.captures)
        elif part == "checks":
            self._show_checks()
        elif snapshot.listing is not None:
            kind = snapshot.request.kind
            words = self._words(snapshot, snapshot.listing)
            self.show_listing("places" if kind else part, snapshot.listing, words)
            self._line.set(part)
            if part == "anomalies" and not kind and self._kind_row:
                self.grid.cursor, self._kind_row = self._kind_row, 0

    def _show_captures(self, snapshot: Snapshot, captures: Captures) -> None:
        lines = capture_lines(captures, self.browser.presenter)
        bad = sum(line.state == "error" for line in lines)
        words = ngettext("{n} capture", "{n} captures", len(captures.captures)).format(n=len(captures.captures))
        found = ngettext("{n} problem", "{n} problems", bad).format(n=bad) if bad else _("no problem found")
        note = _("a file's own statements are about all of it, whatever the time above")
        self._show_lines(
            "captures", lines, " · ".join([words, found, *([note] if snapshot.at is not None else [])]),
            captures.statement,
        )  # fmt: skip

    lines: Sequence[Line] = ()

    def _show_lines(self, part: str, lines: Sequence[Line], words: str, statement: Statement | None) -> None:
        self.lines = lines
        rows = [(line.label, line.value, line.remark) for line in lines]
        listing = Listing(_LINES, rows, False, statement or Statement(""))
        self.grid.set_states([line.state for line in lines])
        self.show_listing(part, listing, words)
        if statement is None:
            self.listing = None

    def show_listing(self, part: str, listing: Listing, words: str = "") -> None:
        """Show a list; only those of lines have states."""
        if part not in ("captures", "checks"):
            self.grid.set_states(())
        super().show_listing(part, listing, words)

    def _words(self, snapshot: Snapshot, listing: Listing) -> str:
        count = len(listing.rows)
        part, kind = snapshot.request.part, snapshot.request.kind
        if kind:
            name = self.browser.presenter.text(kind, "kind", kind=Kind.WORD).replace("_", " ")
            words = ngettext("{n} place of {kind}", "{n} places of {kind}", count).format(n=f"{count:,}", kind=name)
            return " · ".join((words, _("Enter opens the flow, Esc goes back")))
        if part == "alerts":
            return alert_words(count, snapshot.checks, self.browser.presenter)
        if part == "anomalies":
            if not count:
                return _("Nothing unusual was recorded in what is shown.")
            words = ngettext("{n} kind of anomaly", "{n} kinds of anomalies", count).format(n=f"{count:,}")
            lost = ngettext("{n} without a time is not among them", "{n} without a time are not among them",
                            snapshot.without_time).format(n=f"{snapshot.without_time:,}")  # fmt: skip
            return f"{words} · {lost}" if snapshot.without_time else words
        if part == "quality":
            words = ngettext("{n} path with TCP", "{n} paths with TCP", count).format(n=f"{count:,}")
            return words if count else _("No TCP flow has data or a handshake.")
        words = ngettext("{n} source of data", "{n} sources of data", count).format(n=f"{count:,}")
        return words if count else _("No data about addresses or owners came from elsewhere.")

    # ---- checks ------------------------------------------------------------------------------------------------------

    def _show_checks(self) -> None:
        if self.findings is None:
            self._show_lines("checks", (), _("checking counts, references and packets …"), None)
            self.browser.runner.submit("health-checks", health.checks, self._checked, self.browser.failed, priority=2)
            return
        failed = sum(not finding.ok and finding.serious for finding in self.findings)
        words = ngettext("{n} check", "{n} checks", len(self.findings)).format(n=len(self.findings))
        result = ngettext("{n} failed", "{n} failed", failed).format(n=failed) if failed else _("none failed")
        self._show_lines("checks", finding_lines(self.findings), f"{words} · {result}", None)

    def _checked(self, findings: list[Finding]) -> None:
        self.findings = findings
        if self.part == "checks":
            self._show_checks()

    # ---- actions -----------------------------------------------------------------------------------------------------

    def choose_part(self, name: str) -> None:
        """Show another part, or the kinds of anomalies again."""
        self.kind = ""
        super().choose_part(name)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show the packets of a kind of anomaly, the flow of a packet, or the flows of a path or capture."""
        event.stop()
        field = self.grid.field
        if self.grid.current is None:
            return
        if self.part == "alerts" or (self.part == "anomalies" and self.kind):
            if field("flow_id") is None:
                words = _("this alert names no flow") if self.part == "alerts" else _("this packet belongs to no flow")
                self.browser.say(words)
            else:
                self.browser.open_flow(field("flow_id"))
        elif self.part == "anomalies":
            self._kind_row = self.grid.cursor
            self.kind = field("kind")
            self.refresh_if_old()
        elif self.part == "quality":
            self._show_flows(f"ip:{field('local_ip')} ip:{field('remote_ip')} proto:tcp")
        elif self.part == "captures":
            capture = self.lines[self.grid.current_number or 0].capture_id
            if capture is not None:
                self._show_flows(f"capture:{capture}")

    def _show_flows(self, text: str) -> None:
        self.browser.change(filter=text)
        self.browser.show_tab("overview", remember=False)

    def back(self) -> bool:
        """Go back from packets to kinds."""
        if not self.kind:
            return False
        self.kind = ""
        self.refresh_if_old()
        return True

    def reset(self) -> None:
        """Show the captures."""
        super().reset()
        self.kind = ""

    def presentation_changed(self) -> None:
        """Draw again."""
        if self.snapshot is not None:
            self.show(self.snapshot)


PANE = HealthPane
