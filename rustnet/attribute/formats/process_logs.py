"""`LogReader`: reads any log that a row of `rustnet.attribute.formats.log_table` describes."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rustnet.attribute.formats.log_syntax import Record, plain
from rustnet.attribute.formats.log_table import LOGS, Log
from rustnet.attribute.formats.statement import PATH, base_name
from rustnet.attribute.observation import PORTED, Faults, Observation, Observations, ProcessFacts
from rustnet.attribute.values import (
    ANY_V4,
    ANY_V6,
    MAX_TIME,
    MAX_U32,
    Address,
    BadValue,
    parse_address,
    parse_time,
    shown,
    words,
)
from rustnet.engine.numbers import protocol_name
from rustnet.errors import InputError

HOPELESS = 10_000
"""After so many broken records and not one good one, the file is no such log."""

_ANY = (ANY_V4, ANY_V6)
_TEXT = {"exe": PATH, "cmdline": PATH, "cwd": PATH, "name": 256, "username": 256, "host": 256}
_NUMBERS = ("pid", "ppid", "uid", "gid")
_UNSET_ID = MAX_U32
_REMEMBERED = 4096
Path_ = tuple[str, tuple[str, ...]]
"""A place as it stands, and its parts."""


class LogReader:
    """Reader of one log of a kind that `LOGS` describes: streams, holds one batch in memory."""

    def __init__(self, log: Log, path: Path, host: str | None = None) -> None:
        self.log = log
        self.path = path
        self.host = host
        self.source = log.name
        self.origin = words(path.name) or "log"
        self.records = 0
        self.faults = Faults()
        self._facts = [name for name in (*_TEXT, *_NUMBERS, "started_at") if name in log.fields]
        self._people: dict[tuple[object, ...], ProcessFacts | None] = {}
        """Processes by what records say of them: a log names few, many times."""
        self._fields = {name: _places(text) for name, text in log.fields.items()}
        self._keep = [(_places(text), values) for text, values in log.keep]
        self._swapped = (_places(log.swapped[0]), log.swapped[1]) if log.swapped else None
        self._roots = [_place(root) for root in log.roots]
        self._each = [_place(place) for place in log.each]

    @staticmethod
    def recognise(log: Log, _path: Path, head: bytes) -> bool:
        """Whether a file that begins like this is a log of this kind."""
        text = plain(head)
        return any(all(mark in text for mark in marks) for marks in log.marks)

    def batches(self) -> Iterator[Observations]:
        """Read the file to its end; a broken record becomes a fault.

        Raises `InputError` if the file cannot be opened or read, or holds not one record of its kind.
        """
        try:
            with self.path.open("rb") as file:
                yield from self._read(file)
        except OSError as error:
            raise InputError(
                "{path}: cannot read the sidecar: {strerror}", path=self.path, strerror=error.strerror or error
            ) from error
        if not self.records:
            why = f" (line {self.faults.kept[0][0]}: {self.faults.kept[0][1]})" if self.faults.bad else ""
            raise InputError(
                "{path}: not one {name} record of a connection{why}; check the file's format",
                path=self.path,
                name=self.log.name,
                why=why,
            )

    def _read(self, file: BinaryIO) -> Iterator[Observations]:
        batch = self._batch()
        for position, whole in self.log.syntax(file, self.faults):
            for record in self._unfolded(whole):
                if self.faults.bad >= HOPELESS and not self.records:
                    return
                try:
                    made = self._observations(record, position)
                except BadValue as bad:
                    self.faults.broken(position, str(bad))
                    continue
                if made is None:
                    continue
                self.records += 1
                self.faults.unsupported += not made
                for said in made:
                    batch.add(said)
            if batch.full:
                yield batch
                batch = self._batch()
        if len(batch):
            yield batch

    def _batch(self) -> Observations:
        return Observations(self.source, self.origin, host=self.host, names_only=self.log.names_only)

    def _unfolded(self, whole: Record) -> Iterator[Record]:
        """Yield the records that one object brings."""
        for place in self._each:
            found = _at(whole, place)
            if isinstance(found, list):
                rest = {key: value for key, value in whole.items() if key != place[1][0]}
                yield from (rest | {self.log.roots[0]: one} for one in found if isinstance(one, dict))
                return
        yield whole

    def _observations(self, record: Record, position: int) -> list[Observation] | None:
        """Observations of a record: ``None`` if it is of another kind, none at all if no flow can be matched with it.

        Raises `BadValue` if its ends or its time make no sense.
        """
        inner = next((r for r in (_at(record, root) for root in self._roots) if isinstance(r, dict)), record)

        def get(name: str) -> object:
            places = self._fields.get(name)
            return _first(record, inner, places) if places else None

        for places, values in self._keep:
            if _word(_first(record, inner, places)) not in values:
                return None
        protocols = self._protocols(get("protocol"))
        local, remote = _address(get("local")), _address(get("remote"))
        local_port, remote_port = _port(get("local_port")), _port(get("remote_port"))
        if self._swapped and _word(_first(record, inner, self._swapped[0])) in self._swapped[1]:
            local, local_port, remote, remote_port = remote, remote_port, local, local_port
        begun = moment(get("time"))
        ended = begun
        if begun is not None and (lasted := get("lasted")) is not None:
            ended = min(MAX_TIME, begun + _seconds(lasted))
        family = 0
        if not remote_port and remote in _ANY:
            remote = None
        if local in _ANY and (remote is None or not local_port):
            family = 4 if local == ANY_V4 and local_port else 0
            local = None
        process = None if self.log.names_only else self._process(get, position)
        host = process.host if process else None
        alias = _label(get("alias"))
        quality = _label(get("quality")) or self.log.quality
        service = _label(get("service")) if alias else None
        made = []
        for protocol in protocols:
            ends = _ends(protocol in PORTED, local, local_port, remote, remote_port)
            if ends is not None:
                said = Observation(protocol, *ends, begun, ended, begun, process, quality, position)
                made.append(said._replace(host=host, family=family, alias=alias, service=service))
        return made

    def _protocols(self, value: object) -> tuple[str, ...]:
        """Protocols that a record may be about, as flows name them."""
        word = _word(value).lower()
        if not word and not self.log.protocols:
            raise BadValue("names no protocol")
        if not word:
            return self.log.protocols
        if word.isdigit() and len(word) < 4:
            word = protocol_name(int(word)) if 0 < int(word) < 256 else ""
        word = "icmp" if word in ("icmpv6", "icmp6", "ipv6-icmp") else word
        return (word,) if word.isascii() and word.isalnum() and len(word) <= 16 else ()

    def _process(self, get: Callable[[str], object], position: int) -> ProcessFacts | None:
        """Return the process of a record; what makes no sense is left out and counted."""
        raw = tuple(get(name) for name in self._facts)
        plain_ = not {type(value) for value in raw} - {str, int, type(None)}
        if plain_ and raw in self._people:
            return self._people[raw]
        odd = self.faults.values
        facts = self._person(dict(zip(self._facts, raw, strict=True)).get, position)
        if plain_ and odd == self.faults.values and all(type(v) is not str or len(v) <= 1024 for v in raw):
            if len(self._people) >= _REMEMBERED:
                self._people.clear()
            self._people[raw] = facts
        return facts

    def _person(self, get: Callable[[str], object], position: int) -> ProcessFacts | None:
        """Read what a record says of its process."""
        made: dict[str, str | int | None] = {}
        try:
            for name, longest in _TEXT.items():
                value = get(name)
                made[name] = words(value if isinstance(value, str | None) else str(value)[:longest], longest)
            for name in _NUMBERS:
                number = _number(get(name), MAX_U32)
                made[name] = None if number == _UNSET_ID else number
            made["started_at"] = moment(get("started_at"))
        except BadValue as bad:
            self.faults.odd(position, str(bad))
        if not made.get("name"):
            exe = made.get("exe")
            made["name"] = base_name(exe) if isinstance(exe, str) else None
        facts = ProcessFacts(**made)  # type: ignore[arg-type]  # text and numbers as the names have them
        return facts if facts.pid is not None or facts.name is not None else None


def readers() -> Iterator[tuple[str, Callable[[Path, bytes], bool], Callable[[Path, str | None], LogReader]]]:
    """Name, recogniser and reader of each kind of log."""
    for log in LOGS:
        yield log.name, partial(LogReader.recognise, log), partial(LogReader, log)


# ---- places ------------------------------------------------------------------------------------------------------


def _place(text: str) -> Path_:
    return text, tuple(text.split(".")) if text else ()


def _places(text: str) -> list[tuple[bool, Path_]]:
    """Places as a row of `LOGS` writes them: (in the whole record, place)."""
    return [(one.startswith("/"), _place(one.removeprefix("/"))) for one in text.split()]


def _at(record: Record, place: Path_) -> object:
    """Value at a place, or ``None``."""
    name, parts = place
    if not parts:
        return record
    if name in record:
        return record[name]
    value: object = record
    for part in parts:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _first(record: Record, inner: Record, places: list[tuple[bool, Path_]]) -> object:
    """First value that is there."""
    for outside, place in places:
        where = record if outside else inner
        value = where.get(place[0])
        if value is None and len(place[1]) > 1:
            value = _at(where, place)
        if value is not None and not isinstance(value, dict):
            return value
    return None


_Ends = tuple[Address | None, int | None, Address | None, int | None]


def _ends(
    ported: bool, local: Address | None, local_port: int, remote: Address | None, remote_port: int
) -> _Ends | None:
    """Ends of an observation; ``None`` if no flow can be found by them."""
    if not ported:
        return (local, None, remote, None) if local or remote else None
    if remote and remote_port:  # before a call of `connect` returns, the local end is not known
        return (local, local_port, remote, remote_port) if local_port else (None, None, remote, remote_port)
    return (local, local_port, None, None) if local_port else None


# ---- values ------------------------------------------------------------------------------------------------------


def _word(value: object) -> str:
    """A short value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip().lower()
    return str(value) if isinstance(value, int) and value.bit_length() < 65 else ""


def _label(value: object) -> str | None:
    return words(value, 64) if isinstance(value, str) else None


def _number(value: object, largest: int) -> int | None:
    """Whole number, as a number or in decimal or hexadecimal digits; -1 and empty text are none."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("", "-1", "-"):
            return None
        try:
            value = int(text, 16) if text.startswith("0x") else int(text) if len(text) < 21 else -1
        except ValueError:
            raise BadValue(f"{shown(text)} is no number") from None
    if value is None or value == -1:
        return None
    if type(value) is not int or not 0 <= value <= largest:
        raise BadValue(f"{shown(value)} is no number from 0 to {largest}")
    return value


def _port(value: object) -> int:
    return _number(value, 0xFFFF) or 0


def _address(value: object) -> Address | None:
    """Address, or ``None`` where there is no text."""
    if value is None or value in ("", "-"):
        return None
    if not isinstance(value, str) or len(value) > 64:
        raise BadValue(f"{shown(value)} is no IP address")
    return parse_address(value.strip())


def _seconds(value: object) -> int:
    """Nanoseconds of a span in seconds."""
    try:
        span = float(value) if isinstance(value, str | int | float) else -1.0
    except (ValueError, OverflowError):
        span = -1.0
    if not 0 <= span < 1e9:
        raise BadValue(f"{shown(value)} is no span of time")
    return round(span * 1e6) * 1000


_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (MAX_TIME + 1, 1))


def moment(value: object) -> int | None:
    """Nanoseconds since 1970 UTC of a time as logs write it: text, or a number of s, ms, µs or ns by its size.

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
        raise BadValue(f"{shown(value)} is no time")
    return min(MAX_TIME, value * next(unit for limit, unit in _UNITS if value < limit))
