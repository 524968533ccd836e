"""Photos through the page, live, while what is behind it dies and comes back."""

from __future__ import annotations

import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import FilePayload, WebSocketRoute, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import jpeg

pytestmark = pytest.mark.timeout(300)

MINUTES = 180.0


def twenty_photos() -> list[FilePayload]:
    photos = sorted(PHOTOS.glob("*.jpg"))
    return [jpeg(f"{n:02}-{photo.name}", photo.read_bytes()) for n, photo in enumerate((photos * 4)[:20], 1)]


def test_twenty_photos_finish_live_without_a_poll_though_the_service_is_killed(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    ann.picture("01-empty")

    ann.drop(twenty_photos())

    ann.sees(20, within=2)  # At once, not when the server knows of them.
    expect(ann.page.locator(".card-picture img")).to_have_count(20, timeout=5000)
    expect(ann.cards("done").first).to_be_visible()
    ann.picture("02-at-work")
    stack.kill_service()
    ann.picture("03-service-away")
    stack.start_service()
    ann.sees(20, "done", within=MINUTES)
    ann.picture("04-finished")
    assert ann.polls == []
    expect(ann.page.get_by_text("20 of 20 finished")).to_be_visible()

    # What was there is there after a reload, with its pictures.
    ann.arrive()
    ann.sees(20, "done")
    with ann.page.expect_download() as saved:
        ann.page.get_by_role("button", name="Download all 20 as ZIP").click()
    with zipfile.ZipFile(Path(saved.value.path())) as archive:
        assert archive.testzip() is None
        names = sorted(archive.namelist())
    assert (len(names), names[0]) == (20, "01-grey-shorts-white.png")


def test_a_second_tab_is_in_step_and_the_gateway_restarts(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    other = ann.another_tab().arrive()

    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg", PHOTOS / "sandals.jpg"])

    # The other tab has the new tasks live, with the pictures that were sent in.
    other.sees(3)
    expect(other.page.locator(".card-picture img")).to_have_count(3)
    stack.restart_gateway()
    for tab in (ann, other):
        tab.sees(3, "done")
        tab.sees_connection("Live")
        assert tab.polls == []
    other.picture("05-second-tab")


def test_a_task_is_cancelled_in_one_tab_and_tried_again_in_the_other(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    other = ann.another_tab().arrive()
    # Nobody works yet, so that the task is sure to be in the queue when it is cancelled.
    stack.kill_service()
    stack.start_service(worker_slots="0")
    ann.drop([jpeg(f"{n}.jpg", _photo("sandals")) for n in range(6)])
    other.sees(6)
    ann.page.get_by_role("button", name="Cancel: 5.jpg").click()

    other.sees(1, "cancelled")
    other.picture("06-cancelled")
    other.page.get_by_role("button", name="Try again: 5.jpg").click()
    ann.sees(7)
    stack.kill_service()
    stack.start_service()

    ann.sees(6, "done", within=MINUTES)
    ann.sees(1, "cancelled")


def test_a_token_that_expires_is_replaced_while_the_socket_stays_open(stack: Stack, visit: Visit) -> None:
    # The gateway warns when a quarter of that is over, so even a slow machine has time to replace the token.
    stack.restart_gateway(guest_token_ttl="PT30S")
    ann = visit().arrive()
    opened = len(ann.wire.sockets)
    first = ann.page.evaluate("JSON.parse(localStorage['whitebg.session']).token")

    # There is one warning per token, so a second one says that the gateway took what the page sent after the first.
    ann.wire.hears("token_expiring", 2)
    ann.wire.says("auth", 3)

    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.wire.hears("task_complete")
    ann.sees(1, "done")
    ann.sees_connection("Live")
    sockets = ann.wire.sockets
    assert len(sockets) == opened, "the socket was opened again"
    assert ann.page.evaluate("JSON.parse(localStorage['whitebg.session']).token") != first
    # A token of the user's own is in no address.
    assert not any("token" in urlsplit(each["url"]).query for each in sockets)


def test_where_websockets_are_blocked_the_page_polls_until_they_are_not(visit: Visit) -> None:
    ann = visit()
    blocked = True

    def gate(socket: WebSocketRoute) -> None:
        if blocked:
            socket.close(code=1006)
        else:
            socket.connect_to_server()

    ann.page.route_web_socket("**/ws/notifications*", gate)
    ann.arrive(until="Live updates blocked, checking regularly")
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    ann.picture("07-polling")
    assert ann.polls

    blocked = False
    ann.sees_connection("Live", within=60)
    polls = len(ann.polls)
    ann.drop([PHOTOS / "loafers.jpg"])
    ann.sees(2, "done")
    assert len(ann.polls) == polls, "it went on polling"


def _photo(name: str) -> bytes:
    return (PHOTOS / f"{name}.jpg").read_bytes()
