"""Gateway and service crash together in the middle of everything."""

from __future__ import annotations

import signal

import pytest
from playwright.sync_api import FilePayload, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import jpeg


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["gateway restarted", "gateway killed"])
def test_no_photo_is_lost_or_stands_still(stack: Stack, visit: Visit, end: signal.Signals) -> None:
    ann = visit().arrive()
    other = ann.another_tab().arrive()
    ann.page.get_by_label("Made for").select_option("taobao")  # the smallest picture
    ann.drop(photos(4, "before"))
    expect(ann.cards("done").first).to_be_visible()

    stack.crash(end)
    ann.drop(photos(2, "meanwhile"))
    ann.sees(6)
    ann.sees_connection("Reconnecting")
    ann.picture("09-both-away")
    stack.start_service()
    stack.start_gateway()

    for tab in (ann, other):
        tab.sees(6, "done")
        tab.sees_connection("Live")
        expect(tab.page.get_by_text("6 of 6 finished")).to_be_visible()
        assert tab.polls == []


def test_service_that_is_alive_but_silent_is_shown_as_unavailable(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    ann.sees_connection("Live")
    assert stack.service is not None
    stack.service.signal(signal.SIGSTOP)
    try:
        ann.sees_connection("Server unavailable")
        ann.picture("10-silent-service")
    finally:
        stack.service.signal(signal.SIGCONT)
    ann.sees_connection("Live")


def photos(count: int, prefix: str) -> list[FilePayload]:
    files = sorted(PHOTOS.glob("*.jpg")) * count
    return [jpeg(f"{prefix}-{n}.jpg", file.read_bytes()) for n, file in enumerate(files[:count])]
