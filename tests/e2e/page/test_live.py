"""Photos through the page, live, while the processes behind it crash and restart."""

from __future__ import annotations

import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import FilePayload, Route, WebSocketRoute, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import SUBMISSION, jpeg, png
from tests.support.patience import PATIENCE
from tests.support.photos import cut_out


def eight_photos() -> list[FilePayload]:
    photos = sorted(PHOTOS.glob("*.jpg"))
    return [jpeg(f"{n:02}-{photo.name}", photo.read_bytes()) for n, photo in enumerate((photos * 2)[:8], 1)]


def test_photos_finish_live_without_a_poll_though_the_service_is_killed(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    ann.picture("01-empty")
    sending: list[Route] = []
    holds = True

    def hold(route: Route) -> None:
        if holds and route.request.method == "POST":
            sending.append(route)
        else:
            route.continue_()

    ann.page.route(SUBMISSION, hold)

    ann.drop(eight_photos())

    # At once, before the server receives them.
    ann.sees(8)
    assert sending
    holds = False
    for each in sending:
        each.continue_()
    expect(ann.page.locator(".card-picture img")).to_have_count(8)
    expect(ann.cards("done").first).to_be_visible()
    ann.picture("02-at-work")
    stack.kill_service()
    ann.picture("03-service-away")
    stack.start_service()
    ann.sees(8, "done")
    ann.picture("04-finished")
    assert ann.polls == []
    expect(ann.page.get_by_text("8 of 8 finished")).to_be_visible()

    # After a reload, all photos and their pictures are back.
    ann.arrive()
    ann.sees(8, "done")
    with zipfile.ZipFile(Path(ann.saves("Download all 8 as ZIP").path())) as archive:
        assert archive.testzip() is None
        names = sorted(archive.namelist())
        report = archive.read("report.csv").decode("utf-8-sig").splitlines()
    assert (len(names), names[0]) == (9, "01-grey-shorts-white.png")
    assert (len(report), report[0].split(",")[:4]) == (9, ["file", "task", "photo", "market"])


def test_a_second_tab_is_in_step_and_the_gateway_restarts(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    other = ann.another_tab().arrive()

    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg", PHOTOS / "sandals.jpg"])

    # The other tab shows the new tasks live, with the submitted photos.
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
    # Without a worker, the task is sure to be in the queue when it is cancelled.
    stack.kill_service()
    stack.start_service(worker_slots="0")
    ann.drop([png(f"{n}.png", cut_out(300, 225)) for n in range(6)])
    other.sees(6)
    ann.page.get_by_role("button", name="Cancel: 5.png").click()

    other.sees(1, "cancelled")
    other.picture("06-cancelled")
    other.page.get_by_role("button", name="Try again: 5.png").click()
    # The new attempt takes the cancelled one's card.
    for tab in (ann, other):
        tab.sees(0, "cancelled")
        tab.sees(6, "waiting")
    stack.kill_service()
    stack.start_service()

    for tab in (ann, other):
        tab.sees(6, "done")
        tab.sees(6)


def test_a_token_that_expires_is_replaced_while_the_socket_stays_open(stack: Stack, visit: Visit) -> None:
    # The gateway warns after a quarter of that time, so even a slow machine has time to replace the token.
    stack.restart_gateway(guest_token_ttl="PT30S")
    ann = visit().arrive()
    opened = len(ann.wire.sockets)
    first = ann.page.evaluate("JSON.parse(localStorage['whitebg.session']).token")

    # There is one warning per token, so a second one shows that the gateway accepted the page's new token.
    ann.wire.hears("token_expiring", 2)
    ann.wire.says("auth", 3)

    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.wire.hears("task_complete")
    ann.sees(1, "done")
    ann.sees_connection("Live")
    sockets = ann.wire.sockets
    assert len(sockets) == opened, "the socket was opened again"
    assert ann.page.evaluate("JSON.parse(localStorage['whitebg.session']).token") != first
    # A user's own token is in no URL.
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
    ann.arrive(until="Checking for updates")
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    ann.picture("07-polling")
    assert ann.polls

    blocked = False
    ann.sees_connection("Live", within=PATIENCE)
    polls = len(ann.polls)
    ann.drop([PHOTOS / "loafers.jpg"])
    ann.sees(2, "done")
    assert len(ann.polls) == polls, "it went on polling"


def _photo(name: str) -> bytes:
    return (PHOTOS / f"{name}.jpg").read_bytes()
