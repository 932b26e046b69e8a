"""The manual of the filter language is made from the code, and every example in it compiles."""

from pathlib import Path

from rustnet.query.filters import parse
from rustnet.query.keywords import help_rows, page

PAGE = Path(__file__).parents[2] / "docs" / "filters.md"


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == page()


def test_every_example_parses():
    for _, _, example in help_rows():
        assert parse(example) is not None
