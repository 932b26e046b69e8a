"""Raised alerts reach a program, a web address and the desktop, and nothing that these do reaches the run."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rustnet.alerts import delivery as delivery_module
from rustnet.alerts import outbox
from rustnet.alerts.delivery import Delivery, Targets, checked
from rustnet.alerts.engine import Raised
from rustnet.errors import UsageError
from tests.alerts.scene import AMERICA, Scene, chosen, talk
from tests.alerts.test_engine import HOSTILE, own
from tests.support.packets import SYN, tcp_frame

ONE = Raised(
    1, 1, "scan", "Scan", "high", "10.0.0.6 scans <b>10.0.0.1</b>", 1_700_000_000_000_000_000,
    1_700_000_001_000_000_000, 7, "scans", {"ports": "20"}, '{"src_ip":"10.0.0.6"}', '{"text":"\\u001b[31m"}',
)  # fmt: skip


def script(folder: Path, body: str, name: str = "program") -> str:
    """A program of the shell."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody, as whom programs run if the test runs as root, can write into."""
    folder = Path("/tmp") / f"rustnet-alerts-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers as the path asks for, and keeps what was posted."""

    posted: list[tuple[str, str | None, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).posted.append((self.path, self.headers["Content-Type"], body))
        if self.path == "/slow":
            time.sleep(3)
        if self.path.startswith("/moved"):
            self.send_response(307)
            self.send_header("Location", "file:///etc/hostname" if self.path == "/moved-file" else "/elsewhere")
        else:
            self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def do_GET(self) -> None:
        type(self).posted.append((self.path, "GET", b""))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Hook]]]:
    """Address of a server, and what is posted to it."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    handler = type("OneHook", (Hook,), {"posted": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def delivered(targets: Targets, *alerts: Raised) -> list[str]:
    """Deliver alerts; returns what went wrong."""
    delivery = Delivery(checked(targets), "s.duckdb")
    for each in alerts:
        delivery.send(each)
    return delivery.close()


def test_a_program_gets_the_alert_on_its_standard_input(open_folder: Path) -> None:
    program = script(open_folder, f'printf "%s|" "$#" "$1" > {open_folder}/args; cat > {open_folder}/alert')
    assert delivered(Targets(command=(program, "$(id)")), ONE) == []
    assert json.loads((open_folder / "alert").read_text()) == {
        "alert": "scan", "id": 1, "title": "Scan", "severity": "high", "summary": ONE.summary, "ts": ONE.ts,
        "raised_at": ONE.raised_at, "session": "s.duckdb", "capture": 1, "flow": 7, "query": "scans",
        "parameters": {"ports": "20"}, "keys": {"src_ip": "10.0.0.6"}, "row": {"text": "\x1b[31m"},
    }  # fmt: skip
    assert "\x1b" not in (open_folder / "alert").read_text()
    assert (open_folder / "args").read_text() == "1|$(id)|"  # no shell between


def test_one_program_at_a_time(open_folder: Path) -> None:
    body = f"cd {open_folder}; [ -e busy ] && echo twice >> wrong; : > busy; sleep 0.1; rm busy; cat >> alerts"
    assert delivered(Targets(command=(script(open_folder, body),)), *[ONE] * 8) == []
    assert not (open_folder / "wrong").exists()
    assert len((open_folder / "alerts").read_text().splitlines()) == 8


def test_only_what_is_severe_enough_is_delivered(open_folder: Path) -> None:
    program = script(open_folder, f"cat >> {open_folder}/alerts")
    low = replace(ONE, severity="low")
    assert delivered(Targets(command=(program,), least="medium"), low, ONE, low) == []
    assert len((open_folder / "alerts").read_text().splitlines()) == 1


def test_a_program_that_fails_is_stated(open_folder: Path) -> None:
    words = delivered(Targets(command=(script(open_folder, "exit 3"),)), ONE, ONE)
    assert words == ["2 alerts were not delivered to command (exit code 3)"]


def test_a_program_that_hangs_is_killed_with_what_it_started(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "JOB_SECONDS", 0.5)
    program = script(open_folder, f"sleep 1000 & echo $! $$ > {open_folder}/pids; wait")
    begun = time.monotonic()
    words = delivered(Targets(command=(program,)), ONE)
    assert words == ["1 alert was not delivered to command (took longer than 0.5 s)"]
    assert time.monotonic() - begun < 4
    assert gone(open_folder / "pids")


def test_the_end_of_a_run_waits_for_a_bounded_time(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LAST_SECONDS", 0.5)
    program = script(open_folder, f"echo $$ >> {open_folder}/pids; sleep 1000")
    begun = time.monotonic()
    words = delivered(Targets(command=(program,)), *[ONE] * 5)
    assert time.monotonic() - begun < 4
    assert words == ["5 alerts were not delivered to command (the run had ended)"]
    assert gone(open_folder / "pids")


def gone(pids: Path) -> bool:
    """Whether no process of a list is left, or soon is."""
    until = time.monotonic() + 3
    numbers = [int(word) for word in pids.read_text().split()]
    assert numbers
    while time.monotonic() < until:
        if not any(_lives(number) for number in numbers):
            return True
        time.sleep(0.02)
    return False


def _lives(number: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def test_alerts_are_posted(hook: tuple[str, type[Hook]]) -> None:
    address, handler = hook
    assert delivered(Targets(webhook=f"{address}/here?a=1"), ONE, ONE) == []
    assert [path for path, _kind, _body in handler.posted] == ["/here?a=1"] * 2
    assert handler.posted[0][1] == "application/json"
    assert json.loads(handler.posted[0][2])["summary"] == ONE.summary
    assert handler.posted[0][2].isascii()


@pytest.mark.parametrize(("path", "words"), [("/broken", "500"), ("/moved", "307"), ("/moved-file", "307")])
def test_other_answers_are_failures_and_redirections_are_not_followed(
    hook: tuple[str, type[Hook]], path: str, words: str
) -> None:
    address, handler = hook
    (sentence,) = delivered(Targets(webhook=address + path), ONE)
    assert sentence.startswith("1 alert was not delivered to webhook (HTTP Error " + words)
    assert [each[0] for each in handler.posted] == [path]


def test_a_server_that_is_not_there_and_one_that_is_slow(
    hook: tuple[str, type[Hook]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "JOB_SECONDS", 0.5)
    (sentence,) = delivered(Targets(webhook=hook[0] + "/slow"), ONE)
    assert "timed out" in sentence or "took longer than 0.5 s" in sentence
    (sentence,) = delivered(Targets(webhook="http://127.0.0.1:1/"), ONE)
    assert "Connection refused" in sentence


def test_notifications_have_harmless_text(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = script(open_folder, f'for word; do printf "%s\\n" "$word"; done > {open_folder}/words', "notify-send")
    monkeypatch.setattr(delivery_module, "find_program", lambda name: program if name == "notify-send" else None)
    alert = replace(ONE, title=f"--exec={HOSTILE}", summary=HOSTILE)
    assert delivered(Targets(desktop=True), ONE, alert) == []
    *options, mark, shown_title, text = (open_folder / "words").read_text().removesuffix("\n").split("\n")
    assert (options, mark) == (["--app-name=rustnet", "--urgency=critical"], "--")
    assert shown_title.startswith("rustnet: --exec=a\\x1b]0;owned")
    assert len(shown_title) <= 100
    assert text.startswith("a\\x1b]0;owned\\x07\\u202eb\\n") or "\\x1b" in text
    assert len(text) <= 300


def test_markup_of_notifications_is_escaped(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = script(open_folder, f'for word; do printf "%s\\n" "$word"; done > {open_folder}/words', "notify-send")
    monkeypatch.setattr(delivery_module, "find_program", lambda name: program)
    assert delivered(Targets(desktop=True), ONE) == []
    assert "10.0.0.6 scans &lt;b&gt;10.0.0.1&lt;/b&gt;" in (open_folder / "words").read_text()


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (Targets(command=("/nonexistent/program",)), "is not a program that can be run"),
        (Targets(command=("./program",)), "give its absolute path"),
        (Targets(command=("no-such-program-anywhere",)), "there is no such program"),
        (Targets(command=(__file__,)), "is not a program that can be run"),
        (Targets(command=("/",)), "is not a program that can be run"),
    ],
)
def test_targets_that_cannot_work_are_refused(targets: Targets, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checked(targets)


def test_no_desktop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "find_program", lambda name: None)
    with pytest.raises(UsageError, match="notify-send"):
        checked(Targets(desktop=True))


def test_many_alerts_do_not_hold_up_the_run(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not even read: what does not fit is counted, and nothing waits."""
    monkeypatch.setattr(outbox, "serve", lambda *_: time.sleep(60))
    monkeypatch.setattr(delivery_module, "WAITING", 100_000)
    monkeypatch.setattr(delivery_module, "LAST_SECONDS", 0.1)
    monkeypatch.setattr(delivery_module, "_MARGIN", 0.1)
    delivery = Delivery(Targets(command=(script(open_folder, "true"),)), "s.duckdb")
    begun = time.monotonic()
    for _number in range(5000):
        delivery.send(ONE)
    words = delivery.close()
    assert time.monotonic() - begun < 3
    assert words[0].startswith("the process that delivers alerts ended early")
    assert "alerts were not delivered: too many waited" in words[1]


def test_the_queue_is_bounded(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "QUEUE", 3)
    program = script(open_folder, f"sleep 0.2; cat >> {open_folder}/alerts")
    (words,) = delivered(Targets(command=(program,)), *[ONE] * 30)
    assert words.endswith("not delivered to command (too many waited)")
    assert 1 <= len((open_folder / "alerts").read_text().splitlines()) <= 10


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose rights are given up")
@pytest.mark.parametrize("by_sudo", [False, True], ids=["root", "sudo"])
def test_what_is_started_is_never_root(open_folder: Path, monkeypatch: pytest.MonkeyPatch, by_sudo: bool) -> None:
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.setenv(name, "4321") if by_sudo else monkeypatch.delenv(name, raising=False)
    program = script(
        open_folder, f"cat /proc/self/status > {open_folder}/status; ls -l /proc/self/fd > {open_folder}/fds"
    )
    assert delivered(Targets(command=(program,)), ONE) == []
    status = dict(line.split(":\t", 1) for line in (open_folder / "status").read_text().splitlines() if ":\t" in line)
    expected = "4321" if by_sudo else "65534"
    assert status["Uid"].split() == status["Gid"].split() == [expected] * 4
    assert status["Groups"].split() == []
    assert status["NoNewPrivs"] == "1"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    links = [line.split(" -> ")[1] for line in (open_folder / "fds").read_text().splitlines() if " -> " in line]
    assert len(links) <= 4, links  # the standard ones, and the directory that ls reads


def test_the_environment_has_no_secrets_and_no_relative_path(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSTNET_SECRET", "hidden")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("PATH", f".:relative:{os.environ['PATH']}")
    assert (
        delivered(Targets(command=(script(open_folder, f"env > {open_folder}/env; pwd > {open_folder}/pwd"),)), ONE)
        == []
    )
    kept = dict(line.split("=", 1) for line in (open_folder / "env").read_text().splitlines() if "=" in line)
    assert "RUSTNET_SECRET" not in kept
    assert "LD_PRELOAD" not in kept
    assert all(part.startswith("/") for part in kept["PATH"].split(":"))
    assert (open_folder / "pwd").read_text() == "/\n"


def test_a_run_delivers_and_states_what_it_could_not(open_folder: Path, scene: Scene) -> None:
    scan = [(1 + n / 1000, tcp_frame(("10.0.0.6", 50000), (AMERICA, 1000 + n), 1, 0, SYN)) for n in range(40)]
    path = scene.capture([*talk(0, 1, AMERICA), *scan])
    good = script(open_folder, f"cat > {open_folder}/alert")
    scene.replay(path, *chosen("scan"), targets=Targets(command=(good,)))
    assert scene.report is not None
    assert scene.report.notes == []
    alert = json.loads((open_folder / "alert").read_text())
    assert (alert["alert"], alert["session"]) == ("scan", str(scene.session))
    scene.session.unlink()
    scene.replay(path, *chosen("scan"), targets=Targets(command=(script(open_folder, "exit 1", "bad"),)))
    assert scene.report.notes == ["1 alert was not delivered to command (exit code 1)"]


def test_hostile_values_reach_a_program_as_data_only(open_folder: Path, scene: Scene) -> None:
    text = "chr(27) || ']0;owned' || chr(7) || '$(touch pwned) `id` \"; rm -rf /' || repeat('x', 100000)"
    program = script(open_folder, f'cat > {open_folder}/alert; echo "$#" > {open_folder}/count')
    alert = own(f"SELECT {text} AS what FROM captures")
    scene.replay(scene.capture(talk(0, 1, AMERICA)), alert, targets=Targets(command=(program,)))
    raw = (open_folder / "alert").read_bytes()
    assert len(raw) < 20_000
    assert raw.isascii()
    assert b"\x1b" not in raw
    assert json.loads(raw)["row"]["what"].startswith("\x1b]0;owned\x07$(touch pwned)")
    assert (open_folder / "count").read_text() == "0\n"


PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.alerts.test_delivery import ONE, Delivery, Targets
delivery = Delivery(Targets(command=({program!r},)), "s.duckdb")
delivery.send(ONE)
print(delivery.pid, flush=True)
time.sleep(60)
"""


def test_no_process_is_left_when_the_run_is_killed(open_folder: Path) -> None:
    program = script(open_folder, f"echo $$ > {open_folder}/pids; sleep 1000")
    root = str(Path(__file__).resolve().parents[2])
    code = PROGRAM.format(root=root, program=program)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        until = time.monotonic() + 5
        while not (open_folder / "pids").exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
    until = time.monotonic() + outbox.LAST_SECONDS + 2
    while _lives(number) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(number)
    assert gone(open_folder / "pids")


def test_interrupts_are_not_for_the_process_that_delivers(open_folder: Path) -> None:
    delivery = Delivery(Targets(command=(script(open_folder, f"cat > {open_folder}/alert"),)), "s.duckdb")
    time.sleep(0.3)
    os.kill(delivery.pid, signal.SIGINT)
    delivery.send(ONE)
    assert delivery.close() == []
    assert (open_folder / "alert").exists()
