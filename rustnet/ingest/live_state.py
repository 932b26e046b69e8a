"""`LiveState`: how a live capture stands at a moment, in plain values: for the line on the terminal and for metrics."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what was captured has an owner."""

    owned: int
    """Of them with an owner."""
    all: int
    """All of them."""

    @property
    def share(self) -> float | None:
        """Share with an owner, 0 to 1; None if there is nothing to own."""
        return self.owned / self.all if self.all else None


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """An interface of the capture."""

    name: str
    packets: int = 0
    """Packets that were read."""
    dropped: int = 0
    """Packets that the kernel dropped because the ring was full."""
    freezes: int = 0
    """Times at which the ring was full."""
    up: bool = True
    """It exists and is up."""


@dataclass(frozen=True, slots=True)
class LiveState:
    """State of a live capture; counters grow from its beginning. None: not known, which is neither shown nor 0."""

    seconds: float
    """Time since the capture began."""
    packets: int = 0
    bytes: int = 0
    """Bytes of the packets as they were on the wire."""
    flows: int = 0
    """Flows that were seen, ended and open."""
    open_flows: int | None = None
    """Flows that are open."""
    packets_per_second: float | None = None
    """Rate since the state before; `rated` works it out."""
    bytes_per_second: float | None = None
    interfaces: tuple[InterfaceState, ...] = ()
    attribution: str | None = None
    """Method by which owners are learned: ``ebpf``, ``sock_diag`` …"""
    flows_owned: Coverage | None = None
    """Flows with an owner, since the beginning."""
    bytes_owned: Coverage | None = None
    flows_owned_last_minute: Coverage | None = None
    bytes_owned_last_minute: Coverage | None = None
    session_bytes: int | None = None
    """Size of the session on disk."""
    resident: dict[str, int] = field(default_factory=dict)
    """Bytes of memory by process: ``writer``, ``parser``, ``probe``."""
    alerts: dict[str, int] = field(default_factory=dict)
    """Alerts that were raised, by name."""
    flush_seconds: float | None = None
    """Time that the last flush of rows to the session took."""

    @property
    def dropped(self) -> int:
        """Packets that the kernel dropped on all interfaces."""
        return sum(each.dropped for each in self.interfaces)

    @property
    def freezes(self) -> int:
        """Times at which a ring was full."""
        return sum(each.freezes for each in self.interfaces)


def rated(state: LiveState, before: LiveState | None) -> LiveState:
    """``state`` with its rates since the one before; without them if there is none, or no time has passed."""
    seconds = 0.0 if before is None else state.seconds - before.seconds
    if before is None or seconds <= 0 or state.packets < before.packets or state.bytes < before.bytes:
        return replace(state, packets_per_second=None, bytes_per_second=None)
    return replace(
        state,
        packets_per_second=(state.packets - before.packets) / seconds,
        bytes_per_second=(state.bytes - before.bytes) / seconds,
    )
