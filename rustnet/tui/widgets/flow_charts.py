"""Charts of a flow: bytes per second of both ends, and round-trip times, over its duration."""

from typing import TYPE_CHECKING

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.strip import Strip

from rustnet.i18n import _
from rustnet.present.values import humanised
from rustnet.query.views.flow_messages import Traffic
from rustnet.tui.widgets.charts import Palette, Plot, Series, line_chart, number

if TYPE_CHECKING:
    from rustnet.tui.app import Browser
    from rustnet.tui.widgets.flow_items import FlowItems

CHART_LINES = 8
"""Lines of one chart."""


def flow_charts(traffic: Traffic, items: "FlowItems", width: int, app: "Browser") -> dict[str, list[Strip]]:
    """Charts by title; none for a flow of one moment."""
    if traffic.seconds <= 0:
        return {}
    palette = _palette(app)
    sent = [count / traffic.seconds for count in traffic.src]
    answered = [count / traffic.seconds for count in traffic.dst]
    local, remote = (answered, sent) if items.page.local_is_dst else (sent, answered)
    peak = _("at most {rate}/s")
    span = traffic.wide // max(1, len(traffic.src))
    times = [traffic.first + at * span for at in range(len(traffic.src))]
    charts = {
        _("Bytes per second"): line_chart(
            [
                Series(_("sent"), local, peak.format(rate=humanised(max(local)))),
                Series(_("received"), remote, peak.format(rate=humanised(max(remote)))),
            ],
            Plot(width, CHART_LINES, palette, show=humanised, times=times),
        )
    }
    if traffic.round_trips.rows:
        charts[_("Round-trip times, ms")] = line_chart(
            _round_trips(traffic, items), Plot(width, CHART_LINES, palette, show=number, times=times)
        )
    return charts


def _round_trips(traffic: Traffic, items: "FlowItems") -> list[Series]:
    """Mean of each span, from the place of capture to the end that a direction goes to."""
    rows = traffic.round_trips.rows
    most = max(sum(bool(row[0]) == side for row in rows) for side in (True, False))
    spans = max(2, min(len(traffic.src), most))  # about one interval in each, so that the line has no holes
    sums = {True: [0.0] * spans, False: [0.0] * spans}
    counts = {True: [0] * spans, False: [0] * spans}
    for from_src, _began, ts, samples, _least, mean, *_rest in rows:
        at = max(0, min(spans - 1, (ts - traffic.first) * spans // max(1, traffic.wide)))
        sums[bool(from_src)][at] += mean * max(1, samples)
        counts[bool(from_src)][at] += max(1, samples)
    means = {
        side: [total / count if count else None for total, count in zip(sums[side], counts[side], strict=True)]
        for side in (True, False)
    }
    to_dst, to_src = means[True], means[False]
    to_remote, to_local = (to_src, to_dst) if items.page.local_is_dst else (to_dst, to_src)
    series = [Series(_("to the remote end"), to_remote), Series(_("to the local end"), to_local)]
    return [each for each in series if any(value is not None for value in each.values)]


def _palette(app: "Browser") -> Palette:
    """Colours of the theme: sent and received as elsewhere."""

    def style(name: str) -> Style:
        try:
            return Style(color=Color.parse(app.theme_variables.get(name, "")).rich_color)
        except ColorParseError:
            return Style()

    return Palette((style("tx"), style("rx")), style("foreground-muted"), Style())
