"""The worker that takes packets apart: what it gives back, and what it may not do."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rustnet.inspect as worker
from rustnet.errors import RustnetError
from rustnet.inspect.inspector import Inspector
from tests.support.conversations import dns_flow, http_flow

FRAME = dns_flow()[1]


def test_the_program_itself_never_imports_scapy() -> None:
    code = """
        import sys
        from rustnet.inspect import inspect_packet
        from tests.support.conversations import dns_flow
        tree = inspect_packet(dns_flow()[1], 1, 100)
        assert "shop.example" in repr(tree), tree
        assert not [name for name in sys.modules if name.startswith("scapy")]
    """
    pytest.importorskip("importlib.metadata").version("scapy")
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=worker.__file__.rsplit("/", 3)[0])


@pytest.mark.parametrize("frame", [b"", b"\0", FRAME[:30], FRAME[:50] + b"\xff" * 60, bytes(range(256)) * 40])
def test_malformed_packets_have_a_tree(frame: bytes) -> None:
    tree = worker.inspect_packet(frame, 1, len(frame))
    assert isinstance(tree, list)


def test_an_unknown_link_type_suggests_tshark() -> None:
    with pytest.raises(RustnetError, match="--with tshark"):
        worker.inspect_packet(b"abc", 65_001, 3)


def test_a_missing_tool_has_an_install_hint() -> None:
    code = "import importlib.util; importlib.util.find_spec = lambda name: None; "
    code += "from rustnet.inspect.__main__ import main; main()"
    request = json.dumps({"tool": "scapy", "link_type": 1, "length": 0, "ts": 0}) + "\n"
    made = subprocess.run([sys.executable, "-c", code], input=request, capture_output=True, text=True, check=True)
    error = worker.worker_error(json.loads(made.stdout))
    assert "pip install scapy" in str(error)


def test_a_worker_chooses_no_template_of_its_own() -> None:
    error = worker.worker_error({"error": ["{message.__class__}", {"message": "x" * 9999, "other": 1}]})
    assert str(error) == "tshark returned no packet"
    assert len(str(worker.worker_error({"error": ["message", {"message": "{code}" * 9999}]}))) < 400


def test_a_hanging_worker_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SECONDS", 0.01)
    with pytest.raises(RustnetError, match="exceeded the time limit"):
        worker.inspect_packet(FRAME, 1, len(FRAME))


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket().connect(('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "open('/tmp/rustnet-must-not-be', 'w')",
        "os.open('/tmp/rustnet-must-not-be', os.O_CREAT | os.O_WRONLY)",
        "subprocess.run(['true'])",
        "os.system('true')",
        "bytearray(2 << 30)",
    ],
)
def test_the_worker_is_confined(attempt: str) -> None:
    code = f"""
        import os, socket, subprocess
        from rustnet.inspect import limits
        limits.confine()
        limits.install_audit_hook()
        try:
            {attempt}
        except (PermissionError, MemoryError):
            print("refused")
    """
    made = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "refused"


# ---- places of fields ----------------------------------------------------------------------------------------------


def fields(layers: "list[worker.Node]") -> "dict[str, worker.Node]":
    return {f"{layer.name}.{node.name}": node for layer in layers for node in layer.children}


@pytest.mark.parametrize("tool", ["scapy", "tshark"])
def test_places_are_those_of_the_bytes(tool: str) -> None:
    if tool == "tshark" and shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    frame = http_flow()[3]
    layers = worker.inspect_packet(frame, 1, len(frame), tool=tool)
    placed = fields(layers)
    names = {"scapy": ("IP.src", "IP.dst", "TCP.dport"), "tshark": ("Source Address", "Destination Address",
             "Destination Port")}[tool]  # fmt: skip
    for name, expected in zip(names, (frame[26:30], frame[30:34], frame[36:38]), strict=True):
        node = next(node for key, node in placed.items() if key == name or key.endswith(f".{name}"))
        assert node.start is not None
        assert frame[node.start : node.start + node.size] == expected, name
    for layer in layers:
        for node in layer.children:
            if tool == "scapy" and node.start is not None and layer.start is not None:
                assert layer.start <= node.start
                assert node.start + node.size <= layer.start + layer.size


def test_no_place_is_beyond_a_malformed_packet() -> None:
    for frame in (FRAME[:30], FRAME[:50] + b"\xff" * 60, bytes(range(256)) * 4):
        stack = worker.inspect_packet(frame, 1, len(frame))
        while stack:
            node = stack.pop()
            stack += node.children
            if node.start is not None:
                assert 0 <= node.start < node.start + node.size <= len(frame)


# ---- a worker that has loaded scapy --------------------------------------------------------------------------------


def test_an_inspector_answers_as_a_worker_of_its_own() -> None:
    inspector = Inspector()
    try:
        for frame in (FRAME, http_flow()[3], FRAME[:30], b""):
            assert inspector.inspect(frame, 1, len(frame)) == worker.inspect_packet(frame, 1, len(frame))
        first = inspector._worker
        with pytest.raises(RustnetError, match="--with tshark"):
            inspector.inspect(b"abc", 65_001, 3)
        assert inspector.inspect(FRAME, 1, len(FRAME))
        assert inspector._worker is first
    finally:
        inspector.close()
    assert first is not None
    assert first.poll() is not None
    with pytest.raises(RustnetError):
        inspector.inspect(FRAME, 1, len(FRAME))


def test_an_inspector_whose_worker_dies_starts_another() -> None:
    inspector = Inspector()
    try:
        inspector.inspect(FRAME, 1, len(FRAME))
        assert inspector._worker is not None
        inspector._worker.kill()
        inspector._worker.wait()
        assert inspector.inspect(FRAME, 1, len(FRAME))
    finally:
        inspector.close()


@pytest.mark.parametrize(
    ("attempt", "answer"),
    [
        ("os.kill(os.getpid(), 9)", "exit code -9"),
        ("time.sleep(60)", "exit code -9"),
        ("socket.socket().connect(('127.0.0.1', 9))", "exit code 1"),
        ("os.open('/tmp/rustnet-must-not-be', os.O_CREAT | os.O_WRONLY)", "exit code 1"),
        ("os.write(1, b'12\\n{}')", "exit code 1"),
        ("os.fork()", "exit code 1"),
    ],
)
def test_a_copy_is_confined_and_spoils_no_later_answer(attempt: str, answer: str) -> None:
    code = f"""
        import os, socket, time
        from rustnet.inspect import scapy_tree, warm
        warm.SECONDS = 2
        real = scapy_tree.answer

        def hostile(data, link_type):
            if data == b"attack":
                {attempt}
            return real(data, link_type)

        scapy_tree.answer = hostile
        warm.main()
    """
    pytest.importorskip("importlib.metadata").version("scapy")
    requests = b"".join(
        json.dumps({"link_type": 1, "size": len(data)}).encode() + b"\n" + data for data in (b"attack", FRAME)
    )
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], input=requests, capture_output=True, check=True,
        cwd=worker.__file__.rsplit("/", 3)[0],
    )  # fmt: skip
    answers = []
    rest = made.stdout
    while rest:
        size, _mark, rest = rest.partition(b"\n")
        answers.append(json.loads(rest[: int(size)]))
        rest = rest[int(size) :]
    assert len(answers) == 2
    assert answer in str(worker.worker_error(answers[0]))
    assert answers[1]["layers"][0][0] == "Ethernet"
    assert not Path("/tmp/rustnet-must-not-be").exists()
