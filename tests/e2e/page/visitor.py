"""Somebody at the page: what they do and see, and what their browser asked of the gateway."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, FilePayload, Locator, Page, Request, expect

from tests.e2e.page.wire import Wire
from tests.support.processes import PATIENCE

_MS = 1000
CLIENTS = Path(__file__).resolve().parents[3] / "clients"
AXE = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
POLLING = re.compile(r"^/api/(messages/sync|v2/tasks/\d+/status)$")
# What a browser logs when a server is away; tests take servers away on purpose.
_NETWORK = re.compile(r"Failed to load resource|WebSocket connection to|ERR_CONNECTION|net::ERR")


def jpeg(name: str, content: bytes) -> FilePayload:
    """Return a file as a browser is given it."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


class Visitor:
    """One page in one tab."""

    def __init__(self, page: Page, url: str, artifacts: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.wire = Wire(page)
        self._url = url
        self._artifacts = artifacts
        page.set_default_timeout(PATIENCE * _MS)
        page.on("request", self._note)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def arrive(self, *, until: str = "Live") -> Visitor:
        self.page.goto(self._url)
        self.sees_connection(until)
        return self

    def another_tab(self) -> Visitor:
        return Visitor(self.page.context.new_page(), self._url, self._artifacts)

    def drop(self, photos: Sequence[Path | FilePayload]) -> None:
        """Drop files on the page, as the browser's own drag and drop gives them."""
        files: list[FilePayload] = [
            {"name": each.name, "mimeType": "image/jpeg", "buffer": each.read_bytes()}
            if isinstance(each, Path)
            else each
            for each in photos
        ]
        # The files come into the page through an input of our own, then are dropped as a person would drop them.
        self.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input id=hand type=file multiple hidden>')")
        self.page.set_input_files("#hand", files)
        self.page.evaluate(
            """async () => {
                const hand = document.getElementById("hand");
                const cargo = new DataTransfer();
                for (const file of hand.files) cargo.items.add(file);
                const zone = document.querySelector(".drop");
                for (const type of ["dragenter", "dragover", "drop"]) {
                    zone.dispatchEvent(new DragEvent(type, {dataTransfer: cargo, bubbles: true, cancelable: true}));
                    await new Promise(requestAnimationFrame);
                }
                hand.remove();
            }"""
        )

    def cards(self, phase: str | None = None) -> Locator:
        return self.page.locator(".card" if phase is None else f'.card[data-phase="{phase}"]')

    def sees(self, count: int, phase: str | None = None, *, within: float = PATIENCE) -> None:
        """Wait until so many cards are in this phase."""
        expect(self.cards(phase)).to_have_count(count, timeout=within * _MS)

    def sees_connection(self, words: str, *, within: float = PATIENCE) -> None:
        expect(self.page.locator(".badge")).to_have_text(words, timeout=within * _MS)

    @property
    def polls(self) -> list[str]:
        """The polling requests that this page has made."""
        return [path for path in self.requests if POLLING.match(path)]

    def picture(self, name: str, *, full: bool = False) -> None:
        """Keep what the page looks like now."""
        self._artifacts.mkdir(exist_ok=True)
        # Pictures of cards out of view are loaded only when they come near it.
        self.page.screenshot(path=self._artifacts / f"{name}.png", animations="disabled", full_page=full)

    def serious_barriers(self) -> list[str]:
        """Return what axe finds that would keep somebody out."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run()")["violations"]
        return [
            f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def close(self) -> None:
        self.page.context.close()

    def _note(self, request: Request) -> None:
        self.requests.append(urlsplit(request.url).path)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _NETWORK.search(message.text):
            self.faults.append(f"{message.type}: {message.text}")
