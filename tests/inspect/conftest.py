"""The command line runs in this process here too."""

from tests.cli.conftest import capture, run

__all__ = ["capture", "run"]
