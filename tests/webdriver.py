"""A real browser: Debian's Chromium, driven by the WebDriver protocol (W3C) through its chromedriver."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.peers import need

START_TIMEOUT_S = 30.0
WAIT_S = 20.0
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_NO_SCRIPTS = {"profile.managed_default_content_settings.javascript": 2}


class Browser:
    """One profile: its cookies are its own. CSS selectors find elements."""

    def __init__(self, client: aiohttp.ClientSession, session: str) -> None:
        self._client = client
        self._session = session

    async def open(self, url: str) -> None:
        await self._ask("POST", "url", {"url": url})

    async def url(self) -> str:
        return str(await self._ask("GET", "url"))

    async def source(self) -> str:
        return str(await self._ask("GET", "source"))

    async def click(self, selector: str) -> None:
        await self._ask("POST", f"element/{await self.find(selector)}/click", {})

    async def type(self, selector: str, text: str) -> None:
        """Replace what stands in a field; file inputs take paths, one a line."""
        element = await self.find(selector)
        if "type=file" not in selector:
            await self._ask("POST", f"element/{element}/clear", {})
        await self._ask("POST", f"element/{element}/value", {"text": text})

    async def text(self, selector: str = "body") -> str:
        return str(await self._ask("GET", f"element/{await self.find(selector)}/text"))

    async def texts(self, selector: str) -> list[str]:
        found = await self._ask("POST", "elements", {"using": "css selector", "value": selector})
        assert isinstance(found, list)
        return [str(await self._ask("GET", f"element/{one[_ELEMENT]}/text")) for one in found]

    async def cookies(self) -> list[dict[str, object]]:
        found = await self._ask("GET", "cookie")
        assert isinstance(found, list)
        return found

    async def accept(self) -> None:
        """Say yes to the question on the screen."""
        await self._ask("POST", "alert/accept", {})

    async def run(self, script: str) -> object:
        return await self._ask("POST", "execute/sync", {"script": script, "args": []})

    async def complaints(self) -> list[str]:
        """What was written to the console as an error since the last time."""
        found = await self._ask("POST", "se/log", {"type": "browser"})
        assert isinstance(found, list)
        return [str(one["message"]) for one in found if one["level"] == "SEVERE"]

    async def shows(self, text: str) -> None:
        """Wait until a text is on the page."""
        deadline = time.monotonic() + WAIT_S
        seen = ""
        while time.monotonic() < deadline:
            with contextlib.suppress(WebDriverError):  # between two pages
                seen = await self.text()
                if text in seen:
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{text!r} does not appear, but:\n{seen}")

    async def find(self, selector: str) -> str:
        """Wait for an element."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                found = await self._ask("POST", "element", {"using": "css selector", "value": selector})
            except WebDriverError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                assert isinstance(found, dict)
                return str(found[_ELEMENT])

    async def close(self) -> None:
        async with self._client.delete(f"/session/{self._session}"):
            pass

    async def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> object:
        async with self._client.request(method, f"/session/{self._session}/{path}", json=body) as answer:
            value = (await answer.json())["value"]
            if answer.status != 200:
                raise WebDriverError(f"{path}: {value['error']}: {value['message']}")
            return value


class WebDriverError(Exception):
    """The browser could not do it."""


class Browsers:
    """Starts browsers."""

    def __init__(self, client: aiohttp.ClientSession, program: str, folder: Path) -> None:
        self._client = client
        self._program = program
        self._folder = folder
        self._open: list[Browser] = []

    async def new(self, *, scripts: bool = True) -> Browser:
        """Start a browser with an empty profile; without scripts it runs none."""
        profile = tempfile.mkdtemp(dir=self._folder)
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]
        options = {"binary": self._program, "args": arguments, "prefs": {} if scripts else _NO_SCRIPTS}
        always = {
            "acceptInsecureCerts": True,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        async with self._client.post("/session", json={"capabilities": {"alwaysMatch": always}}) as answer:
            value = (await answer.json())["value"]
            assert answer.status == 200, value
        browser = Browser(self._client, value["sessionId"])
        self._open.append(browser)
        return browser

    async def close(self) -> None:
        for browser in self._open:
            await browser.close()


@contextlib.asynccontextmanager
async def browsers(folder: Path) -> AsyncIterator[Browsers]:
    """Run a chromedriver; skips the test if it, or Chromium, is not installed."""
    driver, program = need("chromedriver", "chromium-driver"), need("chromium", "chromium")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(driver, "--port=0", stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        port = ""
        async with asyncio.timeout(START_TIMEOUT_S):
            while not port:
                line = (await process.stdout.readline()).decode()
                found = re.search(r"successfully on port (\d+)", line)
                port = found[1] if found else ""
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            opened = Browsers(client, program, folder)
            try:
                yield opened
            finally:
                await opened.close()
    finally:
        process.terminate()
        await process.wait()
