"""What the browser's screens show of a session: one module per screen, each with its SQL and its result types."""
