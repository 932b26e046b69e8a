import importlib
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest

from rustnet.cli import main as module
from rustnet.cli.main import COMMANDS
from rustnet.errors import InputError
from tests.support.command_line import Run, child

CLI = Path(module.__file__).parent


def test_help_needs_neither_duckdb_nor_numpy_nor_any_command() -> None:
    code = """
        import sys
        from rustnet.cli.main import main
        assert main(["--help"]) == 0
        heavy = {"duckdb", "numpy", "scapy", "cryptography", "rustnet.cli.commands.replay"}
        heavy |= {"rustnet.cli.commands.flows"}
        print(sorted(heavy & set(sys.modules)), file=sys.stderr)
    """
    made = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True,
                          cwd=CLI.parents[1])  # fmt: skip
    assert made.stderr.strip() == "[]"
    assert all(name in made.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_without_duckdb(name: str) -> None:
    made = child(name, "--help")
    assert made.returncode == 0, made.stderr
    assert b"Usage: rustnet " + name.encode() in made.stdout
    assert not made.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_every_option(name: str) -> None:
    command = importlib.import_module(f"rustnet.cli.commands.{name.replace('-', '_')}").command
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


def test_command_modules_stay_short_and_hold_no_sql() -> None:
    for file in CLI.rglob("*.py"):
        text = file.read_text()
        if file.stem in COMMANDS:
            assert len(text.splitlines()) < 150, file
        calls = re.findall(r"\.(?:execute|sql)\(", text)
        assert not calls, file


def test_version(run: Run) -> None:
    made = run("--version")
    assert (made.code, made.err) == (0, "")
    assert re.fullmatch(r"rustnet \d+\.\d+\.\d+\n", made.out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["flow"], "did you mean flows?"),
        (["flows"], "SESSION"),
        (["flows", "x", "--nope"], "--nope"),
        (["replay"], "FILE"),
        (["stats", "x", "--by", "nothing"], "--by"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(run: Run, arguments: list[str], words: str) -> None:
    made = run(*arguments)
    assert made.code == 2
    assert made.err.startswith("rustnet: error: ")
    assert made.err.count("\n") == 1
    assert words in made.err
    assert not made.out


def test_no_arguments_show_the_help_and_exit_2(run: Run) -> None:
    made = run()
    assert made.code == 2
    assert "Commands:" in made.err


def test_missing_session(run: Run, tmp_path: Path) -> None:
    made = run("flows", tmp_path / "no.duckdb")
    assert made.code == 1
    assert "no such session" in made.err
    assert made.err.count("\n") == 1


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_traceback_comes_only_with_debug(run: Run, tmp_path: Path, where: str) -> None:
    missing = tmp_path / "no.duckdb"
    assert "Traceback" not in run("flows", missing).err
    made = run("--debug", "flows", missing) if where == "before" else run("flows", missing, "--debug")
    assert "Traceback" in made.err
    assert made.code == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("x.pcap: no\x1b[2Jgood"), 3), (KeyboardInterrupt(), 130), (OSError(28, "No space left"), 1),
     (RuntimeError("odd"), 1), (click.Abort(), 130)],
)  # fmt: skip
def test_every_error_becomes_one_line_and_its_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(importlib.import_module("rustnet.cli.commands.doctor").command, "callback", fail)
    made = run("doctor")
    assert made.code == code
    assert made.err.startswith("rustnet: ")
    assert made.err.count("\n") == 1
    assert "\x1b" not in made.err


def test_a_reader_that_leaves_early_is_no_error(session: Path) -> None:
    query = f"{sys.executable} -m rustnet query {session} --sql 'FROM range(1000000)' -f csv"
    command = f"{query} | head -n 2; echo ${{PIPESTATUS[0]}}"
    made = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=CLI.parents[1])
    assert made.stdout.split() == ["range", "0", "0"]
    assert made.stderr == ""


def test_colours(session: Path, run: Run) -> None:
    assert "\x1b[" not in run("stats", session).out
    assert "\x1b[1m" in run("stats", session, tty=True).out
    assert "\x1b[" not in run("stats", session, "--no-color", tty=True).out
    assert "\x1b[" not in run("--no-color", "stats", session, tty=True).out
