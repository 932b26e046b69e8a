"""Redact mode as the command line and the configuration ask for it."""

from pathlib import Path

import pytest

from rustnet.cli.browser_settings import browser_settings
from rustnet.cli.main import State
from rustnet.cli.redaction_options import new_redactor
from rustnet.config import Config, ConfigError, Source, load
from rustnet.errors import UsageError
from rustnet.records import Kind


def state(**settings: object) -> State:
    return State(config=Config(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "flag", "redact"),
    [("off", False, "off"), ("off", True, "on"), ("on", False, "on"), ("always", False, "always"),
     ("always", True, "always"), ("on", True, "on")],
)  # fmt: skip
def test_the_flag_switches_on_and_never_weakens(mode: str, flag: bool, redact: str) -> None:
    asked = state(redact_mode=mode, redact_key_file="new")
    asked.redact = "" if flag else None
    assert browser_settings(asked).redact == redact


def test_policy_and_key_are_those_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "key"
    wanted = state(redact_policy="strict", redact_key_file=path)
    first, second = new_redactor(wanted), new_redactor(wanted)
    assert first.policy.name == "strict"
    assert first.value(Kind.HOST, "acme.com") == second.value(Kind.HOST, "acme.com")
    new = state(redact_key_file="new")
    assert new_redactor(new).value(Kind.HOST, "acme.com") != new_redactor(new).value(Kind.HOST, "acme.com")


def test_a_key_that_cannot_be_used_is_an_error_before_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("short")
    path.chmod(0o600)
    asked = state(redact_key_file=path)
    asked.redact = ""
    with pytest.raises(UsageError, match="at least 12 characters"):
        browser_settings(asked)
    settings = browser_settings(state(redact_key_file=path))  # nothing is read until redact mode is wanted
    assert settings.redactor is not None
    with pytest.raises(UsageError):
        settings.redactor()


def test_the_settings_are_read_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[redact]\nmode = "always"\npolicy = "strict"\nkey_file = "key"\n')
    file.chmod(0o600)
    config = load(Source(str(file))).config
    assert (config.redact_mode, config.redact_policy, config.redact_key_file) == ("always", "strict", tmp_path / "key")
    monkeypatch.setenv("RUSTNET_REDACT_MODE", "on")
    assert load(Source(str(file))).config.redact_mode == "on"
    file.write_text('[redact]\nmode = "allways"\n')
    monkeypatch.delenv("RUSTNET_REDACT_MODE")
    with pytest.raises(ConfigError, match="did you mean always"):
        load(Source(str(file)))
