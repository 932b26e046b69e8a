"""Outputs cannot destroy evidence: not by a path, a link, a planted file, a race or a signal."""

import gzip
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rustnet.cli.outputs import REFUSALS
from rustnet.probe import newfile
from tests.attack.evidence import SIDECAR_LINE, command, environment, in_shell, make_case, run
from tests.support.paths import ROOT

WRITERS = {
    "flows": ["flows", "s.duckdb", "-f", "csv"],
    "stats": ["stats", "s.duckdb", "--by", "app", "-f", "json"],
    "hosts": ["hosts", "s.duckdb", "-f", "jsonl"],
    "processes": ["processes", "s.duckdb", "-f", "markdown"],
    "query": ["query", "s.duckdb", "protocols", "-f", "parquet"],
    "export": ["export", "s.duckdb", "--sidecar"],
    "extract": ["extract", "s.duckdb", "-f", "pcapng"],
    "enrich": ["enrich", "web.pcap", "--db", "s.duckdb"],
}


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return make_case(tmp_path / "case")


def contents(folder: Path) -> dict[str, bytes]:
    """Contents of all regular files of a directory, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.is_symlink()}


def output_name(writer: str) -> str:
    return "o.pcapng" if writer in ("enrich", "extract") else "o.out"


@pytest.mark.parametrize("writer", WRITERS)
def test_no_output_replaces_an_input(case: Path, writer: str) -> None:
    os.link(case / "s.duckdb", case / "hard.pcapng")
    (case / "soft.pcapng").symlink_to("web.pcap")
    (case / "up").symlink_to(".")
    before = contents(case)
    names = ["s.duckdb", "web.pcap", "web.pcap.connections.jsonl", "hard.pcapng", "soft.pcapng", "up/web.pcap",
             "s.duckdb.wal", "s.duckdb.sock", "s.duckdb.tmp"]  # fmt: skip
    for name in names if writer in ("flows", "extract") else names[1:5]:
        for force in ([], ["--force"]):
            made = run(case, *WRITERS[writer], *force, "-o", name)
            assert made.returncode == 2, (name, made.stderr)
            assert len(made.stderr.splitlines()) == 1
    assert contents(case) == before
    assert (case / "soft.pcapng").is_symlink()


@pytest.mark.parametrize("writer", WRITERS)
def test_evidence_is_replaced_only_by_force(case: Path, writer: str) -> None:
    name = output_name(writer)
    target = case / name
    for content in ((case / "other.pcap").read_bytes(), SIDECAR_LINE.encode()):
        target.write_bytes(content)
        made = run(case, *WRITERS[writer], "-o", name)
        assert made.returncode == 2
        assert b"--force" in made.stderr
        assert target.read_bytes() == content
    made = run(case, *WRITERS[writer], "--force", "-o", name)
    assert made.returncode == 0, made.stderr
    assert target.read_bytes() != SIDECAR_LINE.encode()
    assert not list(case.glob(".*"))


def test_kinds_of_evidence(tmp_path: Path) -> None:
    heads = {
        "capture": [b"\x0a\x0d\x0d\x0a" + bytes(40), b"\xa1\xb2\x3c\x4d" + bytes(30), gzip.compress(b"x"),
                    b"\x50\x2a\x4d\x18" + bytes(9), b"BZh91AY", b"\x34\xcd\xb2\xa1" + bytes(30)],
        "session": [bytes(8) + b"DUCK" + bytes(9)],
        "sidecar": [SIDECAR_LINE.encode(), b'{"local_addr":"1.2.3.4:5","pid":3}\n'],
        "": [b"", b"text", b'{"flow_id":1}', b"flow_id,pid\n"],
    }  # fmt: skip
    path = tmp_path / "x"
    for reason, contained in heads.items():
        for content in contained:
            path.write_bytes(content)
            assert newfile.evidence(str(path), path.stat()) == reason, content
    path.write_bytes(b"kept")
    path.chmod(0o444)
    assert newfile.evidence(str(path), path.stat()) == "read-only"


def test_commands_and_the_recorder_give_the_same_reasons() -> None:
    assert {reason: words.removeprefix("{path}: ") for reason, words in REFUSALS.items() if reason != "empty"} == {
        reason: words for reason, words in newfile.REASONS.items() if reason != "empty"
    }
    assert REFUSALS.keys() == newfile.REASONS.keys()


def test_planted_links_are_not_followed(case: Path) -> None:
    victim = case / "victim"
    victim.write_text("precious")
    for name in (".out.csv.part", "out.csv", ".rustnet-0.tmp"):
        (case / name).symlink_to("victim")
    assert run(case, "flows", "s.duckdb", "-o", "out.csv").returncode == 0
    assert victim.read_text() == "precious"
    assert not (case / "out.csv").is_symlink()
    assert (case / "out.csv").read_text().startswith("flow_id,")
    (case / "dangling.csv").symlink_to("nowhere")
    assert run(case, "flows", "s.duckdb", "-o", "dangling.csv").returncode == 0
    assert not (case / "nowhere").exists()


def test_a_hard_link_keeps_its_contents(case: Path) -> None:
    (case / "kept").write_text("old")
    os.link(case / "kept", case / "out.csv")
    assert run(case, "flows", "s.duckdb", "-o", "out.csv").returncode == 0
    assert (case / "kept").read_text() == "old"


def test_modes(case: Path) -> None:
    assert run(case, "flows", "s.duckdb", "-o", "new.csv").returncode == 0
    assert stat.S_IMODE((case / "new.csv").stat().st_mode) == 0o600
    (case / "old.csv").write_text("")
    (case / "old.csv").chmod(0o640)
    assert run(case, "flows", "s.duckdb", "-o", "old.csv").returncode == 0
    assert stat.S_IMODE((case / "old.csv").stat().st_mode) == 0o640
    assert run(case, "flows", "s.duckdb", "-o", "x.csv", "--group", "no such group").returncode == 2
    import grp  # noqa: PLC0415

    group = grp.getgrgid(os.getgid()).gr_name
    for arguments in (["flows", "s.duckdb", "-o", "shared"], ["replay", "web.pcap", "--db", "shared"]):
        (case / "shared").unlink(missing_ok=True)
        assert run(case, *arguments, "--group", group).returncode == 0
        status = (case / "shared").stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, os.getgid())


def test_a_temporary_file_is_private_until_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o644)
    file, other = newfile.NewFile(str(path)), newfile.NewFile(str(path))
    assert file.temporary != other.temporary
    assert Path(file.temporary).parent == tmp_path
    assert stat.S_IMODE(Path(file.temporary).stat().st_mode) == 0o600
    os.write(file.descriptor, b"new")
    assert path.read_text() == "old"
    file.publish()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    other.discard()
    assert list(tmp_path.iterdir()) == [path]
    late = newfile.NewFile(str(tmp_path / "late"))
    (tmp_path / "late").write_bytes(b"\x0a\x0d\x0d\x0a")  # evidence arrives while the output is written
    with pytest.raises(newfile.RefusedError):
        late.publish()
    late.discard()
    assert not newfile.unfinished


def test_two_runs_share_no_temporary_file(case: Path) -> None:
    lines = [command("query", "s.duckdb", "--sql", f"SELECT {i} AS n FROM range(200000)", "-o", "out.csv")
             for i in range(2)]  # fmt: skip
    processes = [subprocess.Popen(line, cwd=case, env=environment()) for line in lines]
    assert [process.wait(60) for process in processes] == [0, 0]
    rows = (case / "out.csv").read_text().split()[1:]
    assert len(rows) == 200_000
    assert len(set(rows)) == 1
    assert not list(case.glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_temporary_file(case: Path, number: signal.Signals) -> None:
    (case / "out.csv").write_text("old")
    sql = "SELECT a.range FROM range(2000000000) a"
    process = subprocess.Popen(
        command("query", "s.duckdb", "--sql", sql, "-o", "out.csv"), cwd=case, env=environment(),
        stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: any(path.stat().st_size for path in case.glob(".rustnet-*")))
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert (case / "out.csv").read_text() == "old"
    assert not list(case.glob(".*"))


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_failure_leaves_no_temporary_file(case: Path) -> None:
    (case / "out.csv").write_text("old")
    made = run(case, "query", "s.duckdb", "--sql", "SELECT CAST('x' || range AS INT) FROM range(3)", "-o", "out.csv")
    assert made.returncode == 2
    assert (case / "out.csv").read_text() == "old"
    assert not list(case.glob(".*"))


def test_pipes_and_devices_are_written_directly(case: Path) -> None:
    made = in_shell(case, "flows s.duckdb -f csv -o /dev/stdout", "")
    assert made.stdout.startswith(b"flow_id,")
    in_shell(case, "flows s.duckdb -f csv -o /dev/stdout", "> file.csv")
    assert (case / "file.csv").read_bytes() == made.stdout
    assert Path("/dev/stdout").is_symlink()
    in_shell(case, "flows s.duckdb -f csv -o /dev/fd/7", "7> seven.csv")
    assert (case / "seven.csv").read_bytes() == made.stdout
    assert in_shell(case, "flows s.duckdb -f csv -o /dev/null", "").returncode == 0
    assert in_shell(case, "flows s.duckdb -f csv -o /dev/fd/77", "").returncode == 2
    os.mkfifo(case / "pipe")
    with subprocess.Popen(["cat", "pipe"], cwd=case, stdout=subprocess.PIPE) as reader:
        assert run(case, "flows", "s.duckdb", "-f", "csv", "-o", "pipe").returncode == 0
        assert reader.communicate(timeout=20)[0] == made.stdout
    assert stat.S_ISFIFO((case / "pipe").stat().st_mode)


@pytest.mark.parametrize(
    ("arguments", "target"),
    [("flows s.duckdb -f csv", "s.duckdb"), ("verify s.duckdb", "web.pcap"), ("show s.duckdb 1", "s.duckdb"),
     ("extract s.duckdb -f pcap -o -", "web.pcap"), ("enrich web.pcap -o -", "web.pcap"),
     ("stats s.duckdb -o /dev/stdout", "web.pcap.connections.jsonl"), ("replay web.pcap", "web.pcap"),
     ("replay other.pcap --db s.duckdb", "s.duckdb"), ("refresh s.duckdb", "web.pcap"),
     ("verify s.duckdb --source moved.pcap", "moved.pcap"),
     ("show s.duckdb 1 --packet 1 --source moved.pcap", "moved.pcap"),
     ("sidecar validate web.pcap.connections.jsonl", "web.pcap.connections.jsonl")],
)  # fmt: skip
def test_a_redirection_appends_nothing_to_an_input(case: Path, arguments: str, target: str) -> None:
    (case / "moved.pcap").write_bytes((case / "web.pcap").read_bytes())
    before = contents(case)
    for redirection in (">>", "2>>"):
        made = in_shell(case, arguments, f"{redirection} {target}")
        assert made.returncode == 2, (redirection, made.stderr)
        assert contents(case) == before, redirection


def test_a_session_takes_no_input_for_one_of_its_files(case: Path) -> None:
    (case / "x.wal").write_bytes((case / "web.pcap").read_bytes())
    before = contents(case)
    for arguments in (["x.wal", "--db", "x"], ["web.pcap", "--db", "web.pcap"], ["other.pcap", "--db", "other.pcap"],
                      ["web.pcap", "--sidecar", "other.pcap", "--db", "other.pcap"],
                      ["web.pcap", "--db", "web.pcap.connections.jsonl"]):  # fmt: skip
        assert run(case, "replay", *arguments).returncode == 2
    assert contents(case) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sock_diag")
@pytest.mark.parametrize("program", [["-m", "rustnet", "sidecar", "record"], [str(ROOT / "sidecar" / "record.py")]])
def test_the_recorder_replaces_no_evidence(case: Path, program: list[str]) -> None:
    def record(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        line = [sys.executable, *program, "--no-packets", "--duration", "0.2", *arguments]
        return subprocess.run(line, cwd=case, env=environment(), capture_output=True, check=False, timeout=60)

    before = contents(case)
    for arguments in (["-o", "web.pcap"], ["-o", "s.duckdb"], ["-o", "web.pcap.connections.jsonl"],
                      ["-o", "new.jsonl", "--meta", "web.pcap"], ["-o", "new.jsonl", "--meta", "new.jsonl"],
                      ["--meta", "s.duckdb"]):  # fmt: skip
        made = record(*arguments)
        assert made.returncode == 2, (arguments, made.stderr)
    assert contents(case) == before
    (case / "victim").write_text("precious")
    (case / "new.jsonl").symlink_to("victim")
    made = record("-o", "new.jsonl")
    assert made.returncode == 0, made.stderr
    assert (case / "victim").read_text() == "precious"
    assert stat.S_IMODE((case / "new.jsonl").lstat().st_mode) == 0o600
    assert stat.S_IMODE((case / "new.meta.json").stat().st_mode) == 0o600
    assert not list(case.glob(".*"))
    assert record("-o", "new.jsonl").returncode == 2
    assert record("-o", "new.jsonl", "--force").returncode == 0
    for stream in ("/dev/stdout", "/dev/null"):
        assert record("-o", stream).returncode == 0
        assert not Path(f"{stream}.meta.json").exists()


def test_a_path_names_the_file_that_the_system_would_open(case: Path) -> None:
    """``link/..`` is the parent of the link's target for the check and for the write."""
    (case / "far" / "away").mkdir(parents=True)
    (case / "far" / "other.pcap").write_bytes(b"text")
    (case / "link").symlink_to("far/away")
    before = contents(case)
    made = run(case, "flows", "s.duckdb", "-f", "csv", "-o", "link/../other.pcap")
    assert made.returncode == 0, made.stderr
    assert contents(case) == before
    assert (case / "far" / "other.pcap").read_text().startswith("flow_id,")
    (case / "far" / "other.pcap").write_bytes((case / "other.pcap").read_bytes())
    assert run(case, "flows", "s.duckdb", "-f", "csv", "-o", "link/../other.pcap").returncode == 2


def test_the_checked_name_is_the_replaced_one(case: Path) -> None:
    before = contents(case)
    for path in ("absent/../other.pcap", "other.pcap/", "./other.pcap", "other.pcap/../other.pcap"):
        with pytest.raises((newfile.RefusedError, OSError)):
            newfile.NewFile(str(case / path))
    assert contents(case) == before


def test_the_recorder_shows_arguments_without_control_characters(case: Path) -> None:
    made = run(case, "sidecar", "record", "\x1b[31m\u202e")
    assert made.returncode == 2
    assert b"\\x1b[31m" in made.stderr
    assert b"\x1b" not in made.stderr


def test_inputs_are_known_from_every_directory(case: Path) -> None:
    for folder in ("logs", "sessions"):
        (case / folder).mkdir()
    (case / "logs" / "side.jsonl").write_text(SIDECAR_LINE)
    made = run(case, "replay", "other.pcap", "--sidecar", "logs/side.jsonl", "--db", "sessions/o.duckdb")
    assert made.returncode == 0, made.stderr
    for target in ("side.jsonl", "../other.pcap"):
        before = (case / "logs" / target).read_bytes()
        made = run(case / "logs", "flows", "../sessions/o.duckdb", "-f", "csv", "--force", "-o", target)
        assert made.returncode == 2, made.stderr
        assert (case / "logs" / target).read_bytes() == before


def test_files_of_a_session_that_a_link_names(case: Path) -> None:
    (case / "links").mkdir()
    (case / "links" / "l.duckdb").symlink_to("../s.duckdb")
    for end in newfile.SESSION_FILES:
        made = run(case, "flows", "links/l.duckdb", "-f", "csv", "--force", "-o", f"s.duckdb{end}")
        assert made.returncode == 2, (end, made.stderr)
        assert end == "" or not (case / f"s.duckdb{end}").exists()


def test_the_summary_of_a_recording_is_evidence(case: Path) -> None:
    summary = b'{\n "recorder": "rustnet-record/1",\n "host": "ws1",\n "polls": 144\n}\n'
    for name in ("web.pcap.connections.meta.json", "kept.json"):
        (case / name).write_bytes(summary)
    for arguments in (["web.pcap.connections.meta.json", "--force"], ["kept.json"]):
        assert run(case, "flows", "s.duckdb", "-f", "csv", "-o", *arguments).returncode == 2, arguments
    assert (case / "web.pcap.connections.meta.json").read_bytes() == (case / "kept.json").read_bytes() == summary
