import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pytest

from rustnet.cli.ingesting import ingest_and_summarise, print_summary
from rustnet.ingest.options import Options
from rustnet.query.execute import QueryFailedError
from rustnet.query.session import FileSession
from rustnet.query.summary import summarise
from tests.support.command_line import Run, child
from tests.support.conversations import CLIENT, SERVER, dns_flow, http_flow
from tests.support.effort import drained, wait_until
from tests.support.paths import ROOT
from tests.support.pcap import pcap


def test_the_summary_names_everything_that_matters(capture: Path, run: Run, tmp_path: Path) -> None:
    made = run("replay", capture, "--db", tmp_path / "s.duckdb")
    assert made.code == 0
    assert made.err == ""
    for words in ("10 packets", "2 flows", "2023-11-14 22:13:20.000000Z", "(9.0 ms)",
                  "read to a clean end", "http", "dns",
                  CLIENT, SERVER, "shop.example", "0 of 2 flows have an owner", "no sidecar 2",
                  f"rustnet flows {tmp_path / 's.duckdb'}"):  # fmt: skip
        assert words in made.out, words


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit_the_terminal(capture: Path, run: Run, tmp_path: Path, columns: int) -> None:
    made = run("replay", capture, "--db", tmp_path / "s.duckdb", tty=True, columns=columns)
    # Paths and commands are never cut: they are there to be copied.
    lines = [line for line in made.out.splitlines() if str(tmp_path) not in line]
    plain = [line.replace("\x1b[0m", "") for line in lines]
    for line in plain:
        while "\x1b[" in line:
            before, _, rest = line.partition("\x1b[")
            line = before + rest.partition("m")[2]  # noqa: PLW2901
        assert len(line) <= columns, line


def test_the_session_of_a_few_packets_is_small(run: Run, tmp_path: Path) -> None:
    made = run("replay", ROOT / "sample_pcaps" / "web.pcap", "--db", tmp_path / "s.duckdb")
    assert made.code == 0
    assert (tmp_path / "s.duckdb").stat().st_size < 2_000_000


def test_json_says_the_same(capture: Path, run: Run, tmp_path: Path) -> None:
    made = run("replay", capture, "--db", tmp_path / "s.duckdb", "--json")
    data = json.loads(made.out)
    assert data["flows"] == 2
    assert data["captures"][0]["packets"] == 10
    assert data["captures"][0]["first_ts"] == "2023-11-14T22:13:20.000000000Z"
    assert data["captures"][0]["complete"] is True
    assert {row["app"] for row in data["protocols"]} == {"http", "dns"}
    assert {row["ip"] for row in data["talkers"]} >= {CLIENT, SERVER}
    assert [row["reason"] for row in data["unowned"]] == ["no_sidecar"]
    assert data["losses"] == []


def test_the_summary_of_the_writer_is_that_of_a_reader(tmp_path: Path) -> None:
    session, capture = str(tmp_path / "s.duckdb"), ROOT / "sample_pcaps" / "web.pcap"
    made, summary = ingest_and_summarise((str(capture),), session, Options(), 5)
    assert made.captures
    with FileSession(session) as con:
        again = summarise(con, 5)
    assert summary is not None
    assert summary.captures == again.captures
    assert summary.captures[0].complete
    assert (summary.flows, summary.owned, summary.contested) == (again.flows, again.owned, again.contested)
    for name, table in again.tables.items():
        assert (name, summary.tables[name].columns, summary.tables[name].types) == (name, table.columns, table.types)
        assert (name, summary.tables[name].rows) == (name, table.rows)
    assert summary.tables["processes"].rows


def test_a_summary_that_fails_is_made_by_a_reader_and_the_session_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(con: duckdb.DuckDBPyConnection, top: int) -> None:
        raise QueryFailedError("no memory")

    session = str(tmp_path / "s.duckdb")
    with monkeypatch.context() as patch:
        patch.setattr("rustnet.query.summary.summarise", fails)
        report, summary = ingest_and_summarise((str(ROOT / "sample_pcaps" / "dns.pcap"),), session, Options(), 5)
    assert summary is None
    assert report.captures[0].complete
    print_summary(session, report, summary, as_json=True, kept=True, top=5)
    assert json.loads(capsys.readouterr().out)["captures"][0]["complete"] is True


def test_without_db_nothing_is_left(capture: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room = tmp_path / "tmp"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    made = run("replay", capture)
    assert made.code == 0
    assert "temporary" in made.out
    assert list(room.iterdir()) == []
    assert json.loads(run("replay", capture, "--json").out)["session"] is None


def test_stdin(run: Run, capture: Path) -> None:
    made = child("replay", "-", "--json", stdin=capture.read_bytes())
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["captures"][0]["source"] == "-"


def test_damage_and_truncation_are_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap(http_flow() + dns_flow(), snaplen=60)[:-7])
    made = run("replay", path, "--db", tmp_path / "s.duckdb")
    assert made.code == 0
    assert "incomplete: not read" in made.out
    assert "packets are truncated" in made.out
    assert "snap length 60" in made.out
    assert "cut_off after packet 9" in made.out
    assert "the file ends within a record" in made.out
    assert run("replay", path, "--strict").code == 4


def test_undecoded_packets_are_told_with_reasons(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    path.write_bytes(pcap([b"\x01\x02\x03"] * 3, link=147))
    made = run("replay", path)
    assert "3 packets (100 %) could not be decoded" in made.out
    assert "link type 147" in made.out


def test_one_sided_flows_are_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "half.pcap"
    path.write_bytes(pcap([f for f in http_flow() if f[26:30] == bytes(map(int, CLIENT.split(".")))]))
    assert "1 of 1 TCP flows show one direction only" in run("replay", path).out


def test_no_capture_at_all_exits_3_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    made = run("replay", path, "--db", tmp_path / "s.duckdb")
    assert made.code == 3
    assert made.err.count("\n") == 1
    assert str(path) in made.err
    assert not made.out
    assert not (tmp_path / "s.duckdb").exists()


def test_what_can_be_read_is_ingested_and_the_rest_named(run: Run, capture: Path, tmp_path: Path) -> None:
    made = run("replay", tmp_path / "no.pcap", capture, "--json")
    assert made.code == 3
    assert "no.pcap" in made.err
    data = json.loads(made.out)
    assert data["flows"] == 2
    assert data["failed"][0]["source"].endswith("no.pcap")


def test_the_same_file_again(run: Run, capture: Path, session: Path) -> None:
    made = run("replay", capture, "--db", session)
    assert made.code == 1
    assert "--again" in made.err
    assert run("replay", capture, "--db", session, "--again", "--json").code == 0
    assert "20" in run("query", session, "--sql", "SELECT count(*) FROM packets").out


def test_a_session_that_cannot_be_made(run: Run, capture: Path, tmp_path: Path) -> None:
    made = child("replay", capture, "--db", tmp_path / "no" / "s.duckdb")
    assert made.returncode == 1
    assert b"there is no directory" in made.stderr
    made = child("replay", capture, "--db", capture)
    assert made.returncode == 2
    assert b"is an input of this command" in made.stderr
    other = tmp_path / "other.pcap"
    other.write_bytes(capture.read_bytes())
    made = child("replay", capture, "--db", other)
    assert made.returncode == 1
    assert b"is a capture, not a session" in made.stderr


def test_hostile_names_are_escaped(run: Run, tmp_path: Path) -> None:
    evil = "a\x1b]0;pwned\x07b\u202e.example"
    path = tmp_path / "evil\x1b[31m.pcap"
    path.write_bytes(pcap(http_flow(host=evil)))
    for arguments in (["replay", path], ["replay", path, "--json"]):
        made = run(*arguments, tty=True)
        assert made.code == 0
        for code in ("\x1b]", "\x07", "\u202e", "\x1b[31m"):
            assert code not in made.out


def test_a_sidecar_is_found_and_told(run: Run, capture: Path, tmp_path: Path) -> None:
    line = {
        "timestamp": "2023-11-14T22:13:21Z", "protocol": "TCP", "local_addr": f"{CLIENT}:40000",
        "remote_addr": f"{SERVER}:80", "pid": 7, "process_name": "curl", "state": "CLOSED", "bytes_sent": 1,
        "bytes_received": 1, "attribution_match": "exact-tuple",
        "first_seen": {"secs_since_epoch": 1_700_000_000, "nanos_since_epoch": 0},
        "last_seen": {"secs_since_epoch": 1_700_000_001, "nanos_since_epoch": 0},
    }  # fmt: skip
    capture.with_name(capture.name + ".connections.jsonl").write_text(json.dumps(line) + "\n")
    made = run("replay", capture, "--db", tmp_path / "s.duckdb")
    assert "1 of 2 flows have an owner; without: no claim 1" in made.out
    assert "exact-tuple" in made.out
    assert "--by process" in made.out
    assert "0 of 2" in run("replay", capture, "--no-sidecar").out


def test_ctrl_c_leaves_a_session_that_says_so(tmp_path: Path) -> None:
    fifo, path = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "rustnet", "replay", str(fifo), "--db", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    with fifo.open("wb") as stream:
        stream.write(pcap(http_flow()))
        stream.flush()
        wait_until(lambda: path.exists() and drained(stream))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)  # although its input neither goes on nor ends
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "incomplete: not read" in out
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("SELECT complete, packets FROM captures").fetchall()[0][0] is False


def test_progress_is_drawn_on_a_terminal_only(capture: Path, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "rustnet", "replay", str(capture), "--db", str(tmp_path / "s.duckdb")]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=slave, check=True, cwd=ROOT, timeout=60)
    os.close(slave)
    drawn = os.read(master, 65536).decode()
    os.close(master)
    assert "\r" in drawn
    assert "10 packets" in drawn
    assert drawn.endswith("\r\x1b[K")
    assert child("replay", capture).stderr == b""
