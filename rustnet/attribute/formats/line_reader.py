"""`LineReader`: reads a sidecar line by line into batches of observations."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rustnet.attribute.formats.input_file import open_input_file
from rustnet.attribute.formats.sidecar_line import SOURCE, LineParser, lines
from rustnet.attribute.observation import Faults, Observations
from rustnet.attribute.reasons import NO_ENDS
from rustnet.attribute.values import BadValue, bounded_text
from rustnet.errors import InputError
from rustnet.filenames import as_text

HOPELESS_LINES = 10_000
"""Malformed lines after which a file without a single valid line is rejected."""


class LineReader:
    """Reader of one file of lines, which holds one batch and one line in memory."""

    source: str = SOURCE

    def __init__(self, path: Path, host: str | None = None) -> None:
        self.path = path
        self.host = host
        self.origin = bounded_text(as_text(path.name)) or "sidecar"
        self.records = 0
        self.faults = Faults()

    def batches(self) -> Iterator[Observations]:
        """Read the file to its end; a malformed line is counted in ``faults``.

        Raises `InputError` if the file cannot be read or has no valid line.
        """
        try:
            with open_input_file(self.path) as file:
                yield from self.read(lines(file, self.faults), self._parser())
        except OSError as error:
            raise self._unreadable(error) from error
        if not self.records:
            raise self._no_valid_line()

    @property
    def hopeless(self) -> bool:
        """Whether so many lines are malformed, without a valid one, that the file is no sidecar."""
        return self.faults.bad >= HOPELESS_LINES and not self.records

    def read(self, numbered: Iterable[tuple[int, bytes]], parser: LineParser) -> Iterator[Observations]:
        """Parse numbered lines into batches."""
        batches: dict[tuple[str, bool], Observations] = {}
        for number, line in numbered:
            try:
                observation = parser.parse(line, number)
            except BadValue as bad:
                truncated = not line.endswith(b"\n") and not line.rstrip().endswith(b"}")
                self.faults.malformed(number, f"the last line is truncated: {bad}" if truncated else str(bad))
                if self.hopeless:
                    return
                continue
            self.records += 1
            batch = batches.get(parser.source)
            if batch is None:
                source, exported = parser.source
                batch = Observations(source, self.origin, host=self.host, keep_last=not exported)
                batches[parser.source] = batch
            if observation is None:
                self.faults.unsupported += 1
                self.faults.skipped[NO_ENDS] += 1
            else:
                batch.add(observation)
            while parser.further:
                batch.add(parser.further.pop())
            if batch.full:
                yield batches.pop(parser.source)
        yield from filter(len, batches.values())

    def _parser(self) -> LineParser:
        """Parser of the lines; subclasses with the same keys replace it."""
        return LineParser(self.faults, self.source)

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(
            "{path}: cannot read the sidecar: {strerror}", path=self.path, strerror=error.strerror or error
        )

    def _no_valid_line(self) -> InputError:
        if not self.faults.bad:
            return InputError("{path}: the sidecar is empty; expected records of connections", path=self.path)
        line, reason = self.faults.kept[0]
        return InputError(
            "{path}: not a sidecar: no valid line (line {line}: {reason})", path=self.path, line=line, reason=reason
        )
