"""``rustnet sidecar validate``: validates a sidecar and summarises its contents."""

import dataclasses
import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rustnet.cli.options import common, in_english, opened
from rustnet.cli.outputs import check_streams
from rustnet.errors import ExitCode
from rustnet.i18n import _
from rustnet.present.text import safe
from rustnet.present.values import clock_time, day

if TYPE_CHECKING:
    from rustnet.attribute.validate import LogCheck, SidecarCheck

_Flows = tuple[int, int, int, int | None, int | None]
"""Numbers of flows: all, with an owner, with a claim from the file; their first and last time."""


@click.command(
    help=_(
        "Validate FILE against the schema of sidecars, version 1 (files of RustNet itself are valid too), and "
        "summarise its contents. Logs of other formats are read as a replay does. Exits with 1 if any line is invalid, "
        "with 3 if all are."
    )
)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--session", metavar="SESSION", help=_("Also count the flows of this session that have an owner."))
@click.option(
    "--lines",
    default=20,
    show_default=True,
    type=click.IntRange(0, 1000),
    help=_("Show at most this many invalid lines."),
)
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the results as JSON."))
@common
def command(file: str, session: str | None, lines: int, as_json: bool) -> ExitCode:
    """Validate a sidecar."""
    from rustnet.attribute.validate import check_log, other_format, validate  # noqa: PLC0415 -- a schema to compile

    check_streams(file)
    reader = other_format(Path(file))
    if reader is not None:
        return _log(check_log(reader), session, Path(file).name, lines, as_json=as_json)
    check = validate(Path(file))
    flows = _flows(session, Path(file).name) if session else None
    if as_json:
        from rustnet.export.formats import dumps  # noqa: PLC0415

        sys.stdout.write(dumps(_data(check, flows, lines)) + "\n")
    else:
        sys.stdout.write("\n".join([*_words(check, lines), *(_flow_words(flows, check) if flows else [])]) + "\n")
    if not check.lines - check.broken:
        return ExitCode.INPUT
    return ExitCode.FAILURE if check.broken else ExitCode.DONE


def _log(check: "LogCheck", session: str | None, name: str, shown: int, *, as_json: bool) -> ExitCode:
    """Print the results of a log of another format."""
    flows = _flows(session, name) if session else None
    if as_json:
        from rustnet.export.formats import dumps  # noqa: PLC0415

        sys.stdout.write(dumps(_log_data(check, flows, shown)) + "\n")
    else:
        sys.stdout.write("\n".join([*_log_words(check, shown), *(_flow_words(flows, check) if flows else [])]) + "\n")
    if not check.fit:
        return ExitCode.INPUT
    return ExitCode.FAILURE if check.broken else ExitCode.DONE


def _log_words(check: "LogCheck", shown: int) -> list[str]:
    from rustnet.attribute.reasons import listed  # noqa: PLC0415 -- only here

    lines = [
        _(
            "format {name}; records {n:,}; that can match a flow {fit:,}; with a process {owned:,}; invalid {bad:,}"
        ).format(name=check.source, n=check.records, fit=check.fit, owned=check.owned, bad=check.broken)
    ]
    lines += [f"  {number}: {safe(reason)}" for number, reason in check.faults[:shown]]
    if check.skipped:
        lines.append(_("records without use: {reasons}").format(reasons=listed(check.skipped)))
    if check.first is not None and check.last is not None:
        lines.append(_("seen from {first} to {last}").format(first=_shown(check.first), last=_shown(check.last)))
    return lines


def _log_data(check: "LogCheck", flows: "_Flows | None", shown: int) -> dict[str, Any]:
    data = dataclasses.asdict(check)
    data["faults"] = [{"line": number, "reason": reason} for number, reason in check.faults[:shown]]
    data["skipped"] = {reason.removeprefix("{n} "): count for reason, count in check.skipped.items()}
    for name in ("first", "last"):
        data[name] = None if data[name] is None else _instant(data[name])
    if flows:
        data["session"] = dict(zip(("flows", "owned", "claimed_by_file"), flows[:3], strict=True))
    return data


def _flows(session: str, name: str) -> "_Flows":
    """Flows of a session, those with an owner, those with a claim from the file, and their first and last time."""
    from rustnet.query.ownership import owned, span  # noqa: PLC0415 -- DuckDB

    with opened(session) as reader:
        return (*owned(reader, name), *span(reader))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _listed(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{safe(name)} {count:,}" for name, count in ordered[:10])


def _shown(ns: int) -> str:
    """A time for people, in their zone."""
    return f"{day(ns)}T{clock_time(ns)}"


def _instant(ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ns // 1_000_000_000, dt.UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1_000_000 % 1000:03d}Z"


def _words(check: "SidecarCheck", shown: int) -> list[str]:
    """Results as lines of text."""
    lines = [
        _("lines {n}; valid {good}; invalid {bad}").format(
            n=f"{check.lines:,}", good=f"{check.lines - check.broken:,}", bad=f"{check.broken:,}"
        )
    ]
    lines += [f"  {number}: {safe(reason)}" for number, reason in check.faults[:shown]]
    if check.broken > min(shown, len(check.faults)):
        more = _("… and {n:,} more").format(n=check.broken - min(shown, len(check.faults)))
        lines.append(f"  {more}")
    lines.append(_("connections {n} ({versions})").format(n=f"{check.connections:,}", versions=_listed(check.versions)))
    if check.about:
        lines.append(_("records about the recording: {kinds}").format(kinds=_listed(check.about)))
    if check.recorders:
        lines.append(_("written by: {names}").format(names=_listed(check.recorders)))
    if check.hosts:
        lines.append(_("hosts: {names}").format(names=_listed(check.hosts)))
    if check.first is not None and check.last is not None:
        lines.append(_("seen from {first} to {last}").format(first=_shown(check.first), last=_shown(check.last)))
    for name in check.covered:
        share = _share(check.covered[name], check.connections)
        covered = _("with {what}: {n:,} ({share})").format(what=name, n=check.covered[name], share=share)
        lines.append(f"  {covered}")
    if check.unowned:
        lines.append(_("without a process, by reason: {reasons}").format(reasons=_listed(check.unowned)))
    lines += [_("missed, according to the recorder: {words}").format(words=safe(words)) for words in check.missed]
    return lines


def _flow_words(flows: "_Flows", check: "SidecarCheck | LogCheck") -> list[str]:
    total, owned, claimed, first, last = flows
    lines = [
        _(
            "flows of the session {n}; with an owner {owned} ({share}); with a claim from this file {claimed} ({part})"
        ).format(
            n=f"{total:,}",
            owned=f"{owned:,}",
            share=_share(owned, total),
            claimed=f"{claimed:,}",
            part=_share(claimed, total),
        )
    ]
    if not claimed and check.first is not None and check.last is not None and first is not None and last is not None:
        template = _("no claim: the file's records have other ends than the flows from {first} to {last}")
        if check.last < first or check.first > last:
            template = _("no claim: the file's records are outside of the flows' time, from {first} to {last}")
        lines.append(template.format(first=_shown(first), last=_shown(last)))
    return lines


def _data(check: "SidecarCheck", flows: "_Flows | None", shown: int) -> dict[str, Any]:
    """Results as data for JSON."""
    values = {field.name: getattr(check, field.name) for field in dataclasses.fields(check)}
    data: dict[str, Any] = {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}
    data["faults"] = [{"line": number, "reason": reason} for number, reason in check.faults[:shown]]
    data["coverage"] = {name: check.share(name) for name in check.covered}
    for name in ("first", "last"):
        data[name] = None if data[name] is None else _instant(data[name])
    if flows:
        data["session"] = dict(zip(("flows", "owned", "claimed_by_file"), flows[:3], strict=True))
    return data
