"""A web browser without a window, driven by its DevTools protocol over aiohttp."""

import asyncio
import base64
import contextlib
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60.0
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu", "--remote-debugging-port=0",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1200,700",
)  # fmt: skip


class Page:
    """One tab, and everything that it has requested."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.requested: list[str] = []
        """Addresses that were requested, those of websockets too."""
        self.statuses: dict[str, int] = {}
        """Status of each answer, by address."""
        self.received = b""
        """What came over websockets."""
        self.messages: list[str] = []
        """What the page wrote on its console, and what its policy refused."""
        self._loaded = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:  # noqa: C901 -- kinds of events
        async for message in self._connection:
            event = message.json()
            values = event.get("params", {})
            match event.get("method"):
                case "Network.requestWillBeSent":
                    self.requested.append(values["request"]["url"])
                case "Network.responseReceived":
                    self.statuses[values["response"]["url"]] = values["response"]["status"]
                case "Network.webSocketCreated":
                    self.requested.append(values["url"])
                case "Network.webSocketHandshakeResponseReceived":
                    self.statuses["ws"] = values["response"]["status"]
                case "Network.webSocketFrameReceived":
                    frame = values["response"]
                    data = frame["payloadData"]
                    self.received += base64.b64decode(data) if frame["opcode"] == 2 else data.encode()
                case "Runtime.consoleAPICalled" | "Log.entryAdded":
                    self.messages.append(str(values))
                case "Runtime.exceptionThrown":
                    self.messages.append(str(values))
                case "Page.loadEventFired":
                    self._loaded.set()
                case None:
                    self._answers.pop(event["id"]).set_result(event.get("result", event))

    async def ask(self, method: str, **values: Any) -> Any:
        """Send a command; returns its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._connection.send_json({"id": number, "method": method, "params": values})
        return await asyncio.wait_for(answer, SECONDS)

    async def evaluate(self, script: str) -> Any:
        """Value of a script, which may be a promise."""
        result = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    async def open(self, url: str) -> None:
        """Open an address."""
        await self.ask("Page.navigate", url=url)

    async def type(self, text: str) -> None:
        """Type a text."""
        for character in text:
            await self.ask("Input.dispatchKeyEvent", type="keyDown", key=character, text=character)
            await self.ask("Input.dispatchKeyEvent", type="keyUp", key=character)

    async def click(self, x: int, y: int) -> None:
        """Click at a place."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def load(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        self._loaded.clear()
        await self.open(url)
        await asyncio.wait_for(self._loaded.wait(), SECONDS)

    async def view(self, width: int, height: int = 900, *, scheme: str = "light", media: str = "") -> None:
        """Show pages at a size, in a colour scheme, on a screen or as for a printer (``print``)."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    async def picture(self, *, whole: bool = False) -> bytes:
        """PNG of the page; ``whole``: also of what is below its visible part."""
        answer = await self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    async def pdf(self) -> bytes:
        """Print the page, as its style sheet wants."""
        answer = await self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])

    async def wait(self, text: bytes) -> None:
        """Wait until a text has come over a websocket."""
        async with asyncio.timeout(SECONDS):
            while text not in self.received:
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End the connection."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def _debugger(process: asyncio.subprocess.Process, client: aiohttp.ClientSession) -> str:
    """Address of the tab's DevTools."""
    assert process.stderr is not None
    port = ""
    while not port:
        line = (await process.stderr.readline()).decode("utf-8", "replace")
        assert line, "the web browser ended"
        port = "".join(re.findall(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line))
    async with client.get(f"http://127.0.0.1:{port}/json/list") as answer:
        (target,) = [each for each in await answer.json() if each["type"] == "page"]
    return str(target["webSocketDebuggerUrl"])


@contextlib.asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Page]:
    """Start it with an empty profile, and yield its tab."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as client:
            async with asyncio.timeout(SECONDS):
                connection = await client.ws_connect(await _debugger(process, client), max_msg_size=0)
                page = Page(connection)
                for domain in ("Network", "Page", "Runtime", "Log"):
                    await page.ask(f"{domain}.enable")
            yield page
            await page.close()
            await connection.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()
