"""What is said again and again without change: a row when a message says something new, none for its repetitions."""

from collections.abc import Hashable

from rustnet.dissect.conversation import Conversation
from rustnet.dissect.reading import RowParser

MAX_SUBJECTS = 256
"""Subjects of one flow whose last message is remembered; beyond it all are told anew."""
MAX_MESSAGES = 50_000
"""Messages of one flow that are looked at: a flood of them must not cost a call each."""


class RepeatParser(RowParser):
    """A parser of messages that are mostly repetitions. `new` tells whether one is worth a row."""

    __slots__ = ("looked", "told")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.looked = 0
        self.told: dict[int, int] = {}
        """Hash of what was said last by hash of its subject: a message may be long, and there may be many flows."""

    def new(self, subject: Hashable, content: Hashable = None) -> bool:
        """Whether this flow has not said ``content`` about ``subject`` the last time; counts a message."""
        self.looked += 1
        if self.looked >= MAX_MESSAGES:
            self.talk.anomaly(
                "many_messages", f"{self.looked} messages of this flow were looked at; later ones are not"
            )
            self.talk.finish()
        about, said = hash(subject), hash(content)
        if self.told.get(about) == said:
            return False
        if len(self.told) >= MAX_SUBJECTS:
            self.told.clear()
        self.told[about] = said
        return True
