"""Network: interfaces, gateways, VLANs, tunnels, and what a session does not have."""

from pathlib import Path
from typing import Any

import pytest

from rustnet.query.session import open_session
from rustnet.tui.screens.network import NetworkPane
from tests.tui.many_protocols import fixed_redactor
from tests.tui.screen_actions import click_word, double_click_row, golden, sample, shown
from tests.tui.support import SIZES, browser, screen_text, settle

PARTS = [name for name, _title in NetworkPane.PARTS]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session with routers, VLANs and tunnels."""
    return sample(tmp_path_factory, "network.pcapng")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("redact", ["off", "on"])
async def test_golden(network: Path, size: tuple[int, int], part: str, redact: str) -> None:
    app: Any = browser(network, redact=redact, redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        pane = await shown(pilot, "network")
        pane.choose_part(part)
        await settle(pilot)
        await golden(pilot, f"network-{part}" if redact == "off" else f"network-{part}-redacted")


async def test_parts_by_key_and_click(network: Path) -> None:
    app: Any = browser(network)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "network")
        for name in [*PARTS[1:], PARTS[0]]:
            await pilot.press("n")
            await settle(pilot)
            assert pane.part == name
        await click_word(pilot, "VLANs")
        assert pane.part == "vlans"


async def test_what_a_session_does_not_have_is_said(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(200, 40)) as pilot:
        pane = await shown(pilot, "network")
        assert "neither counters of the system's interfaces nor routes" in screen_text(app)
        for part, words in (
            ("gateways", "No address shows itself as a router"),
            ("vlans", "No flow has a VLAN tag."),
            ("tunnels", "No flow was carried in a tunnel."),
        ):
            pane.choose_part(part)
            await settle(pilot)
            assert words in screen_text(app)


@pytest.mark.parametrize("part", ["interfaces", "gateways", "vlans"])
async def test_rows_lead_to_their_flows(network: Path, part: str) -> None:
    app: Any = browser(network)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "network")
        pane.choose_part(part)
        await settle(pilot)
        row = next(at for at, row in enumerate(pane.grid.rows) if part != "vlans" or row[1] is not None)
        await double_click_row(pilot, pane.grid, row)
        await settle(pilot, lambda: app.tab == "overview")
        with open_session(network) as session:
            assert len(session.flows(app.spec.filter)) > 0
        await pilot.press("escape")
        await settle(pilot, lambda: app.tab == "network")
        assert pane.part == part


async def test_tunnel_leads_to_its_flow(network: Path) -> None:
    app: Any = browser(network)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "network")
        await click_word(pilot, "Tunnels")
        flow = pane.grid.field("flow_id")
        await pilot.press("enter")
        await settle(pilot, lambda: app.tab == "details")
        assert app.pane.flow_id == flow


async def test_counts_follow_filter_and_time(network: Path) -> None:
    app: Any = browser(network)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "network")
        every = pane.grid.field("packets")
        app.change(filter="proto:udp")
        await settle(pilot, lambda: pane.grid.field("packets") != every)
        assert 0 < pane.grid.field("packets") < every
        app.change(filter="", at=app.session_facts.first_ns)
        await settle(pilot, lambda: pane.grid.field("packets") == 1)


async def test_reset(network: Path) -> None:
    app: Any = browser(network)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "network")
        await pilot.press("n", "s", "r")
        await settle(pilot)
        assert (pane.part, pane.grid.sort_key) == ("interfaces", "")
