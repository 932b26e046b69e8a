"""Formats that several protocols carry inside their own messages."""
