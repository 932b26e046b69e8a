"""Custody: what was read, with hashes and losses, by which program, with which tables, and how times are shown."""

import datetime as dt
from typing import Any

from rustnet import __version__
from rustnet.export.report.blocks import Fact, Facts, Section
from rustnet.export.report.cells import Cell
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _
from rustnet.present.values import short_moment, timestamp_ns, zone, zone_name

CAPTURES = 200
"""Most captures and files that are listed."""

_CAPTURES = """-- title: Captures
-- description: Inputs of the session, with their hashes, extent and losses.
-- column: source path
-- column: sha256 digest
-- column: link_types word
SELECT capture_id, source, format, bytes, sha256, packets, wire_bytes, captured_bytes, truncated,
    dropped_kernel, dropped_interface, CASE snaplen WHEN 0 THEN NULL ELSE snaplen END AS snaplen, link_types, first_ts,
    last_ts, first_ts AS first_utc, last_ts AS last_utc, complete, application, ingested_at, rustnet_version
FROM captures
ORDER BY capture_id"""

_FILES = """-- title: Files of captures
-- description: Files of captures that consist of several.
-- column: source path
-- column: sha256 digest
SELECT capture_id, source, format, bytes, sha256, packets, first_ts, last_ts, complete
FROM capture_files
ORDER BY capture_id, file"""

_INPUTS = """-- title: Inputs of the session
-- description: Captures, sidecars and others that the session was made of.
-- column: source path
SELECT substr(key, 7) AS source FROM meta WHERE starts_with(key, 'input ') ORDER BY key"""

_TABLES = """-- title: Tables of addresses
-- description: Data about addresses that were applied to the session.
-- column: name word
-- column: version word
-- column: licence free_text
-- column: attribution free_text
SELECT name, kind, version, built_at, licence, attribution FROM data_sources ORDER BY name"""

_MADE = """-- title: Origin of the session
-- description: Version that made the session, when, and what changed it later.
-- column: name word
-- column: version word
SELECT name, rustnet_version AS version, applied_at FROM migrations ORDER BY version, applied_at"""


def utc(value: Any) -> Cell:
    """A time in UTC with all digits."""
    return Cell(timestamp_ns(value), str(value)) if isinstance(value, int) else Cell(str(value))


def section(source: Source, written: dt.datetime | None) -> Section:
    """Tool, session, captures, tables."""
    part = Section("custody", _("Custody"), _("What is this report made of, and by what means?"))
    written_ns = None if written is None else int(written.timestamp()) * 10**9
    facts = [
        Fact(_("Program"), f"rustnet {__version__}"),
        Fact(_("Session"), source.name, code=True),
        Fact(_("Time zone of this report"), zone_name()),
    ]
    if written_ns is not None:
        facts.append(Fact(_("Written at"), short_moment(written_ns), f"{timestamp_ns(written_ns)[:19]}Z"))
    facts += scope_facts(source)
    part.add(Facts(facts))
    _captures(part, source)
    part.add(source.own(_MADE).table(_("Origin of the session"), [
        Show("name", _("what")), Show("version", _("by version")), Show("applied_at", _("when")),
    ]))  # fmt: skip
    part.add(source.own(_INPUTS, CAPTURES).table(_("Files that were read"), [Show("source", _("file"), wide=True)]))
    tables = source.own(_TABLES)
    if not tables:
        part.absent(_("No table of addresses (countries, autonomous systems) was applied."))
    part.add(tables.table(_("Tables of addresses that were applied"), [
        Show("name", _("table")), Show("kind", _("kind")), Show("version", _("version")), Show("built_at", _("made")),
        Show("licence", _("licence"), wide=True), Show("attribution", _("attribution"), wide=True),
    ]))  # fmt: skip
    return part


def scope_facts(source: Source) -> list[Fact]:
    """What the report is restricted to."""
    if not source.scope.text:
        return [Fact(_("Scope"), _("the whole session"))]
    note = _("Flows that match count with all of their packets. Statements about captures are about the whole session.")
    return [Fact(_("Filter"), source.shown_filter, note, code=True)]


def _captures(part: Section, source: Source) -> None:
    captures = source.own(_CAPTURES, CAPTURES)
    if not captures:
        part.absent(_("The session has no capture."))
    in_utc = zone() is dt.UTC
    part.add(captures.table(_("Captures"), [
        Show("source", _("capture"), wide=True), Show("format", _("format")), Show("bytes", _("size")),
        Show("packets", _("packets")), Show("wire_bytes", _("on the wire")), Show("captured_bytes", _("captured")),
        Show("dropped_kernel", _("dropped by the system")), Show("dropped_interface", _("dropped by the interface")),
        Show("truncated", _("cut")), Show("snaplen", _("snap length")), Show("link_types", _("link types")),
    ], _("Columns that no capture has a value for, such as losses that were not recorded, are left out.")))  # fmt: skip
    part.add(captures.table(_("Extent of the captures"), [
        Show("source", _("capture"), wide=True),
        *([] if in_utc else [Show("first_ts", _("first packet")), Show("last_ts", _("last packet"))]),
        Show("first_utc", _("first packet (UTC)"), utc), Show("last_utc", _("last packet (UTC)"), utc),
    ]))  # fmt: skip
    part.add(captures.table(_("Hashes of the captures"), [
        Show("source", _("capture"), wide=True), Show("sha256", "SHA-256", wide=True), Show("complete", _("complete")),
        Show("application", _("written by"), wide=True), Show("ingested_at", _("read at")),
        Show("rustnet_version", _("by version")),
    ]))  # fmt: skip
    part.add(source.own(_FILES, CAPTURES).table(_("Files of captures that consist of several"), [
        Show("source", _("file"), wide=True), Show("format", _("format")), Show("bytes", _("size")),
        Show("sha256", "SHA-256", wide=True), Show("packets", _("packets")), Show("first_ts", _("first packet")),
        Show("last_ts", _("last packet")), Show("complete", _("complete")),
    ]))  # fmt: skip
