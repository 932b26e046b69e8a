"""Alerts about the machine of a live capture."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rustnet.alerts.definitions import Definition
from rustnet.alerts.engine import Alerts, Raised, baseline_keys
from rustnet.dissect import registry
from rustnet.query.session import CursorSession, FileSession
from rustnet.store.session import close, create_or_open, reading_cursor
from tests.alerts.scene import chosen
from tests.support.machine import STORY, owned, socket, write_machine
from tests.support.packets import SECOND, START


def raised_in(path: Path, *definitions: Definition, **baseline: Any) -> list[Raised]:
    """What the last check of a run raises."""
    found: list[Raised] = []
    con = create_or_open(str(path), registry.tables())
    try:
        alerts = Alerts(definitions, on_alert=found.append, **baseline)
        with CursorSession(str(path), partial(reading_cursor, con), statements=1) as session:
            alerts.finish(con, [1], session)
    finally:
        close(con)
    return found


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    path = tmp_path / "s.duckdb"
    write_machine(path)
    return path


def test_a_port_that_a_program_begins_to_listen_on(machine: Path) -> None:
    (alert,) = raised_in(machine, *chosen("new-listener"))
    assert (alert.name, alert.ts, alert.flow_id) == ("new-listener", START + 5 * SECOND, None)
    assert alert.summary == "nc (/tmp/nc) listens on tcp port 4444: all addresses"
    assert raised_in(machine, *chosen("new-listener")) == []


def test_a_port_that_the_baseline_has_is_not_new(machine: Path, tmp_path: Path) -> None:
    usual = tmp_path / "usual.duckdb"
    known = socket(0, "present", 1, "0.0.0.0:4444", uid=1000, **owned(1, "nc", username="ann", exe="/tmp/nc"))
    write_machine(usual, [known])
    with FileSession(usual) as session:
        keys = baseline_keys(chosen("new-listener"), session)
    assert raised_in(machine, *chosen("new-listener"), baseline=keys) == []


def test_a_port_that_is_opened_again_by_its_program_is_not_new(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    sshd = owned(811, "sshd")
    again = [
        socket(0, "present", 1, "0.0.0.0:22", listening=True, **sshd),
        socket(5, "closed", 1, "0.0.0.0:22", listening=True, **sshd),
        socket(10, "opened", 2, "0.0.0.0:22", listening=True, **sshd),
    ]
    write_machine(path, again)
    assert raised_in(path, *chosen("new-listener")) == []


def test_an_alert_of_ones_own_about_udp(machine: Path) -> None:
    (definition,) = chosen("new-listener")
    names = {alert.summary for alert in raised_in(machine, replace(definition, name="udp-too", skip={}))}
    assert "systemd-resolve (/usr/sbin/systemd-resolve) listens on udp port 53: this machine only" in names
    assert len(STORY) > len(names) == 2
