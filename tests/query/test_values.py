import datetime as dt
import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.query import values
from rustnet.query.values import Span

MS, S = 10**6, 10**9


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1500", 1500), ("10M", 10**7), ("10mb", 10**7), ("1.5k", 1500), ("1Ki", 1024), ("2MiB", 2 << 20),
     ("1T", 10**12), ("7B", 7), ("3 GB", 3 * 10**9)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert values.size(text) == size


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("200ms", 200 * MS, 201 * MS), ("1.5s", 1500 * MS, 1600 * MS), ("2", 2 * S, 3 * S), ("1m", 60 * S, 120 * S),
     ("1h", 3600 * S, 7200 * S), ("0", 0, S), ("5us", 5000, 6000), ("5µs", 5000, 6000), ("1d", 86400 * S, 172800 * S),
     ("0.5ns", 0, 1)],
)  # fmt: skip
def test_durations(text: str, low: int, high: int) -> None:
    assert values.duration(text) == Span(low, high)


@pytest.mark.parametrize(
    ("text", "low", "seconds"),
    [("1970", 0, 365 * 86400), ("1970-02", 31 * 86400, 28 * 86400), ("1971-12", 699 * 86400, 31 * 86400),
     ("1970-01-02", 86400, 86400), ("1970-01-01T01", 3600, 3600), ("1970-01-01T00:01", 60, 60),
     ("1970-01-01t00:00:01z", 1, 1), ("1970-01-01 01:00:00+01:00", 0, 1), ("1969-12-31T23:00-0100", 0, 60),
     ("1700000000", 1700000000, 1)],
)  # fmt: skip
def test_times(text: str, low: int, seconds: int) -> None:
    assert values.time(text) == Span(low * S, (low + seconds) * S)


def test_fractions_of_seconds_are_exact() -> None:
    assert values.time("1970-01-01T00:00:00.123456789Z") == Span(123456789, 123456790)
    assert values.time("1970-01-01T00:00:00.5") == Span(500 * MS, 600 * MS)
    assert values.time("1700000000.000000001").low == 1700000000 * S + 1


@given(st.datetimes(dt.datetime.fromisoformat("1700-01-01"), dt.datetime.fromisoformat("2200-01-01")))
def test_any_time_is_read_as_written(moment: dt.datetime) -> None:
    low = values.time(moment.isoformat(timespec="microseconds")).low
    assert dt.datetime.fromisoformat("1970-01-01") + dt.timedelta(microseconds=low // 1000) == moment


@pytest.mark.parametrize("read", [values.size, values.duration, values.time, values.number, values.address_span])
@given(text=st.text(max_size=20) | st.from_regex(r"[0-9.:/TZ+kMm-]{1,20}", fullmatch=True))
def test_nonsense_is_a_value_error_with_words(read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except ValueError as error:
        wrong = str(error)
    else:
        wrong = "is fine"
    assert wrong.startswith(("is ", "lies ", "mixes ", "ends "))


@given(st.ip_addresses())
def test_addresses_are_numbered_as_flows_are(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    number = values.address_span(str(address)).low
    mapped = address if address.version == 6 else ipaddress.IPv6Address(f"::ffff:{address}")
    assert number == int(mapped)


def test_networks_and_ranges() -> None:
    mapped = 0xFFFF << 32
    assert values.address_span("10.1.2.3/8") == Span(mapped + (10 << 24), mapped + (11 << 24))
    assert values.address_span("0.0.0.0/0") == Span(mapped, mapped + 2**32)
    assert values.address_span("::/0") == Span(0, 2**128)
    assert values.address_span("::1-::5") == Span(1, 6)
    for wrong in ("10.0.0.1-::1", "10.0.0.5-10.0.0.1", "x", "10.0.0.0/99", "a-b"):
        with pytest.raises(ValueError, match=r"^(is|mixes|ends) "):
            values.address_span(wrong)
