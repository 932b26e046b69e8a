"""Commands that messages and pages advise exist, with their options and saved queries."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import rustnet
from rustnet.cli.main import COMMANDS
from rustnet.query.catalogue import load
from tests.support.paths import ROOT

PACKAGE = Path(rustnet.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "sample_pcaps" / "README.md"]
GLOBAL = {"--version", "--debug", "--no-color", "--help", "-h"}
QUOTED = re.compile(r"(['`])rustnet ((?:(?!\1).)*)\1", re.DOTALL)
LINE = re.compile(r"^(?: {4,}(?:\$ )?(?:\.venv/bin/)?|\$ )rustnet (.+)$", re.MULTILINE)
EXAMPLE = re.compile(r"^  rustnet (.+)$", re.MULTILINE)
COMMENT = "process="
"""Comments in captures begin with the program's name, too: `rustnet process=curl pid=4711`."""


def literals(module: Path) -> Iterator[str]:
    """Every text of a module, with `X` for the fields of f-strings and templates."""
    tree = ast.parse(module.read_text("utf-8"))
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield re.sub(r"\{\w+\}", "X", node.value)


def advised() -> Iterator[tuple[str, str]]:
    """Where a command stands, and its words without the program's name."""
    for module in sorted(PACKAGE.rglob("*.py")):
        for text in literals(module):
            whole = [text.removeprefix("rustnet ")] if text.startswith("rustnet ") and "\n" not in text else []
            for words in (*(m[2] for m in QUOTED.finditer(text)), *EXAMPLE.findall(text), *whole):
                yield str(module.relative_to(PACKAGE)), words
    for page in PAGES:
        text = page.read_text("utf-8")
        for words in (*(m[2] for m in QUOTED.finditer(text)), *LINE.findall(text)):
            yield page.name, words


def found(words: str) -> tuple[click.Command, list[str]]:
    """The command that these words name, and the words after it."""
    name, *rest = words.split()
    assert name in COMMANDS, f"there is no command {name!r}"
    command: click.Command = importlib.import_module(f"rustnet.cli.commands.{name.replace('-', '_')}").command
    while isinstance(command, click.Group):
        if not rest:
            break
        sub = command.get_command(click.Context(command), rest[0])
        assert sub is not None, f"there is no command {name} {rest[0]}"
        command, rest = sub, rest[1:]
    return command, rest


def check(words: str) -> None:
    command, rest = found(words)
    options = GLOBAL.union(*(p.opts + p.secondary_opts for p in command.params if isinstance(p, click.Option)))
    for word in rest:
        if word.startswith("#") or word in (">>", ">", "|"):
            break
        if re.fullmatch(r"(--[a-z][\w-]*|-[a-zA-Z])(=.*)?", word):
            assert word.partition("=")[0] in options, f"{command.name} has no option {word}"
    given = [word for word in rest if not word.startswith("-")]
    if "--explain" in rest:
        given.insert(0, "no session")
    if words.startswith("query ") and "--sql" not in rest and len(given) > 1:
        assert given[1] in load() or not given[1].strip("X"), f"there is no saved query {given[1]}"


def test_every_advised_command_exists() -> None:
    wrong = []
    count = 0
    for place, words in advised():
        first = words.split()[0] if words.split() else ""
        if first.startswith(COMMENT) or not re.fullmatch(r"[a-z]+(-[a-z]+)*", first):
            continue
        count += 1
        try:
            check(words)
        except AssertionError as error:
            wrong.append(f"{place}: rustnet {words}: {error}")
    assert not wrong, "\n".join(wrong)
    assert count > 60


@pytest.mark.parametrize(
    "words", ["paint X", "flows X --nothing", "sidecar paint", "query X no-such-query", "query X --lists"]
)
def test_wrong_advice_is_noticed(words: str) -> None:
    with pytest.raises(AssertionError, match=r"there is no|has no option"):
        check(words)
