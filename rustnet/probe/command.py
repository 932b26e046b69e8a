"""A recording from start to end: signals, output files, and a last word."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import IO, Callable, Sequence

from rustnet.probe.errors import RecordError, RefusedOutputError
from rustnet.probe.lines import Keys
from rustnet.probe.newfile import REASONS, NewFile, RefusedError, check_target, printable_path
from rustnet.probe.options import Options, parse
from rustnet.probe.recorder import Recorder
from rustnet.probe.sources import Sources, linux_sources
from rustnet.probe.streams import open_standard_streams
from rustnet.probe.system import enter_namespace, use_realtime

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def main(arguments: list[str] | None = None) -> int:
    """Record, and return the exit code."""
    open_standard_streams()
    options = parse(arguments)
    if not sys.platform.startswith("linux"):
        sys.stderr.write("record.py: only for Linux; elsewhere `rustnet sidecar record` does this, with psutil\n")
        return 1
    try:
        record(options)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (RecordError, OSError) as error:
        sys.stderr.write(f"record.py: {error}\n")
        return 2 if isinstance(error, RefusedOutputError) else 1
    return 0


def record(options: Options, open_sources: Callable[[Options], Sources] = linux_sources) -> None:
    """Record as the options ask, until a signal or ``--duration`` ends it."""
    stop, wake = socket.socketpair()  # select takes only sockets on Windows
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for name in STOPPING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda *_: None)
    if options.netns:
        enter_namespace(options.netns)
    if options.realtime:
        use_realtime()
    if options.output == "-":
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _check_summary(options)
    out = sys.stdout if options.output == "-" else _create(options.output, options, at_once=True)[1]
    sources = open_sources(options)
    recorder = Recorder(options, out, sources)
    try:
        recorder.run(stop)
    finally:
        summary = recorder.summary()
        signal.set_wakeup_fd(-1)
        for one in (stop, wake, sources, *[out] * (out is not sys.stdout)):
            one.close()
        _write_summary(summary, options)
    unwatched = options.packets and sources.kernel is not None and sources.watch is None
    sys.stderr.write("".join(f"{options.program}: {words}\n" for words in _last_words(summary, unwatched)))


def _last_words(summary: Keys, unwatched: bool) -> list[str]:
    """What is worth knowing at the end of a recording."""
    words = [
        "{lines} lines on {sockets} sockets in {polls} polls; {unowned} without an owner; "
        "{notices_lost} notices lost".format(**summary)
    ]
    if summary["unreadable_processes"]:
        words.append(f"{summary['unreadable_processes']} processes could not be read; run as root")
    if unwatched:
        words.append("packets could not be watched (needs CAP_NET_RAW): short connections have no owner")
    return words


def _create(path: str, options: Options, at_once: bool, inputs: Sequence[str] = ()) -> tuple[NewFile, IO[str]]:
    """Open a new file that only its owner can read, and the group that the options name."""
    try:
        file = NewFile(path, inputs, options.force, options.group, at_once)
        return file, os.fdopen(file.descriptor, "w", 1, encoding="utf-8")
    except RefusedError as error:
        raise RefusedOutputError(f"{printable_path(path)}: {REASONS[error.reason]}") from None
    except LookupError:
        raise RefusedOutputError(f"there is no group {options.group}; choose another for --group") from None
    except OSError as error:
        raise RecordError(f"cannot write {printable_path(path)}: {error.strerror}; choose another place") from error


def _write_summary(summary: Keys, options: Options) -> None:
    """Write the summary of the recording, if it has a place."""
    if not options.meta:
        return
    file, stream = _create(options.meta, options, at_once=False, inputs=_other_output(options))
    try:
        with stream:
            stream.write(json.dumps(summary, indent=1) + "\n")
            stream.flush()
            file.publish()
    finally:
        file.discard()


def _other_output(options: Options) -> list[str]:
    """The recording itself, which its summary must not replace."""
    return [] if options.output == "-" else [options.output]


def _check_summary(options: Options) -> None:
    """Refuse a place for the summary before anything is recorded."""
    if options.meta:
        try:
            check_target(options.meta, _other_output(options), options.force)
        except RefusedError as error:
            raise RefusedOutputError(f"{printable_path(options.meta)}: {REASONS[error.reason]}") from None
