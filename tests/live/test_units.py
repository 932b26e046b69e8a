"""The systemd units that are shipped: systemd accepts them, and their command lines are this program's."""

import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from rustnet.cli.main import COMMANDS, State, cli
from rustnet.probe.helper import CONFIGURATION, SOCKET
from rustnet.probe.helper.configuration import read_configuration
from rustnet.sandbox.live import PROBE_CAPABILITIES
from tests.support.paths import ROOT

UNITS = ROOT / "packaging" / "systemd"
PROGRAM = "/usr/bin/rustnet"
SPECIFIERS = {"%i": "eth0", "%S": "/var/lib", "%t": "/run"}


def settings(name: str) -> dict[str, list[str]]:
    """Values of each setting of a unit."""
    values: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            values.setdefault(key, []).append(value)
    return values


def parsed(name: str) -> click.Context:
    """The command line of a unit as this program parses it."""
    (line,) = settings(name)["ExecStart"]
    for specifier, value in SPECIFIERS.items():
        line = line.replace(specifier, value)
    program, *words = [word for word in shlex.split(line) if not word.startswith("$")]
    assert program == PROGRAM
    context = cli.make_context("rustnet", list(words), obj=State())
    at = next(i for i, word in enumerate(words) if word in COMMANDS)
    command = cli.get_command(context, words[at])
    assert command is not None
    return command.make_context(words[at], words[at + 1 :], parent=context)


def test_systemd_accepts_them(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    names = []
    for unit in UNITS.iterdir():
        copy = tmp_path / unit.name.replace("@.", "@eth0.")
        copy.write_text(unit.read_text("utf-8").replace(PROGRAM, shutil.which("true") or "/bin/true"))
        names.append(str(copy))
    done = subprocess.run([program, "verify", "--man=no", *names], capture_output=True, text=True, check=False)
    if "Failed to" in done.stderr and "bus" in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr}")
    assert (done.returncode, [line for line in done.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


def test_the_command_line_of_the_capture() -> None:
    values = parsed("rustnet-live@.service").params
    assert values["interfaces"] == ("eth0",)
    assert values["db"] == "/var/lib/rustnet/eth0/session.duckdb"
    assert values["no_tui"]
    assert values["new_session"], "each start has a session of its own"
    unit = settings("rustnet-live@.service")
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["StateDirectory"] == ["rustnet/%i"]


def test_the_command_line_of_the_helper() -> None:
    values = parsed("rustnet-helper.service").params
    assert values["configuration"] == CONFIGURATION
    assert settings("rustnet-helper.socket")["ListenSequentialPacket"] == [SOCKET]


def test_capabilities_are_those_of_the_probe() -> None:
    unit = settings("rustnet-live@.service")
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"]
    assert set(unit["AmbientCapabilities"][0].lower().split()) == set(PROBE_CAPABILITIES) - {"cap_sys_admin"}
    assert settings("rustnet-helper.service")["CapabilityBoundingSet"] == ["CAP_NET_RAW"]


def test_the_example_of_the_helper_s_configuration(tmp_path: Path) -> None:
    text = (ROOT / "packaging" / "helper.toml").read_text("utf-8")
    path = tmp_path / "helper.toml"
    path.write_text(text)
    path.chmod(0o600)
    if path.stat().st_uid != 0:
        pytest.skip("needs root, as the file must be root's")
    assert not read_configuration(str(path)).rules, "nothing is allowed until root says so"
    begin = text.index("# [[allow]]")
    rule = "\n".join(line.removeprefix("# ") for line in text[begin:].splitlines())
    path.write_text(text[:begin] + rule.replace('"alice", ', "").replace('"netcapture"', "7"))
    (allowed,) = read_configuration(str(path)).rules
    assert (set(allowed.users), set(allowed.groups), allowed.interfaces) == ({1001}, {7}, ("eth0", "wl*"))
    assert (allowed.snaplen, allowed.promiscuous) == (0, False)
