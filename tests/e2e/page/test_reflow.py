"""The page at 200 % and 400 % zoom, and on narrow screens: no horizontal scrolling, and nothing is covered."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS
from tests.e2e.page.visitor import FRAMES, STILL, Visitor, jpeg
from tests.support.api import token

# A window of 1280 × 720 and one of 1280 × 1024, in CSS pixels; and phones.
SIZES = [(640, 360), (320, 256), (320, 568), (360, 640)]
# The second one needs a review.
PHOTOS_MADE = [PHOTOS / "loafers.jpg", PHOTOS / "sandals.jpg"]
# Each control is scrolled into view; a point of it that another element takes is covered.
COVERED = """() => {
    const root = document.querySelector("[role=dialog]") ?? document.body;
    const controls = root.querySelectorAll("button, a[href]:not(.skip), input:not([type=file]), select, [role=slider]");
    const visible = (each) => each.checkVisibility({visibilityProperty: true, opacityProperty: true});
    return [...controls].filter(visible).flatMap((each) => {
        const area = each.closest("label") ?? each.labels?.[0] ?? each;
        area.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
        const {left, right, top, width, height} = area.getBoundingClientRect();
        const name = each.ariaLabel || each.innerText || each.className;
        if (width < 2 || height < 2) return [];
        if (left < -0.5 || right > innerWidth + 0.5) return [`${name} is outside: ${left} to ${right}`];
        const own = area.closest(".mantine-Input-wrapper") ?? area;
        const other = [[0.5, 0.5], [0.15, 0.3], [0.85, 0.7]]
            .map(([x, y]) => document.elementFromPoint(left + x * width, top + y * height))
            .find((hit) => hit === null || !(own.contains(hit) || hit.contains(own)));
        return other === undefined ? [] : [`${name} is covered by ${other?.className}`];
    });
}"""


def assert_reflows(ann: Visitor, width: int, *, shown: Locator) -> None:
    expect(shown).to_be_visible()
    ann.page.evaluate(FRAMES)
    ann.page.wait_for_function(STILL)
    assert ann.page.evaluate("document.documentElement.scrollWidth") == width
    assert ann.page.evaluate(COVERED) == []


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_covered_or_needs_horizontal_scrolling(visit: Visit, width: int, height: int, language: str) -> None:
    english = language == "en-GB"
    ann = visit(viewport={"width": width, "height": height}, locale=language)
    ann.page.goto(f"{ann.url}/#token={token('ann', name='Annabel Lee')}")
    ann.sees_connection("Live" if english else "实时")
    page, dialog = ann.page, ann.page.get_by_role("dialog")
    ann.drop([*PHOTOS_MADE, jpeg("empty.jpg", b"")])
    ann.sees(2, "done")
    ann.sees(1, "failed")
    assert_reflows(ann, width, shown=page.locator(".toolbar"))

    page.locator(".options-foot button").first.click()
    assert_reflows(ann, width, shown=page.locator(".colour, .options input[type=checkbox]").first)
    page.locator(".options-foot button").first.click()
    page.locator(".card[data-phase=done] .card-select input").first.check()
    assert_reflows(ann, width, shown=page.locator(".selection"))
    page.keyboard.press("Escape")

    page.locator(".card[data-phase=done] .card-picture").first.click()
    assert_reflows(ann, width, shown=dialog.locator(".check-lines"))
    for key, stage in (("e", ".touchup-stage"), ("p", ".position-frame")):
        page.keyboard.press(key)
        assert_reflows(ann, width, shown=dialog.locator(stage))
        page.keyboard.press("Escape")
        expect(dialog.locator(stage)).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("?")
    assert_reflows(ann, width, shown=dialog.locator(".keys"))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.locator(".photos-head button").last.click()
    assert_reflows(ann, width, shown=dialog.locator("input"))


def test_the_toolbar_stays_below_a_header_of_two_lines(visit: Visit) -> None:
    ann = visit(viewport={"width": 320, "height": 568})
    ann.page.goto(f"{ann.url}/#token={token('bea', name='Beatrix Longname')}")
    ann.sees_connection("Live")
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg", PHOTOS / "sandals.jpg"])
    ann.sees(3, "done")
    ann.page.mouse.move(160, 300)
    ann.page.mouse.wheel(0, 2000)
    ann.page.evaluate(FRAMES)
    header, toolbar = ann.boxes(ann.page.locator(".header"), ann.page.locator(".toolbar"))
    assert header["height"] > 60
    assert toolbar["y"] == pytest.approx(header["height"], abs=1)


@pytest.mark.parametrize(("width", "height"), [(700, 900), (1024, 768), (1280, 900), (1920, 1080)])
def test_steps_and_decision_of_the_comparison_are_whole_at_every_width(visit: Visit, width: int, height: int) -> None:
    ann = visit(viewport={"width": width, "height": height}).arrive()
    ann.drop(PHOTOS_MADE)
    ann.sees(2, "done")
    ann.page.locator(".card-picture").first.click()
    dialog = ann.page.get_by_role("dialog")
    for button in ("Previous photo", "Next photo", "Accept", "Reject"):
        expect(dialog.get_by_role("button", name=button)).to_be_in_viewport(ratio=1)
    left, right, picture, side, whole = ann.boxes(
        dialog.get_by_role("button", name="Previous photo"),
        dialog.get_by_role("button", name="Next photo"),
        dialog.locator(".compare-picture"),
        dialog.locator(".compare-side"),
        dialog,
    )
    assert left["x"] >= picture["x"]
    assert right["x"] + right["width"] <= picture["x"] + picture["width"]
    assert picture["x"] + picture["width"] <= side["x"] or picture["y"] + picture["height"] <= side["y"]
    assert whole["x"] <= picture["x"]


def test_a_phone_has_the_decision_in_reach_and_the_verdict_beside_the_checkbox(visit: Visit) -> None:
    ann = visit(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True).arrive()
    ann.drop(PHOTOS_MADE)
    ann.sees(2, "done")
    card = ann.page.get_by_role("article", name="sandals.jpg")
    verdict, select = ann.boxes(card.locator(".card-chip"), card.locator(".card-select"))
    assert verdict["y"] > select["y"] + select["height"]
    card.locator(".card-picture").click()
    for button in ("Accept", "Reject"):
        expect(ann.page.get_by_role("dialog").get_by_role("button", name=button)).to_be_in_viewport(ratio=1)


def test_a_focused_card_is_in_view_with_its_actions(visit: Visit) -> None:
    ann = visit(viewport={"width": 1280, "height": 720}).arrive()
    page = ann.page
    ann.drop([jpeg(f"{n}.jpg", b"") for n in range(30)])  # Rejected at once.
    ann.counts("Failed", 30)
    page.locator(".card-picture").first.focus()
    for key in ["ArrowDown"] * 5 + ["ArrowUp"] * 5:
        page.keyboard.press(key)
        toolbar, card = ann.boxes(page.locator(".toolbar"), page.locator(".card:has(:focus)"))
        assert toolbar["y"] + toolbar["height"] <= card["y"] + 1
        assert card["y"] + card["height"] <= 720
