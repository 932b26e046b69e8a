"""What is kept of payloads in redacted captures, by protocol."""

from rustnet.export.redacted_packets.payloads.registry import datagram_rewriter, stream_rewriter

__all__ = ["datagram_rewriter", "stream_rewriter"]
