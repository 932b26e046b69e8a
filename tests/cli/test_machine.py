"""`rustnet sockets` and `rustnet routes`, in every format and on terminals of any width."""

import json
from pathlib import Path

import pytest

from rustnet.store import session as store
from tests.support.command_line import Run
from tests.support.machine import HOST, STORY, owned, socket, write_machine


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("machine") / "s.duckdb"
    write_machine(path)
    return path


def test_sockets_as_data(run: Run, session: Path) -> None:
    made = run("sockets", session, "--listening", "process:sshd", "-f", "jsonl")
    assert made.code == 0, made.err
    first, second = map(json.loads, made.out.splitlines())
    assert (first["local_addr"], first["local_port"], first["pid"], first["opened_at"]) == ("0.0.0.0", 22, 811, None)
    assert (second["local_addr"], second["ipv6_only"], second["holders"]) == ("::", True, ["sshd(811)"])
    made = run("sockets", session, "--at", "+7s", "-f", "csv", "--limit", "3")
    assert [line.split(",")[2] for line in made.out.splitlines()[1:]] == ["22", "22", "4444"]


def test_sockets_on_a_terminal(run: Run, session: Path) -> None:
    made = run("sockets", session, "--at", "+7s", tty=True, columns=150)
    lines = [line.split() for line in made.out.splitlines()]
    assert lines[1][:6] == ["tcp", "0.0.0.0:22", "*", "LISTEN", "sshd", "811"]
    assert lines[2][1] == "[::]:22"
    assert lines[5][:3] == ["tcp", "10.0.0.5:22", "10.0.0.6:50022"]
    narrow = run("sockets", session, tty=True, columns=76).out
    assert all(len(line) <= 76 for line in narrow.splitlines()[1:])
    listener = next(line for line in narrow.splitlines() if "4444" in line)
    assert listener.split()[:4] == ["tcp", "0.0.0.0:4444", "*", "closed"], "also where there is no room for times"
    assert run("sockets", session, "-n", "2", tty=True).err.count("more rows follow") == 1


def test_routes(run: Run, session: Path) -> None:
    rows = json.loads(run("routes", session, "-f", "json").out)
    assert [row["destination"] for row in rows] == ["0.0.0.0/0", "10.8.0.0/16", "10.0.0.0/24", "::/0"]
    assert "10.8.0.0/16" not in run("routes", session, "--at", "end").out
    made = run("routes", session, "--timezone", "Europe/Berlin", tty=True, columns=140)
    changed = next(line for line in made.out.splitlines() if "10.8.0.0/16" in line)
    assert changed.split()[:5] == ["main", "10.8.0.0/16", "10.0.0.66", "eth0", "0"]
    assert "2023-11-14 23:13:28+01:00" in changed


@pytest.mark.parametrize("command", ["sockets", "routes"])
def test_times_that_were_not_recorded(run: Run, session: Path, command: str) -> None:
    made = run(command, session, "--at", "2020-01-01")
    assert (made.code, made.out) == (1, "")
    assert "the machine was not recorded at 2020-01-01 00:00:00.000000Z: its record goes from 2023-11-14" in made.err
    assert run(command, session, "--at", "whenever").code == 2


def test_a_session_of_files(run: Run, tmp_path: Path) -> None:
    store.create_or_open(tmp_path / "s.duckdb", ()).close()
    assert "no record of sockets: only 'rustnet live' makes one" in run("sockets", tmp_path / "s.duckdb").err
    assert "no record of routes: only 'rustnet live' makes one" in run("routes", tmp_path / "s.duckdb").err
    assert run("sockets", tmp_path / "s.duckdb", "--at", "+1s").code == 1


def test_nothing_that_matches(run: Run, session: Path) -> None:
    assert run("sockets", session, "port:1").err == "no socket matches\n"
    wrong = run("sockets", session, "bytes:>1")
    assert (wrong.code, "sockets have nothing that bytes: could look at" in wrong.err) == (2, True)


def test_names_of_processes_do_no_harm(run: Run, tmp_path: Path) -> None:
    evil = owned(5, "\x1b[2Jevil\n", cmdline="\x1b]0;x\x07", username="\x9b31m")
    write_machine(tmp_path / "s.duckdb", [HOST, socket(0, "present", 1, "0.0.0.0:1", **evil)])
    for tty in (False, True):
        out = run("sockets", tmp_path / "s.duckdb", tty=tty).out
        assert "evil" in out
        assert not {"\x1b]", "\x1b[2J", "\x07", "\x9b"} & {
            part for part in ("\x1b]", "\x1b[2J", "\x07", "\x9b") if part in out
        }


def test_the_story_has_no_invalid_line() -> None:
    assert {line["record"] for line in STORY} == {
        "host", "interface", "interface_stats", "route", "neighbour", "socket"
    }  # fmt: skip
