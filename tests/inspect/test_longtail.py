"""``--with tshark``: what no parser knew is named by the real tshark, in a process of its own, within its limits."""

import importlib.util
import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.derive import unknown_apps
from rustnet.derive.passes import Evidence
from rustnet.derive.unknown_apps import UNKNOWN_APPS
from rustnet.ingest.refresh import refresh
from rustnet.inspect import longtail
from tests.support.command_line import Run
from tests.support.conversations import CLIENT, SERVER, dns_flow
from tests.support.packets import tcp_frame, udp_frame
from tests.support.paths import ROOT
from tests.support.pcap import pcap

needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None or importlib.util.find_spec("pyshark") is None, reason="needs tshark and pyshark"
)

# A controller is asked for its settings: TPKT (RFC 1006), COTP, S7 communication.
CONNECT = bytes.fromhex("0300001611e00000000100c1020100c2020102c0010a")
CONFIRM = bytes.fromhex("0300001611d00001000100c0010ac1020100c2020102")
SETUP = bytes.fromhex("0300001902f08032010000040000080000f0000001000101e0")
AGREED = bytes.fromhex("0300001b02f080320300000400000800000000f0000001000100f0")


def s7(port: int = 40100) -> list[bytes]:
    a, b = (CLIENT, port), (SERVER, 102)
    frames = [tcp_frame(a, b, 100, 0, 2), tcp_frame(b, a, 500, 101, 18), tcp_frame(a, b, 101, 501, 16)]
    mine, theirs = 101, 501
    for asked, told in ((CONNECT, CONFIRM), (SETUP, AGREED)):
        frames += [tcp_frame(a, b, mine, theirs, 24, asked), tcp_frame(b, a, theirs, mine + len(asked), 24, told)]
        mine, theirs = mine + len(asked), theirs + len(told)
    return frames


def noise(port: int = 40200) -> list[bytes]:
    return [udp_frame((CLIENT, port), (SERVER, 40999), bytes(range(200, 232)))]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "plant.pcap"
    path.write_bytes(pcap(s7() + dns_flow() + noise()))
    return path


def apps(run: Run, session: Path) -> list[tuple[Any, ...]]:
    made = run("query", session, "--sql", "SELECT protocol, app, app_source FROM flows ORDER BY flow_id", "-f", "jsonl")
    assert made.code == 0, made.err
    return [tuple(json.loads(line).values()) for line in made.out.splitlines()]


NAMED = [("tcp", "s7comm", "tshark"), ("udp", "dns", "payload"), ("udp", None, None)]


@pytest.mark.parametrize(
    ("chain", "protocol", "inside", "name"),
    [
        ("eth:ethertype:ip:udp:bvlc:bacnet", "udp", False, "bvlc"),
        ("eth:ethertype:ip:tcp:tpkt:cotp:s7comm", "tcp", False, "s7comm"),
        ("eth:ethertype:ip:tcp:tpkt:cotp", "tcp", False, "cotp"),
        ("eth:ethertype:ip:tcp:nbss:smb2", "tcp", False, "smb"),
        ("eth:ethertype:ip:tcp:tls:http2", "tcp", False, "tls"),
        ("eth:ethertype:ip:tcp:PGSQL", "tcp", False, "postgresql"),
        ("eth:ethertype:ip:udp:data", "udp", False, None),
        ("eth:ethertype:ip:tcp", "tcp", False, None),
        ("eth:ethertype:ip:tcp:data:vssmonitoring", "tcp", False, None),
        ("eth:ethertype:ip:udp:hl7:_ws.malformed", "udp", False, None),
        ("eth:ethertype:ip:icmp:ip:udp", "tcp", False, None),
        ("eth:ethertype:ip:udp:gtp:ip:udp:dns", "udp", False, "gtp"),
        ("eth:ethertype:ip:udp:gtp:ip:udp:dns", "udp", True, "dns"),
        ("eth:ethertype:ip:udp:a b\x1b[31m", "udp", False, None),
        ("eth:ethertype:ip:udp:" + "x" * 41, "udp", False, None),
        ("", "udp", False, None),
    ],
)
def test_the_app_is_the_protocol_above_the_transport(chain: str, protocol: str, inside: bool, name: str | None) -> None:
    assert unknown_apps.app_name(chain, protocol, inside) == name


def test_most_frames_decide_and_a_partial_answer_is_used() -> None:
    shown = [(n, flow, "udp", False) for n, flow in enumerate((1, 1, 1, 2, 2, 3), 1)]
    chains = ["ip:udp:cotp", "ip:udp:data", "ip:udp:hl7", "ip:udp:a", "ip:udp:b"]
    assert unknown_apps.apps_by_flow(shown, chains) == {1: "hl7", 2: "a"}


@needs_tshark
def test_unknown_flows_are_identified(run: Run, mixed: Path, tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    made = run("replay", mixed, "--db", session, "--with", "tshark")
    assert made.code == 0, made.err
    assert f"{mixed}: tshark named 1 of 2 flows" in made.err
    assert apps(run, session) == NAMED
    assert "s7comm" in made.out
    assert "by tshark" in run("show", session, "1").out
    assert [line for line in run("flows", session, "app:s7comm").out.splitlines() if SERVER in line]


@needs_tshark
def test_a_capture_already_in_the_session_is_decoded(run: Run, mixed: Path, tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", mixed, "--db", session).code == 0
    assert apps(run, session)[0] == ("tcp", None, None)
    made = run("replay", mixed, "--db", session, "--with", "tshark")
    assert made.code == 0, made.err
    assert apps(run, session) == NAMED
    again = run("replay", mixed, "--db", session, "--with", "tshark")
    assert "tshark named 0 of 1 flows" in again.err, "what it has named is not asked about again"


@needs_tshark
def test_the_program_itself_never_imports_pyshark(mixed: Path, tmp_path: Path) -> None:
    code = f"""
        import sys
        from rustnet.cli.main import main
        assert main(["replay", {str(mixed)!r}, "--db", {str(tmp_path / "s.duckdb")!r}, "--with", "tshark"]) == 0
        assert not [name for name in sys.modules if name.startswith(("pyshark", "asyncio.subprocess"))]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=ROOT, capture_output=True)


@needs_tshark
def test_output_before_the_time_limit_is_used(
    run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longtail, "SECONDS", 0)
    session = tmp_path / "s.duckdb"
    made = run("replay", mixed, "--db", session, "--with", "tshark", "--strict")
    assert made.code == 4, made.err
    assert "stopped after 0 s" in made.err
    kinds = run("query", session, "--sql", "SELECT kind, count FROM anomalies", "-f", "csv").out
    assert "tshark_incomplete,2" in kinds


@needs_tshark
def test_a_hanging_worker_is_killed_with_its_children(
    run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longtail, "_GRACE", 0.01 - longtail.SECONDS)
    session = tmp_path / "s.duckdb"
    made = run("replay", mixed, "--db", session, "--with", "tshark")
    assert made.code == 1
    assert "exceeded the time limit" in made.err
    assert "Protocols" in made.out, "the session is whole without it"
    assert apps(run, session)[0] == ("tcp", None, None)
    assert "tshark_incomplete" in run("query", session, "--sql", "FROM anomalies", "-f", "csv").out


@needs_tshark
def test_a_changed_capture_is_rejected(mixed: Path, run: Run, tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", mixed, "--db", session).code == 0
    mixed.write_bytes(pcap(dns_flow()[:1]))
    ((_, outcome),) = refresh(str(session), [UNKNOWN_APPS], Evidence(decoder=longtail.decode_packets))
    assert outcome.changed == 0
    assert len(outcome.failures) == 1
    assert outcome.failures[0].count(str(mixed)) == 1


@needs_tshark
def test_captures_from_a_pipe_are_reported(run: Run, capture: Path, mixed: Path, tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", mixed, "--db", session).code == 0
    con = duckdb.connect(str(session))
    con.execute("UPDATE captures SET source = '-'").fetchall()
    con.close()
    made = run("refresh", session, "unknown-apps")
    assert made.code == 3
    assert made.err == "rustnet: error: -: cannot be read again, so tshark was not run; replay a file\n"


@pytest.mark.parametrize(
    ("attribute", "missing", "words"),
    [("program", lambda: None, "apt install tshark"), ("find_spec", lambda name: None, "pip install pyshark")],
)
def test_a_missing_tool_is_reported_before_reading(
    run: Run,
    mixed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    missing: Callable[..., None],
    words: str,
) -> None:
    if attribute == "program":
        monkeypatch.setattr(longtail, "program", missing)
    else:
        monkeypatch.setattr(longtail, "program", lambda: "/usr/bin/tshark")
        monkeypatch.setattr(importlib.util, "find_spec", missing)
    made = run("replay", mixed, "--db", tmp_path / "s.duckdb", "--with", "tshark")
    assert made.code == 1
    assert words in made.err
    assert made.err.count("\n") == 1
    assert not (tmp_path / "s.duckdb").exists()


@needs_tshark
def test_a_worker_without_an_answer_is_reported(
    run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", mixed, "--db", session).code == 0
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ((_, outcome),) = refresh(str(session), [UNKNOWN_APPS], Evidence(decoder=longtail.decode_packets))
    assert outcome.changed == 0
    assert [words for words in outcome.failures if "gave no answer" in words] == outcome.failures != []
