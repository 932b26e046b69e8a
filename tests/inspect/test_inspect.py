"""The worker that takes packets apart: what it gives back, and what it may not do."""

import json
import subprocess
import sys
import textwrap

import pytest

import rustnet.inspect as worker
from rustnet.errors import RustnetError
from tests.support.conversations import dns_flow

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
