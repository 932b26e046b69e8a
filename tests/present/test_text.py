import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.present.text import cut, pad, printable, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("é日本", "é日本"), ("\x1b[31m", "\\x1b[31m"), ("a\nb\tc\r", "a\\nb\\tc\\r"),
     ("\x9b31m", "\\x9b31m"),
     ("\u202egnp.exe", "\\u202egnp.exe"), ("a\u200bb", "a\\u200bb"), ("\x7f", "\\x7f"), ("\ud800", "\\ud800"),
     ("\U000e0041", "\\U000e0041"), ("\u2028", "\\u2028"), ("\x00", "\\x00")],
)  # fmt: skip
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()), st.integers(0, 30))
def test_text_is_cut_and_filled_to_its_width(text: str, columns: int) -> None:
    safe = printable(text)
    assert not set(safe) & {chr(c) for c in (*range(32), *range(127, 160))}
    assert printable(safe) == safe
    short = cut(safe, columns)
    assert width(short) <= columns
    assert short == safe or short.endswith("…") or not columns
    assert width(pad(short, columns)) == columns


def test_wide_characters_count_twice() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 4) == "日…"
    assert pad("日", 4, right=True) == "  日"
