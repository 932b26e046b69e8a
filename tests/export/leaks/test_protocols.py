"""What redacted packets keep of a handshake, tables keep too: else the leak scan would report it."""

from rustnet.export.redacted_packets.payloads.tls import PROTOCOLS
from rustnet.policy.redaction import SHARE, Redactor, random_key
from rustnet.records import Kind


def test_names_of_protocols_stay() -> None:
    redactor = Redactor(random_key(), SHARE)
    names = [name.decode() for name in PROTOCOLS]
    assert [name for name in names if redactor.value(Kind.TERM, name) != name] == []
