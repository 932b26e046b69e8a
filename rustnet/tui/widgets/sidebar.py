"""Statistics of the session at the side of the list of flows."""

from typing import ClassVar

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from rustnet.i18n import _
from rustnet.present.text import pad, width
from rustnet.present.values import duration, humanised, percent
from rustnet.query.views.session_numbers import SessionNumbers
from rustnet.tui.widgets.table import fit

WIDTH = 34
"""Cells of the sidebar, as in RustNet."""
LEAST_AREA = 90
"""Cells of the whole area below which there is none."""
UNKNOWN = "-"


def lines(numbers: SessionNumbers, *, mixed: bool) -> list[tuple[str, str]]:
    """Titles (without a value) and names with their values; ``mixed``: flows are open and ended."""
    span = None
    if numbers.first_ns is not None and numbers.last_ns is not None:
        span = max(0, numbers.last_ns - numbers.first_ns)
    rate = None if not span or numbers.packets is None else numbers.packets / (span / 1e9)
    dropped = [n for n in (numbers.dropped_kernel, numbers.dropped_interface) if n is not None]
    rows = [
        (_("Session"), ""),
        (_("captures"), f"{numbers.captures:,}"),
        (_("link type"), ", ".join(numbers.link_types) or UNKNOWN),
        (_("duration"), UNKNOWN if span is None else duration(span)),
        (_("packets"), _number(numbers.packets)),
        (_("packets/s"), UNKNOWN if rate is None else f"{rate:,.2g}" if rate < 10 else f"{rate:,.0f}"),
        (_("dropped"), f"{sum(dropped):,}" if dropped else _("not stated")),
        (_("undecoded"), _number(numbers.undecoded)),
        ("", ""),
        (_("Flows"), ""),
        (_("TCP"), f"{numbers.tcp:,}"),
        (_("UDP"), f"{numbers.udp:,}"),
        (_("others"), f"{numbers.flows - numbers.tcp - numbers.udp:,}"),
        (_("total"), f"{numbers.flows:,}"),
    ]
    if mixed:
        rows += [(_("open flows"), f"{numbers.open:,}"), (_("ended"), f"{numbers.flows - numbers.open:,}")]
    rows += [
        (_("bytes"), UNKNOWN if numbers.bytes is None else humanised(numbers.bytes)),
        ("", ""),
        (_("Owners"), ""),
        (_("processes"), f"{numbers.processes:,}"),
        (_("flows owned"), percent(numbers.owned, numbers.flows) if numbers.flows else UNKNOWN),
        (_("bytes owned"), percent(numbers.owned_bytes or 0, numbers.bytes) if numbers.bytes else UNKNOWN),
        ("", ""),
        (_("TCP"), ""),
        (_("retransmitted"), _number(numbers.retransmissions)),
        (_("out of order"), _number(numbers.out_of_order)),
        (_("fast retransmits"), _number(numbers.fast_retransmissions)),
    ]
    if numbers.incomplete:
        rows += [("", ""), (_("not read to the end"), f"{numbers.incomplete:,}")]
    return rows


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


class Sidebar(Widget):
    """Names at the left, values at the right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"sidebar--title", "sidebar--name", "sidebar--value"}
    DEFAULT_CSS = """
    Sidebar { width: 34; height: 1fr; padding: 0 1; display: none; background: $background; }
    Sidebar.-shown { display: block; }
    Sidebar .sidebar--title { color: $accent; text-style: bold; }
    Sidebar .sidebar--name { color: $foreground 60%; }
    Sidebar .sidebar--value { color: $foreground; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[str, str]] = []

    def show(self, numbers: SessionNumbers, *, mixed: bool) -> None:
        """Show the numbers of a session."""
        self._lines = lines(numbers, mixed=mixed)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        room = self.size.width
        if y >= len(self._lines):
            return Strip.blank(room, self.rich_style)
        name, value = self._lines[y]
        if not value:
            return Strip([Segment(fit(name, room), self.get_component_rich_style("sidebar--title"))])
        value = value if width(value) < room else fit(value, room - 1)
        left = fit(name, max(1, room - width(value) - 1))
        return Strip(
            [
                Segment(pad(left, room - width(value)), self.get_component_rich_style("sidebar--name")),
                Segment(value, self.get_component_rich_style("sidebar--value")),
            ]
        ).adjust_cell_length(room, self.rich_style)
