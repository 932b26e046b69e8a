"""Parsers of protocols whose connections get one row each, such as a login (RFC 4253, 6143 …)."""

from typing import Generic, TypeVar

from rustnet.dissect.framework.conversation import Conversation, DissectError, Dissector, Parser
from rustnet.records import table_name

Row = TypeVar("Row")


class OneRowParser(Parser, Generic[Row]):
    """Stores one row per flow: when the part of interest is over, when bytes are missing, or when the flow ends.

    A subclass calls `begin` when it has recognised its protocol, fills ``row`` and calls `finish`.
    """

    __slots__ = ("begun", "packet", "row", "stored", "ts")

    def __init__(self, talk: Conversation, row: Row) -> None:
        super().__init__(talk)
        self.row = row
        self.begun = False
        self.stored = False
        self.ts = 0
        self.packet = 0

    def begin(self) -> None:
        """Stamp the row with the current packet. Only the first call counts."""
        if not self.begun:
            self.begun = True
            self.ts = self.talk.ts
            self.packet = self.talk.packet

    def store(self) -> None:
        """Store the row if the flow has begun. Only the first call counts."""
        if self.begun and not self.stored:
            self.stored = True
            self.talk.emit(self.row, self.ts, self.packet)

    def finish(self) -> None:
        """Store the row and read no more of the flow."""
        self.store()
        self.talk.finish()

    def hand_over(self, dissector: Dissector | None) -> None:
        """Store the row and let another protocol read what follows."""
        self.store()
        self.talk.hand_over(dissector)

    def reject(self, error: DissectError) -> None:
        """Withdraw the claim on a flow that has not begun; later, report the error and keep the row."""
        if not self.begun:
            raise error
        kind: type = type(self.row)
        self.talk.anomaly(f"malformed_{table_name(kind)}", str(error))
        self.finish()

    def gap(self, size: int, from_src: bool) -> None:
        """Store what is known: the rest of the exchange cannot be followed."""
        self.finish()

    def close(self) -> None:
        """Store what is known."""
        self.finish()
