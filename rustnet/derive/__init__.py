"""Passes: columns and rows that are derived from the stored rows of a session."""
