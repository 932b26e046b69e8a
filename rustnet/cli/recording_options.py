"""Options of what a live run writes beside its session: recorded packets, and the log of events."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rustnet.cli.main import State
from rustnet.cli.outputs import STDOUT, Inputs, check_output, force_option
from rustnet.errors import Phrase, UsageError
from rustnet.i18n import _
from rustnet.query import values

if TYPE_CHECKING:
    from rustnet.ingest.recording import Recording

_F = TypeVar("_F", bound=Callable[..., Any])

LEAST_SEGMENT = 65_536
"""Smallest size of a segment in bytes."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is written beside a session."""

    recordings: "tuple[Recording, ...]" = ()
    json_log: str | None = None
    replace: bool = False
    group: int | None = None

    def options(self) -> dict[str, Any]:
        """The options of a run (`rustnet.ingest.options.Options`) by name."""
        return {name: getattr(self, name) for name in ("recordings", "json_log", "replace", "group")}


def recording_options(command: _F) -> _F:
    """Add options of recordings and of the log of events; the command gets what they ask for as ``recorded``.

    Of its own options it uses ``db``, the session, which must not be an output, and ``capturing``, for its filter.
    """

    @functools.wraps(command)
    def with_recordings(
        *arguments: Any,
        pcap_export: str | None,
        pcapng_export: str | None,
        rotate_size: int | None,
        rotate_seconds: int | None,
        rotate_files: int | None,
        json_log: str | None,
        **options: Any,
    ) -> Any:
        recorded = _recorded(
            [("pcapng", pcapng_export), ("pcap", pcap_export)], (rotate_size, rotate_seconds, rotate_files), json_log,
            options.get("db"), getattr(options.get("capturing"), "expression", ""),
        )  # fmt: skip
        return command(*arguments, recorded=recorded, **options)

    wrapped: Any = with_recordings
    for option in (
        force_option,
        click.option(
            "--json-log", metavar="FILE",
            help=_("Append an event for each connection that begins or ends to FILE, as JSON lines."),
        ),
        click.option(
            "--rotate-files", type=click.IntRange(1), metavar="N", help=_("Keep only the last N files of a recording.")
        ),
        click.option(
            "--rotate-seconds", type=click.IntRange(1), metavar="N", help=_("Begin a new file after N seconds.")
        ),
        click.option(
            "--rotate-size", callback=_size, metavar="SIZE",
            help=_("Begin a new file once one has this size: 100M, 1Gi. Files are named FILE_NUMBER_TIME."),
        ),
        click.option(
            "--pcapng-export", metavar="FILE",
            help=_("Record the packets as pcapng, with interfaces, directions and drops; owners go to "
                   "FILE.connections.jsonl."),
        ),
        click.option(
            "--pcap-export", metavar="FILE",
            help=_("Record the packets of one link type as pcap; owners go to FILE.connections.jsonl."),
        ),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def _size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Parse a size."""
    if value is None:
        return None
    try:
        size: int = values.size(value)
    except Phrase as error:
        raise click.BadParameter(f"{value!r} {error.sentence(_)}") from None
    if size < LEAST_SEGMENT:
        raise click.BadParameter(_("a file has at least {n} bytes").format(n=f"{LEAST_SEGMENT:,}"))
    return size


def _recorded(
    exports: list[tuple[Any, str | None]],
    rotation: tuple[int | None, int | None, int | None],
    json_log: str | None,
    session: str | None,
    expression: str,
) -> Recorded:
    """Check the options against each other and against the files that there are."""
    state = click.get_current_context().find_object(State) or State()
    named = [(form, path) for form, path in exports if path is not None]
    size, seconds, files = rotation
    if any(rotation) and not named:
        raise UsageError("--rotate-size, --rotate-seconds and --rotate-files need --pcapng-export or --pcap-export")
    if files and not (size or seconds):
        raise UsageError("--rotate-files needs --rotate-size or --rotate-seconds")
    _check_paths([path for _form, path in named], json_log, session, rotates=bool(size or seconds), force=state.force)
    from rustnet.ingest.recording import Recording  # noqa: PLC0415 -- NumPy

    limits = (size or 0, seconds or 0, files or 0)
    recordings = [Recording(path, form, *limits, sidecar=True, filter=expression) for form, path in named]
    return Recorded(tuple(recordings), json_log, state.force, state.group)


def _check_paths(paths: list[str], json_log: str | None, session: str | None, *, rotates: bool, force: bool) -> None:
    """Raise `UsageError` for a file that must not be written."""
    inputs = Inputs(sessions=[session] if session is not None else [])
    outputs = [*paths, *([json_log] if json_log is not None else [])]
    for i, path in enumerate(outputs):
        if path == STDOUT:
            raise UsageError("packets and events are written to files, not to standard output")
        if any(os.path.abspath(path) == os.path.abspath(other) for other in outputs[:i]):  # noqa: PTH100
            raise UsageError("{path}: is named for two outputs", path=path)
        check_output(path, inputs)
    for path in () if rotates or force else paths:
        for name in (path, f"{path}.connections.jsonl"):
            if os.path.lexists(name):
                raise UsageError("{path}: exists; choose another file, or give --force", path=name)
