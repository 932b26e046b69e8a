"""Progress and report of a run."""

from dataclasses import dataclass, field
from pathlib import Path

from rustnet.attribute.packet_statements import PacketStatements
from rustnet.errors import ExitCode
from rustnet.present.text import printable
from rustnet.sources.frames import Damage
from rustnet.store.tables import Capture, CaptureFile


@dataclass(slots=True)
class Progress:
    """Progress of a replay."""

    source: str
    """Capture that is being read."""
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


@dataclass(slots=True)
class CaptureReport:
    """Report of one input."""

    capture_id: int
    """Its number in the session."""
    source: str
    """Its path as given."""
    packets: int = 0
    """Packets that were read."""
    flows: int = 0
    """Flows that they are part of."""
    wire_bytes: int = 0
    """Bytes of its packets as they were on the wire."""
    captured_bytes: int = 0
    """Bytes of them that the capture holds."""
    truncated: int = 0
    """Packets cut short by the snap length."""
    undecoded: int = 0
    """Packets that could not be decoded."""
    out_of_order: int = 0
    """Packets with a time before that of their predecessor."""
    damage: list[Damage] = field(default_factory=list)
    """Places that could not be read."""
    complete: bool = False
    """It was read to a clean end."""
    sha256: str | None = None
    """Hash of its file."""
    dropped_kernel: int | None = None
    """Packets that the kernel dropped while capturing, if the capture says so."""
    dropped_interface: int | None = None
    """Packets that the interface dropped, if the capture says so."""
    first_ts: int | None = None
    """Earliest time, in nanoseconds since 1970 UTC."""
    last_ts: int | None = None
    """Latest time."""
    evicted: int = 0
    """Flows that ended early because the flow table was full."""
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


@dataclass(slots=True, repr=False)
class Report:
    """Report of a whole run."""

    session: str
    """Path of the session."""
    captures: list[CaptureReport] = field(default_factory=list)
    """What was read of each capture."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(path, one-line message) of inputs that could not be read."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(path, one-line message) of inputs that the session already contains."""
    replaced: list[str] = field(default_factory=list)
    """One line for each partial capture of an earlier run that was replaced."""
    known: list[tuple[int, str]] = field(default_factory=list)
    """(capture, path) of the skipped inputs."""
    interrupted: bool = False
    """The run was stopped early."""
    losses: list[str] = field(default_factory=list)
    """A sentence for everything that was lost."""
    not_stored: list[str] = field(default_factory=list)
    """Sentences about rows that DuckDB refused, and about passes that failed; `losses` has them too."""
    packet_claims: dict[int, PacketStatements] = field(default_factory=dict)
    """Claims carried by the packets of a capture, by `capture_id`."""
    sidecars: list[str] = field(default_factory=list)
    """One line for each sidecar: file, claims, matched flows, broken lines."""

    def __repr__(self) -> str:
        """Session and totals, and whether something went wrong."""
        packets, flows = sum(c.packets for c in self.captures), sum(c.flows for c in self.captures)
        captures = f"{len(self.captures)} capture{'' if len(self.captures) == 1 else 's'}"
        notes = {"failed": len(self.failed), "skipped": len(self.skipped), "losses": len(self.losses)}
        words = "".join(f", {count} {name}" for name, count in notes.items() if count)
        words += ", interrupted" if self.interrupted else ""
        return printable(f"<Report {Path(self.session).name}: {captures}, {packets:,} packets, {flows:,} flows{words}>")

    notes: list[str] = field(default_factory=list)
    """Sentences about what was found and could not be used, though nobody asked for it."""

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
