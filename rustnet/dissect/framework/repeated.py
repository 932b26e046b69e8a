"""Suppress repeated messages: store a row only when the content changes."""

from collections.abc import Hashable

from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.framework.reading import RowParser

MAX_SUBJECTS = 256
"""Subjects of one flow whose last message is remembered; beyond that, all are forgotten."""
MAX_MESSAGES = 50_000
"""Messages read per flow: a flood must not cost a call each."""


class RepeatParser(RowParser):
    """A parser of messages that are mostly repetitions; `is_new` decides whether one gets a row."""

    __slots__ = ("content", "count", "previous", "subject")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.count = 0
        self.subject: int | None = None
        self.content: int | None = None
        """Hashes of the last subject and its content: messages are long, and there may be many flows."""
        self.previous: dict[int, int | None] | None = None
        """Content by subject for the subjects before the last one."""

    def count_message(self) -> None:
        """Count a message; stop reading the flow after `MAX_MESSAGES`."""
        self.count += 1
        if self.count >= MAX_MESSAGES:
            self.talk.anomaly("many_messages", f"stopped after {self.count} messages; later ones are not read")
            self.talk.finish()

    def is_new(self, subject: Hashable, content: Hashable = None) -> bool:
        """Whether ``content`` differs from the last one of ``subject`` in this flow; counts the message."""
        self.count_message()
        key, value = hash(subject), hash(content)
        before: int | None = self.content
        if key != self.subject and self.subject is not None:
            if self.previous is None:
                self.previous = {}
            elif len(self.previous) >= MAX_SUBJECTS:
                self.previous.clear()
            self.previous[self.subject] = self.content
            before = self.previous.get(key)
        self.subject, self.content = key, value
        return before != value


class AnnouncementParser(RepeatParser):
    """A parser of announcements that are usually the same bytes; those are only counted, before anything is parsed."""

    __slots__ = ("last",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.last = 0
        """Hash of the last message."""

    def announcement(self, data: bytes) -> None:
        """Read a message that differs from the last one."""
        raise NotImplementedError

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message, unless it equals the last one."""
        digest = hash(data)
        if digest == self.last:
            self.count_message()
            return
        self.last = digest
        self.announcement(data)
