"""Bars of text: one per line, or one per character."""

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


def bar(part: float, whole: float, columns: int) -> str:
    """A bar of up to ``columns`` characters for ``part`` of ``whole``; never empty for more than nothing."""
    if part <= 0 or whole <= 0:
        return ""
    eighths = max(1, round(min(part / whole, 1.0) * columns * 8))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def sparkline(values: Sequence[float]) -> str:
    """One character for each value, by its share of the largest; a space for nothing."""
    top = max(values, default=0)
    if top <= 0:
        return " " * len(values)
    return "".join(_LEVELS[min(7, int(value / top * 8))] if value > 0 else " " for value in values)
