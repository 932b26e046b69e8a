"""The browser in a web browser, as the command starts it."""

import os
import sys
from pathlib import Path

from rustnet.cli.browser_settings import browser_settings
from rustnet.cli.main import State
from rustnet.cli.options import opened
from rustnet.cli.terminal import notify
from rustnet.i18n import _
from rustnet.isolation import python_command
from rustnet.present.text import printable
from rustnet.tui.serve import serve

_TAB = "import sys; sys.argv[1:] = {words!r}; from rustnet.__main__ import entry; entry()"


def serve_session(session: str, filter: str, *, at: str, port: int, state: State) -> int:  # noqa: A002
    """Serve a session until Ctrl-C; returns the exit code."""
    settings = browser_settings(state, filter=filter, at=at)  # errors before anything is served
    with opened(session, original=True) as reader:
        if filter:
            from rustnet.query.compile import compile_filter  # noqa: PLC0415 -- if there is one

            compile_filter(filter, reader.scope())  # an error is better shown here than in each tab
    options = [*(["--at", at] if at else []), *(["--debug"] if state.debug else [])]
    options += [] if state.redact is None else [f"--redact={state.redact}"]
    options += [] if state.redact_key is None else [f"--redact-key={state.redact_key}"]
    options += ["--config", state.config_file] if state.config_file else ["--no-config"] if state.no_config else []
    for name, value in state.flags.values():
        options += [name] if name == "--no-color" else [name, value]
    words = ["browse", "--tab", *options, "--", session, *([filter] if filter else [])]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("TEXTUAL")}
    title = f"rustnet: {_('redacted') if settings.redact != 'off' else printable(Path(session).name)}"
    return serve(python_command(_TAB.format(words=words)), environment, title, port, _announce)


def _announce(url: str) -> None:
    """Print where the session is shown; the address is the only data of this command."""
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
    notify(_("rustnet: open this address in a browser on this computer; Ctrl-C ends it"))
