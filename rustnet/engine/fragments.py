"""Bounded reassembly of IP fragments (RFC 791, RFC 8200 section 4.5), so that parsers see whole datagrams."""

MAX_DATAGRAM = 65_535
MAX_PENDING = 1_024
"""Datagrams that may wait for fragments at once; the oldest gives way."""

MAX_PIECES = 512
MAX_BYTES = 2 * MAX_DATAGRAM
"""Bytes that the fragments of one datagram may have: overlapping ones beyond it are dropped."""

MAX_HELD = 32 << 20
"""Bytes that may wait in all; the oldest datagrams give way."""

TIMEOUT = 30_000_000_000
"""Nanoseconds of packet time after which an incomplete datagram is dropped."""

Key = tuple[int, ...]
"""Both addresses in halves, identification, protocol (of IPv4), and the context (tunnel and VLANs)."""


class Datagram:
    """Fragments of one datagram so far."""

    def __init__(self, ts: int) -> None:
        self.ts = ts
        self.pieces: dict[int, bytes] = {}
        self.total = -1
        self.size = 0
        self.protocol = -1
        """What the first fragment names; later ones may name anything in IPv6. -1 as long as it is missing."""
        self.overlaps = False


class Fragments:
    """Datagrams that wait for fragments, oldest first."""

    def __init__(self) -> None:
        self.pending: dict[Key, Datagram] = {}
        self.dropped = 0
        self.overlapping = 0
        self.size = 0
        """Bytes that wait."""
        self.protocol = -1
        """Protocol of the datagram that was completed last."""

    def first_protocol(self, key: Key) -> int:
        """Protocol that the first fragment of a datagram names, or -1 without one."""
        known = self.pending.get(key)
        return -1 if known is None else known.protocol

    def datagram(self, key: Key, ts: int) -> Datagram:
        """The datagram that a fragment belongs to, a new one if need be."""
        found = self.pending.get(key)
        if found is not None and ts > found.ts + TIMEOUT:
            self.drop(key)
            found = None
        if found is None:
            if len(self.pending) >= MAX_PENDING:
                self.drop(next(iter(self.pending)))
            found = self.pending[key] = Datagram(ts)
        return found

    def drop(self, key: Key) -> None:
        """Give a datagram up."""
        gone = self.pending.pop(key)
        self.size -= gone.size
        self.dropped += 1

    def add(self, key: Key, protocol: int, offset: int, more: bool, data: bytes, claimed: int, ts: int) -> bytes | None:
        """Take one fragment; returns the whole datagram's payload once nothing is missing.

        Of overlapping fragments the earlier one stays. A fragment that the snap length cut leaves its datagram
        incomplete for good.
        """
        datagram = self.datagram(key, ts)
        if claimed <= 0 or offset + claimed > MAX_DATAGRAM or len(datagram.pieces) >= MAX_PIECES:
            return None
        if len(data) < claimed or datagram.size + claimed > MAX_BYTES:
            return None
        if offset in datagram.pieces:
            if datagram.pieces[offset] != data:
                datagram.overlaps = True
                self.overlapping += 1
            return None
        if offset == 0:
            datagram.protocol = protocol
        datagram.pieces[offset] = data
        datagram.size += len(data)
        self.size += len(data)
        while self.size > MAX_HELD:
            self.drop(next(iter(self.pending)))
        if not more:
            datagram.total = offset + claimed
        if datagram.total < 0 or datagram.size < datagram.total:
            return None
        return self.join(key, datagram)

    def join(self, key: Key, datagram: Datagram) -> bytes | None:
        """Put the pieces together if they leave no hole."""
        parts: list[bytes] = []
        at = 0
        for offset in sorted(datagram.pieces):
            piece = datagram.pieces[offset]
            if offset > at:
                return None
            if offset < at:
                datagram.overlaps = True
                self.overlapping += 1
                piece = piece[at - offset :]
            parts.append(piece)
            at += len(piece)
        if at < datagram.total:
            return None
        if self.pending.pop(key, None) is not None:
            self.size -= datagram.size
        self.protocol = datagram.protocol
        return b"".join(parts)[: datagram.total]
