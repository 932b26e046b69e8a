"""Attacks on the program: hostile captures, sessions, directories and users, one file per subject."""
