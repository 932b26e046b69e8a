"""Options of a run."""

from dataclasses import dataclass
from typing import Literal

from rustnet.store.cadence import BATCH, LIVE, Cadence


@dataclass(frozen=True, slots=True)
class Options:
    """How to ingest."""

    sidecars: tuple[str, ...] = ()
    """Sidecar files given by name; without any they are looked for beside each capture."""
    sidecar_format: str | None = None
    """Format of the sidecars given by name; without it their content tells."""
    discover: bool = True
    """Look for sidecars beside each capture."""
    sidecar_offset: float | Literal["auto"] | None = None
    """Seconds that are added to the times of sidecars; ``auto``: as much as their clock is found to be off."""
    again: bool = False
    """Ingest a file even if the session has one of the same hash."""
    strict_parsers: bool = False
    """Raise a parser's failure instead of recording it."""
    dissect: bool = True
    """Read payloads."""
    workers: int | None = None
    """Processes that analyse; `None`: as many as help, 0: none but this one."""
    speed: float | None = None
    """Replay packets by their times, so many times as fast as they were captured, in this process alone; `None`: all as
    fast as possible."""

    @property
    def cadence(self) -> Cadence:
        """How often what was read becomes visible and permanent."""
        return BATCH if self.speed is None else LIVE
