"""Each reason why eBPF cannot name owners, where it can be produced; and that two capabilities are enough."""

import errno
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from rustnet.probe.ebpf.reasons import REASONS, UnavailableError, why_refused
from rustnet.probe.ebpf.source import OBJECT, open_events
from tests.support.paths import ROOT

OPEN = """
import sys
from rustnet.probe.ebpf.reasons import UnavailableError
from rustnet.probe.ebpf.source import open_events
try:
    open_events().close()
    print("opened")
except UnavailableError as error:
    print(error.reason.name)
"""
DROP = """
import ctypes, os, sys
for capability in (21, *map(int, sys.argv[1].split(","))):
    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""
FORBID = """
import ctypes, os, struct, sys
number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | int(sys.argv[1])), (6, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
libc = ctypes.CDLL(None)
header = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(program))
assert libc.prctl(22, 2, ctypes.create_string_buffer(header), 0, 0) == 0
exec(sys.argv[2])
"""


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    """Skip where eBPF is not possible at all."""
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("needs Linux, and root")
    try:
        open_events().close()
    except UnavailableError as error:
        pytest.skip(str(error))


def answer(*command: str) -> str:
    """What a program answers about eBPF."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"library": "libbpf.so.absent"}, "no-library"),
        ({"library": "libc.so.6"}, "no-library"),
        ({"kernel_types": "/sys/kernel/btf/absent"}, "no-btf"),
        ({"kernel_types": os.devnull}, "no-tracepoints"),
        ({"path": Path("/absent/attribution.bpf.o")}, "no-object"),
        ({"path": Path(os.devnull)}, "refused"),
    ],
)
def test_what_is_missing_is_named(options: dict[str, str], name: str) -> None:
    with pytest.raises(UnavailableError) as raised:
        open_events(**options)  # type: ignore[arg-type]
    assert raised.value.reason.name == name


def test_an_old_kernel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "release", lambda: "5.10.0-28-amd64")
    with pytest.raises(UnavailableError, match=r"older than Linux 5\.12 \(5\.10\.0-28-amd64\)"):
        open_events()


def test_another_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match="exists on Linux only"):
        open_events()


@pytest.mark.parametrize(
    ("capabilities", "name"), [("39", "no-cap-bpf"), ("38", "no-cap-perfmon"), ("38,39", "no-cap-bpf")]
)
def test_the_missing_capability_is_named(capabilities: str, name: str) -> None:
    assert answer(sys.executable, "-c", DROP, capabilities, OPEN) == name


def test_two_capabilities_are_enough_for_a_stranger() -> None:
    two = "+cap_38,+cap_39"
    command = ["setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={two}", f"--ambient-caps={two}"]
    assert answer(*command, f"--bounding-set=-all,{two}", sys.executable, "-c", OPEN) == "opened"
    assert answer("setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", OPEN) == "no-cap-bpf"


@pytest.mark.parametrize(
    ("options", "name"),
    [(("--pid", "--fork", "--mount-proc"), "pid-namespace"), (("--user", "--map-root-user"), "user-namespace")],
)
def test_namespaces_are_named(options: tuple[str, ...], name: str) -> None:
    probe = subprocess.run(["unshare", *options, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"cannot make the namespace: {probe.stderr.strip()}")
    assert answer("unshare", *options, sys.executable, "-c", OPEN) == name


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS])
def test_a_seccomp_filter_is_named(code: int) -> None:
    assert answer(sys.executable, "-c", FORBID, str(code), OPEN) == "seccomp"


@pytest.mark.parametrize(
    ("mount", "more", "name"),
    [("nosuid", "", "nosuid"), ("suid", "setpriv --no-new-privs", "no-new-privileges"), ("suid", "", "opened")],
)
def test_capabilities_of_a_file_without_effect_are_named(tmp_path: Path, mount: str, more: str, name: str) -> None:
    """A Python of its own on a file system that only it sees, with the two capabilities in its file."""
    if shutil.which("setcap") is None:
        pytest.skip("needs setcap")
    binary = os.path.realpath(sys.executable)
    library = sysconfig.get_config_var("LIBDIR") or ""
    home = f"PYTHONHOME={sys.base_prefix} LD_LIBRARY_PATH={library}"
    script = f"""set -e
mount -t tmpfs -o {mount},mode=755 none /mnt
cp {binary} /mnt/python
setcap cap_bpf,cap_perfmon=ep /mnt/python
exec env {home} setpriv --reuid=65534 --clear-groups sh -c '{more} /mnt/python -c "$CODE"'
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CODE": OPEN}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode and "error while loading shared libraries" in done.stderr:
        pytest.skip("this Python needs a library that programs with capabilities do not search for")
    assert (done.returncode, done.stdout.strip()) == (0, name), done.stderr


@pytest.mark.parametrize(
    ("code", "status", "lockdown", "name"),
    [
        (errno.EPERM, {"Seccomp": "0"}, b"none integrity [confidentiality]\n", "lockdown"),
        (errno.EINVAL, {}, b"none integrity [confidentiality]\n", "lockdown"),
        (errno.EPERM, {"Seccomp": "0"}, b"none [integrity] confidentiality\n", "refused"),
        (errno.EPERM, {"Seccomp": "2"}, b"", "seccomp"),
        (errno.ENOSYS, {"Seccomp": "0"}, b"", "no-bpf"),
        (errno.ENOMEM, {"Seccomp": "2"}, b"", "no-memory"),
    ],
)
def test_the_kernels_refusal_is_explained(code: int, status: dict[str, str], lockdown: bytes, name: str) -> None:
    assert why_refused(code, status, lockdown).reason.name == name


def test_every_reason_is_a_sentence() -> None:
    for name, reason in REASONS.items():
        line = str(UnavailableError(name))
        assert line.count("\n") == 0
        assert not reason.means.endswith(".")


def test_the_object_is_made_from_its_source() -> None:
    tool = ROOT / "tools" / "ebpf"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_changed_source_or_object_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "rustnet" / "probe" / "ebpf"
    copy.mkdir(parents=True)
    for path in OBJECT.parent.glob("*.[cho]"):
        shutil.copy(path, copy)
    (tmp_path / "tools").mkdir()
    tool = shutil.copy(ROOT / "tools" / "ebpf", tmp_path / "tools")

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True, check=False)

    assert check().returncode == 0
    source = copy / "kernel_types.h"
    before = source.read_text()
    source.write_text(before + "\n")
    assert "not made from the present source" in check().stderr
    source.write_text(before)
    content = bytearray((copy / OBJECT.name).read_bytes())
    content[0x100] ^= 1
    (copy / OBJECT.name).write_bytes(content)
    if "only the source's hash" in check().stdout or shutil.which("clang") is None:
        pytest.skip("needs the clang that made the object")
    assert "not what the compiler makes" in check().stderr
