"""`Listener`: interface through which payload is read. The engine knows no protocol above the transport."""

from rustnet.engine.flow import Flow


class Listener:
    """Receives the payload of flows whose ``wants`` is set; this base class ignores it.

    `rustnet.dissect.framework.dispatch.Dispatcher` implements it; it clears ``flow.wants`` when it needs no more. While
    it is called it may set the flow's ``timeout``.

    `stream` and `gap` are called in causal order, whatever the order of packets in the capture: before bytes of one
    direction come all bytes of the other direction that their sender had acknowledged, or a gap in their place; so a
    request comes before the response that acknowledges it, and a response before the next request that acknowledges
    it. Each piece has the time and the packet number of its own segment, which may be smaller than those of the piece
    before. A piece that was captured more than `streams.WAIT` too late comes late, after the gap in its place, or
    never.
    """

    def datagram(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> None:
        """Read one datagram, or one layer-2, ICMP or ARP message."""

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:  # noqa: ARG002
        """Read in-order bytes of one direction; returns how many bytes beyond them to skip."""
        return 0

    def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
        """Bytes of a stream were not captured, as segment ``number`` shows: it follows or acknowledges them."""

    def late(self, flow: Flow) -> None:
        """What follows was reported as missing, and the other direction has gone on since."""

    def close(self, flow: Flow) -> None:
        """A flow that was read has ended."""

    def undecoded(self, answer: int, link: int, ts: int, number: int) -> None:
        """A frame could not be decoded."""
