"""What is decoded is told by the code, and the page in docs/ says the same."""

import subprocess
import sys
from pathlib import Path

from rustnet.cli import tables_page
from rustnet.cli.commands.protocols import page
from rustnet.dissect.registry import DISSECTORS, tables
from rustnet.records import columns, table_name
from rustnet.store.schema import VIEWS
from rustnet.store.tables import CORE_TABLES

ROOT = Path(__file__).parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rustnet", "protocols", *words], capture_output=True, text=True, check=False
    )


def test_every_protocol_is_listed() -> None:
    listed = {line.split()[0] for line in run().stdout.splitlines()}
    assert listed == {d.name for d in DISSECTORS}


def test_one_protocol_shows_its_fields() -> None:
    out = run("ssh").stdout
    assert "table ssh" in out
    assert "hassh_server" in out


def test_an_unknown_one_is_a_usage_error() -> None:
    done = run("nosuch")
    assert done.returncode == 2
    assert "nosuch" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "protocols.md").read_text("utf-8") == page()


def test_the_page_of_tables_is_current() -> None:
    written = run("--format", "markdown", "--tables").stdout
    assert (ROOT / "docs" / "tables.md").read_text("utf-8") == written == tables_page.page()


def test_the_page_of_tables_leaves_nothing_out() -> None:
    written = tables_page.page()
    for cls in CORE_TABLES:
        section = written.split(f"\n## {table_name(cls)}\n")[1].split("\n## ")[0]
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == [
            c.name for c in columns(cls)
        ]
    assert all(f"\n## {view} (view)\n" in written for view in VIEWS)
    assert all(f"| [`{table_name(cls)}`](protocols.md#{table_name(cls)}) |" in written for cls in tables())
    assert written.index("\n## flows\n") < written.index("\n## captures\n")


def test_tables_are_a_page_only() -> None:
    for words in (("--tables",), ("--tables", "--format", "markdown", "dns")):
        done = run(*words)
        assert done.returncode == 2
        assert "--format markdown" in done.stderr
