"""Writes the captures of a session as a redacted pcapng, from the original files."""

import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from rustnet.errors import InputError, UsageError
from rustnet.export.captured import Originals
from rustnet.export.originals import REMOVED
from rustnet.export.redacted_packets.binary import BinaryAddresses
from rustnet.export.redacted_packets.common import CommonRewriter
from rustnet.export.redacted_packets.container import RedactedWriter
from rustnet.export.redacted_packets.counts import PacketCounts
from rustnet.export.redacted_packets.known import KnownFlows
from rustnet.export.redacted_packets.payload import Interval, PayloadContext, StreamRewriter
from rustnet.export.redacted_packets.payloads import datagram_rewriter, stream_rewriter
from rustnet.export.redacted_packets.streams import Streams
from rustnet.i18n import ngettext
from rustnet.policy.redaction import Method, Policy
from rustnet.policy.redaction.redactor import Redactor
from rustnet.query.selection import Original, ingested_files
from rustnet.query.selection import originals as stored
from rustnet.records import Kind
from rustnet.sources.assembled import reread_files
from rustnet.sources.files import reread
from rustnet.sources.frames import Frames, Interface, Source
from rustnet.sources.linktypes import CUSTOM_BLOCK, SYSDIG_EVENT, SYSTEMD_JOURNAL

if typing.TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder
    from rustnet.query.session import Session

_NOT_PACKETS = frozenset((CUSTOM_BLOCK, SYSTEMD_JOURNAL, SYSDIG_EVENT))
_NEEDED = (Kind.ADDRESS, Kind.MAC)
_KEPT = (Kind.TIME, Kind.PORT, Kind.BYTES)


def check_policy(policy: Policy) -> None:
    """Raise `UsageError` if no packets can be written under a policy."""
    hidden = [kind.value for kind in _NEEDED if policy.methods[kind] is Method.HIDE]
    hidden += [kind.value for kind in _KEPT if policy.methods[kind] is not Method.KEEP]
    if hidden:
        raise UsageError(
            "packets cannot be written under the policy {policy}: it hides what their headers consist of ({kinds})",
            policy=policy.name,
            kinds=", ".join(hidden),
        )


def write_redacted_packets(
    session: "Session", folder: "ExportFolder", redactor: Redactor, sources: Sequence[str] = ()
) -> tuple[PacketCounts, list[str]]:
    """Write each capture of a session to a pcapng in a folder; returns counts, and sentences on what has no place.

    Raises `UsageError` for a policy that hides addresses, `InputError` if an original cannot be read, or is not the
    ingested one.
    """
    check_policy(redactor.policy)
    counts = PacketCounts()
    for capture in stored(session):
        with folder.create(f"packets/capture-{capture.capture_id}.pcapng") as stream:
            _write(session, capture, redactor, stream, sources, counts)
    return counts, _remarks(counts)


def write_redacted_pcapng(
    session: "Session", redactor: Redactor, target_stream: BinaryIO, sources: Sequence[str] = ()
) -> PacketCounts:
    """Write all captures of a session to one pcapng, a section for each of their parts.

    ``sources`` are current paths of originals. Raises `UsageError` for a policy that hides addresses, `InputError` if
    an original cannot be read, or is not the ingested one.
    """
    check_policy(redactor.policy)
    counts = PacketCounts()
    for capture in stored(session):
        _write(session, capture, redactor, target_stream, sources, counts)
    return counts


def _remarks(counts: PacketCounts) -> list[str]:
    remarks = []
    cut = sum(counts.cut.values())
    if cut:
        template = ngettext(
            "{n} place in packets was not understood, and cut",
            "{n} places in packets were not understood, and cut",
            cut,
        )
        remarks.append(template.format(n=f"{cut:,}"))
    if counts.missing_packets:
        template = ngettext(
            "{n} packet is in no file of the recording", "{n} packets are in no file of the recording",
            counts.missing_packets,
        )  # fmt: skip
        remarks.append(template.format(n=f"{counts.missing_packets:,}"))
    return remarks


@dataclass(frozen=True, slots=True)
class _Part:
    """Files that are read as one, and the number of their first packet within the capture."""

    open: Callable[[], Source]
    first: int


def _parts(session: "Session", capture: Original, sources: Sequence[str]) -> Iterator[_Part]:
    """Locate and check the files of a capture. Raises `InputError`."""
    known = Originals(session.path, sources)
    paths = []
    for file in ingested_files(session, capture.capture_id):
        gone = capture.recorded and (
            file.original.first_packet is None or (file.original.kind == REMOVED and not sources)
        )
        if gone:
            continue
        checked = known.checked(file)
        if checked.path is None:
            raise InputError("capture {n}: {words}", n=capture.capture_id, words=checked.problem)
        if capture.recorded:
            yield _Part(partial(reread, str(checked.path)), file.original.first_packet or 1)
        paths.append(str(checked.path))
    if not capture.recorded:
        yield _Part(partial(reread_files, paths, capture.merged), 1)


def _write(
    session: "Session",
    capture: Original,
    redactor: Redactor,
    stream: BinaryIO,
    sources: Sequence[str],
    counts: PacketCounts,
) -> None:
    """Write one capture."""
    counts.captures += 1
    number = capture.capture_id
    packets = session.execute_own("SELECT packets FROM captures WHERE capture_id = ?", (number,)).rows[0][0]
    rewriting = _Rewriting(session, number, redactor, counts)
    writer = RedactedWriter(stream, redactor, counts)
    parts = list(_parts(session, capture, sources))
    rewriting.put_together(parts, packets)
    for part in parts:
        rewriting.write(part, writer, packets)
    counts.packets += writer.packets
    if capture.recorded:
        counts.missing_packets += max(0, packets - writer.packets)


class _Rewriting:
    """Rewrites the packets of one capture, with what the session knows of their flows."""

    def __init__(self, session: "Session", capture_id: int, redactor: Redactor, counts: PacketCounts) -> None:
        self._redactor = redactor
        self._addresses = BinaryAddresses(redactor)
        self._counts = counts
        self._flows = KnownFlows(session, capture_id, redactor, self._addresses)
        self._rewriter = CommonRewriter(redactor, self._addresses, counts)
        self._rewriter.payload = self._datagram
        self._rewriter.segment = self._segment
        self._streams = Streams(self._stream_rewriter)
        self._with_streams = False
        self._matched = False
        """The session has a flow for the current packet."""
        self._number = 0
        """Number of the current packet within the capture."""

    def write(self, part: _Part, writer: RedactedWriter, most: int) -> None:
        """Write the packets of one part of the capture, up to a number within the capture."""
        source = part.open()
        try:
            writer.begin()
            for frames in source.batches():
                frames_first = part.first + frames.first_number - 1
                if frames_first > most:
                    break
                self._batch(source, frames, frames_first, min(frames.count, most - frames_first + 1), writer)
                writer.flush()
            writer.finish(source.info)
        finally:
            source.close()

    def _batch(self, source: Source, frames: Frames, first: int, count: int, writer: RedactedWriter) -> None:
        offset, captured, link, interface, length, ts = (
            frames.column(name)[:count].tolist() for name in ("offset", "captured", "link", "interface", "length", "ts")
        )
        data, notes, counts = frames.data, frames.notes, self._counts
        moment, rewrite = self._redactor.moment_ns, self._rewriter.rewrite
        interfaces: dict[tuple[int, int], Interface] = {}
        for i in range(count):
            if link[i] in _NOT_PACKETS:
                counts.dropped["not_packets"] += 1
                continue
            self._number = first + i
            flags = 0
            if note := notes.get(i):
                flags = note.flags
                if note.comments:
                    counts.dropped["packet_comments"] += len(note.comments)
            start = offset[i]
            kept = rewrite(bytes(data[start : start + captured[i]]), link[i])
            key = interface[i]
            known = interfaces.get((key, link[i]))
            if known is None:
                known = interfaces[key, link[i]] = _interface(source, key, link[i])
            writer.put(key, known, moment(ts[i]), kept, max(length[i], len(kept)), flags)

    def _context(self, protocol: str, source: int, destination: int) -> PayloadContext:
        """What is known of a payload: its flow, if it is one between these ports."""
        context = self._flows.of(self._number)
        self._matched = True
        if (
            context is None
            or context.source_port != source
            or context.destination_port != destination
            or context.protocol != protocol
        ):
            self._matched = False
            return PayloadContext(
                self._redactor, self._addresses, "", protocol, source, destination, from_client=source > destination
            )
        return context

    def _datagram(self, start: int, stop: int, source: int, destination: int) -> int:
        """Rewrite the payload of a datagram."""
        counts = self._counts
        context = self._context("udp", source, destination)
        rewriter = datagram_rewriter(context)
        kept = 0
        if rewriter is not None:
            payload = bytearray(self._rewriter.raw[start:stop])
            try:
                kept = min(rewriter(payload, context), stop - start)
            except Exception:  # noqa: BLE001 -- hostile bytes; nothing of them is kept
                counts.failed_payloads += 1
            if kept > 0 and len(payload) == stop - start:
                self._rewriter.out[start : start + kept] = payload[:kept]
                counts.payloads_kept[context.app] += 1
                return start + kept
        counts.payloads_removed += 1
        return start

    def _segment(self, start: int, stop: int, source: int, destination: int, sequence: int, flags: int) -> int:
        """Rewrite the payload of a segment."""
        if start == stop:
            return start
        kept = 0
        if self._with_streams:
            context = self._context("tcp", source, destination)
            payload = bytearray(self._rewriter.raw[start:stop])
            if self._matched:
                kept = self._streams.segment(
                    self._flows.flow_id,
                    from_client=context.from_client,
                    sequence=sequence,
                    flags=flags,
                    payload=payload,
                )
            if kept:
                self._rewriter.out[start : start + kept] = payload[:kept]
                self._counts.payloads_kept[context.app] += 1
        self._counts.payloads_removed += not kept
        return start + kept

    # ---- TCP connections, put together in a pass before --------------------------------------------------------------

    def collect(self, part: _Part, most: int) -> None:
        """Put together the connections of one part of the capture whose payload is rewritten."""
        collector = CommonRewriter(self._redactor, self._addresses, PacketCounts())
        collector.segment = self._collect
        self._collector = collector
        source = part.open()
        try:
            for frames in source.batches():
                first = part.first + frames.first_number - 1
                for i in self._flows.chosen(first, min(frames.count, most - first + 1)):
                    if frames.link[i] not in _NOT_PACKETS:
                        self._number = first + i
                        collector.rewrite(frames.frame(i), frames.link[i])
        finally:
            source.close()

    def _collect(self, start: int, stop: int, source: int, destination: int, sequence: int, flags: int) -> int:
        context = self._context("tcp", source, destination)
        if self._matched:
            self._streams.add(self._flows.flow_id, context, sequence, flags, self._collector.raw[start:stop])
        return start

    def _stream_rewriter(self, context: PayloadContext) -> StreamRewriter | None:
        """Rewriter of a direction, which keeps nothing where it fails."""
        rewriter = stream_rewriter(context)
        if rewriter is None:
            return None

        def safe(data: bytearray, holes: Sequence[Interval], context: PayloadContext) -> list[Interval]:
            size = len(data)
            try:
                spans = rewriter(data, holes, context)
            except Exception:  # noqa: BLE001 -- hostile bytes; nothing of them is kept
                self._counts.failed_payloads += 1
                return []
            return spans if len(data) == size else []

        return safe

    def put_together(self, parts: Sequence[_Part], most: int) -> None:
        """Read the capture once for its connections, if of any something may be kept."""
        self._with_streams = self._flows.choose(lambda context: stream_rewriter(context) is not None)
        if self._with_streams:
            for part in parts:
                self.collect(part, most)
            self._streams.finish()


def _interface(source: Source, number: int, link: int) -> Interface:
    """Interface of a packet; without a description, one that has only its link type."""
    if number < len(source.interfaces) and source.interfaces[number].link_type == link:
        return source.interfaces[number]
    return Interface(link)
