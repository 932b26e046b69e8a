"""The browser's frame: tabs, going back, keys, help, palette, chips, colours, and how it leaves."""

import re
from pathlib import Path
from typing import Any

import pytest
from textual import events

from rustnet.tui.background import is_light
from rustnet.tui.bindings import ACTIONS, PLACES, bindings, clashes, keys_of
from rustnet.tui.dialogs.help import HelpDialog
from rustnet.tui.dialogs.value import ValueDialog
from rustnet.tui.main_screen import TABS
from tests.tui.support import browser, screen_text, settle


async def test_digits_and_tab_show_the_tabs(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        for number, (name, title) in enumerate(TABS, 1):
            await pilot.press(str(number))
            await settle(pilot)
            assert app.tab == name
            assert f"{number} {title}" in screen_text(app).splitlines()[0]
        await pilot.press("escape", "1")  # in the editor of SQL, digits are text
        await settle(pilot)
        for key, name in (("tab", "details"), ("right_square_bracket", "activity"), ("shift+tab", "details"),
                          ("left_square_bracket", "overview"), ("shift+tab", "sql")):  # fmt: skip
            await pilot.press(key)
            await settle(pilot)
            assert app.tab == name, key


async def test_a_click_on_a_tab_shows_it(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        column = screen_text(app).splitlines()[0].index("5 Hosts")
        await pilot.click(offset=(column + 2, 0))
        await settle(pilot)
        assert app.tab == "hosts"


async def test_escape_goes_back_through_places_and_clears_the_filter_last(web: Path) -> None:
    app = browser(web, filter="app:dns")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await pilot.press("4")
        await settle(pilot)
        app.change(filter="app:tls")
        await settle(pilot)
        await pilot.press("5")
        await settle(pilot)
        trail = []
        for _step in range(4):
            await pilot.press("escape")
            await settle(pilot)
            trail.append((app.tab, app.spec.filter))
        assert trail == [("graph", "app:tls"), ("graph", "app:dns"), ("overview", "app:dns"), ("overview", "")]
        await pilot.press("escape")
        await settle(pilot)
        assert app.is_running


async def test_q_quits_when_pressed_twice_only(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("q")
        await settle(pilot)
        assert "q again quits" in screen_text(app)
        await pilot.press("5")
        await settle(pilot)
        await pilot.press("q")
        await settle(pilot)
        assert app.is_running
        await pilot.press("q")
    assert app.return_value == 0


async def test_control_c_quits_at_once(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+c")
    assert app.return_value == 130


async def test_help_shows_the_keys_of_the_tab_and_the_tabs_stay_usable(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await pilot.press("5", "h")
        await settle(pilot)
        assert isinstance(app.screen, HelpDialog)
        assert "Keys: Hosts" in screen_text(app)
        await pilot.press("8")
        await settle(pilot)
        assert app.tab == "sql"
        assert "Keys: SQL" in screen_text(app)
        await pilot.click(offset=(50, 20))
        await settle(pilot)
        assert not isinstance(app.screen, HelpDialog)


async def test_the_sql_of_a_screen_is_shown_and_copied_as_a_cell(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await pilot.press("v")
        await settle(pilot)
        assert isinstance(app.screen, ValueDialog)
        assert "SELECT" in screen_text(app).upper()
        await pilot.press("escape", "y")
        await settle(pilot)
        cell = app.last_copy
        assert cell.startswith("import rustnet\n")
        space: dict[str, Any] = {}
        exec(re.sub(r"\.df\(\)\s*$", "", cell).replace("s.sql", "result = s.sql"), space)
        assert len(space["result"].rows) > 0
        space["s"].close()


async def test_the_palette_runs_actions_and_themes(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await pilot.press("colon")
        await pilot.pause(0.3)
        await pilot.press(*"nord")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await settle(pilot, lambda: app.theme == "nord")
        await pilot.press("ctrl+p")
        await pilot.pause(0.3)
        await pilot.press("H", "o", "s", "t", "s", "space", "a")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await settle(pilot, lambda: app.tab == "hosts")


async def test_the_users_keys_take_the_place_of_ours(web: Path) -> None:
    app = browser(web, keys={"tab.hosts": "Z,f2", "tab.graph": ""})
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        for key, name in (("5", "overview"), ("4", "overview"), ("Z", "hosts"), ("1", "overview"), ("f2", "hosts")):
            await pilot.press(key)
            await settle(pilot)
            assert app.tab == name, key


def test_no_key_does_two_things_in_one_place_and_every_action_is_described() -> None:
    assert clashes({}) == []
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert {action.where for action in ACTIONS} == set(PLACES)
    assert clashes({"sort.next": "x"}) == [("x", "since", "sort.next")]
    for action in ACTIONS:
        assert action.help, action.id
        assert keys_of(action, {}), action.id


def test_only_keys_that_every_terminal_sends_are_defaults() -> None:
    never = re.compile(r"ctrl\+(i|m|h|@|\[|shift.*)|alt\+|super\+|ctrl\+enter")
    for place in PLACES:
        for binding in bindings(place):
            keys = [key for key in binding.key.split(",") if never.fullmatch(key)]
            assert keys in ([], ["ctrl+enter"]), binding  # F5 does the same


@pytest.mark.parametrize(
    "theme", ["muted", "vivid", "colour-blind", "nord", "gruvbox", "tokyo-night", "catppuccin-mocha"]
)
async def test_every_theme_is_applied(web: Path, theme: str) -> None:
    app = browser(web, theme=theme)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.theme == theme
        assert app.theme_variables["stale"].startswith("#")


async def test_without_colour_no_segment_has_one(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")  # set, but empty: colours stay
    assert not browser(web).no_color
    app = browser(web, color=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.no_color
        assert [type(filter_).__name__ for filter_ in app.get_line_filters()] == ["NoColor", "Harmless"]


async def test_colours_of_the_users_own(web: Path) -> None:
    app = browser(web, theme_overrides={"accent": "#123456", "late": "#654321"})
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.theme_variables["accent"] == "#123456"
        assert app.theme_variables["late"] == "#654321"


@pytest.mark.parametrize(
    ("answer", "light"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;22c", True),
        (b"\x1b]11;rgb:1616/1818/1c1c\x07\x1b[?62;22c", False),
        (b"\x1b]11;rgb:fd/f6/e3\x1b\\", True),
        (b"\x1b[?62;22c", None),
        (b"", None),
    ],
)
def test_the_colour_of_the_background(answer: bytes, light: bool | None) -> None:
    assert is_light(answer) is light


async def test_a_saved_picture_names_no_font_of_the_net(
    web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = browser(web)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.save_screen_picture()
        app.save_screen_text()
        text = (tmp_path / "rustnet-overview-1.txt").read_text("utf-8")
        assert "1 Overview" in text
        picture = (tmp_path / "rustnet-overview-1.svg").read_text("utf-8")
        links = re.findall(r"(?:url\(|href=|src=)[\"']?([a-z]+:[^\"')]+)", picture)
        assert not [link for link in links if "w3.org" not in link]


async def test_the_mouse_can_be_released(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        await pilot.press("f8")
        await settle(pilot)
        assert "MOUSE OFF" in screen_text(app)
        await pilot.press("f8")
        await settle(pilot)
        assert "MOUSE OFF" not in screen_text(app)


async def test_keys_typed_at_once_after_the_slash_go_into_the_filter(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        for key in ("slash", *"tls"):
            app.post_message(events.Key(key, "/" if key == "slash" else key))
        await settle(pilot, lambda: app.spec.filter == "tls")


async def test_warnings_are_shown_at_any_width(web: Path) -> None:
    for columns in (80, 99, 100, 105, 112, 120):
        app = browser(web, filter="app:dns")
        async with app.run_test(size=(columns, 24)) as pilot:
            await settle(pilot)
            assert "/ app:dns" in screen_text(app).splitlines()[0], columns
            await pilot.press("f8")
            await settle(pilot)
            assert "MOUSE OFF" in screen_text(app).splitlines()[0], columns
