"""A visitor of the page: actions, expectations, and the browser's requests to the gateway."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Download, FilePayload, FloatRect, Locator, Page, Request, expect

from tests.e2e.page.wire import Wire
from tests.support.patience import PATIENCE

_MS = 1000
BOXES = """(elements) => {
    const loading = elements.some((each) => each instanceof HTMLImageElement && !(each.complete && each.naturalWidth));
    const moving = document.getAnimations().some((each) => {
        return each.playState === "running" && each.effect.getComputedTiming().endTime !== Infinity;
    });
    if (loading || moving) return null;
    return elements.map((each) => {
        const {x, y, width, height} = each.getBoundingClientRect();
        return {x, y, width, height};
    });
}"""
FRAMES = """async () => {
    for (let frame = 0; frame < 4; frame++) await new Promise(requestAnimationFrame);
}"""
STILL = """() => !document.getAnimations().some((each) => {
    return each.playState === "running" && each.effect.getComputedTiming().endTime !== Infinity;
})"""
CLIENTS = Path(__file__).resolve().parents[3] / "clients"
AXE = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
SUBMISSION = re.compile(r"/api/v2/tasks(\?|$)")
"""Addresses of the route that takes photos, and lists tasks."""
POLLING = re.compile(r"^/api/v2/(events|tasks/\d+/status)$")
# Logged by browsers when a server is unavailable; tests stop servers on purpose.
_NETWORK = re.compile(r"Failed to load resource|WebSocket connection to|ERR_CONNECTION|net::ERR")


def png(name: str, content: bytes) -> FilePayload:
    """Return a file in the form that a browser's input takes."""
    return {"name": name, "mimeType": "image/png", "buffer": content}


def jpeg(name: str, content: bytes) -> FilePayload:
    """Return a file in the form that a browser's input takes."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


class Visitor:
    """One page in one tab."""

    def __init__(self, page: Page, url: str, artifacts: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.uploads = 0
        """Photos that were sent, repetitions included."""
        self.faults: list[str] = []
        self.wire = Wire(page)
        self.url = url
        self._artifacts = artifacts
        page.set_default_timeout(PATIENCE * _MS)
        page.on("request", self._note)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def arrive(self, *, until: str = "Live") -> Visitor:
        self.page.goto(self.url)
        self.sees_connection(until)
        return self

    def another_tab(self) -> Visitor:
        return Visitor(self.page.context.new_page(), self.url, self._artifacts)

    def drop(self, photos: Sequence[Path | FilePayload]) -> None:
        """Drop files on the page, as the browser's own drag and drop does."""
        files: list[FilePayload] = [
            {"name": each.name, "mimeType": "image/jpeg", "buffer": each.read_bytes()}
            if isinstance(each, Path)
            else each
            for each in photos
        ]
        # The files enter the page through an input of our own, and are then dropped as by a person.
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
        """Wait until this many cards are in this phase."""
        expect(self.cards(phase)).to_have_count(count, timeout=within * _MS)

    def counts(self, state: str, count: int, *, within: float = PATIENCE) -> None:
        """Wait until the filter for a state, such as "In progress", counts so many photos; also those out of view."""
        chip = self.page.get_by_role("button", name=f"{state} {count}", exact=True)
        expect(chip).to_be_visible(timeout=within * _MS)

    def saves(self, button: str) -> Download:
        """Press a button for a ZIP, and its dialog's own; return the file."""
        self.page.get_by_role("button", name=button).click()
        with self.page.expect_download() as saved:
            self.page.get_by_role("button", name="Download ZIP").click()
        return saved.value

    def boxes(self, *elements: Locator) -> list[FloatRect]:
        """Return where elements are, all at one moment: once their pictures are loaded and no transition runs."""
        for element in elements:
            expect(element).to_be_visible()
        found = self.page.wait_for_function(BOXES, arg=[element.element_handle() for element in elements])
        boxes: list[FloatRect] = found.json_value()
        return boxes

    def sees_connection(self, words: str, *, within: float = PATIENCE) -> None:
        expect(self.page.locator(".badge")).to_have_text(words, timeout=within * _MS)

    @property
    def polls(self) -> list[str]:
        """The polling requests made by this page."""
        return [path for path in self.requests if POLLING.match(path)]

    def picture(self, name: str, *, full: bool = False) -> None:
        """Save a screenshot of the page."""
        self._artifacts.mkdir(exist_ok=True)
        # Pictures of cards out of view are loaded only when they are scrolled close to it.
        self.page.screenshot(path=self._artifacts / f"{name}.png", animations="disabled", full_page=full)

    def barriers(self) -> list[str]:
        """Return each violation that axe finds, whatever its impact."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        # In a transition, colours are mixed. It begins some frames after its element appears.
        self.page.evaluate(FRAMES)
        self.page.wait_for_function(STILL)
        found = self.page.evaluate("axe.run()")["violations"]
        return [
            f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
            for each in found
            for node in each["nodes"]
        ]

    def close(self) -> None:
        self.page.context.close()

    def _note(self, request: Request) -> None:
        self.requests.append(path := urlsplit(request.url).path)
        self.uploads += request.method == "POST" and path == "/api/v2/tasks"

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _NETWORK.search(message.text):
            self.faults.append(f"{message.type}: {message.text}")
