"""What the browser keeps for later runs: named filters, columns, and lines that were entered."""

import json
from pathlib import Path

import pytest

from rustnet.tui.history import LONGEST, MOST, History
from rustnet.tui.kept_columns import read_columns, write_columns
from rustnet.tui.named_filters import read_filters, write_filters
from rustnet.tui.screens.overview import Overview
from rustnet.tui.state_file import MOST_BYTES
from tests.tui.support import browser, screen_text, settle


async def test_columns_and_widths_are_kept_until_the_usual_ones_are_wanted(web: Path, tmp_path: Path) -> None:
    for run in range(3):
        app = browser(web, state_folder=tmp_path)
        async with app.run_test(size=(120, 30)) as pilot:
            await settle(pilot)
            pane = app.pane
            assert isinstance(pane, Overview)
            titles = screen_text(app).splitlines()[2].split()
            if run == 0:
                assert titles[:2] == ["Process", "Remote"]
                pane.table.take_widths(("app", "process", "bytes"), {"app": 50})
                pane.keep_columns()
            elif run == 1:
                assert titles[:2] == ["App", "Process"]
                assert pane.table.widths == {"app": 50}
                pane.keep_columns(usual=True)
                await settle(pilot)
            else:
                assert titles[:2] == ["Process", "Remote"]
    assert (tmp_path / "columns.json").stat().st_mode & 0o777 == 0o600


async def test_the_configuration_goes_before_what_was_kept(web: Path, tmp_path: Path) -> None:
    write_columns(tmp_path / "columns.json", ("state",), {})
    app = browser(web, state_folder=tmp_path, columns=("app",))
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert screen_text(app).splitlines()[2].split()[0] == "App"


async def test_a_filter_is_saved_under_a_name_and_chosen_in_the_palette(web: Path, tmp_path: Path) -> None:
    app = browser(web, state_folder=tmp_path, filter="app:tls")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        app.ask_filter_name()
        await settle(pilot)
        await pilot.press(*"secure", "enter")
        await settle(pilot)
        app.change(filter="")
        await settle(pilot)
        command = dict(app.palette_commands())["Filter secure"]
        command()
        await settle(pilot)
        assert app.spec.filter == "app:tls"
    assert read_filters(tmp_path / "filters.json") == {"secure": "app:tls"}


@pytest.mark.parametrize("content", [b"", b"[", b"[1, 2]", b'{"a": 1, "b": "c"}', b"\xff", b"[" * 100_000, b"null"])
def test_files_with_other_contents_are_read_as_far_as_they_make_sense(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    assert read_filters(path) in ({}, {"b": "c"})
    assert read_columns(path) == ((), {})
    assert History(path).older("") is None


def test_a_history_is_bounded_and_survives(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lines.json"
    history = History(path)
    for number in range(MOST + 20):
        history.add(f"line {number}")
    history.add("x" * (LONGEST + 1))
    again = History(path)
    assert again.older("draft") == f"line {MOST + 19}"
    assert len(json.loads(path.read_text("utf-8"))) == MOST
    for _number in range(40):
        again.add("\u20ac" * (LONGEST - 2) + f"{_number:02}")
    assert path.stat().st_size < MOST_BYTES
    assert History(path).older("") == "\u20ac" * (LONGEST - 2) + "39"


def test_filters_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "filters.json"
    write_filters(path, {f"f{number}": "app:dns" for number in range(150)})
    assert list(read_filters(path))[-1] == "f149"
    assert len(read_filters(path)) == 100
