"""``export --manifest`` and ``verify DIR`` from the command line."""

import json
import subprocess
from pathlib import Path

import pytest

from rustnet.cli.main import main

SAMPLE = Path(__file__).resolve().parents[2] / "sample_pcaps" / "web.pcap"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("custody") / "web.duckdb"
    assert main(["replay", str(SAMPLE), "--db", str(path), "--no-tui"]) == 0
    return path


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


def export(session: Path, target: Path, *options: str) -> Path:
    assert main(["export", str(session), "-f", "jsonl", "--manifest", "-o", str(target), *options]) == 0
    return target


def test_the_manifest_states_the_inputs(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = export(session, tmp_path / "out")
    data = json.loads((target / "manifest.json").read_text())
    inputs = {each["kind"]: each for each in data["inputs"]}
    assert inputs["session"]["bytes"] == session.stat().st_size
    assert inputs["capture"]["path"] == str(SAMPLE)
    assert {each["path"] for each in data["files"]} == {
        str(path.relative_to(target)) for path in target.rglob("*") if path.is_file() and path.name[:8] != "manifest"
    }
    capsys.readouterr()
    assert main(["verify", str(target), "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["ok"]
    assert {each["check"] for each in checked["findings"] if "input" in each["check"] and each["ok"]} == {
        f"input {session}", f"input {SAMPLE}",
    }  # fmt: skip


def test_a_redacted_manifest_names_no_input(session: Path, tmp_path: Path) -> None:
    target = export(session, tmp_path / "out", "--redact")
    text = (target / "manifest.json").read_text()
    assert "sample_pcaps" not in text
    assert session.parent.name not in text
    assert json.loads(text)["policy"]["name"] == "share"


def test_the_signer_is_compared(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    target = export(session, tmp_path / "out", "--signing-key", str(key))
    assert main(["verify", str(target), "--signer", f"{key}.pub"]) == 0
    other = export(session, tmp_path / "other")  # by the usual key
    assert (tmp_path / "settings" / "rustnet" / "signing.key").stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert main(["verify", str(other), "--signer", f"{key}.pub"]) == 1
    assert "signed by the key" in capsys.readouterr().out


def test_what_is_changed_fails(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = export(session, tmp_path / "out")
    flows = next(target.rglob("flows.jsonl"))
    flows.write_bytes(flows.read_bytes() + b"\n")
    capsys.readouterr()
    assert main(["verify", str(target)]) == 1
    assert "1 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["verify", "{folder}", "--source", "x"], 2),
        (["verify", "{session}", "--signer", "x"], 2),
        (["verify", "{folder}"], 3),
        (["export", "{session}", "-f", "csv", "--signing-key", "{session}", "-o", "{folder}/x"], 2),
    ],
)
def test_mistakes(session: Path, tmp_path: Path, words: list[str], code: int) -> None:
    assert main([word.format(folder=tmp_path, session=session) for word in words]) == code
    assert not (tmp_path / "x").exists()
