"""Rewriters of payloads by protocol, and what each keeps in words."""

from dataclasses import dataclass

from rustnet.export.redacted_packets.payload import DatagramRewriter, PayloadContext, StreamRewriter
from rustnet.export.redacted_packets.payloads import dns
from rustnet.policy.redaction import Method
from rustnet.records import Kind


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is kept of one protocol's messages."""

    kept: str
    """What stays as it is."""
    replaced: str
    """What is replaced, as long as it was."""
    removed: str
    """What becomes zeros, or is cut."""
    datagram: DatagramRewriter | None = None
    stream: StreamRewriter | None = None


_DNS = Protocol(
    "header, record types, classes, times to live, and numbers of records",
    "names, addresses, the client's network of EDNS",
    "texts, keys, signatures, hashes, cookies, and data of other types",
    dns.rewrite,
    dns.rewrite_stream,
)

PROTOCOLS: dict[str, Protocol] = {
    "dns": _DNS,
    "mdns": _DNS,
    "llmnr": _DNS,
}
"""By `flows.app`."""


def _protocol(context: PayloadContext) -> Protocol | None:
    if context.redactor.policy.methods[Kind.HOST] is Method.HIDE:
        return None
    return PROTOCOLS.get(context.app)


def datagram_rewriter(context: PayloadContext) -> DatagramRewriter | None:
    """Rewriter of a flow's datagrams; None: nothing of them is kept."""
    protocol = _protocol(context)
    return protocol.datagram if protocol else None


def stream_rewriter(context: PayloadContext) -> StreamRewriter | None:
    """Rewriter of a TCP connection's directions; None: nothing of them is kept."""
    protocol = _protocol(context)
    return protocol.stream if protocol else None
