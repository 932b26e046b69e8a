"""The pages about the Python API: generated from docstrings, and every example on them runs."""

import doctest
import runpy
import shutil
from pathlib import Path

import pytest

import rustnet
from tests.support.paths import ROOT

TOOL = runpy.run_path(str(ROOT / "tools" / "api-page"))
PAGES = ("docs/api.md", "docs/python.md")


def test_the_page_is_what_the_docstrings_say() -> None:
    assert (ROOT / "docs" / "api.md").read_text("utf-8") == TOOL["page"](), "tools/api-page > docs/api.md"


def test_everything_of_the_package_is_on_the_page() -> None:
    page = TOOL["page"]()
    for name in rustnet.__all__:
        assert (
            name == "__version__" or f"## {name}\n" in page or f"## rustnet.{name}\n" in page or f"| `{name}` |" in page
        )


def test_everything_public_of_a_class_is_documented() -> None:
    """A row without a meaning is a field without a docstring."""
    assert [line for line in TOOL["page"]().splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


@pytest.mark.parametrize("page", [*PAGES, "rustnet/__init__.py"])
def test_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    for file in (ROOT / "sample_pcaps").glob("web.pcap*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest((ROOT / page).read_text("utf-8"), {}, page, page, 0)
    assert len(test.examples) > 2
    output: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(test, out=output.append)
    assert not output, "".join(output)
