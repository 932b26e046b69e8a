"""What is decoded is told by the code, and the page in docs/ says the same."""

import subprocess
import sys

from rustnet.cli.commands.protocols import page
from rustnet.dissect.registry import DISSECTORS
from tests.support.paths import ROOT


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
