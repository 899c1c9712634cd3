"""A headless Chromium, driven by `chromedriver` over plain HTTP (the WebDriver protocol)."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests.end_to_end.processes import until
from workers.embedded.ports import LOCALHOST, choose_ports

PATIENCE = timedelta(seconds=20)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The name under which the protocol hands out elements."""
PASTE = """
const clipboardData = new DataTransfer();
clipboardData.setData("text/plain", arguments[0]);
document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
"""
ALONE = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1400",
)
"""No window, and nothing asked of anybody but the page."""


def chromedriver() -> str | None:
    """The program, when it is installed (Debian: chromium-driver)."""
    return shutil.which("chromedriver")


@dataclass(frozen=True)
class Browser:
    """One window."""

    http: httpx2.AsyncClient
    session: str

    async def open(self, url: str) -> None:
        """Once the page is loaded; what its scripts draw may come later."""
        await self._post("url", {"url": url})

    async def click(self, xpath: str) -> None:
        """Click the first such element that can be clicked, once there is one."""
        await self._act(xpath, "click", {})

    async def click_if_there(self, xpath: str) -> None:
        """Click such elements, should there be any that can be clicked."""
        for each in await self._found(xpath):
            await self._try(f"element/{each}/click", {})

    async def paste(self, xpath: str, text: str) -> None:
        """Paste into the first such element that can be clicked."""
        await self.click(xpath)
        await self._post("execute/sync", {"script": PASTE, "args": [text]})

    async def sees(self, xpath: str) -> bool:
        """Whether there is such an element now."""
        return bool(await self._found(xpath))

    async def until_seen(self, xpath: str) -> None:
        """Once there is such an element."""
        await until(lambda: self.sees(xpath), f"the page shows {xpath}", PATIENCE)

    async def text(self) -> str:
        """What stands on the page."""
        body = await self._found("//body")
        return str(await self._get(f"element/{body[0]}/text"))

    async def screenshot(self, file: Path) -> None:
        """What the page looks like."""
        file.write_bytes(base64.b64decode(str(await self._get("screenshot"))))

    async def _act(self, xpath: str, what: str, given: Mapping[str, object]) -> None:
        async def acted() -> bool:
            for each in await self._found(xpath):
                if await self._try(f"element/{each}/{what}", given):
                    return True
            return False

        await until(acted, f"{what} {xpath}", PATIENCE)

    async def _try(self, path: str, given: Mapping[str, object]) -> bool:
        """Whether it went well: an element may be hidden, or be gone again."""
        return (await self.http.post(f"/session/{self.session}/{path}", json=dict(given))).is_success

    async def _found(self, xpath: str) -> list[str]:
        found = await self._post("elements", {"using": "xpath", "value": xpath})
        return [each[ELEMENT] for each in found]

    async def _post(self, path: str, given: Mapping[str, object]) -> Any:
        return _value(await self.http.post(f"/session/{self.session}/{path}", json=dict(given)))

    async def _get(self, path: str) -> Any:
        return _value(await self.http.get(f"/session/{self.session}/{path}"))


@asynccontextmanager
async def a_browser(driver: str, profile: Path) -> AsyncIterator[Browser]:
    """A window of its own, with a fresh profile; gone at the end."""
    port = choose_ports({"chromedriver": 9515})["chromedriver"]
    with (profile.parent / "chromedriver.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(driver, f"--port={port}", stdout=log, stderr=log)
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://{LOCALHOST}:{port}", timeout=PATIENCE.total_seconds(), trust_env=False
        ) as http:
            await until(lambda: _answers(http), "chromedriver answers")
            options = {"args": [*ALONE, f"--user-data-dir={profile}"]}
            wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
            session = _value(await http.post("/session", json={"capabilities": wanted}))["sessionId"]
            try:
                yield Browser(http, session)
            finally:
                await http.delete(f"/session/{session}")
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE.total_seconds())


async def _answers(http: httpx2.AsyncClient) -> bool:
    try:
        return (await http.get("/status")).is_success
    except httpx2.HTTPError:
        return False


def _value(answer: httpx2.Response) -> Any:
    """What the protocol carries. Fails with what it says went wrong."""
    said = answer.json()["value"]
    assert answer.is_success, said
    return said
