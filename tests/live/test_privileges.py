"""Who the processes of ``rustnet live`` are, what they may, and whose files they write."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.cli.sandbox_options import check_user_options
from rustnet.errors import ExitCode, RustnetError, UsageError
from rustnet.query.session import open_session
from rustnet.sandbox import IN_FORCE, LAYERS, NOT_NEEDED, OFF, try_out
from rustnet.sandbox.live import PROBE_CAPABILITIES
from rustnet.sandbox.privileges import NOBODY
from rustnet.sandbox.users import chosen_user, invoking_user
from rustnet.store.session import close, create_or_open
from tests.live.namespaces import Namespace
from tests.live.running import BY_ROOT, RUSTNET, Live, fetch, serve_web
from tests.support.effort import wait_until

pytestmark = pytest.mark.root
USER, STRANGER = 54321, 54322
"""Numbers without an account."""
AS_USER = ("env", f"SUDO_UID={USER}", f"SUDO_GID={USER}")
AS_ROOT = ("env", "-u", "SUDO_UID", "-u", "SUDO_GID", "-u", "PKEXEC_UID", "-u", "DOAS_USER")
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
KEPT = sum(1 << bit for bit, _why in PROBE_CAPABILITIES.values())
needs_all = pytest.mark.skipif(
    os.name != "posix" or any(layer.state not in (IN_FORCE, NOT_NEEDED) for layer in try_out()),
    reason="this system lacks a layer of the sandbox",
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the user, which others may enter."""
    made = Path(tempfile.mkdtemp(prefix="rustnet-test."))
    made.chmod(0o755)
    os.chown(made, USER, USER)
    yield made
    shutil.rmtree(made)


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _colon, value in (line.partition(":") for line in lines)}


def roles(live: Live) -> dict[str, dict[str, str]]:
    """What the kernel says of each process of a run, by its role."""
    stated = {pid: status(pid) for pid in live.processes()}
    probe = next(pid for pid, each in stated.items() if int(each["CapEff"], 16))
    (parser,) = stated.keys() - {probe, live.process.pid}
    return {"writer": stated[live.process.pid], "parser": stated[parser], "probe": stated[probe]}


def fails(session: Path, *options: str, code: ExitCode, wrapper: tuple[str, ...] = AS_USER) -> str:
    """What the command prints when it fails at once."""
    command = [*wrapper, *RUSTNET, "live", "--no-tui", "-i", "lo", "--db", str(session), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@needs_all
def test_what_the_kernel_says_of_the_processes(namespace: Namespace, place: Path) -> None:
    with Live(place / "s.duckdb", "-i", "lo", wrapper=AS_USER) as live:
        said = roles(live)
        for name in ("writer", "parser"):
            one = said[name]
            assert {one[each] for each in SETS} == {"0" * 16}, name
            assert (one["NoNewPrivs"], one["Seccomp"]) == ("1", "2"), name
            assert one["Uid"].split() == one["Gid"].split() == [str(USER)] * 4, name
            assert one["Groups"] == "", name
        probe = said["probe"]
        assert (probe["NoNewPrivs"], probe["Seccomp"]) == ("1", "2")
        assert not (int(probe["CapEff"], 16) | int(probe["CapBnd"], 16) | int(probe["CapPrm"], 16)) & ~KEPT
        assert {int(probe[each], 16) for each in ("CapInh", "CapAmb")} == {0}
        live.stop()
        rows = live.rows("SELECT process, layer, state FROM confinement ORDER BY ALL")
    expected = {"parser": {"user": NOT_NEEDED}, "probe": {"user": OFF, "landlock": OFF}, "writer": {}}
    assert rows == [
        (process, layer, different.get(layer, IN_FORCE))
        for process, different in expected.items()
        for layer in sorted(LAYERS)
    ]
    assert live.errors == ""


@needs_all
def test_started_by_root_alone_it_stays_root_without_its_powers_and_says_so(
    namespace: Namespace, tmp_path: Path
) -> None:
    live = Live(tmp_path / "s.duckdb", "-i", "lo", wrapper=AS_ROOT).started()
    said = roles(live)
    live.process.terminate()
    errors = live.process.communicate(timeout=30)[1]
    assert BY_ROOT in errors
    assert said["writer"]["Uid"].split() == ["0"] * 4
    assert said["parser"]["Uid"].split() == [str(NOBODY)] * 4
    for name in ("writer", "parser"):
        assert {said[name][each] for each in SETS} == {"0" * 16}, name
        assert said[name]["Seccomp"] == "2", name
    rows = live.rows(
        "SELECT process, state, detail LIKE '%--drop-to%' FROM confinement WHERE layer = 'user' ORDER BY 1"
    )
    assert rows == [("parser", IN_FORCE, False), ("probe", OFF, False), ("writer", OFF, True)]


def test_root_names_the_user(namespace: Namespace, place: Path) -> None:
    os.chown(place, NOBODY, NOBODY)
    with Live(place / "s.duckdb", "-i", "lo", "--drop-to", "nobody", wrapper=AS_ROOT) as live:
        assert live.stop() == ExitCode.DONE
    assert (place / "s.duckdb").stat().st_uid == NOBODY
    assert live.errors == ""


@pytest.mark.parametrize("name", ["nobody-of-this-name", "root", "0", "", "x\0y", "4294967295", "99999999999", "54321"])
def test_only_a_user_with_an_account_who_is_not_root_can_be_named(name: str) -> None:
    with pytest.raises(RustnetError, match="--drop-to"):
        chosen_user(name)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SUDO_UID": "54321", "SUDO_GID": "54322"}, (54321, 54322, "sudo")),
        ({"SUDO_UID": "65534", "SUDO_GID": "1"}, (65534, 65534, "sudo")),
        ({"PKEXEC_UID": "65534"}, (65534, 65534, "pkexec")),
        ({"DOAS_USER": "nobody"}, (65534, 65534, "doas")),
        ({"SUDO_UID": "0", "SUDO_GID": "0"}, None),
        ({"SUDO_UID": "54321"}, None),
        ({"SUDO_UID": "54321", "SUDO_GID": "0"}, None),
        ({"SUDO_UID": "-1", "SUDO_GID": "5"}, None),
        ({"SUDO_UID": "4294967295", "SUDO_GID": "5"}, None),
        ({"SUDO_UID": "\u0661"}, None),
        ({"DOAS_USER": "root"}, None),
        ({}, None),
    ],
)
def test_who_called_the_program(
    variables: dict[str, str], expected: tuple[int, int, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    for name in ("SUDO_UID", "SUDO_GID", "PKEXEC_UID", "DOAS_USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    user = invoking_user()
    assert (user and (user.number, user.group, user.origin)) == expected


def test_options_that_contradict_each_other() -> None:
    for options in ((True, "nobody", False), (True, None, True)):
        with pytest.raises(UsageError):
            check_user_options(*options)


@needs_all
def test_strict_wants_a_user(namespace: Namespace, place: Path) -> None:
    words = fails(place / "s.duckdb", "--sandbox-strict", code=ExitCode.FAILURE, wrapper=AS_ROOT)
    assert "--drop-to" in words
    with Live(place / "s.duckdb", "-i", "lo", "--sandbox-strict", wrapper=AS_USER) as live:
        assert live.stop() == ExitCode.DONE


def test_without_the_sandbox_it_is_still_the_user(namespace: Namespace, place: Path) -> None:
    with Live(place / "s.duckdb", "-i", "lo", "--no-sandbox", wrapper=AS_USER) as live:
        said = {status(pid)["Uid"].split()[0]: status(pid)["Seccomp"] for pid in live.processes()}
        live.stop()
        rows = live.rows("SELECT state FROM confinement WHERE process = 'writer' AND layer IN ('landlock', 'user')")
    assert said == {str(USER): "0", "0": "0"}
    assert sorted(rows) == [(IN_FORCE,), (OFF,)]


def test_root_stays_where_that_is_asked_for(namespace: Namespace, tmp_path: Path) -> None:
    with Live(tmp_path / "s.duckdb", "-i", "lo", "--no-uid-drop", wrapper=AS_USER) as live:
        assert status(live.process.pid)["Uid"].split() == ["0"] * 4
        live.stop()
    assert live.errors == ""
    assert (tmp_path / "s.duckdb").stat().st_uid == 0


def test_files_belong_to_the_user_alone(namespace: Namespace, place: Path) -> None:
    server = serve_web()
    exports = ("--pcap-export", str(place / "a.pcap"), "--json-log", str(place / "a.jsonl"))
    with Live(place / "s.duckdb", "-i", "lo", *exports, wrapper=AS_USER) as live:
        fetch()
        live.wait_for("SELECT 1 FROM flows")
        wait_until((place / "a.pcap").exists)
        during = {path.name for path in place.iterdir()}
        live.stop()
    server.kill()
    server.communicate()
    assert live.errors == ""
    assert {"s.duckdb", "s.duckdb.sock", "a.pcap"} <= during
    left = {path.name for path in place.iterdir()}
    assert not [name for name in left if name.endswith((".sock", ".wal")) or ".tmp." in name]
    for path in place.iterdir():
        entry = path.lstat()
        assert (entry.st_uid, entry.st_gid, oct(entry.st_mode & 0o777)) == (USER, USER, "0o600"), path.name
    assert (place / "a.pcap").stat().st_size > 24


def test_a_temporary_session_leaves_nothing(namespace: Namespace, place: Path) -> None:
    command = [*AS_USER, f"TMPDIR={place}", *RUSTNET, "live", "--no-tui", "-i", "lo", "--duration", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (ExitCode.DONE, "")
    assert [*place.iterdir()] == []


@pytest.mark.parametrize("planted", ["link", "link to nothing", "file"])
def test_what_another_user_planted_is_not_used(namespace: Namespace, place: Path, planted: str) -> None:
    session, target = place / "s.duckdb", place / "precious"
    if planted != "link to nothing":
        target.write_text("precious")
        os.chown(target, USER, USER)
    if planted == "file":
        target.rename(session)
        os.chown(session, STRANGER, STRANGER)
        session.chmod(0o666)
    else:
        session.symlink_to(target)
        os.chown(session, STRANGER, STRANGER, follow_symlinks=False)
    before = session.lstat().st_ino, session.lstat().st_size, session.lstat().st_mtime_ns
    words = fails(session, code=ExitCode.FAILURE)
    assert "another user" in words
    assert (session.lstat().st_ino, session.lstat().st_size, session.lstat().st_mtime_ns) == before
    assert planted == "link to nothing" or "precious" in (target if target.exists() else session).read_text()
    assert not target.exists() or planted == "link"


def test_a_link_in_the_place_of_an_export_is_not_followed(namespace: Namespace, place: Path) -> None:
    target = place / "precious"
    target.write_text("precious")
    os.chown(target, USER, USER)
    (place / "a.pcap").symlink_to(target)
    fails(place / "s.duckdb", "--pcap-export", str(place / "a.pcap"), code=ExitCode.USAGE)
    fails(place / "s.duckdb", "--pcap-export", str(place / "a.pcap"), "--force", code=ExitCode.USAGE)
    assert target.read_text() == "precious"


def test_a_link_of_the_users_own_is_followed(namespace: Namespace, place: Path, tmp_path: Path) -> None:
    (place / "disk").mkdir()
    (place / "s.duckdb").symlink_to(place / "disk" / "s.duckdb")
    os.chown(place / "disk", USER, USER)
    os.chown(place / "s.duckdb", USER, USER, follow_symlinks=False)
    (place / "disk" / "s.duckdb").write_bytes(empty_session(tmp_path))
    os.chown(place / "disk" / "s.duckdb", USER, USER)
    command = [*AS_USER, *RUSTNET, "live", "--no-tui", "-i", "lo", "--duration", "0.5", "--db", str(place / "s.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (ExitCode.DONE, "")
    with open_session(place / "disk" / "s.duckdb") as session:
        assert session.sql("SELECT count(*) FROM captures").rows == [(1,)]


def empty_session(folder: Path) -> bytes:
    path = folder / "empty.duckdb"
    close(create_or_open(path, ()))
    return path.read_bytes()
