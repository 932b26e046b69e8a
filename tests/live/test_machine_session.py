"""What a session knows of the machine that ``rustnet live`` ran on, while real programs changed it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rustnet.query.session import open_session
from tests.live.namespaces import Namespace
from tests.live.running import RUSTNET, Live, fetch, serve_web

pytestmark = pytest.mark.root


@pytest.fixture
def web(namespace: Namespace) -> Iterator["subprocess.Popen[str]"]:
    """A web server in the test's namespace."""
    server = serve_web()
    yield server
    server.kill()
    server.communicate()


def listed(command: str, session: Path, *options: str) -> str:
    done = subprocess.run([*RUSTNET, command, str(session), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_session_knows_the_machine(namespace: Namespace, web: "subprocess.Popen[str]", tmp_path: Path) -> None:
    namespace.veth("a", "b")
    namespace.run("ip addr add 10.1.0.1/24 dev a")
    with Live(tmp_path / "s.duckdb", "-i", "a", "-i", "lo") as live:
        live.wait_for("SELECT 1 FROM socket_changes")
        fetch()
        before = time.time_ns()
        namespace.run("ip route add 10.7.0.0/16 via 10.1.0.9")
        namespace.run("ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev a")
        late = socket.create_server(("127.0.0.1", 8081))
        opened = live.wait_for(
            "SELECT pid, epoch_ns(opened_at) FROM sockets WHERE local_port = 8081 AND opened_at IS NOT NULL", 15
        )
        assert opened[0][0] == os.getpid()
        late.close()
        namespace.run("ip link set dev a down")
        live.wait_for("SELECT 1 FROM routes WHERE destination = '10.7.0.0/16' AND removed_at IS NOT NULL", 15)
        running = listed("sockets", live.session, "--listening", "port:8080", "-f", "jsonl")
        live.stop()
    assert running.count("\n") == 1, "a session that is being written answers too"
    assert live.rows("SELECT closed_at > opened_at FROM sockets WHERE local_port = 8081") == [(True,)]
    kernel = os.uname().release
    assert live.rows("SELECT hostname, kernel, len(boot_id) FROM machine") == [(socket.gethostname(), kernel, 36)]
    assert live.rows("SELECT DISTINCT interface_name FROM interface_stats ORDER BY 1") == [("a",), ("lo",)]
    rows = live.rows("SELECT count(*), sum(rx_packets), max(span_ms) FROM interface_stats WHERE interface_name = 'lo'")
    (count, packets, longest) = rows[0]
    assert count > 5  # type: ignore[operator]
    assert packets == live.rows("SELECT count(*) FROM packets WHERE interface = 1")[0][0]
    assert longest < 3000  # type: ignore[operator]
    (route,) = live.rows("SELECT epoch_ns(added_at), epoch_ns(removed_at) FROM routes WHERE gateway = '10.1.0.9'")
    assert before < route[0] < route[1] < time.time_ns()  # type: ignore[operator]
    assert live.rows("SELECT mac, state FROM neighbours WHERE ip = '10.1.0.9'") == [("02:00:00:00:00:09", "permanent")]
    states = live.rows("SELECT change, up FROM machine_interfaces WHERE name = 'a' ORDER BY ts")
    assert states[0] == ("present", True)
    assert ("changed", False) in states
    assert live.rows("SELECT kind FROM anomalies WHERE kind = 'machine_not_recorded'") == []
    with open_session(live.session) as session:
        (served,) = records(session.sockets("port:8080", listening=True))
        assert (served["pid"], served["opened_at"], served["exe"]) == (web.pid, None, os.path.realpath(sys.executable))
        owned = session.sql("SELECT process_id FROM processes WHERE pid = ?", [web.pid]).rows
        assert [(served["process_id"],)] == owned, "the owner of the flow and of the socket are one"
        middle = records(session.sockets("port:8081", at=opened[0][1]))  # type: ignore[arg-type]
        assert [row["process_name"] for row in middle] == [name_of(os.getpid())]


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def records(result: Any) -> list[dict[str, Any]]:
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]
