"""What ``rustnet replay --with tshark`` says of the flows that no parser knew."""

from typing import TYPE_CHECKING

from rustnet.cli.terminal import talk
from rustnet.errors import ExitCode
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.ingest.report import Report


def name_rest(session: str, report: "Report") -> ExitCode:
    """Have tshark name what no parser knew, and say what came of it."""
    captures = [(c.capture_id, c.source) for c in report.captures] + report.known
    if not captures:
        return ExitCode.DONE
    from rustnet.inspect import longtail  # noqa: PLC0415 -- DuckDB

    made = longtail.name_rest(session, captures)
    words = _("rustnet: tshark named {n} of {all} flows that no parser knew")
    talk(words.format(n=f"{made.named:,}", all=f"{made.asked:,}"))
    for sentence in made.left:
        talk(f"rustnet: {safe(sentence)}")
    for sentence in made.failed:
        talk(f"rustnet: error: {safe(sentence)}")
    report.losses += made.left
    return ExitCode.FAILURE if made.failed else ExitCode.DONE
