"""Check a sidecar against the schema of version 1, and count what it says.

A line is sound if the schema admits it and the reader that replays use can make sense of it. RustNet's own lines are
checked too: version 1 only adds keys to them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from rustnet.attribute.formats.rustnet_sidecar import LineParser, json_object, lines
from rustnet.attribute.observation import Faults
from rustnet.attribute.values import BadValue, parse_time
from rustnet.errors import InputError

KEPT = 1000
"""Broken lines that are kept with their reason; more are counted."""

COVERED = {
    "pid": "pid",
    "executable": "process_executable",
    "command line": "cmdline",
    "start time": "started_at",
    "user": "process_uid",
    "lineage": "process_lineage",
    "hash": "exe_sha256",
}
"""What the coverage is about, and the key that says it."""

_MOST_TELLING = 10_000


@dataclass(slots=True)
class Verdict:
    """What is to be said of one sidecar."""

    lines: int = 0
    """Lines that are not blank."""
    broken: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    """Line number and reason of the first of them."""
    connections: int = 0
    """Sound lines about connections and sockets."""
    about: Counter[str] = field(default_factory=Counter)
    """Lines about the recording, by kind."""
    versions: Counter[str] = field(default_factory=Counter)
    """Lines about connections by version: ``1``, or ``RustNet``."""
    recorders: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    """Lines about connections that say each of `COVERED`."""
    unowned: Counter[str] = field(default_factory=Counter)
    """Lines about connections without a process, by reason."""
    first: int | None = None
    last: int | None = None
    """From when to when connections were seen (nanoseconds since 1970 UTC)."""
    missed: list[str] = field(default_factory=list)
    """What the recorder itself says it missed."""

    def share(self, key: str) -> float:
        """Share of the connections that say one of `COVERED`."""
        return self.covered[key] / self.connections if self.connections else 0.0

    def broke(self, number: int, reason: str) -> None:
        """Count a broken line."""
        self.broken += 1
        if len(self.faults) < KEPT:
            self.faults.append((number, reason))


def shipped() -> Traversable:
    """Return the folder of the recorder and the schema: in the package, or at the top of a checkout."""
    packaged = resources.files("rustnet") / "sidecar"
    if packaged.is_dir():
        return packaged
    return Path(str(resources.files("rustnet"))).parent / "sidecar"


def schema() -> dict[str, Any]:
    """Return the schema of one line."""
    made: dict[str, Any] = json.loads((shipped() / "connections.v1.schema.json").read_text("utf-8"))
    return made


def validate(path: Path) -> Verdict:
    """Check a file line by line; `InputError` if it cannot be read."""
    import fastjsonschema  # noqa: PLC0415 -- only here

    admit: Callable[[object], object] = fastjsonschema.compile(schema(), use_default=False)
    made = Verdict()
    try:
        for number, line in _numbered(path, made):
            try:
                record = json_object(line)
                admit(record)
                _read(line, number)
            except BadValue as bad:
                made.broke(number, str(bad))
            except fastjsonschema.JsonSchemaValueException as bad:
                made.broke(number, _reason(bad))
            else:
                _count(made, record)
    except OSError as error:
        raise InputError(
            "{path}: cannot read the sidecar: {strerror}", path=path, strerror=error.strerror or error
        ) from error
    return made


def _numbered(path: Path, made: Verdict) -> Iterator[tuple[int, bytes]]:
    """Lines of the file; those that are too long are broken."""
    faults = Faults()
    with path.open("rb") as file:
        for number, line in lines(file, faults):
            _take(faults, made)
            made.lines += 1
            yield number, line
    _take(faults, made)


def _take(faults: Faults, made: Verdict) -> None:
    """Move faults of the line reader into the verdict."""
    made.lines += faults.bad
    for number, reason in faults.kept[: faults.bad]:
        made.broke(number, reason)
    faults.bad = 0
    faults.kept.clear()


def _read(line: bytes, number: int) -> None:
    """Let the reader of replays read a line; what it would leave out is a fault here."""
    faults = Faults()
    LineParser(faults).parse(line, number)
    if faults.first_value:
        raise BadValue(faults.first_value[1])


def _reason(bad: Any) -> str:
    """Say what the schema does not admit, without the value: it may be long or secret."""
    place = bad.name.removeprefix("data").lstrip(".") or "the line"
    words = str(bad.message).removeprefix(str(bad.name)).strip()
    return f"{place} {words}"[:300]


def _count(made: Verdict, record: dict[str, Any]) -> None:
    """Count what a sound line says."""
    get = record.get
    if "recorder" in record and len(made.recorders) < _MOST_TELLING:
        made.recorders[record["recorder"]] += 1
    if get("protocol") == "META":
        made.about[record["record"]] += 1
        if get("record") == "end":
            made.missed = get("missed", [])[:20]
        return
    made.connections += 1
    made.versions[str(get("sidecar_version", "RustNet"))] += 1
    if len(made.hosts) < _MOST_TELLING:
        made.hosts[get("host") or "not told"] += 1
    for words, key in COVERED.items():
        made.covered[words] += get(key) is not None
    if get("pid") is None and get("process_name") is None:
        made.unowned[get("unowned_because") or "not told"] += 1
    first, last = parse_time(get("first_seen")), parse_time(get("last_seen"))
    if first is not None and (made.first is None or first < made.first):
        made.first = first
    if last is not None and (made.last is None or last > made.last):
        made.last = last
