"""The browser in a web browser of the same computer: a page, and a process of the browser for each tab that shows it.

The page is a terminal in JavaScript, which `textual-serve` has; everything else of that package's server is left out,
because it lets any web page start the program and read what it shows. Here:

- Only 127.0.0.1 is listened to, and a request must name that address in Host, so no other name leads here.
- A token in the address that is printed is exchanged for a cookie, which other sites cannot send, and scripts not read.
- A request that names another page in Origin is refused; that for the terminal itself must name this one.
- The page may load from here only. It may open no window, since the terminal makes links of captured addresses.
"""

import asyncio
import contextlib
import hmac
import json
import secrets
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustnet.errors import ExitCode, RustnetError
from rustnet.i18n import _

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
MOST_TABS = 8
"""Most tabs at a time, each a process."""
MOST_MESSAGE = 1 << 20
"""Most bytes of one message of a tab, and of its process."""
LARGEST = 1000
"""Most columns and lines of a tab."""
START = b"__GANGLION__\n"
"""Line with which Textual begins what it writes for a web browser."""
START_SECONDS = 30.0
END_SECONDS = 3.0
"""Time that a process has to end after its tab."""
FILES = {
    "/textual.js": ("js/textual.js", "text/javascript"),
    "/xterm.css": ("css/xterm.css", "text/css"),
    "/mono.ttf": ("fonts/RobotoMono-VariableFont_wght.ttf", "font/ttf"),
    "/mono-italic.ttf": ("fonts/RobotoMono-Italic-VariableFont_wght.ttf", "font/ttf"),
}
"""Files of textual-serve, by their paths on the server."""
STYLE = """\
@font-face { font-family: "Roboto Mono"; src: url("/mono.ttf"); font-weight: 100 700; }
@font-face { font-family: "Roboto Mono"; src: url("/mono-italic.ttf"); font-weight: 100 700; font-style: italic; }
html, body { margin: 0; height: 100%; background: #121212; color: #e0e0e0; font: 16px "Roboto Mono", monospace; }
.message { position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; z-index: 1; }
.message a { color: inherit; margin-left: 1em; }
.ended, body.-first-byte .begins, body.-closed .begins, body.-closed #terminal { display: none; }
body.-closed .ended { display: flex; }
#terminal { width: 100vw; height: 100vh; }
"""
PAGE = """\
<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="preload" href="/mono.ttf" as="font" type="font/ttf" crossorigin>
<link rel="stylesheet" href="/xterm.css">
<link rel="stylesheet" href="/page.css">
<script src="/textual.js"></script>
<script src="/page.js" defer></script>
</head>
<body>
<div class="message begins">{begins}</div>
<div class="message ended">{ended}<a href="/">{again}</a></div>
<div id="terminal" class="textual-terminal" data-font-size="{size}"
 data-session-websocket-url="ws://{address}/ws"></div>
</body>
</html>
"""
SCRIPT = """\
// Keys are for the terminal as soon as there is one.
new MutationObserver((_changes, observer) => {
    const keys = document.querySelector(".xterm-helper-textarea");
    if (keys && document.body.classList.contains("-first-byte")) { observer.disconnect(); keys.focus(); }
}).observe(document.body, { attributes: true });
"""
FONT_SIZE = 15


_TEXTS = {"/page.css": (STYLE, "text/css"), "/page.js": (SCRIPT, "text/javascript")}


def policy(address: str) -> str:
    """Content-Security-Policy of the page."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src data:; "
        f"connect-src ws://{address}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "sandbox allow-scripts allow-same-origin"
    )


class Tab:
    """A process of the browser, and the connection to the tab that shows it."""

    def __init__(self, process: Process, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._process = process
        self._send = send

    async def show(self) -> None:
        """Pass on what the process draws, until it ends."""
        output = self._process.stdout
        assert output is not None
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await output.readuntil(START)
            while True:
                kind, size = await output.readexactly(1), int.from_bytes(await output.readexactly(4), "big")
                if size > MOST_MESSAGE:
                    return
                payload = await output.readexactly(size)
                if kind == b"D":
                    await self._send(payload)
                elif kind == b"M" and json.loads(payload).get("type") == "exit":
                    return

    async def take(self, message: str) -> None:
        """Pass on a message of the tab. Raises `ValueError` if it is none."""
        kind, *values = json.loads(message)
        if kind == "stdin":
            await self._write(b"D", str(values[0]).encode("utf-8", "replace"))
        elif kind == "resize":
            width, height = _size(values[0])
            await self._write_fact(type="resize", width=width, height=height)
        elif kind in ("focus", "blur"):
            await self._write_fact(type=kind)

    async def _write_fact(self, **fact: Any) -> None:
        await self._write(b"M", json.dumps(fact).encode())

    async def _write(self, kind: bytes, payload: bytes) -> None:
        link = self._process.stdin
        assert link is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            link.write(kind + len(payload).to_bytes(4, "big") + payload)
            await link.drain()

    async def end(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), END_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()


def _size(given: Mapping[str, Any]) -> tuple[int, int]:
    """Columns and lines of a tab, within bounds."""
    width, height = (min(max(int(given.get(name) or least), 1), LARGEST) for name, least in _LEAST.items())
    return width, height


_LEAST = {"width": 80, "height": 24}


class Pages:
    """Answers the requests."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], title: str, port: int) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.title = title
        self.address = f"{HOST}:{port}"
        self.token = secrets.token_urlsafe(32)
        self.tabs: set[Tab] = set()
        self._starting = 0
        self._cookie = f"rustnet-{port}"  # cookies are for all ports of an address
        self._files = Path(files_folder())

    @property
    def url(self) -> str:
        """Address of the page, with its token."""
        return f"http://{self.address}/?token={self.token}"

    def application(self) -> "web.Application":
        """Return the application of aiohttp."""
        from aiohttp import web  # noqa: PLC0415 -- only to serve

        @web.middleware
        async def guard(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            self._check(request)
            response = await handler(request)
            if not response.prepared:
                response.headers.update(self._headers())
            return response

        application = web.Application(middlewares=[guard], client_max_size=0)
        application.router.add_get("/", self._page)
        for path in _TEXTS:
            application.router.add_get(path, self._text)
        application.router.add_get("/ws", self._terminal)
        for path in FILES:
            application.router.add_get(path, self._file)
        return application

    def _check(self, request: "web.Request") -> None:
        """Raise an error of HTTP unless the request is for this page, from this page, by who knows the token."""
        from aiohttp import web  # noqa: PLC0415

        origin = request.headers.get("Origin")
        expected = f"http://{self.address}"
        if request.headers.getall("Host", []) != [self.address]:
            raise web.HTTPForbidden(text="Host")
        if origin != expected and (origin is not None or request.path == "/ws"):
            raise web.HTTPForbidden(text="Origin")
        given = request.cookies.get(self._cookie) or (request.query.get("token") if request.path == "/" else None)
        if not hmac.compare_digest((given or "").encode(), self.token.encode()):
            raise web.HTTPForbidden(text="token")

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Security-Policy": policy(self.address),
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    async def _page(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web  # noqa: PLC0415

        if "token" in request.query:  # out of the address, and so out of the history
            moved = web.Response(status=303, headers={"Location": "/"})
            moved.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/")
            return moved
        texts = {"begins": _("The browser begins …"), "ended": _("The browser has ended."), "again": _("Open it again")}
        texts |= {"title": self.title, "language": "", "address": self.address, "size": str(FONT_SIZE)}
        body = PAGE.format(**{name: escape(text) for name, text in texts.items()})
        return web.Response(text=body, content_type="text/html")

    async def _text(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web  # noqa: PLC0415

        text, kind = _TEXTS[request.path]
        return web.Response(text=text, content_type=kind)

    async def _file(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web  # noqa: PLC0415

        name, kind = FILES[request.path]
        return web.FileResponse(self._files / name, headers={"Content-Type": kind})

    async def _terminal(self, request: "web.Request") -> "web.StreamResponse":
        """Connect a tab with a process of its own."""
        from aiohttp import WSMsgType, web  # noqa: PLC0415

        if len(self.tabs) + self._starting >= MOST_TABS:
            raise web.HTTPServiceUnavailable(text=_("There are too many tabs."))
        connection = web.WebSocketResponse(heartbeat=15, max_msg_size=MOST_MESSAGE)
        self._starting += 1
        try:
            await connection.prepare(request)
            width, height = _size({name: _number(request.query.get(name)) for name in _LEAST})
            tab = Tab(await self._start(width, height), connection.send_bytes)
            self.tabs.add(tab)
        finally:
            self._starting -= 1
        showing = asyncio.create_task(tab.show())
        showing.add_done_callback(lambda _task: asyncio.ensure_future(connection.close()))
        try:
            async for message in connection:
                if message.type == WSMsgType.TEXT:
                    await tab.take(message.data)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            await connection.close()  # a message that no page of ours sends
        finally:
            showing.cancel()
            await asyncio.shield(tab.end())
            self.tabs.discard(tab)
        return connection

    async def _start(self, width: int, height: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *self.command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=MOST_MESSAGE,
            env={**self.environment, "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
                 "TEXTUAL_COLOR_SYSTEM": "truecolor", "COLUMNS": str(width), "ROWS": str(height)},
        )  # fmt: skip

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*(tab.end() for tab in self.tabs))


def _number(text: str | None) -> int:
    """A number of columns or lines; 0 if it is none."""
    return int(text) if text and len(text) < 5 and text.isdecimal() else 0


def files_folder() -> str:
    """Folder of the files of textual-serve. Raises `RustnetError` if it is not installed."""
    spec = find_spec("textual_serve") if find_spec("aiohttp") else None
    if spec is None or spec.origin is None:
        raise RustnetError("--serve needs textual-serve: pip install 'rustnet[serve]'")
    return str(Path(spec.origin).with_name("static"))


def serve(
    command: Sequence[str], environment: Mapping[str, str], title: str, port: int, announce: Callable[[str], None]
) -> int:
    """Serve until a signal; returns the exit code. ``announce`` gets the page's address once it can be opened.

    ``command`` starts the browser for one tab, in ``environment``; a ``port`` of 0 is one that is free.
    """
    files_folder()
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        link.bind((HOST, port))
    except OSError as error:
        link.close()
        raise RustnetError(
            "port {port}: cannot be served: {reason}", port=port, reason=error.strerror or error
        ) from None
    pages = Pages(command, environment, title, link.getsockname()[1])
    asyncio.run(_serve(pages, link, announce))
    return ExitCode.DONE


async def _serve(pages: Pages, link: socket.socket, announce: Callable[[str], None]) -> None:
    from aiohttp import web  # noqa: PLC0415

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    runner = web.AppRunner(pages.application(), access_log=None, shutdown_timeout=END_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, link).start()
        announce(pages.url)
        await ended.wait()
    finally:
        await pages.close()
        await runner.cleanup()
