"""Redacted captures: headers rewritten value by value as tables are, payloads removed or rewritten by protocol."""
