"""Texts for people are whole sentences with named fields, so that a translator sees each of them once and entirely."""

import ast
import runpy
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rustnet
from rustnet.errors import InputError, RustnetError
from tests.support.paths import ROOT

PACKAGE = Path(rustnet.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PROBE = PACKAGE / "probe"  # runs without gettext: standard library only, and its sentences are data of recordings


TOOL = runpy.run_path(str(ROOT / "tools" / "messages"))
TRANSLATING = tuple(TOOL["TRANSLATING"])
ERRORS: set[str] = TOOL["error_classes"]({path: ast.parse(path.read_text("utf-8")) for path in MODULES})
OWN_TEXT = {"FilterError"}
"""Errors that take something else than a sentence first."""


def calls(module: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node


def named(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Name)
    return call.func.id


def sentences(module: Path) -> list[tuple[int, str]]:
    """Line and text of every sentence that a translator would be given."""
    return [
        (call.lineno, argument.value)
        for call in calls(module)
        if named(call) in (*TRANSLATING, *ERRORS)
        for argument in call.args[: 2 if named(call) == "ngettext" else 1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_message_can_be_extracted(module: Path) -> None:
    """What is translated is a literal, and an error's sentence is one too (or a text that was translated before)."""
    if PROBE in module.parents:
        return
    for call in calls(module):
        if named(call) in TRANSLATING and module.name != "i18n.py":
            first = call.args[0]
            ok = isinstance(first, ast.Constant) or (
                named(call) == "_" and isinstance(first, (ast.Name, ast.Attribute, ast.Subscript, ast.IfExp))
            )
            assert ok, f"{module}:{call.lineno}: not a literal sentence"
        if named(call) in ERRORS - OWN_TEXT and call.args:
            first = call.args[0]
            assert not isinstance(first, ast.JoinedStr), f"{module}:{call.lineno}: an f-string cannot be translated"
            assert not isinstance(first, ast.BinOp), f"{module}:{call.lineno}: a glued sentence cannot be translated"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_sentences_are_whole(module: Path) -> None:
    for line, text in sentences(module):
        assert text.strip() == text, f"{module}:{line}: a piece of a sentence: {text!r}"
        fields = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        assert all(name.isidentifier() for name in fields), f"{module}:{line}: fields have names: {text!r}"


def test_no_translated_sentence_is_added_to_another() -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
                continue
            for side in (node.left, node.right):
                glued = isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id in TRANSLATING
                assert not glued, f"{module}:{node.lineno}: glued to another text"


def test_the_fields_of_an_error_are_those_of_its_sentence() -> None:
    for module in MODULES:
        for call in calls(module):
            if named(call) not in ERRORS - OWN_TEXT or not call.args or not isinstance(call.args[0], ast.Constant):
                continue
            fields = {name for _, name, _, _ in string.Formatter().parse(str(call.args[0].value)) if name}
            given = {keyword.arg for keyword in call.keywords}
            if given - {"pid", None}:
                assert fields <= given, f"{module}:{call.lineno}: {fields - given}"
            else:
                assert not fields, f"{module}:{call.lineno}: nothing is put in for {fields}"


def test_a_sentence_is_translated_with_its_fields_and_hostile_braces_stay() -> None:
    error = InputError("{path}: is empty", path="{0}{x}.pcap")
    assert str(error) == "{0}{x}.pcap: is empty"
    assert error.sentence({"{path}: is empty": "{path} ist leer"}.__getitem__) == "{0}{x}.pcap ist leer"
    assert str(RustnetError("{hostile}")) == "{hostile}"


def test_the_sentences_are_extracted_to_a_catalogue() -> None:
    """tools/messages writes what gettext's tools read: each sentence once, with where it is used."""
    made = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "messages")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert made.stdout.count('msgid "{path}: cannot read the sidecar: {strerror}"') == 1
    assert 'msgid "Capture files, or - for standard input"' in made.stdout or made.stdout.count("msgid") > 300
