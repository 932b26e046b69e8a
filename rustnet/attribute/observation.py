"""`Observation`: what one source says once. Every reader of ownership data yields batches of them, nothing else.

A reader turns its format into observations and knows nothing of flows, ranks or SQL; `rustnet.attribute.match`
matches them and knows nothing of formats. To add a format: write a reader (`SidecarReader`), put it into the tuple of
`rustnet.attribute.discover`, and give its qualities a rank in `rustnet.policy.ownership`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rustnet.attribute.values import Address, endpoint_text

BATCH = 32_768
"""Observations in a batch: what a reader holds in memory at most."""

_BATCH_TEXT = 8 << 20
"""Characters of process facts after which a batch is full, however few its rows."""

FAULTS_KEPT = 10
"""Broken lines of one input that are kept with their reason; the rest is counted."""

NO_TIME = -(1 << 63)
"""Stands for an unknown time in a batch's columns."""

LINEAGE_SEPARATOR = "\x1f"

PORTED = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})
"""Protocols with ports; all others are matched by their addresses alone."""

Column = npt.NDArray[Any]

Ends = tuple[Address, int | None, Address, int | None]
"""Local address and port, remote address and port."""


class ProcessFacts(NamedTuple):
    """What a source says of a process; ``None`` where it does not say. The names are those of `processes`."""

    host: str | None = None
    """Machine it ran on; ``None``: that of the batch."""
    pid: int | None = None
    ppid: int | None = None
    name: str | None = None
    exe: str | None = None
    cmdline: str | None = None
    cwd: str | None = None
    uid: int | None = None
    username: str | None = None
    gid: int | None = None
    started_at: int | None = None
    """Nanoseconds since 1970 UTC."""
    lineage: tuple[str, ...] | None = None
    """Ancestors, oldest first, as ``name(pid)``; a first element ``…`` says that older ones were left out."""
    container_id: str | None = None
    container_name: str | None = None
    pod: str | None = None
    pod_uid: str | None = None
    namespace: str | None = None
    cgroup: str | None = None
    container_image: str | None = None
    container_labels: str | None = None
    """JSON, as the source has it."""
    pod_labels: str | None = None
    """JSON, as the source has it."""
    parent_exe: str | None = None
    parent_cmdline: str | None = None
    exe_uuid: str | None = None
    """Identifies the build of the executable (Apple's Mach-O UUID)."""
    exe_sha256: str | None = None
    boot_id: str | None = None


NUMBERS = ("pid", "ppid", "uid", "gid", "started_at")
"""Fields of `ProcessFacts` that are numbers; the others are text."""


class Observation(NamedTuple):
    """What one source says once: these ends, at this time, belonged to this process (or to none that it knew).

    An unknown end is a wildcard: without ``local`` the local address was not stated (a socket bound to all of
    them), without ``remote`` it was a listening or unconnected socket; without both and without a port it was a
    socket for everything of its protocol. With a remote end and no local port at all it was the beginning of a
    conversation (a call of ``connect``), at ``window_start``. An address that stood in a packet is always literal,
    `0.0.0.0` too. An observation made on one packet of the capture itself (a comment, a header) carries that packet's
    number and needs no ends.
    """

    protocol: str
    """As in `flows.protocol`; ``icmp`` also stands for ICMPv6."""
    local: Address | None
    local_port: int | None
    remote: Address | None
    remote_port: int | None
    window_start: int | None
    """From when it holds (nanoseconds since 1970 UTC); ``None``: unknown, matches any time with lower rank."""
    window_end: int | None
    """Until when it holds; ``None``: until further notice."""
    observed_at: int | None
    """When the source wrote it down."""
    process: ProcessFacts | None
    """``None``: the source saw the conversation and knew no owner."""
    quality: str
    """How sure the source is, in its own words (``exact-tuple`` …)."""
    position: int
    """Where it stands: line number, record number or packet number."""
    packet: int | None = None
    """Number of the packet in the capture that it is written on."""
    host: str | None = None
    """Machine it was made on; ``None``: that of the batch."""
    family: int = 0
    """4 or 6 if the unknown local address is of that version of IP; 0: of either."""
    echo: int | None = None
    """Identifier of the ICMP echoes that the socket sends."""
    translated: Ends | None = None
    """The ends as they are on the other side of a translation of addresses, where the source knows both."""
    alias: str | None = None
    """Name under which the source knows the conversation (Zeek's uid)."""
    service: str | None = None
    """What the source takes the conversation for; only with ``alias``."""


class Batch(Protocol):
    """Observations of one source as columns: what `rustnet.attribute.stage` takes."""

    source: str
    origin: str
    host: str | None
    keep_last: bool
    names_only: bool

    def __len__(self) -> int:
        """How many there are."""

    def columns(self) -> dict[str, Column]:
        """Return the observations, as `Observations.columns` does."""

    def facts(self) -> dict[str, Column]:
        """Return the processes that they name, as `Observations.facts` does."""

    def translated(self) -> dict[str, Column]:
        """Return the ends behind NAT, as `Observations.translated` does."""


class Observations:
    """A batch of observations of one source, which leaves as columns.

    ``source`` is the format's name in `claims.source`, ``origin`` what evidence starts with (the file's name),
    ``host`` the machine it was recorded on, if known. ``keep_last``: the source may write one record several times;
    of records with the same ends, the same start and the same process (host, pid, start) only the last counts.
    ``names_only``: the source never knows processes, so what it saw is no reason why a flow has no owner.
    """

    __slots__ = ("_fact", "_facts", "_rows", "_weight", "host", "keep_last", "names_only", "origin", "source")

    def __init__(
        self,
        source: str,
        origin: str,
        *,
        host: str | None = None,
        keep_last: bool = False,
        names_only: bool = False,
    ) -> None:
        self.names_only = names_only
        self.source = source
        self.origin = origin
        self.host = host
        self.keep_last = keep_last
        self._weight = 0
        self._rows: list[Observation] = []
        self._fact: list[int] = []
        self._facts: dict[ProcessFacts, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self._rows)

    def add(self, said: Observation) -> None:
        """Take one observation; `ValueError` if it could match nothing, which is the reader's mistake."""
        open_ = said.remote is None and not said.local_port
        if open_ and said.packet is None and said.protocol in PORTED:
            raise ValueError("an observation names both ends, or a local port, or a remote end, or a packet")
        self._rows.append(said)
        person = said.process
        if person is None:
            self._fact.append(-1)
            return
        known = self._facts.get(person)
        if known is None:
            known = self._facts[person] = len(self._facts)
            self._weight += sum(len(v) for v in person if type(v) is str) + 256 * len(person.lineage or ())
        self._fact.append(known)

    @property
    def full(self) -> bool:
        """Whether it is time to hand the batch on: by its rows, or by the text of the processes it names."""
        return len(self._rows) >= BATCH or self._weight >= _BATCH_TEXT

    def columns(self) -> dict[str, Column]:
        """Return the observations as parallel columns: no NULLs, but `NO_TIME`, -1 and flags in their stead."""
        rows = self._rows
        (protocols, locals_, local_ports, remotes, remote_ports, starts, ends, seen, _, qualities, positions,
         packets, hosts, families, echoes, _, aliases, services) = zip(*rows, strict=True)  # fmt: skip
        # One more element stands behind those of the processes: number -1, for no process at all.
        pids = _numbers([person.pid for person in self._facts] + [None], -1)
        born = _numbers([person.started_at for person in self._facts] + [None], NO_TIME)
        fact = np.array(self._fact, np.int64)
        local_hi, local_lo = _halves(locals_)
        remote_hi, remote_lo = _halves(remotes)
        return {
            "protocol": _texts(protocols),
            "local_hi": local_hi,
            "local_lo": local_lo,
            "has_local": _present(locals_),
            "local_port": _numbers(local_ports, -1),
            "remote_hi": remote_hi,
            "remote_lo": remote_lo,
            "has_remote": _present(remotes),
            "remote_port": _numbers(remote_ports, -1),
            "ws": _numbers(starts, NO_TIME),
            "we": _numbers(ends, NO_TIME),
            "seen": _numbers(seen, NO_TIME),
            "fact": fact,
            "pid": pids[fact],
            "born": born[fact],
            "host": _texts(hosts),
            "family": np.array(families, np.int8),
            "echo": _numbers(echoes, -1),
            "quality": _texts(qualities),
            "position": _numbers(positions, 0),
            "packet": _numbers(packets, -1),
            "alias": _texts(aliases),
            "service": _texts(services),
        }

    def facts(self) -> dict[str, Column]:
        """Return the distinct processes as columns; row ``i`` is what column ``fact`` of `columns` calls ``i``.

        An unknown number is -1 (a start time: `NO_TIME`), unknown text is empty. There are
        no columns at all if no process is named.
        """
        if not self._facts:
            return {}
        made: dict[str, Column] = {"fact": np.arange(len(self._facts), dtype=np.int64)}
        for name, values in zip(ProcessFacts._fields, zip(*self._facts, strict=True), strict=True):
            if name == "lineage":
                made[name] = _texts([None if v is None else LINEAGE_SEPARATOR.join(v) for v in values])
            elif name in NUMBERS:
                made[name] = _numbers(values, NO_TIME if name == "started_at" else -1)
            else:
                made[name] = _texts(values)
        return made

    def translated(self) -> dict[str, Column]:
        """Return the translated ends as columns: ``row`` is the observation's place; none at all if there are none.

        ``behind`` is what the observation itself calls its ends, for people.
        """
        rows = [(i, said, said.translated) for i, said in enumerate(self._rows) if said.translated is not None]
        if not rows:
            return {}
        locals_, local_ports, remotes, remote_ports = zip(*(ends for _, _, ends in rows), strict=True)
        local_hi, local_lo = _halves(locals_)
        remote_hi, remote_lo = _halves(remotes)
        return {
            "row": np.array([i for i, _, _ in rows], np.int64),
            "local_hi": local_hi,
            "local_lo": local_lo,
            "local_port": _numbers(local_ports, -1),
            "remote_hi": remote_hi,
            "remote_lo": remote_lo,
            "remote_port": _numbers(remote_ports, -1),
            "behind": _texts([_told(said) for _, said, _ in rows]),
        }


def _told(said: Observation) -> str:
    """Ends of an observation for people: ``10.0.0.5:40000 → 192.0.2.1:443``."""
    sides = ((said.local, said.local_port), (said.remote, said.remote_port))
    return " → ".join(endpoint_text(address, port) if address else "any" for address, port in sides)


def _numbers(values: Any, missing: int) -> Column:
    """Whole numbers as 64-bit integers."""
    try:
        return np.array(values, np.int64)
    except TypeError:
        return np.fromiter((missing if v is None else v for v in values), np.int64, len(values))


def _halves(values: Any) -> tuple[Column, Column]:
    """High and low halves of addresses; 0 for those that are unknown."""
    if None in values:
        values = [a or (0, 0) for a in values]
    both = np.array(values, np.uint64)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def _present(values: Any) -> Column:
    """Which values are known."""
    return np.fromiter((v is not None for v in values), np.bool_, len(values))


def _texts(values: Any) -> Column:
    """Text as objects, which DuckDB scans in place; never ``None``, so that a column's type is never in doubt."""
    made = np.empty(len(values), dtype=object)
    made[:] = [v or "" for v in values]
    return made


@dataclass(slots=True)
class Faults:
    """What of an input could not be read: counted, the first few kept."""

    bad: int = 0
    """Records that could not be read at all."""
    kept: list[tuple[int, str]] = field(default_factory=list)
    """(position, reason) of the first `FAULTS_KEPT`."""
    values: int = 0
    """Values that made no sense and were left out of records that were read."""
    first_value: tuple[int, str] | None = None
    """(position, reason) of the first of them."""
    unsupported: int = 0
    """Sound records of a kind that no flow can be matched with."""

    def broken(self, position: int, reason: str) -> None:
        """Count a record that could not be read."""
        self.bad += 1
        if len(self.kept) < FAULTS_KEPT:
            self.kept.append((position, reason))

    def odd(self, position: int, reason: str) -> None:
        """Count a value that was left out of a record."""
        self.values += 1
        if self.first_value is None:
            self.first_value = (position, reason)


class SidecarReader(Protocol):
    """One file of ownership data being read."""

    source: str
    """Name of the format in `claims.source`."""
    origin: str
    """The file's name, as evidence gives it."""
    records: int
    """Records read well so far."""
    faults: Faults

    def batches(self) -> Iterator[Observations]:
        """Read the file to its end, in batches of at most `BATCH`; a broken record becomes a fault.

        Raises `InputError` if the file cannot be opened or holds nothing of its format.
        """


@runtime_checkable
class BlockReader(Protocol):
    """A `SidecarReader` that also has a faster way than row by row."""

    def blocks(self) -> Iterator[Batch]:
        """Read the file as `SidecarReader.batches` does."""
