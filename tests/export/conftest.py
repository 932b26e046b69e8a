"""The session of the tests of queries serves here too."""

from tests.query.conftest import con, ids, session_path

__all__ = ["con", "ids", "session_path"]
