"""Progress and report of a run."""

from dataclasses import dataclass, field

from rustnet.attribute.packet_statements import PacketStatements
from rustnet.errors import ExitCode
from rustnet.sources.frames import Damage
from rustnet.store.tables import Capture, CaptureFile


@dataclass(slots=True)
class Progress:
    """Progress of an ingest."""

    source: str
    file_index: int
    files: int
    position: int
    size: int | None
    packets: int
    flows: int


@dataclass(slots=True)
class CaptureReport:
    """Report of one input."""

    capture_id: int
    source: str
    packets: int = 0
    flows: int = 0
    wire_bytes: int = 0
    captured_bytes: int = 0
    truncated: int = 0
    undecoded: int = 0
    out_of_order: int = 0
    damage: list[Damage] = field(default_factory=list)
    complete: bool = False
    sha256: str | None = None
    dropped_kernel: int | None = None
    dropped_interface: int | None = None
    first_ts: int | None = None
    last_ts: int | None = None
    evicted: int = 0
    files: list[CaptureFile] = field(default_factory=list)
    """Its files, if there are several."""

    @classmethod
    def of(
        cls, c: Capture, flows: int, evicted: int, damage: list[Damage], files: list[CaptureFile]
    ) -> "CaptureReport":
        """Report from the final row of a capture."""
        return cls(
            capture_id=c.capture_id,
            source=c.source,
            packets=c.packets,
            flows=flows,
            wire_bytes=c.wire_bytes,
            captured_bytes=c.captured_bytes,
            truncated=c.truncated,
            undecoded=c.undecoded,
            out_of_order=c.out_of_order,
            damage=damage,
            complete=c.complete,
            sha256=c.sha256,
            dropped_kernel=c.dropped_kernel,
            dropped_interface=c.dropped_interface,
            first_ts=c.first_ts,
            last_ts=c.last_ts,
            evicted=evicted,
            files=files,
        )


@dataclass(slots=True)
class Report:
    """Report of a whole run."""

    session: str
    captures: list[CaptureReport] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(path, one-line message) of inputs that could not be read."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(path, one-line message) of inputs that the session already contains."""
    replaced: list[str] = field(default_factory=list)
    """One line for each partial capture of an earlier run that was replaced."""
    known: list[tuple[int, str]] = field(default_factory=list)
    """(capture, path) of the skipped inputs."""
    interrupted: bool = False
    losses: list[str] = field(default_factory=list)
    not_stored: list[str] = field(default_factory=list)
    """Sentences about rows that DuckDB refused, and about passes that failed; `losses` has them too."""
    packet_claims: dict[int, PacketStatements] = field(default_factory=dict)
    """Claims carried by the packets of a capture, by `capture_id`."""
    sidecars: list[str] = field(default_factory=list)
    """One line for each sidecar: file, claims, matched flows, broken lines."""

    def exit_code(self, strict: bool) -> ExitCode:
        """Exit code of the run; ``strict`` counts losses as failure."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.failed:
            return ExitCode.INPUT
        if self.skipped and not self.captures:
            return ExitCode.FAILURE
        if strict and self.losses:
            return ExitCode.LOSSES
        return ExitCode.DONE

    def note_losses(self) -> None:
        """Add a sentence for everything that was lost."""
        self.losses += self.not_stored
        for c in self.captures:
            if not c.complete:
                self.losses.append(f"{c.source}: not read to a clean end")
            if c.undecoded:
                self.losses.append(f"{c.source}: {c.undecoded} packets could not be decoded")
            if c.dropped_kernel or c.dropped_interface:
                dropped = (c.dropped_kernel or 0) + (c.dropped_interface or 0)
                self.losses.append(f"{c.source}: {dropped} packets were dropped while capturing")
            if c.evicted:
                self.losses.append(f"{c.source}: {c.evicted} flows ended early because the flow table was full")
