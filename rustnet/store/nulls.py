"""Keep DuckDB from searching for pandas on every NULL."""

import importlib.util
import sys


def without_pandas() -> None:
    """Mark pandas as missing in `sys.modules` where it is not installed.

    DuckDB 1.5 tries to import pandas for every NULL in an array of strings; without the mark each attempt searches the
    whole import path.
    """
    if "pandas" not in sys.modules and importlib.util.find_spec("pandas") is None:
        sys.modules["pandas"] = None  # type: ignore[assignment]
