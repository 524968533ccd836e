"""A browser, and the page in it as a person has it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.page.stack import Stack, running_stack
from tests.e2e.page.visitor import CLIENTS, Visitor
from tests.support.node import find_node
from tests.support.processes import PATIENCE

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
_NAMES = ("chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=PATIENCE * 1000)

_DESKTOP: dict[str, Any] = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}}

Visit = Callable[..., Visitor]


def _chromium() -> str:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise RuntimeError("there is no Chromium here: run `make setup`, or set CHROMIUM to the path of one")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the session: while Playwright runs, it holds the thread's event loop, and tests of asyncio need their own.
    find_node().install(CLIENTS)  # for axe
    with sync_playwright() as playwright:
        # Containers have neither the namespaces that the sandbox needs nor a large /dev/shm.
        browser = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path / "data") as stack:
        yield stack


@pytest.fixture
def visit(browser: Browser, stack: Stack) -> Iterator[Visit]:
    """Open the page in a browser profile of its own; each visitor's console is checked at the end."""
    visitors: list[Visitor] = []

    def open_page(**options: Any) -> Visitor:
        context = browser.new_context(**(_DESKTOP | options))
        visitor = Visitor(context.new_page(), stack.url, ARTIFACTS)
        visitors.append(visitor)
        return visitor

    yield open_page
    for visitor in visitors:
        visitor.close()
    for visitor in visitors:
        assert visitor.faults == []
