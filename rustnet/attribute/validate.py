"""Check a sidecar against the schema of version 1, and count what it covers.

A line is valid if it conforms to the schema and the reader used by replays accepts it. RustNet's own lines are checked
as well, since version 1 only adds keys to them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from rustnet.attribute.discover import open_sidecar
from rustnet.attribute.formats.rustnet_sidecar import RustnetSidecar
from rustnet.attribute.formats.sidecar_line import LineParser, json_object, lines
from rustnet.attribute.observation import Faults, SidecarReader
from rustnet.attribute.values import BadValue, parse_time
from rustnet.errors import InputError

KEPT = 1000
"""Invalid lines that are kept with their reason; further ones are only counted."""

COVERED = {
    "pid": "pid",
    "executable": "process_executable",
    "command line": "cmdline",
    "start time": "started_at",
    "user": "process_uid",
    "lineage": "process_lineage",
    "hash": "exe_sha256",
}
"""Attributes of the coverage statistics, and the key of each."""

_MAX_DISTINCT = 10_000


@dataclass(slots=True)
class SidecarCheck:
    """Result of checking one sidecar."""

    lines: int = 0
    """Lines that are not blank."""
    broken: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    """Line number and reason of the first invalid lines."""
    connections: int = 0
    """Valid lines about connections and sockets."""
    about: Counter[str] = field(default_factory=Counter)
    """Lines about the recording, by kind."""
    versions: Counter[str] = field(default_factory=Counter)
    """Lines about connections by version: ``1``, or ``RustNet``."""
    recorders: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    """Lines about connections that have each of `COVERED`."""
    unowned: Counter[str] = field(default_factory=Counter)
    """Lines about connections without a process, by reason."""
    first: int | None = None
    last: int | None = None
    """First and last time of the connections (nanoseconds since 1970 UTC)."""
    missed: list[str] = field(default_factory=list)
    """Losses that the recorder reported."""

    def share(self, key: str) -> float:
        """Share of the connections that have one of `COVERED`."""
        return self.covered[key] / self.connections if self.connections else 0.0

    def add_fault(self, number: int, reason: str) -> None:
        """Count an invalid line."""
        self.broken += 1
        if len(self.faults) < KEPT:
            self.faults.append((number, reason))


@dataclass(slots=True)
class LogCheck:
    """Result of reading a log of another format."""

    source: str
    """Name of the format."""
    records: int = 0
    """Records about connections and sockets."""
    fit: int = 0
    """Of these, records that can match a flow."""
    owned: int = 0
    """Of these, records that name a process."""
    broken: int = 0
    """Records that could not be parsed."""
    faults: list[tuple[int, str]] = field(default_factory=list)
    """Line and reason of the first of them."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Records that cannot match a flow and records of other kinds, by one of `rustnet.attribute.reasons`."""
    first: int | None = None
    last: int | None = None
    """First and last time of the records (nanoseconds since 1970 UTC)."""


def other_format(path: Path) -> SidecarReader | None:
    """Reader of a file of another format than the schema's; ``None`` for a sidecar, or if none is recognised."""
    try:
        reader = open_sidecar(path)
    except InputError:
        return None
    return None if isinstance(reader, RustnetSidecar) else reader


def check_log(reader: SidecarReader) -> LogCheck:
    """Read a log of another format to its end as replays do; `InputError` if it cannot be read or has no record."""
    check = LogCheck(reader.source)
    seen: tuple[object, ...] | None = None
    for batch in reader.batches():
        for observation in batch:
            ends = (observation.position, *observation[1:6])
            check.fit += ends != seen  # a record without a protocol is one observation for each that is possible
            check.owned += ends != seen and observation.process is not None
            seen = ends
            for time in (observation.window_start, observation.window_end):
                if time is not None:
                    check.first = time if check.first is None else min(check.first, time)
                    check.last = time if check.last is None else max(check.last, time)
    check.records = reader.records
    check.broken, check.faults = reader.faults.bad, list(reader.faults.kept)
    check.skipped = reader.faults.skipped
    return check


def shipped() -> Traversable:
    """Folder of the recorder and the schema: in the package, or at the top of a checkout."""
    packaged = resources.files("rustnet") / "sidecar"
    if packaged.is_dir():
        return packaged
    return Path(str(resources.files("rustnet"))).parent / "sidecar"


def schema() -> dict[str, Any]:
    """JSON Schema of one line."""
    loaded: dict[str, Any] = json.loads((shipped() / "connections.v1.schema.json").read_text("utf-8"))
    return loaded


def validate(path: Path) -> SidecarCheck:
    """Check a file line by line; `InputError` if it cannot be read."""
    import fastjsonschema  # noqa: PLC0415 -- only here

    check_schema: Callable[[object], object] = fastjsonschema.compile(schema(), use_default=False)
    check = SidecarCheck()
    try:
        for number, line in _numbered(path, check):
            try:
                record = json_object(line)
                check_schema(record)
                _read(line, number)
            except BadValue as bad:
                check.add_fault(number, str(bad))
            except fastjsonschema.JsonSchemaValueException as bad:
                check.add_fault(number, _reason(bad))
            else:
                _count(check, record)
    except OSError as error:
        raise InputError(
            "{path}: cannot read the sidecar: {strerror}", path=path, strerror=error.strerror or error
        ) from error
    return check


def _numbered(path: Path, check: SidecarCheck) -> Iterator[tuple[int, bytes]]:
    """Lines of the file; lines that are too long are invalid."""
    faults = Faults()
    with path.open("rb") as file:
        for number, line in lines(file, faults):
            _move_faults(faults, check)
            check.lines += 1
            yield number, line
    _move_faults(faults, check)


def _move_faults(faults: Faults, check: SidecarCheck) -> None:
    """Move faults of the line reader into the result."""
    check.lines += faults.bad
    for number, reason in faults.kept[: faults.bad]:
        check.add_fault(number, reason)
    faults.bad = 0
    faults.kept.clear()


def _read(line: bytes, number: int) -> None:
    """Parse a line as replays do; a value that they would ignore makes it invalid."""
    faults = Faults()
    LineParser(faults).parse(line, number)
    if faults.first_value:
        raise BadValue(faults.first_value[1])


def _reason(bad: Any) -> str:
    """Violated rule of the schema, without the value, which may be long or secret."""
    path = bad.name.removeprefix("data").lstrip(".") or "the line"
    rule = str(bad.message).removeprefix(str(bad.name)).strip()
    return f"{path} {rule}"[:300]


def _count(check: SidecarCheck, record: dict[str, Any]) -> None:
    """Count a valid line."""
    get = record.get
    if "recorder" in record and len(check.recorders) < _MAX_DISTINCT:
        check.recorders[record["recorder"]] += 1
    if get("protocol") == "META":
        check.about[record["record"]] += 1
        if get("record") == "end":
            check.missed = get("missed", [])[:20]
        return
    check.connections += 1
    check.versions[str(get("sidecar_version", "RustNet"))] += 1
    if len(check.hosts) < _MAX_DISTINCT:
        check.hosts[get("host") or "unknown"] += 1
    for attribute, key in COVERED.items():
        check.covered[attribute] += get(key) is not None
    if get("pid") is None and get("process_name") is None:
        check.unowned[get("unowned_because") or "unknown"] += 1
    first, last = parse_time(get("first_seen")), parse_time(get("last_seen"))
    if first is not None and (check.first is None or first < check.first):
        check.first = first
    if last is not None and (check.last is None or last > check.last):
        check.last = last
