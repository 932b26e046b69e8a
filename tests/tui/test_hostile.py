"""Hostile text in every widget and screen: the app lives, and the terminal gets only what Textual makes itself."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from rustnet.inspect import Node
from rustnet.present.text import UNSAFE
from rustnet.records import Kind
from rustnet.store.meanings import kind_of
from rustnet.tui import themes
from rustnet.tui.bindings import ACTIONS
from rustnet.tui.dialogs.ask import AskDialog
from rustnet.tui.dialogs.value import ValueDialog
from rustnet.tui.main_screen import TABS
from rustnet.tui.named_filters import write_filters
from rustnet.tui.presenter import Presenter
from rustnet.tui.widgets.cards import Block, Cards, Item, Sentence
from rustnet.tui.widgets.charts import Bar, Series
from rustnet.tui.widgets.field_tree import FieldTree
from rustnet.tui.widgets.filter_line import FilterLine
from rustnet.tui.widgets.grid import Grid, GridColumn
from rustnet.tui.widgets.hex_view import HexView
from rustnet.tui.widgets.neighbour_strip import NeighbourStrip
from rustnet.tui.widgets.plot import Bars, Chart
from rustnet.tui.widgets.sql_editor import SqlEditor
from rustnet.tui.widgets.status_line import StatusLine
from rustnet.tui.widgets.tab_line import Chip, TabLine
from tests.tui.support import browser, screen_text, settle

SNIPPETS = (
    "\x1b]52;c;RVZJTA==\x07", "\x1b]0;EVIL\x07", "\x1b[777h", "\x1b[31;777m", "\x1bPEVIL\x1b\\", "\x1b",
    "\x9b777h", "\x9d0;EVIL\x9c", "\0", "\x07", "\x08\x08", "\r", "\n", "\t", "\x7f", "\x85", "\u202eEVIL\u202c",
    "\u2066x\u2069", "\u200b", "\u200d", "\ufeff", "\u2028", "[/x]", "[/]", "[b]", "[@click=app.quit]x[/]",
    "[link=https://evil.example]x[/]", "[red", "]", "\\[", "[[", "e" + "\u0301" * 300, "日本語", "👨‍👩‍👧‍👦",
    "\ud83d\ude00", "🇩🇪", "\ud800", "\udcff", "\uff46\uff55\uff4c\uff4c", "\U000e0041", "\u0600", "%s", "{x}",
    "{0}", "$accent", "'", '"', "../../etc/passwd", "x" * 300, "",
)  # fmt: skip
TEXT = st.one_of(
    st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=8)), max_size=6).map("".join),
    st.text(st.characters(), max_size=40),
)
"""Texts that a packet, a file or a user could have."""
MANY = st.lists(TEXT, min_size=20, max_size=20)
SOME_EXAMPLES = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))

present = Presenter().text


def check_screen(app: App[Any]) -> None:
    """Fail if the screen has a character that a terminal would obey, or a link or action from a text."""
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            assert not UNSAFE.search(segment.text), repr(segment.text)
            style = segment.style
            assert style is None or style.link is None
            assert style is None or "quit" not in str(style.meta)


# ---- widgets ---------------------------------------------------------------------------------------------------------


class Stand(App[None]):
    """An app around one widget."""

    CSS = "StatusLine, TabLine { height: 2; } Grid, Cards, FieldTree, HexView, Bars, Chart { height: 1fr; }"

    def __init__(self, make: Callable[[], Widget]) -> None:
        super().__init__()
        self.make = make
        self.presenter = Presenter()
        self.theme_variables: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        yield self.make()

    def get_css_variables(self) -> dict[str, str]:
        variables = super().get_css_variables()
        for name, default in themes.VARIABLES.items():
            variables.setdefault(name, variables.get(default.removeprefix("$"), variables["foreground"]))
        self.theme_variables = variables
        return variables


def _grid(widget: Any, text: str) -> None:
    columns = [GridColumn("a", text or "a", width=12), GridColumn("b", "b", Kind.HOST, width=20, weight=1)]
    widget.show(columns, [(text, text), ([text, text], text), ({text: text}, b"\x1b")])


def _cards(widget: Any, text: str) -> None:
    shown = present(text)
    item = Item("x", present(text) or "label", shown, note=shown, whole=shown)
    widget.show([Block(shown or "title", [item, Sentence(shown)])])


def _tree(widget: Any, text: str) -> None:
    widget.show("title", [Node(text, text, [Node(text, text)])], text)


def _tabs(widget: Any, text: str) -> None:
    widget.set("a", (Chip(present(text)), Chip(present(text), "accent")))


def _status(widget: Any, text: str) -> None:
    widget.set_message(present(text), error=True)
    widget.set_note(present(text))


def _bars(widget: Any, text: str) -> None:
    widget.show_bars([Bar(present(text), 5.0, present(text)), Bar(present(text), 0.0, "")])


def _chart(widget: Any, text: str) -> None:
    widget.show_series([Series(present(text), [1.0, None, 3.0])], [1, 2, 3])


WIDGETS: dict[str, tuple[Callable[[], Widget], Callable[[Any, str], None]]] = {
    "grid": (Grid, _grid),
    "cards": (Cards, _cards),
    "tree": (FieldTree, _tree),
    "hex": (HexView, lambda widget, text: widget.show(text.encode("utf-8", "surrogatepass"))),
    "neighbours": (NeighbourStrip, lambda widget, text: widget.show(None, text)),
    "tabs": (lambda: TabLine((("a", "A"), ("b", "B"))), _tabs),
    "status": (StatusLine, _status),
    "bars": (Bars, _bars),
    "chart": (Chart, _chart),
    "static": (Static, lambda widget, text: widget.update(Content(present(text)))),
}


@pytest.mark.parametrize("name", WIDGETS)
@SOME_EXAMPLES
@given(texts=MANY)
def test_widgets_live_with_any_text(name: str, texts: list[str]) -> None:
    asyncio.run(_feed(name, texts))


@pytest.mark.parametrize("name", WIDGETS)
async def test_widgets_live_with_each_trap(name: str) -> None:
    await _feed(name, SNIPPETS)


async def _feed(name: str, texts: Sequence[str]) -> None:
    make, feed = WIDGETS[name]
    app = Stand(make)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        widget = next(iter(app.screen.children))
        for text in texts:
            feed(widget, text)
            await pilot.pause()
            check_screen(app)
        assert app.is_running


# ---- the whole browser -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, web: Path) -> Path:
    """Session whose every text is hostile: as packets, sidecars or a stranger's file may have it."""
    path = tmp_path_factory.mktemp("hostile") / "hostile\x1b]0;EVIL\x07[@click=app.quit].duckdb"
    path.write_bytes(web.read_bytes())
    texts = [text for text in SNIPPETS if text and not any(0xD800 <= ord(char) < 0xE000 for char in text)]
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TEMP TABLE texts AS SELECT unnest(?) AS text, unnest(range(?)) AS n", [texts, len(texts)])
        rows = con.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        for number, (table, column, sql_type) in enumerate(rows):
            kind = kind_of(table, column)
            if (
                table in ("texts", "meta", "migrations")
                or kind in (None, Kind.ADDRESS)
                or not sql_type.startswith("VARCHAR")
            ):
                continue
            if kind is Kind.WORD and table in ("flows_ended", "captures", "interfaces") and number % 3:
                continue  # enough of these to keep the rest of the screens busy
            text = f"(SELECT text FROM texts WHERE n = (rowid + {number}) % {len(texts)})"
            value = f"[{text}, {text}]" if sql_type.endswith("[]") else text
            with contextlib.suppress(duckdb.Error):  # views
                con.execute(f'UPDATE "{table}" SET "{column}" = {value}')
    return path


@pytest.mark.parametrize(("size", "redact"), [((80, 24), "off"), ((200, 50), "on")], ids=str)
async def test_screens_live_with_a_hostile_session(hostile: Path, size: tuple[int, int], redact: Any) -> None:
    app = browser(hostile, redact=redact)
    app.harmless.enabled = False  # the presenter alone must be enough for captured text
    async with app.run_test(size=size, notifications=True) as pilot:
        await settle(pilot)
        for name, _title in TABS:
            app.show_tab(name)
            await settle(pilot)
            check_screen(app)
            keys = {key for action in ACTIONS if action.where in (name, "table") for key in action.keys.split(",")}
            for key in sorted(keys - {"", "e", "f"}) if name != "sql" else ():
                await pilot.press(key)
                await pilot.pause()
                check_screen(app)
                app.close_dialogs()
            await settle(pilot)
        pane: Any = await app.frame.pane("details")
        for flow_id in (1, 5):
            app.open_flow(flow_id)
            for part in ("connection", "transport", "ownership", "messages", "packets", "stream"):
                pane.choose_part(part)
                await settle(pilot)
                check_screen(app)
                pane.action_view()
                await settle(pilot)
                check_screen(app)
                app.close_dialogs()
        assert app.is_running


async def test_dialogs_and_messages_live_with_any_text(hostile: Path) -> None:
    app = browser(hostile)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settle(pilot)
        for text in ("".join(SNIPPETS[at : at + 3]) for at in range(0, len(SNIPPETS), 3)):
            shown = app.presenter.text(text)
            app.say(shown or "x")
            app.copy(text)
            app.push_screen(ValueDialog(shown, shown))
            await pilot.pause()
            check_screen(app)
            app.close_dialogs()
            app.push_screen(AskDialog(shown, shown, text))
            await pilot.pause()
            check_screen(app)
            app.close_dialogs()
            app.clear_notifications()
        assert app.is_running


async def test_what_is_typed_and_pasted_may_be_any_text(hostile: Path) -> None:
    app = browser(hostile)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        app.frame.query_one(FilterLine).open()
        for text in SNIPPETS:
            app.frame.query_one(FilterLine).input.value = text
            await pilot.pause()
            check_screen(app)
        await pilot.press("escape")
        app.show_tab("sql")
        await settle(pilot)
        for text in ("".join(SNIPPETS[at : at + 3]) for at in range(0, len(SNIPPETS), 3)):
            app.query_one(SqlEditor).load_text(text)
            await pilot.pause()
            check_screen(app)
        app.query_one(SqlEditor).load_text(
            'SELECT 1 AS "\x1b]0;EVIL\x07[@click=app.quit]x[/]", \'\x1b[777h\' AS "[/x]"'
        )
        app.pane.action_run()  # type: ignore[union-attr]
        await settle(pilot)
        check_screen(app)
        assert app.is_running


async def test_names_in_the_palette_may_be_any_text(hostile: Path, tmp_path: Path) -> None:
    write_filters(tmp_path / "filters.json", {f"x{text}": "app:dns" for text in SNIPPETS if text.isprintable()})
    app = browser(hostile, state_folder=tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await pilot.press("colon")
        await settle(pilot)
        check_screen(app)
        for key in "filter":
            await pilot.press(key)
            await settle(pilot)
            check_screen(app)
        assert "Filter x" in screen_text(app)
        for query in ("[", "]", "/", "@"):
            app.screen.query_one(Input).value = query
            await settle(pilot)
            check_screen(app)
        assert app.is_running


async def test_a_saved_picture_names_nothing_of_the_net(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = browser(hostile)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        app.save_screen_picture()
    (saved,) = tmp_path.iterdir()
    text = re.sub(r"<!--.*?-->", "", saved.read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r"(?:https?:)?//[^\"')\s]+", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert "<script" not in text
    assert "@import" not in text
    assert "@font-face" not in text


# ---- what reaches the terminal ---------------------------------------------------------------------------------------

SEQUENCE = re.compile(
    r"\x1b\[([0-?]*)([ -/]*[@-~])|\x1b\]([^\x07\x1b]*)(?:\x07|\x1b\\\\)|\x1b[P_^X]([^\x1b]*)\x1b\\\\|\x1b[ -/]*[0-~]"
)
"""Escape sequences, and what is in them."""


class Terminal:
    """The installed browser on a pseudoterminal of its own."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rustnet", "--no-config", *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=cwd, env=environment,
        )  # fmt: skip
        os.close(slave)
        self.master = master
        self.written = b""

    def read(self, seconds: float, marker: str = "") -> None:
        """Read what is written until nothing comes for a while, and the marker has come."""
        end = time.monotonic() + 30
        quiet = time.monotonic()
        while time.monotonic() < end and (time.monotonic() - quiet < seconds or marker not in self.text):
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.written += os.read(self.master, 65_536)
                except OSError:
                    return
                quiet = time.monotonic()

    @property
    def text(self) -> str:
        """What was written."""
        return self.written.decode("utf-8", "replace")

    def keys(self, text: str) -> None:
        """Type keys."""
        os.write(self.master, text.encode())
        self.read(0.2)

    def close(self) -> None:
        """End it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        os.close(self.master)


@pytest.fixture
def terminal(hostile: Path, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start the browser on a pseudoterminal."""
    started: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        started.append(Terminal("browse", str(hostile), *arguments, cwd=tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.mark.parametrize("option", [[], ["--redact"]], ids=["plain", "redacted"])
def test_the_terminal_gets_no_byte_that_a_text_made(terminal: Callable[..., Terminal], option: list[str]) -> None:
    run = terminal(*option)
    run.read(1.0, "Overview")
    for keys in (
        "jjj",
        "c",
        "C",
        "\x1b",
        "v",
        "\x1b",
        "2",
        "n",
        "n",
        "n",
        "5",
        "6",
        "7",
        "3",
        "1",
        "/",
        "x",
        "\x1b",
        "y",
        ":",
    ):
        run.keys(keys)
    run.keys("\x1b")
    run.keys("\x03")
    run.process.wait(20)
    run.read(0.3)
    text = run.text
    for match in SEQUENCE.finditer(text):
        inside = "".join(part or "" for part in match.groups())
        assert "EVIL" not in inside, repr(match[0])
        assert "777" not in inside, repr(match[0])
        assert not inside.startswith(("0;", "1;", "2;")) or not match[3], repr(match[0])  # no title of the window
    rest = SEQUENCE.sub("", text)
    assert not re.findall(r"[\x00-\x06\x08-\x0c\x0e-\x1f\x7f-\x9f]", rest.replace("\n", "")), "control characters"
    assert not UNSAFE.search(rest.replace("\n", "").replace("\r", "").replace("\x07", "")), "other unsafe characters"
    assert "52;c;RVZJTA" not in text


def test_a_crash_prints_no_captured_text(hostile: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom rustnet.query.session import open_session\nfrom rustnet.tui import run\n"
        "from rustnet.tui.settings import BrowserSettings\nimport rustnet.tui.app as app\n"
        "def broken(self):\n    captured = 'SECRETCASE'\n    raise ValueError(captured)\n"
        "app.Browser._facts_came = lambda self, facts: broken(self)\n"
        "sys.exit(run(open_session(sys.argv[1]), BrowserSettings(redact='on', debug=True)))\n"
    )
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(hostile)], stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path,
        env={**os.environ, "TERM": "xterm"}, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(slave)
        written = b""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if not select.select([master], [], [], 0.1)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                data = os.read(master, 65_536)
            except OSError:
                break
            written += data
        process.kill()
    os.close(master)
    assert b"internal error" in written
    assert b"SECRETCASE" not in written
