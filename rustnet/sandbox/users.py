"""The user that a program which root started works for: who called it by sudo, pkexec or doas, or who was named."""

import os
import re
from dataclasses import dataclass

from rustnet.errors import UsageError
from rustnet.i18n import N_

LAST_USER = 0xFFFFFFFE
"""Largest number of a user; the next one stands for none."""
CALLERS = (("sudo", "SUDO_UID", "SUDO_GID"), ("pkexec", "PKEXEC_UID", ""), ("doas", "DOAS_USER", ""))
"""Programs, and the variables in which they state who called them: a number, or a name."""


@dataclass(frozen=True, slots=True)
class User:
    """A user, and how it is known."""

    number: int
    group: int
    name: str
    origin: str
    """``sudo``, ``pkexec``, ``doas`` or the option."""
    home: str = ""

    def set_environment(self) -> None:
        """Set the variables that name the user and the home directory, as at a login."""
        os.environ.update(USER=self.name, LOGNAME=self.name, HOME=self.home or os.sep)


def is_root() -> bool:
    """Whether this process is root's, or can become so."""
    return hasattr(os, "getresuid") and 0 in os.getresuid()


def invoking_user() -> User | None:
    """The user who called this program as root; None if nobody else did, or the variables make no sense."""
    if not is_root():
        return None
    for origin, user, group in CALLERS:
        text = os.environ.get(user, "")
        known = _by_number(text, origin) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else _by_name(text, origin)
        if known is not None:
            number = os.environ.get(group, "") if group else ""
            # The group of the account counts; that of the variable only where there is no account.
            if known.name or not re.fullmatch(r"\d{1,10}", number, re.ASCII) or not 0 < int(number) <= LAST_USER:
                return known if known.name else None
            return User(known.number, int(number), "", origin)
    return None


def chosen_user(drop_to: str | None) -> User | None:
    """The user named by ``--drop-to``, else the one who called this program; raises `UsageError` for an unknown one.

    None: there is nobody but who started it.
    """
    if drop_to is None:
        return invoking_user()
    numeric = re.fullmatch(r"\d{1,10}", drop_to, re.ASCII) is not None
    user = _by_number(drop_to, "--drop-to") if numeric else _by_name(drop_to, "--drop-to")
    if user is None or not user.name:
        raise UsageError(N_("--drop-to {user}: there is no such user, or it is root"), user=drop_to)
    if not is_root():
        raise UsageError(N_("--drop-to {user}: only root can become another user"), user=drop_to)
    return user


def _by_number(text: str, origin: str) -> User | None:
    """The user of a number, without a name if it has no account; None for root, and for what is no number of a user."""
    number = int(text)
    if not 0 < number <= LAST_USER:
        return None
    import pwd  # noqa: PLC0415 -- not on Windows

    try:
        entry = pwd.getpwuid(number)
    except KeyError:
        return User(number, 0, "", origin)
    return User(number, entry.pw_gid, entry.pw_name, origin, entry.pw_dir)


def _by_name(text: str, origin: str) -> User | None:
    """The user of a name; None for root, and if there is none."""
    if not text or "\0" in text:
        return None
    import pwd  # noqa: PLC0415 -- not on Windows

    try:
        entry = pwd.getpwnam(text)
    except KeyError:
        return None
    return User(entry.pw_uid, entry.pw_gid, entry.pw_name, origin, entry.pw_dir) if entry.pw_uid else None
