"""What the recorder hides in command lines."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.probe.lines import MAX_TEXT, command_line_keys
from rustnet.probe.redact import redact


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("psql --password hunter2 db", "psql --password *** db"),
        ("app --password=hunter2 -v", "app --password=*** -v"),
        ("app --db-password hunter2", "app --db-password ***"),
        ("app --api-key=k1 --region eu", "app --api-key=*** --region eu"),
        ("env PGPASSWORD=hunter2 psql", "env PGPASSWORD=*** psql"),
        ("mysql -uroot -phunter2 shop", "mysql -uroot -p*** shop"),
        ("/usr/bin/curl -u alice:hunter2 http://h/", "/usr/bin/curl -u alice:*** http://h/"),
        ("curl -ualice:hunter2 http://h/", "curl -ualice:*** http://h/"),
        ("wget https://alice:hunter2@h.example/x", "wget https://alice:***@h.example/x"),
        ("curl -H 'Authorization: Bearer abc def' http://h/", "curl -H 'Authorization: ***' http://h/"),
        ("curl -H 'Cookie: a=b; c=d' http://h/", "curl -H 'Cookie: ***' http://h/"),
        ("curl 'http://h/?user=a&token=abc&x=1'", "curl 'http://h/?user=a&token=***&x=1'"),
        ("""curl -d '{"password": "abc", "n": 1}' h""", """curl -d '{"password": "***", "n": 1}' h"""),
        ("sshpass -p hunter2 ssh host", "sshpass -p *** ssh host"),
        ("openssl s_client -passin pass:abc", "openssl s_client -passin pass:***"),
        ("smbclient -U alice%hunter2 //h/s", "smbclient -U alice%*** //h/s"),
        ("java -Dkeystore.password=abc -jar x.jar", "java -Dkeystore.password=*** -jar x.jar"),
        ("ssh -p 22 host", "ssh -p 22 host"),
        ("ftp --passive host", "ftp --passive host"),
        ("curl --compressed http://h:80/passage", "curl --compressed http://h:80/passage"),
        ("git clone ssh://git@h.example/x", "git clone ssh://git@h.example/x"),
    ],
)
def test_hides_secrets_and_nothing_else(line: str, shown: str) -> None:
    words = shlex.split(line)
    assert redact(words) == shlex.split(shown)
    keys = command_line_keys(words)
    assert keys.get("cmdline_redacted", False) is (line != shown)
    assert shlex.split(command_line_keys(words, redacted=False)["cmdline"]) == words


def test_a_long_line_says_that_it_was_cut() -> None:
    keys = command_line_keys(["x", "y" * 5000])
    assert len(keys["cmdline"]) == MAX_TEXT
    assert keys["cmdline_truncated"]


@given(st.lists(st.text()))
def test_any_command_line_keeps_its_words(words: list[str]) -> None:
    shown = redact(words)
    assert len(shown) == len(words)
    assert shown[:1] == words[:1]
