"""The page in other environments: an insecure context, a wrong device clock, a full set of connections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.page.conftest import LAN, Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.test_signing_in import sign_in
from tests.support.api import token


def test_page_works_over_plain_http_on_a_lan_address(stack: Stack, visit: Visit) -> None:
    ann = visit()
    ann.page.goto(f"http://{LAN}:{stack.http_port}")
    secure = "[isSecureContext, 'locks' in navigator, 'randomUUID' in crypto]"
    assert ann.page.evaluate(secure) == [False, False, False]
    # Guests are accepted only on the same machine.
    expect(ann.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert ann.requests.count("/api/v2/guest-token") == 1

    sign_in(ann, token("ann"))

    ann.sees_connection("Live")
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(2, "done")
    ann.page.get_by_role("button", name="Compare: pink-cap.jpg").first.click()
    expect(ann.page.get_by_role("dialog").locator("img")).to_have_count(2)
    ann.page.keyboard.press("Escape")
    ann.saves("Download all 2 as ZIP")
    # Browsers ignore this policy in an insecure context, and report it.
    ann.faults = [fault for fault in ann.faults if "Cross-Origin-Opener-Policy" not in fault]


@pytest.mark.parametrize("days", [-30, 30])
def test_device_clock_that_is_days_off_changes_nothing(visit: Visit, days: int) -> None:
    ann = visit()
    ann.page.clock.install(time=datetime.now(UTC) + timedelta(days=days))
    ann.arrive()
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    guest = ann.page.evaluate("localStorage['whitebg.session']")

    ann.arrive()

    ann.sees(1, "done")
    assert ann.requests.count("/api/v2/guest-token") == 1
    assert ann.page.evaluate("localStorage['whitebg.session']") == guest


def test_tab_over_the_connection_limit_polls_until_it_may_connect(stack: Stack, visit: Visit) -> None:
    stack.restart_gateway(connections_per_user="1")
    ann = visit().arrive()
    other = ann.another_tab().arrive(until="Checking for updates")
    assert other.wire.sockets[0]["code"] == 4103

    ann.drop([PHOTOS / "pink-cap.jpg"])

    other.sees(1, "done")
    assert other.polls
    ann.page.close()
    other.sees_connection("Live")
    polls = len(other.polls)
    other.drop([PHOTOS / "loafers.jpg"])
    other.sees(2, "done")
    assert len(other.polls) == polls, "it went on polling"


def test_page_shows_that_the_service_is_unavailable(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    stack.kill_service()
    ann.sees_connection("Server unavailable")
    other = ann.another_tab().arrive(until="Server unavailable")
    assert ann.barriers() == []

    stack.start_service()

    for tab in (ann, other):
        tab.sees_connection("Live")
        assert len(tab.wire.sockets) == 1


def test_part_of_the_page_that_cannot_be_loaded_is_reported(visit: Visit) -> None:
    ann = visit()
    ann.page.clock.install()  # It is tried five times, with pauses.
    ann.page.route("**/assets/dialogs-*", lambda route: route.abort())
    ann.arrive()
    with ann.page.expect_event("console", lambda message: message.type == "error" and "dialogs-" in message.text):
        for _ in range(5):
            ann.page.clock.run_for(5_000)
    alert = ann.page.get_by_role("alert")
    expect(alert).to_contain_text("A part of this page could not be loaded")
    ann.drop([PHOTOS / "pink-cap.jpg"])  # The rest works.
    ann.sees(1, "done")

    ann.page.unroute("**/assets/dialogs-*")
    alert.get_by_role("button", name="Reload the page").click()
    ann.sees(1, "done")
    expect(alert).to_have_count(0)
    ann.page.keyboard.press("?")
    expect(ann.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    ann.faults = [fault for fault in ann.faults if "dialogs-" not in fault]


def test_request_that_hangs_does_not_stop_the_connection(visit: Visit) -> None:
    ann = visit()
    ann.page.clock.install()
    hanging = 1

    def hang_once(route: Route) -> None:
        nonlocal hanging
        hanging -= 1
        if hanging < 0:
            route.continue_()

    ann.page.route("**/api/v2/config", hang_once)
    with ann.page.expect_request("**/api/v2/config"):
        ann.page.goto(ann.url)
    ann.sees_connection("Connecting")

    ann.page.clock.run_for(31_000)

    ann.sees_connection("Live")


def test_another_user_in_one_tab_is_the_user_of_all_tabs(stack: Stack, visit: Visit) -> None:
    stack.restart_gateway(guest_login="false")
    first = visit()
    first.page.goto(stack.url)
    second = first.another_tab()
    second.page.goto(stack.url)
    for tab in (first, second):
        expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()

    sign_in(first, token("ann"))

    for tab in (first, second):
        tab.sees_connection("Live")
    first.drop([PHOTOS / "pink-cap.jpg"])
    second.sees(1, "done")
    ben = (
        f"localStorage['whitebg.session'] = JSON.stringify({{token: {token('ben')!r}, expiresAt: 9e15, guest: false}})"
    )
    first.page.evaluate(ben)
    second.sees(0)
    second.sees_connection("Live")
    second.drop([PHOTOS / "loafers.jpg"])
    second.sees(1, "done")
