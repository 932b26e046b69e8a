"""QUIC (RFC 9000)."""
