"""`Parser`: opens inputs, one after another, and passes their rows to an `Outlet`.

`LocalParser` works in the calling thread; `rustnet.ingest.parser_process.ParserProcess` has one in another process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import Protocol

from rustnet.analysis.capture import Analysis
from rustnet.analysis.workers import Workers, is_dense, worker_count
from rustnet.errors import InputError, RustnetError
from rustnet.ingest.capture import LIVE, Analyser, CaptureIngest, Outcome
from rustnet.ingest.joining import Beginning
from rustnet.ingest.options import Options
from rustnet.ingest.outlet import Outlet
from rustnet.ingest.recorder import Recorder
from rustnet.ingest.recording import Segments
from rustnet.ingest.stop import StopToken
from rustnet.probe.ring_socket import RingInterface
from rustnet.sandbox import Layer
from rustnet.sources.assembly import MAX_SECTIONS
from rustnet.sources.files import FileSource
from rustnet.sources.frames import MAX_FRAME, Source
from rustnet.sources.joined import JoinedSource
from rustnet.sources.libpcap import LibpcapSource
from rustnet.sources.merged import FILE_BUFFER, FILE_PACKETS, MergedSource
from rustnet.sources.paced import PacedSource
from rustnet.sources.ring import RingSource
from rustnet.store.batches import Batch
from rustnet.store.tables import Capture

Following = Callable[[int | None], tuple[str, FileIO, bool] | None]
"""Opens the file that continues a capture, by the time of the last packet: path, descriptor, whether another process
hashes it; None if there is none."""

MoreRings = Callable[[], list[tuple[int, RingInterface]]]
"""Returns rings of interfaces that have appeared since the last call."""

PEEK_BYTES, PEEK_PACKETS = 2 * MAX_FRAME, 64
"""Size of the batch of which the first packet is looked at."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input that turned out to be a capture."""

    kind: str
    """``file``, ``stdin``, ``fifo`` or ``live``."""
    format: str
    """As in `SourceInfo.format`."""


class ParserFailedError(RustnetError):
    """The rest of a capture cannot be parsed; what was passed on before is valid."""


class Parser(Protocol):
    """Reads and parses one input after another."""

    layers: list[Layer]
    """What confines the process that parses; known once an input is open."""
    segments: Segments | None
    """Opens the files that packets are recorded to, if they are; to be set before an input is parsed."""

    def peek(self, path: str, file: FileIO) -> Beginning | None:
        """Read the first packet of a file; None without one. Raises `InputError`. Takes over ``file``."""

    def open(self, path: str, file: FileIO, hashed_elsewhere: bool = False, rest_bytes: int = 0) -> Input:
        """Recognise an input by its first bytes; raises `InputError` or `StoppedError`. Takes over ``file``.

        ``rest_bytes`` is the size of files that may continue it.
        """

    def add(self, path: str, file: FileIO, hashed_elsewhere: bool) -> Input:
        """Recognise a file that is merged with the open input; like `open`."""

    def open_rings(self, rings: Sequence[tuple[int, RingInterface]], name: str) -> Input:
        """Read packets of rings, also of those that come later; raises `InputError`. Takes over the descriptors."""

    def add_ring(self, descriptor: int, interface: RingInterface) -> None:
        """Read also the ring of an interface that has appeared; from any thread. Takes over the descriptor."""

    def run(self, capture: Capture, first_flow: int, outlet: Outlet, following: Following | None = None) -> Outcome:
        """Parse the open input to its end, or until the run is stopped. Raises `ParserFailedError`.

        ``following`` opens the files that continue it.
        """

    def skip(self) -> None:
        """Close the open input without parsing it."""

    def end(self) -> None:
        """Let the parser go while this process continues: no more inputs follow."""

    def close(self) -> None:
        """Release everything."""


class LocalParser:
    """Parses in the calling thread; with ``cores`` above 1, or workers that were asked for, in processes of its own."""

    def __init__(self, options: Options, stop: StopToken, cores: int = 1, layers: Sequence[Layer] = ()) -> None:
        self.layers = list(layers)
        self.segments: Segments | None = None
        self.options = options
        self.stop = stop
        self.cores = cores
        self.sources: list[FileSource] = []
        self.rings: RingSource | LibpcapSource | None = None
        self.appeared: list[tuple[int, RingInterface]] = []
        """Rings of interfaces that have appeared."""
        self.more_rings: MoreRings = self.take_rings
        self.workers: Workers | None = None

    def peek(self, path: str, file: FileIO) -> Beginning | None:
        """Read the first packet of a file."""
        with FileSource(
            path,
            file=file,
            stopped=self.stop.is_set,
            hashing=False,
            notes=False,
            buffer_bytes=PEEK_BYTES,
            batch_packets=PEEK_PACKETS,
        ) as source:
            frames = next((frames for frames in source.batches() if frames.count), None)
            if frames is None:
                return None
            interface = source.interfaces[frames.interface[0]]
            place = (frames.link[0], interface.snaplen, interface.name, source.info.application)
            return Beginning(source.info.format, *place, frames.ts[0])

    def open(self, path: str, file: FileIO, hashed_elsewhere: bool = False, rest_bytes: int = 0) -> Input:
        """Recognise an input, and start workers for it if that saves time."""
        self.skip()
        if self.workers is None and self.cores:
            self._start_workers(file, rest_bytes)
        source = FileSource(path, stopped=self.stop.is_set, file=file, hashed_elsewhere=hashed_elsewhere)
        self.sources = [source]
        return Input(source.info.kind, source.info.format)

    def add(self, path: str, file: FileIO, hashed_elsewhere: bool) -> Input:
        """Recognise a file that is merged with the open input."""
        source = FileSource(
            path,
            stopped=self.stop.is_set,
            file=file,
            hashed_elsewhere=hashed_elsewhere,
            buffer_bytes=FILE_BUFFER,
            batch_packets=FILE_PACKETS,
            first_section=len(self.sources) * MAX_SECTIONS,
        )
        self.sources.append(source)
        return Input(source.info.kind, source.info.format)

    def open_rings(self, rings: Sequence[tuple[int, RingInterface]], name: str) -> Input:
        """Map the rings."""
        self.skip()
        descriptors, interfaces = [ring[0] for ring in rings], [ring[1] for ring in rings]
        try:
            self.rings = RingSource(descriptors, interfaces, self.stop.is_set, True, self.more_rings, name)
        except (OSError, ValueError) as error:
            raise InputError("the rings of {names} cannot be read: {reason}", names=name, reason=error) from error
        return Input(LIVE, LIVE)

    def open_live(self, source: LibpcapSource) -> Input:
        """Read a source of live packets in this process."""
        self.skip()
        self.rings = source
        return Input(LIVE, LIVE)

    def add_ring(self, descriptor: int, interface: RingInterface) -> None:
        """Keep the ring until the source asks for more."""
        self.appeared.append((descriptor, interface))

    def take_rings(self) -> list[tuple[int, RingInterface]]:
        """Take the rings of interfaces that have appeared."""
        rings, self.appeared = self.appeared, []
        return rings

    def _assembled(self, following: Following | None) -> Source:
        """The open input as one source."""
        if self.rings is not None:
            self.rings.limits = self.options.limits
            return self.rings
        first = self.sources[0]
        source: Source = first
        if len(self.sources) > 1:
            source = MergedSource(self.sources)
        elif following is not None:
            open_next = following

            def next_file(last_ts: int | None, section: int) -> FileSource | None:
                opened = open_next(last_ts)
                if opened is None:
                    return None
                path, file, hashed_elsewhere = opened
                return FileSource(
                    path,
                    stopped=self.stop.is_set,
                    file=file,
                    hashed_elsewhere=hashed_elsewhere,
                    first_section=section,
                )

            source = JoinedSource(first, next_file)
        source.limits = self.options.limits
        if self.options.speed is not None:
            return PacedSource(source, self.options.speed, self.stop.wait)
        return source

    def _start_workers(self, file: FileIO, rest_bytes: int) -> None:
        options = self.options
        if options.strict_parsers or options.speed is not None or self.cores < 1:
            return
        count = worker_count(options.workers, self.cores, lambda: is_dense(file, rest_bytes))
        if count:
            self.workers = Workers(
                count,
                options.dissect,
                options.cadence,
                self.stop.is_set,
                drop_duplicates=options.drop_duplicates,
                layers=self.layers,
            )

    def run(self, capture: Capture, first_flow: int, outlet: Outlet, following: Following | None = None) -> Outcome:
        """Parse the open input."""
        if not self.sources and self.rings is None:
            raise RuntimeError("no input is open")
        options, source = self.options, self._assembled(following)
        analysis: Analyser
        if self.workers is None:
            drain: Callable[[list[Batch]], None] = outlet.put
            analysis = Analysis(
                capture.capture_id,
                first_flow,
                options.dissect,
                options.strict_parsers,
                cadence=options.cadence,
                drain=drain,
                drop_duplicates=options.drop_duplicates,
            )
        else:
            analysis = self.workers.begin(capture.capture_id, first_flow, outlet.put)
            source.ring = self.workers.ring
        try:
            recorder = None
            if self.segments is not None and options.recordings:
                recorder = Recorder(options.recordings, self.segments, source, self.stop.new_segment)
            return CaptureIngest(outlet, source, capture, analysis, self.stop, options.cadence, recorder).run()
        finally:
            source.close()
            self.skip()

    def skip(self) -> None:
        """Close the open input, if there is one."""
        sources, self.sources = self.sources, []
        for source in sources:
            source.close()
        if self.rings is not None:
            self.rings.close()
            self.rings = None

    def end(self) -> None:
        """Let the workers end."""
        if self.workers is not None:
            self.workers.dismiss()

    def close(self) -> None:
        """Close the open input and end the workers."""
        self.skip()
        if self.workers is not None:
            self.workers.close()
            self.workers = None
