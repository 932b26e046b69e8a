"""Sections of the report, each with its questions to the session and what it shows of the answers."""
