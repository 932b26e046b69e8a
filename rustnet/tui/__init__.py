"""The browser: a view of sessions in a terminal, by Textual. It asks through `rustnet.query` alone."""
