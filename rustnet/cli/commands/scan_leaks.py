"""``rustnet scan-leaks``: looks for the values of a session in a redacted export of it."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rustnet.cli.main import State, terminal
from rustnet.cli.options import common, in_english, opened, whole_session_argument
from rustnet.cli.redaction_options import new_redactor
from rustnet.cli.terminal import Col, notify, table
from rustnet.errors import ExitCode, UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import cut, safe

if TYPE_CHECKING:
    from rustnet.export.leaks import Findings, Leak

LISTED = 100
"""Most leaks that are listed on a terminal."""


@click.command(
    help=_(
        "Look for every value of SESSION that a policy replaces in all files of DIR, a redacted export of it: as text, "
        "as bytes, reversed, encoded, and within tables, captures and compressed files. Exits with 1 if there is "
        "one.\n\n\b\n"
        "  rustnet scan-leaks s.duckdb shared\n"
        "  rustnet scan-leaks s.duckdb theirs --redact strict --json\n\n"
        "An address of the session may also be the replacement of another one. Tables with the rows of the session "
        "decide; elsewhere, and without the key of the export, it is listed as undecided. docs/leak-scan.md has the "
        "rules."
    )
)
@whole_session_argument
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--redact", "policy", metavar="POLICY", help=_("Policy of the export.  [default: by configuration]"))
@click.option("--redact-key", "key", metavar="FILE", help=_("File of the key of the export.  [default: unknown]"))
@click.option("--strict", is_flag=True, help=_("Exit with 4 if something is undecided or could not be read."))
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the result as JSON."))
@common
@click.pass_obj
def command(
    state: State, session: str, folder: str, policy: str | None, key: str | None, strict: bool, as_json: bool
) -> ExitCode:
    """Scan a directory."""
    from rustnet.export.leaks import examine  # noqa: PLC0415 -- DuckDB

    place = Path(folder)
    if not place.is_dir():
        raise UsageError("{path}: is not a directory", path=folder)
    if key is not None and not Path(key).exists():
        raise UsageError("{path}: there is no such key file", path=key)
    state.redact, state.redact_key = policy, key or "new"
    redactor = new_redactor(state)
    state.redact = state.redact_key = None  # of the export: the session itself is read as it is
    line = _Line()
    with opened(session) as reader:
        try:
            findings = examine(reader, place, redactor, known_key=key is not None, step=line)
        finally:
            line.clear()
    if as_json:
        from rustnet.export.formats import dumps  # noqa: PLC0415

        sys.stdout.write(dumps(findings.record()) + "\n")
    else:
        _print(findings)
    if findings.leak_count:
        return ExitCode.FAILURE
    open_ends = findings.undecided_count or findings.unread or not findings.complete
    return ExitCode.LOSSES if strict and open_ends else ExitCode.DONE


def _print(findings: "Findings") -> None:
    """Print leaks as a table, then what is undecided, and the sums."""
    screen = terminal()
    columns = [Col(_("File")), Col(_("Place"), least=12), Col(_("Kind")), Col(_("Form"), drop=1), Col(_("Original"))]
    for title, leaks in ((_("Leaks"), findings.leaks), (_("Undecided"), findings.undecided)):
        if leaks:
            rows = [_cells(leak) for leak in leaks[:LISTED]]
            sys.stdout.write("\n".join([screen.bold(title), *table(columns, rows, screen.width, screen.dim)]) + "\n")
    sys.stdout.flush()
    for name, reason in findings.unread:
        notify(safe(_("not read: {file}: {reason}").format(file=name, reason=reason)))
    if not findings.complete:
        notify(_("the session has more values than can be looked for: the first {n} were").format(n=findings.sought))
    words = ngettext("{n} leak", "{n} leaks", findings.leak_count).format(n=f"{findings.leak_count:,}")
    both = _("{leaks}, {undecided} undecided; {sought} values were looked for in {files} files")
    notify(both.format(leaks=words, undecided=f"{findings.undecided_count:,}", sought=f"{findings.sought:,}",
                       files=f"{findings.files:,}"))  # fmt: skip


def _cells(leak: "Leak") -> tuple[str, ...]:
    where = leak.place
    if leak.row is not None:
        where = f"{where} {leak.row:,}"
    elif leak.offset is not None:
        where = _("{place} offset {offset}").format(place=where, offset=f"{leak.offset:,}").strip()
    return tuple(safe(each) for each in (leak.file, where, leak.kind, leak.form, leak.value))


class _Line:
    """Progress on a terminal, redrawn in place on stderr."""

    def __init__(self) -> None:
        self._visible = sys.stderr.isatty()
        self._last = 0.0

    def __call__(self, file: str, done: int, every: int) -> None:
        """Show the file at hand, and the share of all bytes that is done."""
        now = time.monotonic()
        if self._visible and now - self._last > 0.1:
            self._last = now
            share = f"{done / every:.0%}" if every else ""
            line = _("{percent} scanned: {file}").format(percent=share, file=file or "…")
            sys.stderr.write(f"\r{cut(safe(line), 78)}\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        """Erase the line."""
        if self._visible:
            sys.stderr.write("\r\x1b[K")
