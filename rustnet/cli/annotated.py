"""Input, output and messages of ``rustnet enrich``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rustnet.cli.outputs import Inputs, check_output, whole_file
from rustnet.cli.terminal import notify
from rustnet.errors import UsageError
from rustnet.i18n import N_, _, ngettext
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.export.annotate import Annotated
    from rustnet.query.comments import Comments

_DAMAGE_SHOWN = 5
_MENDED = {
    "options": N_("options or names left out: {n}"),
    "blocks": N_("blocks left out: {n}"),
    "packets": N_("packets left out, whose link type's header is not whole: {n}"),
    "cut": N_("packets cut to 262,144 bytes: {n}"),
    "rewritten": N_("simple packet blocks rewritten as enhanced ones, with time 0: {n}"),
    "versions": N_("sections of an unknown version, written as version 1.0: {n}"),
}


def check_comments(output: str, inputs: Inputs) -> None:
    """Raise `UsageError` if the output must not have this path or cannot hold comments."""
    if output == "-" and sys.stdout.isatty():
        raise UsageError("packets are binary and cannot be shown on a terminal: write them to a file with > or -o")
    check_output(output, inputs)
    if output == "-":
        return
    target = Path(output)
    if target.suffix.lower() not in (".pcapng", ".ntar") and (target.is_file() or not target.exists()):
        raise UsageError("{path}: only pcapng can hold comments: the file name must end in .pcapng", path=output)


def write(path: str, comments: "Comments", output: str, inputs: Inputs) -> "Annotated":
    """Write the capture with its comments to stdout, or to a file that appears only once it is complete."""
    from rustnet.export.annotate import annotate  # noqa: PLC0415

    def annotate_into(stream: BinaryIO) -> "Annotated":
        return annotate(path, comments, stream)

    if output == "-":
        result = annotate_into(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return result
    with whole_file(output, inputs) as stream:
        return annotate_into(stream)


def print_result(result: "Annotated", capture: str, output: str) -> None:
    """Report on stderr what was written and what was not."""
    if not result.complete:
        for damage in result.damage[:_DAMAGE_SHOWN]:
            notify(_("rustnet: {path}: at byte {offset}: {words}").format(
                path=safe(capture), offset=f"{damage.offset:,}", words=safe(damage.detail)))  # fmt: skip
        if (more := len(result.damage) - _DAMAGE_SHOWN) > 0:
            notify(ngettext("rustnet: and {n} more damaged place", "rustnet: and {n} more damaged places", more).format(
                n=f"{more:,}"))  # fmt: skip
        notify(_("rustnet: {path}: not read to a clean end: only the readable packets were written").format(
            path=safe(capture)))  # fmt: skip
    if result.mute:
        notify(_("rustnet: {n} packets with an owner got no comment: simple packet blocks cannot hold one").format(
            n=f"{result.mute:,}"))  # fmt: skip
    for what, template in _MENDED.items():
        if count := result.mended.get(what):
            notify(_("rustnet: so that Wireshark can read the file: {words}").format(
                words=_(template).format(n=f"{count:,}")))  # fmt: skip
    done = ngettext("{n} packet written to {path}", "{n} packets written to {path}", result.packets)
    words = done.format(n=f"{result.packets:,}", path=safe(output if output != "-" else "stdout"))
    words += ", " + _("{n} with a process comment").format(n=f"{result.commented:,}")
    if result.present:
        words += ", " + _("{n} already had one").format(n=f"{result.present:,}")
    notify(words)
