"""Parsers that store a row per request, together with its response (RFC 4511, 7826 …)."""

from typing import Generic, TypeVar

from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.framework.reading import MAX_OUTSTANDING, RowParser, Waiting

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


class RequestParser(RowParser, Generic[_Key, _Row]):
    """Pairs requests with responses. Requests without a response are stored when the flow ends.

    A subclass calls `add_request`, takes the request of a response from ``waiting`` and stores it with `store_row`.
    """

    __slots__ = ("waiting",)

    def __init__(self, talk: Conversation, most: int = MAX_OUTSTANDING) -> None:
        super().__init__(talk)
        self.waiting: Waiting[_Key, _Row] = Waiting(most)

    def add_request(self, key: _Key, row: _Row) -> None:
        """Add a pending request; store the one that it evicts."""
        evicted = self.waiting.add(key, row, self.talk)
        if evicted is not None:
            self.store_row(*evicted)

    def close(self) -> None:
        """Store the requests without a response."""
        for entry in self.waiting.drain():
            self.store_row(*entry)
