"""Frames sent and received on a page's WebSockets, recorded in the page itself."""

from __future__ import annotations

from typing import TypedDict

from playwright.sync_api import Page

from tests.support.patience import PATIENCE


class Socket(TypedDict):
    """A WebSocket that the page has opened, or tried to."""

    url: str
    sent: list[str]
    """Types of the frames, in order."""
    heard: list[str]
    code: int | None
    """Close code; None while it is open."""


# Close codes are visible only to the page, so it records the frames. Otherwise the class is the browser's own.
_NOTES = """(() => {
    const wire = (window.wire = []);
    window.WebSocket = class extends WebSocket {
        #notes;
        constructor(...options) {
            super(...options);
            this.#notes = {url: this.url, sent: [], heard: [], code: null};
            wire.push(this.#notes);
            this.addEventListener("message", ({data}) => this.#notes.heard.push(JSON.parse(data).type));
            this.addEventListener("close", ({code}) => (this.#notes.code = code));
        }
        send(data) {
            this.#notes.sent.push(JSON.parse(data).type);
            super.send(data);
        }
    };
})()"""


class Wire:
    """The page's sockets since it was loaded."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.add_init_script(_NOTES)

    @property
    def sockets(self) -> list[Socket]:
        sockets: list[Socket] = self._page.evaluate("window.wire")
        return sockets

    def hears(self, kind: str, times: int = 1) -> None:
        """Wait until this many frames of a type were received on the latest socket."""
        self._wait("heard", kind, times)

    def says(self, kind: str, times: int = 1) -> None:
        """Wait until this many frames of a type were sent on the latest socket."""
        self._wait("sent", kind, times)

    def closes(self, code: int, *, within: float = PATIENCE) -> None:
        """Wait until the latest socket was closed with a code, for at most ``within`` seconds."""
        self._page.wait_for_function("code => window.wire.at(-1)?.code === code", arg=code, timeout=within * 1000)

    def _wait(self, way: str, kind: str, times: int) -> None:
        self._page.wait_for_function(
            "([way, kind, times]) => window.wire.at(-1)?.[way].filter((each) => each === kind).length >= times",
            arg=[way, kind, times],
        )
