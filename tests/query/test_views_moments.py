"""`rustnet.query.views.moments`: times as people type them, and the packets that they lead to."""

import contextlib
import datetime as dt
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.errors import UsageError
from rustnet.query.session import InlineSession
from rustnet.query.views import moments
from rustnet.query.views.moments import Extent, Place, Target, find, parse, step

SECOND = 10**9
BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> int:
    at = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    return round(at.timestamp()) * SECOND


FIRST, LAST = utc("2026-11-29T11:30:00"), utc("2026-11-29T12:30:00")
HOUR = Extent(FIRST, LAST)
NIGHT = Extent(utc("2026-11-28T22:00:00"), utc("2026-11-29T03:00:00"))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("12:03", utc("2026-11-29T12:03:00")),
        ("12:03:11", utc("2026-11-29T12:03:11")),
        ("12:03:11.482", utc("2026-11-29T12:03:11") + 482_000_000),
        ("12:03:11.123456789", utc("2026-11-29T12:03:11") + 123_456_789),
        ("9:05", utc("2026-11-29T09:05:00")),
        ("2026-11-29", utc("2026-11-29T00:00:00")),
        ("2026-11-29 12:03", utc("2026-11-29T12:03:00")),
        ("2026-11-29T12:03:11.5", utc("2026-11-29T12:03:11") + SECOND // 2),
        ("2026-11-29T12:03:11Z", utc("2026-11-29T12:03:11")),
        ("2026-11-29T13:03:11+01:00", utc("2026-11-29T12:03:11")),
        ("1780000000.25", 1_780_000_000_250_000_000),
        ("50%", utc("2026-11-29T12:00:00")),
        ("0 %", FIRST),
        ("100%", LAST),
        ("12.5%", FIRST + 450 * SECOND),
    ],
)  # fmt: skip
def test_times(text: str, ns: int) -> None:
    assert parse(f"  {text} ", HOUR) == Target("time", ns)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("#1234", Target("packet", number=1234)),
        ("# 1,234,567", Target("packet", number=1_234_567)),
        ("#2:77", Target("packet", capture=2, number=77)),
        ("START", Target("start", FIRST)),
        ("end", Target("end", FIRST)),
        ("live", Target("live", FIRST)),
    ],
)
def test_words_and_packets(text: str, target: Target) -> None:
    assert parse(text, HOUR) == target


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("+30s", 30), ("-5m", -300), ("+1h", 3600), ("- 1.5s", -1.5), ("+250ms", 0.25), ("+1h30m", 5400), ("+7", 7)],
)
def test_relative_times_count_from_the_present_one(text: str, seconds: float) -> None:
    now = utc("2026-11-29T12:00:00")
    direction = 1 if seconds > 0 else -1
    assert parse(text, Extent(FIRST, LAST, now)) == Target("step", now + round(seconds * SECOND), step=direction)
    at_the_end = FIRST if seconds > 0 else LAST
    assert parse(text, HOUR) == Target("step", at_the_end + round(seconds * SECOND), step=direction)


def test_times_are_of_the_zone_that_is_shown() -> None:
    assert parse("13:03", HOUR, BERLIN).ns == utc("2026-11-29T12:03:00")
    assert parse("2026-11-29 13:03", HOUR, BERLIN).ns == utc("2026-11-29T12:03:00")
    assert parse("2026-11-29", HOUR, BERLIN).ns == utc("2026-11-28T23:00:00")
    assert parse("2026-11-29T12:03:00Z", HOUR, BERLIN).ns == utc("2026-11-29T12:03:00")


def test_a_time_of_day_is_on_the_day_on_which_the_session_has_it() -> None:
    """A session over midnight, shown at its end: 23:00 was yesterday."""
    assert parse("23:00", NIGHT).ns == utc("2026-11-28T23:00:00")
    assert parse("01:00", NIGHT).ns == utc("2026-11-29T01:00:00")
    long = Extent(utc("2026-11-20T00:00:00"), utc("2026-11-29T00:00:00"), utc("2026-11-25T20:00:00"))
    assert parse("01:00", long).ns == utc("2026-11-26T01:00:00"), "the nearest"
    assert parse("19:00", long).ns == utc("2026-11-25T19:00:00")


@pytest.mark.parametrize(
    "text",
    ["", "noon", "25:00", "12:61", "12:3", "101%", "50.%", "2026-13-01", "2026-02-30", "+", "+5x", "+-5s", "#", "#a",
     "#1:", "1" * 65, "9999-12-31", "2026-11-29 99:00", "\x1b[31m", "[/b]", "-" + "9" * 12 + "d" * 3],
)  # fmt: skip
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text, HOUR)


@given(st.text(max_size=80), st.sampled_from([dt.UTC, BERLIN, ZoneInfo("Pacific/Apia")]))
def test_any_text_is_a_time_or_a_usage_error(text: str, zone: dt.tzinfo) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(parse(text, HOUR, zone), Target)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.sampled_from([dt.UTC, BERLIN, ZoneInfo("Pacific/Apia")]))
def test_sessions_at_any_time_are_possible(first: int, length: int, zone: dt.tzinfo) -> None:
    extent = Extent(first, first + length)
    for text in ("00:00", "23:59:59.999999999", "50%", "+1d", "-12h"):
        with contextlib.suppress(UsageError):  # before 1970, or after the last time
            assert isinstance(parse(text, extent, zone), Target)


TIMES = [(10, 1, 1), (20, 1, 2), (20, 2, 1), (50, 1, 3)]
"""Seconds, captures and numbers of packets."""


def session(captures: int = 2) -> InlineSession:
    con = duckdb.connect()
    con.execute("CREATE TABLE packets(capture_id INTEGER, number BIGINT, ts TIMESTAMP_NS)")
    con.execute("CREATE TABLE captures AS SELECT unnest(range(1, ?))::INTEGER AS capture_id", [captures + 1])
    for seconds, capture, number in TIMES:
        if capture <= captures:
            con.execute(f"INSERT INTO packets VALUES (?, ?, make_timestamp_ns({seconds * SECOND}))", [capture, number])
    return InlineSession("s", con.cursor())


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (Target("time", 50 * SECOND), Place(50 * SECOND, capture=1, packet=3)),
        (Target("time", 34 * SECOND), Place(20 * SECOND, asked=34 * SECOND, capture=2, packet=1)),
        (Target("time", 36 * SECOND), Place(50 * SECOND, asked=36 * SECOND, capture=1, packet=3)),
        (Target("time", 0), Place(10 * SECOND, asked=0, capture=1, packet=1)),
        (Target("time", 900 * SECOND), Place(50 * SECOND, asked=900 * SECOND, capture=1, packet=3)),
        (Target("time", 1 << 70), Place(50 * SECOND, asked=1 << 70, capture=1, packet=3)),
        (Target("step", 21 * SECOND, step=1), Place(50 * SECOND, asked=21 * SECOND, capture=1, packet=3)),
        (Target("step", 49 * SECOND, step=-1), Place(20 * SECOND, asked=49 * SECOND, capture=2, packet=1)),
        (Target("step", -5, step=-1), Place(10 * SECOND, asked=-5, capture=1, packet=1)),
        (Target("packet", capture=2, number=1), Place(20 * SECOND, capture=2, packet=1)),
        (Target("end"), Place(None)),
        (Target("live"), Place(None, live=True)),
    ],
)
def test_the_nearest_packet(target: Target, place: Place) -> None:
    assert find(session(), target) == place


def test_a_packet_number_needs_its_capture_only_if_there_are_several() -> None:
    assert find(session(1), Target("packet", number=2)) == Place(20 * SECOND, capture=1, packet=2)
    with pytest.raises(UsageError, match="#1:2"):
        find(session(), Target("packet", number=2))
    with pytest.raises(UsageError, match="no packet 9 in capture 1"):
        find(session(1), Target("packet", number=9))


def test_without_packets_there_are_no_times() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE packets(capture_id INTEGER, number BIGINT, ts TIMESTAMP_NS)")
    with pytest.raises(UsageError, match="no packets"):
        find(InlineSession("s", con.cursor()), Target("time", 5))


@pytest.mark.parametrize(
    ("at", "by", "then"),
    [
        (10, 1, 20), (10, 15, 25), (20, 1, 50), (20, 30, 50), (20, 40, 60), (50, 1, None),
        (50, -1, 49), (49, -1, 20), (49, -30, 19), (20, -1, 19), (19, -1, 10), (10, -1, 10), (10, -99, 10),
        (25, -99, 10),
    ],
)  # fmt: skip
def test_steps_leave_out_times_without_packets(at: int, by: int, then: int | None) -> None:
    assert step(session(), at * SECOND, by * SECOND) == (None if then is None else then * SECOND)


def test_examples_are_times() -> None:
    for text in moments.EXAMPLES.split("  "):
        assert parse(text, HOUR)
