"""The manual of the filter language is made from the code, and every example in it compiles."""

from rustnet.query.filters import parse
from rustnet.query.keywords import help_rows, page
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "filters.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page()


def test_every_example_parses() -> None:
    for _, _, example in help_rows():
        assert parse(example) is not None
