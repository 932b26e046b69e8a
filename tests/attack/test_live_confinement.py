"""The processes of a live capture: what the one that holds the session, and the probe, cannot do; and what they can."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.sandbox import IN_FORCE, try_out
from rustnet.sandbox.denied import OPENAT2, PROBE, UNKNOWN, WRITER
from tests.attack.test_sandbox import numbers
from tests.support.paths import ROOT

NOBODY = 65534
STATES = {layer.name: layer.state for layer in try_out()} if sys.platform == "linux" else {}
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
pytestmark = pytest.mark.skipif(
    not IS_ROOT or any(STATES.get(name) != IN_FORCE for name in ("landlock", "system_calls")),
    reason="needs root, Landlock with scopes, and a filter of system calls",
)

TRIAL = """
import ctypes, errno, fcntl, os, signal, socket, struct, sys, threading
mode, outputs, readable, attempt = sys.argv[1:]
from rustnet.sandbox.live import confine_probe, confine_writer, drop_privileges
from rustnet.sandbox.users import chosen_user
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
def clone(flags):
    pid = libc.syscall(56, flags | signal.SIGCHLD, 0, 0, 0, 0)
    if not pid:
        os._exit(0)
    checked(pid)
def thread():
    started = threading.Thread(target=len, args=("x",))
    started.start()
    started.join()
def child():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
def listen():
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(outputs + "/s.sock")
        listener.listen()
    os.unlink(outputs + "/s.sock")
def rename():
    os.close(os.open(outputs + "/a", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.rename(outputs + "/a", outputs + "/b")
    os.truncate(outputs + "/b", 5)
    os.unlink(outputs + "/b")
    os.mkdir(outputs + "/c")
    os.rmdir(outputs + "/c")
terminal = os.openpty()[1]
stranger = os.fork()
if not stranger:
    signal.pause()
ours, theirs = socket.socketpair()
server = socket.create_server(("127.0.0.1", 0))
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(b"\\0rustnet-test-%d" % os.getpid())
abstract.listen()
own_unix, own_tcp, own_udp = socket.socket(socket.AF_UNIX), socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
memory = ctypes.create_string_buffer(8)
vector = struct.pack("PN", ctypes.addressof(memory), 8)
tried = os.fork()
if not tried:
    try:
        if mode == "writer":
            confine_writer([outputs + "/s.duckdb"], drop_privileges(chosen_user(None)))
        elif mode == "probe":
            confine_probe()
        try:
            exec(attempt)
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
print(answer or ("DONE" if status == 0 else status))
"""
FOR_BOTH = {
    "start a program": 'os.execv("/bin/true", ["true"])',
    "trace a stranger": "checked(libc.ptrace(16, stranger, 0, 0))",
    "read a stranger's memory": "checked(libc.process_vm_readv(stranger, vector, 1, vector, 1, 0))",
    "signal a stranger": "os.kill(stranger, 0)",
    "signal a stranger's thread": "checked(libc.syscall(234, stranger, stranger, 0))",
    "signal the parent": "os.kill(os.getppid(), 0)",
    "open an internet socket": "socket.socket(socket.AF_INET)",
    "open one of IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "open a virtual machine's socket": "socket.socket(socket.AF_VSOCK)",
    "a namespace": "checked(libc.unshare(0x00020000))",
    "a namespace for a child": "clone(0x10000000)",
    "mount": 'checked(libc.mount(b"none", b"/mnt", b"tmpfs", 0, 0))',
    "another root": 'os.chroot("/")',
    "keys": "checked(libc.syscall(250, 0, -3, 0, 0, 0))",
    "io_uring": "checked(libc.syscall(425, 1, ctypes.create_string_buffer(120)))",
    "type into a terminal": 'fcntl.ioctl(terminal, 0x5412, b"x")',
    "write a file": "os.open(readable, os.O_WRONLY)",
    "create a file": 'os.open(readable + ".new", os.O_WRONLY | os.O_CREAT)',
    "cut a file": "os.truncate(readable, 0)",
    "remove a file": "os.unlink(readable)",
}  # fmt: skip
OF_WRITER = {
    "open /etc/shadow": 'os.open("/etc/shadow", os.O_RDONLY)',
    "read another file of the user's": "os.open(readable, os.O_RDONLY)",
    "list another directory": "os.listdir(os.path.dirname(readable))",
    "connect by TCP": "own_tcp.connect(server.getsockname())",
    "connect by UDP": 'own_udp.connect(("127.0.0.1", 9))',
    "listen": 'own_tcp.bind(("127.0.0.1", 0))',
    "open a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "open a netlink socket": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "send to programs by datagrams": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "connect to an abstract socket": "own_unix.connect(abstract.getsockname())",
    "enter a namespace": 'checked(libc.setns(os.open("/proc/self/ns/net", os.O_RDONLY), 0))',
    "a file in memory": 'os.memfd_create("x")',
    "eBPF": "checked(libc.syscall(321, 11, ctypes.create_string_buffer(128), 128))",
    "root again": "os.setuid(0)",
    "a link in its directory": 'os.symlink("/etc/shadow", outputs + "/link")',
    "a pipe in its directory": 'os.mkfifo(outputs + "/pipe")',
}  # fmt: skip
OF_PROBE = {
    "change a file's mode": "os.chmod(readable, 0o4755)",
    "make a directory": 'os.mkdir(readable + ".d")',
    "a link": 'os.symlink("/etc/shadow", readable + ".link")',
    "a second name": 'os.link(readable, readable + ".second")',
    "another owner": "os.chown(readable, 0, 0)",
    "another name": 'os.rename(readable, readable + ".other")',
    "a module": 'checked(libc.syscall(175, b"", 0, b""))',
}  # fmt: skip
WRITER_CAN = {
    "files in its directory": "rename()",
    "answer others": "listen()",
    "threads": "thread()",
    "processes of its own": "child()",
    "signal itself": "os.kill(os.getpid(), 0)",
    "read the program": "os.open(sys.modules['rustnet'].__file__, os.O_RDONLY)",
    "read about itself": 'open("/proc/self/status").read()',
}
PROBE_CAN = {
    "read every file": 'os.open("/etc/shadow", os.O_RDONLY)',
    "see a stranger's program": 'os.readlink(f"/proc/{stranger}/exe")',
    "see a stranger's sockets": 'os.listdir(f"/proc/{stranger}/fd")',
    "open rings": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "ask the kernel": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "enter a network namespace": (
        'checked(libc.setns(os.open(f"/proc/{stranger}/ns/net", os.O_RDONLY), 0x40000000))'
    ),
    "threads": "thread()",
}  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that everybody may enter."""
    made = Path(tempfile.mkdtemp(prefix="rustnet-test."))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def outcome(attempt: str, mode: str, folder: Path) -> str:
    """What becomes of an attempt: ``DONE``, or the name of an error."""
    outputs, other = folder / "outputs", folder / "other"
    for each in (outputs, other):
        each.mkdir()
        os.chown(each, NOBODY, NOBODY)
    readable = other / "readable"
    readable.write_text("x")
    os.chown(readable, NOBODY, NOBODY)
    return subprocess.run(
        [sys.executable, "-c", TRIAL, mode, str(outputs), str(readable), attempt],
        check=True, capture_output=True, text=True, cwd=ROOT, timeout=30,
        env={**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)},
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize("attempt", [*FOR_BOTH, *OF_WRITER])
def test_the_process_that_holds_the_session_cannot(attempt: str, folder: Path) -> None:
    assert outcome({**FOR_BOTH, **OF_WRITER}[attempt], "writer", folder) in {"EPERM", "EACCES"}


@pytest.mark.parametrize("attempt", [*FOR_BOTH, *OF_PROBE])
def test_the_probe_cannot(attempt: str, folder: Path) -> None:
    assert outcome({**FOR_BOTH, **OF_PROBE}[attempt], "probe", folder) == "EPERM"


NOT_EVERYWHERE = {"keys", "io_uring", "open a virtual machine's socket", "a module", "mount", "type into a terminal",
                  "read a stranger's memory", "eBPF"}  # fmt: skip
"""What depends on the kernel."""


@pytest.mark.parametrize("attempt", sorted({*FOR_BOTH, *OF_WRITER, *OF_PROBE} - NOT_EVERYWHERE))
def test_another_process_can(attempt: str, folder: Path) -> None:
    """Otherwise the tests above would show nothing."""
    assert outcome({**FOR_BOTH, **OF_WRITER, **OF_PROBE}[attempt], "nothing", folder) == "DONE"


@pytest.mark.parametrize("attempt", WRITER_CAN)
def test_the_process_that_holds_the_session_can(attempt: str, folder: Path) -> None:
    assert outcome(WRITER_CAN[attempt], "writer", folder) == "DONE"


@pytest.mark.parametrize("attempt", PROBE_CAN)
def test_the_probe_can(attempt: str, folder: Path) -> None:
    assert outcome(PROBE_CAN[attempt], "probe", folder) == "DONE"


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    known = numbers(header)
    ours = {name: pair for table in (WRITER, PROBE) for each in table for name, pair in each.numbers.items()}
    listed = {name: pair[machine == "aarch64"] for name, pair in {**ours, **UNKNOWN, **OPENAT2}.items()}
    assert {name: number for name, number in listed.items() if number != known.get(name)} == {}


TIMES = """
import os, socket, sys, time
from rustnet.sandbox import confine
from rustnet.sandbox.live import confine_probe, confine_writer, drop_privileges
from rustnet.sandbox.users import chosen_user
steps = {"probe": confine_probe, "parser": confine,
         "writer": lambda: confine_writer([sys.argv[1]], drop_privileges(chosen_user(None)))}
for name, step in steps.items():
    least = 9.0
    for _ in range(5):
        ours, theirs = socket.socketpair()
        if not os.fork():
            try:
                begun = time.perf_counter()
                step()
                theirs.send(repr(time.perf_counter() - begun).encode())
            finally:
                os._exit(0)
        theirs.close()
        least = min(least, float(ours.recv(100)))
    print(name, least)
"""


def test_it_costs_little_at_the_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.chown(folder, NOBODY, NOBODY)
    run = subprocess.run(
        [sys.executable, "-c", TIMES, str(folder / "s.duckdb")],
        check=True, capture_output=True, text=True, cwd=ROOT, timeout=30,
        env={**os.environ, "SUDO_UID": str(NOBODY)},
    )  # fmt: skip
    seconds = {name: float(value) for name, value in map(str.split, run.stdout.splitlines())}
    with capsys.disabled():
        sys.stdout.write(f"\nms to confine: {', '.join(f'{name} {s * 1000:.1f}' for name, s in seconds.items())}\n")
    assert sum(seconds.values()) < 0.03
