"""The manifest of an export: what is changed, missing or added is named, and who signed it."""

import json
import os
from pathlib import Path

import pytest

from rustnet.errors import InputError, RustnetError
from rustnet.export.folder import ExportFolder
from rustnet.export.manifest import FORMAT, NAME, SIGNATURE, Input, check_manifest, write_manifest
from rustnet.export.originals import digest
from rustnet.export.signatures import SigningKey


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.of_file(tmp_path / "signing.key")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "office.pcap"
    path.write_bytes(b"capture")
    return path


@pytest.fixture
def exported(tmp_path: Path, key: SigningKey, capture: Path) -> Path:
    target = tmp_path / "export"
    with ExportFolder(target) as folder:
        with folder.create("zeek/conn.log") as stream:
            stream.write(b"#fields\n")
        with folder.create("flows.csv") as stream:
            stream.write(b"a,b\r\n")
        inputs = [Input("capture", str(capture), 7, digest(capture)), Input("session", "/gone/s.duckdb", 1, "0" * 64)]
        write_manifest(folder, inputs, None, "2026-01-01T00:00:00Z", key)
        folder.publish()
    return target


def wrong(directory: Path, signer: str | None = None) -> dict[str, str]:
    return {f.check: f.detail for f in check_manifest(directory, signer) if not f.ok and f.serious}


def test_an_unchanged_export(exported: Path, key: SigningKey) -> None:
    findings = check_manifest(exported, key.fingerprint)
    assert not [f for f in findings if not f.ok and f.serious]
    assert {f.check for f in findings if f.ok} == {
        f"signature of {NAME}", "zeek/conn.log", "flows.csv", f"input {exported.parent / 'office.pcap'}",
    }  # fmt: skip
    assert oct(exported.stat().st_mode)[-3:] == "700"
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in exported.rglob("*") if path.is_file())


def test_what_is_changed_is_named(exported: Path) -> None:
    (exported / "flows.csv").write_bytes(b"a,c\r\n")
    (exported / "zeek" / "conn.log").write_bytes(b"#fields")
    (exported / "more").write_bytes(b"")
    assert wrong(exported) == {
        "flows.csv": "its SHA-256 differs",
        "zeek/conn.log": "has 7 bytes, not 8",
        "more": "is not in the manifest",
    }


def test_a_missing_file_a_link_and_a_pipe(exported: Path, tmp_path: Path) -> None:
    (exported / "flows.csv").unlink()
    (exported / "flows.csv").symlink_to(tmp_path / "office.pcap")
    (exported / "zeek" / "conn.log").unlink()
    assert set(wrong(exported)) == {"flows.csv", "zeek/conn.log"}
    os.mkfifo(exported / "zeek" / "conn.log")
    assert wrong(exported)["zeek/conn.log"] == "is no plain file in the directory"


def test_a_folder_that_leads_elsewhere(exported: Path, tmp_path: Path) -> None:
    (exported / "zeek").rename(tmp_path / "zeek")
    (exported / "zeek").symlink_to(tmp_path / "zeek")
    assert wrong(exported) == {"zeek/conn.log": "is no plain file in the directory"}


def test_a_changed_manifest_has_no_valid_signature(exported: Path) -> None:
    path = exported / NAME
    path.write_bytes(path.read_bytes().replace(b"null", b"true"))
    assert wrong(exported) == {f"signature of {NAME}": "the signature is not valid for this content"}


def test_another_signer(exported: Path, tmp_path: Path) -> None:
    other = SigningKey.of_file(tmp_path / "other.key")
    (exported / SIGNATURE).write_bytes(other.sign((exported / NAME).read_bytes()))
    assert not wrong(exported)
    expected = SigningKey.of_file(tmp_path / "signing.key").fingerprint
    assert list(wrong(exported, expected)) == [f"signature of {NAME}"]


def test_without_a_signature(exported: Path, key: SigningKey) -> None:
    (exported / SIGNATURE).unlink()
    assert not wrong(exported)
    assert [f.check for f in check_manifest(exported) if not f.ok and "anybody" in f.detail] == [f"signature of {NAME}"]
    assert wrong(exported, key.fingerprint)


def test_a_changed_input_is_no_failure_of_the_export(exported: Path, capture: Path) -> None:
    capture.write_bytes(b"changed")
    assert not wrong(exported)
    details = {f.check: f.detail for f in check_manifest(exported) if not f.ok}
    assert details == {
        f"input {capture}": "the file of this name is another one now",
        "input /gone/s.duckdb": "not compared: there is no such file here",
    }


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "null", "[" * 100_000, '{"manifest": 1, "files": [], "inputs": []}',
        *(
            json.dumps({"manifest": FORMAT, "files": [{"path": path, "bytes": 1, "sha256": digits}], "inputs": []})
            for path, digits in [("../a", "0" * 64), ("/a", "0" * 64), ("", "0" * 64), ("a", "x")]
        ),
    ],
)  # fmt: skip
def test_what_is_no_manifest(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(InputError, match="no manifest"):
        check_manifest(tmp_path)


def test_a_directory_without_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--manifest"):
        check_manifest(tmp_path)
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(InputError, match="no plain file"):
        check_manifest(tmp_path)


def test_the_manifest_states_tool_policy_and_time(exported: Path) -> None:
    data = json.loads((exported / NAME).read_text())
    assert data["tool"]["name"] == "rustnet"
    assert data["policy"] is None
    assert data["created"] == "2026-01-01T00:00:00Z"


def test_an_export_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with ExportFolder(target) as folder:
        with folder.create("a/b/c.txt") as stream:
            stream.write(b"x")
        assert not target.exists()
    assert list(tmp_path.iterdir()) == []


def test_an_export_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with ExportFolder(target) as folder:  # an empty directory may be used
        (target / "mine").write_text("kept")
        with pytest.raises(RustnetError):
            folder.publish()
    assert (target / "mine").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(RustnetError, match="not empty"):
        ExportFolder(target)
    with pytest.raises(RustnetError, match="no directory"):
        ExportFolder(target / "mine")
    with pytest.raises(RustnetError, match="does not exist"):
        ExportFolder(tmp_path / "missing" / "out")


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x"])
def test_no_file_outside(tmp_path: Path, name: str) -> None:
    with ExportFolder(tmp_path / "out") as folder, pytest.raises(ValueError, match="not a new name"):
        folder.new(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another group")
def test_a_group_may_read(tmp_path: Path) -> None:
    with ExportFolder(tmp_path / "out", group=12345) as folder:
        with folder.create("a/b.txt") as stream:
            stream.write(b"x")
        folder.publish()
    modes = {path.name: (path.stat().st_gid, path.stat().st_mode & 0o777) for path in tmp_path.rglob("*")}
    assert modes == {"out": (12345, 0o750), "a": (12345, 0o750), "b.txt": (12345, 0o640)}


def test_replaced_names_of_inputs_are_not_looked_for(tmp_path: Path, key: SigningKey) -> None:
    with ExportFolder(tmp_path / "out") as folder:
        inputs = [Input("session", "p-0123.duckdb", 1, "hash-0123")]
        write_manifest(folder, inputs, {"name": "share"}, "2026-01-01T00:00:00Z", key)
        folder.publish()
    assert [f.check for f in check_manifest(tmp_path / "out")] == [f"signature of {NAME}"]
