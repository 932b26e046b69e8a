"""The last net before the terminal: no character that a terminal would obey leaves, whatever a widget draws.

Captured text is escaped by the presenter. What is typed or pasted into an input, and what Textual draws by itself, does
not pass it.
"""

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from rustnet.present.text import UNSAFE

REPLACEMENT = "\ufffd"


class Harmless(LineFilter):
    """Replaces control characters, and those that reorder or hide text; a line keeps its cells."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the segments without such characters."""
        if all(segment.text.isascii() and segment.text.isprintable() for segment in segments):
            return segments
        return [
            Segment(UNSAFE.sub(lambda match: REPLACEMENT * cell_len(match[0]), text), style, control)
            if control is None and UNSAFE.search(text)
            else Segment(text, style, control)
            for text, style, control in segments
        ]
