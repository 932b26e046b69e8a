"""Ownership of flows: statements of sources become claims on flows, and one policy decides over them."""
