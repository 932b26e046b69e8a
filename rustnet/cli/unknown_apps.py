"""``rustnet replay --with tshark``: the pass ``unknown-apps`` over the captures of this run."""

from typing import TYPE_CHECKING

from rustnet.cli.terminal import notify, notify_error
from rustnet.errors import ExitCode
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.ingest.report import Report


def name_unknown_apps(session: str, report: "Report") -> ExitCode:
    """Let tshark name the applications that no parser recognised; its notes and errors go to stderr."""
    captures = [c.capture_id for c in report.captures] + [number for number, _path in report.known]
    if not captures:
        return ExitCode.DONE
    from rustnet.derive.passes import Evidence  # noqa: PLC0415 -- DuckDB
    from rustnet.derive.unknown_apps import UNKNOWN_APPS  # noqa: PLC0415
    from rustnet.ingest.refresh import refresh  # noqa: PLC0415
    from rustnet.inspect.longtail import decode_packets  # noqa: PLC0415

    ((_pass, outcome),) = refresh(session, [UNKNOWN_APPS], Evidence(decoder=decode_packets), captures)
    for sentence in (*outcome.notes, *outcome.losses):
        notify(f"rustnet: {safe(sentence)}")
    for sentence in outcome.failures:
        notify_error(sentence)
    report.losses += outcome.losses
    return ExitCode.FAILURE if outcome.failures else ExitCode.DONE
