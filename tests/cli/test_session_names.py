"""Names of sessions that follow each other."""

from pathlib import Path

import pytest

from rustnet.cli import session_names
from rustnet.cli.session_names import free_name
from rustnet.errors import SessionError

AT = 1_796_033_700_123_456_789
"""2026-11-30 10:15:00.123456789 UTC."""


def test_names_that_follow(tmp_path: Path) -> None:
    names = []
    for at in (AT, AT, AT + 10**9, AT):
        path = Path(free_name(str(tmp_path / "my.live.duckdb"), at))
        path.touch(exist_ok=False)
        names.append(path.name)
    assert names == [
        "my.live.duckdb",
        "my.live-20261130T101500Z.duckdb",
        "my.live-20261130T101501Z.duckdb",
        "my.live-20261130T101500Z-1.duckdb",
    ]
    (tmp_path / "my.live-20261130T101500Z-2.duckdb").symlink_to("nowhere")
    assert free_name(str(tmp_path / "my.live.duckdb"), AT).endswith("Z-3.duckdb"), "a link names something too"


def test_names_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_names, "MOST_OF_SECOND", 2)
    for _ in range(3):
        Path(free_name(str(tmp_path / "s"), AT)).touch()
    with pytest.raises(SessionError, match="too many"):
        free_name(str(tmp_path / "s"), AT)
