"""`rustnet live` of a user without privileges, whose rings the helper opens."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.helping import ALICE, AS_ALICE, Running
from tests.live.namespaces import sender
from tests.live.running import Live
from tests.support.packets import udp_frame
from tests.support.paths import ROOT

pytestmark = pytest.mark.root


@pytest.fixture
def own_folder(folder: Path) -> Path:
    """A directory of the user's, who can run this program."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    code = "import rustnet.ingest.live_run, pathlib; assert pathlib.Path(rustnet.__file__).stat()"
    if subprocess.run([*AS_ALICE, sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("other users cannot read this installation")
    made = folder / "own"
    made.mkdir()
    os.chown(made, ALICE, ALICE)
    return made


def test_rustnet_live_without_privileges(helper: Running, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    frames = [udp_frame(("10.0.0.1", 4000), ("10.0.0.2", port), bytes(50)) for port in (5, 6) * 20]
    capture = Live(own_folder / "s.duckdb", "-i", "a", "--helper", helper.socket, wrapper=AS_ALICE)
    with capture as live, sender("b") as out:
        for frame in frames:
            out.send(frame)
        live.wait_for("SELECT 1 FROM captures WHERE packets >= 40")
        for pid in live.processes():
            status = Path(f"/proc/{pid}/status").read_text()
            assert re.search(r"^CapPrm:\t0+$", status, re.MULTILINE), status
        assert live.stop() in (0, 130)
        assert "the helper opened the rings; only owners among this user" in live.errors
    assert live.rows("SELECT dst_port, src_packets FROM flows ORDER BY 1") == [(5, 20), (6, 20)]
    assert (own_folder / "s.duckdb").stat().st_uid == ALICE
    assert "user 65534" in helper.log


TALK = """
import socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    with socket.create_connection(server.getsockname()) as one, server.accept()[0] as other:
        for _ in range(15):
            one.sendall(b"x")
            other.recv(1)
            time.sleep(0.1)
"""


def test_owners_without_privileges_are_the_user_s_own(
    helper: Running, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    options = ("-i", "lo", "--helper", helper.socket)
    with Live(own_folder / "s.duckdb", *options, wrapper=AS_ALICE) as live:
        talks = [
            subprocess.Popen([*user, sys.executable, "-c", TALK, port])
            for user, port in ((AS_ALICE, "4001"), ((), "4002"))
        ]
        assert [talk.wait(20) for talk in talks] == [0, 0]
        live.wait_for("SELECT 1 FROM flows WHERE dst_port = 4002 AND src_packets > 15")
        live.stop()
    rows = live.rows("""
        SELECT f.dst_port, p.uid, f.unowned_reason FROM flows f LEFT JOIN processes p USING (process_id)
        WHERE f.dst_port IN (4001, 4002) ORDER BY 1""")
    assert rows == [(4001, ALICE, None), (4002, None, "ownerless")]


def test_rustnet_live_says_why_the_helper_refuses(
    helper: Running, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = [*AS_ALICE, sys.executable, "-m", "rustnet", "live", "--no-tui", "--db", str(own_folder / "s.duckdb")]
    refusals: tuple[tuple[list[str], str], ...] = (
        (["-i", "b", "--helper", helper.socket], "does not allow this user to capture on b"),
        (["-i", "a", "--promiscuous", "--helper", helper.socket], "does not allow promiscuous mode on a"),
        (["-i", "a", "--helper", "/nowhere"], "needs the privilege CAP_NET_RAW"),
    )
    for options, expected in refusals:
        done = subprocess.run([*words, *options], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 1
        assert expected in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert list(own_folder.iterdir()) == []
