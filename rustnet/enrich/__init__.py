"""Data that is added to flows from tables shipped with the program."""
