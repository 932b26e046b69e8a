"""Health: captures, anomalies with their packets, paths, sources, checks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rustnet.alerts.definitions import choose, load
from rustnet.alerts.plan import AlertPlan
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.query.views import health
from rustnet.tui.screens.health import HealthPane
from tests.support.paths import SAMPLES
from tests.tui.many_protocols import fixed_redactor, write_session
from tests.tui.screen_actions import click_word, double_click_row, golden, sample, shown
from tests.tui.support import SIZES, browser, screen_text, settle

PARTS = [name for name, _title in HealthPane.PARTS]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session of a file that ends within a packet."""
    return sample(tmp_path_factory, "damaged.pcap")


@pytest.fixture(scope="module")
def slow_link(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session with cut packets, missing bytes, and an anomaly in a flow."""
    return sample(tmp_path_factory, "slow-link.pcap")


@pytest.fixture(autouse=True)
def one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of one time, version and machine."""
    real = health.captures

    def captures(*args: Any) -> health.Captures:
        meta = {"created": "2026-01-02T03:04:05Z", "rustnet_version": "1.2.3", "schema_version": "1"}
        states = [("landlock", "in_force", "version 3"), ("system_calls", "off", None)]
        layers = [health.Layer(1, "parser", *state) for state in states]
        return replace(real(*args), meta=meta, confinement=layers)

    monkeypatch.setattr(health, "captures", captures)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", PARTS)
async def test_golden(slow_link: Path, size: tuple[int, int], part: str) -> None:
    app: Any = browser(slow_link)
    async with app.run_test(size=size) as pilot:
        pane = await shown(pilot, "health")
        pane.choose_part(part)
        await settle(pilot, lambda: part != "checks" or pane.findings is not None)
        await golden(pilot, f"health-{part}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("redact", ["off", "on"])
async def test_damage_golden(damaged: Path, size: tuple[int, int], redact: str) -> None:
    app: Any = browser(damaged, redact=redact, redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, "health")
        await golden(pilot, "health-damaged" if redact == "off" else "health-redacted")


async def test_parts_by_key_and_click(damaged: Path) -> None:
    app: Any = browser(damaged)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "health")
        for name in [*PARTS[1:], PARTS[0]]:
            await pilot.press("n")
            await settle(pilot)
            assert pane.part == name
        await click_word(pilot, "Anomalies")
        assert pane.part == "anomalies"


async def test_captures_say_what_is_wrong_and_what_is_unknown(damaged: Path) -> None:
    app: Any = browser(damaged)
    async with app.run_test(size=(160, 40)) as pilot:
        pane = await shown(pilot, "health")
        text = screen_text(app)
        assert "the input is damaged, or reading it was interrupted" in text
        assert "damaged at byte 20,457" in text
        assert "parser: landlock" in text
        assert "!parser: system calls" in text
        assert "the input does not state it" in text
        marks = {line.label: pane.grid._mark_of(at) for at, line in enumerate(pane.lines)}
        assert (marks["complete"], marks["packets"]) == ("x", " ")


async def test_capture_leads_to_its_flows(damaged: Path) -> None:
    app: Any = browser(damaged)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, "health")
        await pilot.press("down", "enter")
        await settle(pilot, lambda: app.tab == "overview")
        assert app.spec.filter == "capture:1"


async def test_anomaly_leads_to_its_packet_and_flow(slow_link: Path) -> None:
    app: Any = browser(slow_link)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "health")
        await click_word(pilot, "Anomalies")
        await pilot.press("enter")
        await settle(pilot)
        assert pane.kind == "pair_unknown"
        assert "place of pair unknown" in screen_text(app) or "places of pair unknown" in screen_text(app)
        flow = pane.grid.field("flow_id")
        assert flow is not None
        await pilot.press("enter")
        await settle(pilot, lambda: app.tab == "details")
        assert app.pane.flow_id == flow
        await pilot.press("escape")
        await settle(pilot, lambda: app.tab == "health")
        assert pane.kind == "pair_unknown"
        await pilot.press("escape")
        await settle(pilot)
        assert pane.kind == ""
        assert "kind of anomaly" in screen_text(app)
        assert app.tab == "health"


async def test_packet_of_no_flow(damaged: Path) -> None:
    app: Any = browser(damaged)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        pane = await shown(pilot, "health")
        await click_word(pilot, "Anomalies")
        await double_click_row(pilot, pane.grid, 0)
        assert pane.kind == "cut_off"
        await pilot.press("enter")
        await settle(pilot)
        assert app.tab == "health"
        assert "this packet belongs to no flow" in screen_text(app)


async def test_path_leads_to_its_flows(slow_link: Path) -> None:
    app: Any = browser(slow_link)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "health")
        await click_word(pilot, "Paths")
        ends = (pane.grid.field("local_ip"), pane.grid.field("remote_ip"))
        await pilot.press("enter")
        await settle(pilot, lambda: app.tab == "overview")
        assert app.spec.filter == f"ip:{ends[0]} ip:{ends[1]} proto:tcp"


async def test_checks_run_once_and_do_not_hold_up_other_screens(damaged: Path) -> None:
    app: Any = browser(damaged)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "health")
        await click_word(pilot, "Checks")
        await settle(pilot, lambda: pane.findings is not None)
        assert [f.check for f in pane.findings if not f.ok] == ["capture 1: completeness"]
        assert "none failed" in screen_text(app)
        asked = app.runner.asked
        await click_word(pilot, "Captures")
        await click_word(pilot, "Checks")
        assert app.runner.asked == asked + 2


async def test_at_a_time(slow_link: Path) -> None:
    app: Any = browser(slow_link)
    async with app.run_test(size=(160, 50)) as pilot:
        await shown(pilot, "health")
        app.change(at=app.session_facts.first_ns + 10**9)
        await settle(pilot, lambda: "packets so far" in screen_text(app))
        assert "a file's own statements are about all of it" in screen_text(app)


async def test_hostile_details_are_shown_safely(tmp_path: Path) -> None:
    app: Any = browser(write_session(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, "health")
        for _part in PARTS:
            await pilot.press("n")
            await settle(pilot)
            assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in screen_text(app).replace("\n", ""))


async def test_confinement_that_is_not_recorded_is_said(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = health.captures
    monkeypatch.setattr(health, "captures", lambda *args: replace(fixed(*args), confinement=[]))
    app: Any = browser(damaged)
    async with app.run_test(size=(160, 40)) as pilot:
        await shown(pilot, "health")
        assert "not recorded in the session" in screen_text(app)


@pytest.fixture(scope="module")
def alerted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session of a scan, with alerts."""
    path = tmp_path_factory.mktemp("alerts") / "scan.duckdb"
    wanted = choose(load(), ["all", "new-service:warm-up=0"])
    plan = AlertPlan((*wanted, replace(wanted[0], name="needs-more", needs=("sockets_of_old",))))
    report = ingest([str(SAMPLES / "scan.pcap.zst")], str(path), Options(alerts=plan))
    assert report.captures[0].complete
    return path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("redact", ["off", "on"])
async def test_alerts_golden(alerted: Path, size: tuple[int, int], redact: str) -> None:
    app: Any = browser(alerted, redact=redact, redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        pane = await shown(pilot, "health")
        pane.choose_part("alerts")
        await settle(pilot)
        await golden(pilot, "health-alerts-raised" if redact == "off" else "health-alerts-redacted")


async def test_an_alert_leads_to_its_flow(alerted: Path) -> None:
    app: Any = browser(alerted)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("!")
        await settle(pilot, lambda: app.tab == "health")
        pane = app.pane
        assert pane.part == "alerts"
        rows = [(pane.listing.value(row, "alert"), pane.listing.value(row, "flow_id")) for row in pane.listing.rows]
        assert {alert for alert, _flow in rows} == {"scan", "clear-text-credentials"}
        flow = pane.grid.field("flow_id")
        assert flow == rows[0][1]
        await pilot.press("enter")
        await settle(pilot, lambda: app.tab == "details")
        assert app.pane.flow_id == flow
        await pilot.press("escape")
        await settle(pilot, lambda: app.tab == "health")
        assert app.pane.part == "alerts"


async def test_the_number_of_alerts_is_in_the_first_line_and_leads_to_them(alerted: Path, damaged: Path) -> None:
    app: Any = browser(alerted)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert " 2 alerts " in screen_text(app).splitlines()[0]
        await pilot.click(offset=(screen_text(app).splitlines()[0].index("2 alerts"), 0))
        await settle(pilot, lambda: app.tab == "health")
        assert app.pane.part == "alerts"
    app = browser(damaged)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "health")
        assert "alert" not in screen_text(app).splitlines()[0]
        pane.choose_part("alerts")
        await settle(pilot)
        assert "No alert was checked in this session" in screen_text(app)


async def test_alerts_of_later_are_not_shown_at_a_time(alerted: Path) -> None:
    app: Any = browser(alerted)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "health")
        pane.choose_part("alerts")
        await settle(pilot)
        assert len(pane.listing.rows) == 2
        app.change(at=app.session_facts.first_ns + 1)
        await settle(pilot)
        assert len(pane.listing.rows) == 0
        assert "2 alerts" not in screen_text(app).splitlines()[0]
