"""Reads inputs into a session, from the packet sources to the writer."""
