"""What NULLs in arrays of texts cost."""

import importlib.util
import sys


def without_pandas() -> None:
    """Let DuckDB 1.5 know at once that there is no pandas, where there is none.

    For every NULL among texts it tries to import pandas, which without it is a search through the whole path.
    """
    if "pandas" not in sys.modules and importlib.util.find_spec("pandas") is None:
        sys.modules["pandas"] = None  # type: ignore[assignment]
