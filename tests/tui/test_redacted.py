"""Redact mode: no screen, dialog, copy or file shows a value that it is to replace."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList

from rustnet.policy.redaction import Redactor, key_of_file
from rustnet.records import Kind
from rustnet.tui.dialogs.export import FORMATS
from rustnet.tui.main_screen import TABS
from tests.support.paths import ROOT
from tests.tui.many_protocols import fixed_redactor, sensitive, write_session
from tests.tui.support import SIZES, browser, check_golden, screen_text, settle

TAB_NAMES = [name for name, _title in TABS]
CATALOGUE = ROOT / "rustnet" / "locale" / "de" / "LC_MESSAGES" / "rustnet.po"


class Leaks:
    """Looks for texts that must not be shown."""

    def __init__(self, session: Path) -> None:
        own = set(re.findall(r"[a-z]+", CATALOGUE.read_text("utf-8").lower())) | {"union"}  # and a word of SQL
        texts = {text: column for text, column in sensitive(session).items() if text not in own}
        self.words = {text: column for text, column in texts.items() if text.isalnum()}
        self.others = {text: column for text, column in texts.items() if not text.isalnum()}

    def found(self, text: str) -> list[tuple[str, str]]:
        """Texts in another one, with their columns."""
        lower = text.lower()
        words = set(re.findall(r"[^\W_]+", lower))
        return [(word, self.words[word]) for word in self.words.keys() & words] + [
            (each, column) for each, column in self.others.items() if _stands_in(each, lower)
        ]


def _stands_in(text: str, where: str) -> bool:
    return text in where and re.search(rf"(?<![\w.]){re.escape(text)}(?![\w])", where) is not None


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Session of all protocols."""
    return write_session(tmp_path_factory.mktemp("secretfolder"))


@pytest.fixture(scope="module")
def leaks(everything: Path) -> Leaks:
    """What must not be shown of it."""
    return Leaks(everything)


def redacted(session: Path, **settings: Any) -> Any:
    return browser(session, redact="on", redactor=fixed_redactor, **settings)


def test_the_search_finds_what_is_shown_without_redaction(leaks: Leaks) -> None:
    assert len(leaks.words) + len(leaks.others) > 500
    assert leaks.found("x 172.20.14.77:443")
    assert leaks.found("to alice, from")
    assert not leaks.found("x 1172.20.14.77:443")


async def test_screens_show_originals_without_redact_mode(everything: Path, leaks: Leaks) -> None:
    app = browser(everything)
    async with app.run_test(size=(200, 50)) as pilot:
        await settle(pilot)
        assert leaks.found(screen_text(app))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=str)
async def test_no_tab_shows_an_original(everything: Path, leaks: Leaks, size: tuple[int, int]) -> None:
    app = redacted(everything)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for number, (name, _title) in enumerate(TABS, 1):
            app.show_tab(name)
            await settle(pilot)
            shown = screen_text(app)
            assert leaks.found(shown) == [], f"{number} {name}\n{shown}"
            assert "REDACTED" in shown.splitlines()[0], name
            for _step in range(3):
                if name == "sql":
                    break
                await pilot.press("n")
                await settle(pilot)
                assert leaks.found(screen_text(app)) == [], f"{name}\n{screen_text(app)}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["overview", "connection", "ownership", "messages", "activity", "hosts"])
async def test_golden(web: Path, size: tuple[int, int], name: str) -> None:
    app = redacted(web, filter="port:80,443,53")
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        if name in TAB_NAMES:
            app.show_tab(name)
        else:
            pane = await app.frame.pane("details")
            app.open_flow(4)
            await settle(pilot)
            pane.choose_part(name)
        await settle(pilot)
        if name == "overview":
            app.pane.table.snapshot = dataclasses.replace(app.pane.table.snapshot, seconds=0.012)
            app.pane.on_table_moved()
            await settle(pilot)
        check_golden(app, f"redacted-{name}")


async def test_no_flow_shows_an_original(everything: Path, leaks: Leaks) -> None:
    app = redacted(everything)
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        pane = await app.frame.pane("details")
        for flow_id in range(1, 120, 3):
            app.open_flow(flow_id)
            await settle(pilot)
            pane.choose_part("messages")
            await settle(pilot)
            assert leaks.found(screen_text(app)) == [], screen_text(app)


async def test_no_part_of_a_flow_shows_an_original(everything: Path, leaks: Leaks) -> None:
    app = redacted(everything)
    async with app.run_test(size=(120, 50)) as pilot:
        await settle(pilot)
        pane = await app.frame.pane("details")
        for flow_id in (3, 8, 21):
            app.open_flow(flow_id)
            for part in ("connection", "transport", "ownership", "messages", "packets", "stream"):
                pane.choose_part(part)
                await settle(pilot)
                assert leaks.found(screen_text(app)) == [], f"{flow_id} {part}\n{screen_text(app)}"


async def test_dialogs_copies_and_files_have_no_original(
    everything: Path, leaks: Leaks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = redacted(everything, filter="host:example OR ip:172.20.0.0/16 OR user:alice")
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        await settle(pilot)
        assert leaks.found(screen_text(app)) == []
        for key in ("v", "y", "c", "C", "h", "slash", "colon"):
            await pilot.press(key)
            await settle(pilot)
            assert leaks.found(screen_text(app) + app.last_copy) == [], f"{key}\n{screen_text(app)}"
            assert "alice" not in screen_text(app)
            assert "172.20.0.0" not in screen_text(app) + app.last_copy
            await pilot.press("escape")
            await settle(pilot)
        app.save_screen_text()
        app.save_screen_picture()
        await settle(pilot)
        assert leaks.found(screen_text(app)) == []
        saved = list(tmp_path.iterdir())
        assert len(saved) == 2
        for file in saved:
            assert leaks.found(re.sub(r"&#160;", " ", file.read_text("utf-8"))) == []


@pytest.mark.parametrize("ending", [".txt", ".json", ".pcapng"])
async def test_exports_of_flows_have_no_original(
    everything: Path, leaks: Leaks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    app = redacted(everything)
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        await settle(pilot)
        for flow_id in (3, 8, 21, 40):
            app.open_flow(flow_id)
            await settle(pilot)
            app.pane.action_export()
            await settle(pilot)
            app.screen.query_one(OptionList).highlighted = list(FORMATS).index(ending)
            await settle(pilot)
            app.screen.action_export()
            await settle(pilot)
            assert leaks.found(screen_text(app)) == [], screen_text(app)
            app.close_dialogs()
            app.clear_notifications()
    files = list(tmp_path.iterdir())
    assert len(files) == (0 if ending == ".pcapng" else 4)
    for file in files:
        assert leaks.found(file.read_text("utf-8")) == [], file.read_text("utf-8")


async def test_errors_have_no_original(everything: Path, leaks: Leaks) -> None:
    app = redacted(everything)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        for statement in ("SELECT alice FROM flows", "SELECT 'alice'::INTEGER", "SELECT error('alice')", "SELEC alice"):
            app.show_tab("sql")
            await settle(pilot)
            pane = app.pane
            pane.editor.load_text(statement)
            pane.action_run()
            await settle(pilot, lambda: app.pane.runner.idle)
            state = str(pane.query_one("#state").content)
            assert "alice" not in state, state
            assert state.strip(), statement


async def test_the_result_of_a_statement_is_replaced(everything: Path, leaks: Leaks) -> None:
    app = redacted(everything)
    statements = (
        "SELECT * FROM hosts", "SELECT hostname AS x, src_ip || '' AS y, dst_num AS z, [dst_ip] AS l FROM flows",
        "SELECT {'a': hostname, 'b': dst_ip} AS s, map {hostname: dst_ip} AS m FROM flows WHERE hostname IS NOT NULL",
        "SELECT dns FROM dns", "SELECT host, uri, user_agent FROM http", "SELECT * FROM smb", "SELECT * FROM sip",
    )  # fmt: skip
    async with app.run_test(size=(200, 50)) as pilot:
        await settle(pilot)
        app.show_tab("sql")
        await settle(pilot)
        for statement in statements:
            app.pane.editor.load_text(statement)
            app.pane.action_run()
            await settle(pilot, lambda: app.pane.runner.idle)
            assert leaks.found(screen_text(app)) == [], f"{statement}\n{screen_text(app)}"
            app.pane.action_plot()
            await settle(pilot)
            assert leaks.found(screen_text(app)) == [], f"{statement}\n{screen_text(app)}"


async def test_statements_are_typed_over_replacements(everything: Path) -> None:
    app = redacted(everything)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        address = app.presenter.text("172.20.14.77", kind=Kind.ADDRESS)
        app.show_tab("sql")
        await settle(pilot)
        app.pane.editor.load_text(f"SELECT count(*) AS flows FROM flows WHERE src_ip = '{address}'")
        app.pane.action_run()
        await settle(pilot, lambda: app.pane.runner.idle)
        assert app.pane._result.rows == [(1,)]
        await pilot.press("escape")
        app.action_toggle_redact()
        await settle(pilot)
        assert "'172.20.14.77'" in app.pane.editor.text
        app.action_toggle_redact()
        await settle(pilot)
        assert f"'{address}'" in app.pane.editor.text


async def test_a_filter_is_typed_over_replacements(everything: Path, leaks: Leaks) -> None:
    app = redacted(everything)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        address = app.presenter.text("172.20.14.77", kind=Kind.ADDRESS)
        await pilot.press("slash", *f"ip:{address}", "enter")
        await settle(pilot)
        assert app.spec.filter == "ip:172.20.14.77"
        assert f"ip:{address}" in screen_text(app)
        await pilot.press("slash")
        await settle(pilot)
        assert leaks.found(screen_text(app)) == []
        await pilot.press("enter")
        await settle(pilot)
        assert app.spec.filter == "ip:172.20.14.77"
        await pilot.press("slash", "ctrl+u", *"host:h-00000000", "enter")
        await settle(pilot)
        assert "not known" in screen_text(app)
        assert app.spec.filter != "host:h-00000000"


async def test_the_key_switches_and_clears_what_was_said_before(everything: Path, leaks: Leaks) -> None:
    app = browser(everything, redactor=fixed_redactor)
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        await settle(pilot)
        before = screen_text(app)
        app.say("about alice@example.net")
        await settle(pilot, lambda: "alice@" in screen_text(app))
        await pilot.press("X")
        await settle(pilot)
        assert leaks.found(screen_text(app)) == [], screen_text(app)
        assert "alice" not in screen_text(app)
        assert "REDACTED" in screen_text(app)
        await pilot.press("X")
        await settle(pilot)
        assert screen_text(app) == before


async def test_the_key_replaces_what_every_tab_shows_already(everything: Path, leaks: Leaks) -> None:
    app = browser(everything, redactor=fixed_redactor)
    async with app.run_test(size=(200, 50)) as pilot:
        await settle(pilot)
        shown = ""
        for name in TAB_NAMES:
            app.show_tab(name)
            await settle(pilot)
            shown += screen_text(app)
        assert leaks.found(shown)
        app.action_toggle_redact()
        for name in reversed(TAB_NAMES):
            app.show_tab(name)
            await settle(pilot)
            assert leaks.found(screen_text(app)) == [], f"{name}\n{screen_text(app)}"


async def test_always_cannot_be_ended(everything: Path, leaks: Leaks) -> None:
    app = browser(everything, redact="always", redactor=fixed_redactor)
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        await settle(pilot)
        await pilot.press("X")
        await settle(pilot)
        assert app.presenter.redacting
        assert "always" in screen_text(app)
        assert leaks.found(screen_text(app)) == []


async def test_a_key_that_cannot_be_used_leaves_things_as_they_are(everything: Path, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("too short")
    path.chmod(0o600)
    app = browser(everything, redactor=lambda: Redactor(key_of_file(path)))
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        await settle(pilot)
        await pilot.press("X")
        await settle(pilot)
        assert not app.presenter.redacting
        assert "at least 12 characters" in screen_text(app)
