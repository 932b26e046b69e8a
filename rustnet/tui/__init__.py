"""The browser: a view of a session in a terminal."""
