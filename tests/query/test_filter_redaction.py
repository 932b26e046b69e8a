"""Filters in redact mode: typed over replacements, shown with replacements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.policy.redaction import POLICIES, REDACTED, Key, Redactor
from rustnet.query.filter_redaction import KINDS, original_filter, redacted_filter
from rustnet.query.filters import FilterError, parse
from rustnet.query.keywords import KEYWORDS
from rustnet.records import Kind


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(Key(bytes(range(32))))


def test_every_keyword_is_decided() -> None:
    assert set(KINDS) == {word.name for word in KEYWORDS}
    words = [name for name, kind in KINDS.items() if kind is None]
    assert not set(words) & {"src", "dst", "ip", "mac", "host", "user", "cmd", "process", "uri", "dns", "cert", "agent"}


@pytest.mark.parametrize(
    "text",
    [
        "ip:10.1.2.3", "net:10.1.0.0/16 port:443", "host:www.acme.com", "host:=www.acme.com OR -user:bob",
        "src:2001:db8::1 bytes:>1M", "(dst:10.0.0.1,10.0.0.2) AND NOT host:acme.de", "uid:>=100000", "asn:15169",
        'user:"bob smith"', "mac:00:11:22:33:44:55", "10.1.2.3", "host:acme", 'container:"a, (b)"', "cmd:/usr/bin/acme",
        "community:'1:wCb3OG7yAFWelaUydu0D+125CLM='", "ip:10.1.2.3:443", "uri:/admin7/x", "app:tls state:established",
        "", "dns:mail.acme.com", "src:10.4.5.6", "host:*.acme.com",
    ],
)  # fmt: skip
def test_what_is_shown_can_be_typed(redactor: Redactor, text: str) -> None:
    shown = redacted_filter(text, redactor)
    for part in ("acme", "bob", "admin7", "10.1.2.3", "10.0.0.1", "11:22:33:44:55", "wCb3", "100000", "15169"):
        assert part not in shown
    again = original_filter(shown, redactor)
    assert meaning(again) == meaning(text)


def meaning(text: str) -> str:
    """The filter without the way in which values are quoted."""
    return text.replace('"', "").replace("'", "").lower()


def test_values_over_replacements_mean_the_originals(redactor: Redactor) -> None:
    host = redactor.value(Kind.HOST, "www.acme.com")
    label = redactor.value(Kind.HOST, "acme")
    network = redactor.value(Kind.ADDRESS, "10.1.0.0/16")
    assert original_filter(f"host:{host}", redactor) == "host:www.acme.com"
    assert original_filter(f"host:{label}", redactor) == "host:acme"
    assert original_filter(f"host:*.{label}.com port:80", redactor) == "host:*.acme.com port:80"
    assert original_filter(f"net:{network}", redactor) == "net:10.1.0.0/16"
    first, second = str(network).split(".")[:2]
    assert original_filter(f"ip:{first}.{second}.", redactor) == "ip:10.1."
    assert original_filter(f"{host} OR x", redactor) == "www.acme.com OR x"
    user = redactor.value(Kind.USER, 'bob "x"')
    assert original_filter(f"user:{user}", redactor) == 'user:"bob \\"x\\""'


@pytest.mark.parametrize(
    "text", ["host:h-00000000", "user:'[redacted]'", "x OR www.h-99999999.com", "host:redacted", "ip:10.0.0.1-10.0.0.9"]
)
def test_what_is_not_known_is_refused_with_its_place(redactor: Redactor, text: str) -> None:
    with pytest.raises(FilterError) as caught:
        original_filter(text, redactor)
    assert "^" in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    redactor = Redactor(Key(bytes(range(32))))
    shown = redacted_filter(text, redactor)
    try:
        parse(text)
    except FilterError:
        assert shown == (REDACTED if text.strip() else text)
    else:
        parse(shown)


def test_a_regular_expression_is_not_shown(redactor: Redactor) -> None:
    assert "acme" not in redacted_filter("host:/acme.*/i port:443", redactor)


@pytest.mark.parametrize("policy", ["strict", "timing-only"])
def test_other_policies_hide_the_values_too(policy: str) -> None:
    shown = redacted_filter("host:www.acme.com country:DE user:bob app:tls", Redactor(Key(bytes(32)), POLICIES[policy]))
    assert not [part for part in ("acme", "DE", "bob") if part in shown]
    assert "app:tls" in shown
