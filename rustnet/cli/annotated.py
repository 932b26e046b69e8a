"""Where an annotated capture comes from and goes to, and what is said of it: the files around ``rustnet enrich``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rustnet.cli.options import whole_file
from rustnet.cli.terminal import talk
from rustnet.errors import UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.export.annotate import Annotated
    from rustnet.query.comments import Comments

_DAMAGE_SHOWN = 5


def check_place(output: str, inputs: list[str]) -> None:
    """Refuse an output that is an input, or that cannot hold comments."""
    if output == "-":
        if sys.stdout.isatty():
            raise UsageError("packets would garble the terminal: send them to a file with > or -o")
        return
    place = Path(output)
    for name in inputs:
        if place.exists() and Path(name).exists() and place.samefile(name):
            raise UsageError("{path}: is an input; write to another file", path=output)
    if place.suffix.lower() not in (".pcapng", ".ntar") and (place.is_file() or not place.exists()):
        raise UsageError("{path}: only pcapng holds comments: name it .pcapng", path=output)
    if place.parent.is_dir() or place.exists():
        return
    raise UsageError("{path}: there is no directory {folder}", path=output, folder=place.parent)


def write(path: str, comments: "Comments", output: str) -> "Annotated":
    """Write the capture with its comments to a file, which appears when it is whole, or to stdout."""
    from rustnet.export.annotate import annotate  # noqa: PLC0415

    def into(stream: BinaryIO) -> "Annotated":
        return annotate(path, comments, stream)

    if output == "-":
        made = into(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return made
    with whole_file(output) as stream:
        return into(stream)


def tell(made: "Annotated", capture: str, output: str) -> None:
    """Say on stderr what was written, and what was not."""
    if not made.complete:
        for damage in made.damage[:_DAMAGE_SHOWN]:
            talk(_("rustnet: {path}: at byte {offset}: {words}").format(
                path=safe(capture), offset=f"{damage.offset:,}", words=safe(damage.detail)))  # fmt: skip
        if (more := len(made.damage) - _DAMAGE_SHOWN) > 0:
            talk(ngettext("rustnet: and {n} damaged place more", "rustnet: and {n} damaged places more", more).format(
                n=f"{more:,}"))  # fmt: skip
        talk(_("rustnet: {path}: not read to a clean end: all packets that can be read are written").format(
            path=safe(capture)))  # fmt: skip
    if made.mute:
        talk(_("rustnet: {n} packets have an owner and no comment: simple packet blocks hold none").format(
            n=f"{made.mute:,}"))  # fmt: skip
    done = ngettext("{n} packet written to {path}", "{n} packets written to {path}", made.packets)
    words = done.format(n=f"{made.packets:,}", path=safe(output if output != "-" else "stdout"))
    words += ", " + _("{n} with a process comment").format(n=f"{made.commented:,}")
    if made.present:
        words += ", " + _("{n} had theirs already").format(n=f"{made.present:,}")
    talk(words)
