"""Shared by all protocols: conversations, the dispatcher, bounded reading, text lines, ASN.1."""
