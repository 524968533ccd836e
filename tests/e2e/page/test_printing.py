"""The page on paper: a contact sheet of the photos, with names and verdicts, on white and without controls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack
from tests.e2e.page.test_adding import small_photo
from tests.e2e.page.test_admin import operator
from tests.e2e.page.visitor import Visitor, jpeg


def test_all_photos_are_printed_with_names_and_verdicts_on_white(visit: Visit) -> None:
    ann = visit(color_scheme="dark").arrive()
    page = ann.page
    page.get_by_label("Made for").select_option("taobao")  # the smallest picture
    ann.drop([small_photo(n) for n in range(24)])
    ann.drop([PHOTOS / "sandals.jpg", PHOTOS / "pink-cap.jpg", jpeg("empty.jpg", b"")])
    ann.counts("In progress", 0)
    ann.counts("All", 27)
    assert len(page.locator(".card").all()) < 27, "all photos are rendered on the screen, too"

    pdf = page.pdf(format="A4")

    assert len(re.findall(rb"/Subtype /Image\b", pdf)) >= 26
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2
    with paper(ann) as sheet:
        expect(sheet.get_by_role("listitem")).to_have_count(27)
        expect(sheet.get_by_role("listitem").filter(has_text="sandals.jpg")).to_contain_text("Needs review")
        expect(sheet.get_by_role("listitem").filter(has_text="empty.jpg")).to_contain_text("This file is empty")
        expect(sheet.get_by_role("listitem").filter(has_text="pink-cap.jpg")).to_contain_text("Ready")
        for shown in page.locator("button, input, select, .header, .start, .photos").all():
            expect(shown).to_be_hidden()
        white = "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == white
        assert page.evaluate("getComputedStyle(document.querySelector('.sheet-name')).color") == "rgb(0, 0, 0)"
        assert page.evaluate("document.documentElement.scrollWidth") <= 794
    expect(page.locator(".sheet")).to_have_count(0)


def test_only_the_filtered_selected_or_opened_photos_are_printed(visit: Visit) -> None:
    ann = visit().arrive()
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "leather-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(3, "done")
    ann.page.get_by_label("Search by name").fill("cap")
    ann.sees(2)
    # Photos are sent at the same time, so either may be the newer one.
    assert sorted(printed(ann)) == ["leather-cap.jpg", "pink-cap.jpg"]
    ann.page.get_by_label("Select: pink-cap.jpg").last.check()
    assert printed(ann) == ["pink-cap.jpg"]
    ann.page.get_by_role("button", name="Compare: leather-cap.jpg").first.click()
    expect(ann.page.get_by_role("dialog")).to_be_visible()
    assert printed(ann) == ["leather-cap.jpg"]
    with paper(ann):
        expect(ann.page.get_by_role("dialog")).to_be_hidden()


def test_the_page_for_operators_is_printed_without_controls(shared_stack: Stack, visit: Visit) -> None:
    ops = operator(visit, shared_stack)
    page = ops.page
    expect(page.get_by_role("button", name="Pause All engines")).to_be_visible()
    expect(page.get_by_text("Show defaults too")).to_be_visible()
    with paper(ops):
        expect(page.get_by_role("heading", name="Queue")).to_be_visible()
        expect(page.get_by_text("Show defaults too")).to_be_hidden()
        for shown in page.locator("button, input, select, .header").all():
            expect(shown).to_be_hidden()


@contextmanager
def paper(ann: Visitor) -> Iterator[Locator]:
    """Show the page as it is printed on a sheet of A4."""
    before = ann.page.viewport_size
    assert before is not None
    ann.page.set_viewport_size({"width": 794, "height": 1123})
    ann.page.emulate_media(media="print")
    ann.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    yield ann.page.locator(".sheet")
    ann.page.evaluate("dispatchEvent(new Event('afterprint'))")
    ann.page.emulate_media(media="null")
    ann.page.set_viewport_size(before)


def printed(ann: Visitor) -> list[str]:
    with paper(ann) as sheet:
        return sheet.locator(".sheet-name").all_inner_texts()
