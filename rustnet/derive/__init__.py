"""Passes: what is worked out over stored rows of a session."""
