"""``rustnet browse``: shows a session on the terminal, or in a web browser."""

import click

from rustnet.cli.main import State
from rustnet.cli.options import common, filter_argument
from rustnet.cli.redaction_options import redaction_options
from rustnet.errors import UsageError
from rustnet.i18n import _

_MOST_PORT = 65535


@click.command(
    help=_(
        "Browse a session: its flows, their messages and packets, processes, hosts, and all of it at any time. A "
        "session that is being written is followed. The flows that match FILTER are shown first; 'h' shows the keys."
        "\n\n\b\n"
        "  rustnet browse s.duckdb\n"
        "  rustnet browse s.duckdb app:tls bytes:>1M\n"
        "  rustnet browse s.duckdb --at 12:03 --redact\n"
        "  rustnet browse s.duckdb --serve\n\n"
        "Where there is no terminal, use 'rustnet flows', 'stats', 'show' and 'query'."
    )
)
@click.argument("session", metavar="SESSION", type=click.Path())
@filter_argument
@click.option(
    "--at", default="", metavar="TIME",
    help=_("Show the session as it was at this time: 12:03, a date, +30s after its beginning, 50%, or #PACKET."),
)  # fmt: skip
@redaction_options
@click.option(
    "--serve", is_flag=True,
    help=_("Show it in a web browser on this computer, at an address that is printed; nobody else can open it."),
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, _MOST_PORT), metavar="N",
    help=_("Port of --serve.  [default: one that is free]"),
)  # fmt: skip
@click.option("--tab", is_flag=True, hidden=True, help=_("Talk to 'browse --serve', which starts one for each tab."))
@common
@click.pass_obj
def command(
    state: State,
    session: str,
    words: tuple[str, ...],
    at: str,
    serve: bool,
    port: int | None,
    tab: bool,
) -> int:
    """Browse a session."""
    if port is not None and not serve:
        raise UsageError("--port is for --serve")
    if not (serve or tab):
        _check_terminal()
    from rustnet.cli import browsing  # noqa: PLC0415 -- only here
    from rustnet.cli.browser_settings import browser_settings  # noqa: PLC0415

    text = " ".join(words)
    if serve:
        from rustnet.cli.serving import serve_session  # noqa: PLC0415 -- only if asked for

        return serve_session(session, text, at=at, port=port or 0, state=state)
    return browsing.browse_session(session, browser_settings(state, filter=text, at=at), state, tab=tab)


def _check_terminal() -> None:
    """Raise `UsageError` if there is no terminal that can show the browser."""
    from rustnet.tui.terminal import missing  # noqa: PLC0415 -- only here

    if reason := missing():
        raise UsageError(
            "the browser needs a terminal: {reason}; use --serve, or 'rustnet flows', 'stats', 'show' or 'query'",
            reason=reason,
        )
