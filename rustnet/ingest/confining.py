"""What confines the process that parses: required, stored with the capture, and reported where it is wanting."""

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.ingest.report import Report
from rustnet.sandbox import IN_FORCE, LAYERS, NOT_NEEDED, PARTIAL, STATES, Layer, lacking
from rustnet.store.tables import Confinement

PARSER = "parser"
"""The process that parses, and its workers."""
NOT_WANTED = "--no-sandbox"
SEVERAL_THREADS = "the program has several threads, so parsers run in it"
"""Of programs that call rustnet: the command has one thread."""


def require_all(layers: list[Layer]) -> None:
    """Raise `RustnetError` unless every layer is in force or not needed, as far as the kernel has it."""
    for layer in layers:
        if layer.state not in (IN_FORCE, PARTIAL, NOT_NEEDED):
            raise RustnetError(
                "--sandbox-strict: the layer {layer} of the sandbox cannot be applied here: {detail}",
                layer=layer.name,
                detail=layer.detail or layer.state,
            )


def rows(capture_id: int, layers: list[Layer], process: str = PARSER) -> list[Confinement]:
    """Rows of a capture about one of its processes."""
    known = [layer for layer in layers if layer.name in LAYERS and layer.state in STATES]
    return [Confinement(capture_id, process, each.name, each.state, each.detail or None) for each in known]


def note(report: Report, layers: list[Layer], strict: bool) -> None:
    """Add a sentence to the report if a layer is wanting, or if all were required."""
    missing = lacking(layers)
    if missing and missing[0].detail == SEVERAL_THREADS:
        return  # stored with the capture; it says nothing about this machine
    if missing:
        template = _("the sandbox of the process that parses lacks {layers} ({reason}); rustnet doctor has more")
        words = template.format(layers=", ".join(layer.name for layer in missing), reason=missing[0].detail)
    elif strict:
        template = _("the process that parsed was confined: {layers}")
        words = template.format(layers=", ".join(layer.name for layer in layers))
    else:
        return
    if words not in report.notes:
        report.notes.append(words)
