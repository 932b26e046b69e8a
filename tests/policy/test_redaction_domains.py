"""The label below a public suffix names somebody: it never stays, however common the word is."""

import pytest

from rustnet.policy.redaction import SHARE, STRICT, Redactor, random_key
from rustnet.policy.redaction.suffixes import suffix_labels, suffixes
from rustnet.records import Kind


@pytest.mark.parametrize("name", ["shop.com", "www.mail.com", "smtp.mail.co.uk", "static.home.net", "www.shop.example"])
def test_the_registered_domain_is_replaced(name: str) -> None:
    redactor = Redactor(random_key(), SHARE)
    replaced = redactor.value(Kind.HOST, name, "hostname")
    below = next(label for label in name.split(".") if label in ("shop", "mail", "home"))
    assert below not in replaced.split(".")
    assert redactor.value(Kind.HOST, name, "hostname") == replaced
    assert replaced.split(".")[-1] == name.rsplit(".", maxsplit=1)[-1]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("www.firma.co.uk", "www.*.co.uk"),
        ("firma.co.uk", "*.co.uk"),
        ("co.uk", "*.uk"),
        ("com.", "*."),
        ("alice.github.io", "*.*.io"),  # an organisation's own name, under which others have theirs
        ("www.github.io", "*.*.io"),
        ("www.alice.github.io", "www.*.*.io"),
        ("mail.s3.amazonaws.com", "*.*.*.com"),
        ("a.s3.teckids.org", "*.*.*.org"),
        ("acme.city.kawasaki.jp", "*.*.kawasaki.jp"),
        ("mail.acme.kawasaki.jp", "*.*.kawasaki.jp"),  # any label there is a suffix, so it may name somebody
        ("acme.co.ck", "*.*.ck"),
        ("mail.acme.bmw", "mail.*.*"),  # a last label of one organisation
        ("mail.acme.shop", "mail.*.shop"),
        ("acme.xn--p1ai", "*.xn--p1ai"),
        ("acme.рф", "*.рф"),
        ("www.printer.local", "www.*.local"),
        ("4711.acme.com", "*.*.com"),
        ("host-10-20-30-40.isp7.net", "*.*.net"),
        ("WWW.Acme.COM", "WWW.*.COM"),
    ],
)
def test_which_labels_stay(name: str, shape: str) -> None:
    redactor = Redactor(random_key(), SHARE)
    labels = redactor.value(Kind.HOST, name).split(".")
    pairs = list(zip(labels, shape.split("."), name.split("."), strict=True))
    assert all(shown == original == kept if kept != "*" else shown != original for shown, kept, original in pairs)
    strict = Redactor(random_key(), STRICT).value(Kind.HOST, name).split(".")
    assert len(strict) == len(labels)
    assert not set(filter(None, strict)) & set(filter(None, name.lower().split(".")))


def test_the_list_is_that_of_registries_and_of_others() -> None:
    rules = suffixes()
    assert {"com", "co.uk", "kawasaki.jp", "ck", "xn--p1ai"} <= rules.registries
    assert not {"github.io", "bmw", "shop", "amazonaws.com"} & rules.registries
    assert {"github.io", "bmw", "*.kawasaki.jp", "!city.kawasaki.jp"} <= rules.every
    assert max(rule.count(".") for rule in rules.every) < 8
    assert suffix_labels(["city", "kawasaki", "jp"]) == (2, 2)


def test_hostile_names_take_no_time() -> None:
    assert suffix_labels(["a"] * 100_000) == (0, 0)
    assert suffix_labels([]) == (0, 0)
