"""``--redact [POLICY]`` and ``--redact-key``: which word is a policy, whose key it is, and what a file may say."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from rustnet.cli import redaction_options
from rustnet.cli.main import State
from rustnet.cli.optional_values import with_values
from rustnet.cli.redaction_options import KEY_FILE, new_redactor, redactor_of
from rustnet.config import Config
from rustnet.errors import UsageError
from rustnet.records import Kind
from tests.support.command_line import Run


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--redact", "s.duckdb"], ["--redact=", "s.duckdb"]),
        (["s.duckdb", "--redact"], ["s.duckdb", "--redact="]),
        (["s.duckdb", "--redact", "-o", "x"], ["s.duckdb", "--redact=", "-o", "x"]),
        (["--redact", "strict", "s.duckdb"], ["--redact", "strict", "s.duckdb"]),
        (["--redact", "timing-only"], ["--redact", "timing-only"]),
        (["--redact", "my/own.toml", "s.duckdb"], ["--redact", "my/own.toml", "s.duckdb"]),
        (["--redact=share", "share"], ["--redact=share", "share"]),
        (["--redact=", "share"], ["--redact=", "share"]),
        (["s.duckdb", "--", "--redact"], ["s.duckdb", "--", "--redact"]),
        (["--redact", "--", "share"], ["--redact=", "--", "share"]),
        (["--redact", "--redact", "share", "s"], ["--redact=", "--redact", "share", "s"]),
    ],
)
def test_the_next_word_is_the_policy_only_if_it_names_one(given: list[str], meant: list[str]) -> None:
    assert with_values(given) == meant


def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> State:
    monkeypatch.setattr(redaction_options, "usual_file", lambda: tmp_path / "settings" / "config.toml")
    return State(config=Config(), **options)


def test_the_key_is_created_for_its_owner_and_joins_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_redactor(state(tmp_path, monkeypatch, redact=""))
    file = tmp_path / "settings" / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.policy.name == "share"
    second = redactor_of(state(tmp_path, monkeypatch, redact="strict"))
    assert second is not None
    assert second.policy.name == "strict"
    assert first.value(Kind.ADDRESS, "198.51.100.7") == second.value(Kind.ADDRESS, "198.51.100.7")


def test_a_one_off_key_joins_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = state(tmp_path, monkeypatch, redact="", redact_key="new")
    assert new_redactor(new).value(Kind.HOST, "acme.com") != new_redactor(new).value(Kind.HOST, "acme.com")
    assert not (tmp_path / "settings").exists()


def test_without_the_option_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert redactor_of(state(tmp_path, monkeypatch)) is None
    assert redactor_of(None) is None
    assert not (tmp_path / "settings").exists()
    with pytest.raises(UsageError, match="is for --redact"):
        redactor_of(state(tmp_path, monkeypatch, redact_key="new"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"redact": "lax"}, "'lax' is no policy; there are share, strict, timing-only"),
        ({"redact": "none.toml"}, "cannot be read: No such file"),
        ({"redact": "", "redact_key": ""}, "expected the path of a file"),
    ],
)
def test_what_cannot_be_used_is_an_error(
    options: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        redactor_of(state(tmp_path, monkeypatch, **options))
    assert words in str(error.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_by_sudo_the_key_is_that_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd  # noqa: PLC0415

    user = next((each for each in pwd.getpwall() if each.pw_uid > 0), None)
    if user is None:
        pytest.skip("there is no other user")
    for folder in (*tmp_path.parents, tmp_path):
        if folder.owner() == "root" and folder != Path("/") and folder != Path("/tmp"):
            folder.chmod(0o755)
    own = tmp_path / "settings"
    own.mkdir()
    os.chown(own, user.pw_uid, user.pw_gid)
    monkeypatch.setenv("SUDO_UID", str(user.pw_uid))
    monkeypatch.setenv("SUDO_GID", str(user.pw_gid))
    new_redactor(state(tmp_path, monkeypatch, redact=""))
    status = (own / KEY_FILE).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (user.pw_uid, user.pw_gid, 0o600)
    assert os.geteuid() == 0
    others = tmp_path / "others"
    others.mkdir(mode=0o700)
    with pytest.raises(UsageError, match="cannot be read or created"):
        new_redactor(state(tmp_path, monkeypatch, redact="", redact_key=str(others / "key")))


def test_a_summary_is_not_redacted(capture: Path, run: Run, tmp_path: Path) -> None:
    done = run("replay", capture, "--db", tmp_path / "s.duckdb", "--redact")
    assert done.code == 2
    assert "--redact is for the browser" in done.err
    assert not (tmp_path / "s.duckdb").exists()
