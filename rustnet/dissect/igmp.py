"""IGMP versions 1, 2 and 3 (RFC 1112, 2236, 3376): membership of multicast groups.

One row per message; a version 3 report gets one for each of its group records.
"""

from socket import inet_ntoa

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser
from rustnet.records import U8, Ip, Word, record

_QUERY, _REPORT_1, _REPORT_2, _LEAVE, _REPORT_3 = 0x11, 0x12, 0x16, 0x17, 0x22
_MESSAGES = {
    _QUERY: "query", _REPORT_1: "report", 0x13: "dvmrp", 0x14: "pim_v1", 0x15: "trace", _REPORT_2: "report",
    _LEAVE: "leave", 0x1E: "traceroute_response", 0x1F: "traceroute", _REPORT_3: "report",
    0x30: "router_advertisement", 0x31: "router_solicitation", 0x32: "router_termination",
}  # fmt: skip
_RECORDS = {
    1: "is_include", 2: "is_exclude", 3: "to_include", 4: "to_exclude", 5: "allow_sources", 6: "block_sources",
}  # fmt: skip
_VERSIONS = {_REPORT_1: "1", _REPORT_2: "2", _LEAVE: "2", _REPORT_3: "3"}
MAX_RECORDS = 128
"""Group records of one message that are read."""
MAX_SOURCES = 64
"""Sources of one record that are listed."""


@record("igmp")
class Igmp:
    """One IGMP message, or one group record of a version 3 report."""

    version: Word | None = None
    """Version of the protocol: `1`, `2` or `3`."""
    message: Word | None = None
    """`query`, `report`, `leave`, or that of a multicast router's protocol that shares the number."""
    group_ip: Ip | None = None
    """Group; 0.0.0.0 in a query for all groups."""
    record_type: Word | None = None
    """Record type of a version 3 report: `is_include`, `is_exclude`, `to_include`, `to_exclude`, `allow_sources`,
    `block_sources`. `to_exclude` without sources joins, `to_include` without sources leaves."""
    sources: list[Ip] | None = None
    """Senders that are included or excluded."""
    max_response_ms: float | None = None
    """Time within which a query is to be answered."""
    robustness: U8 | None = None
    """The querier's robustness variable."""
    query_interval_s: float | None = None
    """The querier's interval."""


def exponential(code: int) -> int:
    """Value of a code whose upper half has an exponent (RFC 3376)."""
    return code if code < 128 else (code & 0x0F | 0x10) << (code >> 4 & 7) + 3


def source_list(data: bytes, at: int, count: int) -> list[str]:
    """Sources of a list, as far as they were captured."""
    end = min(len(data), at + 4 * min(count, MAX_SOURCES))
    return [inet_ntoa(data[i : i + 4]) for i in range(at, end - 3, 4)]


class IgmpParser(RowParser):
    """Messages between a host and a group."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < 8:
            raise DissectError("truncated IGMP message")
        kind = data[0]
        if kind == _REPORT_3:
            self._report(data)
            return
        row = Igmp(_VERSIONS.get(kind), _MESSAGES.get(kind) or f"type{kind}")
        if kind in {_QUERY, _REPORT_1, _REPORT_2, _LEAVE}:
            row.group_ip = inet_ntoa(data[4:8])
        if kind == _QUERY:
            self._query(row, data)
        self.store_row(row)

    def _query(self, row: Igmp, data: bytes) -> None:
        """Fields of a query; its version shows in its length and in whether it asks for a time."""
        if len(data) < 12:
            row.version = "2" if data[1] else "1"
            row.max_response_ms = data[1] * 100.0 if data[1] else None
            return
        row.version = "3"
        row.max_response_ms = exponential(data[1]) * 100.0
        row.robustness = data[8] & 7
        row.query_interval_s = float(exponential(data[9]))
        row.sources = source_list(data, 12, int.from_bytes(data[10:12], "big"))

    def _report(self, data: bytes) -> None:
        """One row for each group record."""
        at = 8
        for _ in range(min(int.from_bytes(data[6:8], "big"), MAX_RECORDS)):
            if at + 8 > len(data):
                return
            count = int.from_bytes(data[at + 2 : at + 4], "big")
            kind = _RECORDS.get(data[at]) or f"record{data[at]}"
            group = inet_ntoa(data[at + 4 : at + 8])
            self.store_row(Igmp("3", "report", group, kind, source_list(data, at + 8, count)))
            at += 8 + 4 * count + 4 * data[at + 1]


def _probe_igmp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a known type."""
    return YES if len(data) >= 8 and data[0] in _MESSAGES else NO


IGMP = Dissector(
    "igmp", "Internet Group Management Protocol (RFC 3376, 2236, 1112)", ("igmp",), (), (Igmp,), _probe_igmp, IgmpParser
)
