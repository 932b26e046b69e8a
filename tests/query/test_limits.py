"""Bounds on the memory of a process that runs readers' SQL."""

import resource
import sys
from pathlib import Path

import pytest

from rustnet.query.limits import MemoryBound
from rustnet.query.session import open_session
from tests.support.paths import ROOT
from tests.support.sessions import replay

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system has no such limit")


def _limit() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_DATA)


def test_the_lower_of_two_bounds_is_in_force_and_none_remains() -> None:
    usual = _limit()
    wide, narrow = MemoryBound(2 << 30), MemoryBound(1 << 30)
    wide.begin()
    first = _limit()[0]
    narrow.begin()
    assert _limit()[0] < first
    wide.end()
    assert _limit()[0] < first
    narrow.end()
    assert _limit() == usual


def test_a_stream_that_nobody_closes_bounds_memory_no_longer_than_it_exists(tmp_path: Path) -> None:
    usual = _limit()
    replay(tmp_path / "s.duckdb", ROOT / "sample_pcaps" / "web.pcap")
    with open_session(tmp_path / "s.duckdb") as session:
        rows = session.stream("SELECT * FROM range(10)")
        assert _limit() != usual
        del rows
        assert _limit() == usual


def test_a_bound_holds_until_its_last_statement_ends() -> None:
    usual = _limit()
    bound = MemoryBound(1 << 30)
    bound.begin()
    bound.begin()
    bound.end()
    assert _limit() != usual
    bound.end()
    assert _limit() == usual
