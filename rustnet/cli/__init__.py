"""The command line: one module per command, which parses its arguments, calls the program and prints; no SQL here."""
