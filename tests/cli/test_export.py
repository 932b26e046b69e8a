"""``rustnet export`` of directories: what is written, with which modes, and nothing at all where something fails."""

import csv
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from rustnet import __version__
from rustnet.cli import exporting
from rustnet.export import redaction_statement
from rustnet.policy.redaction import Redactor
from rustnet.query.session import open_session
from tests.support.command_line import Run, child

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session of a sample with names, owners and messages."""
    path = tmp_path_factory.mktemp("web") / "web.duckdb"
    made = child("replay", str(ROOT / "sample_pcaps" / "web.pcap"), "--db", str(path), "--no-tui")
    assert made.returncode == 0, made.stderr
    return path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_redacted_export_has_a_session_and_its_statement(web: Path, tmp_path: Path, run: Run) -> None:
    key = tmp_path / "key"
    made = run("export", str(web), "--redact", "--redact-key", str(key), "-o", str(tmp_path / "out"))
    assert made.code == 0, made.err
    out = tmp_path / "out"
    assert left(out) == {"session.duckdb", "redaction.json"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    assert left(tmp_path) == {"out", "key"}
    data = json.loads((out / "redaction.json").read_text())
    assert data["tool"] == f"rustnet {__version__}"
    assert data["policy"]["name"] == "share"
    assert data["key"]["source"] == "file"
    assert bytes.fromhex(data["key"]["fingerprint"]) not in bytes.fromhex(key.read_text().split()[-1])
    done = {entry["kind"]: entry for entry in data["done"]}
    assert done["address"]["method"] == "address"
    assert done["address"]["values"] > done["address"]["different_values"] > 0
    assert done["time"]["method"] == "keep"
    assert data["columns"]["flows"]["src_ip"] == "address"
    assert redaction_statement.MOMENTS in data["not_protected"]
    assert redaction_statement.PREFIXES in data["not_protected"]
    with open_session(web) as old, open_session(out / "session.duckdb") as new:
        names = {row[0] for row in old.sql("SELECT name FROM names").rows}
        assert names
        assert not names & {row[0] for row in new.sql("SELECT name FROM names").rows}
    again = run("export", str(web), "--redact", "--redact-key", str(key), "-o", str(out))
    assert again.code == 2
    assert "is not empty" in again.err


def test_formats_of_a_redaction_are_made_of_the_redacted_session(web: Path, tmp_path: Path, run: Run) -> None:
    options = ["-f", "csv", "-f", "parquet", "-f", "jsonl", "--redact-key", "new"]
    made = run("export", str(web), "--redact", "strict", *options, "-o", str(tmp_path / "out"))
    assert made.code == 0, made.err
    assert left(tmp_path / "out") == {"csv", "parquet", "jsonl", "redaction.json"}
    assert json.loads((tmp_path / "out" / "redaction.json").read_text())["key"]["source"].startswith("random")
    with (tmp_path / "out" / "csv" / "names.csv").open(newline="") as lines:
        csv_names = [row["name"] for row in csv.DictReader(lines)]
    with duckdb.connect() as con:
        parquet = con.execute(f"SELECT name FROM '{tmp_path}/out/parquet/names.parquet'").fetchall()
    jsonl = [
        json.loads(line)["name"] for line in (tmp_path / "out" / "jsonl" / "names.jsonl").read_text().split("\n")[:-1]
    ]
    assert csv_names == [row[0] for row in parquet] == jsonl
    with open_session(web) as session:
        names = {row[0] for row in session.sql("SELECT name FROM names").rows}
    assert not names & set(csv_names)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(name.encode() in content for name in names), path


def test_a_redacted_session_is_read_by_every_command(web: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    assert run("export", str(web), "--redact", "-o", str(out), "--redact-key", "new").code == 0
    path = str(out / "session.duckdb")
    for words in (
        ["flows"],
        ["stats"],
        ["hosts"],
        ["processes"],
        ["show", "10"],
        ["query", "top-talkers"],
        ["sockets"],
    ):
        made = run(words[0], path, *words[1:])
        assert made.code == 0, made.err
        assert "redacted by rustnet" in made.err
    verified = run("verify", path)
    assert verified.code == 0
    assert "the session is redacted" in " ".join(verified.out.split())
    extracted = run("extract", path, "-o", str(tmp_path / "x.pcapng"))
    assert extracted.code == 3
    assert "the session is redacted" in extracted.err
    assert left(tmp_path) == {"out"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing selected to export"),
        (("--sidecar", "-f", "csv"), "--sidecar is an export of its own"),
        (("-f", "pcapng"), "rustnet extract"),
        (("-f", "jsonl", "--spreadsheet"), "--spreadsheet is for -f csv"),
        (("--redact=other",), "is no policy"),
    ],
)
def test_options_that_make_no_sense(web: Path, tmp_path: Path, run: Run, options: tuple[str, ...], words: str) -> None:
    made = run("export", str(web), *options, "-o", str(tmp_path / "out"))
    assert made.code == 2
    assert words in made.err
    assert not left(tmp_path)


def fails(session: object, folder: object, **_: object) -> list[str]:
    raise OSError(28, "No space left on device")


def test_nothing_is_left_of_an_export_that_fails(
    web: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = exporting.function
    monkeypatch.setattr(exporting, "function", lambda place: fails if "jsonl" in place else real(place))
    made = run(
        "export", str(web), "--redact", "--redact-key", "new", "-f", "csv", "-f", "jsonl", "-o", str(tmp_path / "o")
    )
    assert made.code == 1
    assert not left(tmp_path)


def test_leaks_fail_the_export(web: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unredacted(_redactor: Redactor, _kind: object, values: list[str], **_: object) -> list[str]:
        return values

    monkeypatch.setattr(Redactor, "many", unredacted)
    made = run("export", str(web), "--redact", "--redact-key", "new", "-o", str(tmp_path / "out"))
    assert made.code == 1
    assert "session.duckdb: " in made.err
    assert "of the original: " in made.err
    assert "nothing was exported" in made.err
    assert not left(tmp_path)


def limited(size: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("options", [("--redact", "--redact-key", "new"), ("-f", "csv"), ("-f", "parquet")])
def test_nothing_is_left_where_no_more_can_be_written(web: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "rustnet", "export", str(web), *options, "-o", str(tmp_path / "out")],
        capture_output=True, text=True, cwd=ROOT, preexec_fn=limited(600), check=False,
    )  # fmt: skip
    assert made.returncode == 1, made.stderr
    assert made.stderr.startswith("rustnet: error: "), made.stderr
    assert len(made.stderr.splitlines()) == 1
    assert not left(tmp_path)


@pytest.mark.parametrize("interrupts", [1, 2])
def test_nothing_is_left_after_an_interrupt(web: Path, tmp_path: Path, interrupts: int) -> None:
    code = (
        "import sys, time; from rustnet.policy.redaction import Redactor; many = Redactor.many\n"
        "def slow(self, *values, **named):\n"
        "    print('working', flush=True); time.sleep(1); return many(self, *values, **named)\n"
        "Redactor.many = slow\n"
        "from rustnet.__main__ import entry; sys.argv[0] = 'rustnet'; sys.exit(entry())"
    )
    arguments = ["export", str(web), "--redact", "--redact-key", "new", "-o", str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "RUSTNET_CONFIG": ""},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        for _ in range(interrupts):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        process.communicate(timeout=60)
        assert process.returncode in (130, -signal.SIGINT)
    assert not left(tmp_path)


def test_a_copy_without_redaction_is_no_redacted_session(web: Path, tmp_path: Path, run: Run) -> None:
    made = run("export", str(web), "-f", "session", "-o", str(tmp_path / "out"))
    assert made.code == 0
    path = tmp_path / "out" / "session.duckdb"
    with open_session(web) as old, open_session(path) as new:
        assert old.sql("FROM flows").rows == new.sql("FROM flows").rows
    assert run("verify", str(path)).code == 0
    assert "redacted" not in run("flows", str(path)).err
