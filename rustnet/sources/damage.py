"""The bounded list of what was wrong with an input."""

from collections import Counter

from rustnet.sources.frames import Damage

MAX_DAMAGE = 1000
"""Rows that are kept one by one; a last one counts the rest."""


class DamageLog:
    """Appends to a source's list of damage, up to a limit, and remembers whether anything was lost."""

    def __init__(self, rows: list[Damage], limit: int = MAX_DAMAGE) -> None:
        self.rows = rows
        self.limit = limit
        self.lost = False
        """Something of the input was not delivered."""
        self._more: Counter[str] = Counter()
        self._last: Damage | None = None

    def add(self, kind: str, packet: int, offset: int, detail: str, ts: int = 0, *, lost: bool = True) -> None:
        """Note a damage; ``lost`` says whether bytes of the input go undelivered because of it."""
        self.lost = self.lost or lost
        row = Damage(kind, packet, offset, detail, ts)
        if len(self.rows) < self.limit:
            self.rows.append(row)
        else:
            self._more[kind] += 1
            self._last = row

    def close(self) -> None:
        """Append the row that counts what went beyond the limit."""
        if self._last:
            what = ", ".join(f"{count} {kind}" for kind, count in sorted(self._more.items()))
            last, self._last = self._last, None
            self.rows.append(Damage("more_damage", last.packet, last.offset, f"not listed one by one: {what}", last.ts))


def printable(raw: bytes, limit: int = 65_536) -> str:
    """Text of an option: UTF-8 as far as it is, up to the first NUL."""
    return raw[:limit].split(b"\0", 1)[0].decode("utf-8", "replace")
