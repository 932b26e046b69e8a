"""Entry point: the table of commands, which are imported on use, and the printing of errors."""

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from rustnet import __version__
from rustnet.cli.language import translate_click
from rustnet.cli.optional_values import with_values
from rustnet.cli.terminal import Terminal, notify
from rustnet.config import Config, Source, load
from rustnet.errors import ExitCode, RustnetError
from rustnet.i18n import N_, _
from rustnet.present.text import safe
from rustnet.present.values import show_times_in
from rustnet.probe.newfile import remove_unfinished
from rustnet.probe.streams import open_standard_streams

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor

translate_click()  # before the first command, whose options have click's own sentences

COMMANDS: dict[str, str] = {
    "live": N_("Capture packets of interfaces into a session, with their processes, and browse it."),
    "replay": N_("Read captures into a session, and browse it or print a summary."),
    "browse": N_("Browse a session on the terminal, or in a web browser."),
    "flows": N_("List flows, all or those that match a filter."),
    "stats": N_("Count flows, packets and bytes by protocol, host, process …"),
    "processes": N_("Show the tree of processes with their traffic."),
    "hosts": N_("List hosts with hardware addresses and names."),
    "sockets": N_("List the sockets of the machine that was captured on, with their owners."),
    "routes": N_("List the routes of the machine that was captured on."),
    "show": N_("Show one flow in detail, or one packet's full protocol tree."),
    "query": N_("Run a saved query or any SQL."),
    "alerts": N_("List the alerts that were raised, and those that there are."),
    "diff": N_("Show what is new, gone or changed between two sessions or times."),
    "enrich": N_("Copy a capture to pcapng with each packet's process as a comment."),
    "extract": N_("Write the packets that match a filter or query to pcap or pcapng."),
    "refresh": N_("Recompute names, owners and relations, also with new sidecars."),
    "report": N_("Write a report of a session as one page of HTML."),
    "export": N_("Write a session in formats for other programs and people, also redacted."),
    "scan-leaks": N_("Look for values of a session in a redacted export of it."),
    "helper": N_("Let users whom root names capture without sudo."),
    "sidecar": N_("Record which process owns which socket; validate sidecars."),
    "protocols": N_("List the decoded protocols, their tables and fields."),
    "verify": N_("Check the consistency of a session and its captures."),
    "config": N_("Show, check and explain the configuration."),
    "doctor": N_("Check this installation: what works, what is missing."),
    "about": N_("Print version, licences, libraries, and where the shipped data come from."),
}
"""Commands, in the order of the help.

The module of each is `rustnet.cli.commands.<name>` with `_` for `-`, its object `command`.
"""


NO_ARGUMENTS: tuple[type[click.UsageError], ...] = tuple(
    filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)])  # since click 8.2
)
"""Raised where a group is called without a command."""


@dataclass(slots=True)
class State:
    """Options that apply to every command."""

    debug: bool = False
    """Show tracebacks; do not catch parser failures."""
    config_file: str | None = None
    """The configuration file that was asked for."""
    no_config: bool = False
    """Read no configuration file."""
    flags: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Settings that flags override, by key: the flag's name and its value."""
    config: Config = field(default_factory=Config)
    """Settings in force, once `read_config` was called."""
    config_path: Path | None = None
    """The configuration file that was read."""
    force: bool = False
    """Let an output replace an existing capture, session or sidecar."""
    group: int | None = None
    """Number of the group that may read what is written; None: only its owner."""
    seconds: float | None = None
    """Time limit of a statement."""
    redact: str | None = None
    """Policy under which values are replaced; empty: the configured one, None: they are not."""
    redact_key: str | None = None
    """File of the key of that; None: the configured one."""
    shows_errors: bool = False
    """Under ``--redact`` errors are not replaced, as the screen is not what is shared."""
    redactor: "Redactor | None" = None
    """What replaces them, once it was needed."""

    def source(self) -> Source:
        """Where settings are looked for."""
        return Source(self.config_file, self.no_config, self.flags)

    def read_config(self) -> None:
        """Put the configuration in force. Raises `ConfigError`."""
        loaded = load(self.source())
        if loaded.unreachable:
            words = _("rustnet: {path}: the configuration is not read: {reason}")
            notify(words.format(path=safe(str(loaded.path)), reason=loaded.unreachable))
        self.config = loaded.config
        self.config_path = loaded.path if loaded.was_read else None
        show_times_in(self.config.timezone)


class LazyGroup(click.Group):
    """Command group that prints its help without importing its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rustnet.cli.commands.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table."""
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(words)) for name, words in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return a command; the error for an unknown name suggests the closest one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib  # noqa: PLC0415 -- only for mistakes

            closest = difflib.get_close_matches(name, COMMANDS, 1)
            hint = _("did you mean {name}?").format(name=closest[0]) if closest else ", ".join(COMMANDS)
            raise click.UsageError(_("unknown command {name!r}: {hint}").format(name=name, hint=hint), ctx)
        return super().resolve_command(ctx, [name, *with_values(args[1:])])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_(
        "Exit codes: 0 success, 1 failure, 2 usage error, 3 unreadable input, 4 data loss (--strict), 130 interrupted."
    ),
    help=_("Offline network forensics: read captures into a session, then list, query and export what they contain."),
)
@click.version_option(__version__, prog_name="rustnet", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help=_("Show tracebacks; do not catch parser failures."))
@click.option("--no-color", is_flag=True, help=_("Do not use colours (also: NO_COLOR in the environment)."))
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    help=_("Whether to use colours.  [default: by configuration, else auto: on a terminal]"),
)
@click.option(
    "--timezone",
    metavar="ZONE",
    help=_("Time zone of the times shown, such as Europe/Berlin or local.  [default: by configuration, else UTC]"),
)
@click.option(
    "--language",
    metavar="LANGUAGE",
    help=_(
        "Language of messages and help: de, en, es, fr, ja or zh_CN.  [default: by configuration, else environment]"
    ),
)
@click.option("--config", "config_file", metavar="FILE", help=_("Configuration file.  [default: see 'rustnet config']"))
@click.option("--no-config", is_flag=True, help=_("Read no configuration file."))
@click.pass_obj
def cli(
    state: State,
    debug: bool,
    no_color: bool,
    color: str | None,
    timezone: str | None,
    language: str | None,
    config_file: str | None,
    no_config: bool,
) -> None:
    """Store the options that apply to every command."""
    state.debug |= debug
    state.no_config |= no_config
    if config_file is not None:
        state.config_file = config_file
    if timezone is not None:
        state.flags["timezone"] = ("--timezone", timezone)
    if language is not None:
        state.flags["language"] = ("--language", language)
    if color is not None or no_color:
        state.flags["color"] = ("--color", color) if color is not None else ("--no-color", "never")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, write at most one error line to stderr, and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # hostile text must not end a command in an ASCII terminal
            stream.reconfigure(errors="backslashreplace")
    if "_RUSTNET_COMPLETE" in os.environ:  # a shell asks for completions
        cli.main(prog_name="rustnet")
    state = State()
    show_times_in(UTC)
    args = list(sys.argv[1:] if arguments is None else arguments)

    def run() -> int | None:
        # Not `cli.main`, which handles interrupts and broken pipes in its own way.
        with cli.make_context("rustnet", args, obj=state) as context:
            code: int | None = cli.invoke(context)
        sys.stdout.flush()
        return code

    return run_reported(run, state)


def run_reported(run: Callable[[], int | None], state: State) -> int:
    """Run a command, or the part of one that has a process of its own, and report its error."""
    try:
        return int(run() or ExitCode.DONE)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except Exception as error:  # noqa: BLE001 -- reported as an internal error
        return _handle_error(error, state)
    except KeyboardInterrupt:
        _print_error(_("interrupted"))
        return ExitCode.INTERRUPTED


def entry() -> NoReturn:
    """Run the command line of this process and exit at once: everything is closed and written by then.

    A command is short and creates few reference cycles: collecting them would cost more than it frees.
    """
    open_standard_streams()
    gc.disable()
    end_on_signals()
    os.umask(os.umask(0o077) | 0o077)  # what DuckDB creates, a log for example, is this user's alone
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # keep NumPy from starting threads that are not used
    code = main()
    remove_unfinished()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, so that temporary files are removed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, interrupt)


def _handle_error(error: Exception, state: State) -> int:
    """Print an error in one line and return the exit code."""
    if isinstance(error, BrokenPipeError):
        # The reader closed the pipe. Python would report it again when it flushes at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    if isinstance(error, click.Abort):
        _print_error(_("interrupted"))
        return ExitCode.INTERRUPTED
    if isinstance(error, NO_ARGUMENTS):
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return ExitCode.USAGE
    if state.debug and not isinstance(error, click.ClickException):
        import traceback  # noqa: PLC0415 -- only with --debug

        traceback.print_exception(error)
    if state.redact is not None and not state.shows_errors:
        from rustnet.cli.redacted_errors import replaced_error  # noqa: PLC0415 -- imports this module

        error = replaced_error(error, state)
    words, code = _error_message(error)
    _print_error(words)
    return code


def _error_message(error: Exception) -> tuple[str, int]:
    """Message and exit code of an error."""
    if isinstance(error, click.ClickException):
        where = f" ({error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        return _("error: {words}").format(words=safe(error.format_message())) + where, ExitCode.USAGE
    if isinstance(error, RustnetError):
        # Only filter errors have line breaks: they point at a position in the filter.
        lines = "\n".join(safe(line) for line in error.sentence(_).split("\n"))
        return _("error: {words}").format(words=lines), error.exit_code
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return _("error: {words}").format(words=safe(f"{name}{error.strerror or error}")), ExitCode.FAILURE
    words = _("internal error: {kind}: {words}; --debug shows where (please report it)")
    return words.format(kind=type(error).__name__, words=safe(str(error))), ExitCode.FAILURE


def _print_error(words: str) -> None:
    click.echo(f"rustnet: {words}", err=True)


def terminal(ctx: click.Context | None = None) -> Terminal:
    """Properties of stdout, with colours by the configuration."""
    state = (ctx or click.get_current_context()).find_object(State)
    return Terminal.of(sys.stdout, color="auto" if state is None else state.config.color)
