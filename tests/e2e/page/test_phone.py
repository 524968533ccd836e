"""The page on a phone: controls for fingers, the camera, and editors in the photo's own proportions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS
from tests.e2e.page.visitor import FRAMES, STILL, Visitor, jpeg
from tests.support.photos import product_photo

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# The area that takes the touches: of a hidden input, its label; of a slider's thumb, the whole slider.
SMALL = """() => {
    const root = document.querySelector("[role=dialog]") ?? document.body;
    const area = (control) => {
        if (control.role === "slider") return control.closest("[class*=Slider-root], .viewer-divider");
        if (control.matches("[type=checkbox], [type=radio]")) {
            return control.closest("label, .mantine-Checkbox-body, .mantine-Switch-body") ?? control.labels[0];
        }
        return control;
    };
    const controls = root.querySelectorAll("button, a[href], input:not([type=file]), select, summary, [role=slider]");
    return [...controls].filter((each) => each.checkVisibility() && !each.disabled).flatMap((each) => {
        const {width, height} = (each.matches("[type=radio]") ? each.labels[0] : area(each)).getBoundingClientRect();
        const least = each.matches("[type=radio]") ? 40 : 44;  // In its frame of 4 px.
        const name = each.ariaLabel ?? (each.innerText || each.className);
        return Math.min(width, height) < least - 0.5 ? [`${name}: ${width} x ${height}`] : [];
    });
}"""


def too_small(ann: Visitor) -> list[str]:
    ann.page.evaluate(FRAMES)
    ann.page.wait_for_function(STILL)  # A dialog is scaled while it appears.
    found: list[str] = ann.page.evaluate(SMALL)
    return found


def test_each_control_is_large_enough_for_a_finger(visit: Visit) -> None:
    ann = visit(**PHONE).arrive()
    page = ann.page
    page.get_by_role("button", name="More options").click()
    expect(page.get_by_text("Only the mask", exact=True)).to_be_visible()
    assert too_small(ann) == []
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photo").click()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files(PHOTOS / "pink-cap.jpg")
    ann.sees(1, "done")
    assert too_small(ann) == []

    page.get_by_label("Select: pink-cap.jpg").first.check()
    page.get_by_role("button", name="Other options").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Make 1 picture")).to_be_visible()
    assert too_small(ann) == []
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)

    page.locator(".card-picture").click()
    expect(dialog.get_by_text("Exactly white (255, 255, 255) all around")).to_be_visible()
    assert too_small(ann) == []
    for editor, shown in (("Touch up", "Brush size"), ("Position", "Move right")):
        dialog.get_by_role("button", name=editor).click()
        expect(dialog.get_by_text(shown)).to_be_visible()
        assert too_small(ann) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        # In reach without scrolling.
        expect(dialog.get_by_role("button", name="Cancel")).to_be_in_viewport(ratio=1)
        dialog.get_by_role("button", name="Cancel").click()


@pytest.mark.parametrize("screen", [PHONE, {"viewport": {"width": 1440, "height": 900}}], ids=["phone", "desktop"])
def test_a_portrait_photo_is_touched_up_in_its_own_proportions(visit: Visit, screen: dict[str, Any]) -> None:
    ann = visit(**screen).arrive()
    ann.drop([jpeg("tall.jpg", product_photo(240, 480, "JPEG"))])
    ann.sees(1, "done")
    ann.page.locator(".card-picture").click()
    dialog = ann.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Touch up").click()
    (stage,) = ann.boxes(dialog.locator(".touchup-stage"))
    assert stage["width"] / stage["height"] == pytest.approx(0.5, rel=0.02)
    assert stage["height"] < screen["viewport"]["height"]


@pytest.mark.parametrize(
    ("locale", "time"), [("de-DE", r"^\d\d:\d\d$"), ("en-GB", r"^\d\d:\d\d$"), ("en-US", r"^\d+:\d\d\s[AP]M$")]
)
def test_times_are_written_as_in_the_browsers_region(visit: Visit, locale: str, time: str) -> None:
    ann = visit(locale=locale).arrive()
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(2)
    heading = ann.page.locator(".grid-batch")
    expect(heading).to_contain_text("2 photos")
    shown = heading.inner_text().removeprefix("Added at ").split(" · ")[0]
    assert re.match(time, shown), shown
