"""The network and the gateway fail while photos are sent: each is sent once, and the page shows the true state."""

from __future__ import annotations

import signal

import httpx
import pytest
from playwright.sync_api import FilePayload, Response, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.test_shop_day import authorization
from tests.e2e.page.visitor import SUBMISSION, Visitor, jpeg
from tests.support.photos import product_photo

MANY = 300
BEFORE_AN_OUTAGE = 20
"""Photos that are accepted before each outage."""


@pytest.mark.timeout(600)  # for as long as one photo after the other is stored
def test_three_hundred_photos_are_each_sent_once_over_two_outages(stack: Stack, visit: Visit) -> None:
    # Without a worker, all stay in the queue, where they are counted.
    stack.kill_service()
    stack.start_service(worker_slots="0")
    ann = visit().arrive()
    other = ann.another_tab().arrive()
    photo = product_photo(64, 48, "JPEG")
    photos: list[FilePayload] = [jpeg(f"{n:03}.jpg", photo) for n in range(MANY)]

    with ann.page.expect_response(Accepted(BEFORE_AN_OUTAGE)):
        ann.drop(photos)
    ann.page.context.set_offline(True)
    expect(ann.page.get_by_text("You are offline")).to_be_visible()
    ann.counts("All", MANY)
    with ann.page.expect_response(Accepted(BEFORE_AN_OUTAGE)):
        ann.page.context.set_offline(False)
    expect(ann.page.get_by_text("You are offline")).to_have_count(0)
    stack.kill_gateway()
    for tab in (ann, other):
        tab.sees_connection("Reconnecting")
    ann.counts("All", MANY)
    ann.counts("Failed", 0)
    stack.start_gateway()

    # The other tab shows only stored photos.
    for tab in (other, ann):
        tab.counts("All", MANY, within=MINUTES)
        tab.counts("In progress", MANY)
        tab.sees_connection("Live")
    assert names_of_tasks(ann) == [f"{n:03}.jpg" for n in range(MANY)]


def test_gateway_that_falls_silent_is_noticed_and_no_photo_is_lost_or_doubled(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    assert stack.gateway is not None
    stack.gateway.signal(signal.SIGSTOP)
    try:
        ann.drop([PHOTOS / "loafers.jpg", PHOTOS / "sandals.jpg"])
        ann.sees(2, "uploading")
        ann.sees_connection("Reconnecting")
        ann.sees(1, "done")
    finally:
        stack.gateway.signal(signal.SIGCONT)
    ann.sees_connection("Live")
    ann.sees(3, "done")
    ann.sees(3)
    assert names_of_tasks(ann) == ["loafers.jpg", "pink-cap.jpg", "sandals.jpg"]


MINUTES = 240.0


class Accepted:
    """Matches the response to the photo that is the last of so many accepted ones."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self, response: Response) -> bool:
        self._left -= response.request.method == "POST" and bool(SUBMISSION.search(response.url)) and response.ok
        return self._left <= 0


def names_of_tasks(visitor: Visitor) -> list[str]:
    """Return the names of the stored photos in order."""
    answer = httpx.get(f"{visitor.url}/api/v2/tasks?limit=500", headers=authorization(visitor), timeout=30)
    return sorted(task["filename"] for task in answer.json()["tasks"])
