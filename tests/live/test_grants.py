"""Capturing without sudo: an interpreter with capabilities of its own, and what is said where it has none."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.errors import ExitCode
from rustnet.sandbox import IN_FORCE, NOT_NEEDED, grants
from rustnet.sandbox.live import PROBE_CAPABILITIES
from tests.live.namespaces import Namespace
from tests.live.running import RUSTNET, Live
from tests.live.test_privileges import status
from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("setcap") is None, reason="setcap is not installed"),
]
USER = 54321
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all")
NO_NEW_PRIVILEGES = f"""
import os, sys
from rustnet.sandbox.privileges import drop_user, no_new_privileges
drop_user({USER}, {USER})
no_new_privileges()
os.execv(sys.argv[1], sys.argv[1:])
"""
PATHS = f"{ROOT}{os.pathsep}{sysconfig.get_path('purelib')}{os.pathsep}{sysconfig.get_path('platlib')}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory of the user, which others may enter."""
    made = Path(tempfile.mkdtemp(prefix="rustnet-test."))
    made.chmod(0o755)
    os.chown(made, USER, USER)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def python(folder: Path) -> str:
    """A copy of the interpreter that may capture, as the command makes it that is recommended."""
    copy = folder / Path(grants.interpreter()).name
    shutil.copy(grants.interpreter(), copy)
    command = shlex.split(grants.setcap_command())
    assert command[0] == "sudo"
    assert command.pop() == grants.interpreter()
    done = subprocess.run([*command[1:], str(copy)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"files can have no capabilities here: {done.stderr.strip()}")
    run = [*AS_USER, str(copy), "-c", "print(open('/proc/self/status').read())"]
    if "CapEff:\t0000000000000000" in subprocess.run(run, capture_output=True, text=True, check=True).stdout:
        pytest.skip("capabilities of files have no effect on this file system")
    return str(copy)


def test_an_interpreter_with_capabilities_captures_for_its_user(
    namespace: Namespace, folder: Path, python: str
) -> None:
    wrapper = (*AS_USER, "env", f"PYTHONPATH={PATHS}", "HOME=/nonexistent", python)
    live = Live(folder / "s.duckdb", "-i", "lo", "--promiscuous", wrapper=wrapper, program=("-m", "rustnet")).started()
    said = {pid: status(pid) for pid in live.processes()}
    live.stop()
    assert live.errors == ""
    assert len(said) == 3
    assert {each["Uid"] for each in said.values()} == {"\t".join([str(USER)] * 4)}
    effective = sorted(int(each["CapEff"], 16) for each in said.values())
    assert effective[:2] == [0, 0], "the process that holds the session, and the one that parses"
    assert 0 < effective[2] <= sum(1 << bit for bit, _why in PROBE_CAPABILITIES.values())
    assert {(each["NoNewPrivs"], each["Seccomp"]) for each in said.values()} == {("1", "2")}
    rows = live.rows("SELECT layer, state FROM confinement WHERE process = 'writer' ORDER BY 1")
    assert [each for each in rows if each[0] == "user"] == [("user", NOT_NEEDED)]
    assert {each[1] for each in rows if each[0] in ("capabilities", "no_new_privileges")} == {IN_FORCE}
    assert (folder / "s.duckdb").stat().st_uid == USER


def refused(*wrapper: str, program: tuple[str, ...] = RUSTNET, words: tuple[str, ...] = ()) -> str:
    done = subprocess.run(
        [*wrapper, *program, "live", "--no-tui", "-i", "lo", *words], capture_output=True, text=True, check=False,
        timeout=30, env={**os.environ, "PYTHONPATH": PATHS, "HOME": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == ExitCode.FAILURE
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_command_that_grants_it_has_the_users_own_words(namespace: Namespace) -> None:
    words = refused(*AS_USER, words=("--db", "/tmp/it's here.duckdb", "-f", "tcp port 80"))
    assert "CAP_NET_RAW" in words
    said = shlex.split(words.partition("this grants it: ")[2])
    assert said[:4] == ["sudo", sys.executable, "-m", "rustnet"]
    assert said[4:] == ["live", "--no-tui", "-i", "lo", "--db", "/tmp/it's here.duckdb", "-f", "tcp port 80"]


def test_what_keeps_capabilities_of_the_file_from_having_an_effect(
    namespace: Namespace, folder: Path, python: str
) -> None:
    program = (python, "-m", "rustnet")
    assert "no_new_privs" in refused(sys.executable, "-c", NO_NEW_PRIVILEGES, program=program)
    mounted = folder / "mounted"
    mounted.mkdir()
    script = 'mount -t tmpfs -o nosuid none "$1" && cp -a "$2" "$1/python" && shift 2 && exec "$@"'
    in_mount = ("unshare", "-m", "sh", "-c", script, "sh", str(mounted), python, *AS_USER)
    assert "nosuid" in refused(*in_mount, program=(str(mounted / "python"), "-m", "rustnet"))
    subprocess.run(["setcap", "cap_net_admin=ep", python], check=True)
    assert "not among them" in refused(*AS_USER, program=program)


def test_a_bounding_set_without_it_makes_sudo_useless(namespace: Namespace) -> None:
    for wrapper in (("setpriv", "--bounding-set=-net_raw"), (*AS_USER, "--bounding-set=-net_raw")):
        words = refused(*wrapper)
        assert "bounding set" in words
        assert "sudo" not in words


def test_an_own_copy_is_told_from_a_shared_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "bin" / "python"
    copy.parent.mkdir()
    copy.write_bytes(b"")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert not grants.is_shared(str(copy))
    assert grants.is_shared("/usr/bin/python3")
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    assert grants.is_shared(str(copy)), "not an environment"


@pytest.mark.parametrize("shared", [True, False])
def test_doctor_states_the_command(shared: bool) -> None:
    done = subprocess.run(
        [*(AS_USER if shared else ()), *RUSTNET, "doctor", "--json"], capture_output=True, text=True, check=False
    )
    text = done.stdout
    assert '"capturing"' in text
    assert '"owners of live flows"' in text
    assert ("sudo setcap" in text) == shared
