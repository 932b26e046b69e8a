"""The bounded list of damage of an input."""

from collections import Counter

from rustnet.probe.redact import MAX_LINE, redact_line
from rustnet.sources.frames import Damage

MAX_DAMAGE = 1000
"""Maximum number of single rows; one more row counts the rest."""


class DamageLog:
    """Records a source's damage up to a limit, and whether any input was lost."""

    def __init__(self, rows: list[Damage], limit: int = MAX_DAMAGE) -> None:
        self.rows = rows
        self.limit = limit
        self.lost = False
        """Some of the input was not delivered."""
        self._more: Counter[str] = Counter()
        self._last: Damage | None = None

    def add(self, kind: str, packet: int, offset: int, detail: str, ts: int = 0, *, lost: bool = True) -> None:
        """Record a damage; ``lost``: bytes of the input are not delivered because of it."""
        self.lost = self.lost or lost
        row = Damage(kind, packet, offset, detail, ts)
        if len(self.rows) < self.limit:
            self.rows.append(row)
        else:
            self._more[kind] += 1
            self._last = row

    def add_total(self, packet: int, offset: int, detail: str, ts: int) -> None:
        """Record how much a limit left out, in one row per limit, which `limit` does not count."""
        self.lost = True
        self.rows.append(Damage("too_many", packet, offset, detail, ts))

    def close(self) -> None:
        """Append the row that counts the damage beyond the limit."""
        if self._last:
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self._more.items()))
            last, self._last = self._last, None
            self.rows.append(
                Damage("more_damage", last.packet, last.offset, f"not listed individually: {counts}", last.ts)
            )


def zero_tail(size: int) -> str:
    """Detail of a damage: the input ends in so many zeros."""
    return f"the last {size} bytes are zeros: reserved space, or data that was never written"


def printable(raw: bytes, limit: int = 65_536) -> str:
    """Text of an option up to the first NUL, with invalid UTF-8 replaced."""
    return raw[:limit].split(b"\0", 1)[0].decode("utf-8", "replace")


def described(raw: bytes, limit: int = 65_536) -> str:
    """The same without what looks like a secret: texts about a capture may be command lines, or quote one."""
    text = printable(raw, limit)
    pieces = [
        line[at : at + MAX_LINE] for line in text.splitlines(keepends=True) for at in range(0, len(line), MAX_LINE)
    ]
    return "".join(map(redact_line, pieces))
