"""extract, verify, and packet trees: what goes back to the original captures."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from rustnet.export.pcapng import PcapngWriter
from rustnet.sources.files import reread
from rustnet.sources.frames import Interface, Note
from tests.support.command_line import Run, child
from tests.support.conversations import CLIENT, SERVER, dns_flow, http_flow
from tests.support.packets import START, ip_frame
from tests.support.pcap import pcap


def frames_of(path: Path) -> list[tuple[int, bytes, int, int]]:
    return [
        (f.ts[i], f.frame(i), f.length[i], f.link[i]) for f in reread(str(path)).batches() for i in range(f.count)
    ]  # fmt: skip


def test_everything_comes_out_byte_for_byte(run: Run, capture: Path, session: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.pcap"
    made = run("extract", session, "-o", out)
    assert made.code == 0, made.err
    assert "10 packets written" in made.err
    assert out.read_bytes() == capture.read_bytes()
    assert run("extract", session, "-o", tmp_path / "all.pcapng").code == 0
    assert frames_of(tmp_path / "all.pcapng") == frames_of(capture)


def test_a_filter_takes_whole_flows(run: Run, session: Path, capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "dns.pcapng"
    assert run("extract", session, "app:dns", "-o", out).code == 0
    assert frames_of(out) == frames_of(capture)[:2]


def test_truncated_packets_keep_both_lengths(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "short.pcap"
    path.write_bytes(pcap(http_flow(), snaplen=60))
    run("replay", path, "--db", tmp_path / "s.duckdb")
    for name in ("o.pcap", "o.pcapng"):
        assert run("extract", tmp_path / "s.duckdb", "-o", tmp_path / name).code == 0
        assert frames_of(tmp_path / name) == frames_of(path)
    assert (tmp_path / "o.pcap").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("sql", "numbers"),
    [
        ("SELECT capture_id, number FROM packets WHERE number IN (3, 5, 5)", [3, 5]),
        ("SELECT capture_id, packet FROM dns", None),
        ("SELECT flow_id FROM flows WHERE app = 'dns'; ", [1, 2]),
        ("SELECT flow_id, capture_id, number FROM packets WHERE number = 4", [4]),
    ],
)
def test_sql_chooses_packets_or_flows(
    run: Run, session: Path, capture: Path, tmp_path: Path, sql: str, numbers: list[int] | None
) -> None:
    out = tmp_path / "o.pcapng"
    made = run("extract", session, "--sql", sql, "-o", out)
    assert made.code == 0, made.err
    every = frames_of(capture)
    if numbers:
        assert frames_of(out) == [every[n - 1] for n in numbers]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-o", "o.pcap", "app:ssh"], 1),
        (["-o", "o.txt"], 2),
        (["-o", "o.pcap", "app:dns", "--sql", "SELECT 1"], 2),
        (["-o", "o.pcap", "--sql", "SELECT 1 AS a"], 2),
        (["-o", "o.pcap", "--sql", "DELETE FROM flows"], 2),
        ([], 2),
    ],
)
def test_mistakes(
    run: Run, session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    made = run("extract", session, *arguments)
    assert made.code == code
    assert made.err.count("\n") == 1
    assert not list(tmp_path.glob("*o.*"))


def test_the_original_must_be_the_same(run: Run, session: Path, capture: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "web.pcap"
    moved.parent.mkdir()
    shutil.move(capture, moved)
    out = tmp_path / "o.pcap"
    made = run("extract", session, "--force", "-o", out)
    assert made.code == 3
    assert "--source" in made.err
    assert run("extract", session, "--force", "-o", out, "--source", moved).code == 0
    whole = moved.read_bytes()
    moved.write_bytes(whole[:-1] + b"!")
    made = run("extract", session, "--force", "-o", out, "--source", moved)
    assert made.code == 3
    assert "SHA-256" in made.err
    assert run("extract", session, "--force", "-o", out, "--source", moved, "--no-verify").code == 0
    moved.write_bytes(whole[:300])
    made = run("extract", session, "--force", "-o", out, "--source", moved)
    assert "bytes" in made.err
    before = out.read_bytes()
    made = run("extract", session, "--force", "-o", out, "--source", moved, "--no-verify")
    assert made.code == 3
    assert "not the ingested file" in made.err
    assert out.read_bytes() == before


def test_an_original_is_never_written_over(run: Run, session: Path, capture: Path) -> None:
    before = capture.read_bytes()
    assert run("extract", session, "-o", capture).code == 2
    assert capture.read_bytes() == before


def test_stdout_and_compressed_originals(run: Run, tmp_path: Path, capture: Path) -> None:
    packed = tmp_path / "web.pcap.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    run("replay", packed, "--db", tmp_path / "s.duckdb")
    made = child("extract", tmp_path / "s.duckdb", "-o", "-", "--format", "pcap")
    assert made.returncode == 0, made.stderr
    assert made.stdout == capture.read_bytes()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two interfaces with link types of their own, comments, nanoseconds."""
    path = tmp_path / "mixed.pcapng"
    with path.open("wb") as stream:
        writer = PcapngWriter(stream)
        writer.section(application="maker", comments=["about all"])
        for n, frame in enumerate(http_flow()):
            note = Note(comments=[f"number {n}"], flags=1)
            if n % 2:
                writer.write(0, Interface(1, 0, "eth0"), START + n, frame, len(frame), note)
            else:
                writer.write(1, Interface(101, 0, "tun0"), START + n, frame[14:], len(frame) - 14, note)
    return path


def test_pcapng_keeps_what_pcap_cannot(run: Run, mixed: Path, tmp_path: Path) -> None:
    run("replay", mixed, "--db", tmp_path / "s.duckdb")
    out = tmp_path / "o.pcapng"
    assert run("extract", tmp_path / "s.duckdb", "-o", out).code == 0
    assert frames_of(out) == frames_of(mixed)
    source = reread(str(out))
    notes = [f.notes[i] for f in source.batches() for i in range(f.count)]
    assert [(n.comments, n.flags) for n in notes] == [([f"number {n}"], 1) for n in range(8)]
    assert {i.name for i in source.interfaces} == {"eth0", "tun0"}
    assert "about all" in source.info.comments
    made = run("extract", tmp_path / "s.duckdb", "-o", tmp_path / "o.pcap")
    assert made.code == 1
    assert "write pcapng instead" in made.err
    assert not (tmp_path / "o.pcap").exists()


def test_several_captures_into_one_file(run: Run, capture: Path, mixed: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    run("replay", capture, mixed, "--db", db)
    out = tmp_path / "o.pcapng"
    assert run("extract", db, "--force", "-o", out).code == 0
    assert frames_of(out) == frames_of(capture) + frames_of(mixed)
    away = tmp_path / "away"
    away.mkdir()
    for path in (capture, mixed):
        shutil.move(path, away / f"renamed-{path.name}")
    assert run("extract", db, "--force", "-o", out).code == 3
    sources = [word for path in away.iterdir() for word in ("--source", path)]
    made = run("extract", db, "--force", "-o", out, *sources)
    assert made.code == 0, made.err
    assert run("verify", db, *sources).code == 0


def test_a_tunnel_brings_what_it_carries(run: Run, tmp_path: Path) -> None:
    inner = http_flow()
    gre = [ip_frame("203.0.113.1", "203.0.113.2", 47, b"\0\0\x08\0" + f[14:]) for f in inner]
    path = tmp_path / "gre.pcap"
    path.write_bytes(pcap(gre + dns_flow()))
    run("replay", path, "--db", tmp_path / "s.duckdb")
    out = tmp_path / "o.pcap"
    made = run("extract", tmp_path / "s.duckdb", "proto:gre", "-o", out)
    assert made.code == 0, made.err
    assert frames_of(out) == frames_of(path)[: len(gre)]


def test_verify_a_good_session(run: Run, session: Path) -> None:
    made = run("verify", session)
    assert made.code == 0, made.out
    assert "same size and SHA-256" in " ".join(made.out.split())
    assert "0 failed" in made.out
    data = json.loads(run("verify", session, "--json").out)
    assert data["ok"] is True
    checks = [finding["check"] for finding in data["findings"]]
    assert "flow_id in flows" in checks
    assert len(checks) <= 12  # what all tables have in common is one check, not one for each of them


def test_verify_without_the_capture_is_no_failure(run: Run, session: Path, capture: Path) -> None:
    capture.unlink()
    made = run("verify", session)
    assert made.code == 0
    assert "give its current path" in " ".join(made.out.split())
    assert "give its current path" not in run("verify", session, "--no-hash").out


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("DELETE FROM packets WHERE number = 4", "packet rows"),
        ("UPDATE packets SET number = 3 WHERE number = 4", "packet numbers"),
        ("UPDATE packets SET length = length + 1 WHERE number = 4", "wire bytes"),
        ("UPDATE http SET flow_id = 99", "http.flow_id"),
        ("DELETE FROM flows_ended WHERE flow_id = 1", "packets.flow_id"),
        ("UPDATE flows_ended SET src_packets = 77 WHERE flow_id = 1", "packet counts"),
    ],
)
def test_verify_finds_what_does_not_agree(run: Run, session: Path, harm: str, words: str) -> None:
    with duckdb.connect(str(session)) as con:
        con.execute(harm)
    made = run("verify", session)
    assert made.code == 1
    assert any(line.startswith("✗") and words in line for line in made.out.splitlines())


def test_verify_finds_a_changed_capture(run: Run, session: Path, capture: Path) -> None:
    data = bytearray(capture.read_bytes())
    data[-1] ^= 1
    capture.write_bytes(data)
    made = run("verify", session)
    assert made.code == 1
    assert "its SHA-256 differs" in " ".join(made.out.split())


@pytest.mark.parametrize("tool", ["scapy", "tshark"])
def test_a_packet_down_to_its_fields(run: Run, session: Path, tool: str) -> None:
    if tool == "scapy":
        pytest.importorskip("importlib.metadata").version("scapy")
    elif not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    made = run("show", session, "2", "--packet", "6", "--with", tool)
    assert made.code == 0, made.err
    assert "packet 6" in made.out
    assert SERVER in made.out
    assert CLIENT in made.out
    assert "shop.example" in made.out
    data = json.loads(run("show", session, "2", "--packet", "6", "--with", tool, "--json").out)
    assert len(data["layers"]) >= 3


def test_a_packet_of_another_flow_says_so(run: Run, session: Path) -> None:
    made = run("show", session, "2", "--packet", "1")
    assert made.code == 0
    assert "belongs to flow 1" in made.err


def test_doctor(run: Run) -> None:
    made = run("doctor")
    assert made.code in (0, 1)
    assert "duckdb" in made.out
    data = json.loads(run("doctor", "--json").out)
    assert {c["grade"] for c in data["checks"]} <= {"ok", "limited", "broken"}
    assert all(c["fix"] for c in data["checks"] if c["grade"] == "broken")


def test_tshark_agrees_with_what_was_extracted(run: Run, session: Path, capture: Path, tmp_path: Path) -> None:
    tshark = shutil.which("tshark")
    if not tshark:
        pytest.skip("tshark is not installed")
    run("extract", session, "-o", tmp_path / "o.pcapng")
    said = []
    for path in (capture, tmp_path / "o.pcapng"):
        command = [
            tshark,
            "-n",
            "-r",
            str(path),
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
            "-e",
            "frame.len",
            "-e",
            "tcp.seq_raw",
        ]
        said.append(subprocess.run(command, capture_output=True, check=True).stdout)
    assert said[0] == said[1]
