"""``rustnet verify``: checks the consistency of a session and that its captures are unchanged."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rustnet.cli.main import terminal
from rustnet.cli.options import common, in_english, opened, whole_session_argument
from rustnet.cli.outputs import check_streams
from rustnet.cli.terminal import wrap
from rustnet.errors import ExitCode, InputError, UsageError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.query.integrity import Finding
    from rustnet.query.partial import PartialCapture
    from rustnet.query.selection import Original, OriginalFile


@click.command(
    help=_(
        "Check a session: that stored counts match its rows, that all references between tables are valid, and that "
        "the original captures are unchanged. Of the directory of an export, check that its files are those of its "
        "manifest, and the signature. Exits with 1 if a check fails."
    )
)
@whole_session_argument
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="FILE",
    help=_("Current path of an original capture."),
)
@click.option("--no-hash", is_flag=True, help=_("Do not read and hash the captures."))
@click.option(
    "--signer",
    metavar="KEY",
    help=_("The key that must have signed the manifest: its fingerprint, the public key, or a file with it."),
)
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the results as JSON."))
@common
def command(session: str, sources: tuple[str, ...], no_hash: bool, signer: str | None, as_json: bool) -> ExitCode:
    """Verify a session, or a directory that was exported."""
    if Path(session).is_dir():
        if sources or no_hash:
            raise UsageError("--source and --no-hash are for sessions, and {path} is a directory", path=session)
        from rustnet.export.manifest import check_manifest  # noqa: PLC0415 -- needed for this only
        from rustnet.export.signatures import expected_signer  # noqa: PLC0415

        expected = expected_signer(signer) if signer else None
        return _report(session, check_manifest(Path(session), expected), [], as_json=as_json)
    if signer:
        raise UsageError("--signer is for directories that were exported, and {path} is a file", path=session)
    from rustnet.query.integrity import check, foreign_objects  # noqa: PLC0415 -- DuckDB
    from rustnet.query.selection import originals  # noqa: PLC0415
    from rustnet.query.session import ForeignObjectsError  # noqa: PLC0415

    check_streams(session, *sources)
    captures: list[Original] = []
    partial: list[PartialCapture] = []
    try:
        with opened(session) as reader:
            findings = check(reader)
            captures = originals(reader)
            partial = reader.partial_captures()
    except ForeignObjectsError as error:  # nothing in the session can be relied on
        findings = foreign_objects(error)
    if not no_hash:
        files = [(file, capture.recorded) for capture in captures for file in capture.files]
        alone = len(files) == 1
        findings = [_file(file, Path(session), sources, alone=alone, recorded=of) for file, of in files] + findings
    return _report(session, findings, partial, as_json=as_json)


def _report(checked: str, findings: "list[Finding]", partial: "list[PartialCapture]", *, as_json: bool) -> ExitCode:
    """Print what was found out, and return whether a check failed."""
    wrong = [f for f in findings if not f.ok and f.serious]
    if as_json:
        import dataclasses  # noqa: PLC0415

        from rustnet.export.formats import dumps  # noqa: PLC0415

        data = {
            "session": checked,
            "ok": not wrong,
            "partial": [dataclasses.asdict(c) for c in partial],
            "findings": [dataclasses.asdict(f) for f in findings],
        }
        sys.stdout.write(dumps(data) + "\n")
    else:
        _print(findings, wrong)
    return ExitCode.FAILURE if wrong else ExitCode.DONE


def _file(
    capture: "OriginalFile", session: Path, sources: tuple[str, ...], *, alone: bool, recorded: bool
) -> "Finding":
    """Compare a file of a capture with the size and hash at ingest."""
    from rustnet.export.originals import locate, verify  # noqa: PLC0415
    from rustnet.query.integrity import Finding  # noqa: PLC0415

    name = _("capture {n}: file").format(n=capture.capture_id)
    original = locate(capture, session, sources, alone=alone)
    if original.path is None:
        return Finding(name, ok=False, detail=original.problem, serious=False)
    if recorded and not capture.sha256:
        return _recorded(name, capture, original.path)
    if not capture.sha256:
        words = _("{path}: not verified: it was never read to its end, so there is no hash")
        words = words.format(path=original.path)
        return Finding(name, ok=False, detail=words, serious=False)
    try:
        wrong = verify(capture, original.path)
    except InputError as error:
        return Finding(name, ok=False, detail=error.sentence(_))
    if wrong:
        return Finding(name, ok=False, detail=f"{original.path}: {wrong}")
    return Finding(name, ok=True, detail=_("{path}: same size and SHA-256").format(path=original.path))


def _recorded(name: str, file: "OriginalFile", path: Path) -> "Finding":
    """Compare the size of a file that packets were recorded to; such files are not hashed."""
    from rustnet.query.integrity import Finding  # noqa: PLC0415

    size = path.stat().st_size
    if file.bytes is None:
        return Finding(name, ok=False, detail=_("{path}: its recording has not ended").format(path=path), serious=False)
    if size != file.bytes:
        words = _("{path}: has {size:,} bytes, but {bytes:,} were recorded")
        return Finding(name, ok=False, detail=words.format(path=path, size=size, bytes=file.bytes))
    return Finding(name, ok=True, detail=_("{path}: same size as recorded").format(path=path))


def _print(findings: "list[Finding]", wrong: "list[Finding]") -> None:
    screen = terminal()
    lines = []
    for f in findings:
        mark = screen.good("✓") if f.ok else screen.bad("✗") if f.serious else screen.warn("!")
        lines.append(f"{mark} {wrap(safe(f'{f.check}: {f.detail}'), screen.width - 4, '  ')}")
    missing = sum(not f.ok and not f.serious for f in findings)
    template = _("{n} checks: {wrong} failed, {missing} not possible or incomplete")
    lines += ["", screen.bold(template.format(n=len(findings), wrong=len(wrong), missing=missing))]
    sys.stdout.write("\n".join(lines) + "\n")
