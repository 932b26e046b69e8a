"""Hosts and names: lists, the page of a host, filters, and what a session does not have."""

from pathlib import Path
from typing import Any

import pytest

from rustnet.query.session import open_session
from rustnet.tui.screens.health import HealthPane
from rustnet.tui.screens.hosts import HOST_PARTS, HostsPane
from rustnet.tui.screens.network import NetworkPane
from rustnet.tui.screens.parts import PartsPane
from rustnet.tui.widgets.listing_grid import TIME, UTC_TIME
from tests.tui.many_protocols import fixed_redactor
from tests.tui.screen_actions import click_word, double_click_row, golden, sample, shown
from tests.tui.support import SIZES, browser, screen_text, settle

PARTS = [name for name, _title in HostsPane.PARTS]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session with routers, VLANs and tunnels."""
    return sample(tmp_path_factory, "network.pcapng")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", PARTS)
async def test_golden(web: Path, size: tuple[int, int], part: str) -> None:
    app: Any = browser(web)
    async with app.run_test(size=size) as pilot:
        pane = await shown(pilot, "hosts")
        pane.choose_part(part)
        await settle(pilot)
        await golden(pilot, f"hosts-{part}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("redact", ["off", "on"])
async def test_page_golden(web: Path, size: tuple[int, int], redact: str) -> None:
    app: Any = browser(web, redact=redact, redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        pane = await shown(pilot, "hosts")
        pane.open_host("192.0.2.80")
        await settle(pilot, lambda: pane.page is not None)
        await golden(pilot, "host" if redact == "off" else "host-redacted")


async def test_parts_by_key_and_click(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        for name in [*PARTS[1:], PARTS[0]]:
            await pilot.press("n")
            await settle(pilot)
            assert pane.part == name
            assert pane.listing is not None
        await click_word(pilot, "Names")
        assert pane.part == "names"
        assert "www.shop.example" in screen_text(app)


async def test_what_a_session_does_not_have_is_said(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(160, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        pane.choose_part("sockets")
        await settle(pilot)
        assert "The session has no list of the host's open sockets" in screen_text(app)
        pane.choose_part("aliases")
        await settle(pilot)
        assert "No other tool's records were matched" in screen_text(app)


async def test_page_of_a_host_and_back(network: Path) -> None:
    app: Any = browser(network)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        await pilot.press("down", "down")
        address = pane.grid.field("ip")
        await pilot.press("enter")
        await settle(pilot, lambda: pane.page is not None)
        assert pane.page.address == address
        assert f"host {address}" in screen_text(app)
        for name, _title in [*HOST_PARTS[1:], HOST_PARTS[0]]:
            await pilot.press("n")
            await settle(pilot)
            assert pane.host_part == name
        await click_word(pilot, "Uses")
        assert pane.host_part == "used"
        await pilot.press("escape")
        await settle(pilot, lambda: pane.page is None)
        assert app.tab == "hosts"
        assert pane.grid.cursor == 2
        assert pane.grid.field("ip") == address


async def test_a_fact_leads_to_its_flow(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        await double_click_row(pilot, pane.grid, 0)
        await settle(pilot, lambda: pane.page is not None)
        flow = pane.grid.field("flow_id")
        await pilot.press("enter")
        await settle(pilot, lambda: app.tab == "details")
        assert app.pane.flow_id == flow


async def test_owner_leads_to_the_flows_of_the_process(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        pane.open_host("192.0.2.11")
        await settle(pilot, lambda: pane.page is not None)
        await click_word(pilot, "Owners")
        await pilot.press("enter")
        await settle(pilot, lambda: app.tab == "overview")
        assert app.spec.filter == 'process:="curl"'


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("aliases", "open")])
async def test_filter_by_the_selected_row(web: Path, part: str) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        pane.choose_part(part)
        await settle(pilot)
        ip, name = pane.grid.field("ip"), pane.grid.field("name")
        await pilot.press("f")
        await settle(pilot, lambda: app.tab == "overview")
        with open_session(web) as session:
            flows = session.flows(app.spec.filter, columns="src_ip,dst_ip,hostname").rows
        assert flows
        assert all(ip in row for row in flows) or any(row[2] == name for row in flows)
        await pilot.press("escape")
        await settle(pilot, lambda: app.tab == "hosts")
        assert pane.part == part


async def test_filter_by_the_host_of_the_page(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        for address, text in (("192.0.2.80", "ip:192.0.2.80"), ("02:00:5e:10:00:01", "mac:02:00:5e:10:00:01")):
            pane.open_host(address)
            await settle(pilot, lambda: pane.page is not None)
            await pilot.press("f")
            await settle(pilot, lambda: app.tab == "overview")
            assert app.spec.filter == text
            app.change(filter="", remember=False)
            await shown(pilot, "hosts")


async def test_a_host_that_is_not_there(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        pane.open_host("203.0.113.254")
        await settle(pilot, lambda: pane.page is not None)
        assert "no packet of 203.0.113.254 is in this session" in screen_text(app)
        await pilot.press("n", "enter", "escape")
        await settle(pilot, lambda: pane.page is None)


async def test_at_a_time_the_page_says_what_it_is_of(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(160, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        app.change(at=app.session_facts.first_ns)
        await settle(pilot)
        pane.open_host("192.0.2.80")
        await settle(pilot, lambda: pane.page is not None)
        assert "as known at the end of the session" in screen_text(app)


@pytest.mark.parametrize("pane", [HostsPane, HealthPane, NetworkPane])
def test_columns_that_always_show_fit_into_80(pane: type[PartsPane]) -> None:
    for part, columns in pane.COLUMNS.items():
        least = 1 + sum(1 + (UTC_TIME if c.width == TIME else c.width) for c in columns if not c.drop)
        assert least <= 79, part
