"""``--redact [POLICY]`` and ``--redact-key FILE``: the same options of all commands, and the redactor they ask for.

``--redact`` takes the next word only if it names a policy: `share`, `strict`, `timing-only` or a file NAME.toml. Other
words that follow it, a session above all, are arguments of the command. ``--redact=POLICY`` is always the policy.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rustnet.cli.main import State
from rustnet.cli.terminal import notify
from rustnet.config import ONE_OFF_KEY, usual_file
from rustnet.errors import UsageError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.policy.redaction import Key, Policy, Redactor

_F = TypeVar("_F", bound=Callable[..., Any])

OPTION = "--redact"
WRITING = frozenset(("export", "report", "scan-leaks"))
"""Commands whose screen is for the one who has the session: what is replaced is in the files that they write."""
KEY_FILE = "redaction.key"
"""Name of the key's file, next to the usual configuration file."""


def redaction_options(command: _F) -> _F:
    """Add ``--redact`` and ``--redact-key``, which `redactor_of` and `rustnet.cli.options.opened` apply."""

    def set_policy(ctx: click.Context, _param: click.Parameter, given: str | None) -> None:
        state = ctx.find_object(State)
        if state and given is not None:
            state.redact = given
            state.shows_errors = ctx.info_name in WRITING

    def set_key(ctx: click.Context, _param: click.Parameter, given: str | None) -> None:
        state = ctx.find_object(State)
        if state and given is not None:
            state.redact_key = given

    command = click.option(
        "--redact-key", metavar="FILE", expose_value=False, callback=set_key,
        help=_(
            "File of the key under which --redact replaces; 'new': a random key that is kept nowhere.  [default: by "
            "configuration, else {name} next to the configuration file]"
        ).format(name=KEY_FILE),
    )(command)  # fmt: skip
    return click.option(
        OPTION, metavar="[POLICY]", expose_value=False, callback=set_policy,
        help=_(
            "Replace addresses, names, users, paths and more, consistently: share, strict, timing-only or FILE.toml.  "
            "[default policy: by configuration, else share]"
        ),
    )(command)  # fmt: skip


def refuse_without_browser(state: State) -> None:
    """Raise `UsageError` for ``--redact`` of a run that does not show the browser: its summary is not replaced."""
    if state.redact is not None:
        raise UsageError("--redact is for the browser; the summary without it is not redacted")


def redactor_of(state: State | None) -> "Redactor | None":
    """Redactor that the options ask for; None: ``--redact`` was not given. Raises `UsageError` if it cannot be used."""
    if state is None or state.redact is None:
        if state is not None and state.redact_key is not None:
            raise UsageError("--redact-key is for --redact")
        return None
    if state.redactor is None:
        state.redactor = new_redactor(state)
    return state.redactor


def new_redactor(state: State) -> "Redactor":
    """Redactor of the policy and key of the options, each by configuration where none is given."""
    from rustnet.policy.redaction import Redactor  # noqa: PLC0415 -- if wanted

    return Redactor(_key(state), _policy(state))


def _policy(state: State) -> "Policy":
    """Policy of a name or a file."""
    from rustnet.policy.redaction.policy_files import named_policy  # noqa: PLC0415 -- if wanted
    from rustnet.query.kinds import kind_of  # noqa: PLC0415 -- if wanted

    with as_caller():
        return named_policy(state.redact or state.config.redact_policy, OPTION, kind_of)


def _key(state: State) -> "Key":
    """Key in a file of this user's, which is created if it does not exist."""
    from rustnet.policy.redaction import key_of_file, random_key  # noqa: PLC0415 -- if wanted

    given = state.redact_key
    if given == "":
        raise UsageError("--redact-key: expected the path of a file, or {word!r}", word=ONE_OFF_KEY)
    chosen = state.config.redact_key_file if given is None else given
    if chosen == ONE_OFF_KEY:
        return random_key()
    path = Path(chosen or usual_file().parent / KEY_FILE)
    with as_caller():
        is_new = not os.path.exists(path)  # noqa: PTH110 -- false, too, where it may not be looked for
        key = key_of_file(path)
    if is_new:
        notify(_("rustnet: {path}: a new key of redaction").format(path=safe(str(path))))
    return key


@contextlib.contextmanager
def as_caller() -> Iterator[None]:
    """Read and create files as the user who called this program by sudo, so that they belong to that user.

    As root, a link in that user's folder could lead to a file that only root may read or create.
    """
    from rustnet.sandbox.users import invoking_user  # noqa: PLC0415 -- if wanted

    user = invoking_user()
    if user is None or user.origin != "sudo" or os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([user.group])
    os.setegid(user.group)
    os.seteuid(user.number)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
