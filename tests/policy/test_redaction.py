"""Redaction of values by kind: nothing of an original remains, the same stays the same, and what is kept is stated."""

import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rustnet.config import REDACT_POLICIES
from rustnet.dissect.registry import tables
from rustnet.errors import UsageError
from rustnet.policy.redaction import (
    POLICIES,
    REDACTED,
    SHARE,
    STRICT,
    TIMING_ONLY,
    Key,
    Method,
    Redactor,
    key_of_file,
    key_of_passphrase,
    random_key,
)
from rustnet.policy.redaction.page import page
from rustnet.policy.redaction.pseudonyms import MARKS, PSEUDONYM, Pseudonyms
from rustnet.records import Kind, columns
from tests.support.paths import ROOT

KEY = Key(bytes(range(32)))
TEXTS = [kind for kind, method in SHARE.methods.items() if method is not Method.KEEP]

SYLLABLES = st.lists(
    st.tuples(st.sampled_from("bdgkmnprtvz"), st.sampled_from("aeiou")).map("".join), min_size=3, max_size=8
)
SECRETS = SYLLABLES.map("".join)
"""Names of which each part of four letters has vowels, so that no pseudonym contains it by chance."""

FORMS: dict[Kind, list[str]] = {
    Kind.ADDRESS: ["{}", "fe80::1%{}"],
    Kind.MAC: ["{}"],
    Kind.HOST: [
        "{}", "www.{}.com", "{}.example.com:443", "a.b.{}", "{}<20>", "{}._http._tcp.local", "{}@{}", "\\\\{}", "{}.",
        "the {} machine.local", "4.3.2.1.{}.in-addr.arpa", "{}/x",
    ],
    Kind.USER: [
        "{}", "{}@example.com", "root@{}.org", "{}\\admin", "ACME\\{}", "{}!~{}@{}", "{} <{}@{}.net>",
        "host/{}.corp", "{}$",
        "{}:{}", "a@b/{}",
    ],
    Kind.PATH: [
        "/home/{}/x", "{}", "C:\\Users\\{}\\Documents\\{}.docx", "\\\\{}\\{}$\\a", "/tmp/{}.tar.gz", "x/{}:17",
        "~/{}", "{}.{}",
    ],
    Kind.COMMAND_LINE: [
        "{}", "/usr/bin/{} -v", "curl -u {}:{} http://{}.com/{}", "ssh {}@10.0.0.1", "a --{}={}", "a -p{}", "a '{} {}'",
        "a --user={}", "C:\\{}\\{}.exe /c {}",
    ],
    Kind.URI: [
        "/{}", "/a/{}.html?user={}&{}=1#{}", "http://{}:{}@{}.com:80/{}", "{}.com:443", "sip:{}@{}.com;{}",
        "mailto:{}@{}.de",
        "{}:{}", "urn:uuid:{}", "data:{},{}", "//{}/x", "?{}", "#{}", "/a;{}={}",
    ],
    Kind.SOFTWARE: ["{}", "Mozilla/5.0 ({}) Firefox/{}", "Linux {} 5.10.0", "{}/1.0", "nginx/{}", "{}-agent {}"],
    Kind.DISTINGUISHED_NAME: [
        "CN={}", "CN=www.{}.com,O={} Inc,C=US", "uid={},ou={},dc={},dc=com", "{}", "CN={}\\, {}+{}=x",
    ],
    Kind.DIGEST: ["{}"],
    Kind.IDENTIFIER: ["{}"],
    Kind.OBJECT: ["{}", "eth{}"],
    Kind.PLACE: ["{}"],
    Kind.AUTONOMOUS_SYSTEM: ["{}"],
    Kind.TERM: ["{}", "application/{}", "text/html; charset={}", "{}@openssh.com"],
    Kind.SECRET: ["{}"],
    Kind.MIXED: [
        "{}", "DNS:{}", "{}@{}.com", "10 {}.com", "audio {} RTP/AVP", "{}/{}", "http://{}/{}", "{}\\{}", "a:{}",
    ],
    Kind.FREE_TEXT: [
        "{}", "User {} cannot log in", "password for {}: {}", '{{"{}": ["{}", {{"a": "{}"}}]}}', "[{}] {}",
        "{},{};{}", "'{}'",
        "/home/{} not found", "\\{}", "x={}",
    ],
}  # fmt: skip
"""Forms of values of each kind around names."""


def new(policy: str = "share", key: Key = KEY) -> Redactor:
    return Redactor(key, POLICIES[policy])


def windows(text: str) -> set[str]:
    return {text[at : at + 4] for at in range(len(text) - 3)}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_every_kind_is_decided(policy: Any) -> None:
    assert set(policy.methods) == set(Kind)


def test_names_of_policies_are_those_of_the_configuration() -> None:
    assert tuple(POLICIES) == REDACT_POLICIES


def test_every_kind_of_text_has_forms_here() -> None:
    assert set(FORMS) == set(TEXTS) - {Kind.ADDRESS_NUMBER}


def test_columns_of_text_that_stay_are_words() -> None:
    """A text column whose values stay as they are must be of rustnet's own words, or of all installations alike."""
    kept = {c.kind for table in tables() for c in columns(table) if c.sql_type.startswith("VARCHAR")} - set(TEXTS)
    assert kept == {Kind.WORD, Kind.FINGERPRINT}


@pytest.mark.parametrize("policy", POLICIES)
@given(data=st.data())
def test_nothing_of_an_original_remains(policy: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(FORMS)))
    form = data.draw(st.sampled_from(FORMS[kind]))
    parts = [data.draw(SECRETS) for _part in range(form.count("{}"))]
    constant = form.replace("{}", " ").lower()
    assume(not any(window in constant for part in parts for window in windows(part)))
    shown = str(new(policy).value(kind, form.format(*parts))).lower()
    assert not [window for part in parts for window in windows(part) if window in shown.replace("redacted", "")]


@pytest.mark.parametrize("policy", POLICIES)
@given(kind=st.sampled_from([None, *Kind]), text=st.text(st.characters(), max_size=60))
def test_any_text_is_answered_by_text(policy: str, kind: Kind | None, text: str) -> None:
    assert isinstance(new(policy).value(kind, text), str)


HOSTILE = [
    "\x1b]52;c;QQ==\x07", "\ud800x", "\u202eabc", "[/x]", "[@click=app.quit]x[/]", "a" * 100_000, "." * 5000,
    "/" * 5000, "@" * 5000, "=" * 5000, "\\" * 5000, "-" * 5000, "{" * 5000, "1." * 5000, ":" * 5000, "%" * 99,
    "a@" * 3000, "/a" * 3000, "'" * 5000, "<" * 3000 + "@", "x=" * 3000, "0 " * 5000, " " * 5000, "\0" * 100,
]  # fmt: skip


@pytest.mark.parametrize("kind", [None, *Kind], ids=str)
def test_hostile_texts_take_no_time(kind: Kind | None) -> None:
    redactor = new()
    for text in HOSTILE:
        begun = time.process_time()
        assert len(redactor.value(kind, text)) < 3 * len(text) + 20_000
        assert time.process_time() - begun < 1


@given(st.sampled_from(list(FORMS)), st.text(max_size=30))
def test_the_same_key_gives_the_same(kind: Kind, text: str) -> None:
    assert new().value(kind, text) == new().value(kind, text)


def test_another_key_gives_other_replacements() -> None:
    other = new(key=Key(b"o" * 32))
    for kind, value in [
        (Kind.HOST, "www.acme.com"), (Kind.USER, "alice"), (Kind.ADDRESS, "8.8.4.4"), (Kind.MAC, "00:11:22:33:44:55"),
        (Kind.PATH, "/home/alice"), (Kind.IDENTIFIER, 100_000), (Kind.AUTONOMOUS_SYSTEM, 15169),
        (Kind.DIGEST, "abc"), (Kind.USER, "S-1-5-21-1004336348-1177238915-682003330-1105"),
    ]:  # fmt: skip
        assert new().value(kind, value) != other.value(kind, value)


EXAMPLES: list[tuple[Kind | None, Any, str]] = [
    (Kind.ADDRESS, "10.1.2.3", r"10\.\d+\.\d+\.\d+"),
    (Kind.ADDRESS, "10.1.2.0/24", r"10\.\d+\.\d+\.0/24"),
    (Kind.ADDRESS, "[2001:db8::1]:443", r"\[2001:db8:[0-9a-f:]+\]:443"),
    (Kind.ADDRESS, "fe80::1%eth0", r"fe80::[0-9a-f:]+%eth0"),
    (Kind.ADDRESS, "::ffff:10.0.0.1", r"::ffff:10\.[\d.]+"),
    (Kind.ADDRESS, "127.0.0.1", r"127\.0\.0\.1"),
    (Kind.ADDRESS, "255.255.255.255", r"255\.255\.255\.255"),
    (Kind.ADDRESS, "not one", r"h-.{8}"),
    (Kind.MAC, "00:11:22:33:44:55", r"00:11:22(?!:33:44:55)(:[0-9a-f]{2}){3}"),
    (Kind.MAC, "FF:FF:FF:FF:FF:FF", r"FF:FF:FF:FF:FF:FF"),
    (Kind.MAC, "33:33:00:00:00:01", r"33:33:00:00:00:01"),
    (Kind.MAC, "0011.2233.4455", r"0011\.22(?!33.4455)[0-9a-f]{2}\.[0-9a-f]{4}"),
    (Kind.HOST, "www.Example.Net.", r"www\.h-.{8}\.Net\."),
    (Kind.HOST, "a.acme.co.uk:443", r"h-.{8}\.h-.{8}\.co\.uk:443"),
    (Kind.HOST, "files.corp.acme", r"files\.h-.{8}\.h-.{8}"),
    (Kind.HOST, "3.2.1.10.in-addr.arpa", r"(\d+\.){3}10\.in-addr\.arpa"),
    (Kind.HOST, "2.1.10.in-addr.arpa", r"(\d+\.){2}10\.in-addr\.arpa"),
    (Kind.HOST, "localhost", "localhost"),
    (Kind.HOST, "_ldap._tcp.acme.local", r"_ldap\._tcp\.h-.{8}\.local"),
    (Kind.USER, "root", "root"),
    (Kind.USER, "ACME\\bob", r"h-.{8}\\user-.{8}"),
    (Kind.USER, "bob@acme.com", r"user-.{8}@h-.{8}\.com"),
    (Kind.USER, "S-1-5-18", "S-1-5-18"),
    (Kind.USER, "S-1-5-21-1-2-3-500", r"S-1-5-21-\d+-\d+-\d+-500"),
    (Kind.PATH, "/usr/bin/firefox", "/usr/bin/firefox"),
    (Kind.PATH, "C:\\Users\\bob\\plan.docx", r"C:\\Users\\p-.{8}\\p-.{8}\.docx"),
    (Kind.PATH, "/tmp/acme.tar.gz", r"/tmp/p-.{8}\.tar\.gz"),
    (Kind.URI, "/index.html", "/index.html"),
    (Kind.URI, "http://bob:pw@acme.com:80/x1?q=2", r"http://user-.{8}:\[redacted\]@h-.{8}\.com:80/p-.{8}\?q=v-.{8}"),
    (Kind.URI, "*", r"\*"),
    (Kind.COMMAND_LINE, "ssh -p 22 bob@10.0.0.1", r"ssh -p 22 user-.{8}@10\.[\d.]+"),
    (Kind.SOFTWARE, "curl/8.5.0", r"curl/8\.5\.0"),
    (Kind.SOFTWARE, "Linux bobs 5.10", r"Linux sw-.{8} 5\.10"),
    (Kind.SOFTWARE, "Chrome/120.0.0.0 10.1.2.3", r"Chrome/120\.0\.0\.0 sw-.{8}"),
    (Kind.DISTINGUISHED_NAME, "CN=www.acme.com,O=Acme,C=US", r"CN=www\.h-.{8}\.com,O=n-.{8},C=US"),
    (Kind.FINGERPRINT, "t13d1516h2_8daaf6152771", "t13d1516h2_8daaf6152771"),
    (Kind.OBJECT, "eth0", "eth0"),
    (Kind.PLACE, "DE", "DE"),
    (Kind.PLACE, "Berlin", "place-.{8}"),
    (Kind.AUTONOMOUS_SYSTEM, 15169, r"42\d{8}"),
    (Kind.WORD, "ESTABLISHED", "ESTABLISHED"),
    (Kind.TERM, "GET", "GET"),
    (Kind.TERM, "text/html; charset=utf-8", "text/html; charset=utf-8"),
    (Kind.TERM, "ACMEVERB", "t-.{8}"),
    (Kind.SECRET, "public", r"\[redacted\]"),
    (Kind.MIXED, "audio 192.0.2.1:49170 RTP/AVP", r"audio 192\.0\.2\.\d+:49170 RTP/AVP"),
    (Kind.MIXED, "bob", r"\[redacted\]"),
    (Kind.FREE_TEXT, "530 User bob cannot log in", r"530 User \[redacted\] cannot log in"),
    (Kind.FREE_TEXT, "Entering (198,51,100,2,100,85).", r"Entering \(\[redacted\]\)\."),
    (Kind.FREE_TEXT, "call 0171 2345 678", r"\[redacted\]"),
    (Kind.IDENTIFIER, 0, "0"),
    (Kind.IDENTIFIER, 100_000, r"\d{4,}"),
    (Kind.ADDRESS_NUMBER, (0xFFFF << 32) | 0x0A010203, r"281470[\d]+"),
    (Kind.PORT, 443, "443"),
    (Kind.TIME, 1_700_000_000_000_000_000, "1700000000000000000"),
    (Kind.COUNT, "bob", r"\[redacted\]"),
    (None, "bob", r"\[redacted\]"),
    (None, "10.0.0.1", r"10\.[\d.]+"),
    (None, 5, "5"),
    (None, b"bob", r"\[redacted\]"),
    (None, True, "True"),
    (None, {1}, r"\[redacted\]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "pattern"), EXAMPLES, ids=lambda each: str(each)[:30])
def test_what_a_replacement_looks_like(kind: Kind | None, value: object, pattern: str) -> None:
    shown = new().value(kind, value)
    assert re.fullmatch(pattern, str(shown)), shown


def test_the_same_name_in_other_places_is_the_same() -> None:
    redactor = new()
    label = redactor.value(Kind.HOST, "ACME")
    assert redactor.value(Kind.HOST, "www.acme.com") == f"www.{label}.com"
    assert redactor.value(Kind.USER, "Acme\\bob").startswith(f"{label}\\")
    assert label in redactor.value(Kind.URI, "http://acme.com/")
    assert label in redactor.value(Kind.FREE_TEXT, "from mail.acme.com")
    assert redactor.value(Kind.HOST, "10.0.0.1") == redactor.value(Kind.ADDRESS, "10.0.0.1")


def test_the_vendor_of_the_shipped_table_stays_with_the_vendors_bits() -> None:
    assert new().value(Kind.SOFTWARE, "Acme Networks", "vendor") == "Acme Networks"
    assert new().value(Kind.SOFTWARE, "Acme Networks", "os") != "Acme Networks"
    assert new("strict").value(Kind.SOFTWARE, "Acme Networks", "vendor") != "Acme Networks"


def test_strict_keeps_no_common_words() -> None:
    redactor = new("strict")
    for kind, value, kept in [
        (Kind.HOST, "www.example.com", ("www", "com")), (Kind.PATH, "/usr/bin/firefox", ("usr", "bin", "firefox")),
        (Kind.SOFTWARE, "Firefox/120.0", ("Firefox", "120")), (Kind.USER, "root", ("root",)),
        (Kind.MAC, "00:11:22:33:44:55", ("00:11:22",)), (Kind.PLACE, "DE", ("DE",)),
    ]:  # fmt: skip
        shown = redactor.value(kind, value)
        assert not [word for word in kept if word in shown]
    assert int(redactor.value(Kind.MAC, "00:11:22:33:44:55")[:2], 16) & 3 == 2  # local, and no group


def test_timing_only_keeps_numbers_and_words() -> None:
    redactor = Redactor(KEY, TIMING_ONLY)
    assert redactor.value(Kind.BYTES, 1200) == 1200
    assert redactor.value(Kind.WORD, "tcp") == "tcp"
    for kind in TEXTS:
        assert redactor.value(kind, "10.0.0.1") == REDACTED
    assert redactor.value(None, 12) == 12
    assert redactor.value(Kind.ADDRESS_NUMBER, 0xFFFF_0A00_0001) == REDACTED


def test_lists_maps_and_json_are_replaced_element_by_element() -> None:
    redactor = new()
    host = redactor.value(Kind.HOST, "acme.com")
    assert redactor.value(Kind.HOST, ["acme.com", None, ["acme.com"]]) == [host, None, [host]]
    assert redactor.value(None, {"acme.com": "acme.com"}) == {host: host}
    assert redactor.value(None, {"name": "acme.com"}, sql_type="STRUCT(name VARCHAR)") == {"name": host}
    assert redactor.value(Kind.FREE_TEXT, '{"bob": ["acme.com", 12, 123456, null]}') == (
        f'{{"{REDACTED}": ["{host}", 12, "{REDACTED}", null]}}'
    )
    nested: Any = "acme.com"
    for _level in range(50):
        nested = [nested]
    assert "acme" not in str(redactor.value(Kind.HOST, nested))


def test_statements_lose_their_texts_and_addresses() -> None:
    shown = new().sql(
        "SELECT flow_id, 'bob''s' FROM flows WHERE hostname = 'www.acme.com' AND src_num = 281470849581571 "
        "AND started_at > 1700000000000000000 AND x LIKE '%acme%' -- bob's\n AND \"bob x\" = $t$bob$t$ /* acme */"
    )
    assert "bob" not in shown
    assert "acme" not in shown
    assert "281470849581571" not in shown
    assert "1700000000000000000" in shown
    assert shown.startswith("SELECT flow_id, '[redacted]''s' FROM flows WHERE hostname = 'www.h-")


# ---- the way back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.ADDRESS, "10.1.2.3"), (Kind.ADDRESS, "2a00:1450::5"), (Kind.ADDRESS, "10.1.0.0/16"),
        (Kind.ADDRESS, "8.8.8.8:53"), (Kind.ADDRESS, "[2a00::5]:53"), (Kind.HOST, "www.acme.co.uk"),
        (Kind.HOST, "3.2.1.10.in-addr.arpa"), (Kind.MAC, "00:11:22:33:44:55"), (Kind.USER, "bob@acme.com"),
        (Kind.PATH, "/home/bob/plan.docx"), (Kind.URI, "/a1/b2?c3=d4"), (Kind.OBJECT, "orders"),
        (Kind.DIGEST, "1:wCb3OG7yAFWelaUydu0D+125CLM="), (Kind.SOFTWARE, "acme-agent/1.0"),
        (Kind.USER, "S-1-5-21-1004336348-1177238915-682003330-1105"), (Kind.ADDRESS, "fe80::5%acme0"),
    ],
)  # fmt: skip
def test_originals_are_known(kind: Kind, value: str) -> None:
    redactor = new()
    assert redactor.original(redactor.value(kind, value)) == value


def test_what_is_no_replacement_has_no_original() -> None:
    redactor = new()
    assert redactor.original("acme.com") is None
    assert redactor.original("h-00000000") is None
    assert redactor.is_unknown("www.h-00000000.com")
    assert redactor.is_unknown(REDACTED)
    assert not redactor.is_unknown(redactor.value(Kind.HOST, "acme.com"))


def test_memory_is_bounded() -> None:
    pseudonyms = Pseudonyms(KEY, remembered=10)
    made = [pseudonyms.of("h", f"name{number}") for number in range(100)]
    assert len(pseudonyms.remembered()) == 10
    assert pseudonyms.original(made[0]) is None
    assert pseudonyms.original(made[-1]) == "name99"


def test_pseudonyms_are_recognised() -> None:
    for mark in MARKS:
        made = Pseudonyms(KEY).of(mark, "x")
        assert PSEUDONYM.fullmatch(made)
        assert PSEUDONYM.findall(f"www.{made}.com/{made}") == [made, made]


# ---- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_file_is_created_for_its_owner_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    key = key_of_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_of_file(path) == key
    assert key != random_key()
    assert key.secret.hex() not in repr(key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    key_of_file(path)
    path.chmod(mode)
    with pytest.raises(UsageError, match="other users have access"):
        key_of_file(path)


def test_a_passphrase_in_a_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("correct horse battery\n")
    path.chmod(0o600)
    assert key_of_file(path) == key_of_passphrase("correct horse battery")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"short", "at least 12 characters"), (b"x" * 5000, "at most 4096 bytes"), (b"\xff" * 20, "UTF-8"),
        (b"redaction key of rustnet\n0123\n", "changed or cut"),
    ],
)  # fmt: skip
def test_files_that_are_no_keys_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(UsageError, match=words):
        key_of_file(path)


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        key_of_file(tmp_path)


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "redaction.md").read_text("utf-8") == page(), (
        "python -m rustnet.policy.redaction.page > docs/redaction.md"
    )


def test_a_screen_is_replaced_in_a_few_milliseconds() -> None:
    """50 rows of 12 columns, none of them seen before; the best of many, since others use the machine."""
    redactor = new()

    def screen(first: int) -> list[tuple[Kind, Any]]:
        return [
            cell
            for row in range(first, first + 50)
            for cell in (
                (Kind.SOFTWARE, f"agent{row}"), (Kind.ADDRESS, f"10.{row % 250}.{row // 250}.7"), (Kind.WORD, "tcp"),
                (Kind.HOST, f"host{row}.dept{row % 7}.example.com"), (Kind.ADDRESS, f"2001:db8:{row:x}::7"),
                (Kind.PORT, 443), (Kind.PLACE, "DE"), (Kind.URI, f"/a/b{row}?x={row}"), (Kind.BYTES, row),
                (Kind.PATH, f"/home/u{row}/x.txt"), (Kind.TIME, 10**18 + row), (Kind.USER, f"u{row}@example.com"),
            )
        ]  # fmt: skip

    took = []
    for first in range(0, 2000, 50):
        cells = screen(first)
        begun = time.thread_time()
        for kind, value in cells:
            redactor.value(kind, value)
        took.append(time.thread_time() - begun)
    assert min(took) < 0.005, sorted(took)


def test_threads_can_share_a_redactor() -> None:
    redactor, expected = new(), new()
    values = [f"2001:db8::{number:x}" for number in range(2000)]
    with ThreadPoolExecutor(4) as pool:
        replaced = list(pool.map(lambda value: redactor.value(Kind.ADDRESS, value), values * 2))
    assert replaced == [expected.value(Kind.ADDRESS, value) for value in values] * 2


def test_strict_protects_no_less_than_share() -> None:
    assert {k for k, m in STRICT.methods.items() if m is Method.KEEP} < {
        k for k, m in SHARE.methods.items() if m is Method.KEEP
    }
