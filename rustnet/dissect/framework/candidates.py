"""Dissectors as the dispatcher probes them: with cheap tests that content must pass before a probe is called.

Also what the dispatcher asks about the beginning of content.
"""

import cython
import numpy as np

from rustnet.dissect.framework.conversation import Conversation, Dissector, Shape

if not cython.compiled:  # compiled, these come from the .pxd
    from rustnet.engine.flow import half
    from rustnet.engine.numbers import MARK_ISN

CR, LF = 13, 10


class Candidate:
    """A dissector with the shape that content must have before its probe is called.

    ``offsets`` are those that the shape tests; ``fitting`` has 256 flags for each of them.
    """

    def __init__(self, dissector: Dissector, shape: Shape) -> None:
        self.name = dissector.name
        self.probe = dissector.probe
        self.dissector = dissector
        self.least = shape.least
        self.tests = len(shape.at)
        self.count_at, self.uncounted = shape.counted or (-1, 0)
        fitting = np.zeros(max(1, self.tests) * 256, np.uint8)
        for i, allowed in enumerate(shape.at.values()):
            for byte in allowed:
                fitting[i * 256 + byte] = 1
        self.offsets = np.array(list(shape.at) or [0], np.int64)
        self.fitting = fitting

    def fits(self, data: bytes, size: int, stream: bool) -> bool:
        """Whether content has the shape."""
        if not stream:
            if size < self.least:
                return False
            at = self.count_at
            if at >= 0 and at + 1 < size and (data[at] << 8 | data[at + 1]) + self.uncounted != size:
                return False
        for i in range(self.tests):
            at = self.offsets[i]
            if at < size and not self.fitting[i * 256 + data[at]]:
                return False
        return True


ANY_SHAPE = Shape()


def blank_lines(data: bytes) -> int:
    """Size of the blank lines at the beginning of text, or in front of nothing; 0 if no text follows."""
    size = len(data)
    at = 0
    while at < size and (data[at] == CR or data[at] == LF):
        at += 1
    return at if at == size or (at and data[at - 1] == LF and 32 < data[at] < 127) else 0


def begins_within(talk: Conversation, from_src: bool) -> bool:
    """Whether the bytes of a direction may begin within a message: its first ones were not captured."""
    if talk.lost_src if from_src else talk.lost_dst:
        return True
    return talk.flow is not None and not half(talk.flow, from_src).marks & MARK_ISN
