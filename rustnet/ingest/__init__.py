"""From inputs to a session: the only room that sees the whole road."""
