"""The directory of an export: it gets its name once all files in it are complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Self

from rustnet.errors import RustnetError, UsageError

DIRECTORY, FILE = 0o700, 0o600
"""Modes of what is written: for its owner."""
GROUP_DIRECTORY, GROUP_FILE = 0o750, 0o640
"""Modes of what a group may read as well."""


_unfinished: set[Path] = set()
"""Directories that have no name yet."""


def remove_unfinished() -> None:
    """Remove what exports have written so far, where the process ends at once."""
    for path in list(_unfinished):
        shutil.rmtree(path, ignore_errors=True)


class ExportFolder:
    """A new directory that several exports write files to. Use it in ``with``; `publish` gives it its name.

    Files are written in a directory beside it, which is removed unless it was published: an incomplete export, or one
    that must not be handed on, never has a name. Raises `UsageError` for a name that is in use.
    """

    def __init__(self, path: Path, group: int | None = None) -> None:
        self.path = path
        self.group = group
        """Number of the group that may read it; None: only its owner."""
        self.work = path.absolute().parent / f".rustnet-{os.urandom(8).hex()}.tmp"
        self.files: list[str] = []
        """Names of the files, relative and with `/`, in the order in which they were begun."""
        self._check()

    def __enter__(self) -> Self:
        with self._explained():
            self.work.mkdir(mode=DIRECTORY)
        _unfinished.add(self.work)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        _unfinished.discard(self.work)

    def new(self, name: str) -> Path:
        """Path of a new file, whose directories exist, for a writer that creates it itself."""
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or name in self.files:
            raise ValueError(f"not a new name of a file in an export: {name}")
        path = self.work / place
        with self._explained():
            for folder in reversed(place.parents[:-1]):
                (self.work / folder).mkdir(mode=DIRECTORY, exist_ok=True)
        self.files.append(name)
        return path

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Open a new file for writing."""
        path = self.new(name)
        with self._explained():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), FILE)
            with open(handle, "wb") as stream:  # noqa: PTH123 -- a descriptor
                yield stream

    def publish(self) -> None:
        """Give the directory its name."""
        self._check()
        with self._explained():
            for name in self.files:
                self._set_mode(self.work / name, FILE, GROUP_FILE)
            if self.group is not None:
                inner = (self.work / parent for name in self.files for parent in Path(name).parents)
                for folder in {self.work, *inner}:
                    self._set_mode(folder, DIRECTORY, GROUP_DIRECTORY)
            if self.path.is_dir():
                self.path.rmdir()  # an empty one
            self.work.rename(self.path)

    def _set_mode(self, path: Path, private: int, shared: int) -> None:
        if self.group is not None:
            shutil.chown(path, group=self.group)
        path.chmod(private if self.group is None else shared)

    def _check(self) -> None:
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            raise UsageError("{path}: exists and is no directory; choose another", path=self.path)
        if self.path.is_dir() and any(self.path.iterdir()):
            raise UsageError("{path}: is not empty; choose a new directory", path=self.path)
        if not self.path.absolute().parent.is_dir():
            raise UsageError(
                "{path}: directory {folder} does not exist", path=self.path, folder=self.path.absolute().parent
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Explain an error of the system with the path of the export."""
        try:
            yield
        except OSError as error:
            raise RustnetError(
                "{path}: cannot be written: {strerror}", path=self.path, strerror=error.strerror or error
            ) from error
