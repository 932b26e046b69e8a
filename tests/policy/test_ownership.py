"""The policy's table is complete, and the page that tells it is what the program does."""

from rustnet.policy.ownership import ANY, CLASSES, MATCHES, RANKS, REASONS, ownership_page
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "ownership.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == ownership_page(), "run: python -m rustnet.policy.ownership > docs/ownership.md"


def test_every_rank_has_a_class_and_every_source_a_default_rank() -> None:
    firsts = {c.first for c in CLASSES}
    assert all(rank // 10 * 10 in firsts for rank in RANKS.values())
    assert all((source, ANY) in RANKS for source, _ in RANKS)
    assert all(m.best == 0 or m.best // 10 * 10 in firsts for m in MATCHES)


def test_the_page_names_every_reason() -> None:
    assert all(f"`{reason}`" in ownership_page() for reason in REASONS)
