"""What is said again and again without change: a row when a message says something new, none for its repetitions."""

from collections.abc import Hashable

from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.framework.reading import RowParser

MAX_SUBJECTS = 256
"""Subjects of one flow whose last message is remembered; beyond it all are told anew."""
MAX_MESSAGES = 50_000
"""Messages of one flow that are looked at: a flood of them must not cost a call each."""


class RepeatParser(RowParser):
    """A parser of messages that are mostly repetitions. `new` tells whether one is worth a row."""

    __slots__ = ("about", "looked", "said", "told")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.looked = 0
        self.about: int | None = None
        self.said: int | None = None
        """Hashes of the last subject and of what was said of it: messages are long, and flows may be many."""
        self.told: dict[int, int | None] | None = None
        """The same of the subjects before, once there is more than one."""

    def look(self) -> None:
        """Count a message; after `MAX_MESSAGES` the flow is given up."""
        self.looked += 1
        if self.looked >= MAX_MESSAGES:
            words = f"{self.looked} messages of this flow were looked at; later ones are not"
            self.talk.anomaly("many_messages", words)
            self.talk.finish()

    def new(self, subject: Hashable, content: Hashable = None) -> bool:
        """Whether this flow has not said ``content`` about ``subject`` the last time; counts a message."""
        self.look()
        about, said = hash(subject), hash(content)
        before: int | None = self.said
        if about != self.about and self.about is not None:
            if self.told is None:
                self.told = {}
            elif len(self.told) >= MAX_SUBJECTS:
                self.told.clear()
            self.told[self.about] = self.said
            before = self.told.get(about)
        self.about, self.said = about, said
        return before != said
