"""Policies in files: what they may say, and where a mistake is; numbers that identify, and shifts of time."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.errors import UsageError
from rustnet.policy.redaction import POLICIES, IdentifyingNumbers, Key, Method, Numbers, Policy, Redactor, Shift
from rustnet.policy.redaction.moments import DAY
from rustnet.policy.redaction.numbers import EPHEMERAL, SERVICES
from rustnet.policy.redaction.policies import NUMBERS
from rustnet.policy.redaction.policy_files import EXAMPLE, MAX_BYTES, METHODS, policy_of_file
from rustnet.records import Kind
from rustnet.store.meanings import kind_of

KEY, OTHER = Key(bytes(range(32))), Key(bytes(32))
ALL = IdentifyingNumbers(ports=True, ttl=True, sequence=True, ip_id=True)


def policy(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return policy_of_file(path, kind_of)


def test_the_example_is_one(tmp_path: Path) -> None:
    mine = policy(tmp_path, EXAMPLE)
    assert mine.name == "mine"
    assert mine.methods[Kind.USER] is Method.HIDE
    assert mine.methods[Kind.FINGERPRINT] is Method.FINGERPRINT
    assert mine.methods[Kind.HOST] is Method.HOST
    assert mine.columns == {"http.user_agent": Method.HIDE}
    assert (mine.kept.vendors, mine.kept.suffixes, mine.kept.words) == (False, True, True)
    assert mine.shift == Shift(0, 30, time_of_day=True)
    assert mine.numbers == ALL


def test_an_empty_file_is_its_base(tmp_path: Path) -> None:
    for text, base in (("", "share"), ('base = "strict"', "strict"), ('base = "timing-only"', "timing-only")):
        mine, built_in = policy(tmp_path, text), POLICIES[base]
        assert (mine.methods, mine.kept, mine.numbers, mine.shift) == (
            built_in.methods, built_in.kept, built_in.numbers, built_in.shift,
        )  # fmt: skip


def test_every_kind_of_value_has_methods_or_settings() -> None:
    assert set(METHODS) | set(NUMBERS) | {Kind.WORD} == set(Kind)
    for built_in in POLICIES.values():
        for kind, words in METHODS.items():
            assert built_in.methods[kind] in words.values(), (built_in.name, kind)
    unsafe = {kind for kind, words in METHODS.items() if Method.KEEP in words.values()}
    assert unsafe == {Kind.SOFTWARE, Kind.FINGERPRINT, Kind.PLACE, Kind.AUTONOMOUS_SYSTEM}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base = "lax"', "line 1: base: possible are share, strict, timing-only, not 'lax'"),
        ('[kinds]\n\n"free text" = "keep"', "line 3: kinds: free text: possible are words, hide, not 'keep'"),
        ('[kinds]\nuser = "hide"\nusers = "hide"', "line 3: kinds: users: is not known here; there are address,"),
        ('[kinds]\nport = "hide"', "line 2: kinds: port: is not known here"),
        ('[columns]\n"http.agent" = "hide"', "line 2: columns: http.agent: there is no such column"),
        ('[columns]\n"flows.src_port" = "hide"', "its kind is port, which has settings of its own"),
        ('[columns]\n"http.user_agent" = "labels"', "possible are keep, words, pseudonym, hide, not 'labels'"),
        ("[keep]\nvendor = true", "line 2: keep: vendor: is not known here; there are vendors, suffixes, words"),
        ("[keep]\nwords = 1", "line 2: keep: words: expected true or false"),
        ('[time]\nshift = "3 days"', "line 2: time: shift: expected"),
        ('[time]\nshift = "0s"', "time: shift: expected"),
        ('[time]\nshift = "99999d"', "at most 36500 days"),
        ("[time]\ndays = 0", "line 2: time: days: expected a number from 1 to 36500"),
        ("[time]\nzone = 0", "line 2: time: zone: is not known here; there are shift, days, time_of_day"),
        ("[numbers]\nmtu = true", "line 2: numbers: mtu: is not known here; there are ports, ttl, sequence, ip_id"),
        ("[shift]\n", "line 1: shift: is not known here; there are base, kinds, columns, keep, time, numbers"),
        ('kinds = "hide"', "line 1: kinds: expected a table: [kinds]"),
        ("base = ", "is not TOML"),
        ("a = " + "[" * 3000, "is not TOML"),
        ("#" * (MAX_BYTES + 1), "at most 65536 bytes"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        policy(tmp_path, text)
    assert words in str(error.value)
    assert str(tmp_path / "mine.toml") in str(error.value)


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        policy_of_file(tmp_path / "mine.toml", kind_of)
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(UsageError, match="UTF-8"):
        policy_of_file(tmp_path / "latin.toml", kind_of)


def test_a_columns_own_method(tmp_path: Path) -> None:
    text = '[kinds]\nsoftware = "keep"\n[columns]\n"http.user_agent" = "hide"\ntls.ja4 = "pseudonym"'
    redactor = Redactor(KEY, policy(tmp_path, text))
    assert redactor.value(Kind.SOFTWARE, "curl/8", "user_agent", "VARCHAR", "http") == "[redacted]"
    assert redactor.value(Kind.SOFTWARE, "curl/8", "server", "VARCHAR", "http") == "curl/8"
    assert redactor.value(Kind.SOFTWARE, "curl/8", "user_agent") == "[redacted]"  # of a table that is not known
    assert redactor.value(Kind.FINGERPRINT, "t13d", "ja4", "VARCHAR", "tls").startswith("fp-")
    assert redactor.value(Kind.FINGERPRINT, "t13d", "ja4", "VARCHAR", "quic") == "t13d"
    assert not redactor.stays(Kind.SOFTWARE, "user_agent", "VARCHAR", "http")
    assert redactor.stays(Kind.SOFTWARE, "server", "VARCHAR", "http")


# ---- numbers that identify -------------------------------------------------------------------------------------------


def test_ports_of_clients_are_a_permutation() -> None:
    numbers = Numbers(KEY, ALL)
    replaced = [numbers.port(port) for port in range(65_536)]
    assert sorted(replaced) == list(range(65_536))
    assert all(replaced[port] == port for port in (*range(EPHEMERAL.start), *SERVICES))
    clients = [port for port in EPHEMERAL if port not in SERVICES]
    assert sum(replaced[port] == port for port in clients) < 10
    assert all(replaced[port] in EPHEMERAL for port in clients)
    assert [numbers.original_port(port) for port in replaced] == list(range(65_536))
    assert Numbers(KEY, ALL).port(50_123) == numbers.port(50_123)
    assert [Numbers(OTHER, ALL).port(port) for port in clients[:50]] != [numbers.port(port) for port in clients[:50]]
    neighbours = sum(abs(replaced[port + 1] - replaced[port]) == 1 for port in EPHEMERAL[:-1] if port not in SERVICES)
    assert neighbours < 20


def test_ports_in_texts_are_replaced_too() -> None:
    redactor = Redactor(KEY, Policy("all", "", POLICIES["share"].methods, POLICIES["share"].kept, ALL))
    port = redactor.numbers.port(51_234)
    assert redactor.value(Kind.PORT, 51_234) == port != 51_234
    assert redactor.value(Kind.PORT, 443) == 443
    assert redactor.value(Kind.PORT, [51_234, 80]) == [port, 80]
    for kind, text in (
        (Kind.ADDRESS, "198.51.100.7:51234"),
        (Kind.HOST, "acme.com:51234"),
        (Kind.MIXED, "[2001:db8::1]:51234"),
        (Kind.URI, "http://acme.com:51234/x"),
    ):
        assert f":{port}" in redactor.value(kind, text)
        assert redactor.value(kind, text.replace("51234", "443")).count(":443") == 1
    assert redactor.original(redactor.value(Kind.ADDRESS, "198.51.100.7:51234")) == "198.51.100.7:51234"


def test_other_numbers_of_packets() -> None:
    numbers = Numbers(KEY, ALL)
    assert [numbers.ttl(ttl) for ttl in (0, 1, 32, 33, 57, 64, 65, 117, 128, 129, 243, 255)] == [
        0, 32, 32, 64, 64, 64, 128, 128, 128, 255, 255, 255,
    ]  # fmt: skip
    assert sorted(map(numbers.ip_id, range(65_536))) == list(range(65_536))
    assert numbers.ip_id(0) == 0
    assert sum(numbers.ip_id(each) == each for each in range(65_536)) < 20
    assert numbers.sequence_shift(b"a") == numbers.sequence_shift(b"a") != numbers.sequence_shift(b"b")
    assert numbers.sequence_shift(b"a") != numbers.timestamp_shift(b"a")
    assert 0 <= numbers.timestamp_shift(b"a") < 1 << 32
    none = Numbers(KEY, IdentifyingNumbers())
    assert (none.port(50_000), none.ttl(57), none.ip_id(7), none.fragment_id(7)) == (50_000, 57, 7, 7)
    assert none.sequence_shift(b"a") == none.timestamp_shift(b"a") == 0


@given(st.sets(st.integers(0, (1 << 32) - 1), max_size=50))
def test_identifiers_of_fragments_stay_distinct(originals: set[int]) -> None:
    numbers = Numbers(KEY, ALL)
    replaced = {numbers.fragment_id(each) for each in originals}
    assert len(replaced) == len(originals)
    assert all(0 <= each < 1 << 32 for each in replaced)


def test_times_to_live_of_flows() -> None:
    strict, share = Redactor(KEY, POLICIES["strict"]), Redactor(KEY, POLICIES["share"])
    assert strict.value(Kind.NUMBER, 57, "src_ttl", "UTINYINT", "flows") == 64
    assert share.value(Kind.NUMBER, 57, "src_ttl", "UTINYINT", "flows") == 57
    assert strict.value(Kind.NUMBER, 57, "icmp_code", "UTINYINT", "flows") == 57
    assert kind_of("flows", "src_ttl") is kind_of("flows", "dst_ttl") is Kind.NUMBER


# ---- times -----------------------------------------------------------------------------------------------------------


def shifted(shift: Shift, key: Key = KEY) -> Redactor:
    return Redactor(key, Policy("later", "", POLICIES["share"].methods, POLICIES["share"].kept, shift=shift))


@given(st.binary(min_size=32, max_size=32), st.integers(1, 3650), st.booleans())
def test_a_derived_span_is_bounded_and_never_none(secret: bytes, days: int, time_of_day: bool) -> None:
    span = Shift(0, days, time_of_day).span(Key(secret))
    assert span != 0
    assert abs(span) <= days * DAY
    assert not time_of_day or span % DAY == 0


def test_all_moments_shift_by_the_same_span() -> None:
    redactor = shifted(Shift(-90 * 60 * 10**9))
    now = 1_700_000_000_123_456_789
    assert redactor.moment_ns(now) == now - 90 * 60 * 10**9
    assert redactor.value(Kind.TIME, now, "ts", "TIMESTAMP_NS") == redactor.moment_ns(now)
    assert redactor.value(None, now, "x", "TIMESTAMP_NS") == redactor.moment_ns(now)
    moment = dt.datetime(2026, 5, 1, 12, 0, tzinfo=dt.UTC)
    assert redactor.value(Kind.TIME, moment) == moment - dt.timedelta(minutes=90)
    assert redactor.value(Kind.TIME, [now, None], "times", "TIMESTAMP_NS[]") == [redactor.moment_ns(now), None]
    assert redactor.moments.original_ns(redactor.moment_ns(now)) == now
    assert redactor.moment_ns(0) == 0  # no time
    assert redactor.value(Kind.DURATION, 7.5) == 7.5
    assert not redactor.stays(Kind.TIME, "ts", "TIMESTAMP_NS")
    assert abs(redactor.moment_ns(-(1 << 63) + 5)) < 1 << 63
    first = dt.datetime.min.replace(tzinfo=dt.UTC)
    assert redactor.value(Kind.TIME, first).year == 1


def test_a_derived_span_is_the_keys() -> None:
    assert shifted(Shift()).moments.span_ns == shifted(Shift()).moments.span_ns
    assert shifted(Shift()).moments.span_ns != shifted(Shift(), OTHER).moments.span_ns
    assert all(Redactor(KEY, built_in).moment_ns(5) == 5 for built_in in POLICIES.values())
