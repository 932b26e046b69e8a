"""Which sidecars lie beside a capture, and which reader reads a sidecar."""

from collections.abc import Callable
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
"""What sidecars are called: the capture's name with one of these behind it."""

_HEAD = 65_536
"""What `Format.recognise` is shown of a file; a sidecar's first record may be longer than any kilobyte."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format of ownership data that comes in files of its own."""

    name: str
    """What `--sidecar-format` calls it."""
    recognise: Callable[[Path, bytes], bool]
    """``recognise(path, head)``: whether a file with this head is of this format."""
    reader: Callable[[Path, str | None], SidecarReader]
    """``reader(path, host)`` reads it; ``host`` is the machine it was recorded on, if known."""


FORMATS: tuple[Format, ...] = (
    # Asked in this order: formats that are told by their content stand before those that are told by the name alone.
    Format("rustnet-json-log", RustnetJsonLog.recognise, RustnetJsonLog),
    *(Format(*known) for known in readers()),
    Format("rustnet-sidecar", RustnetSidecar.recognise, RustnetSidecar),
)


def find_sidecars(capture: Path) -> list[Path]:
    """Existing sidecars named after a capture: ``<capture>.connections.jsonl``, without ``.gz`` and the like too."""
    stems = [capture.name]
    if capture.suffix.lower() in COMPRESSED:
        stems.append(capture.stem)
    places = [capture.with_name(stem + suffix) for stem in stems for suffix in SUFFIXES]
    return [place for place in places if place.is_file()]


def named_format(name: str) -> Format:
    """Find a format by its name; raises `UsageError` if there is none."""
    for known in FORMATS:
        if known.name == name:
            return known
    names = ", ".join(sorted(known.name for known in FORMATS))
    raise UsageError("no sidecar format is called {name}; these are known: {names}", name=name, names=names)


def open_sidecar(path: Path, host: str | None = None, format_: str | None = None) -> SidecarReader:
    """Choose the reader of a sidecar by its format's name, or by content and name of the file.

    Raises `InputError` if it cannot be read or is of no known format, `UsageError` if there is no such format.
    """
    named = [] if format_ is None else [named_format(format_)]
    if path.exists() and not path.is_file():
        raise InputError("{path}: not a regular file; write the sidecar to a file first, it is read twice", path=path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InputError(
            "{path}: cannot read the sidecar: {strerror}", path=path, strerror=error.strerror or error
        ) from error
    for known in named:
        return known.reader(path, host)
    for known in FORMATS:
        if known.recognise(path, head):
            return known.reader(path, host)
    if not head:
        raise InputError(
            "{path}: the sidecar is empty; ownership is read from a file that holds connections", path=path
        )
    raise InputError(
        "{path}: no sidecar of a known format; name it with --sidecar-format (docs/sidecars.md lists them)", path=path
    )
