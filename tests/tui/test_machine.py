"""What a live capture's machine had: parts of Network and Hosts, at the end and at a time."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.machine import write_machine
from tests.support.packets import SECOND, START
from tests.tui.many_protocols import fixed_redactor
from tests.tui.screen_actions import double_click_row, golden, shown
from tests.tui.support import SIZES, browser, screen_text, settle

PARTS = (("network", "counters"), ("network", "routes"), ("network", "neighbours"), ("hosts", "open"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session of a live capture whose machine was recorded."""
    path = tmp_path_factory.mktemp("machine") / "s.duckdb"
    write_machine(path)
    return path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("tab", "part"), PARTS)
@pytest.mark.parametrize("redact", ["off", "on"])
async def test_golden(machine: Path, size: tuple[int, int], tab: str, part: str, redact: str) -> None:
    app: Any = browser(machine, redact=redact, redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        pane = await shown(pilot, tab)
        pane.choose_part(part)
        await settle(pilot)
        await golden(pilot, f"machine-{part}" if redact == "off" else f"machine-{part}-redacted")


async def test_parts_follow_the_time(machine: Path) -> None:
    app: Any = browser(machine)
    async with app.run_test(size=(160, 40)) as pilot:
        pane = await shown(pilot, "hosts")
        pane.choose_part("open")
        await settle(pilot)
        assert "4444" not in screen_text(app)
        app.change(at=START + 7 * SECOND)
        await settle(pilot, lambda: "4444" in screen_text(app))
        assert "nc -D" in screen_text(app)
        pane = await shown(pilot, "network")
        pane.choose_part("routes")
        await settle(pilot)
        assert "10.8.0.0/16" not in screen_text(app)
        app.change(at=START + 9 * SECOND)
        await settle(pilot, lambda: "10.8.0.0/16" in screen_text(app))


async def test_a_session_of_files_says_what_it_lacks(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(160, 40)) as pilot:
        for tab, part in PARTS:
            pane = await shown(pilot, tab)
            pane.choose_part(part)
            await settle(pilot)
            words = "no list of the host's open sockets" if part == "open" else "only a live capture makes one"
            assert words in screen_text(app)


@pytest.mark.parametrize(
    ("tab", "part", "row", "text"),
    [
        ("network", "routes", 1, "ip:10.0.0.0/24"),
        ("network", "neighbours", 0, "ip:10.0.0.1"),
        ("hosts", "open", 0, "port:22 proto:tcp"),
        ("hosts", "open", 3, "ip:192.0.2.9 port:39000 port:443 proto:tcp"),
    ],
)
async def test_rows_lead_to_flows(machine: Path, tab: str, part: str, row: int, text: str) -> None:
    app: Any = browser(machine)
    async with app.run_test(size=(160, 40)) as pilot:
        pane = await shown(pilot, tab)
        pane.choose_part(part)
        await settle(pilot)
        await double_click_row(pilot, pane.grid, row)
        await settle(pilot, lambda: app.tab == "overview")
        assert app.spec.filter == text
