"""Looks into the files of a directory, each by its format, also within compressed ones."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from rustnet.errors import InputError, RustnetError
from rustnet.export.field_names import without_field_names
from rustnet.export.leaks import described, sought
from rustnet.export.leaks.captures import scan_capture
from rustnet.export.leaks.findings import Findings, Step
from rustnet.export.leaks.searching import Hit, Searcher, Verdict
from rustnet.export.leaks.tables import TableScan
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.query.session import Session

COLUMNS = (".duckdb", ".db", ".parquet")
"""Endings of files of columns."""
PIECE = 1 << 23
"""Bytes of a file that are looked through at once."""
OVERLAP = 1 << 12
"""Bytes of a piece of a binary file that are looked through again with the next one."""
MOST_UNPACKED = 64 << 30
"""Most bytes of a compressed file that are unpacked."""
LONGEST_LINE = 1 << 24
"""Longest line that is looked through in one piece."""
CAPTURES = frozenset((".pcapng", ".pcap"))
TEXTS = frozenset(
    (".csv", ".jsonl", ".ndjson", ".json", ".html", ".log", ".txt", ".tsv", ".md", ".har", ".toml", ".sig")
)
PROSE = frozenset(("schema.json", "redaction.json", "manifest.json"))
"""Files with sentences of the program's documentation."""
MANIFEST, SIGNATURE = "manifest.json", "manifest.json.sig"
"""A file that is looked through, and its signature, which is random but for the words of its format."""
OWN_FIELDS = frozenset(("eve.json", "http.har", "ecs.jsonl"))
"""Files whose fields have names that are words as originals have them."""
_WRITTEN = ("text", "escaped")
"""Forms in which the program writes its own descriptions."""
_DATABASE = b"DUCK"


class Readable(Protocol):
    """Something that bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Read some bytes; none at the end."""


class FolderScan:
    """Looks into all files of a directory."""

    def __init__(self, session: "Session", searcher: Searcher, findings: Findings, spill: Path, step: Step) -> None:
        self.session = session
        self.searcher = searcher
        self.findings = findings
        self.spill = spill
        self._step = step
        self._all = 0
        self._done = 0

    def scan(self, folder: Path) -> None:
        """Look into every file of a directory and of those in it; links are not followed."""
        files = list(_files(folder))
        self._all = sum(path.lstat().st_size for path in files)
        for path in files:
            name = path.relative_to(folder).as_posix()
            self._step(name, self._done, self._all)
            for hit in self.searcher.text(name):
                self.findings.add(hit, name, _("name of the file"))
            before = self._done
            self._file(path, name, path.name)
            self.findings.files += 1
            self._done = before + path.lstat().st_size
        self.findings.bytes = self._all
        self._step("", self._all, self._all)

    def _file(self, path: Path, name: str, bare: str) -> None:
        """Look into one file, in the ways of its ending ``bare`` has."""
        try:
            if path.is_symlink():
                self.findings.unread.append((name, _("a link")))
                return
            ending = Path(bare).suffix.lower()
            if name == SIGNATURE and _is_signature(path):
                return
            if ending in (".gz", ".zst"):
                self._packed(path, name, bare)
                return
            self._plain(path, name, bare, ending)
        except RustnetError as error:
            self.findings.unread.append((name, error.sentence(_)))
        except OSError as error:
            self.findings.unread.append((name, error.strerror or str(error)))

    def _plain(self, path: Path, name: str, bare: str, ending: str) -> None:
        open_hits = self._text_file(path, name) if ending in TEXTS else self._binary_file(path, name, ending)
        decided: set[str] = set()
        try:
            decided = self._decoded(path, name, bare, ending)
        finally:
            for place, hit in open_hits:
                if hit.text not in decided:
                    line = ending in TEXTS
                    self.findings.add(
                        hit, name, _("line") if line else "", place if line else None, None if line else place
                    )

    def _decoded(self, path: Path, name: str, bare: str, ending: str) -> set[str]:
        """Look into the tables or packets of a file; returns values of which it is known what they are."""
        from rustnet.store.foreign_tables import ENDINGS, ForeignTables  # noqa: PLC0415 -- DuckDB

        if ending in CAPTURES:
            return scan_capture(path, name, self)
        if Path(bare).name in OWN_FIELDS:
            return set()  # nested objects, not tables
        if ending in ENDINGS or (ending not in TEXTS and _is_database(path)):
            if ending in TEXTS and not path.stat().st_size:
                return set()
            with ForeignTables(path, ending, Path(bare).stem, self.spill) as tables:
                looked = TableScan(self.searcher, self.session, self.findings, name, tables)
                looked.scan()
                return looked.decided
        if ending not in TEXTS and ending != ".sha256":
            self.findings.unread.append((name, _("its format is not known: only its bytes were looked through")))
        return set()

    def _packed(self, path: Path, name: str, bare: str) -> None:
        """Unpack a file and look into what it holds."""
        inner = Path(bare).stem
        target = self.spill / f"unpacked-{os.urandom(4).hex()}{Path(inner).suffix}"
        try:
            with path.open("rb") as packed, target.open("wb") as out:
                _unpack(packed, out, path)
            self._file(target, name, inner)
        finally:
            target.unlink(missing_ok=True)

    def progress(self, name: str, count: int) -> None:
        """Count bytes that were looked through."""
        self._done += count
        self._step(name, min(self._done, self._all), self._all)

    # ---- texts -----------------------------------------------------------------------------------------------------

    def _text_file(self, path: Path, name: str) -> list[tuple[int, Hit]]:
        """Look through lines of text; each hit is reported once, with its first line.

        Returns the hits that what is decoded has to decide.
        """
        undecided: list[tuple[int, Hit]] = []
        seen: set[Hit] = set()
        line = 1
        with path.open("rb") as stream:
            while piece := stream.read(PIECE):
                if not piece.endswith(b"\n"):
                    piece += stream.readline(LONGEST_LINE)
                undecided += self._text_piece(piece, name, line, seen)
                line += piece.count(b"\n")
                self.progress(name, len(piece))
        return undecided

    def _text_piece(self, piece: bytes, name: str, line: int, seen: set[Hit]) -> list[tuple[int, Hit]]:
        undecided = []
        text = piece.decode("utf-8", "surrogateescape")
        if Path(name).name in OWN_FIELDS:
            text = without_field_names(text)
        hits = self.searcher.text(text) - seen
        runs = "\n".join(sought.wide(piece))
        if runs:
            hits |= {Hit(hit.kind, "UTF-16", hit.text, hit.verdict) for hit in self.searcher.text(runs)} - seen
        seen |= hits
        prose = Path(name).name in PROSE
        if prose or name.endswith(".html"):
            hits = {hit for hit in hits if hit.form not in _WRITTEN or not described.is_described(hit.text)}
        if prose:
            hits = {hit for hit in hits if hit.form != "text" or not described.is_within_described(hit.text)}
        lines: list[str] | None = None
        for hit in sorted(hits, key=lambda each: each.text):
            if lines is None:
                lines = text.split("\n")
            number = self._line_of(lines, hit)
            row = line + number if number is not None else None
            if hit.verdict is Verdict.LEAK:
                self.findings.add(hit, name, _("line"), row)
            else:
                undecided.append((row or line, hit))
        return undecided

    def _line_of(self, lines: list[str], hit: Hit) -> int | None:
        """Number of the first line with a hit, by its text, else by halving."""
        wanted = hit.shown or hit.text
        for number, text in enumerate(lines):
            if wanted in text.lower() and hit in self.searcher.text(text):
                return number
        first, last = 0, len(lines)
        while last - first > 1:
            half = (first + last) // 2
            if hit in self.searcher.text("\n".join(lines[first:half])):
                last = half
            else:
                first = half
        return first if hit in self.searcher.text(lines[first]) else None

    # ---- bytes -----------------------------------------------------------------------------------------------------

    def _binary_file(self, path: Path, name: str, ending: str) -> list[tuple[int, Hit]]:
        """Look through bytes; returns the hits that what is decoded has to decide."""
        undecided = []
        seen: set[Hit] = set()
        begin = 0
        rest = b""
        with path.open("rb") as stream:
            while piece := stream.read(PIECE):
                data = rest + piece
                for offset, hit in self.searcher.binary(data, columns=ending in COLUMNS):
                    if hit not in seen:
                        seen.add(hit)
                        place = begin - len(rest) + offset
                        if hit.verdict is Verdict.LEAK:
                            self.findings.add(hit, name, offset=place)
                        else:
                            undecided.append((place, hit))
                begin += len(piece)
                rest = data[-OVERLAP:]
                self.progress(name, len(piece))
        return undecided


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def _is_signature(path: Path) -> bool:
    """Whether a file is a valid signature of the manifest next to it, and nothing else."""
    from rustnet.export.signatures import MAX_SIGNATURE, SignatureError, signer_of  # noqa: PLC0415 -- for manifests

    manifest = path.with_name(MANIFEST)
    if path.stat().st_size > MAX_SIGNATURE or manifest.is_symlink() or not manifest.is_file():
        return False
    try:
        signer_of(manifest.read_bytes(), path.read_bytes())
    except SignatureError:
        return False
    return True


def _is_database(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(12)[8:] == _DATABASE


def _unpack(packed: IO[bytes], out: IO[bytes], path: Path) -> None:
    """Write what a compressed file holds. Raises `InputError`."""
    import zlib  # noqa: PLC0415 -- for compressed files only

    import zstandard  # noqa: PLC0415

    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(packed) as stream:
                _copy(stream, out, path)
        else:
            with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
                _copy(reader, out, path)
    except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise InputError("{path}: cannot be unpacked: {reason}", path=path, reason=str(error)) from None


def _copy(stream: Readable, out: IO[bytes], path: Path) -> None:
    left = MOST_UNPACKED
    while data := stream.read(1 << 20):
        left -= len(data)
        if left < 0:
            raise InputError("{path}: unpacks to more than {most} bytes", path=path, most=MOST_UNPACKED)
        out.write(data)
