"""The databases of addresses of a run: opened before anything is read if they were given, else when they are needed."""

from typing import TYPE_CHECKING

from rustnet.derive.passes import Span
from rustnet.ingest.options import Options
from rustnet.ingest.report import Report
from rustnet.store.finish import NamedWork

if TYPE_CHECKING:
    import duckdb

    from rustnet.enrich.lookup import Lookup


def lookup_ahead(options: Options) -> "Lookup | None":
    """Open the databases before the captures are read if one was given, which may be wrong, or rows appear meanwhile.

    Raises `InputError` for a database that was given and cannot be used.
    """
    if not (options.geo.given or options.speed is not None):
        return None
    from rustnet.enrich.lookup import open_lookup  # noqa: PLC0415 - rarely needed this early

    return open_lookup(options.geo)


def enrichment(report: Report, options: Options, lookup: "Lookup | None") -> NamedWork:
    """The pass over the flows of this run; databases that cannot be used are in the report's notes."""

    def work(con: "duckdb.DuckDBPyConnection") -> None:
        from rustnet.derive.enrichment import enrich_new  # noqa: PLC0415 - only where there are captures
        from rustnet.enrich.lookup import open_lookup  # noqa: PLC0415

        databases = lookup or open_lookup(options.geo)
        enrich_new(con, Span(tuple(capture.capture_id for capture in report.captures)), databases)
        report.notes += databases.failures

    return "enrichment", work
