"""A scene for each test."""

from pathlib import Path

import pytest

from tests.alerts.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Captures and a session in a folder of the test."""
    return Scene(tmp_path)
