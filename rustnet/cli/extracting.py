"""The packets that ``rustnet extract`` copies: where they are, checked, with the comments that they get."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.terminal import notify
from rustnet.errors import InputError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.export.packets import Part
    from rustnet.export.recorded import Share
    from rustnet.query.comments import Comments
    from rustnet.query.selection import Original, OriginalFile, Selection
    from rustnet.query.session import Session


def extracted_parts(
    reader: "Session",
    selected: "Selection",
    session: Path,
    sources: tuple[str, ...],
    *,
    verified: bool,
    with_comments: bool,
) -> "list[Part]":
    """Locate and check the originals of the selected packets; ``with_comments`` adds owners as comments."""
    from rustnet.export.packets import Part  # noqa: PLC0415 -- NumPy
    from rustnet.query.comments import Comments  # noqa: PLC0415 -- NumPy
    from rustnet.query.selection import originals as stored  # noqa: PLC0415

    counts = selected.counts(reader)
    parts = []
    for capture in stored(reader, list(counts)):
        if capture.recorded:
            parts += _recorded(reader, selected, capture, session, sources, verified=verified, comments=with_comments)
            continue
        alone = len(counts) == 1 and len(capture.files) == 1
        paths = tuple(_located(file, session, sources, alone=alone, verified=verified) for file in capture.files)
        number = capture.capture_id
        comment_of = Comments(reader, number).text if with_comments else None
        numbers = functools.partial(selected.numbers, reader, number)
        parts.append(Part(paths, capture.sha256, numbers, comment_of, capture.merged))
    return parts


def _recorded(
    reader: "Session",
    selected: "Selection",
    capture: "Original",
    session: Path,
    sources: tuple[str, ...],
    *,
    verified: bool,
    comments: bool,
) -> "list[Part]":
    """Locate the files that selected packets of a live capture were recorded to; those that are gone are reported."""
    from rustnet.export.captured import Originals  # noqa: PLC0415
    from rustnet.export.originals import REMOVED, locate  # noqa: PLC0415
    from rustnet.export.packets import Part  # noqa: PLC0415 -- NumPy
    from rustnet.export.recorded import shares  # noqa: PLC0415
    from rustnet.query.comments import Comments  # noqa: PLC0415 -- NumPy
    from rustnet.query.selection import ingested_files  # noqa: PLC0415

    number = capture.capture_id
    texts = Comments(reader, number) if comments else None
    files, known = ingested_files(reader, number), Originals(str(session), sources)
    parts, (found, lost) = [], shares(reader, selected, number)
    for share in found:
        file = files[share.file]
        if file.original.kind == REMOVED and not sources:
            lost += share.packets
            continue
        where = known.checked(file) if verified else locate(file.original, session, sources, alone=file.alone)
        if where.path is None:
            raise InputError("capture {n}: {words}", n=number, words=where.problem)
        comment = None if texts is None else functools.partial(_comment, texts, share)
        parts.append(Part((where.path,), None, share.numbers, comment))
    if lost:
        words = _("rustnet: {n} of the packets are left out: they are in no file of the recording, or not any more")
        notify(words.format(n=f"{lost:,}"))
    return parts


def _comment(texts: "Comments", share: "Share", number: int) -> str:
    return texts.text(share.of_capture(number))


def _located(file: "OriginalFile", session: Path, sources: tuple[str, ...], *, alone: bool, verified: bool) -> Path:
    """Path of an original, which is the ingested file if it is ``verified``."""
    from rustnet.export import originals  # noqa: PLC0415

    original = originals.locate(file, session, sources, alone=alone)
    if original.path is None:
        raise InputError("capture {n}: {words}", n=file.capture_id, words=original.problem)
    if verified:
        if not file.sha256:
            words = _("rustnet: {path}: not verified: it was never read to its end, so there is no hash")
            notify(words.format(path=safe(str(original.path))))
        if wrong := originals.verify(file, original.path):
            raise InputError(
                "{path}: {wrong}; name the right file with --source, or skip this check with --no-verify",
                path=original.path,
                wrong=wrong,
            )
    return original.path
