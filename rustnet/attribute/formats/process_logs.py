"""`LogReader`: reads the logs that `rustnet.attribute.formats.log_table` describes."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rustnet.attribute.formats.input_file import open_input_file
from rustnet.attribute.formats.log_syntax import Record, as_utf8
from rustnet.attribute.formats.log_table import LOGS, Log
from rustnet.attribute.formats.process_starts import ProcessStarts
from rustnet.attribute.formats.statement import PATH, base_name
from rustnet.attribute.observation import PORTED, Faults, Observation, Observations, ProcessFacts
from rustnet.attribute.reasons import NO_ENDS, NO_PROTOCOL, OTHER_KIND, REMOVED, listed
from rustnet.attribute.values import (
    ANY_V4,
    ANY_V6,
    MAX_TIME,
    MAX_U32,
    Address,
    BadValue,
    bounded_text,
    parse_address,
    parse_time,
    shown,
)
from rustnet.engine.numbers import protocol_name
from rustnet.errors import InputError
from rustnet.filenames import as_text

HOPELESS_RECORDS = 10_000
"""Malformed records after which a file without a single valid record is rejected."""

UNFIT = frozenset((NO_ENDS, NO_PROTOCOL))
"""Reasons of records of connections that cannot match a flow; the others are of records of another kind."""

_ANY = (ANY_V4, ANY_V6)
_UNKNOWN = frozenset(("", "0", "-1", "unknown"))
"""Values of a protocol that a source does not know."""
_NO_ADDRESS = frozenset(("", "-", "0", "unknown", 0))
"""Values of an address that a source does not know."""
_TEXT = {"exe": PATH, "cmdline": PATH, "cwd": PATH, "name": 256, "username": 256, "host": 256}
_NUMBERS = ("pid", "ppid", "uid", "gid")
_NO_TEXT = frozenset(("-", "<unknown process>"))
"""Texts of Sysmon about a process that it does not know."""
_UNSET_ID = MAX_U32
_CACHED = 4096
FieldPath = tuple[str, tuple[str, ...]]
"""A path as text, and its keys."""


class LogReader:
    """Reader of one log that `LOGS` describes; holds one batch in memory."""

    def __init__(self, log: Log, path: Path, host: str | None = None, *, alone: bool = False) -> None:
        self.log = log
        self.path = path
        self.host = host
        self.source = log.name
        self.origin = bounded_text(as_text(path.name)) or "log"
        self.records = 0
        self.faults = Faults()
        self._facts = [name for name in (*_TEXT, *_NUMBERS, "started_at", "guid") if name in log.fields]
        self._processes: dict[tuple[object, ...], ProcessFacts | None] = {}
        """Processes by their raw fields: a log repeats few of them many times."""
        self._fields = {name: _paths(text) for name, text in log.fields.items()}
        self._keep = [(_paths(text), values) for text, values in log.keep]
        self._drop = [(_paths(text), values) for text, values in log.drop]
        self._swapped = (_paths(log.swapped[0]), log.swapped[1]) if log.swapped else None
        self._roots = [_path_of(root) for root in log.roots]
        self._each = [_path_of(place) for place in log.each]
        self._starts = ProcessStarts() if log.starts else None
        self._starting = (_paths(log.starts[0][0]), log.starts[0][1]) if log.starts else None
        self._start_fields = {name: _paths(text) for name, text in log.starts[1].items()} if log.starts else {}
        others = [] if alone else [other for other in LOGS if other.name in log.with_]
        self._readers = (self, *(LogReader(other, path, host, alone=True) for other in others))
        """This reader, and those of other logs whose records the file may hold."""
        for reader in self._readers:
            reader.faults = self.faults

    @staticmethod
    def recognise(log: Log, _path: Path, head: bytes) -> bool:
        """Whether a file that starts with ``head`` is such a log."""
        text = as_utf8(head)
        return any(all(mark in text for mark in marks) for marks in log.marks)

    def batches(self) -> Iterator[Observations]:
        """Read the file to its end; a malformed record is counted in ``faults``.

        Raises `InputError` if the file cannot be read or has no valid record.
        """
        try:
            with open_input_file(self.path) as file:
                yield from self._read(file)
        except OSError as error:
            raise InputError(
                "{path}: cannot read the sidecar: {strerror}", path=self.path, strerror=error.strerror or error
            ) from error
        if not self.records:
            raise self._no_valid_record()

    def _no_valid_record(self) -> InputError:
        if not self.faults.bad:
            if self.faults.skipped:
                return InputError(
                    "{path}: no {name} record of a connection: {reasons}",
                    path=self.path,
                    name=self.log.name,
                    reasons=listed(self.faults.skipped),
                )
            return InputError(
                "{path}: no {name} record of a connection; check the file's format",
                path=self.path,
                name=self.log.name,
            )
        line, reason = self.faults.kept[0]
        return InputError(
            "{path}: no {name} record of a connection (line {line}: {reason}); check the file's format",
            path=self.path,
            name=self.log.name,
            line=line,
            reason=reason,
        )

    def _read(self, file: BinaryIO) -> Iterator[Observations]:
        batches = [reader._batch() for reader in self._readers]
        for position, entry in self.log.syntax(file, self.faults):
            for record in self._rows(entry):
                if self.faults.bad >= HOPELESS_RECORDS and not self.records:
                    return
                try:
                    number, observations = self._of_first(record, position)
                except BadValue as bad:
                    self.faults.malformed(position, str(bad))
                    continue
                if isinstance(observations, str):
                    self.faults.skipped[observations] += 1
                    if observations not in UNFIT:
                        continue
                    self.faults.unsupported += 1
                    observations = []
                self.records += 1
                for observation in observations:
                    batches[number].add(observation)
                if batches[number].full:
                    yield batches[number]
                    batches[number] = self._readers[number]._batch()
        yield from filter(len, batches)

    def _of_first(self, record: Record, position: int) -> tuple[int, list[Observation] | str]:
        """Number of the first reader to which a record is not of another kind, and what it states."""
        observations: list[Observation] | str = OTHER_KIND
        for number, reader in enumerate(self._readers):
            observations = reader._observations(record, position)
            if observations != OTHER_KIND:
                return number, observations
        return 0, observations

    def _batch(self) -> Observations:
        return Observations(self.source, self.origin, host=self.host, names_only=self.log.names_only)

    def _rows(self, entry: Record) -> Iterator[Record]:
        """Yield the records of one object: itself, or one for each row of its list."""
        for path in self._each:
            rows = _at(entry, path)
            if isinstance(rows, list):
                common = {key: value for key, value in entry.items() if key != path[1][0]}
                yield from (common | {self.log.roots[0]: row} for row in rows if isinstance(row, dict))
                return
        yield entry

    def _observations(self, record: Record, position: int) -> list[Observation] | str:
        """Observations of a record, or the reason why it has none: it is of another kind, or cannot match a flow.

        Raises `BadValue` if its ends or its time are invalid.
        """
        inner = next((r for r in (_at(record, root) for root in self._roots) if isinstance(r, dict)), record)

        def get(name: str) -> object:
            paths = self._fields.get(name)
            return _first(record, inner, paths) if paths else None

        if (other := self._other(record, inner)) is not None:
            self._take_start(record, inner)
            return other
        protocols = self._protocols(get("protocol"))
        local, remote = _address(get("local")), _address(get("remote"))
        local_port, remote_port = _port(get("local_port")), _port(get("remote_port"))
        if self._swapped and _word(_first(record, inner, self._swapped[0])) in self._swapped[1]:
            local, local_port, remote, remote_port = remote, remote_port, local, local_port
        start = moment(get("time"))
        end = start
        if start is not None and (duration := get("duration")) is not None:
            end = min(MAX_TIME, start + _seconds(duration))
        family = 0
        if not remote_port and remote in _ANY:
            remote = None
        if local in _ANY and (remote is None or not local_port or self.log.unbound):
            family = 4 if local == ANY_V4 and local_port else 0
            local = None
        process = None if self.log.names_only else self._process(get, position)
        host = process.host if process else None
        alias = _label(get("alias"))
        quality = _label(get("quality")) or self.log.quality
        service = _label(get("service")) if alias else None
        observations = []
        for protocol in protocols:
            ends = _ends(protocol in PORTED, local, local_port, remote, remote_port)
            if ends is not None:
                observation = Observation(protocol, *ends, start, end, start, process, quality, position)
                observations.append(observation._replace(host=host, family=family, alias=alias, service=service))
        return observations or (NO_ENDS if protocols else NO_PROTOCOL)

    def _other(self, record: Record, inner: Record) -> str | None:
        """Why a record is none of a connection; ``None`` if it is one."""
        if any(_word(_first(record, inner, paths)) not in values for paths, values in self._keep):
            return OTHER_KIND
        return REMOVED if any(_word(_first(record, inner, p)) in values for p, values in self._drop) else None

    def _take_start(self, record: Record, inner: Record) -> None:
        """Keep what a record states about a process that starts."""
        if self._starts and self._starting and _word(_first(record, inner, self._starting[0])) in self._starting[1]:
            stated = {name: _first(record, inner, paths) for name, paths in self._start_fields.items()}
            self._starts.add(stated["guid"], stated.get)

    def _protocols(self, value: object) -> tuple[str, ...]:
        """Possible protocols of a record, named as in `flows.protocol`."""
        word = _word(value).lower()
        if word in _UNKNOWN and self.log.protocols:
            return self.log.protocols
        if not word:
            raise BadValue("missing protocol")
        if word.isdigit() and len(word) < 4:
            word = protocol_name(int(word)) if 0 < int(word) < 256 else ""
        word = "icmp" if word in ("icmpv6", "icmp6", "ipv6-icmp") else word
        return (word,) if word.isascii() and word.isalnum() and len(word) <= 16 else ()

    def _process(self, get: Callable[[str], object], position: int) -> ProcessFacts | None:
        """Process of a record; invalid values are ignored and counted."""
        raw = tuple(get(name) for name in self._facts)
        cacheable = not {type(value) for value in raw} - {str, int, type(None)}
        if cacheable and raw in self._processes:
            return self._processes[raw]
        invalid = self.faults.values
        facts = self._parse_process(dict(zip(self._facts, raw, strict=True)).get, position)
        if cacheable and invalid == self.faults.values and all(type(v) is not str or len(v) <= 1024 for v in raw):
            if len(self._processes) >= _CACHED:
                self._processes.clear()
            self._processes[raw] = facts
        return facts

    def _parse_process(self, get: Callable[[str], object], position: int) -> ProcessFacts | None:
        """Process facts of a record."""
        values: dict[str, str | int | None] = {}
        try:
            for name, longest in _TEXT.items():
                value = get(name)
                value = None if isinstance(value, str) and value in _NO_TEXT else value
                values[name] = bounded_text(value if isinstance(value, str | None) else str(value)[:longest], longest)
            for name in _NUMBERS:
                number = _number(get(name), MAX_U32)
                values[name] = None if number == _UNSET_ID else number
            values["started_at"] = moment(get("started_at"))
        except BadValue as bad:
            self.faults.invalid(position, str(bad))
        if not values.get("name"):
            exe = values.get("exe")
            values["name"] = base_name(exe) if isinstance(exe, str) else None
        facts = ProcessFacts(**values)  # type: ignore[arg-type]  # text and numbers by name
        facts = self._starts.complete(get("guid"), facts) if self._starts else facts
        return facts if facts.pid or facts.name is not None else None


def readers() -> Iterator[tuple[str, Callable[[Path, bytes], bool], Callable[[Path, str | None], LogReader]]]:
    """Name, recogniser and reader of each log."""
    for log in LOGS:
        yield log.name, partial(LogReader.recognise, log), partial(LogReader, log)


# ---- paths ------------------------------------------------------------------------------------------------------


def _path_of(text: str) -> FieldPath:
    return text, tuple(text.split(".")) if text else ()


def _paths(text: str) -> list[tuple[bool, FieldPath]]:
    """Parse the paths of a row of `LOGS`: (relative to the whole record, path)."""
    return [(path.startswith("/"), _path_of(path.removeprefix("/"))) for path in text.split()]


def _at(record: Record, path: FieldPath) -> object:
    """Value at a path, or ``None``."""
    text, keys = path
    if not keys:
        return record
    if text in record:
        return record[text]
    value: object = record
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _first(record: Record, inner: Record, paths: list[tuple[bool, FieldPath]]) -> object:
    """First value that is present."""
    for absolute, path in paths:
        root = record if absolute else inner
        value = root.get(path[0])
        if value is None and len(path[1]) > 1:
            value = _at(root, path)
        if value is not None and not isinstance(value, dict):
            return value
    return None


_Ends = tuple[Address | None, int | None, Address | None, int | None]


def _ends(
    ported: bool, local: Address | None, local_port: int, remote: Address | None, remote_port: int
) -> _Ends | None:
    """Ends of an observation; ``None`` if they cannot match a flow."""
    if not ported:
        return (local, None, remote, None) if local or remote else None
    if remote and remote_port:  # before `connect` returns, the local end is unknown
        return (local, local_port, remote, remote_port) if local_port else (None, None, remote, remote_port)
    return (local, local_port, None, None) if local_port else None


# ---- values ------------------------------------------------------------------------------------------------------


def _word(value: object) -> str:
    """A short value as lower-case text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip().lower()
    return str(value) if isinstance(value, int) and value.bit_length() < 65 else ""


def _label(value: object) -> str | None:
    return bounded_text(value, 64) if isinstance(value, str) else None


def _number(value: object, largest: int) -> int | None:
    """Integer, as a number or as decimal or hexadecimal text; -1 and empty text are ``None``."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("", "-1", "-"):
            return None
        try:
            value = int(text, 16) if text.startswith("0x") else int(text) if len(text) < 21 else -1
        except ValueError:
            raise BadValue(f"invalid number {shown(text)}") from None
    if value is None or value == -1:
        return None
    if type(value) is not int or not 0 <= value <= largest:
        raise BadValue(f"expected an integer from 0 to {largest}, not {shown(value)}")
    return value


def _port(value: object) -> int:
    return _number(value, 0xFFFF) or 0


def _address(value: object) -> Address | None:
    """Address, or ``None`` for missing or empty text."""
    if value is None or (isinstance(value, str | int) and value in _NO_ADDRESS):
        return None
    if not isinstance(value, str) or len(value) > 64:
        raise BadValue(f"invalid IP address {shown(value)}")
    return parse_address(value.strip())


def _seconds(value: object) -> int:
    """Nanoseconds of a duration in seconds."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else -1.0
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise BadValue(f"invalid duration {shown(value)}")
    return round(seconds * 1e6) * 1000


_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (MAX_TIME + 1, 1))


def moment(value: object) -> int | None:
    """Nanoseconds since 1970 UTC of a log's time: text, or a number in s, ms, µs or ns according to its size.

    Raises `BadValue` for anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        text = value.strip()
        whole, point, fraction = text.partition(".")
        if not (whole.isascii() and whole.isdigit() and len(whole) < 20 and (not point or fraction.isdigit())):
            return parse_time(text)
        unit = next((unit for limit, unit in _UNITS if int(whole) < limit), 0)
        if point and unit == 10**9:
            return parse_time({"secs_since_epoch": int(whole), "nanos_since_epoch": int(fraction[:9].ljust(9, "0"))})
        value = int(whole)
    if type(value) is float and 0 <= value < 1e10:
        return parse_time(value)
    if type(value) is float and value.is_integer() and 0 <= value < 1e19:
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_TIME:
        raise BadValue(f"invalid time {shown(value)}")
    return min(MAX_TIME, value * next(unit for limit, unit in _UNITS if value < limit))
