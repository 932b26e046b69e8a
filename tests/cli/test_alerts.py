"""`rustnet alerts`, `replay --alert`, and the settings of alerts."""

import json
from pathlib import Path

import pytest

from rustnet.errors import ExitCode
from tests.support.command_line import Run
from tests.support.paths import SAMPLES

SCAN = SAMPLES / "scan.pcap.zst"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of the configuration."""
    folder = tmp_path / "config"
    (folder / "rustnet").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.delenv("RUSTNET_CONFIG")
    return folder / "rustnet"


def configure(folder: Path, text: str) -> None:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)


def test_what_is_raised_is_printed_and_listed(run: Run, own: Path, tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    done = run("replay", SCAN, "--db", session, "--alert", "scan", "--alert", "clear-text-credentials:severity=low")
    assert done.code == 0
    scan, credentials = done.err.splitlines()
    assert scan.startswith(
        "rustnet: alert scan (high), 2026-11-23 16:25:50.769559Z: 192.0.2.66 scans many ports of one "
    )
    assert scan.endswith(" host: 192.0.2.80, 1,000 in 1,000 attempts (SYN)")
    assert credentials.startswith("rustnet: alert clear-text-credentials (low), 2026-11-23 16:25:50.936593Z: snmp ")
    listed = run("alerts", session, tty=True)
    assert listed.code == 0
    assert [line.split()[2] for line in listed.out.splitlines()[1:]] == ["low", "high"]
    rows = [json.loads(line) for line in run("alerts", session, "-f", "jsonl").out.splitlines()]
    assert [row["alert"] for row in rows] == ["clear-text-credentials", "scan"]
    assert json.loads(rows[1]["finding"])["width"] == 1000
    assert len(run("alerts", session, "-n", "1", "-f", "csv").out.splitlines()) == 2
    checks = [json.loads(line) for line in run("alerts", session, "--checks", "-f", "jsonl").out.splitlines()]
    assert {(row["alert"], row["state"]) for row in checks} == {
        ("scan", "checked"),
        ("clear-text-credentials", "checked"),
    }


def test_what_was_not_checked_is_said(run: Run, own: Path, tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", SCAN, "--db", session).code == 0
    listed = run("alerts", session)
    assert (listed.code, len(listed.out.splitlines())) == (0, 2)
    assert listed.err == "no alert was checked in this session; 'rustnet replay --alert all' checks them\n"
    assert run("replay", SCAN, "--db", session, "--again", "--alert", "new-listener", "--alert", "drops").code == 0
    assert run("alerts", session).err.splitlines() == [
        "no alert was raised", "new-listener: impossible: the session has nothing in its table sockets",
    ]  # fmt: skip


def test_the_configuration_enables_alerts(run: Run, own: Path, tmp_path: Path) -> None:
    configure(own, '[alerts]\nenabled = ["scan:ports=2000", "drops"]\n')
    session = tmp_path / "s.duckdb"
    names = "SELECT alert FROM alert_checks ORDER BY ALL"
    assert run("replay", SCAN, "--db", session).err == ""
    assert run("query", session, "--sql", names, "-f", "csv").out.split() == ["alert", "drops", "scan"]
    session.unlink()
    assert "alert scan (high)" in run("replay", SCAN, "--db", session, "--alert", "scan:ports=20").err
    session.unlink()
    assert run("replay", SCAN, "--db", session, "--no-alerts").err == ""
    assert run("query", session, "--sql", names, "-f", "csv").out.split() == ["alert"]
    listed = run("alerts", "--list", "-f", "jsonl").out.splitlines()
    assert {row["alert"] for row in map(json.loads, listed) if row["enabled"]} == {"scan", "drops"}


def test_own_alerts(run: Run, own: Path, tmp_path: Path) -> None:
    (own / "alerts").mkdir()
    (own / "queries").mkdir()
    text = 'title = "Any \\u001b[31m"\ndescription = "D."\nquery = "mine"\nseverity = "low"\n'
    (own / "alerts" / "any.toml").write_text(text + 'keys = ["what"]\nsummary = "saw {what}"\n')
    (own / "alerts" / "broken.toml").write_text("title = 1\n")
    (own / "queries" / "mine.sql").write_text("-- title: T\n-- description: D.\nSELECT chr(27) || '[31m' AS what")
    done = run("replay", SCAN, "--db", tmp_path / "s.duckdb", "--alert", "any")
    assert done.err == "rustnet: alert any (low): saw \\x1b[31m\n"
    listed = run("alerts", "--list")
    assert "any*" in listed.out
    assert "\x1b" not in listed.out + listed.err
    assert "broken.toml: has no key description" in listed.err
    assert run("replay", SCAN, "--alert", "broken").code == ExitCode.FAILURE
    described = run("alerts", "--list", "any")
    assert "keys = what" in described.out
    assert "\x1b" not in described.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", SCAN, "--alert", "scn"], "unknown alert 'scn': did you mean scan?"),
        (["replay", SCAN, "--alert", "scan", "--no-alerts"], "--alert and --no-alerts exclude each other"),
        (["alerts"], "give a session, or --list"),
        (["alerts", "--list", "scn"], "unknown alert 'scn'"),
    ],
)
def test_mistakes(run: Run, own: Path, arguments: list[object], words: str) -> None:
    done = run(*arguments)
    assert done.code == ExitCode.USAGE
    assert words in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('webhook = "file:///etc/passwd"', "alerts.webhook must be an address that begins with https:// or http://"),
        ('webhook = "https://"', "alerts.webhook must be an address"),
        ('command = "rm -rf /, x"', "alerts.command: rm -rf /: there is no such program"),
        ('least = "loud"', 'alerts.least must be "low", "medium" or "high", not \'loud\''),
        ('enabled = ["scn"]', "unknown alert 'scn': did you mean scan?"),
    ],
)
def test_settings_that_cannot_work(run: Run, own: Path, text: str, words: str) -> None:
    configure(own, f"[alerts]\n{text}\n")
    done = run("replay", SCAN, "--no-tui", *([] if "enabled" in text else ["--alert", "scan"]))
    assert done.code == ExitCode.USAGE
    assert words in done.err


def test_a_program_of_the_configuration_gets_the_alert(run: Run, own: Path, tmp_path: Path) -> None:
    configure(own, '[alerts]\ncommand = ["/bin/false"]\n')
    done = run("replay", SCAN, "--db", tmp_path / "s.duckdb", "--alert", "scan")
    assert done.code == 0
    assert done.err.splitlines()[1:] == ["rustnet: 1 alert was not delivered to command (exit code 1)"]


def test_the_new_ones_of_a_baseline(run: Run, own: Path, tmp_path: Path) -> None:
    usual = tmp_path / "usual.duckdb"
    assert run("replay", SAMPLES / "web.pcap", "--db", usual).code == 0
    configure(own, f'[alerts]\nbaseline = "{usual}"\n')
    wanted = ("--alert", "new-process")
    assert run("replay", SAMPLES / "web.pcap", "--db", tmp_path / "a.duckdb", *wanted).err == ""
    assert "alert new-process" in run("replay", SAMPLES / "slow-link.pcap", "--db", tmp_path / "b.duckdb", *wanted).err
