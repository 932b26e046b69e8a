"""rustnet: a capture becomes a DuckDB session of flows, decoded messages, owners and packets.

::

    import rustnet

    rustnet.replay("capture.pcapng", db="session.duckdb")
    with rustnet.open("session.duckdb") as session:
        session.flows("app:tls bytes:>1M").df()
"""

import importlib

TYPE_CHECKING = False
"""True for type checkers. Not taken from ``typing``: ``python -m rustnet`` imports this module while the current
directory is still searched first (`rustnet.__main__`), and ``importlib`` alone is loaded by then."""

if TYPE_CHECKING:
    from typing import Any

    from rustnet.ingest.api import replay
    from rustnet.ingest.stop import StopToken
    from rustnet.query.diff import diff
    from rustnet.query.session import Session
    from rustnet.query.session import open_session as open  # noqa: A004 -- rustnet.open, as people write it

__version__ = "0.1.0"
__all__ = ["Session", "StopToken", "__version__", "diff", "open", "replay"]

_PLACES = {
    "Session": ("rustnet.query.session", "Session"),
    "diff": ("rustnet.query.diff", "diff"),
    "StopToken": ("rustnet.ingest.stop", "StopToken"),
    "open": ("rustnet.query.session", "open_session"),
    "replay": ("rustnet.ingest.api", "replay"),
}
"""Module and name of what is imported when it is first used, so that ``import rustnet`` costs nothing."""


def __getattr__(name: str) -> "Any":
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
