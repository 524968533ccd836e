"""Thousands of photos: only those near the screen are fetched and laid out."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Response, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import Stack
from tests.e2e.page.visitor import SUBMISSION, jpeg
from tests.support.api import token
from tests.support.photos import product_photo
from tests.support.seeding import copy_result

pytestmark = pytest.mark.timeout(300)

PHOTOS = 2000
PAGE = 100
IN_VIEW = 80
"""More cards than this are never laid out in this window."""


def test_two_thousand_photos_are_fetched_and_laid_out_as_they_come_into_view(stack: Stack, visit: Visit) -> None:
    ann = visit(viewport={"width": 1440, "height": 900})
    page = ann.page
    page.goto(f"{ann.url}/#token={token('ann')}")
    ann.sees_connection("Live")
    ann.drop([jpeg("first.jpg", product_photo(300, 225, "JPEG"))])
    ann.sees(1, "done")
    stack.kill_service()
    # Playwright's event loop runs in this thread.
    with ThreadPoolExecutor(1) as other:
        other.submit(asyncio.run, copy_result(stack.data_dir / "whitebg.db", "ann", PHOTOS - 1)).result()
    stack.start_service()
    ann.sees_connection("Live")

    fetched: list[int] = []

    def note(response: Response) -> None:
        if response.request.method == "GET" and SUBMISSION.search(response.url) and response.ok:
            fetched.append(len(response.json()["tasks"]))

    page.on("response", note)
    ann.arrive()
    expect(page.get_by_role("button", name=f"All {PAGE}+", exact=True)).to_be_visible()
    assert sum(fetched) == PAGE
    # There are more than these.
    expect(page.get_by_role("button", name=f"Download the newest {PAGE} as ZIP")).to_be_visible()
    expect(page.locator(".photos-head")).not_to_contain_text("finished")
    assert ann.cards("done").count() < IN_VIEW
    assert len(ann.wire.sockets[-1]["heard"]) < 20, "a snapshot of all was sent"

    page.mouse.move(700, 600)
    for pages in (2, 3):
        # To the end of those that were fetched: the next ones follow.
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(page.get_by_role("button", name=f"All {pages * PAGE}+", exact=True)).to_be_visible()
        # The page may show them before the response has been read here, too.
        while sum(fetched) < pages * PAGE:
            page.wait_for_timeout(20)
        assert sum(fetched) == pages * PAGE
        assert ann.cards().count() < IN_VIEW
    page.mouse.wheel(0, -300_000)
    expect(page.get_by_role("article", name=f"photo-{PHOTOS - 2:04}.jpg")).to_be_visible()
    assert ann.cards().count() < IN_VIEW
    assert sum(fetched) == 3 * PAGE
