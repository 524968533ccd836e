"""A browser with the page, used as a person would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.page.stack import Stack, running_stack
from tests.e2e.page.visitor import CLIENTS, Visitor
from tests.support.patience import PATIENCE
from tools.chromium import ARGUMENTS, find_chromium
from tools.node import find_node

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
LAN = "whitebg.test"
"""A name of this machine that browsers don't trust: http on it is an insecure context, as on a LAN address."""

expect.set_options(timeout=PATIENCE * 1000)

_DESKTOP: dict[str, Any] = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}}

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not session-scoped: while Playwright runs, it holds the thread's event loop, and asyncio tests need their own.
    find_node().install(CLIENTS)  # for axe
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*ARGUMENTS, f"--host-resolver-rules=MAP {LAN} 127.0.0.1"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack for all tests that only visit the page: each visitor is a separate guest."""
    with running_stack(tmp_path_factory.mktemp("shared")) as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """A stack that the test may stop and configure; tests that use `door` get one without guest access."""
    gateway = {"guest_login": "false"} if "door" in request.fixturenames else {}
    with running_stack(tmp_path / "data", gateway=gateway) as stack:
        yield stack


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Visit]:
    """Open the page in a new browser profile; each visitor's console is checked at the end."""
    stack: Stack = request.getfixturevalue("stack" if "stack" in request.fixturenames else "shared_stack")
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
