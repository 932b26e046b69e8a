"""``rustnet sidecar validate``: whether a sidecar is sound, and what it covers."""

import dataclasses
import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rustnet.cli.options import common, opened
from rustnet.errors import ExitCode
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.attribute.validate import SidecarCheck


@click.command(
    help=_(
        "Check FILE against the schema of sidecars, version 1 (RustNet's own files are sound too), and say what it "
        "covers. Exits with 1 if a line is broken, with 3 if none is sound."
    )
)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--session", metavar="SESSION", help=_("Also say how many of this session's flows have an owner."))
@click.option("--lines", default=20, show_default=True, type=click.IntRange(0, 1000), help=_("Broken lines to show."))
@click.option("--json", "as_json", is_flag=True, help=_("Print the findings as JSON."))
@common
def command(file: str, session: str | None, lines: int, as_json: bool) -> ExitCode:
    """Validate."""
    from rustnet.attribute.validate import validate  # noqa: PLC0415 -- a schema to compile

    found = validate(Path(file))
    flows = _flows(session, Path(file).name) if session else None
    if as_json:
        from rustnet.export.formats import dumps  # noqa: PLC0415

        sys.stdout.write(dumps(_data(found, flows, lines)) + "\n")
    else:
        sys.stdout.write("\n".join([*_words(found, lines), *(_flow_words(flows) if flows else [])]) + "\n")
    if not found.lines - found.broken:
        return ExitCode.INPUT
    return ExitCode.FAILURE if found.broken else ExitCode.DONE


def _flows(session: str, name: str) -> tuple[int, int, int]:
    from rustnet.query.ownership import owned  # noqa: PLC0415 -- DuckDB

    with opened(session) as reader:
        return owned(reader, name)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _listed(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{safe(name)} {count:,}" for name, count in ordered[:10])


def _instant(ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ns // 1_000_000_000, dt.UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1_000_000 % 1000:03d}Z"


def _words(found: "SidecarCheck", shown: int) -> list[str]:
    """Findings for people."""
    said = [
        _("lines {n}; sound {good}; broken {bad}").format(
            n=f"{found.lines:,}", good=f"{found.lines - found.broken:,}", bad=f"{found.broken:,}"
        )
    ]
    said += [f"  {number}: {safe(reason)}" for number, reason in found.faults[:shown]]
    if found.broken > min(shown, len(found.faults)):
        more = _("… and {n:,} more").format(n=found.broken - min(shown, len(found.faults)))
        said.append(f"  {more}")
    said.append(_("connections {n} ({versions})").format(n=f"{found.connections:,}", versions=_listed(found.versions)))
    if found.about:
        said.append(_("about the recording: {kinds}").format(kinds=_listed(found.about)))
    if found.recorders:
        said.append(_("written by: {names}").format(names=_listed(found.recorders)))
    if found.hosts:
        said.append(_("hosts: {names}").format(names=_listed(found.hosts)))
    if found.first is not None and found.last is not None:
        said.append(_("seen from {first} to {last}").format(first=_instant(found.first), last=_instant(found.last)))
    for name in found.covered:
        share = _share(found.covered[name], found.connections)
        covered = _("with {what}: {n:,} ({share})").format(what=name, n=found.covered[name], share=share)
        said.append(f"  {covered}")
    if found.unowned:
        said.append(_("without a process, by reason: {reasons}").format(reasons=_listed(found.unowned)))
    said += [_("missed, says the recorder: {words}").format(words=safe(words)) for words in found.missed]
    return said


def _flow_words(flows: tuple[int, int, int]) -> list[str]:
    whole, owned, told = flows
    return [
        _(
            "flows of the session {n}; with an owner {owned} ({share}); with a claim from this file {told} ({part})"
        ).format(
            n=f"{whole:,}", owned=f"{owned:,}", share=_share(owned, whole), told=f"{told:,}", part=_share(told, whole)
        )
    ]


def _data(found: "SidecarCheck", flows: tuple[int, int, int] | None, shown: int) -> dict[str, Any]:
    """Findings for programs."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    made: dict[str, Any] = {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}
    made["faults"] = [{"line": number, "reason": reason} for number, reason in found.faults[:shown]]
    made["coverage"] = {name: found.share(name) for name in found.covered}
    for name in ("first", "last"):
        made[name] = None if made[name] is None else _instant(made[name])
    if flows:
        made["session"] = dict(zip(("flows", "owned", "claimed_by_file"), flows, strict=True))
    return made
