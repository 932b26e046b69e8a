"""No text column of any protocol takes a secret whose place in the text shows that it is one."""

from typing import Any

import pytest

from rustnet.dissect import registry
from rustnet.dissect.framework.conversation import MAX_SCREENED, Conversation
from rustnet.dissect.framework.secrets import screened
from rustnet.dissect.secrets_page import CREDENTIALS, NONE, secrets_page
from rustnet.records import Kind, columns
from tests.attack.secret_talks import CASES
from tests.dissect.harness import ListSink
from tests.support.paths import ROOT

PLANTED = (
    "http://bob:S3cretPw@h.example/x?y=1",
    "ftp://bob:S3@cretPw1@h.example/x",
    "//bob:S3cretPw@h.example/x",
    "sip:bob:S3cretPw@h.example;x=1",
    "/x?user=bob&password=S3cretPw&y=1",
    "/x?y=1&PASSWORD=S3cretPw",
    "/x?access_token=S3cretPw",
    "/x?y=1;api-key=S3cretPw;z=2",
    "/x#access_token=S3cretPw&y=1",
    "/x;jsessionid=S3cretPw/y",
    "/x?%70assword=S3cretPw",
    "/x?%2570assword=S3cretPw",
    "/x?next=http%3A%2F%2Fbob%3AS3cretPw%40h%2F",
    "/x?next=%2Fy%3Ftoken%3DS3cretPw%26z%3D1",
    "/x?X-Amz-Signature=S3cretPw&X-Amz-Date=1",
    "/x?sv=1&sig=S3cretPw%3D",
    "/x?user[password]=S3cretPw",
    "x password=S3cretPw y",
    "token='S3cretPw two'",
    "\\\\h\\share\\x?pwd=S3cretPw",
)
ALONE = ("bob:S3cretPw@h.example", "bob:S3cretPw@h.example:443", "b:S3cret@S3cretPw@h")
"""Only where a column may hold an authority."""
INNOCENT = (
    "http://h.example:8080/a@b?c=d&page=2",
    "http://[2001:db8::1]:80/x@y",
    "sip:alice@h.example:5060;transport=udp;tag=a@b",
    "alice@h.example",
    "/search?q=token&lang=en&code=US",
    "text/html; charset=utf-8",
    "cn=admin,ou=people,dc=example,dc=com",
    "SIP/2.0/UDP h:5060;branch=z9hG4bK1@x;received=192.0.2.1",
    "a%20b%3Ac",
    "/x?key=1&token=&session=true",
    "uuid:1::upnp:rootdevice",
)
RECORDS = sorted(
    {record for dissector in registry.DISSECTORS for record in dissector.records}, key=lambda one: one.__name__
)


def emitted(record: type, shown: str) -> tuple[dict[str, object], Conversation]:
    """Texts of a row whose columns all had this one."""
    row: Any = object.__new__(record)
    names = []
    for column in columns(record):
        is_text = column.sql_type.startswith("VARCHAR")
        value: object = None
        if is_text:
            names.append(column.name)
            value = [shown, shown] if column.sql_type.endswith("[]") else shown
        setattr(row, column.name, value)
    talk = Conversation(ListSink(), 1, "tcp", "192.0.2.1", 1, "192.0.2.2", 2)
    talk.emit(row)
    return {name: getattr(row, name) for name in names}, talk


def open_columns(record: type) -> list[str]:
    """Columns whose texts a sender chooses: all but those of closed vocabularies and those that rustnet makes."""
    made = {Kind.WORD, Kind.ADDRESS, Kind.MAC, Kind.FINGERPRINT, Kind.DIGEST}
    return [one.name for one in columns(record) if one.sql_type.startswith("VARCHAR") and one.kind not in made]


@pytest.mark.parametrize("record", RECORDS)
def test_no_column_takes_a_secret(record: type) -> None:
    names = open_columns(record)
    bare = {name for name, is_bare, _ in screened(record)[1] if is_bare}
    for planted in (*PLANTED, *ALONE):
        texts, _ = emitted(record, planted)
        for name in names if planted in PLANTED else bare:
            shown = str(texts[name])
            assert "S3c" not in shown, (name, planted)
            assert "retPw" not in shown, (name, planted)
            assert "***" in shown


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_no_secret_stays(record: type) -> None:
    for innocent in INNOCENT:
        texts, talk = emitted(record, innocent)
        for value in texts.values():
            assert value in (innocent, [innocent, innocent])
        assert talk.secrets is None


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "secrets.md").read_text("utf-8")
    assert page == secrets_page(), "run: python -m rustnet.dissect.secrets_page > docs/secrets.md"


def test_every_protocol_says_what_it_never_stores_and_shows_it() -> None:
    names = {dissector.name for dissector in registry.DISSECTORS}
    assert CREDENTIALS.keys() == names
    planted = {name for case in CASES for name in names if case.name.partition("-")[0] == name}
    for dissector in registry.DISSECTORS:
        seen = [one.name for record in dissector.records for one in columns(record) if one.name.startswith("has_")]
        if seen:
            assert CREDENTIALS[dissector.name] != NONE
            assert dissector.name in planted


def test_other_texts_do_not_repeat_it() -> None:
    sink = ListSink()
    talk = Conversation(sink, 1, "tcp", "192.0.2.1", 1, "192.0.2.2", 2)
    talk.anomaly("odd", "the target http://bob:S3cretPw@h/ and S3cretPw")
    talk.anomaly("odd", "again: S3cretPw")
    assert sink.anomalies == [("odd", "the target http://bob:***@h/ and ***"), ("odd", "again: ***")]
    talk.name_host("bob:S3cretPw@h.example", "http")
    assert talk.hostname == "h.example"
    talk.learn("192.0.2.2", "bob@h.example", "ssdp")
    assert [name for _, name, *_ in sink.names] == ["h.example"]


def test_remembered_secrets_are_bounded() -> None:
    sink = ListSink()
    talk = Conversation(sink, 1, "tcp", "192.0.2.1", 1, "192.0.2.2", 2)
    for n in range(1000):
        talk.anomaly("odd", f"/x?token=S3cretPw{n}")
    assert talk.secrets is not None
    assert len(talk.secrets.values) <= MAX_SCREENED
    assert {detail for _, detail in sink.anomalies} == {"/x?token=***"}
