"""Writes a session as Zeek's logs."""
