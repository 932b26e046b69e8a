"""The session of the attribution tests serves here too."""

from tests.attribute.conftest import session

__all__ = ["session"]
