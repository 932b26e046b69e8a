"""Values of Zeek's logs are read back as they were, and no text of a session breaks a line or a field."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsezeeklogs import decode_escapes, read_zeek  # type: ignore[import-untyped]

from rustnet.export.zeek.encoding import json_line, text, texts, tsv_line
from rustnet.export.zeek.spec import Field
from rustnet.present.text import UNSAFE

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = (
    Field("ts", "time", "1"),
    Field("name", "string", "1"),
    Field("some", "set[string]", "1"),
    Field("right", "bool", "1"),
    Field("size", "count", "1"),
)
HEADER = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tx\n"
    "#fields\tts\tname\tsome\tright\tsize\n#types\ttime\tstring\tset[string]\tbool\tcount\n"
)


@given(TEXT)
def test_texts_are_read_back(value: str) -> None:
    written = text(value)
    assert not UNSAFE.search(written)
    assert len(written.splitlines()) == 1
    if value:
        assert decode_escapes(written) == value
    else:
        assert written == "(empty)"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "-"),
        ("", "(empty)"),
        ("-", "\\x2d"),
        ("(empty)", "\\x28empty)"),
        ("a\tb\nc", "a\\x09b\\x0ac"),
        ("back\\slash", "back\\\\slash"),
        ("\x1b[31m", "\\x1b[31m"),
        ("größe, 10 €", "größe, 10 €"),
        ("\u202eright to left", "\\xe2\\x80\\xaeright to left"),
        ("--", "--"),
    ],
)
def test_escapes_are_zeeks(value: str | None, written: str) -> None:
    assert text(value) == written


def test_sets() -> None:
    assert texts(None) == "-"
    assert texts([]) == "(empty)"
    assert texts(["a,b", "", "-", None, "c"]) == "a\\x2cb,(empty),\\x2d,-,c"


@given(st.lists(st.tuples(TEXT, st.lists(TEXT.filter(bool), max_size=4)), min_size=1, max_size=5))
def test_lines_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, list[str]]]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    tsv, as_json = tsv_line(FIELDS), json_line(FIELDS)
    (folder / "tsv.log").write_text(HEADER + "".join(tsv(("1.500000", *row, "T", "7")) + "\n" for row in rows), "utf-8")
    (folder / "json.log").write_text("".join(as_json(("1.500000", *row, "true", "7")) + "\n" for row in rows), "utf-8")
    expected = [{"ts": 1.5, "name": name, "some": some, "right": True, "size": 7} for name, some in rows]
    assert list(read_zeek(folder / "json.log")) == expected
    assert list(read_zeek(folder / "tsv.log")) == expected


def test_unset_fields_are_not_in_json() -> None:
    assert json.loads(json_line(FIELDS)(("1.0", None, None, None, "0"))) == {"ts": 1.0, "size": 0}


def test_unset_members_of_a_vector(tmp_path: Path) -> None:
    assert json_line((Field("v", "vector[string]", "1"),))((["a", None],)) == '{"v":["a",null]}'
