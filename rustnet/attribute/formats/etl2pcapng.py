"""Packet comments of etl2pcapng (Windows): ``PID=1234 TID=5678``, followed by other fields.

The PID is that of the thread that was running when the packet was traced. For sent packets it usually owns the socket;
for received ones it is whichever was interrupted. PID 4 is the kernel, process 0 the idle loop, which is ignored.
"""

import re

from rustnet.attribute.formats.statement import Statement, decimal
from rustnet.attribute.observation import ProcessFacts

SOURCE = "etl2pcapng"
_BEGIN = re.compile(r"PID=(\d{1,10}) TID=\d{1,10}(?: |$)", re.ASCII)
_SYSTEM = 4
_DIRECTIONS = ("direction-unknown", "inbound", "outbound", "direction-unknown")


def etl2pcapng_comments(comments: list[str], flags: int) -> list[Statement]:
    """Statements of a packet's comments; ``flags`` is its ``epb_flags``, whose lowest bits are the direction."""
    statements = []
    for text in comments:
        match = _BEGIN.match(text)
        pid = decimal(match[1]) if match else None
        if pid == _SYSTEM:
            statements.append(Statement(SOURCE, "system", ProcessFacts(pid=pid, name="System")))
        elif pid:
            statements.append(Statement(SOURCE, _DIRECTIONS[flags & 3], ProcessFacts(pid=pid)))
    return statements
