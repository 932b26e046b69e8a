"""Graph: layers, parts and spans by keys and clicks; plots follow the size; what cannot be known is said."""

from pathlib import Path
from typing import Any

import pytest

from rustnet.query.views.traffic import STACKS
from rustnet.tui.screens.graph import PARTS, SPANS
from rustnet.tui.widgets.charts import MARGIN
from tests.tui.many_protocols import fixed_redactor
from tests.tui.screen_actions import click_word, golden, sample, shown
from tests.tui.support import SIZES, browser, screen_text, settle


@pytest.fixture(scope="module")
def slow_link(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session with long transfers: round-trip times and retransmissions."""
    return sample(tmp_path_factory, "slow-link.pcap")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", [name for name, _title in PARTS])
async def test_golden(slow_link: Path, size: tuple[int, int], part: str) -> None:
    app: Any = browser(slow_link)
    async with app.run_test(size=size) as pilot:
        pane = await shown(pilot, "graph")
        pane._choose_part(part)
        await settle(pilot)
        await golden(pilot, f"graph-{part}")


@pytest.mark.parametrize("size", SIZES)
async def test_redacted_golden(web: Path, size: tuple[int, int]) -> None:
    app: Any = browser(web, redact="on", redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, "graph")
        assert "REDACTED" in screen_text(app)
        assert "192.0.2.11" not in screen_text(app)
        await golden(pilot, "graph-redacted")


async def test_stack_by_key_and_click(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "graph")
        for name in [*list(STACKS)[1:], "app"]:
            await pilot.press("b")
            await settle(pilot)
            assert pane.stack == name
            assert sum(layer.bytes for layer in pane.snapshot.layers) == 20654
        await click_word(pilot, "Process")
        assert pane.stack == "process"
        legend = pane.chart("traffic").render_line(0).text
        assert "curl" in legend
        assert "no process known" in legend


async def test_parts_by_key_and_click(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "graph")
        seen = []
        for _part in PARTS:
            await pilot.press("n")
            await settle(pilot)
            seen.append((pane.part, pane.chart("traffic").region.height > 0, pane.bars("talkers").region.height > 0))
        assert seen == [
            ("traffic", True, False), ("quality", False, False), ("flows", False, False), ("lists", False, True),
            ("all", True, True),
        ]  # fmt: skip
        await click_word(pilot, "Quality")
        assert pane.part == "quality"
        assert pane.chart("rtt").region.height > 10


async def test_spans_by_key_and_click(slow_link: Path) -> None:
    app: Any = browser(slow_link)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "graph")
        whole = pane.snapshot.column_seconds
        for seconds, _title in [*SPANS[1:], SPANS[0]]:
            await pilot.press("w")
            await settle(pilot)
            assert pane.seconds == seconds
        app.change(at=app.session_facts.first_ns + 2 * 10**9)
        await settle(pilot)
        assert pane.snapshot.column_seconds < whole
        await click_word(pilot, "1 min")
        assert pane.seconds == 60


async def test_plots_follow_the_size(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "graph")
        assert len(pane.snapshot.times) == 120 - MARGIN - 4
        await pilot.resize_terminal(90, 30)
        await settle(pilot, lambda: len(pane.snapshot.times) == 90 - MARGIN - 4)
        assert max(map(len, screen_text(app).splitlines())) <= 90


async def test_what_was_not_measured_is_said(web: Path) -> None:
    app: Any = browser(web, filter="proto:udp")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, "graph")
        assert screen_text(app).count("not measured") == 2
        await pilot.press("n", "n")
        await settle(pilot)
        assert screen_text(app).count("not measured") == 3


async def test_accessible_mode_has_numbers(web: Path) -> None:
    app: Any = browser(web, accessible=True)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "graph")
        text = pane.chart("traffic").render_line(0).text
        assert text.startswith("tls: ")
        assert "B/s" in text
        assert not any("\u2800" <= char <= "\u28ff" for char in screen_text(app))


async def test_without_colour_layers_have_shapes(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app: Any = browser(web, color=False)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "graph")
        legend = pane.chart("traffic").render_line(0).text
        assert "█1 tls" in legend
        assert "▒2" in legend


async def test_sql_and_reset(web: Path) -> None:
    app: Any = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await shown(pilot, "graph")
        assert "FROM packets" in pane.statement().text()
        await pilot.press("b", "n", "w", "r")
        await settle(pilot)
        assert (pane.stack, pane.part, pane.seconds) == ("app", "all", None)
