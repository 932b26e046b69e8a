"""A whole conversation given to one protocol's parser, and the rows that come of it."""

from collections.abc import Iterable
from typing import TypeVar

from harness import Flow

from rustnet.dissect.framework.conversation import Dissector

Row = TypeVar("Row")


def told(dissector: Dissector, said: Iterable[tuple[bool, bytes]], transport: str = "tcp", port: int = 0) -> Flow:
    """Let the parser read all of it, a millisecond apart, and close the flow."""
    flow = Flow(dissector, transport, dst_port=port or None)
    for from_src, data in said:
        if transport != "tcp":
            flow.datagram(data, from_src)
        else:
            flow.tick()
            flow.feed(data, from_src)
    flow.close()
    return flow


def rows(kind: type[Row], dissector: Dissector, *said: tuple[bool, bytes], transport: str = "udp") -> list[Row]:
    """Rows of a conversation, all of which are of one type."""
    flow = told(dissector, said, transport)
    made = [row for row in flow.rows if isinstance(row, kind)]
    assert len(made) == len(flow.rows)
    return made
