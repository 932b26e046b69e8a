"""HTTP/1 (RFC 9112)."""
