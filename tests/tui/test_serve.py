"""The browser in a web browser: what it loads, and whom it refuses."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("textual_serve", reason="needs textual-serve")
import aiohttp

from rustnet.tui.serve import FILES, MOST_TABS
from tests.support.chromium import CHROMIUM, Page, chromium
from tests.support.command_line import child
from tests.support.paths import ROOT

SAMPLE = ROOT / "sample_pcaps" / "web.pcap"
SECONDS = 30.0
ROW = b"192.0.2."
"""A part of each row that the sample has."""


@dataclass
class Answer:
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Served:
    """A session that is served."""

    process: subprocess.Popen[str]
    url: str

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    def get(self, path: str, **headers: str) -> Answer:
        """Answer to a request."""
        connection = HTTPConnection(self.address, timeout=SECONDS)
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, text in headers.items():
            connection.putheader(name, text)
        connection.endheaders()
        answer = connection.getresponse()
        whole = Answer(answer.status, dict(answer.headers), answer.read())
        connection.close()
        return whole

    def cookie(self) -> str:
        """The cookie that the token is exchanged for."""
        answer = self.get(f"/?{urlsplit(self.url).query}")
        assert answer.status == 303
        return str(answer.headers["Set-Cookie"]).split(";")[0]

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def tabs(self) -> list[int]:
        """Processes of tabs."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def wait_for_tabs(self, count: int) -> None:
        """Wait until there are so many."""
        end = time.monotonic() + SECONDS
        while len(self.tabs()) != count:
            assert time.monotonic() < end, self.tabs()
            time.sleep(0.02)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of a shipped sample, whose name a shell would take apart."""
    path = tmp_path_factory.mktemp("served") / "it's $(touch hit); a session.duckdb"
    done = child("replay", SAMPLE, "--db", path)
    assert done.returncode == 0, done.stderr
    return path


def start(session: Path, *words: str) -> Served:
    """Serve it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rustnet", "browse", session, "--serve", *words], stdout=subprocess.PIPE, text=True,
        cwd=session.parent, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    return Served(process, process.stdout.readline().strip())


@pytest.fixture
def served(session: Path) -> Iterator[Served]:
    """A session that is served, until the end of a test."""
    made = start(session)
    yield made
    made.process.send_signal(signal.SIGINT)
    try:
        assert made.process.wait(SECONDS) == 0
    finally:
        made.end()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@in_chromium
def test_a_web_browser_shows_the_session_and_loads_from_here_only(served: Served, tmp_path: Path) -> None:
    async def show() -> None:
        async with chromium(tmp_path / "profile") as page:
            await page.open(served.url)
            await page.wait(b"Overview")
            await page.wait(ROW)
            assert await page.evaluate("location.href") == f"http://{served.address}/"  # without the token
            assert await page.evaluate("document.cookie") == ""
            assert await page.evaluate("document.fonts.check('16px \"Roboto Mono\"')")
            assert (await page.picture()).startswith(b"\x89PNG")
            assert {urlsplit(url).netloc for url in page.requested if not url.startswith("data:")} == {served.address}
            paths = {urlsplit(url).path for url in page.requested}
            assert {"/", "/ws", "/page.css", "/page.js", "/textual.js", "/xterm.css", "/mono.ttf"} <= paths
            assert not [words for words in page.messages if "Content Security Policy" in words or "Refused" in words]
            await _leaves_nothing(page)
        served.wait_for_tabs(0)

    run(show())


async def _leaves_nothing(page: Page) -> None:
    """Neither scripts nor links of the page reach another place."""
    before = len(page.requested)
    for script in (
        "fetch('http://192.0.2.1/').then(() => 'sent', () => 'refused')",
        "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')",
        "(window.open('http://192.0.2.1/') === null) ? 'refused' : 'opened'",
        "new Promise(done => { const i = new Image(); i.onerror = () => done('refused'); i.src = 'http://192.0.2.1' })",
    ):
        assert await page.evaluate(script) == "refused", script
    assert not [url for url in page.requested[before:] if page.statuses.get(url)]


@in_chromium
def test_keys_and_the_mouse_reach_it(served: Served, tmp_path: Path) -> None:
    async def show() -> None:
        async with chromium(tmp_path / "profile") as page:
            await page.open(served.url)
            await page.wait(ROW)
            async with asyncio.timeout(SECONDS):
                while not await page.evaluate("document.activeElement.className === 'xterm-helper-textarea'"):
                    await asyncio.sleep(0.05)
            page.received = b""
            await page.type("h")
            await page.wait(b"Keys: Overview")
            await page.type("h")
            await page.click(600, 400)
            await page.type("qq")
            async with asyncio.timeout(SECONDS):
                while not await page.evaluate("document.body.classList.contains('-closed')"):
                    await asyncio.sleep(0.05)
        served.wait_for_tabs(0)

    run(show())


@in_chromium
def test_another_page_cannot_reach_it(served: Served, tmp_path: Path) -> None:
    """A page of another origin, in a browser that has the cookie."""

    async def show() -> None:
        async with chromium(tmp_path / "profile") as page:
            await page.open(served.url)
            await page.wait(ROW)
            page.received = b""
            page.statuses.clear()
            await page.open("data:text/html,<p>evil</p>")
            await asyncio.sleep(0.2)
            script = (
                f"new Promise(done => {{ const s = new WebSocket('ws://{served.address}/ws'); "
                "s.onopen = () => done('open'); s.onerror = () => done('refused') })"
            )
            assert await page.evaluate(script) == "refused"
            assert page.statuses.get("ws", 403) == 403
            assert page.received == b""
            fetched = f"fetch('http://{served.address}/', {{credentials: 'include'}}).then(() => 'read', () => 'no')"
            assert await page.evaluate(fetched) == "no"

    run(show())


def test_it_is_refused_without_the_token_or_from_elsewhere(served: Served) -> None:
    cookie = served.cookie()
    good = served.get("/", Cookie=cookie)
    assert good.status == 200
    assert b"textual.js" in good.body
    for path, headers, reason in (
        ("/", {}, b"token"),
        ("/?token=", {}, b"token"),
        ("/?token=wrong", {}, b"token"),
        ("/", {"Cookie": cookie[:-1]}, b"token"),
        ("/", {"Cookie": cookie, "Host": "evil.example"}, b"Host"),
        ("/", {"Cookie": cookie, "Host": served.address.replace("127.0.0.1", "localhost")}, b"Host"),
        ("/", {"Cookie": cookie, "Host": "127.0.0.1"}, b"Host"),
        ("/", {"Cookie": cookie, "Origin": "https://evil.example"}, b"Origin"),
        ("/", {"Cookie": cookie, "Origin": f"https://{served.address}"}, b"Origin"),
        ("/", {"Cookie": cookie, "Origin": "null"}, b"Origin"),
        *((path, {}, b"token") for path in (*FILES, "/page.css", "/none")),
        (f"/textual.js?{urlsplit(served.url).query}", {}, b"token"),
    ):
        answer = served.get(path, **headers)
        assert (answer.status, answer.body) == (403, reason), (path, headers)
    for path in ("/static/", "/static/js/textual.js", "/download/x", "/..%2fserver.py", "/js/textual.js"):
        assert served.get(path, Cookie=cookie).status == 404


def test_what_the_answers_say_about_themselves(served: Served) -> None:
    answer = served.get(f"/?{urlsplit(served.url).query}")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    page = served.get("/", Cookie=cookie.split(";")[0])
    rules = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in rules
    assert "script-src 'self';" in rules
    assert f"connect-src ws://{served.address};" in rules
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    text = page.body.decode()
    assert "googleapis" not in text
    assert urlsplit(served.url).query.removeprefix("token=") not in text
    assert served.get("/mono.ttf", Cookie=cookie.split(";")[0]).headers["Content-Type"] == "font/ttf"


def test_in_redact_mode_the_title_does_not_name_the_session(session: Path) -> None:
    for words, shown in (((), True), (("--redact",), False)):
        made = start(session, *words)
        try:
            text = made.get("/", Cookie=made.cookie()).body.decode()
            assert ("a session" in text) is shown
        finally:
            made.end()


def test_it_listens_to_this_computer_only(served: Served) -> None:
    port = served.address.split(":")[1]
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    assert [place for place in listening if place.endswith(f":{int(port):04X}")] == [f"0100007F:{int(port):04X}"]


def websocket(served: Served, client: aiohttp.ClientSession, **headers: str) -> Any:
    given = {"Origin": f"http://{served.address}", "Cookie": served.cookie(), **headers}
    return client.ws_connect(
        f"ws://{served.address}/ws?width=100&height=30", headers={name: text for name, text in given.items() if text}
    )


def test_the_terminal_is_refused_without_cookie_or_from_another_page(served: Served) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as client:
            for headers in (
                {"Cookie": ""},
                {"Origin": ""},
                {"Origin": "https://evil.example"},
                {"Origin": "null"},
                {"Host": "evil.example"},
            ):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await websocket(served, client, **headers)
                assert refused.value.status == 403
        assert served.tabs() == []

    run(ask())


async def _read(link: aiohttp.ClientWebSocketResponse, into: bytearray) -> None:
    """Read all that a tab gets, as a page does: it answers the server's pings meanwhile."""
    async for message in link:
        into += message.data


def test_a_process_for_each_tab_bounded_and_ended_with_it(served: Served, session: Path) -> None:
    async def open_tabs() -> None:
        async with aiohttp.ClientSession() as client, contextlib.AsyncExitStack() as stack:
            links = [await stack.enter_async_context(websocket(served, client)) for _tab in range(MOST_TABS)]
            shown = [bytearray() for _link in links]
            reading = [asyncio.create_task(_read(link, into)) for link, into in zip(links, shown, strict=True)]
            served.wait_for_tabs(MOST_TABS)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await websocket(served, client)
            assert refused.value.status == 503
            async with asyncio.timeout(SECONDS):
                while not all(ROW in each for each in shown):
                    await asyncio.sleep(0.05)
            await links[0].send_str("no message of the page")
            await links[1].close()
            await asyncio.to_thread(served.wait_for_tabs, MOST_TABS - 2)
        await asyncio.gather(*reading)
        await asyncio.to_thread(served.wait_for_tabs, 0)

    run(open_tabs())
    assert not session.with_name("hit").exists()


def test_tabs_end_with_the_server_however_it_ends(session: Path) -> None:
    made = start(session)

    async def open_tab() -> list[int]:
        async with aiohttp.ClientSession() as client, websocket(made, client) as link:
            await link.receive()
            made.wait_for_tabs(1)
            pids = made.tabs()
            made.end()
            return pids

    pids = asyncio.run(open_tab())
    end = time.monotonic() + SECONDS
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_errors_before_anything_is_served(session: Path, tmp_path: Path, served: Served) -> None:
    port = served.address.split(":")[1]
    for words, code, expected in (
        ((tmp_path / "none.duckdb", "--serve"), 1, "none.duckdb"),
        ((session, "app:", "--serve"), 2, "app:"),
        ((session, "--serve", "--port", port), 1, f"port {port}: cannot be served"),
    ):
        done = child("browse", *words)
        assert done.returncode == code
        assert expected.encode() in done.stderr
