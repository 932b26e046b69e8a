"""`Listener`: whoever reads what flows carry. Of protocols above the transport the engine knows nothing itself."""

from rustnet.engine.flow import Flow


class Listener:
    """Is offered the payloads of flows that want it, and by itself does nothing with them.

    `rustnet.dissect.framework.dispatch.Dispatcher` is one that reads; it clears ``flow.wants`` when it has seen enough.
    """

    def datagram(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> None:
        """Read one datagram, or one layer-2, ICMP or ARP message."""

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:  # noqa: ARG002
        """Read in-order bytes of one direction; returns how many bytes beyond them to skip."""
        return 0

    def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
        """Bytes of a stream were not captured."""

    def close(self, flow: Flow) -> None:
        """A flow that was read has ended."""

    def undecoded(self, answer: int, link: int, ts: int, number: int) -> None:
        """A frame could not be decoded."""
