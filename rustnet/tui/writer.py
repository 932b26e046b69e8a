"""The process that writes the session while the browser shows it, as far as the browser knows it."""

from dataclasses import dataclass
from typing import Protocol

from rustnet.i18n import _


@dataclass(frozen=True, slots=True)
class WriterProgress:
    """How far a replay is."""

    source: str
    """Path of the capture that is being read."""
    file_index: int
    """Its index among the captures."""
    files: int
    """Number of captures."""
    position: int
    """Bytes of its file that have been read."""
    size: int | None
    """Bytes of its file; None if they are not known."""
    packets: int
    """Packets of the capture that have been read."""
    flows: int
    """Flows that they are part of."""


class Writer(Protocol):
    """A process that writes the session and ends with the browser, unless the user lets it go on."""

    @property
    def temporary(self) -> bool:
        """Whether the session is removed at the end: then nothing is lost by stopping."""

    @property
    def live(self) -> bool:
        """Whether it captures from interfaces, so that it has no end of its own and can go on without a terminal."""

    def running(self) -> bool:
        """Whether it has not ended yet."""

    def progress(self) -> WriterProgress | None:
        """How far it is; None before the first packet."""

    def messages(self) -> list[str]:
        """Lines that it has written since the last call, made safe for any terminal."""

    def stop(self) -> None:
        """Request it to store what it has read, and to end; returns at once."""

    def detach(self) -> None:
        """Let it go on when the browser has ended."""


def reading(writer: Writer) -> str:
    """How far a writer is, in a few words; empty when it has ended."""
    if not writer.running():
        return ""
    if writer.live:
        return _("LIVE")
    progress = writer.progress()
    if progress is None or not progress.size:
        return _("READING")
    percent = min(99, 100 * progress.position // progress.size)
    if progress.files == 1:
        return _("READING {percent} %").format(percent=percent)
    return _("READING {number}/{files} {percent} %").format(
        number=progress.file_index + 1, files=progress.files, percent=percent
    )
