"""`Assembly`: what sources of several files have in common; packet numbers, interfaces and damage of one capture."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rustnet.columnar import Array
from rustnet.sources.damage import DamageLog
from rustnet.sources.files import FileSource
from rustnet.sources.frames import Damage, Frames, InputFile, Interface, SourceInfo
from rustnet.sources.limits import Limits

BUFFERS = 3
"""Batches that are filled in turn: one is the consumer's, one may still be, one is being filled."""

MAX_SECTIONS = 1 << 16
"""Sections by which the numbers of two files' sections differ, so that both have their own process blocks."""

MAX_INTERFACES = 1 << 16
"""Interfaces of a capture; further ones share the last number."""


@dataclass(slots=True)
class Member:
    """A file of the capture while it is read."""

    source: FileSource
    file: InputFile
    index: int
    interfaces: list[int] = field(default_factory=list)
    """Index in the capture's interfaces by the file's own index."""
    taken: dict[str, int] = field(default_factory=dict)
    """How many elements of a list of its description are in that of the capture."""

    def note(self, stamps: Array, first_number: int) -> None:
        """Count the file's next packets, by their times; the first of them has this number in the capture."""
        file = self.file
        low, high = int(stamps.min()), int(stamps.max())
        file.packets += len(stamps)
        if file.first_packet is None:
            file.first_packet = first_number
        file.first_ts = low if file.first_ts is None else min(low, file.first_ts)
        file.last_ts = high if file.last_ts is None else max(high, file.last_ts)


class Assembly:
    """Several files as one capture: their common description, interfaces, damage and limits.

    With ``unify`` the same interface of several files is one; otherwise each file has its own.
    """

    def __init__(self, first: FileSource, assembly: str, *, unify: bool) -> None:
        info = first.info
        self.info = SourceInfo(info.source, info.kind, info.format, bytes=0, assembly=assembly)
        self.interfaces: list[Interface] = []
        self.damage: list[Damage] = []
        self.files: list[InputFile] = []
        self.limits = Limits()
        self._log = DamageLog(self.damage)
        self._unify = unify
        self._known: dict[tuple[int, int, int, str, str], int] = {}
        self._complete = True

    def join(self, source: FileSource) -> Member:
        """Add a file; its sections have numbers of their own."""
        member = Member(source, InputFile(source.info), len(self.files))
        if member.index == 1:
            for row in self.damage:
                row.detail = _in_file(row.detail, self.files[0].info)
        source.file = member.index
        self.files.append(member.file)
        self.info.bytes = (self.info.bytes or 0) + (source.info.bytes or 0)
        return member

    def describe(self, member: Member) -> None:
        """Take over what a file has stated since the last call."""
        info, own = self.info, member.source.info
        info.annotated |= own.annotated
        self._extend(member)
        for name in ("application", "hardware", "os"):
            if not getattr(info, name):
                setattr(info, name, getattr(own, name))
        occurrences: dict[tuple[int, int, str, str], int] = {}
        for i, each in enumerate(member.source.interfaces):
            key = (each.link_type, each.snaplen, each.name, each.description)
            occurrence = occurrences[key] = occurrences.get(key, -1) + 1
            if i < len(member.interfaces):
                continue
            known = self._known.get((occurrence, *key)) if self._unify else None
            if known is None:
                known = min(len(self.interfaces), MAX_INTERFACES - 1)
                self._known[occurrence, *key] = known
                if len(self.interfaces) < MAX_INTERFACES:
                    copy = Interface(each.link_type, each.snaplen, each.name, each.description, each.section)
                    copy.fcs_bits = each.fcs_bits
                    self.interfaces.append(copy)
            member.interfaces.append(known)

    def _extend(self, member: Member) -> None:
        """Take over the new elements of a file's lists."""
        info, own, taken = self.info, member.source.info, member.taken
        comments, names, processes = own.comments, own.names, own.processes
        info.comments += [text for text in comments[taken.get("comments", 0) :] if text not in info.comments]
        info.names += names[taken.get("names", 0) :]
        start = taken.get("processes", 0)
        base = len(info.processes) - start
        info.processes += processes[start:]
        info.process_uuids.update({at + base: uuid for at, uuid in own.process_uuids.items() if at >= start})
        taken.update(comments=len(comments), names=len(names), processes=len(processes))

    def renumber_interfaces(self, member: Member, frames: Frames) -> None:
        """Replace the indices of a file's interfaces in a batch by those of the capture."""
        known = member.interfaces
        if all(i == number for i, number in enumerate(known)):
            return
        table = np.array(known or [0], np.uint32)
        column = frames.column("interface")
        column[:] = table[np.minimum(column, len(table) - 1)]

    def finish(self, member: Member) -> None:
        """Take over what is only known once a file was read."""
        self.describe(member)
        source = member.source
        for each, number in zip(source.interfaces, member.interfaces, strict=True):
            total = self.interfaces[number]
            total.packets += each.packets
            for name in ("dropped_interface", "dropped_kernel"):
                count = getattr(each, name)
                if count is not None:
                    setattr(total, name, (getattr(total, name) or 0) + count)
        self.info.secrets += source.info.secrets
        self.info.skipped_blocks += source.info.skipped_blocks
        self._complete = self._complete and source.info.complete

    def add_damage(self, member: Member, damage: Damage, packet: int) -> None:
        """Add the damage of a file; ``packet`` is the number within the capture."""
        detail = damage.detail if len(self.files) == 1 else _in_file(damage.detail, member.source.info)
        self._log.add(damage.kind, packet, damage.offset, detail, damage.ts)

    def lose(self, kind: str, packet: int, detail: str) -> None:
        """Add the loss of a whole file: the capture is not complete."""
        self._log.add(kind, packet, 0, detail)
        self._complete = False

    def close_log(self) -> None:
        """Complete the description: all files were read."""
        self._log.close()
        self.info.complete = self._complete
        self.info.bytes = sum(file.info.bytes or 0 for file in self.files)


def _in_file(detail: str, info: SourceInfo) -> str:
    """Detail of a damage with the name of its file."""
    return f"{Path(info.source).name}: {detail}"
