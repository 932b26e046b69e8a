"""``rustnet about``, and the page about data."""

import json
import re
import tomllib

import pytest

from rustnet import __version__
from rustnet.cli.commands.about import LIBRARIES, LICENCE
from rustnet.enrich.sources import SERVICES, page, shipped_data
from tests.cli.test_walls import loaded
from tests.support.command_line import Run
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


def test_it_states_where_all_data_come_from(run: Run) -> None:
    done = run("about", columns=100)
    assert done.code == 0
    words = " ".join(done.out.split())
    assert f"rustnet {__version__} licence: Apache-2.0" in words
    for each in shipped_data():
        assert f"{each.title}: {each.package} {each.version}, of " in words
        assert " ".join(each.attribution.split()) in words
        assert f"licence: {each.licence}" in words
    for name in ("routeviews.org", "nro.net", "db-ip.com", "IEEE", "IANA"):
        assert name in words
    assert all(len(line) <= 100 for line in done.out.splitlines())


def test_as_json(run: Run) -> None:
    facts = json.loads(run("about", "--json").out)
    assert (facts["version"], facts["licence"]) == (__version__, LICENCE)
    assert facts["libraries"]["duckdb"]["version"][0].isdigit()
    assert [each["title"] for each in facts["data"]] == [each.title for each in shipped_data()]
    assert all(each["licence_texts"] for each in facts["data"])
    assert re.fullmatch("[0-9a-f]{64}", facts["data"][0]["sha256"])


def test_the_libraries_are_those_that_the_project_needs() -> None:
    assert PROJECT["license"] == LICENCE
    needed = {re.split("[<>=]", need, maxsplit=1)[0] for need in PROJECT["dependencies"]}
    assert set(LIBRARIES) == needed


def test_every_shipped_table_has_a_source() -> None:
    tables = {table for each in shipped_data() for table in each.tables}
    data = {file.name.split(".")[0].removesuffix("_within") for file in SERVICES.with_name("data").glob("*.npy")}
    assert tables == data | {"services"}
    assert SERVICES.is_file()


def test_the_page_about_data_is_current() -> None:
    assert (ROOT / "docs" / "data.md").read_text("utf-8") == page()


def test_it_loads_neither_duckdb_nor_numpy() -> None:
    code, modules = loaded("about")
    assert code == 0
    assert not modules & {"duckdb", "numpy", "rustnet.engine", "rustnet.dissect"}
