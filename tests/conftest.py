"""Fixtures that every folder of tests may use."""

from tests.support.uncompiled import pure_tree

__all__ = ["pure_tree"]
