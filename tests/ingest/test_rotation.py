"""Requests for new files, across processes, and the names of sessions."""

import itertools
import os
from pathlib import Path

import pytest

from rustnet.errors import SessionError
from rustnet.ingest import rotation
from rustnet.ingest.rotation import Rotations, session_paths

AT = 1_796_033_700_123_456_789
"""2026-11-30 10:15:00.123456789 UTC."""


def test_each_notices_a_request_once() -> None:
    rotations = Rotations()
    rotations.request()
    one, other = rotations.turn(), rotations.turn()
    assert not one.due(), "an earlier request is for others"
    rotations.request()
    rotations.request()
    assert one.due()
    assert one.take()
    assert not one.take()
    assert not one.due()
    assert other.take()


def test_a_process_that_was_forked_notices_it() -> None:
    rotations = Rotations()
    turn = rotations.turn()
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(told, 1)
        os._exit(0 if turn.take() and not turn.due() else 1)
    rotations.request()
    os.write(tell, b"!")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(told)
    os.close(tell)


def test_names_of_sessions(tmp_path: Path) -> None:
    times = itertools.chain([AT, AT, AT + 10**9], itertools.repeat(AT))
    paths = session_paths(str(tmp_path / "my.live.duckdb"), lambda: next(times))
    names = []
    for path in itertools.islice(paths, 4):
        assert not Path(path).exists(), "a session is never continued in one that is there"
        Path(path).touch()
        names.append(Path(path).name)
    assert names == [
        "my.live.duckdb",
        "my.live-20261130T101500Z.duckdb",
        "my.live-20261130T101500Z-1.duckdb",
        "my.live-20261130T101501Z.duckdb",
    ]
    (tmp_path / "my.live-20261130T101500Z-2.duckdb").symlink_to("nowhere")
    assert next(paths).endswith("Z-3.duckdb"), "a link without a target is a name that is taken, too"


def test_names_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "MOST_OF_SECOND", 2)
    paths = session_paths(str(tmp_path / "s"), lambda: AT)
    for path in itertools.islice(paths, 3):
        Path(path).touch()
    with pytest.raises(SessionError, match="too many"):
        next(paths)
