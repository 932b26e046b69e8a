"""DCE/RPC in the named pipes of SMB ([MS-RPCE] 2.1.1.2; no RFC): what is written to and read from an open pipe."""

from rustnet.dissect.dcerpc.parser import DCERPC, DcerpcParser
from rustnet.dissect.framework.conversation import YES, Conversation, DissectError
from rustnet.dissect.framework.inner import InnerStream

MAX_CALLS = 5000
"""Rows of calls in all pipes of a connection."""
MAX_PIPES = 64
"""Pipes of a connection that are read at a time."""


class Pipes:
    """The pipes of one connection."""

    __slots__ = ("calls", "open", "talk")

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.calls = 0
        self.open: set[Pipe] = set()

    def add(self, share: str | None) -> "Pipe | None":
        """Begin to read a pipe, if a file of this share is one, and not too many are open."""
        if share is None or not share.upper().endswith("\\IPC$") or len(self.open) >= MAX_PIPES:
            return None
        pipe = Pipe(self)
        self.open.add(pipe)
        return pipe

    def resume(self) -> None:
        """Expect the beginning of a message in each pipe, as bytes of the connection are missing."""
        for pipe in self.open:
            if pipe.inner is not None:
                pipe.inner.pending = [b"", b""]
                pipe.inner.skip = [0, 0]

    def close(self) -> None:
        """Store the calls that wait for a response."""
        for pipe in list(self.open):
            pipe.close()


class PipeParser(DcerpcParser):
    """Calls in one pipe; their number does not end the reading of the connection."""

    __slots__ = ("pipes",)

    def __init__(self, pipes: Pipes) -> None:
        super().__init__(pipes.talk)
        self.pipes = pipes

    def store_row(self, row: object, ts: int = 0, packet: int = 0) -> None:
        """Store a call, within bounds."""
        pipes = self.pipes
        pipes.calls += 1
        if pipes.calls <= MAX_CALLS:
            self.talk.emit(row, ts, packet)
        elif pipes.calls == MAX_CALLS + 1:
            self.talk.anomaly("many_messages", f"{MAX_CALLS} calls in pipes of SMB were stored; later ones are not")

    def gap(self, size: int, from_src: bool) -> None:
        """Give up a pipe whose contents were not all buffered."""
        raise DissectError("{size} bytes of a pipe are missing", size=size)


class Pipe:
    """One open pipe, read as long as it contains DCE/RPC."""

    __slots__ = ("inner", "pipes")

    def __init__(self, pipes: Pipes) -> None:
        self.pipes = pipes
        self.inner: InnerStream | None = None

    def feed(self, data: bytes, size: int, from_client: bool) -> None:
        """Read contents of ``size`` bytes, of which ``data`` are the first."""
        if self not in self.pipes.open or not data:
            return
        if self.inner is None:
            if DCERPC.probe(data, self.pipes.talk, from_client) != YES:
                self.close()
                return
            self.inner = InnerStream(PipeParser(self.pipes))
        try:
            self.inner.feed(data, from_client)
            if size > len(data):
                self.inner.lose(size - len(data), from_client)
        except DissectError:
            self.close()

    def close(self) -> None:
        """Read no more of the pipe; store the calls that wait for a response."""
        self.pipes.open.discard(self)
        if self.inner is not None:
            self.inner.parser.close()
            self.inner = None
