"""What the rewriting of packets and that of payloads have in common.

All keep their length: what is removed at the end of a packet shortens only what was captured of it, and what is
removed before something that is kept becomes zeros. `rustnet.export.redacted_packets.payloads` has the functions
`datagram_rewriter` and `stream_rewriter`, of the type `RewriterOf`: they choose by `PayloadContext.app` and ports, and
return None where nothing of a payload is kept.

A rewriter is given hostile bytes, perhaps cut. Whatever it keeps it has understood and replaced: a byte that is not
known to be harmless is set to zero or cut. A rewriter that raises keeps nothing of that payload.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from rustnet.export.redacted_packets.binary import BinaryAddresses
from rustnet.policy.redaction.redactor import Redactor

STREAM_BYTES = 256 << 10
"""Bytes from the start of each direction of a TCP connection that are reassembled; what follows is removed."""


class Interval(NamedTuple):
    """Bytes of a stream, from ``start`` to before ``stop``."""

    start: int
    stop: int


@dataclass(slots=True)
class PayloadContext:
    """What is known of a payload: its flow, its direction, and what replaces values."""

    redactor: Redactor
    addresses: BinaryAddresses
    """Replaces addresses of 4, 16 and 6 bytes: ``addresses.ipv4[original]``, ``.ipv6``, ``.hardware``."""
    app: str
    """`flows.app` of the flow that the session has for this packet; empty if it has none."""
    protocol: str
    """`tcp`, `udp`."""
    source_port: int
    destination_port: int
    """Ports as captured."""
    from_client: bool
    """The sender is the flow's client; of a packet without a flow, whether its source port is the higher one."""
    from_start: bool = True
    """Of a stream: its first byte is the connection's first in this direction (its SYN was captured)."""
    memory: dict[str, object] = field(default_factory=dict)
    """Of one flow, both directions: what rewriters keep for its later payloads. They bound it."""


class DatagramRewriter(Protocol):
    """Rewrites the payload of a datagram in place; returns how many bytes from its start are kept."""

    def __call__(self, payload: bytearray, context: PayloadContext) -> int:
        """``payload`` has what was captured; it must keep its length."""


class StreamRewriter(Protocol):
    """Rewrites one direction of a TCP connection in place; returns the kept parts, ascending.

    The client's direction comes first, so that ``context.memory`` has what was noted of it when the server's comes.
    """

    def __call__(self, data: bytearray, holes: Sequence[Interval], context: PayloadContext) -> list[Interval]:
        """``data`` has up to `STREAM_BYTES` from the start; bytes in ``holes`` were not captured and are zero."""


Rewriter_co = TypeVar("Rewriter_co", covariant=True)
RewriterOf = Callable[[PayloadContext], Rewriter_co | None]
"""Chooses the rewriter of a payload; None: nothing of it is kept."""
