"""rustnet: a capture becomes a DuckDB session of flows, decoded messages, owners and packets.

    >>> import rustnet
    >>> rustnet.replay("web.pcap", db="session.duckdb")
    <Report session.duckdb: 1 capture, 96 packets, 20 flows>
    >>> with rustnet.open("session.duckdb") as s:
    ...     s.flows("app:tls bytes:>1k").df()[["hostname", "bytes"]]
               hostname  bytes
    0  www.shop.example   8411
    1  api.shop.example   2566

`open` returns a `Session`, `replay` a `Report`; what they raise for a mistake is a `RustnetError` of one sentence.
"""

import importlib

TYPE_CHECKING = False
"""True for type checkers. Not taken from ``typing``: ``python -m rustnet`` imports this module while the current
directory is still searched first (`rustnet.__main__`), and ``importlib`` alone is loaded by then."""

if TYPE_CHECKING:
    from rustnet.errors import InputError, RustnetError, SessionError, UsageError
    from rustnet.export.report.api import report
    from rustnet.ingest.api import replay
    from rustnet.ingest.report import Progress, Report
    from rustnet.ingest.stop import StopToken
    from rustnet.query.detail import FlowDetail, Message, Messages
    from rustnet.query.diff import Difference, diff
    from rustnet.query.execute import QueryError, QueryFailedError, QueryStoppedError, QueryTimeoutError, ResultSet
    from rustnet.query.session import Session
    from rustnet.query.session import open_session as open  # noqa: A004 -- rustnet.open, as people write it

__version__ = "0.1.0"
__all__ = [
    "Difference",
    "FlowDetail",
    "InputError",
    "Message",
    "Messages",
    "Progress",
    "QueryError",
    "QueryFailedError",
    "QueryStoppedError",
    "QueryTimeoutError",
    "Report",
    "ResultSet",
    "RustnetError",
    "Session",
    "SessionError",
    "StopToken",
    "UsageError",
    "__version__",
    "diff",
    "open",
    "replay",
    "report",
]

_MODULES = {
    "rustnet.errors": ("InputError", "RustnetError", "SessionError", "UsageError"),
    "rustnet.export.report.api": ("report",),
    "rustnet.ingest.api": ("replay",),
    "rustnet.ingest.report": ("Progress", "Report"),
    "rustnet.ingest.stop": ("StopToken",),
    "rustnet.query.detail": ("FlowDetail", "Message", "Messages"),
    "rustnet.query.diff": ("Difference", "diff"),
    "rustnet.query.execute": ("QueryError", "QueryFailedError", "QueryStoppedError", "QueryTimeoutError", "ResultSet"),
    "rustnet.query.session": ("Session",),
}
_PLACES = {name: (module, name) for module, names in _MODULES.items() for name in names}
_PLACES["open"] = ("rustnet.query.session", "open_session")
"""Module and name of what is imported when it is first used, so that ``import rustnet`` costs nothing."""


if not TYPE_CHECKING:  # which would take any name for one of the package

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _PLACES[name]
        return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
