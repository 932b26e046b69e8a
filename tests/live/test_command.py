"""``rustnet live`` as users start it, on interfaces of a namespace of the test's own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.errors import ExitCode
from tests.live.namespaces import Namespace
from tests.live.running import RUSTNET, Live, fetch, serve_web

pytestmark = pytest.mark.root


@pytest.fixture
def web(namespace: Namespace) -> Iterator[Namespace]:
    """A namespace with a web server."""
    server = serve_web()
    yield namespace
    server.kill()
    server.communicate()


def fails(*options: str, code: ExitCode, wrapper: tuple[str, ...] = ()) -> str:
    """What the command prints when it fails at once."""
    done = subprocess.run(
        [*wrapper, *RUSTNET, "live", "--no-tui", *options], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == code, done.stderr
    assert not done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_conversation_is_stored_and_can_be_asked_for_while_it_runs(web: Namespace, tmp_path: Path) -> None:
    with Live(tmp_path / "s.duckdb", "-i", "lo") as live:
        assert len(live.processes()) == 3, "command, parser, probe"
        fetch()
        rows = live.wait_for("SELECT app, hostname, dst_port, src_packets > 3 FROM flows WHERE app = 'http'")
        assert rows == [("http", "shop.example", 8080, True)]
        assert live.rows("SELECT kind, source, finished FROM captures") == [("live", "lo", False)]
        assert live.stop() == ExitCode.DONE
    assert live.processes() == []
    assert live.errors == ""
    assert "✓ complete" in live.output
    assert live.rows("SELECT complete, finished, packets FROM captures")[0][:2] == (True, True)
    assert live.rows("SELECT status FROM http") == [(200,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_by_signals_and_leaves_no_process(namespace: Namespace, tmp_path: Path, number: int) -> None:
    with Live(tmp_path / "s.duckdb", "-i", "lo") as live:
        assert live.stop(number) == ExitCode.DONE
    assert live.processes() == []
    assert live.rows("SELECT complete, finished, packets FROM captures") == [(True, True, 0)]


def test_it_ends_after_so_many_packets_or_seconds(web: Namespace, tmp_path: Path) -> None:
    with Live(tmp_path / "s.duckdb", "-i", "lo", "--packets", "3") as live:
        fetch()
        live.process.wait(10)
        assert live.stop() == ExitCode.DONE
    assert live.rows("SELECT packets FROM captures") == [(3,)]
    short = Live(tmp_path / "t.duckdb", "-i", "lo", "--duration", "0.5")
    short.process.wait(15)
    assert short.stop() == ExitCode.DONE


def test_the_filter_and_the_snap_length_hold(web: Namespace, tmp_path: Path) -> None:
    with Live(tmp_path / "s.duckdb", "-i", "lo", "-f", "tcp src port 8080", "--snaplen", "60") as live:
        fetch()
        live.wait_for("SELECT 1 FROM flows")
        live.stop()
    assert live.rows("SELECT DISTINCT src_packets = 0 OR dst_packets = 0 FROM flows") == [(True,)]
    assert live.rows("SELECT max(captured), bool_or(length > 60) FROM packets") == [(60, True)]
    assert live.rows("SELECT snaplen, truncated > 0 FROM captures") == [(60, True)]


def test_errors_name_what_is_wrong(namespace: Namespace, tmp_path: Path) -> None:
    words = fails("-i", "eth77", code=ExitCode.USAGE)
    assert "eth77" in words
    assert "lo" in words.split("eth77")[1], "the interfaces that there are"
    words = fails("-i", "lo", "-f", "tcp prt 80", code=ExitCode.USAGE)
    assert "column 5" in words


def test_without_privilege_it_says_what_grants_it(namespace: Namespace) -> None:
    wrapper = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
    words = fails("-i", "lo", code=ExitCode.FAILURE, wrapper=wrapper)
    assert "CAP_NET_RAW" in words
    assert "sudo" in words


def test_another_capture_is_added_to_a_session(web: Namespace, tmp_path: Path) -> None:
    for captures in (1, 2):
        with Live(tmp_path / "s.duckdb", "-i", "lo") as live:
            fetch()
            live.wait_for(f"SELECT 1 FROM flows WHERE app = 'http' AND capture_id = {captures}")
            live.stop()
    assert live.rows("SELECT capture_id, count(*) FROM flows GROUP BY 1 ORDER BY 1") == [(1, 1), (2, 1)]


def test_the_session_is_its_users_alone(namespace: Namespace, tmp_path: Path) -> None:
    with Live(tmp_path / "s.duckdb", "-i", "lo") as live:
        live.stop()
    assert (tmp_path / "s.duckdb").stat().st_mode & 0o777 == 0o600


def test_the_death_of_the_probe_is_recorded_and_capturing_goes_on(web: Namespace, tmp_path: Path) -> None:
    with Live(tmp_path / "s.duckdb", "-i", "lo") as live:
        children = Path(f"/proc/{live.process.pid}/task/{live.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)  # the probe is started first
        assert live.wait_for("SELECT detail FROM anomalies WHERE kind = 'probe_ended'")
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http'")
        assert live.stop() == ExitCode.DONE
    assert live.processes() == []


def test_libpcap_captures_in_one_process_with_owners_from_psutil(web: Namespace, tmp_path: Path) -> None:
    pytest.importorskip("cypcap")
    with Live(
        tmp_path / "s.duckdb", "-i", "lo", "--libpcap", "--no-sandbox", "--no-uid-drop", "-f", "tcp port 8080"
    ) as live:
        assert len(live.processes()) == 1
        fetch()
        live.wait_for("SELECT 1 FROM flows WHERE app = 'http'")
        assert live.stop() == ExitCode.DONE
    assert live.rows("SELECT kind, complete, packets > 6, dropped_kernel FROM captures") == [("live", True, True, 0)]
    assert live.rows(
        "SELECT DISTINCT listening, local_port, process_name LIKE 'python%' FROM sockets WHERE listening"
    ) == [(True, 8080, True)]
    assert live.rows("SELECT sum(packets) = (SELECT packets FROM captures) FROM capture_stats") == [(True,)]
