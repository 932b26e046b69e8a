"""RustNet's sidecar ``<capture>.connections.jsonl``, and version 1 of rustnet's own, which extends it.

One JSON object per connection and line; ``sidecar/FORMAT.md`` explains the keys of version 1.

RustNet writes a record when a connection expires, when its tuple is used again, and at exit, where connections that
are still open may be written twice: of records with the same protocol, ends, ``first_seen`` and process the last
counts. ``local_addr`` is the packet's source only if that is an address of the host, so both orientations must be
tried. Its addresses come from packets; `0.0.0.0` is literal. Version 1 (``sidecar/record.py``, ``rustnet export``)
speaks of sockets instead: its lines know more of the process and of the host, one socket that several processes hold
has a line for each of them, and unbound ends stand as ``0.0.0.0:0`` or ``[::]:0``. Its ``META`` lines tell of the
recording: the host's addresses, and processes without a connection. Exported lines name the source of their claim,
which keeps its rank. Keys that say nothing of ownership (bytes, state, round-trip time, GeoIP) are read past: the
capture itself knows better.
"""

import json
import marshal
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from rustnet.attribute.observation import PORTED, Batch, Ends, Faults, Observation, Observations, ProcessFacts
from rustnet.attribute.values import (
    ANY_V4,
    ANY_V6,
    Address,
    BadValue,
    bounded,
    parse_endpoint,
    parse_time,
    shown,
    words,
)
from rustnet.engine.numbers import protocol_name
from rustnet.errors import InputError

SOURCE = "rustnet-sidecar"

UNSTATED = "unstated"
"""Quality of records that carry no ``attribution_match`` (older files)."""

MAX_LINE = 1 << 20
"""A longer line is broken; what follows it up to the next line feed is passed over unread."""

HOPELESS_LINES = 10_000
"""After so many broken lines and not one good one, the file is no sidecar."""

_PATH = 4096
_ANCESTORS = 16
_MAX_MS = (1 << 62) // 1_000_000 - 1
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "ICMP": "icmp", "ICMPV6": "icmp", "IGMP": "igmp", "ARP": "arp"}
_OPEN = frozenset({"listener-socket", "wildcard-local-address", "wildcard-remote-address"})
_RECORDER = "rustnet-record/"
_META, _ABOUT = "META", "meta"
_ADDRESSES, _MANY_SOURCES = 4096, 64
_SEND_ONLY = 255
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,16}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

PROCESS_KEYS = (
    "pid",
    "process_name",
    "process_ppid",
    "process_uid",
    "process_gid",
    "process_executable",
    "process_lineage",
    "kubernetes",
    "cmdline",
    "cwd",
    "username",
    "started_at",
    "container_id",
    "cgroup",
    "host",
    "exe_sha256",
    "boot_id",
    "sidecar_version",
)
_REMEMBERED, _REMEMBERED_LENGTH = 8192, 2048

_DECODER = json.JSONDecoder()

_T = TypeVar("_T")
_ANY = (ANY_V4, ANY_V6)
_Ends = tuple[Address | None, int | None, Address | None, int | None]
Json = dict[str, object]


class RustnetSidecar:
    """Reader of one sidecar: streams, holds one batch and one line in memory."""

    source: str = SOURCE

    def __init__(self, path: Path, host: str | None = None) -> None:
        self.path = path
        self.host = host
        self.origin = words(path.name) or "sidecar"
        self.records = 0
        self.faults = Faults()

    @staticmethod
    def recognise(path: Path, head: bytes) -> bool:
        """Whether a file that begins like this is likely one: by its name, or by a key that every record has."""
        return path.name.endswith(".connections.jsonl") or b'"local_addr"' in head

    def batches(self) -> Iterator[Observations]:
        """Read the file to its end; a broken line becomes a fault.

        Raises `InputError` if the file cannot be opened or read, or holds not one valid line.
        """
        try:
            with self.path.open("rb") as file:
                yield from self.read(lines(file, self.faults), self._parser())
        except OSError as error:
            raise InputError(
                "{path}: cannot read the sidecar: {strerror}", path=self.path, strerror=error.strerror or error
            ) from error
        if not self.records:
            raise InputError(self._hopeless())

    def blocks(self) -> Iterator[Batch]:
        """Read the file as `batches` does: the same observations, many times faster."""
        from rustnet.attribute.formats.plain import read_blocks  # noqa: PLC0415 -- it knows this class

        if type(self) is not RustnetSidecar:  # the quick way knows the keys of this format only
            yield from self.batches()
            return
        try:
            with self.path.open("rb") as file:
                yield from read_blocks(file, self)
        except OSError as error:
            raise InputError(
                "{path}: cannot read the sidecar: {strerror}", path=self.path, strerror=error.strerror or error
            ) from error
        if not self.records:
            raise InputError(self._hopeless())

    @property
    def hopeless(self) -> bool:
        """Whether so much is broken, and nothing is not, that the file is no sidecar."""
        return self.faults.bad >= HOPELESS_LINES and not self.records

    def read(self, numbered: Iterable[tuple[int, bytes]], parser: "LineParser") -> Iterator[Observations]:
        """Batches of numbered lines."""
        batches: dict[tuple[str, bool], Observations] = {}
        for number, line in numbered:
            try:
                said = parser.parse(line, number)
            except BadValue as bad:
                cut = not line.endswith(b"\n") and not line.rstrip().endswith(b"}")
                self.faults.broken(number, f"the last line is cut off: {bad}" if cut else str(bad))
                if self.hopeless:
                    return
                continue
            self.records += 1
            batch = batches.get(parser.source)
            if batch is None:
                batch = batches[parser.source] = self._batch(*parser.source)
            if said is None:
                self.faults.unsupported += 1
            else:
                batch.add(said)
            while parser.more:
                batch.add(parser.more.pop())
            if batch.full:
                yield batches.pop(parser.source)
        yield from filter(len, batches.values())

    def _parser(self) -> "LineParser":
        """What reads the lines; a format with the same keys has another."""
        return LineParser(self.faults, self.source)

    def _batch(self, source: str, exported: bool) -> Observations:
        return Observations(source, self.origin, host=self.host, keep_last=not exported)

    def _hopeless(self) -> str:
        """Why the file is no sidecar, for people."""
        if not self.faults.bad:
            return f"{self.path}: the sidecar is empty; ownership is read from a file that holds connections"
        line, reason = self.faults.kept[0]
        return f"{self.path}: no sidecar: not one valid line (line {line}: {reason}); check which file was given"


def lines(file: BinaryIO, faults: Faults) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; those longer than `MAX_LINE` become faults."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            faults.broken(number, f"longer than {MAX_LINE} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            continue
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        if not line.isspace():
            yield number, line


class LineParser:
    """Makes observations of lines, and remembers the processes of earlier lines: a sidecar names few, many times."""

    def __init__(self, faults: Faults, source: str = SOURCE) -> None:
        self.faults = faults
        self.format = source
        self.source = (source, False)
        """Source of the last line's claim, and whether it comes from a session: such lines are written once."""
        self.more: list[Observation] = []
        """What the last line says beside: the caller takes it away."""
        self._people: dict[bytes, ProcessFacts | None] = {}
        self._sources: set[str] = set()

    def parse(self, line: bytes, number: int) -> Observation | None:
        """One record of a sidecar; ``None`` for a socket that no flow can be matched with (most raw sockets).

        Raises `BadValue` if it has no protocol and ends, or a time that makes no sense; other values that make no
        sense are left out and counted in ``faults``.
        """
        return self.observe(json_object(line), number)

    def observe(self, record: Json, number: int) -> Observation | None:
        """One record that was read; see `parse`."""
        get = record.get
        claimed = get("claim_source")
        self.source = (self.format, False) if claimed is None else self._claimed(claimed)
        if get("protocol") == _META:
            self._about(record, number)
            return None
        protocol = _protocol(get("protocol"), get("ip_protocol"))
        local, local_port = parse_endpoint(get("local_addr"))
        remote, remote_port = parse_endpoint(get("remote_addr"))
        if protocol is None:
            return None
        own = get("sidecar_version") is not None
        first, last = parse_time(get("first_seen")), parse_time(get("last_seen"))
        if (first is None or last is None) and not own:
            first = last = last if first is None else first
        elif first is not None and last is not None and last < first:
            first, last = last, first
        observed = quality = None
        try:
            quality = words(get("attribution_match"), 64)
            observed = parse_time(get("timestamp"))
        except BadValue as bad:
            self.faults.odd(number, str(bad))
        ported = protocol in PORTED
        ends: _Ends = (local, local_port, remote, remote_port) if ported else (local, None, remote, None)
        family = 0
        unbound = not remote_port and remote in _ANY
        open_end = get("open_end") if own else None
        if open_end == "local" and local in _ANY:
            family = _family(local, either=get("ipv6_only") is not True)
            ends = None, ends[1], remote, ends[3]
        elif open_end != "none" and unbound and (ported or own or quality in _OPEN or _recorded(get("recorder"))):
            if ported and not local_port:
                return None
            family = _family(local, either=ported and get("ipv6_only") is not True)
            ends = None if local in _ANY else local, ends[1], None, None
        process = self._process(record, number)
        return Observation(
            protocol,
            *ends,
            first,
            last,
            observed,
            process,
            quality or UNSTATED,
            number,
            host=self._host(get("host"), process),
            family=family,
            echo=self._echo(get("icmp_id"), number) if protocol == "icmp" else None,
            translated=self._translated(get("nat_local_addr"), get("nat_remote_addr"), ends, number),
        )

    def _claimed(self, name: object) -> tuple[str, bool]:
        """Source of an exported claim; a file names few, and rank is the policy's business."""
        known = self._sources
        if type(name) is str and (name in known or (len(known) < _MANY_SOURCES and _NAME.fullmatch(name))):
            known.add(name)
            return name, True
        return SOURCE, True

    def _about(self, record: Json, number: int) -> None:
        """Take from a line about the recording the host's addresses, and a process that has no connection."""
        get = record.get
        process = self._process(record, number)
        host = self._host(get("host"), process)
        blank = Observation(
            _ABOUT, None, None, None, None, parse_time(get("first_seen")), parse_time(get("last_seen")), None, None,
            _ABOUT, number, host=host,
        )  # fmt: skip
        if process is not None:
            self.more.append(blank._replace(process=process))
        addresses = get("addresses")
        for text in addresses[:_ADDRESSES] if type(addresses) is list else ():
            try:
                address, _ = parse_endpoint(f"[{text}]:0" if ":" in str(text) else f"{text}:0")
            except BadValue as bad:
                self.faults.odd(number, str(bad))
                continue
            # Nobody's connection with itself: it matches nothing, and makes the address known as the host's own.
            self.more.append(blank._replace(local=address, remote=address))

    def _translated(self, local: object, remote: object, ends: "_Ends", number: int) -> Ends | None:
        """Ends behind NAT; an end that is not stated is the same on both sides."""
        at, port, to, remote_port = ends
        try:
            if local is not None:
                at, port = parse_endpoint(local)
            if remote is not None:
                to, remote_port = parse_endpoint(remote)
        except BadValue as bad:
            self.faults.odd(number, str(bad))
            return None
        if at is None or to is None or (at, port, to, remote_port) == ends:
            return None
        return (at, port, to, remote_port) if ends[1] is not None else (at, None, to, None)

    def _echo(self, value: object, number: int) -> int | None:
        """Identifier of an echo socket; 0 says that the kernel has not chosen one yet."""
        try:
            return bounded(value, 0xFFFF) or None
        except BadValue as bad:
            self.faults.odd(number, str(bad))
            return None

    @staticmethod
    def _host(value: object, process: ProcessFacts | None) -> str | None:
        """Host of a line: what its process says of it, or what a line without a process says."""
        if process is not None or type(value) is not str:
            return process and process.host
        return words(value)

    def _process(self, record: Json, number: int) -> ProcessFacts | None:
        """Return the process of a record, or ``None`` if it has neither pid nor name."""
        try:
            # Version 2 of the format knows no references: equal values make equal bytes, and 1 is not `true`.
            said = marshal.dumps(list(map(record.get, PROCESS_KEYS)), 2)
        except ValueError:
            raise BadValue("is nested beyond all bounds") from None
        if said in self._people:
            return self._people[said]
        odd = self.faults.values
        facts: ProcessFacts | None = self._facts(record, number)
        if facts is not None and facts.pid is None and facts.name is None:
            # Version 1 may know a user, a path or a container of somebody whose pid and name are not known.
            own = record.get("sidecar_version") is not None
            facts = (
                facts if own and any(value is not None for value in facts._replace(host=None, boot_id=None)) else None
            )
        if odd == self.faults.values and len(said) <= _REMEMBERED_LENGTH:
            if len(self._people) >= _REMEMBERED:
                self._people.clear()
            self._people[said] = facts
        return facts

    def _facts(self, record: Json, number: int) -> ProcessFacts:
        """Read what a record says of its process; what makes no sense is left out and counted."""

        def take(read: Callable[..., _T], value: object, *limit: int) -> _T | None:
            try:
                return read(value, *limit)
            except BadValue as bad:
                self.faults.odd(number, str(bad))
                return None

        get = record.get
        cube = take(_mapping, get("kubernetes")) or {}
        return ProcessFacts(
            host=take(words, get("host")),
            pid=take(bounded, get("pid")),
            ppid=take(bounded, get("process_ppid")),
            name=take(words, get("process_name")),
            exe=take(words, get("process_executable"), _PATH),
            cmdline=take(words, get("cmdline"), _PATH),
            cwd=take(words, get("cwd"), _PATH),
            uid=take(bounded, get("process_uid")),
            username=take(words, get("username")),
            gid=take(bounded, get("process_gid")),
            started_at=take(parse_time, get("started_at")),
            lineage=take(_lineage, get("process_lineage")),
            container_id=take(words, cube.get("container_id")) or take(words, get("container_id")),
            container_name=take(words, cube.get("container_name")),
            pod=take(words, cube.get("pod_name")),
            pod_uid=take(words, cube.get("pod_uid")),
            namespace=take(words, cube.get("pod_namespace")),
            cgroup=take(words, cube.get("cgroup_path"), _PATH) or take(words, get("cgroup"), _PATH),
            exe_sha256=take(words, get("exe_sha256"), 64),
            boot_id=take(words, get("boot_id"), 64),
        )


def json_object(line: bytes) -> Json:
    """Read the JSON object of a line."""
    try:
        text = line.decode().strip()
        record, end = _DECODER.raw_decode(text)
    except UnicodeDecodeError:
        raise BadValue("is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadValue(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError):
        raise BadValue("is no JSON that can be read: a number or a nesting beyond all bounds") from None
    if end != len(text):
        raise BadValue(f"is no JSON: more behind the value at character {end + 1}")
    if type(record) is not dict:
        raise BadValue("is no JSON object")
    return record


def _protocol(value: object, number: object) -> str | None:
    """Protocol as flows name it; ``None`` for raw sockets of which no flow can be matched.

    A raw socket of a protocol with ports hears all of it and owns nothing; number 255 only sends, whatever it likes.
    """
    if value == "RAW":
        raw = None
        with suppress(BadValue):
            raw = bounded(number, _SEND_ONLY)
        name = protocol_name(raw) if raw and raw != _SEND_ONLY else None
        return None if name in PORTED else _PROTOCOLS.get((name or "").upper(), name)
    if type(value) is not str:
        raise BadValue("names no protocol")
    known = _PROTOCOLS.get(value)
    if known is None:
        if not _TOKEN.fullmatch(value):
            raise BadValue(f"{shown(value)} is no protocol")
        known = _PROTOCOLS.get(value.upper(), value.lower())
    return known


def _recorded(value: object) -> bool:
    """Whether the recorder wrote the line: there unbound ends are open, not addresses of packets."""
    return type(value) is str and value.startswith(_RECORDER)


def _family(local: Address, *, either: bool) -> int:
    """Version of IP that a socket bound to ``local`` takes; 0 where both or where the address says it."""
    if local not in _ANY:
        return 0
    return 4 if local == ANY_V4 else 0 if either else 6


def _mapping(value: object) -> Json:
    """Check for a JSON object; none is an empty one."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise BadValue(f"{shown(value)} is no object")
    return value


def _lineage(value: object) -> tuple[str, ...] | None:
    """Ancestors as ``name(pid)``, oldest first, behind ``…`` where the source left older ones out."""
    if value is None:
        return None
    lineage = _mapping(value)
    ancestors = lineage.get("ancestors")
    if type(ancestors) is not list:
        raise BadValue("a lineage without ancestors")
    made = []
    for one in ancestors[-_ANCESTORS:]:
        ancestor = _mapping(one)
        name, pid = words(ancestor.get("name")), bounded(ancestor.get("pid"))
        bounded(ancestor.get("started_at_unix_ms"), _MAX_MS)
        made.append(f"{name or '?'}({'?' if pid is None else pid})")
    if lineage.get("truncated") is True or len(ancestors) > _ANCESTORS:
        made.insert(0, "…")
    return tuple(made) or None
