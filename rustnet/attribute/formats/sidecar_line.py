"""Parse one line of a sidecar of RustNet's form into an observation.

``sidecar/FORMAT.md`` documents the keys of version 1, which extends RustNet's own. ``local_addr`` is the source of the
packet only if that is an address of the host, so both orientations are matched. RustNet's addresses come from packets,
where `0.0.0.0` is literal. Version 1 (``sidecar/record.py``, ``rustnet export``) describes sockets instead: its lines
know more of the process and the host, a socket shared by several processes has one line for each of them, and unbound
ends are ``0.0.0.0:0`` or ``[::]:0``. Its ``META`` lines describe the recording: the host's addresses, and processes
without a connection. Exported lines carry the source of their claim, which keeps its rank. Keys that do not concern
ownership (bytes, state, round-trip time, GeoIP) are ignored, because the capture knows them better.
"""

import json
import marshal
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, TypeVar

from rustnet.attribute.observation import NAMESPACE, PORTED, Ends, Faults, Observation, ProcessFacts
from rustnet.attribute.values import (
    ANY_V4,
    ANY_V6,
    Address,
    BadValue,
    bounded_integer,
    bounded_text,
    parse_endpoint,
    parse_time,
    shown,
)
from rustnet.engine.numbers import protocol_name

SOURCE = "rustnet-sidecar"

UNSTATED = "unstated"
"""Quality of records without ``attribution_match`` (older files)."""

MAX_LINE = 1 << 20
"""Maximum length of a line; a longer one is malformed and skipped up to the next line feed."""

_PATH = 4096
_ANCESTORS = 16
_CAPABILITIES = 1024
_MAX_MS = (1 << 62) // 1_000_000 - 1
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "ICMP": "icmp", "ICMPV6": "icmp", "IGMP": "igmp", "ARP": "arp"}
_OPEN = frozenset({"listener-socket", "wildcard-local-address", "wildcard-remote-address"})
_RECORDER = "rustnet-record/"
_META, _META_TAG = "META", "meta"
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
    "container_runtime",
    "container_name",
    "systemd_unit",
    "lsm_label",
    "capabilities",
    "changed_before",
    "sidecar_version",
)
_CACHED, _CACHED_LENGTH = 8192, 2048

_DECODER = json.JSONDecoder()

_T = TypeVar("_T")
_ANY = (ANY_V4, ANY_V6)
_Ends = tuple[Address | None, int | None, Address | None, int | None]
Json = dict[str, object]


def lines(file: BinaryIO, faults: Faults) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; lines longer than `MAX_LINE` are counted in ``faults``."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            faults.malformed(number, f"longer than {MAX_LINE} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            continue
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        if not line.isspace():
            yield number, line


class LineParser:
    """Parser of lines, with a cache of processes: a sidecar repeats few of them many times."""

    def __init__(self, faults: Faults, source: str = SOURCE) -> None:
        self.faults = faults
        self.format = source
        self.source = (source, False)
        """Source of the last line's claim, and whether the line was exported from a session, which writes it once."""
        self.further: list[Observation] = []
        """Additional observations of the last line, which the caller removes."""
        self._processes: dict[bytes, ProcessFacts | None] = {}
        self._sources: set[str] = set()

    def parse(self, line: bytes, number: int) -> Observation | None:
        """Parse one record; ``None`` for a socket that cannot match a flow (most raw sockets).

        Raises `BadValue` if protocol, ends or times are missing or invalid; other invalid values are ignored and
        counted in ``faults``.
        """
        return self.observe(json_object(line), number)

    def observe(self, record: Json, number: int) -> Observation | None:
        """Convert one decoded record; see `parse`."""
        get = record.get
        claimed = get("claim_source")
        self.source = (self.format, False) if claimed is None else self._claim_source(claimed)
        if get("protocol") == _META:
            self._parse_meta(record, number)
            return None
        protocol = _protocol(get("protocol"), get("ip_protocol"))
        local, local_port = parse_endpoint(get("local_addr"))
        remote, remote_port = parse_endpoint(get("remote_addr"))
        if protocol is None:
            return None
        version_1 = get("sidecar_version") is not None
        first, last = parse_time(get("first_seen")), parse_time(get("last_seen"))
        if (first is None or last is None) and not version_1:
            first = last = last if first is None else first
        elif first is not None and last is not None and last < first:
            first, last = last, first
        observed = quality = None
        try:
            quality = bounded_text(get("attribution_match"), 64)
            observed = parse_time(get("timestamp"))
        except BadValue as bad:
            self.faults.invalid(number, str(bad))
        ported = protocol in PORTED
        ends: _Ends = (local, local_port, remote, remote_port) if ported else (local, None, remote, None)
        family = 0
        unbound = not remote_port and remote in _ANY
        open_end = get("open_end") if version_1 else None
        if open_end == "local" and local in _ANY:
            family = _family(local, either=get("ipv6_only") is not True)
            ends = None, ends[1], remote, ends[3]
        elif (
            open_end != "none"
            and unbound
            and (ported or version_1 or quality in _OPEN or _by_recorder(get("recorder")))
        ):
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
            host=_in_namespace(self._host(get("host"), process), get("network_namespace")),
            family=family,
            echo=self._echo(get("icmp_id"), number) if protocol == "icmp" else None,
            translated=self._translated(get("nat_local_addr"), get("nat_remote_addr"), ends, number),
        )

    def _claim_source(self, name: object) -> tuple[str, bool]:
        """Source of an exported claim, limited to a few distinct names; its rank is up to the policy."""
        known = self._sources
        if type(name) is str and (name in known or (len(known) < _MANY_SOURCES and _NAME.fullmatch(name))):
            known.add(name)
            return name, True
        return SOURCE, True

    def _parse_meta(self, record: Json, number: int) -> None:
        """Read the host's addresses, and a process without a connection, from a line about the recording."""
        get = record.get
        process = self._process(record, number)
        host = self._host(get("host"), process)
        blank = Observation(
            _META_TAG, None, None, None, None, parse_time(get("first_seen")), parse_time(get("last_seen")), None, None,
            _META_TAG, number, host=host,
        )  # fmt: skip
        if process is not None:
            self.further.append(blank._replace(process=process))
        addresses = get("addresses")
        for text in addresses[:_ADDRESSES] if type(addresses) is list else ():
            try:
                address, _ = parse_endpoint(f"[{text}]:0" if ":" in str(text) else f"{text}:0")
            except BadValue as bad:
                self.faults.invalid(number, str(bad))
                continue
            # A connection of the address with itself matches no flow, but marks the address as local to the host.
            self.further.append(blank._replace(local=address, remote=address))

    def _translated(self, local: object, remote: object, ends: "_Ends", number: int) -> Ends | None:
        """Endpoints after NAT; an unstated end is not translated."""
        at, port, to, remote_port = ends
        try:
            if local is not None:
                at, port = parse_endpoint(local)
            if remote is not None:
                to, remote_port = parse_endpoint(remote)
        except BadValue as bad:
            self.faults.invalid(number, str(bad))
            return None
        if at is None or to is None or (at, port, to, remote_port) == ends:
            return None
        return (at, port, to, remote_port) if ends[1] is not None else (at, None, to, None)

    def _echo(self, value: object, number: int) -> int | None:
        """Identifier of an echo socket; 0 (not yet chosen by the kernel) is unknown."""
        try:
            return bounded_integer(value, 0xFFFF) or None
        except BadValue as bad:
            self.faults.invalid(number, str(bad))
            return None

    @staticmethod
    def _host(value: object, process: ProcessFacts | None) -> str | None:
        """Host of a line: that of its process, or the line's own if it has no process."""
        if process is not None or type(value) is not str:
            return process and process.host
        return bounded_text(value)

    def _process(self, record: Json, number: int) -> ProcessFacts | None:
        """Process of a record, or ``None`` if it has neither pid nor name."""
        try:
            # Version 2 of marshal has no references: equal values give equal bytes, and 1 differs from `true`.
            key = marshal.dumps(list(map(record.get, PROCESS_KEYS)), 2)
        except ValueError:
            raise BadValue("nested too deeply") from None
        if key in self._processes:
            return self._processes[key]
        invalid = self.faults.values
        facts: ProcessFacts | None = self._facts(record, number)
        if facts is not None and facts.pid is None and facts.name is None:
            # Version 1 may know the user, path or container of a process without pid and name.
            version_1 = record.get("sidecar_version") is not None
            described = any(value is not None for value in facts._replace(host=None, boot_id=None))
            facts = facts if version_1 and described else None
        if invalid == self.faults.values and len(key) <= _CACHED_LENGTH:
            if len(self._processes) >= _CACHED:
                self._processes.clear()
            self._processes[key] = facts
        return facts

    def _facts(self, record: Json, number: int) -> ProcessFacts:
        """Process facts of a record; invalid values are ignored and counted."""

        def take(read: Callable[..., _T], value: object, *more: object) -> _T | None:
            try:
                return read(value, *more)
            except BadValue as bad:
                self.faults.invalid(number, str(bad))
                return None

        get = record.get
        kubernetes = take(_mapping, get("kubernetes")) or {}
        return ProcessFacts(
            host=take(bounded_text, get("host")),
            pid=take(bounded_integer, get("pid")),
            ppid=take(bounded_integer, get("process_ppid")),
            name=take(bounded_text, get("process_name")),
            exe=take(bounded_text, get("process_executable"), _PATH),
            cmdline=take(bounded_text, get("cmdline"), _PATH),
            cwd=take(bounded_text, get("cwd"), _PATH),
            uid=take(bounded_integer, get("process_uid")),
            username=take(bounded_text, get("username")),
            gid=take(bounded_integer, get("process_gid")),
            started_at=take(parse_time, get("started_at")),
            lineage=take(_lineage, get("process_lineage")),
            container_id=take(bounded_text, kubernetes.get("container_id")) or take(bounded_text, get("container_id")),
            container_name=take(bounded_text, kubernetes.get("container_name"))
            or take(bounded_text, get("container_name")),
            pod=take(bounded_text, kubernetes.get("pod_name")),
            pod_uid=take(bounded_text, kubernetes.get("pod_uid")),
            namespace=take(bounded_text, kubernetes.get("pod_namespace")),
            cgroup=take(bounded_text, kubernetes.get("cgroup_path"), _PATH) or take(bounded_text, get("cgroup"), _PATH),
            exe_sha256=take(bounded_text, get("exe_sha256"), 64),
            boot_id=take(bounded_text, get("boot_id"), 64),
            container_runtime=take(bounded_text, get("container_runtime"), 64),
            systemd_unit=take(bounded_text, get("systemd_unit")),
            lsm_label=take(bounded_text, get("lsm_label")),
            capabilities=take(bounded_text, get("capabilities"), _CAPABILITIES),
            changed_at=take(parse_time, get("changed_before")),
            parent_started_at=take(_parent_start, get("process_lineage"), get("process_ppid")),
        )


def _parent_start(lineage: object, parent: object) -> int | None:
    """Start of the parent, if it is the youngest ancestor of a lineage."""
    ancestors = lineage.get("ancestors") if type(lineage) is dict else None
    last = ancestors[-1] if type(ancestors) is list and ancestors else None
    if type(last) is not dict or parent is None or last.get("pid") != parent:
        return None
    started = bounded_integer(last.get("started_at_unix_ms"), _MAX_MS)
    return None if started is None else started * 1_000_000


def json_object(line: bytes) -> Json:
    """Decode the JSON object of a line."""
    try:
        text = line.decode().strip()
        record, end = _DECODER.raw_decode(text)
    except UnicodeDecodeError:
        raise BadValue("invalid UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadValue(f"invalid JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError):
        raise BadValue("invalid JSON: a number too long or nested too deeply") from None
    if end != len(text):
        raise BadValue(f"invalid JSON: unexpected text after the value at character {end + 1}")
    if type(record) is not dict:
        raise BadValue("expected a JSON object")
    return record


def _protocol(value: object, number: object) -> str | None:
    """Protocol as in `flows.protocol`; ``None`` for raw sockets that cannot match a flow.

    A raw socket of a protocol with ports receives copies of all its packets and owns none; number 255 only sends.
    """
    if value == "RAW":
        raw = None
        with suppress(BadValue):
            raw = bounded_integer(number, _SEND_ONLY)
        name = protocol_name(raw) if raw and raw != _SEND_ONLY else None
        return None if name in PORTED else _PROTOCOLS.get((name or "").upper(), name)
    if type(value) is not str:
        raise BadValue("missing protocol")
    known = _PROTOCOLS.get(value)
    if known is None:
        if not _TOKEN.fullmatch(value):
            raise BadValue(f"invalid protocol {shown(value)}")
        known = _PROTOCOLS.get(value.upper(), value.lower())
    return known


def _by_recorder(value: object) -> bool:
    """Whether the recorder wrote the line: its zero addresses are unbound ends, not addresses of packets."""
    return type(value) is str and value.startswith(_RECORDER)


def _family(local: Address, *, either: bool) -> int:
    """IP version that a socket bound to ``local`` accepts; 0 if both, or if the address determines it."""
    if local not in _ANY:
        return 0
    return 4 if local == ANY_V4 else 0 if either else 6


def _in_namespace(host: str | None, number: object) -> str | None:
    """A host's name for the addresses of one of its network namespaces, which are not those of the others."""
    return f"{host or ''}{NAMESPACE}{number}" if type(number) is int and 0 <= number < 1 << 64 else host


def _mapping(value: object) -> Json:
    """Check for a JSON object; ``None`` becomes an empty one."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise BadValue(f"expected an object, not {shown(value)}")
    return value


def _lineage(value: object) -> tuple[str, ...] | None:
    """Ancestors as ``name(pid)``, oldest first; ``…`` comes first if the source omitted older ones."""
    if value is None:
        return None
    lineage = _mapping(value)
    ancestors = lineage.get("ancestors")
    if type(ancestors) is not list:
        raise BadValue("lineage without ancestors")
    names = []
    for entry in ancestors[-_ANCESTORS:]:
        ancestor = _mapping(entry)
        name, pid = bounded_text(ancestor.get("name")), bounded_integer(ancestor.get("pid"))
        bounded_integer(ancestor.get("started_at_unix_ms"), _MAX_MS)
        names.append(f"{name or '?'}({'?' if pid is None else pid})")
    if lineage.get("truncated") is True or len(ancestors) > _ANCESTORS:
        names.insert(0, "…")
    return tuple(names) or None
