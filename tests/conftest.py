"""Fixtures that every folder of tests may use."""

from pure import pure_tree

__all__ = ["pure_tree"]
