"""Find the sidecars of a capture, and choose the reader of a sidecar."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rustnet.attribute.formats.process_logs import readers
from rustnet.attribute.formats.rustnet_json_log import RustnetJsonLog
from rustnet.attribute.formats.rustnet_sidecar import RustnetSidecar
from rustnet.attribute.observation import SidecarReader
from rustnet.errors import InputError, UsageError

COMPRESSED = (".gz", ".zst", ".xz", ".lz4")
"""Suffixes of compressed captures: their sidecar may be named after the compressed or the plain capture."""

SUFFIXES = (".connections.jsonl",)
"""Suffixes of sidecars, appended to the capture's name."""

_HEAD = 65_536
"""Bytes that `Format.recognise` examines; a sidecar's first record may take several kilobytes."""

_DEEP = 16 << 20
"""Bytes of a text that are examined if its first `_HEAD` show no format: a log of many programs may begin with others'
lines."""


@dataclass(frozen=True, slots=True)
class Format:
    """One file format of ownership data."""

    name: str
    """Value of `--sidecar-format`."""
    recognise: Callable[[Path, bytes], bool]
    """``recognise(path, head)``: whether a file that starts with ``head`` has this format."""
    reader: Callable[[Path, str | None], SidecarReader]
    """``reader(path, host)`` opens a reader; ``host`` is the recording host, if known."""


FORMATS: tuple[Format, ...] = (
    # Tried in this order: formats recognised by content before formats recognised by name.
    Format("rustnet-json-log", RustnetJsonLog.recognise, RustnetJsonLog),
    *(Format(*row) for row in readers()),
    Format("rustnet-sidecar", RustnetSidecar.recognise, RustnetSidecar),
)


def find_sidecars(capture: Path) -> list[Path]:
    """Existing sidecars of a capture: ``<capture>.connections.jsonl``, also without a suffix such as ``.gz``."""
    stems = [capture.name]
    if capture.suffix.lower() in COMPRESSED:
        stems.append(capture.stem)
    candidates = [capture.with_name(stem + suffix) for stem in stems for suffix in SUFFIXES]
    return [path for path in candidates if path.is_file()]


def named_format(name: str) -> Format:
    """Find a format by its name; raises `UsageError` if there is none."""
    for known in FORMATS:
        if known.name == name:
            return known
    names = ", ".join(sorted(known.name for known in FORMATS))
    raise UsageError("unknown sidecar format {name}; known formats: {names}", name=name, names=names)


def open_sidecar(path: Path, host: str | None = None, format_: str | None = None) -> SidecarReader:
    """Choose the reader of a sidecar by its format's name, or by content and name of the file.

    Raises `InputError` if it cannot be read or is of no known format, `UsageError` if there is no such format.
    """
    named = [] if format_ is None else [named_format(format_)]
    if path.exists() and not path.is_file():
        raise InputError(
            "{path}: not a regular file; the sidecar is read twice, so write it to a file first", path=path
        )
    head = _beginning(path, _HEAD)
    for known in named or _recognised(path, head):
        return known.reader(path, host)
    if not head:
        raise InputError("{path}: the sidecar is empty; expected records of connections", path=path)
    raise InputError(
        "{path}: unknown sidecar format; choose one with --sidecar-format (docs/sidecars.md lists them)", path=path
    )


def _recognised(path: Path, head: bytes) -> Iterator[Format]:
    """Formats of a file, the most specific first."""
    yield from (known for known in FORMATS if known.recognise(path, head))
    if len(head) == _HEAD and b"\0" not in head:
        deep = _beginning(path, _DEEP)
        yield from (known for known in FORMATS if known.recognise(path, deep))


def _beginning(path: Path, size: int) -> bytes:
    """The beginning of a file; raises `InputError`."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise InputError(
            "{path}: cannot read the sidecar: {strerror}", path=path, strerror=error.strerror or error
        ) from error
