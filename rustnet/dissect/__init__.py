"""Protocols: one file each, from bytes to records."""
