from collections.abc import Callable
from functools import partial

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rustnet.query import compile as compiling
from rustnet.query.compile import Scope, compile_filter
from rustnet.query.filters import FilterError
from rustnet.query.keywords import BY_NAME, KEYWORDS
from rustnet.query.session import CursorSession, FileSession
from rustnet.store import session
from tests.support.effort import assert_linear, cpu_seconds, examples


@pytest.fixture(scope="module")
def scope(con: FileSession) -> Scope:
    return Scope.of(con)


@pytest.fixture(scope="module")
def search(con: FileSession, ids: dict[str, int], scope: Scope) -> Callable[[str], set[str]]:
    names = {v: k for k, v in ids.items()}

    def run(text: str) -> set[str]:
        made = compile_filter(text, scope)
        rows = con.execute(f"SELECT flow_id FROM flows WHERE {made.sql}", list(made.params)).rows
        return {names.get(r[0], "scan") for r in rows}

    return run


ALL = {"web", "dns", "http6", "ssh", "arp", "lldp", "ping", "scan"}

FOUND = {
    "": ALL,
    "*": ALL,
    # ports
    "port:22": {"ssh"},
    "port:22,53": {"ssh", "dns"},
    "port:50-60": {"dns"},
    "dport:1000..1029": {"scan"},
    "port:/^80/": {"http6"},
    "dport:/22/": {"ssh", "scan"},
    "sport:443": set(),
    "dport:443": {"web"},
    "sport:<1024": set(),
    "dport:<=22": {"ssh"},
    "dport:>8000": {"http6"},
    "dport:>=8080": {"http6"},
    "port:*": ALL - {"arp", "lldp", "ping"},
    "dport:!=443 dport:*": {"dns", "http6", "ssh", "scan"},
    # addresses
    "src:10.0.0.1": {"web", "ping"},
    "ip:10.0.0.1": {"web", "ping", "ssh", "scan"},
    "src:10.0.0.0/30": {"web", "dns", "ping"},
    "src:10.0.0.0/8 dst:10.0.0.0/8": {"dns", "arp"},
    "dst:10.0.0.50-10.0.0.60": {"dns"},
    "dst:10.0.0.50..10.0.0.60": {"dns"},
    "src:2001:db8::/32": {"http6"},
    "ip:2001:DB8:FFFF::80": {"http6"},
    "ip:::/0": {"http6"},
    "ip:0.0.0.0/0": ALL - {"http6", "lldp"},
    "NOT ip:::/0": ALL - {"http6"},
    "src:10.0": {"web", "dns", "arp", "ping"},
    "src:10.0.*.2": {"dns"},
    "src:/^10\\.0\\.0\\.[27]$/": {"dns", "arp"},
    "src:*": ALL - {"lldp"},
    "dst:example": {"web", "ping"},
    "dst:pinged.example.org": {"ping"},
    "src:!=10.0.0.1 proto:icmp": set(),
    "10.0.0.1": {"web", "ping", "ssh", "scan"},
    "10.0.0.0/29": {"web", "dns", "ssh", "arp", "ping", "scan"} - set(),
    "2001:db8::1": {"http6"},
    "2001:db8::/32": {"http6"},
    "192.0.2.1:443": {"web"},
    "192.0.2.1:80": set(),
    "[2001:db8:ffff::80]:8080": {"http6"},
    "mac:aa:bb:cc": {"lldp"},
    "mac:AA-BB-CC-DD-EE-FF": {"lldp"},
    "mac:aabb.ccdd.eeff": {"lldp"},
    "aa:bb:cc:dd:ee:ff": {"lldp"},
    # names
    "host:example.com": {"web"},
    "sni:WWW.EXAMPLE": {"web"},
    "host:*.com": {"web"},
    "host:*.net": {"dns"},
    "host:=example.com": set(),
    "host:=www.example.com": {"web"},
    "host:bad.example.net": {"dns"},
    "host:intranet": {"http6"},
    "host:/^(www|int)/": {"web", "http6"},
    "host:/WWW/c": set(),
    "host:/WWW/i": {"web"},
    # places
    "country:DE": {"web"},
    "country:de,fr": {"web"},
    "country:d": set(),
    "country:D*": {"web"},
    "country:*": {"web"},
    "NOT country:*": ALL - {"web"},
    "asn:64500": {"web"},
    "asn:AS64500": {"web"},
    "as:>64000": {"web"},
    "asn:>64500": set(),
    "asn:64000-65000": {"web"},
    "asn:AS64000..AS65000": {"web"},
    "asn:example": {"web"},
    "asn:/^ex/": {"web"},
    "köln": {"web"},
    '"example net"': {"web"},
    "scope:private": ALL - {"http6", "lldp"},
    "scope:DOCUMENTATION": {"web", "http6", "ssh", "ping", "scan"},
    "scope:doc*": {"web", "http6", "ssh", "ping", "scan"},
    "scope:/^doc|glob/": {"web", "http6", "ssh", "ping", "scan"},
    "scope:global": set(),
    "scope:private scope:documentation": {"web", "ssh", "ping", "scan"},
    "NOT scope:private": {"http6", "lldp"},
    # words
    "proto:tcp": {"web", "http6", "ssh", "scan"},
    "proto:TCP,udp": {"web", "http6", "ssh", "scan", "dns"},
    "app:tls": {"web"},
    "service:https": {"web"},
    "state:fin_wait": {"web"},
    "state:=fin_wait": set(),
    "conn_state:s0,rej": {"scan"},
    "conn_state:S": set(),
    "history:=ShADadFf": {"web"},
    "ended:rst": {"scan"},
    "dir:inbound": {"ssh", "scan"},
    "vlan:100": {"http6"},
    "vlan:*": {"http6"},
    "tunnel:vxlan": {"ping"},
    "icmp:8": {"ping"},
    # sizes and times
    "bytes:>10M": {"http6"},
    "sbytes:20M": {"http6"},
    "bytes:200": {"dns"},
    "bytes:<1Ki -proto:arp -proto:lldp -port:1000-1029": {"dns"},
    "packets:2": {"dns"},
    "payload:>0": set(),
    "duration:<1s": {"dns"},
    "duration:>=2m": {"http6"},
    "duration:10ms": {"dns"},
    "duration:=120": {"http6"},
    "duration:1m-3m": {"http6"},
    "duration:100s..1h": {"http6"},
    "rtt:>=20ms": {"web"},
    "rtt:20ms": {"web"},
    "rtt:>1s": set(),
    "handshake:>200ms": {"web"},
    "retrans:>0": {"web"},
    "missed:7": {"web"},
    "start:2024-05-01": ALL,
    "start:2024-05-02": set(),
    "start:<2024-05-01T10:00:02Z": {"web"},
    "start:2024-05-01T10:00:02Z": {"dns"},
    "start:<=2024-05-01T10:00:02": {"web", "dns"},
    "start:1714557602": {"dns"},
    "start:2024-05-01T12:00:02+02:00": {"dns"},
    'start:"2024-05-01 10:00:02"': {"dns"},
    "start:2024-05-01T10:00:01..2024-05-01T10:00:02": {"web", "dns"},
    "after:2024-05-01T10:01": {"scan"},
    "before:2024-05-01T10:00:02": {"web"},
    "end:>2024-05-01T10:01:59": {"http6"},
    # owners
    "process:fire": {"web"},
    "process:/usr/lib/": {"web"},
    "process:resolved": {"dns"},
    "pid:4242": {"web"},
    "pid:>50 pid:<60": {"dns"},
    "ppid:1": {"web"},
    'cmd:"--new-tab"': {"web"},
    "cmd:100%": {"web"},
    "cmd:1_0%": set(),
    "user:alice": {"web"},
    "uid:101": {"dns"},
    "container:web": {"web"},
    "pod:pod-": {"web"},
    "ns:default": {"web"},
    "owned:yes": {"web", "dns"},
    "owned:no": ALL - {"web", "dns"},
    "contested:yes": {"web"},
    "reason:no_claim": {"http6"},
    "claim:sidecar": {"web"},
    # messages
    "ja4:t13d*": {"web"},
    "ja3:771": {"web"},
    "hassh:ec7": {"ssh"},
    "cert:alt.example": {"web"},
    "cert:Test": {"web"},
    "dns:10.9.9.9": {"dns"},
    "uri:/admin": {"http6"},
    'uri:"/admin"': {"http6"},
    "uri:/admin*": {"http6"},
    "uri:=/admin?x=1": {"http6"},
    "uri:/ADMIN.x/": {"http6"},
    "uri:/ADMIN.x/c": set(),
    "process:/usr/lib/firefox/firefox": {"web"},
    "cmd:--new-tab": {"web"},
    "agent:curl": {"http6"},
    "status:>=400": {"http6"},
    "anomaly:malformed": {"ssh"},
    "flow:1-2": {"web", "dns"},
    "packet:3": {"web"},
    "capture:2": {"ping"},
    'community:"1:abc+/="': {"web"},
    # free text
    "example.com": {"web"},
    "FIREFOX": {"web"},
    "curl": {"http6"},
    "malformed_ssh": {"ssh"},
    "443": {"web"},
    "4242": {"web"},
    "/^intra/": {"http6"},
    '"example.com"': {"web"},
    "exa*com": set(),
    "www*com": {"web"},
    "192.0.2": {"web", "ssh"},
    "DB8:ffff": {"http6"},
    "cc:dd": {"lldp"},
    "0:11:*:44:55": set(),
    "*0:11:*:44:55": {"web"},
    "1:abc": {"web"},
    # logic
    "app:tls OR app:dns": {"web", "dns"},
    "app:tls || app:dns": {"web", "dns"},
    "proto:tcp app:tls": {"web"},
    "proto:tcp AND app:tls": {"web"},
    "proto:tcp && app:tls": {"web"},
    "app:tls OR app:dns proto:tcp": {"web"},
    "(app:tls OR app:dns) proto:udp": {"dns"},
    "NOT proto:tcp": ALL - {"web", "http6", "ssh", "scan"},
    "!proto:tcp": ALL - {"web", "http6", "ssh", "scan"},
    "-proto:tcp -proto:udp": {"arp", "lldp", "ping"},
    "not (app:tls or app:dns)": ALL - {"web", "dns"},
    "!!app:tls": {"web"},
    "NOT app:tls": ALL - {"web"},
    "app:!=tls": ALL - {"web"},
    "host:!=/www/": ALL - {"web"},
}


@pytest.mark.parametrize(("text", "found"), FOUND.items(), ids=FOUND.keys())
def test_a_filter_matches_the_expected_flows(search: Callable[[str], set[str]], text: str, found: set[str]) -> None:
    assert search(text) == found


def test_every_keyword_has_an_example_that_works(search: Callable[[str], set[str]], scope: Scope) -> None:
    for word in KEYWORDS:
        search(word.example)
        for name in (word.name, *word.aliases):
            assert BY_NAME[name] is word


WRONG = {
    "prto:tcp": ("prto:", "did you mean 'proto:'?"),
    "app:tls zzzz:1": ("zzzz:", "keywords are"),
    "port:": ("", "needs a value"),
    "port:80,": ("", "needs a value"),
    "port:http": ("http", "is not a whole number"),
    "port:70000": ("70000", "more than 65535"),
    "app:tls port:90-80": ("90-80", "ends before it begins"),
    "port:>80-90": (">80-90", "cannot be compared"),
    "vlan:-1": ("-1", "whole number"),
    "host:/(/": ("/(/", "bad regular expression: missing ): ("),
    "host:/a{2000}/": ("/a{2000}/", "bad regular expression"),
    "host:/abc": ("/abc", "not closed"),
    "host:/a/x": ("x", "followed by i or c"),
    'host:"abc': ('"abc', "not closed"),
    'host:"a"b': ("b", "a quote ends a value"),
    "host:>a": (">a", "cannot be compared"),
    "src:10.0.0.0/33": ("10.0.0.0/33", "not a network"),
    "src:>10.0.0.1": (">10.0.0.1", "is an address"),
    "src:10.0.0.9-10.0.0.1": ("10.0.0.9-10.0.0.1", None),
    "10.0.0.0/99": ("10.0.0.0/99", "not a network"),
    "bytes:10X": ("10X", "not a size"),
    "bytes:99999999999999T": ("99999999999999T", "too large"),
    "rtt:5x": ("5x", "not a duration"),
    "start:yesterday": ("yesterday", "not a time"),
    "start:2024-02-30": ("2024-02-30", "calendar"),
    "start:9999": ("9999", "outside the years"),
    "after:>2024": (">2024", "is one already"),
    "owned:maybe": ("maybe", "neither yes nor no"),
    "scope:privat": ("privat", "is no scope: there are 6to4, benchmarking"),
    "scope:>private": (">private", "cannot be compared"),
    "scope:/(/": ("/(/", "bad regular expression"),
    "(app:tls": ("(", "without its )"),
    "app:tls)": (")", "without its ("),
    "()": ("()", "expected a condition in ()"),
    "OR app:tls": ("OR", "expected a value before OR"),
    "app:tls OR": ("OR", "expected a value after OR"),
    "app:tls AND": ("AND", "expected a value after AND"),
    "NOT": ("NOT", "expected a value after NOT"),
    "!": ("!", "expected a value after !"),
    '"a",b': (",", "a list needs a keyword"),
    "a\0b": ("\0", "not text"),
    "a\ud800b": ("\ud800", "not text"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=[ascii(w) for w in WRONG])
def test_an_error_points_at_the_word(scope: Scope, text: str, said: tuple[str, str | None]) -> None:
    word, words = said
    if words is None:
        return
    with pytest.raises(FilterError) as caught:
        compile_filter(text, scope)
    error = caught.value
    assert error.text[error.start : error.end] == word
    message, shown, carets = str(error).split("\n")
    assert words in message
    assert carets.strip("^ ") == ""
    if word and word.isprintable():
        at = carets.index("^")
        assert shown[at : at + len(carets.strip())] == word


def test_the_caret_is_under_the_word_after_wide_characters(scope: Scope) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter("日本語 é \x1b[31m prot:x", scope)
    _, shown, carets = str(caught.value).split("\n")
    assert "\x1b" not in shown
    assert len(carets) - 5 == len("  日本語 é \\x1b[31m ") + 3


def test_a_keyword_of_a_missing_protocol_is_an_error(scratch: Callable[..., duckdb.DuckDBPyConnection]) -> None:
    con = CursorSession("", partial(session.session_cursor, scratch()))
    scope = Scope.of(con)
    with pytest.raises(FilterError, match="this session has no TLS or QUIC messages"):
        compile_filter("ja4:t13", scope)
    for text in ("host:x", "x", "dst:x"):
        made = compile_filter(text, scope)
        assert con.execute(f"SELECT * FROM flows WHERE {made.sql}", list(made.params)).rows == []


INJECTIONS: dict[str, set[str] | None] = {
    "'; DROP TABLE flows; --": None,
    '"; DROP TABLE flows; --" x': set(),
    '"host:\' OR 1=1 --"': set(),
    'host:"\' OR 1=1 --"': set(),
    '"x\') OR TRUE --"': set(),
    "src:') OR (TRUE": None,
    'src:"\') OR (TRUE"': set(),
    "port:1);DROP": None,
    "app:\"x' OR 'a'='a\"": set(),
    "host:/') OR 1=1 --/": None,
    "host:/'. OR 1=1 --/": set(),
    "host:?": set(),
    "$1": set(),
    "{0}": set(),
    "%s": set(),
    "host:%": set(),
    "host:_": set(),
    "host:\\": set(),
    "\\'": set(),
}


@pytest.mark.parametrize(("text", "found"), INJECTIONS.items())
def test_injections_are_only_text(
    con: FileSession, search: Callable[[str], set[str]], scope: Scope, text: str, found: set[str] | None
) -> None:
    if found is None:
        with pytest.raises(FilterError):
            search(text)
    else:
        assert search(text) == found
        sql = compile_filter(text, scope).sql
        assert "1=1" not in sql
        assert "DROP" not in sql
    assert con.execute("SELECT count(*) FROM flows").rows[0][0] > 10


_atoms = st.sampled_from([f"{name}:" for name in BY_NAME]) | st.sampled_from(
    [
        "(",
        ")",
        "!",
        "-",
        " ",
        " ",
        "OR",
        "AND",
        "NOT",
        ">",
        "<=",
        "!=",
        "=",
        ",",
        "/",
        '"',
        "'",
        "*",
        "..",
        "\\",
        "1",
        "80",
        "10.0.0.1",
        "10.0.0.0/8",
        "::1",
        "::/0",
        "10M",
        "5ms",
        "2024-05-01",
        "yes",
        "abc",
        "[a-z]+",
        "é",
        "日",
        "x y",
        "%",
        "_",
        "2024-05-01T10:00:00.5+23:59",
        "99999999999999999",
        "0.000000001ns",
        "aa:bb:cc",
        "[::1]:80",
        "AS5",
    ]
)
_filters = st.lists(_atoms, max_size=14).map("".join) | st.text(max_size=60)


@settings(max_examples=examples(500), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_filters)
def test_any_text_is_a_filter_that_runs_or_a_filter_error(con: FileSession, scope: Scope, text: str) -> None:
    wrong: FilterError | None = None
    try:
        made = compile_filter(text, scope)
    except FilterError as error:
        wrong = error
    if wrong:
        assert 0 <= wrong.start <= wrong.end
        assert str(wrong).count("\n") == 2
        return
    assert made.sql.count("?") == len(made.params)
    con.execute(f"SELECT flow_id FROM flows WHERE {made.sql} LIMIT 5", list(made.params))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(" * 500 + "a" + ")" * 500, "nested deeper"),
        ("!" * 500 + "a", "nested deeper"),
        ("a " * 3000, "longer than 4096"),
        ("port:" + ",".join("1" * 1 for _ in range(500)), "more than 256 values"),
        ("a " * 200, "too many searches"),
    ],
)
def test_size_and_depth_are_bounded(scope: Scope, text: str, words: str) -> None:
    with pytest.raises(FilterError, match=words):
        compile_filter(text, scope)


def test_the_largest_filter_is_planned_in_time(con: FileSession, scope: Scope) -> None:
    count = compiling.MAX_LOOKUPS // 2
    made = compile_filter(" OR ".join(f"word{i}" for i in range(count)), scope)
    sql = f"SELECT flow_id FROM flows WHERE {made.sql}"
    assert cpu_seconds(lambda _: con.execute(sql, list(made.params)), count) < 20


def test_many_wildcards_take_linear_time(con: FileSession, scope: Scope) -> None:
    def search(count: int) -> None:
        made = compile_filter("host:" + "*a" * count, scope)
        con.execute(f"SELECT flow_id FROM flows WHERE {made.sql}", list(made.params))

    assert_linear(search, 50)
