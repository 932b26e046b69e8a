"""The sandbox around hostile bytes: what a confined process cannot do, which calls it needs, what becomes of a run."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb
import pytest

from rustnet.errors import ExitCode
from rustnet.sandbox import IN_FORCE, LAYERS, NOT_NEEDED, PARTIAL, try_out
from rustnet.sandbox.calls import ALLOWED, FATAL
from tests.support.conversations import dns_flow, http_flow
from tests.support.effort import wait_until
from tests.support.paths import CORPUS, ROOT, SAMPLES
from tests.support.pcap import pcap

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
REPLAY = [sys.executable, "-m", "rustnet", "replay", "--no-tui", "--no-sidecar"]
STRACE = shutil.which("strace")
CAPTURES = sorted(path for path in SAMPLES.iterdir() if path.suffix in {".pcap", ".pcapng", ".zst"})
STATES = {layer.name: layer for layer in try_out()} if sys.platform == "linux" else {}
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root has what is given up")
needs_filter = pytest.mark.skipif(
    STATES.get("system_calls") is None or STATES["system_calls"].state != IN_FORCE, reason="no filter of system calls"
)
needs_landlock = pytest.mark.skipif(
    STATES.get("landlock") is None or STATES["landlock"].state != IN_FORCE, reason="no Landlock with scopes"
)


def test_each_layer_states_what_it_is() -> None:
    assert tuple(STATES) == LAYERS
    assert all(layer.state in {IN_FORCE, PARTIAL, NOT_NEEDED, "unavailable"} for layer in STATES.values())
    assert all(layer.detail for layer in STATES.values() if layer.state != IN_FORCE)


# ---- what a confined process cannot do -------------------------------------------------------------------------------

TRIAL = """
import ctypes, errno, mmap, os, signal, socket, struct, sys
from rustnet.sandbox import confine, confinement
mode, readable = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
stranger = os.fork()
if not stranger:
    signal.pause()
ours, theirs = socket.socketpair()
server = socket.create_server(("127.0.0.1", 0))
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(b"\\0rustnet-test-%d" % os.getpid())
abstract.listen()
own_unix, own_tcp, own_udp = socket.socket(socket.AF_UNIX), socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
tried = os.fork()
if not tried:
    try:
        if mode == "landlock":
            confinement._system_calls = lambda channels: ("off", "")
        if mode != "nothing":
            confine()
        try:
            {attempt}
            answer = "DONE"
        except OSError as error:
            answer = errno.errorcode[error.errno]
        theirs.sendall(answer.encode())
    finally:
        os._exit(0)
theirs.close()
answer = ours.recv(100).decode()
status = os.waitpid(tried, 0)[1]
os.kill(stranger, signal.SIGKILL)
print(answer or (signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "DONE"))
"""
ATTEMPTS = {
    "open /etc/shadow": 'os.open("/etc/shadow", os.O_RDONLY)',
    "read another file": "os.open(readable, os.O_RDONLY)",
    "write a file": "os.open(readable, os.O_WRONLY | os.O_CREAT)",
    "list a directory": 'os.listdir("/")',
    "connect by TCP": 'own_tcp.connect(server.getsockname())',
    "connect by UDP": 'own_udp.connect(("127.0.0.1", 9))',
    "listen": 'own_tcp.bind(("127.0.0.1", 0))',
    "open an internet socket": "socket.socket(socket.AF_INET)",
    "open a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "connect to an abstract socket": "own_unix.connect(abstract.getsockname())",
    "start a program": 'os.execv("/bin/true", ["true"])',
    "trace a stranger": "checked(libc.ptrace(16, stranger, 0, 0))",
    "signal a stranger": "os.kill(stranger, 0)",
    "write to the terminal": 'os.write(2, b"")',
    "new code in memory": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    "a file in memory": 'os.memfd_create("x")',
    "a pair of datagram sockets": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a namespace": "checked(libc.unshare(0x00020000))",
    "root again": "os.setuid(0)",
}  # fmt: skip
OF_LANDLOCK = (
    "open /etc/shadow", "read another file", "write a file", "list a directory", "connect by TCP", "listen",
    "connect to an abstract socket", "start a program", "trace a stranger", "signal a stranger",
)  # fmt: skip
FATAL_ATTEMPTS = {
    "connect by TCP", "connect by UDP", "listen", "open an internet socket", "open a packet socket",
    "connect to an abstract socket", "start a program", "trace a stranger", "signal a stranger", "a file in memory",
    "a namespace",
}  # fmt: skip


def outcome(attempt: str, mode: str, folder: Path) -> str:
    """What becomes of an attempt: ``DONE``, the name of an error, or of the signal that ended the process."""
    readable = folder / "readable"
    readable.write_text("x")
    script = TRIAL.replace("{attempt}", ATTEMPTS[attempt])
    command = [sys.executable, "-c", script, mode, str(readable)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=30).stdout.strip()


@needs_root
@needs_filter
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_it_cannot(attempt: str, tmp_path: Path) -> None:
    assert outcome(attempt, "all", tmp_path) == ("SIGSYS" if attempt in FATAL_ATTEMPTS else "EPERM")


@needs_root
@needs_landlock
@pytest.mark.parametrize("attempt", OF_LANDLOCK)
def test_without_the_filter_it_still_cannot(attempt: str, tmp_path: Path) -> None:
    assert outcome(attempt, "landlock", tmp_path) in {"EACCES", "EPERM"}


@needs_root
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_another_process_can(attempt: str, tmp_path: Path) -> None:
    """Otherwise the tests above would show nothing."""
    assert outcome(attempt, "nothing", tmp_path) == "DONE"


# ---- the process of a replay -----------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    listed = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for part in listed for child in part]


@needs_root
@needs_filter
@pytest.mark.parametrize("workers", [0, 2])
def test_what_the_kernel_says_of_the_processes_of_a_replay(workers: int, tmp_path: Path) -> None:
    fifo, db = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    command = [*REPLAY, "--workers", str(workers), "--db", str(db), str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT) as replay:
        with fifo.open("wb", buffering=0) as writing:
            writing.write(pcap(http_flow()))
            wait_until(lambda: db.exists() and children(replay.pid))
            parser = children(replay.pid)[0]
            wait_until(lambda: len(children(parser)) == workers)
            for pid in [parser, *children(parser)]:
                filters = 1 if pid == parser else 2
                wait_until(lambda pid=pid, filters=filters: status(pid)["Seccomp_filters"] == str(filters))  # type: ignore[misc]
                said = status(pid)
                assert said["NoNewPrivs"] == "1"
                assert said["Seccomp"] == "2"
                assert said["Uid"].split() == said["Gid"].split() == ["65534"] * 4
                assert said["Groups"] == ""
                assert {said[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
        replay.communicate(timeout=60)
    assert replay.returncode == 0


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _colon, value in (line.partition(":") for line in lines)}


# ---- the table of calls ----------------------------------------------------------------------------------------------


def confined_calls(trace: str) -> tuple[set[str], set[str]]:
    """Names of the calls of processes after they had a filter; and those that were refused."""
    confined: set[str] = set()
    used, refused = set(), set()
    for line in trace.splitlines():
        call = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)(.*)", line)
        if call is None:
            continue
        pid, name, rest = call.groups()
        if pid in confined:
            used.add(name)
            if " EPERM " in rest:
                refused.add(name)
            if name in {"clone", "clone3"} and (started := re.search(r"= (\d+)$", rest)):
                confined.add(started[1])
        elif name == "prctl" and "PR_SET_SECCOMP" in rest:
            confined.add(pid)
    return used, refused


def captures_for_tracing() -> list[str]:
    public = sorted(CORPUS.rglob("*.pcap")) if CORPUS.is_dir() else []
    return [str(path) for path in [*CAPTURES, *public[:: max(1, len(public) // 20)]]]


@needs_filter
@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_the_table_has_the_calls_that_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    used, refused = set(), set()
    for workers in ("0", "2"):
        trace = tmp_path / f"trace{workers}"
        command = [str(STRACE), "-f", "-o", str(trace), *REPLAY, "--workers", workers, "--join", "never",
                   "--db", str(tmp_path / f"{workers}.duckdb"), *captures_for_tracing()]  # fmt: skip
        run = subprocess.run(command, check=False, capture_output=True, cwd=ROOT)
        assert run.returncode in {0, ExitCode.INPUT}  # some public files are no captures
        each = confined_calls(trace.read_text("utf-8", "replace"))
        used |= each[0]
        refused |= each[1]
    with capsys.disabled():
        sys.stdout.write(f"\ncalls of the confined processes: {', '.join(sorted(used))}\n")
    assert not refused
    assert used <= {call.name for call in ALLOWED if not call.rings}
    assert {call.name for call in ALLOWED if not call.rare and not call.rings} <= used


def numbers(header: str) -> dict[str, int]:
    text = Path(header).read_text()
    return {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", text)}


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    known = numbers(header)
    known.setdefault("newfstatat", known.get("fstatat", -1))
    ours = {call.name: getattr(call, machine) for call in ALLOWED}
    ours |= {name: each[machine == "aarch64"] for name, each in FATAL.items()}
    assert {name: number for name, number in ours.items() if number is not None and known.get(name) != number} == {}
    assert not {call.name for call in ALLOWED} & FATAL.keys()


# ---- runs ------------------------------------------------------------------------------------------------------------

HOSTILE = """
import sys
from rustnet.dissect.http.parser import HTTP
import os, socket
class Parser:
    def __init__(self, talk):
        {attempt}
object.__setattr__(HTTP, "parser", Parser)
from rustnet.cli.main import main
sys.argv[1:] = ["replay", "--no-tui", "--no-sidecar", *sys.argv[1:]]
sys.exit(main())
"""


@needs_filter
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("attempt", ['os.execv("/bin/sh", ["sh"])', "socket.socket()", "os.kill(os.getppid(), 9)"])
def test_a_parser_that_is_taken_over_ends_and_earlier_captures_stay(workers: str, attempt: str, tmp_path: Path) -> None:
    db = tmp_path / "s.duckdb"
    (tmp_path / "dns.pcap").write_bytes(pcap(dns_flow()))
    (tmp_path / "http.pcap").write_bytes(pcap(http_flow()))
    command = [sys.executable, "-c", HOSTILE.replace("{attempt}", attempt), "--workers", workers, "--join", "never",
               "--db", str(db), str(tmp_path / "dns.pcap"), str(tmp_path / "http.pcap")]  # fmt: skip
    replay = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert replay.returncode == ExitCode.INPUT
    assert "tried what its sandbox forbids" in replay.stderr
    with duckdb.connect(str(db), read_only=True) as con:
        assert con.execute("SELECT kind, capture_id FROM anomalies").fetchall() == [("parser_failed", 2)]
        assert con.execute("SELECT count(*) FROM dns WHERE capture_id = 1").fetchone() == (2,)
        assert con.execute("SELECT complete FROM captures ORDER BY capture_id").fetchall() == [(True,), (False,)]


@needs_filter
def test_a_parser_that_is_taken_over_leaves_the_earlier_rows_of_its_capture(tmp_path: Path) -> None:
    fifo, db = tmp_path / "live.pcap", tmp_path / "s.duckdb"
    os.mkfifo(fifo)
    script = HOSTILE.replace("{attempt}", "socket.socket()")
    command = [sys.executable, "-c", script, "--speed", "1000", "--db", str(db), str(fifo)]  # flushes every second
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as replay,
        fifo.open("wb", buffering=0) as writing,
    ):
        writing.write(pcap(dns_flow()))
        wait_until(db.exists)
        time.sleep(3.5)  # until they are flushed
        writing.write(pcap(http_flow())[24:])
        error = replay.communicate(timeout=60)[1]
    assert replay.returncode == ExitCode.INPUT
    assert "tried what its sandbox forbids" in error
    with duckdb.connect(str(db), read_only=True) as con:
        assert con.execute("SELECT kind FROM anomalies").fetchall() == [("parser_failed",)]
        assert con.execute("SELECT count(*) FROM dns").fetchone() == (2,)
        assert con.execute("SELECT count(*) FROM packets").fetchone() == (len(dns_flow()),)


def rows(path: Path) -> dict[str, list[str]]:
    """All rows of a session but when it was written, and how it was confined."""
    with duckdb.connect(str(path), read_only=True) as con:
        names = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {
            name: sorted(map(repr, con.execute(f"SELECT COLUMNS(lambda c: c <> 'ingested_at') FROM {name}").fetchall()))
            for name in names
            if name not in ("meta", "migrations", "confinement")
        }


def test_the_rows_are_the_same_without_it(tmp_path: Path) -> None:
    files = list(map(str, CAPTURES))
    for name, more in (("with", []), ("without", ["--no-sandbox"])):
        subprocess.run(
            [*REPLAY, *more, "--db", str(tmp_path / name), *files], check=False, cwd=ROOT, capture_output=True
        )
    assert rows(tmp_path / "with") == rows(tmp_path / "without")
    with duckdb.connect(str(tmp_path / "without"), read_only=True) as con:
        stored = con.execute("SELECT DISTINCT process, layer, state, detail FROM confinement ORDER BY ALL").fetchall()
    assert stored == [("parser", layer, "off", "--no-sandbox") for layer in sorted(LAYERS)]
    with duckdb.connect(str(tmp_path / "with"), read_only=True) as con:
        stored = con.execute("SELECT layer, state, detail FROM confinement WHERE capture_id = 1").fetchall()
    assert [(layer, state) for layer, state, _detail in stored] == [(each.name, each.state) for each in STATES.values()]


# ---- strict ----------------------------------------------------------------------------------------------------------

WITHOUT_LANDLOCK = """
import sys
from rustnet.sandbox import landlock
def version():
    raise OSError(38, "Function not implemented")
landlock.version = version
from rustnet.cli.main import main
sys.argv[1:] = ["replay", "--no-tui", "--no-sidecar", *sys.argv[1:]]
sys.exit(main())
"""


def without_landlock(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_LANDLOCK, *arguments, str(SAMPLES / "dns.pcap")]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


def test_strict_fails_with_one_sentence_where_a_layer_is_wanting(tmp_path: Path) -> None:
    run = without_landlock("--sandbox-strict", "--db", str(tmp_path / "s.duckdb"))
    assert run.returncode == ExitCode.FAILURE
    assert len(run.stderr.splitlines()) == 1
    assert "landlock" in run.stderr
    assert "Function not implemented" in run.stderr
    assert not (tmp_path / "s.duckdb").exists()


def test_a_wanting_layer_is_reported_once_and_stored(tmp_path: Path) -> None:
    run = without_landlock("--json", "--db", str(tmp_path / "s.duckdb"))
    assert run.returncode == 0
    assert run.stderr.count("landlock") == 1
    assert json.loads(run.stdout)
    with duckdb.connect(str(tmp_path / "s.duckdb"), read_only=True) as con:
        stored = con.execute("SELECT state, detail FROM confinement WHERE layer = 'landlock'").fetchall()
    assert stored == [("unavailable", "Function not implemented")]


@pytest.mark.skipif(
    any(layer.state == "unavailable" for layer in STATES.values()), reason="this system lacks a layer of the sandbox"
)
def test_strict_states_what_is_in_force() -> None:
    run = subprocess.run(
        [*REPLAY, "--sandbox-strict", str(SAMPLES / "dns.pcap")], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert ", ".join(LAYERS) in run.stderr


def test_both_options_exclude_each_other() -> None:
    command = [*REPLAY, "--no-sandbox", "--sandbox-strict", str(SAMPLES / "dns.pcap")]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == ExitCode.USAGE


def test_the_help_does_not_load_it() -> None:
    script = textwrap.dedent("""
        import sys
        from rustnet.cli.main import main
        sys.argv[1:] = ["--help"]
        try:
            main()
        finally:
            assert "rustnet.sandbox" not in sys.modules
    """)
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=ROOT)
