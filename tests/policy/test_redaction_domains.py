"""The label below a public suffix names somebody: it never stays, however common the word is."""

import pytest

from rustnet.policy.redaction import SHARE, Redactor, random_key
from rustnet.records import Kind


@pytest.mark.parametrize("name", ["shop.com", "www.mail.com", "smtp.mail.co.uk", "static.home.net", "www.shop.example"])
def test_the_registered_domain_is_replaced(name: str) -> None:
    redactor = Redactor(random_key(), SHARE)
    replaced = redactor.value(Kind.HOST, name, "hostname")
    below = next(label for label in name.split(".") if label in ("shop", "mail", "home"))
    assert below not in replaced.split(".")
    assert redactor.value(Kind.HOST, name, "hostname") == replaced
    assert replaced.split(".")[-1] == name.rsplit(".", maxsplit=1)[-1]
