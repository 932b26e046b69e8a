"""`ProcessStarts`: what a log states when a process starts, for its connections later in the log."""

import re
from collections import OrderedDict
from collections.abc import Callable

from rustnet.attribute.formats.statement import PATH
from rustnet.attribute.observation import ProcessFacts
from rustnet.attribute.values import MAX_U32, BadValue, bounded_text, parse_time

STARTS = 65_536
"""Maximum number of processes that are kept; the oldest ones are dropped first."""

START_TEXT = 32 << 20
"""Maximum number of characters of their texts."""

_SHA256 = re.compile(r"(?:^|,)SHA256=([0-9A-Fa-f]{64})(?:,|$)")
_TEXT = ("cmdline", "cwd", "parent_exe", "parent_cmdline")
_UNSET = frozenset(("", "-"))


class ProcessStarts:
    """Starts of processes by the identifier that the log gives each."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[ProcessFacts, int]] = OrderedDict()
        self._size = 0

    def add(self, key: object, get: Callable[[str], object]) -> None:
        """Keep the facts of a process; invalid values are ignored."""
        if type(key) is not str or len(key) > 256:
            return
        texts = {name: _text(get(name)) for name in _TEXT}
        digest = _SHA256.search(str(get("hashes"))[:1024])
        facts = ProcessFacts(
            pid=_pid(get("pid")),
            ppid=_pid(get("ppid")),
            cmdline=texts["cmdline"],
            cwd=texts["cwd"],
            parent_exe=texts["parent_exe"],
            parent_cmdline=texts["parent_cmdline"],
            started_at=_time(get("started_at")),
            exe_sha256=digest[1].lower() if digest else None,
        )
        size = sum(len(text or "") for text in texts.values())
        if key in self._known:
            self._size -= self._known.pop(key)[1]
        self._known[key] = facts, size
        self._size += size
        while len(self._known) > STARTS or self._size > START_TEXT:
            self._size -= self._known.popitem(last=False)[1][1]

    def complete(self, key: object, facts: ProcessFacts) -> ProcessFacts:
        """Facts of a connection's process, with those that its start stated."""
        start = self._known.get(key) if type(key) is str else None
        if start is None or start[0].pid != facts.pid:
            return facts
        stated = {name: value for name, value in start[0]._asdict().items() if value is not None}
        return facts._replace(**{name: value for name, value in stated.items() if getattr(facts, name) is None})


def _text(value: object) -> str | None:
    return bounded_text(value, PATH) if type(value) is str and value not in _UNSET else None


def _pid(value: object) -> int | None:
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 11:
        value = int(value)
    return value if type(value) is int and 0 < value <= MAX_U32 else None


def _time(value: object) -> int | None:
    try:
        return parse_time(value) if type(value) is str else None
    except BadValue:
        return None
