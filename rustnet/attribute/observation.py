"""`Observation`: one statement of a source about one socket or packet; readers yield batches of them.

A reader knows its format, but no flows, ranks or SQL; `rustnet.attribute.match` matches observations with flows and
knows no formats. To add a format: write a reader (`SidecarReader`), add it to the tuple of
`rustnet.attribute.discover`, and give its qualities a rank in `rustnet.policy.ownership`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rustnet.attribute.values import Address, endpoint_text

BATCH = 32_768
"""Maximum number of observations in a batch, and so in a reader's memory."""

_BATCH_TEXT = 8 << 20
"""Characters of process facts at which a batch is full, whatever its number of rows."""

FAULTS_KEPT = 10
"""Malformed records of one input that are kept with their reason; further ones are only counted."""

NO_TIME = -(1 << 63)
"""Value of an unknown time in a batch's columns."""

LINEAGE_SEPARATOR = "\x1f"

NAMESPACE = "\0"
"""Separates the name of a host from the number of a network namespace: each has addresses of its own."""

PORTED = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})
"""Protocols with ports; all others are matched by address only."""

Column = npt.NDArray[Any]

Ends = tuple[Address, int | None, Address, int | None]
"""Local address and port, remote address and port."""


class ProcessFacts(NamedTuple):
    """Attributes of a process as a source states them; ``None`` if unstated. Named like the columns of `processes`."""

    host: str | None = None
    """Host that it ran on; ``None``: the host of the batch."""
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
    """Ancestors, oldest first, as ``name(pid)``; a first element ``…`` means that older ones were omitted."""
    container_id: str | None = None
    container_name: str | None = None
    pod: str | None = None
    pod_uid: str | None = None
    namespace: str | None = None
    cgroup: str | None = None
    container_image: str | None = None
    container_labels: str | None = None
    """JSON text of the source, unchanged."""
    pod_labels: str | None = None
    """JSON text of the source, unchanged."""
    parent_exe: str | None = None
    parent_cmdline: str | None = None
    exe_uuid: str | None = None
    """Build of the executable (Apple's Mach-O UUID)."""
    exe_sha256: str | None = None
    boot_id: str | None = None
    container_runtime: str | None = None
    systemd_unit: str | None = None
    lsm_label: str | None = None
    capabilities: str | None = None
    changed_at: int | None = None
    """When it was first seen as this program (nanoseconds since 1970 UTC), if it had been another one before."""
    parent_started_at: int | None = None
    """Nanoseconds since 1970 UTC."""


TIMES = ("started_at", "changed_at", "parent_started_at")
"""Fields of `ProcessFacts` that are times."""

NUMBERS = ("pid", "ppid", "uid", "gid", *TIMES)
"""Fields of `ProcessFacts` that are numbers; the others are text."""


class Observation(NamedTuple):
    """These endpoints belonged to this process (or to an unknown one) during this time window, according to one source.

    An unknown end is a wildcard. Without ``local`` the local address is unstated (a socket bound to all addresses);
    without ``remote`` the socket was listening or unconnected; without both and without a port it was a raw socket for
    its whole protocol. A remote end without any local port is a call of ``connect`` at ``window_start``. Addresses
    taken from packets are always literal, `0.0.0.0` too. An observation that is attached to a packet of the capture (a
    comment, a header) carries the packet's number and needs no ends.
    """

    protocol: str
    """As in `flows.protocol`; ``icmp`` also stands for ICMPv6."""
    local: Address | None
    local_port: int | None
    remote: Address | None
    remote_port: int | None
    window_start: int | None
    """Start of validity (nanoseconds since 1970 UTC); ``None``: unknown, matches any time with a worse rank."""
    window_end: int | None
    """End of validity; ``None``: open."""
    observed_at: int | None
    """When the source wrote the record."""
    process: ProcessFacts | None
    """``None``: the source saw the connection without knowing its owner."""
    quality: str
    """Certainty of the source, in its own vocabulary (``exact-tuple`` …)."""
    position: int
    """Line, record or packet number in the source."""
    packet: int | None = None
    """Number of the packet in the capture that it is attached to."""
    host: str | None = None
    """Host that made the observation; ``None``: the host of the batch."""
    family: int = 0
    """IP version (4 or 6) of an unknown local address; 0: either."""
    echo: int | None = None
    """ICMP echo identifier of the socket."""
    translated: Ends | None = None
    """Endpoints after NAT, as packets carry them, if the source knows both sides."""
    alias: str | None = None
    """The source's own identifier of the connection (Zeek's uid)."""
    service: str | None = None
    """Application protocol according to the source; only with ``alias``."""


class Batch(Protocol):
    """Observations of one source as columns: what `rustnet.attribute.stage` takes."""

    source: str
    origin: str
    host: str | None
    keep_last: bool
    names_only: bool

    def __len__(self) -> int:
        """Number of observations."""

    def columns(self) -> dict[str, Column]:
        """Return the observations like `Observations.columns`."""

    def facts(self) -> dict[str, Column]:
        """Return their processes like `Observations.facts`."""

    def translated(self) -> dict[str, Column]:
        """Return their endpoints after NAT like `Observations.translated`."""


class Observations:
    """A batch of observations of one source, convertible to columns.

    ``source`` is the format's name in `claims.source`, ``origin`` the prefix of the evidence (the file's name),
    ``host`` the recording host, if known. ``keep_last``: the source may write a record several times; of records with
    the same ends, start and process (host, pid, start) only the last counts. ``names_only``: the source never knows
    processes, so its records do not explain why a flow has no owner.
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

    def add(self, observation: Observation) -> None:
        """Append one observation; `ValueError`, a bug of the reader, if it can match nothing."""
        unbound = observation.remote is None and not observation.local_port
        if unbound and observation.packet is None and observation.protocol in PORTED:
            raise ValueError("an observation needs a local port, a remote end or a packet number")
        self._rows.append(observation)
        process = observation.process
        if process is None:
            self._fact.append(-1)
            return
        fact = self._facts.get(process)
        if fact is None:
            fact = self._facts[process] = len(self._facts)
            self._weight += sum(len(v) for v in process if type(v) is str) + 256 * len(process.lineage or ())
        self._fact.append(fact)

    @property
    def full(self) -> bool:
        """Whether the batch has reached its limit of rows or of process text."""
        return len(self._rows) >= BATCH or self._weight >= _BATCH_TEXT

    def columns(self) -> dict[str, Column]:
        """Return the observations as parallel columns; `NO_TIME`, -1 and flags stand for NULL."""
        rows = self._rows
        (protocols, locals_, local_ports, remotes, remote_ports, starts, ends, seen, _, qualities, positions,
         packets, hosts, families, echoes, _, aliases, services) = zip(*rows, strict=True)  # fmt: skip
        # The additional last element has index -1: an observation without a process.
        pids = _numbers([process.pid for process in self._facts] + [None], -1)
        started_at = _numbers([process.started_at for process in self._facts] + [None], NO_TIME)
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
            "started_at": started_at[fact],
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
        """Return the distinct processes as columns; column ``fact`` of `columns` holds their row numbers.

        An unknown number is -1 (a start time: `NO_TIME`), unknown text is empty. Without any process there are no
        columns.
        """
        if not self._facts:
            return {}
        columns: dict[str, Column] = {"fact": np.arange(len(self._facts), dtype=np.int64)}
        for name, values in zip(ProcessFacts._fields, zip(*self._facts, strict=True), strict=True):
            if name == "lineage":
                columns[name] = _texts([None if v is None else LINEAGE_SEPARATOR.join(v) for v in values])
            elif name in NUMBERS:
                columns[name] = _numbers(values, NO_TIME if name in TIMES else -1)
            else:
                columns[name] = _texts(values)
        return columns

    def translated(self) -> dict[str, Column]:
        """Return the endpoints after NAT as columns; none if no observation has any.

        ``row`` is the index of the observation, ``pre_nat`` the text of the endpoints before NAT.
        """
        rows = [(i, row, row.translated) for i, row in enumerate(self._rows) if row.translated is not None]
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
            "pre_nat": _texts([_endpoints(row) for _, row, _ in rows]),
        }


def _endpoints(row: Observation) -> str:
    """Endpoints of an observation as text: ``10.0.0.5:40000 → 192.0.2.1:443``."""
    ends = ((row.local, row.local_port), (row.remote, row.remote_port))
    return " → ".join(endpoint_text(address, port) if address else "any" for address, port in ends)


def _numbers(values: Any, missing: int) -> Column:
    """Integers as an int64 array."""
    try:
        return np.array(values, np.int64)
    except TypeError:
        return np.fromiter((missing if v is None else v for v in values), np.int64, len(values))


def _halves(values: Any) -> tuple[Column, Column]:
    """High and low halves of addresses; 0 for unknown ones."""
    if None in values:
        values = [a or (0, 0) for a in values]
    both = np.array(values, np.uint64)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def _present(values: Any) -> Column:
    """Mask of the values that are not ``None``."""
    return np.fromiter((v is not None for v in values), np.bool_, len(values))


def _texts(values: Any) -> Column:
    """Text as an object array, which DuckDB scans in place; ``None`` becomes empty, which fixes the column type."""
    column = np.empty(len(values), dtype=object)
    column[:] = [v or "" for v in values]
    return column


@dataclass(slots=True)
class Faults:
    """Malformed records and values of one input: counted, the first few kept."""

    bad: int = 0
    """Records that could not be parsed."""
    kept: list[tuple[int, str]] = field(default_factory=list)
    """(position, reason) of the first `FAULTS_KEPT`."""
    values: int = 0
    """Invalid values that were ignored in otherwise valid records."""
    first_value: tuple[int, str] | None = None
    """(position, reason) of the first of them."""
    unsupported: int = 0
    """Valid records of a kind that cannot match any flow."""
    skipped: Counter[str] = field(default_factory=Counter)
    """These, and ignored records of other kinds, by one of the reasons of `rustnet.attribute.reasons`."""

    def malformed(self, position: int, reason: str) -> None:
        """Count a malformed record."""
        self.bad += 1
        if len(self.kept) < FAULTS_KEPT:
            self.kept.append((position, reason))

    def invalid(self, position: int, reason: str) -> None:
        """Count an invalid value that was ignored."""
        self.values += 1
        if self.first_value is None:
            self.first_value = (position, reason)


class SidecarReader(Protocol):
    """Reader of one file of ownership data."""

    source: str
    """Name of the format in `claims.source`."""
    origin: str
    """The file's name, the prefix of its evidence."""
    records: int
    """Valid records read so far."""
    faults: Faults

    def batches(self) -> Iterator[Observations]:
        """Read the file to its end in batches of at most `BATCH`; a malformed record is counted in ``faults``.

        Raises `InputError` if the file cannot be opened or has no record of its format.
        """


@runtime_checkable
class BlockReader(Protocol):
    """A `SidecarReader` that can also read block by block, which is faster."""

    def blocks(self) -> Iterator[Batch]:
        """Read the file like `SidecarReader.batches`."""
