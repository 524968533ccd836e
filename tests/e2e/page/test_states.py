"""Texts, appearance and accessibility of the page in each state."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.visitor import jpeg
from tests.support.api import token

NO_PHOTO = jpeg("notes.jpg", b"not a photo at all")
TOO_LARGE = jpeg("huge.jpg", bytes(25 * 1024 * 1024 + 1))


def test_what_cannot_be_made_says_what_to_do(visit: Visit) -> None:
    ann = visit().arrive()
    photo = (PHOTOS / "pink-cap.jpg").read_bytes()

    # The last one has a valid header, so it is accepted and fails later, in the engine.
    ann.drop([NO_PHOTO, TOO_LARGE, jpeg("torn.jpg", photo[: len(photo) // 2])])

    ann.sees(3, "failed")
    for words in ("This is not a photo we can read", "This photo is too large", "This photo is damaged"):
        expect(ann.page.get_by_text(words)).to_be_visible()
    assert ann.barriers() == []
    ann.picture("10-failed", full=True)
    ann.page.get_by_role("button", name="Dismiss: notes.jpg").click()
    ann.sees(2, "failed")


def test_a_photo_that_is_added_while_the_server_is_away_is_sent_when_it_is_back(stack: Stack, visit: Visit) -> None:
    ann = visit().arrive()
    stack.kill_service()

    ann.drop([PHOTOS / "pink-cap.jpg"])

    expect(ann.page.get_by_text("The server is unavailable at the moment")).to_be_visible()
    ann.picture("11-server-away")
    stack.start_service()
    ann.sees(1, "done")


def test_offline_is_said_and_passes(visit: Visit) -> None:
    ann = visit().arrive()
    ann.page.context.set_offline(True)
    ann.drop([PHOTOS / "pink-cap.jpg"])
    expect(ann.page.get_by_text("No connection")).to_be_visible()
    expect(ann.page.get_by_text("You are offline")).to_be_visible()
    ann.sees_connection("Offline")
    ann.picture("12-offline")
    ann.page.context.set_offline(False)
    ann.sees_connection("Live")
    ann.sees(1, "done")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_result_is_compared_and_checked_by_keyboard_alone(visit: Visit, scheme: str) -> None:
    ann = visit(color_scheme=scheme).arrive()
    ann.page.get_by_label("Made for").select_option("amazon")
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "leather-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(3, "done")
    assert ann.barriers() == []
    expect(ann.page.locator(".card-picture[data-white=true]")).to_have_count(3)
    ann.picture(f"20-finished-{scheme}", full=True)

    ann.page.get_by_role("button", name="Compare: leather-cap.jpg").last.focus()
    ann.page.keyboard.press("Enter")

    dialog = ann.page.get_by_role("dialog")
    expect(dialog.get_by_text("Check for Amazon")).to_be_visible()
    expect(dialog.get_by_text("Exactly white (255, 255, 255) all around")).to_be_visible()
    # Next to the photo with its findings outlined, where there are any.
    expect(dialog.locator("img:not(.regions img)")).to_have_count(2)
    assert ann.barriers() == []
    ann.page.wait_for_load_state("networkidle")
    ann.picture(f"21-compare-{scheme}")
    slider = dialog.get_by_role("slider")
    before = slider.get_attribute("aria-valuenow")
    slider.focus()
    ann.page.keyboard.press("ArrowRight")
    expect(slider).not_to_have_attribute("aria-valuenow", before or "")
    ann.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_on_a_phone_in_chinese_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    ann = visit(viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True, locale="zh-CN")
    ann.arrive(until="实时")
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg", NO_PHOTO])
    ann.sees(2, "done")
    assert ann.page.evaluate("document.documentElement.scrollWidth") == 360
    assert ann.page.evaluate("document.documentElement.lang") == "zh-CN"
    assert ann.barriers() == []
    ann.picture("22-phone", full=True)
    ann.page.get_by_role("button", name="对比：pink-cap.jpg").first.click()
    expect(ann.page.get_by_text("通用要求检查")).to_be_visible()
    ann.picture("23-phone-compare")


def test_a_server_without_guests_asks_for_a_token(stack: Stack, visit: Visit) -> None:
    stack.restart_gateway(guest_login="false")
    ann = visit()
    ann.page.goto(stack.url)
    expect(ann.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert ann.barriers() == []
    ann.picture("24-sign-in")
    ann.page.get_by_label("Token", exact=True).fill(token("ann"))
    ann.page.get_by_role("button", name="Sign in").click()
    ann.sees_connection("Live")
