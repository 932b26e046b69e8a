"""`Options` of an ingest run."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rustnet.enrich.geofiles import GeoFiles
from rustnet.ingest.joining import Join
from rustnet.ingest.recording import Recording
from rustnet.sources.limits import Limits
from rustnet.store.cadence import BATCH, LIVE, Cadence

if TYPE_CHECKING:
    from rustnet.alerts.plan import AlertPlan

__all__ = ["GeoFiles", "Limits", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an ingest run."""

    sidecars: tuple[str, ...] = ()
    """Sidecar files given by name; without any, those next to each capture are used."""
    sidecar_format: str | None = None
    """Format of the sidecars given by name; None: detected from their content."""
    discover: bool = True
    """Look for sidecars next to each capture."""
    sidecar_offset: float | Literal["auto"] | None = None
    """Seconds added to the times of sidecars; ``auto``: the measured difference between the clocks."""
    again: bool = False
    """Ingest a file even if the session contains one with the same hash."""
    strict_parsers: bool = False
    """Raise failures of parsers instead of recording them."""
    dissect: bool = True
    """Parse payloads."""
    drop_duplicates: bool = False
    """Leave packets that are copies of others out of the counts of flows."""
    workers: int | None = None
    """Number of analysis processes; None: by input size and CPUs, 0: this process only."""
    join: Join = "auto"
    """Whether inputs that continue each other in time are one capture."""
    merge: bool = False
    """Merge the packets of all inputs by time into one capture."""
    limits: Limits = field(default_factory=Limits)
    """How much of each input is read."""
    geo: GeoFiles = field(default_factory=GeoFiles)
    """The user's databases of countries, cities and autonomous systems; without any, those that are found."""
    speed: float | None = None
    """Pace packets by their times, this many times as fast as captured, in this process only; None: do not pace."""

    live: bool = False
    """Packets come from interfaces."""
    libpcap: bool = False
    """They are captured by libpcap, in this process."""
    sandbox: Literal["on", "off", "strict"] = "on"
    """Whether the process that parses is confined: ``on`` as far as the system can, ``strict`` wholly or not at all."""
    recordings: tuple[Recording, ...] = ()
    """Files that the packets are written to; rows of live packets name those of the first."""
    json_log: str | None = None
    """File that the events of connections are appended to."""
    replace: bool = False
    """Files with the names of ``recordings`` are replaced."""
    group: int | None = None
    """Group that may read what is written beside the session."""
    alerts: "AlertPlan | None" = None
    """What is raised at the end, and while a paced capture is read."""
    answer_at_once: bool = False
    """Answer readers from the beginning; otherwise once the run has taken longer than most do."""

    @property
    def cadence(self) -> Cadence:
        """How often rows are flushed to the session."""
        return LIVE if self.live or self.speed is not None else BATCH
