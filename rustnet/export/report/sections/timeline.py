"""When: bytes and flows over time by application."""

from rustnet.export.report.blocks import Chart, Section, Table
from rustnet.export.report.cells import bits
from rustnet.export.report.charts import Course, begin, drawn
from rustnet.export.report.source import Answer, Source
from rustnet.i18n import _
from rustnet.present.values import bit_rate, short_duration

INTERVALS = 120
"""Most intervals of a chart."""
MOST_ROWS = 20_000
"""Rows of a chart's data: intervals and applications."""
DAY = 86_400 * 10**9
"""Nanoseconds of a day."""
OTHER = "…"
"""Name of all applications after the busiest ones, in the statements below."""

_STEPS = (
    *(digit * 10**exponent for exponent in range(3, 9) for digit in (1, 2, 5)),
    *(10**9 * seconds for seconds in (
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
        2592000,
    )),
)  # fmt: skip
"""Lengths of an interval, in nanoseconds."""

_NAMED = """WITH named AS (
    SELECT flow_id, coalesce(app, protocol) AS app, src_bytes + dst_bytes AS bytes, started_at FROM flows
), busiest AS (
    SELECT app FROM named GROUP BY app ORDER BY sum(bytes) DESC, app LIMIT 7
), labelled AS (
    SELECT flow_id, started_at, coalesce(busiest.app, '…') AS app
    FROM named LEFT JOIN busiest ON busiest.app = named.app
)"""

_TRAFFIC = f"""-- title: Traffic over time by application
-- description: Packets and bytes of each interval.
-- parameter: interval duration required Length of an interval
-- column: begins time
-- column: app word
-- column: bytes bytes
{_NAMED}, moved AS (
    SELECT epoch_ns(ts) // $interval AS slot, flow_id, sum(length)::BIGINT AS bytes, count(*) AS packets
    FROM packets GROUP BY slot, flow_id
)
SELECT make_timestamp_ns(slot * $interval) AS begins, coalesce(app, 'undecoded') AS app,
    sum(moved.bytes)::BIGINT AS bytes, sum(packets)::BIGINT AS packets
FROM moved LEFT JOIN labelled ON labelled.flow_id = moved.flow_id
GROUP BY slot, coalesce(app, 'undecoded')
ORDER BY slot, bytes DESC, app"""  # noqa: S608 -- our own part

_NEW = f"""-- title: New flows over time by application
-- description: Flows that begin in each interval.
-- parameter: interval duration required Length of an interval
-- column: begins time
-- column: app word
{_NAMED}
SELECT make_timestamp_ns(epoch_ns(started_at) // $interval * $interval) AS begins, app, count(*) AS flows
FROM labelled
GROUP BY begins, app
ORDER BY begins, flows DESC, app"""  # noqa: S608 -- our own part


def interval(first: int, last: int) -> int:
    """Length of an interval that makes at most `INTERVALS` of the time between two packets, in nanoseconds."""
    for step in _STEPS:
        if last // step - first // step < INTERVALS:
            return int(step)
    return DAY * ((last - first) // (DAY * (INTERVALS - 1)) + 1)


def typed(width: int) -> str:
    """Length of an interval as the value of a query's parameter."""
    return f"{width}ns" if width % 10**9 else f"{width // 10**9}s"


def section(source: Source, first: int | None, last: int | None) -> Section:
    """Charts of the traffic and of new flows."""
    part = Section("timeline", _("Timeline"), _("When was how much traffic, and of which applications?"))
    if first is None or last is None:
        part.absent(_("There are no packets to count."))
        return part
    width = interval(first, last)
    given = typed(width)
    traffic = source.own(_TRAFFIC, MOST_ROWS, interval=given)
    part.add(_chart(traffic, "bytes", width, _("Traffic over time by application")))
    part.add(
        _chart(source.own(_NEW, MOST_ROWS, interval=given), "flows", width, _("New flows over time by application"))
    )
    return part


def _chart(answer: Answer, measure: str, width: int, caption: str) -> Chart | None:
    if not answer or not isinstance(answer.first["begins"], int):
        return None
    course = Course.of([(row["begins"], row["app"], row[measure]) for row in answer], width, _("other"), OTHER)
    rate = measure == "bytes"
    if rate:
        course = course.scaled(8e9 / width)
    top, at = course.highest()
    values = {
        "interval": short_duration(width),
        "top": bit_rate(top) if rate else f"{top:,.0f}",
        "at": begin(at, width),
        "first": begin(course.times[0], width),
        "last": begin(course.times[-1], width),
    }
    words = _(
        "Intervals of {interval} from {first} to {last}. The highest has {top} on average, and begins at {at}. "
        "Intervals without packets are left out of the table."
    )
    if not rate:
        words = _(
            "Intervals of {interval} from {first} to {last}. In the highest {top} flows begin; it starts at {at}. "
            "Intervals without new flows are left out of the table."
        )
    table = _table(course, answer, rate=rate, caption=caption)
    return drawn(course, caption, words.format(**values), "bits" if rate else "flows", table)


def _table(course: Course, answer: Answer, *, rate: bool, caption: str) -> Table:
    """The chart's data."""
    form = bits if rate else None
    heading = _("{caption}: data").format(caption=caption)
    return course.table(heading, answer.statement, form)
