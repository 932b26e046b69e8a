"""Comments that etl2pcapng (Windows) writes: ``PID=1234 TID=5678``, then fields of its own.

The PID is that of the thread that ran when the packet was traced. For packets that were sent it usually owns the
socket; for received ones it is whoever was interrupted, and PID 4 is the kernel working for anybody. Process 0 is the
idle loop: nobody.
"""

import re

from rustnet.attribute.formats.statement import Statement, whole
from rustnet.attribute.observation import ProcessFacts

SOURCE = "etl2pcapng"
_BEGIN = re.compile(r"PID=(\d{1,10}) TID=\d{1,10}(?: |$)", re.ASCII)
_SYSTEM = 4
_DIRECTIONS = ("direction-unknown", "inbound", "outbound", "direction-unknown")


def etl2pcapng_comments(comments: list[str], flags: int) -> list[Statement]:
    """Statements of a packet's comments; ``flags`` is its ``epb_flags``, whose lowest bits are the direction."""
    made = []
    for text in comments:
        found = _BEGIN.match(text)
        pid = whole(found[1]) if found else None
        if pid == _SYSTEM:
            made.append(Statement(SOURCE, "system", ProcessFacts(pid=pid, name="System")))
        elif pid:
            made.append(Statement(SOURCE, _DIRECTIONS[flags & 3], ProcessFacts(pid=pid)))
    return made
