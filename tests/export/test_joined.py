"""Copies of captures that were joined byte by byte, or whose header is wrong about the unit of times."""

import io
from pathlib import Path

import numpy as np

from rustnet.export.annotate import annotate
from rustnet.export.packets import Part, write_pcap, write_pcapng
from rustnet.sources.files import FileSource
from tests.support.patterned import T0, pcap, pcapng, read
from tests.support.pcap import pcap_header, record

SECOND = 10**9
FRACTIONS = [123_456_789, 987_654_321, 5]


class NoComments:
    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.heads: list[int] = []
        self.chunk = 0

    def which(self, first: int, count: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        return np.full(count, -1, np.int32)


def rows(raw: bytes, path: Path) -> tuple[list[tuple[int, int, int, bytes]], FileSource]:
    path.write_bytes(raw)
    packets, source = read(path)
    return [(p.ts, source.interfaces[p.interface].link_type, p.length, p.data) for p in packets], source


def test_copies_have_the_same_packets_and_times(tmp_path: Path) -> None:
    fine = pcap_header() + b"".join(record(b"x" * 60, T0 + i, part) for i, part in enumerate(FRACTIONS))
    for raw in (
        fine,
        pcap([60, 61]) + pcap([70, 71], ">", "ns", link=101) + fine,
        pcap([60, 61]) + pcapng([50, 51], ">") + pcap([70, 71], link=101),
        pcapng([50, 51]) + pcap([70, 71], ">"),
    ):
        whole, source = rows(raw, tmp_path / "x")
        assert source.info.complete
        out = io.BytesIO()
        result = annotate(str(tmp_path / "x"), NoComments(), out)
        assert result.packets == len(whole)
        copy, source = rows(out.getvalue(), tmp_path / "copy")
        assert copy == whole
        assert not source.damage
        numbers = range(1, len(whole) + 1)
        out = io.BytesIO()
        write_pcapng([Part((tmp_path / "x",), None, lambda numbers=numbers: iter(numbers))], out)  # type: ignore[misc]
        assert rows(out.getvalue(), tmp_path / "copy")[0] == whole
    (tmp_path / "x").write_bytes(fine)
    out = io.BytesIO()
    write_pcap([Part((tmp_path / "x",), None, lambda: iter([1, 2, 3]))], out)
    copy, source = rows(out.getvalue(), tmp_path / "copy")
    assert [ts for ts, *_ in copy] == [(T0 + i) * SECOND + part for i, part in enumerate(FRACTIONS)]
    assert not source.damage
