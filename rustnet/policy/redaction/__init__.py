"""Redaction: what becomes of a value, by its kind, a policy and a key."""
