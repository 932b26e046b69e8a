"""Widgets of the browser: tables, charts, lines of state."""
