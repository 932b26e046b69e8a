"""`Parser`: opens inputs, one after another, and passes their rows to an `Outlet`.

`LocalParser` works in the calling thread; `rustnet.ingest.parser_process.ParserProcess` has one in another process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import Protocol

from rustnet.analysis.capture import Analysis
from rustnet.analysis.workers import Workers, is_dense, worker_count
from rustnet.errors import RustnetError
from rustnet.ingest.capture import Analyser, CaptureIngest, Outcome
from rustnet.ingest.options import Options
from rustnet.ingest.outlet import Outlet
from rustnet.ingest.stop import StopToken
from rustnet.sources.files import open_source
from rustnet.sources.frames import Source
from rustnet.sources.paced import PacedSource
from rustnet.store.batches import Batch
from rustnet.store.tables import Capture


@dataclass(frozen=True, slots=True)
class Input:
    """An input that turned out to be a capture."""

    kind: str
    """``file``, ``stdin`` or ``fifo``."""
    format: str
    """As in `SourceInfo.format`."""


class ParserFailedError(RustnetError):
    """The rest of a capture cannot be parsed; what was passed on before is valid."""


class Parser(Protocol):
    """Reads and parses one input after another."""

    def open(self, path: str, file: FileIO, hashed_elsewhere: bool) -> Input:
        """Recognise an input by its first bytes; raises `InputError` or `StoppedError`. Takes over ``file``."""

    def run(self, capture: Capture, first_flow: int, outlet: Outlet) -> Outcome:
        """Parse the open input to its end, or until the run is stopped. Raises `ParserFailedError`."""

    def skip(self) -> None:
        """Close the open input without parsing it."""

    def end(self) -> None:
        """Let the parser go while this process continues: no more inputs follow."""

    def close(self) -> None:
        """Release everything."""


class LocalParser:
    """Parses in the calling thread; with ``cores`` above 1, or workers that were asked for, in processes of its own."""

    def __init__(self, options: Options, stop: StopToken, cores: int = 1) -> None:
        self.options = options
        self.stop = stop
        self.cores = cores
        self.source: Source | None = None
        self.workers: Workers | None = None

    def open(self, path: str, file: FileIO, hashed_elsewhere: bool = False) -> Input:
        """Recognise an input, and start workers for it if that saves time."""
        self.skip()
        if self.workers is None and self.cores:
            self._start_workers(file)
        source = open_source(path, self.stop.is_set, file=file, hashed_elsewhere=hashed_elsewhere)
        source.limits = self.options.limits
        if self.options.speed is not None:
            source = PacedSource(source, self.options.speed, self.stop.wait)
        self.source = source
        return Input(source.info.kind, source.info.format)

    def _start_workers(self, file: FileIO) -> None:
        options = self.options
        if options.strict_parsers or options.speed is not None or self.cores < 1:
            return
        count = worker_count(options.workers, self.cores, lambda: is_dense(file))
        if count:
            self.workers = Workers(
                count, options.dissect, options.cadence, self.stop.is_set, drop_duplicates=options.drop_duplicates
            )

    def run(self, capture: Capture, first_flow: int, outlet: Outlet) -> Outcome:
        """Parse the open input."""
        source, options = self.source, self.options
        if source is None:
            raise RuntimeError("no input is open")
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
            return CaptureIngest(outlet, source, capture, analysis, self.stop, options.cadence).run()
        finally:
            self.skip()

    def skip(self) -> None:
        """Close the open input, if there is one."""
        source, self.source = self.source, None
        if source is not None:
            source.close()

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
