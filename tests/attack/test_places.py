"""Where the process that holds a live session may write: not where another user has put something."""

import os
from pathlib import Path

import pytest

from rustnet.errors import RustnetError
from rustnet.sandbox.places import directories, readable

USER, STRANGER = 54321, 54322
pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of others"
)


def test_directories_of_outputs_once_each_and_after_links(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "s.duckdb").symlink_to(tmp_path / "disk" / "s.duckdb")
    os.chown(tmp_path / "s.duckdb", USER, USER, follow_symlinks=False)
    outputs = [tmp_path / "s.duckdb", tmp_path / "a.pcap", tmp_path / "b.pcap", tmp_path / "disk" / "c"]
    assert directories(outputs, USER) == [str(tmp_path / "disk"), str(tmp_path)]


@pytest.mark.parametrize("kind", ["link", "broken link", "file", "file at the end of the user's link"])
def test_what_another_user_put_there_is_refused(kind: str, tmp_path: Path) -> None:
    path, target = tmp_path / "s.duckdb", tmp_path / "target"
    if kind != "broken link":
        target.write_text("")
        os.chown(target, USER, USER)
    if kind == "file":
        target.rename(path)
        os.chown(path, STRANGER, STRANGER)
    else:
        path.symlink_to(target)
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
    if kind == "file at the end of the user's link":
        os.chown(path, USER, USER, follow_symlinks=False)
        os.chown(target, STRANGER, STRANGER)
    with pytest.raises(RustnetError, match="another user"):
        directories([path], USER)


@pytest.mark.parametrize("owner", [0, USER])
def test_what_root_or_the_user_put_there_is_not(owner: int, tmp_path: Path) -> None:
    (tmp_path / "s.duckdb").write_text("")
    os.chown(tmp_path / "s.duckdb", owner, owner)
    assert directories([tmp_path / "s.duckdb"], USER) == [str(tmp_path)]


def test_the_current_directory_and_homes_are_not_among_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("/home/somebody")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    paths = readable()
    assert "/proc/self" in paths
    assert not {"/", "/home", "/home/somebody", "/etc", "/proc", "/tmp", str(Path.cwd())} & set(paths)
