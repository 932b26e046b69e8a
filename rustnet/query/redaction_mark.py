"""How a redacted session states that it is one: properties of its file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session

POLICY, VERSION, KEY = "redaction_policy", "redaction_version", "redaction_key"
"""Properties: names of the policies, of the last the version of rustnet and the fingerprint of the key."""
_SQL = f"SELECT key, value FROM meta WHERE key IN ('{POLICY}', '{VERSION}', '{KEY}')"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Redaction:
    """What a session says about its redaction."""

    policy: str
    """Name of the policy; of several after one another with commas."""
    version: str
    """Version of rustnet that redacted it."""
    key: str
    """Fingerprint of the key: two sessions with the same one can be joined."""

    def words(self, session: str) -> str:
        """Describe it in one line."""
        words = _("{session}: redacted by rustnet {version} (policy {policy}): names and addresses are replacements")
        return words.format(session=safe(session), policy=safe(self.policy), version=safe(self.version))


def redaction_of(session: "Session") -> Redaction | None:
    """What a session says about its redaction; None: it is not redacted."""
    try:
        values = {key: str(value) for key, value in session.execute_own(_SQL).rows}
    except RustnetError:  # a session of another version
        return None
    if POLICY not in values:
        return None
    return Redaction(values[POLICY], values.get(VERSION, ""), values.get(KEY, ""))


def fingerprint(redactor: "Redactor") -> str:
    """Fingerprint of a redactor's key, which does not reveal the key."""
    return f"{redactor.pseudonyms.number('fingerprint of the key'):016x}"
