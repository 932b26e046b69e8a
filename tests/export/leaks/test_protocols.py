"""What redacted packets keep of a handshake, tables keep too: else the leak scan would report it."""

import pytest

from rustnet.export.redacted_packets.payloads import lines
from rustnet.export.redacted_packets.payloads.tls import PROTOCOLS
from rustnet.policy.redaction import SHARE, Redactor, random_key
from rustnet.records import Kind


def test_names_of_protocols_stay() -> None:
    redactor = Redactor(random_key(), SHARE)
    names = [name.decode() for name in PROTOCOLS]
    assert [name for name in names if redactor.value(Kind.TERM, name) != name] == []


@pytest.mark.parametrize("commands", [lines.SMTP, lines.FTP, lines.POP3, lines.IMAP, lines.IRC])
def test_commands_stay(commands: frozenset[bytes]) -> None:
    redactor = Redactor(random_key(), SHARE)
    names = [name.decode() for name in commands]
    assert [name for name in names if redactor.value(Kind.TERM, name) != name] == []


def test_name_of_browsers_stays() -> None:
    """As packets keep it, under the policy that keeps words."""
    assert Redactor(random_key(), SHARE).value(Kind.HOST, "\1\2__MSBROWSE__\2") == "\1\2__MSBROWSE__\2"
