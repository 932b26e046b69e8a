"""The databases of addresses of a run: opened before anything is read if they were given, else when they are needed."""

from functools import partial
from typing import TYPE_CHECKING

from rustnet.derive.passes import Span
from rustnet.ingest.options import Options
from rustnet.ingest.report import Report
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    from rustnet.enrich.lookup import Lookup


def lookup_ahead(options: Options) -> "Lookup | None":
    """Open the databases before the captures are read if one was given, which may be wrong, or rows appear meanwhile.

    Raises `InputError` for a database that was given and cannot be used.
    """
    if not (options.geo.given or options.speed is not None):
        return None
    from rustnet.enrich.lookup import open_lookup  # noqa: PLC0415 - rarely needed this early

    return open_lookup(options.geo)


def enrich(writer: Writer, report: Report, options: Options, lookup: "Lookup | None") -> None:
    """Look up the addresses of the flows of this run."""
    captures = tuple(capture.capture_id for capture in report.captures)
    if not captures:
        return
    from rustnet.derive.enrichment import ENRICHMENT, enrich_new  # noqa: PLC0415 - only where there are captures
    from rustnet.enrich.lookup import open_lookup  # noqa: PLC0415

    lookup = lookup or open_lookup(options.geo)
    writer.execute_pass(ENRICHMENT.name, partial(enrich_new, span=Span(captures), lookup=lookup))
    report.notes += lookup.failures
