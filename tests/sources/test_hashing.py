"""The hash of a large file by a process of its own, begun when the file is opened or ahead of that."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rustnet.sources import hashing
from rustnet.sources.files import FileSource
from rustnet.sources.hashing import HashProcess, drop_ahead, hash_ahead
from tests.support.patterned import pcap

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="large files are hashed by a process on Linux only")
SAMPLE = pcap([60] * 50)


@pytest.fixture
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A capture for which such a process is begun."""
    monkeypatch.setattr(HashProcess, "LEAST", 1_000)
    path = tmp_path / "large.pcap"
    path.write_bytes(SAMPLE)
    yield path
    drop_ahead()


def read(path: Path) -> FileSource:
    source = FileSource(str(path))
    for _ in source.batches():
        pass
    return source


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The processes that are started."""
    begun: list[object] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> object:
        begun.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", popen)
    return begun


def test_a_file_has_its_hash_whether_or_not_it_was_started_ahead(capture: Path, begun: list[object]) -> None:
    assert read(capture).info.sha256 == hashlib.sha256(SAMPLE).hexdigest()
    assert len(begun) == 1
    hash_ahead(str(capture))
    hash_ahead(str(capture))
    assert len(begun) == 2
    assert read(capture).info.sha256 == hashlib.sha256(SAMPLE).hexdigest()
    assert len(begun) == 2
    assert read(capture).info.sha256 == hashlib.sha256(SAMPLE).hexdigest()
    assert len(begun) == 3, "a hash is used once"


def test_a_file_that_was_replaced_meanwhile_is_hashed_as_it_is(capture: Path, tmp_path: Path) -> None:
    hash_ahead(str(capture))
    other = pcap([61] * 49 + [11])
    (tmp_path / "other").write_bytes(other)
    (tmp_path / "other").replace(capture)
    source = read(capture)
    assert source.info.sha256 == hashlib.sha256(other).hexdigest()


def test_only_large_files_are_hashed_ahead(
    capture: Path, tmp_path: Path, begun: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_ahead(str(tmp_path / "absent"))
    hash_ahead(str(tmp_path))
    hash_ahead("-")
    hash_ahead("nul\0byte")
    monkeypatch.setattr(HashProcess, "LEAST", 1 << 30)
    hash_ahead(str(capture))
    assert begun == []


def test_an_unused_hash_process_is_ended(capture: Path) -> None:
    hash_ahead(str(capture))
    (process,) = hashing._ahead.values()
    drop_ahead()
    assert process._process.returncode is not None
