"""`rustnet helper`: who gets rings of which interfaces, and what cannot be done with them."""

import ast
import base64
import contextlib
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rustnet.errors import RustnetError
from rustnet.probe.helper.configuration import HelperError, read_configuration
from rustnet.probe.helper.server import REQUESTS, USERS
from rustnet.probe.ring_socket import SOL_PACKET, RingInterface, attach_program
from rustnet.sources.bpf import compile_filter
from rustnet.sources.helper_client import request_rings
from rustnet.sources.ring import RingSource
from tests.live.helping import ALICE, BOB, GROUP, RULES, Running
from tests.live.namespaces import Namespace, sender
from tests.support.packets import udp_frame
from tests.support.paths import ROOT

pytestmark = pytest.mark.root


def as_user(uid: int, work: Callable[[], Any], groups: tuple[int, ...] = ()) -> Any:
    """What ``work`` returns as JSON values, or its error as text, in a process of a user without capabilities."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            try:
                answer = work()
            except RustnetError as error:
                answer = str(error)
            os.write(writing, json.dumps(answer).encode())
        except BaseException:  # noqa: BLE001 -- the test shows it
            os.write(writing, json.dumps(traceback.format_exc()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(pid, 0)
    return answer


def asked(helper: Running, *names: str, **how: Any) -> Any:
    """Names and snap lengths of the rings that the helper gives; they are closed."""
    descriptors, rings = request_rings(names, path=helper.socket, **how)
    for descriptor in descriptors:
        os.close(descriptor)
    return [[ring.name, ring.snaplen] for ring in rings]


def test_a_user_without_capabilities_captures(helper: Running) -> None:
    pytest.importorskip("cypcap")
    frames = [udp_frame(("10.0.0.1", 4000), ("10.0.0.2", port), bytes(50)) for port in (5, 6) * 20]
    program = compile_filter("udp dst port 6", 1)

    def capture() -> Any:
        descriptors, rings = request_rings(["a", "lo"], 0, 1 << 20, {"a": program}, path=helper.socket)
        source = RingSource(descriptors, rings, lambda: False)
        os.write(ready[1], b"!")
        os.read(sent[0], 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as local:
            local.sendto(b"to myself", ("127.0.0.1", 9))
            seen: list[list[Any]] = []
            for batch in source.batches(0.3):
                seen += [[batch.interface[i], batch.frame(i).hex()] for i in range(batch.count)]
                if not batch.count:
                    break
        return seen

    ready, sent = os.pipe(), os.pipe()
    child = os.fork()
    if not child:  # sends once the user's rings are open
        signal.alarm(10)
        with sender("b") as out:
            os.read(ready[0], 1)
            for frame in frames:
                out.send(frame)
            os.write(sent[1], b"!")
            os._exit(0)
    seen = as_user(ALICE, capture)
    os.waitpid(child, 0)
    assert isinstance(seen, list), seen
    assert [data for interface, data in seen if interface == 0] == [frame.hex() for frame in frames[1::2]]
    local = [data for interface, data in seen if interface == 1 and data.endswith(b"to myself".hex())]
    assert len(local) == 2, "the datagram, and the error that quotes it"
    helper.wait_for('"name": "lo"')
    assert f"user {ALICE}, process" in helper.log


def test_others_and_other_interfaces_are_refused(helper: Running) -> None:
    assert as_user(ALICE, lambda: asked(helper, "a")) == [["a", 0]]
    assert "does not allow this user to capture on b" in as_user(ALICE, lambda: asked(helper, "b"))
    assert "does not allow this user to capture on b" in as_user(ALICE, lambda: asked(helper, "a", "b"))
    assert "does not allow promiscuous mode on a" in as_user(ALICE, lambda: asked(helper, "a", promiscuous=True))
    assert "cannot capture on lx: No such device" in as_user(ALICE, lambda: asked(helper, "lx"))
    assert "allows this user nothing" in as_user(BOB, lambda: asked(helper, "a"))
    assert "allows this user nothing" in as_user(0, lambda: asked(helper, "a")), "no one is allowed by being root"
    for words in ('{"error": "user"}', '{"error": "not_allowed", "interface": "b"}', '{"error": "promiscuous"'):
        helper.wait_for(words)
    assert f"user {BOB}, process" in helper.log


def test_members_of_a_group_have_their_snap_length(helper: Running) -> None:
    groups = (7, GROUP)
    assert as_user(BOB, lambda: asked(helper, "b", snaplen=100), groups) == [["b", 100]]
    assert as_user(BOB, lambda: asked(helper, "b", snaplen=64, promiscuous=True), groups) == [["b", 64]]
    for snaplen in (0, 101):
        answer = as_user(BOB, partial(asked, helper, "b", snaplen=snaplen), groups)
        assert "allows 100 bytes of each packet on b; use --snaplen 100" in answer
    accepts_all = ((0x06, 0, 0, 0xFFFFFFFF),)
    assert as_user(BOB, lambda: asked(helper, "b", snaplen=9, program_by_interface={"b": accepts_all}), groups)
    returns_a_number = ((0x80, 0, 0, 0), (0x16, 0, 0, 0))  # ld length; ret a
    evading = lambda: asked(helper, "b", snaplen=9, program_by_interface={"b": returns_a_number})  # noqa: E731
    assert "does not understand the request" in as_user(BOB, evading, groups)


def test_a_ring_stays_with_its_interface_and_filter(helper: Running) -> None:
    def attempts() -> Any:
        (descriptor,), _rings = request_rings(["a"], 60, 1 << 20, path=helper.socket)
        ring = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0, descriptor)
        tried: dict[str, Callable[[], object]] = {
            "own": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
            "bind": lambda: ring.bind(("b", 3)),
            "filter": lambda: attach_program(ring, ((0x06, 0, 0, 0xFFFFFFFF),)),
            "detach": lambda: ring.setsockopt(socket.SOL_SOCKET, 27, 0),
            "unlock": lambda: ring.setsockopt(socket.SOL_SOCKET, 44, 0),
            "fanout": lambda: ring.setsockopt(SOL_PACKET, 18, 1),
        }
        results = {}
        for name, attempt in tried.items():
            try:
                attempt()
                results[name] = "possible"
            except OSError as error:
                results[name] = type(error).__name__
        return [results, ring.getsockname()[0]]

    results, interface = as_user(ALICE, attempts)
    assert "possible" not in results.values(), results
    assert interface == "a"


def test_memory_of_a_user_is_bounded_while_it_is_used(helper: Running) -> None:
    def twice() -> Any:
        sizes: list[Any] = []
        kept = []
        for _ in range(3):
            try:
                descriptors, rings = request_rings(["a"], size=6 << 20, path=helper.socket)
                kept.append(descriptors)
                sizes.append(rings[0].block_bytes * rings[0].blocks >> 20)
            except RustnetError as error:
                sizes.append(str(error))
        for (descriptor,) in kept:
            os.close(descriptor)
        return [*sizes, len(asked(helper, "a"))]

    first, second, third, again = as_user(ALICE, twice)
    assert (first, second) == (6, 2)
    assert "already use the 8 MB" in third
    assert again == 1, "closed rings count no more"


def raw(helper: Running, data: bytes | None, *, read: bool = True) -> dict[str, Any]:
    """The answer to bytes as they are."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(10)
        link.connect(helper.socket)
        if data is not None:
            with contextlib.suppress(BrokenPipeError):  # it has answered without reading
                link.send(data)
        if not read:
            return {}
        for _ in range(2):
            with contextlib.suppress(ConnectionResetError):
                answer: dict[str, Any] = json.loads(link.recv(1 << 16))
                return answer
    raise AssertionError("no answer")


def request(**changed: Any) -> bytes:
    values = {"snaplen": 0, "size": 1 << 20, "promiscuous": False, "interfaces": {"a": None}, "programs": []}
    return json.dumps({**values, **changed}).encode()


GARBAGE = [
    b"\0", b"{", b"[]", b'"x"', b"null", b"1e999", b"\xff\xfe{}", b"[" * 50_000, b"x" * 65_537,
    request() + b" " * 65_536, b"{}",
    request(snaplen=-1), request(snaplen=1.5), request(snaplen=True), request(snaplen=1 << 40), request(size=0),
    request(size=1 << 50), request(promiscuous=1), request(interfaces={}), request(interfaces=["a"]),
    request(interfaces={"a": 0}), request(interfaces={"a": "0"}), request(interfaces={"../a": None}),
    request(interfaces={"a\n": None}), request(interfaces={"": None}), request(interfaces={"x" * 16: None}),
    request(interfaces={f"l{i}": None for i in range(65)}), request(programs=["%"]), request(programs=[1]),
    request(programs=[base64.b64encode(b"123").decode()]),
]  # fmt: skip


def test_garbage_is_refused_and_the_helper_stays(helper: Running) -> None:
    def send_all(part: list[bytes]) -> Any:
        return [raw(helper, data)["error"] for data in part]

    for i, start in enumerate(range(0, len(GARBAGE), REQUESTS - 2)):  # users of their own, for each may ask so often
        part = GARBAGE[start : start + REQUESTS - 2]
        rules = f'\n[[allow]]\nusers = [{70_000 + i}]\ninterfaces = ["*"]\n'
        helper.configuration.write_text(RULES + rules)
        answers = as_user(70_000 + i, partial(send_all, part))
        assert answers == ["request"] * len(part)
    wrong = base64.b64encode(struct.pack("=HBBI", 0xFFFF, 0, 0, 0)).decode()
    too_long = base64.b64encode(struct.pack("=HBBI", 0x06, 0, 0, 1) * 4097).decode()
    assert as_user(ALICE, lambda: raw(helper, request(programs=[wrong], interfaces={"a": 0})))["error"] == "interface"
    answer = as_user(ALICE, lambda: raw(helper, request(programs=[too_long], interfaces={"a": 0})))
    assert answer["error"] == "request"
    assert as_user(ALICE, lambda: raw(helper, None))["error"] == "system", "asking nothing takes half a second at most"
    as_user(ALICE, lambda: raw(helper, request(), read=False))
    assert as_user(ALICE, lambda: asked(helper, "a")) == [["a", 0]]
    assert Path("/proc/net/packet").exists()
    lines = helper.log.splitlines()
    assert all("rustnet helper: " in line for line in lines), "no text of a client begins a line"
    assert max(map(len, lines)) < 20_000


def test_a_thousand_connections_of_a_stranger(helper: Running) -> None:
    def flood() -> Any:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        links, answers = [], []
        for _ in range(1000):
            link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            link.connect(helper.socket)  # waits while the queue is full
            links.append(link)
        for link in links:
            answers.append(json.loads(link.recv(1 << 16))["error"])
            link.close()
        return answers

    answers = as_user(BOB, flood)
    assert answers == ["user"] * REQUESTS + ["rate"] * (1000 - REQUESTS)
    began = time.monotonic()
    assert as_user(ALICE, lambda: asked(helper, "a")) == [["a", 0]]
    assert time.monotonic() - began < 2
    assert len(helper.log.splitlines()) < REQUESTS + 20
    assert len(list(Path(f"/proc/{helper.process.pid}/fd").iterdir())) < 20
    helper.process.send_signal(signal.SIGTERM)
    helper.wait_for(f"users whom no rule names: {1000 - REQUESTS} requests refused")


def test_strangers_under_many_numbers_do_not_lock_others_out(helper: Running) -> None:
    def ask_as_many() -> Any:
        answers = set()
        for uid in range(100_000, 100_000 + USERS + 50):
            os.seteuid(uid)
            answers.add(raw(helper, request())["error"])
            os.seteuid(0)
        return sorted(answers)

    assert as_user(0, ask_as_many) == ["rate", "user"]
    assert as_user(ALICE, lambda: asked(helper, "a")) == [["a", 0]]


def test_a_ring_outlives_a_pause_of_its_interface(helper: Running, namespace: Namespace) -> None:
    namespace.run("ip link set dev a down")
    down = as_user(ALICE, lambda: asked(helper, "a"))
    assert down == [["a", 0]] or "cannot capture on a: " in down, "older kernels refuse"
    namespace.run("ip link set dev a up")
    (descriptor,), rings = as_root_of(helper, namespace)
    source = RingSource([descriptor], rings, lambda: False)
    namespace.run("ip link set dev a down")
    namespace.run("ip link set dev a up")
    frame = udp_frame(("10.0.0.1", 4000), ("10.0.0.2", 5), bytes(50))
    until = time.monotonic() + 10
    seen: list[bytes] = []
    with sender("b") as out:
        for batch in source.batches(0.2):
            seen += [batch.frame(i) for i in range(batch.count)]
            if frame in seen or time.monotonic() > until:
                break
            if not batch.count:
                out.send(frame)
    source.close()
    assert frame in seen


def as_root_of(helper: Running, namespace: Namespace) -> tuple[list[int], list[RingInterface]]:
    """Rings that root gets, once a rule names it."""
    helper.configuration.write_text('[[allow]]\nusers = [0]\ninterfaces = ["a"]\n')
    return request_rings(["a"], size=1 << 20, path=helper.socket)


def test_the_socket_of_a_helper_that_was_killed(helper: Running, folder: Path) -> None:
    again = [sys.executable, "-m", "rustnet", "helper", "--socket", helper.socket, "--configuration",
             str(helper.configuration)]  # fmt: skip
    second = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)
    assert second.returncode == 2
    assert "another helper answers there" in second.stderr
    helper.process.kill()
    helper.process.wait()
    assert Path(helper.socket).exists()
    other = Running(folder)
    helper.process = other.process
    assert as_user(ALICE, lambda: asked(other, "a")) == [["a", 0]]
    (folder / "run" / "file").write_text("mine")
    third = subprocess.run(
        [*again[:4], "--socket", folder / "run" / "file", *again[6:]],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert "another file has this name" in third.stderr
    assert (folder / "run" / "file").read_text() == "mine"


def test_the_configuration_is_read_for_each_request(helper: Running) -> None:
    helper.configuration.write_text(f'[[allow]]\nusers = [{BOB}]\ninterfaces = ["b"]\n')
    assert as_user(BOB, lambda: asked(helper, "b")) == [["b", 0]]
    helper.configuration.write_text("[[allow]]\nusers = 5\n")
    assert "its configuration is wrong" in as_user(BOB, lambda: asked(helper, "b"))
    helper.wait_for("interfaces: expected a list")
    helper.configuration.unlink()
    assert "its configuration is wrong" in as_user(BOB, lambda: asked(helper, "b"))


def test_the_helper_keeps_one_capability(helper: Running) -> None:
    status = Path(f"/proc/{helper.process.pid}/status").read_text()
    values = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs")))
    assert {values[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {f"{1 << 13:016x}"}
    assert (values["CapInh"], values["CapAmb"], values["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")


def test_a_socket_that_systemd_made(namespace: Namespace, folder: Path) -> None:
    namespace.veth("a", "b")
    path = folder / "made.sock"
    configuration = folder / "helper.toml"
    configuration.write_text(RULES)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen()
    log = folder / "log"
    pid = os.fork()
    if not pid:
        os.dup2(listener.fileno(), 3)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
        os.chdir(ROOT)
        words = ["-m", "rustnet", "helper", "--socket", "/nowhere/x", "--configuration", str(configuration)]
        os.execve(
            sys.executable, [sys.executable, *words], {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        )
    listener.close()
    try:
        assert as_user(ALICE, lambda: [ring.name for ring in request_rings(["a"], path=str(path))[1]]) == ["a"]
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    assert path.exists(), "it is systemd's"
    assert '"name": "a"' in log.read_text()


def test_without_a_helper_or_with_a_stranger_s(folder: Path) -> None:
    with pytest.raises(RustnetError, match="no helper answers; root starts it with: rustnet helper"):
        request_rings(["lo"], path=str(folder / "nothing.sock"))
    path = str(folder / "false.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        os.seteuid(BOB)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(RustnetError, match="does not belong to root"):
            request_rings(["lo"], path=path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "Expected"),
        ("colour = 1", "expected .* only"),
        ("[[allow]]\nusers = ['nobody-of-this-name']\ninterfaces = ['a']", "name not found"),
        ("[[allow]]\ngroups = ['nobody-of-this-name']\ninterfaces = ['a']", "name not found"),
        ("[[allow]]\nusers = [-1]\ninterfaces = ['a']", "users: expected a number"),
        ("[[allow]]\nusers = [true]\ninterfaces = ['a']", "users: expected a number"),
        ("[[allow]]\nusers = ['root']", "interfaces: expected a list"),
        ("[[allow]]\ninterfaces = [1]", "interfaces: expected a list"),
        ("[[allow]]\ninterfaces = ['a']\nsnaplen = '9'", "snaplen: expected a number"),
        ("[[allow]]\ninterfaces = ['a']\npromiscuous = 1", "promiscuous: expected true or false"),
        ("[[allow]]\ninterfaces = ['a']\nattribution = true", "has only"),
        ("allow = 5", "allow: expected a list"),
        ("memory_mb = 0", "memory_mb: expected a number"),
        ("a = " + "[" * 20_000, "."),
    ],
)
def test_a_wrong_configuration(folder: Path, text: str, words: str) -> None:
    path = folder / "helper.toml"
    path.write_text(text)
    with pytest.raises(HelperError, match=words):
        read_configuration(str(path))


def test_a_configuration_that_others_may_have_written(folder: Path) -> None:
    path = folder / "helper.toml"
    path.write_text(RULES)
    assert len(read_configuration(str(path)).rules) == 2
    refused = {}
    link = folder / "link.toml"
    link.symlink_to(path)
    refused["link"] = link
    for name, owner, mode in (("owner", ALICE, 0o644), ("mode", 0, 0o646), ("group", 0, 0o664)):
        refused[name] = folder / f"{name}.toml"
        refused[name].write_text(RULES)
        os.chown(refused[name], owner, -1)
        refused[name].chmod(mode)
    (folder / "open").mkdir()
    refused["folder"] = folder / "open" / "helper.toml"
    refused["folder"].write_text(RULES)
    (folder / "open").chmod(0o777)
    (folder / "elsewhere").symlink_to(folder)
    refused["link to the folder"] = folder / "elsewhere" / "helper.toml"
    os.mkfifo(folder / "fifo")
    refused["fifo"] = folder / "fifo"
    refused["directory"] = folder / "open"
    refused["missing"] = folder / "missing.toml"
    for name, each in refused.items():
        try:
            read_configuration(str(each))
        except HelperError:
            continue
        pytest.fail(f"read although wrong: {name}")
    with pytest.raises(HelperError, match="expected an absolute path"):
        read_configuration("helper.toml")
    right = [sys.executable, "-m", "rustnet", "helper", "--check", "--configuration", str(path)]
    assert (
        "2 rules, nothing is wrong"
        in subprocess.run(right, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    )
    done = subprocess.run(
        [sys.executable, "-m", "rustnet", "helper", "--socket", folder / "s", "--configuration", link],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected a file of root, and no link" in done.stderr
    assert not (folder / "s").exists()


def test_the_helper_is_small() -> None:
    code = 0
    for file in (ROOT / "rustnet" / "probe" / "helper").glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
        documented = {line for text in texts if isinstance(text, ast.Constant)
                      for line in range(text.lineno, (text.end_lineno or 0) + 1)}  # fmt: skip
        lines = enumerate(file.read_text("utf-8").splitlines(), 1)
        code += sum(number not in documented and bool(line.partition("#")[0].strip()) for number, line in lines)
    assert 100 < code < 300
