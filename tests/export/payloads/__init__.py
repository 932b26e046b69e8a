"""Tests of what is kept of payloads in redacted captures."""
