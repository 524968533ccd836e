"""The page where the system forces its colours, as in Windows' high contrast: each state is still visible."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS


def test_chosen_focused_and_switched_on_controls_differ_in_forced_colours(visit: Visit) -> None:
    ann = visit(forced_colors="active").arrive()
    page = ann.page
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(2, "done")
    filters = page.get_by_role("group", name="Filter by state")
    assert background(filters.locator("[aria-pressed=true]")) != background(
        filters.locator("[aria-pressed=false]").first
    )
    page.get_by_role("button", name="More options").click()
    switches = page.locator(".mantine-Switch-track")
    expect(switches).to_have_count(2)
    assert background(switches.nth(0)) != background(switches.nth(1))
    page.locator(".options-foot button").first.click()

    page.locator(".card-picture").first.focus()
    page.keyboard.press("ArrowRight")
    focused = page.locator(".card:has(:focus)")
    assert outline(focused) == "solid"
    assert outline(page.locator(".card").first) == "none"
    page.keyboard.press("a")
    ann.counts("Accepted", 1)
    accept = page.get_by_role("button", name="Accept:")
    assert background(accept.nth(0)) != background(accept.nth(1))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    pressed, other = dialog.get_by_role("button", name="Accept"), dialog.get_by_role("button", name="Reject")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    assert background(pressed) != background(other)
    backdrops = dialog.locator(".mantine-SegmentedControl-label")
    assert background(backdrops.nth(0)) != background(backdrops.nth(1))
    assert page.evaluate("getComputedStyle(document.querySelector('.mantine-Modal-content')).borderStyle") == "solid"


def background(element: Locator) -> str:
    colour: str = element.evaluate("(each) => getComputedStyle(each).backgroundColor")
    return colour


def outline(element: Locator) -> str:
    style: str = element.evaluate("(each) => getComputedStyle(each).outlineStyle")
    return style
