import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.igmp import IGMP, MAX_RECORDS, Igmp, exponential
from tests.dissect import samples_layer2 as s
from tests.dissect.harness import Flow, parsed, rows
from tests.dissect.samples_layer2 import said


def test_queries() -> None:
    first, second, third = rows(Igmp, IGMP, *said(s.IGMP_QUERY_1, s.IGMP_QUERY_2, s.IGMP_QUERY_3), transport="igmp")
    assert (first.version, first.group_ip, first.max_response_ms) == ("1", "0.0.0.0", None)
    assert (second.version, second.message, second.max_response_ms) == ("2", "query", 10_000.0)
    assert (third.version, third.group_ip, third.sources) == ("3", "239.1.1.1", ["10.0.0.1", "10.0.0.2"])
    assert (third.max_response_ms, third.robustness, third.query_interval_s) == (20_800.0, 2, 125.0)


def test_reports() -> None:
    one, two, leave = rows(Igmp, IGMP, *said(s.IGMP_REPORT_1, s.IGMP_REPORT_2, s.IGMP_LEAVE), transport="igmp")
    assert [(r.version, r.message, r.group_ip) for r in (one, two, leave)] == [
        ("1", "report", "239.1.1.1"), ("2", "report", "239.1.1.1"), ("2", "leave", "239.1.1.1"),
    ]  # fmt: skip
    join, allow = rows(Igmp, IGMP, *said(s.IGMP_REPORT_3), transport="igmp")
    assert (join.group_ip, join.record_type, join.sources) == ("224.0.0.251", "to_exclude", [])
    assert (allow.group_ip, allow.record_type, allow.sources) == ("232.1.1.1", "allow_sources", ["10.0.0.9"])


def test_reports_that_lie() -> None:
    assert len(rows(Igmp, IGMP, *said(s.IGMP_REPORT_3[:24]), transport="igmp")) == 2
    cut = rows(Igmp, IGMP, *said(s.IGMP_REPORT_3[:20]), transport="igmp")
    assert [r.group_ip for r in cut] == ["224.0.0.251"]
    many = b"\x22\0\0\0\0\0\xff\xff" + (b"\4\0\0\0" + bytes(4)) * 600
    assert len(rows(Igmp, IGMP, *said(many), transport="igmp")) == MAX_RECORDS
    with pytest.raises(DissectError):
        parsed(IGMP, said(b"\x16\0\0\0"), "igmp")


def test_exponents() -> None:
    assert [exponential(code) for code in (0, 127, 128, 0x8A, 255)] == [0, 127, 128, 208, 31744]


def test_probe() -> None:
    flow = Flow(IGMP, "igmp")
    assert {flow.probe(m) for m in (s.IGMP_QUERY_1, s.IGMP_REPORT_3, s.IGMP_LEAVE)} == {YES}
    assert {flow.probe(m) for m in (b"\x22", b"\x10" + bytes(7), b"")} == {NO}
