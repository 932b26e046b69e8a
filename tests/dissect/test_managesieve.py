from base64 import b64encode

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES
from rustnet.dissect.managesieve import MANAGESIEVE, ManageSieve
from tests.dissect.harness import CLIENT, SERVER, Flow, fields, parsed
from tests.dissect.samples_streams import SCRIPT, SIEVE_TALK, lines


def rows_of(said: tuple[tuple[bool, bytes], ...]) -> list[ManageSieve]:
    return [row for row in parsed(MANAGESIEVE, said).rows if isinstance(row, ManageSieve)]


def test_a_session() -> None:
    rows = rows_of(SIEVE_TALK)
    size = len(SCRIPT)
    assert [(r.command, r.script, r.result, r.result_detail, r.request_bytes, r.response_bytes) for r in rows] == [
        (None, None, "OK", None, 0, 0),
        ("AUTHENTICATE", None, "OK", None, 0, 0),
        ("HAVESPACE", "summer", "OK", None, 0, 0),
        ("PUTSCRIPT", "summer", "NO", "QUOTA/MAXSIZE", size, 0),
        ("LISTSCRIPTS", None, "OK", None, 0, 0),
        ("GETSCRIPT", "summer", "OK", None, 0, size),
        ("SETACTIVE", "winter", "NO", "NONEXISTENT", 0, 0),
        ("unknown (12 bytes)", None, "NO", None, 0, 0),
        ("LOGOUT", None, "OK", None, 0, 0),
    ]
    assert (rows[1].mechanism, rows[1].user, rows[1].has_password, rows[1].reply) == (
        "PLAIN",
        "jane",
        True,
        "Logged in.",
    )
    shown = repr([fields(r) for r in rows])
    assert "Sesame" not in shown
    assert "secret" not in shown


PLAIN = b64encode(b"\0jane\0Sesame1").decode()
HELLO = lines('< "IMPLEMENTATION" "x"', "< OK")


@pytest.mark.parametrize(
    "said",
    [
        lines(f'> AUTHENTICATE "PLAIN" "{PLAIN}"', '< NO "Sesame1"'),
        lines(f'> AUTHENTICATE "PLAIN" {{{len(PLAIN)}+}}', f"> {PLAIN}", '< NO "Sesame1"'),
        lines('> AUTHENTICATE "PLAIN"', '< ""', f'> "{PLAIN}"', '< NO "Sesame1"'),
        lines('> AUTHENTICATE "PLAIN"', '< ""', f"> {{{len(PLAIN)}+}}", f"> {PLAIN}", '< NO "Sesame1"'),
        lines('> AUTHENTICATE "PLAIN"', "< {0}", "< ", f'> "{PLAIN}"', "< NO {7}", "< Sesame1"),
        lines("> AUTHENTICATE {5+}", f'> PLAIN "{PLAIN}"', '< NO "Sesame1"'),
    ],
)
def test_logins(said: tuple[tuple[bool, bytes], ...]) -> None:
    rows = rows_of(HELLO + said + lines("> LOGOUT", '< OK "bye Sesame1"'))
    assert [(r.command, r.mechanism, r.user, r.has_password, r.result) for r in rows[1:]] == [
        ("AUTHENTICATE", "PLAIN", "jane", True, "NO"),
        ("LOGOUT", None, "jane", False, "OK"),
    ]
    shown = repr([fields(r) for r in rows])
    assert "Sesame" not in shown
    assert PLAIN not in shown


@pytest.mark.parametrize("side", [CLIENT, SERVER])
def test_one_direction_only(side: bool) -> None:
    rows = rows_of(tuple(said for said in SIEVE_TALK if said[0] == side))
    assert rows
    assert "Sesame" not in repr([fields(r) for r in rows])


@pytest.mark.parametrize(
    ("said", "port", "answer"),
    [
        (b'"IMPLEMENTATION" "Dovecot"\r\n', 9999, YES),
        (b'"SASL" "PLAIN"\r\n', 9999, MORE),
        (b'"SASL" "PLAIN"\r\n"SIEVE" "x"\r\n', 9999, YES),
        (b'"SASL" "PLAIN"\r\n', 4190, YES),
        (b'"hello" "world"\r\n', 9999, NO),
        (b"STARTTLS\r\n", 4190, YES),
        (b"STARTTLS\r\n", 9999, NO),
        (b'AUTHENTICATE "PLAIN" "AGE="\r\n', 9999, YES),
        (b"GET / HTTP/1.1\r\n", 4190, NO),
    ],
)
def test_what_is_believed(said: bytes, port: int, answer: int) -> None:
    assert Flow(MANAGESIEVE, dst_port=port).probe(said) == answer
