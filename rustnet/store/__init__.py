"""The session file: its schema, its one writer, and how it is opened."""
