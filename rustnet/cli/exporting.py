"""The directory that ``rustnet export`` writes: one file or folder for each format, all or nothing."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rustnet.cli.optional_values import ZEEK_STYLES
from rustnet.cli.terminal import Terminal, notify
from rustnet.errors import RustnetError
from rustnet.i18n import N_, _, ngettext
from rustnet.present.text import cut, safe

if TYPE_CHECKING:
    from rustnet.cli.custody import Custody
    from rustnet.export.folder import ExportFolder
    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session
_F = TypeVar("_F", bound=Callable[..., Any])

SESSION, PACKETS, CSV = "session", "pcapng", "csv"
SPREADSHEET = "spreadsheet"
LISTED = 20
"""Most leaks that are listed."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of exports.

    Its function gets the session (of a redaction: the redacted one), the folder, and the arguments of the style. It
    writes to the folder and returns translated sentences on what has no place in the format. That of packets gets the
    session that was given, the folder, the redactor and the paths of ``--source``; it returns what was cut, as an
    object whose `numbers()` are for redaction.json, and the sentences.
    """

    place: str
    """Where its function is: `module:name`."""
    help: str = ""
    """Help of its own option; a format without one is chosen by ``--format``."""
    styles: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Its variants, by what may follow the option, with arguments of its function; the first is the default."""

    @property
    def default(self) -> str:
        """The style if none is given."""
        return next(iter(self.styles), "")


FORMATS: Mapping[str, Format] = {
    SESSION: Format("rustnet.export.redacted_session:write"),
    "parquet": Format("rustnet.export.tables:write_parquet"),
    CSV: Format(
        "rustnet.export.tables:write_csv", styles={"exact": {"spreadsheet": False}, SPREADSHEET: {"spreadsheet": True}}
    ),
    "jsonl": Format("rustnet.export.tables:write_jsonl"),
    "zeek": Format(
        "rustnet.export.zeek.export:write_zeek",
        N_("Write Zeek's logs."),
        {name: {"style": name} for name in ZEEK_STYLES},
    ),
    "eve": Format("rustnet.export.eve:write_eve", N_("Write Suricata's eve.json.")),
    "har": Format("rustnet.export.har:write_har", N_("Write HTTP messages in clear text as an HTTP archive.")),
    "ecs": Format("rustnet.export.ecs:write_ecs", N_("Write JSON lines with the fields of the Elastic Common Schema.")),
    PACKETS: Format("rustnet.export.redacted_packets.writing:write_redacted_packets"),
}
"""Formats by name, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported."""

    formats: Mapping[str, str]
    """Names of formats, each with its style."""
    redactor: "Redactor | None" = None
    key_file: bool = False
    """The key of the redaction is in a file, so that other exports can be joined with this one."""
    sources: Sequence[str] = ()
    """Current paths of the original captures."""
    custody: "Custody | None" = None
    """Adds a manifest."""
    group: int | None = None
    """Number of the group that may read what is written."""


def chosen_by_option(command: _F) -> _F:
    """Add the options of formats that have their own: parameters with the format's name, None if not given."""
    for name, form in reversed(list(FORMATS.items())):
        if form.help and form.styles:
            command = click.option(
                f"--{name}", is_flag=False, flag_value=form.default, type=click.Choice(list(form.styles)),
                metavar=f"[{'|'.join(form.styles)}]", help=_(form.help),
            )(command)  # fmt: skip
        elif form.help:
            command = click.option(f"--{name}", flag_value="", default=None, help=_(form.help))(command)
    return command


def function(place: str) -> Callable[..., Any]:
    """Import a function by `module:name`."""
    module, _colon, name = place.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return loaded


def export(session: "Session", order: Order, target: Path) -> None:
    """Write a session in some formats to a new directory, which appears when all are complete."""
    from rustnet.export.folder import ExportFolder  # noqa: PLC0415 -- needed for this only

    with ExportFolder(target, order.group) as folder:
        if order.redactor is None:
            _write_formats(session, order, folder)
        else:
            _write_redacted(session, order, folder, order.redactor)
        if order.custody is not None:
            order.custody.write(session, folder, order.redactor)
        if order.redactor is not None:
            _scan_for_leaks(session, folder, order.redactor)
        folder.publish()
    template = ngettext("{n} file written to {path}", "{n} files written to {path}", len(folder.files))
    notify(template.format(n=f"{len(folder.files):,}", path=safe(str(target))))


def _write_redacted(session: "Session", order: Order, folder: "ExportFolder", redactor: "Redactor") -> None:
    """Write the redacted session, the formats that are made of it, the packets and the statement; then scan them."""
    from rustnet.export import redacted_session, redaction_statement  # noqa: PLC0415 -- DuckDB
    from rustnet.query.session import open_session  # noqa: PLC0415

    kept = SESSION in order.formats
    path = folder.new(redacted_session.FILE) if kept else folder.work / redacted_session.TEMPORARY
    progress = ProgressLine()
    try:
        copied = redacted_session.copy(session, path, redactor, progress)
    finally:
        progress.clear()
    _remark(SESSION, copied.remarks())
    with open_session(path) as redacted:
        _write_formats(redacted, order, folder)
    if not kept:
        path.unlink()
    packets: dict[str, Any] = {}
    if PACKETS in order.formats:
        counts, remarks = function(FORMATS[PACKETS].place)(session, folder, redactor, order.sources)
        packets = counts.numbers()
        _remark(PACKETS, remarks)
    redaction_statement.write(folder, copied, redactor, key_file=order.key_file, packets=packets)


def _scan_for_leaks(session: "Session", folder: "ExportFolder", redactor: "Redactor") -> None:
    """Look for originals in all files. Raises `RustnetError` if there is one."""
    from rustnet.export.leaks import examine  # noqa: PLC0415 -- NumPy and DuckDB

    findings = examine(session, folder.work, redactor)
    for leak in findings.leaks[:LISTED]:
        words = _("{file}: {place}: {kind} of the original: {value}")
        notify(safe(words.format(file=leak.file, place=leak.place or leak.offset, kind=leak.kind, value=leak.value)))
    for file, reason in findings.unread:
        notify(safe(f"{file}: {reason}"))
    if findings.leak_count:
        raise RustnetError(
            "nothing was exported: the files would have had {n} originals; please report it, without them",
            n=f"{findings.leak_count:,}",
        )
    if findings.unread:
        raise RustnetError("nothing was exported: not all files could be searched for originals")


def _write_formats(session: "Session", order: Order, folder: "ExportFolder") -> None:
    """Write the formats that are made of one session."""
    for name, form in FORMATS.items():
        own = name == PACKETS or (name == SESSION and order.redactor is not None)
        if name in order.formats and not own:
            _remark(name, function(form.place)(session, folder, **form.styles.get(order.formats[name], {})))


def _remark(name: str, remarks: Sequence[str]) -> None:
    for remark in remarks:
        notify(safe(f"{name}: {remark}"))


class ProgressLine:
    """One line about a long export, redrawn in place on stderr; for terminals only."""

    def __init__(self) -> None:
        self._terminal = Terminal.of(sys.stderr)
        self._visible = sys.stderr.isatty()
        self._shown = False

    def __call__(self, share: float, table: str) -> None:
        """Show the table at hand, and the share of the work that is done."""
        if self._visible:
            line = _("{percent} redacted: table {table}").format(percent=f"{share:.0%}", table=table)
            sys.stderr.write(f"\r{cut(safe(line), self._terminal.width - 1)}\x1b[K")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
