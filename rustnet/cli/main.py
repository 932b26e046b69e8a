"""Entry point: the table of commands, imported when they are used, and the one place where errors become words."""

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import click

from rustnet import __version__
from rustnet.cli.terminal import Terminal
from rustnet.errors import ExitCode, RustnetError
from rustnet.i18n import _
from rustnet.present.text import safe

COMMANDS: dict[str, str] = {
    "replay": "Turn captures into a session, and summarise it.",
    "flows": "List flows, all or those that a filter finds.",
    "stats": "Count flows, packets and bytes by protocol, host, process …",
    "processes": "Who started whom, and what each process sent where.",
    "hosts": "List who was there, with hardware addresses and names.",
    "show": "One flow, whole; or one packet's full protocol tree.",
    "query": "Ask a saved question, or any SQL.",
    "enrich": "Write a capture again, with the process of each packet as a comment.",
    "extract": "Write the packets of a filter or query to pcap or pcapng.",
    "refresh": "Run passes again: names, owners, relations; with sidecars that came later.",
    "export": "Write owners as a sidecar.",
    "sidecar": "Record who owns which socket; check such a recording.",
    "protocols": "What is decoded, with tables and fields.",
    "verify": "Check a session against itself and its captures.",
    "doctor": "What this machine can do, and what is missing.",
}
"""Commands, in the order of the help. The module of each is `rustnet.cli.commands.<name>`, its object `command`."""


@dataclass(slots=True)
class State:
    """What concerns every command."""

    debug: bool = False
    """Show tracebacks; raise what parsers raise."""
    color: bool = True
    """Colours may be used where the terminal has them."""


class LazyGroup(click.Group):
    """A group whose help needs none of its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command's module."""
        if cmd_name not in COMMANDS:
            return None
        made: click.Command = importlib.import_module(f"rustnet.cli.commands.{cmd_name}").command
        return made

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table."""
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(words)) for name, words in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one is told with its nearest neighbour."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib  # noqa: PLC0415 -- only for mistakes

            near = difflib.get_close_matches(name, COMMANDS, 1)
            hint = _("did you mean {name}?").format(name=near[0]) if near else ", ".join(COMMANDS)
            raise click.UsageError(_("there is no command {name!r}: {hint}").format(name=name, hint=hint), ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_("Exit codes: 0 done, 1 failure, 2 usage, 3 input unreadable, 4 losses (--strict), 130 interrupted."),
    help=_("Offline network forensics: a capture goes in, a session comes out that any question can be put to."),
)
@click.version_option(__version__, prog_name="rustnet", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help=_("Show tracebacks; raise what parsers raise."))
@click.option("--no-color", is_flag=True, help=_("No colours (also: NO_COLOR in the environment)."))
@click.pass_obj
def cli(state: State, debug: bool, no_color: bool) -> None:
    """Take the options that every command has."""
    state.debug |= debug
    state.color &= not no_color


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code and writes at most one line of error to stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # hostile text must not end a command in an ASCII terminal
            stream.reconfigure(errors="backslashreplace")
    if "_RUSTNET_COMPLETE" in os.environ:  # a shell asks for completions
        cli.main(prog_name="rustnet")
    state = State()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Not `cli.main`, which has ways of its own with interrupts and broken pipes.
        with cli.make_context("rustnet", given, obj=state) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except Exception as error:  # noqa: BLE001 -- the last catch of all
        return _failed(error, state)
    except KeyboardInterrupt:
        _say(_("interrupted"))
        return ExitCode.INTERRUPTED
    return int(code or ExitCode.DONE)


def entry() -> NoReturn:
    """Run the command line of this process, and leave it at once: everything is closed and written by then.

    A command makes few cycles and is over soon: looking for them, now and at the end, costs more than they do.
    """
    gc.disable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start threads that nothing here uses
    code = main()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _failed(error: Exception, state: State) -> int:
    """Say in one line what went wrong; returns the exit code."""
    if isinstance(error, BrokenPipeError):
        # Whoever reads has seen enough. Python would complain again when it flushes at its end.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    if isinstance(error, click.Abort):
        _say(_("interrupted"))
        return ExitCode.INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return ExitCode.USAGE
    if state.debug and not isinstance(error, click.ClickException):
        import traceback  # noqa: PLC0415 -- only with --debug

        traceback.print_exception(error)
    words, code = _explained(error)
    _say(words)
    return code


def _explained(error: Exception) -> tuple[str, int]:
    """Words and exit code of an error."""
    if isinstance(error, click.ClickException):
        where = f" ({error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        return _("error: {words}").format(words=safe(error.format_message())) + where, ExitCode.USAGE
    if isinstance(error, RustnetError):
        # Our own words have line breaks only to point at a word of a filter.
        lines = "\n".join(safe(line) for line in error.sentence(_).split("\n"))
        return _("error: {words}").format(words=lines), error.exit_code
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return _("error: {words}").format(words=safe(f"{name}{error.strerror or error}")), ExitCode.FAILURE
    words = _("internal error: {kind}: {words}; --debug shows where (please report it)")
    return words.format(kind=type(error).__name__, words=safe(str(error))), ExitCode.FAILURE


def _say(words: str) -> None:
    click.echo(f"rustnet: {words}", err=True)


def terminal(ctx: click.Context | None = None) -> Terminal:
    """Tell what stdout is, with the user's wishes about colours."""
    state = (ctx or click.get_current_context()).find_object(State)
    return Terminal.of(sys.stdout, color=state is None or state.color)
