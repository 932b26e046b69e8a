"""What the samples' README says that rustnet prints is what it prints: every command runs in a process of its own."""

import csv
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import SAMPLES

SECTIONS = dict(
    re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", (SAMPLES / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROWS = re.compile(r"^\| `rustnet ([^`]+)` \| (\d+) \|", re.MULTILINE)
COMMANDS = {"flows", "owners", "contested", "unowned", "anomalies"}
"""What is asked of the samples; each is asked of most of them."""


def rustnet(folder: Path, words: str) -> str:
    """Output of a command line that stands in the README, run in ``folder``."""
    environment = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(SAMPLES.parent), "PYTHONIOENCODING": "utf-8"}
    made = [sys.executable, "-m", "rustnet", *shlex.split(words)]
    done = subprocess.run(
        made, check=False, capture_output=True, encoding="utf-8", cwd=folder, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders with one sample, its sidecar and the session that its first command makes, by the sample's name."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("sample")
            for file in (name, name + ".connections.jsonl"):
                (made[name] / file).write_bytes((SAMPLES / file).read_bytes())
            (made[name] / "replay.txt").write_text(rustnet(made[name], dialogues(name)[0][0]), "utf-8")
        return made[name]

    return folder


def dialogues(name: str) -> list[tuple[str, list[str]]]:
    """Commands of a section, without the program's name, and the lines that they print."""
    blocks = "\n".join(CONSOLE.findall(SECTIONS[name]))
    return [(one[0].removeprefix("rustnet "), one[1:]) for one in map(str.splitlines, blocks.split("$ ")[1:])]


def stands_in(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines that are shown were printed in this order, with others only where an ellipsis is."""
    at, loose = 0, False
    for line in shown:
        if line == "…":
            loose = True
            continue
        if loose and line in printed[at:]:
            at = printed.index(line, at)
        if at >= len(printed) or printed[at] != line:
            return False
        at, loose = at + 1, False
    return loose or at == len(printed)


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_printed(name: str, folder_of: Callable[[str], Path]) -> None:
    folder = folder_of(name)
    found = dialogues(name)
    assert found[0][0].startswith(f"replay {name} --db ")
    for words, shown in found:
        printed = (folder / "replay.txt").read_text("utf-8") if words == found[0][0] else rustnet(folder, words)
        assert stands_in(shown, [line.rstrip() for line in printed.splitlines()]), f"{words}\n{printed}"


@pytest.mark.parametrize("name", SECTIONS)
def test_how_many_rows(name: str, folder_of: Callable[[str], Path]) -> None:
    folder = folder_of(name)
    said = ROWS.findall(SECTIONS[name])
    csv.field_size_limit(1 << 24)
    found = [
        (words, str(sum(1 for _ in csv.DictReader(io.StringIO(rustnet(folder, words + " --format csv"))))))
        for words, _ in said
    ]
    assert found == said


def test_every_sample_is_asked_the_same() -> None:
    for name, text in SECTIONS.items():
        asked = {word for words, _ in ROWS.findall(text) for word in shlex.split(words)}
        assert {"flows", "contested", "anomalies"} <= asked & COMMANDS, name
        assert "have an owner" in text


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        (["a", "…"], ["a", "b"], True),
        (["…", "b"], ["a", "b"], True),
        (["…", "b", "d"], ["a", "b", "c", "d"], False),
        (["a"], ["a", "b"], False),
        (["…", "c"], ["a", "b"], False),
    ],
)
def test_lines_are_compared_in_order(shown: list[str], printed: list[str], fits: bool) -> None:
    assert stands_in(shown, printed) is fits
