"""The chosen options determine the result, and its report is complete and in the user's language."""

from __future__ import annotations

import io
import re

from PIL import Image
from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS

REPORT = """async () => {
    const {token} = JSON.parse(localStorage["whitebg.session"]);
    const answer = await fetch("/api/v2/tasks", {headers: {Authorization: `Bearer ${token}`}});
    return (await answer.json()).tasks[0].result.report;
}"""


def test_the_options_are_made_and_what_breaks_the_rule_is_said_first(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    page.get_by_label("Made for").select_option("amazon")
    page.get_by_role("button", name="More options").click()
    size = page.get_by_label("Size", exact=True)
    expect(size).to_have_attribute("placeholder", "2000")  # The preset's default.
    expect(page.get_by_text("Up to 2000 × 2000 px · JPEG · fills 87%")).to_be_visible()
    page.get_by_text("WebP", exact=True).click()
    size.fill("60")
    expect(page.get_by_text("A whole number from 100 to 10000")).to_be_visible()
    assert ann.barriers() == []
    size.fill("600")
    page.get_by_text("Other", exact=True).click()
    page.get_by_label("Background colour").fill("#ffe0c0")
    expect(page.get_by_text("Amazon takes pure white only")).to_be_visible()
    page.get_by_text("Soft", exact=True).click()

    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    expect(page.locator(".card-chip")).to_have_text("Checks failed")
    page.get_by_role("button", name="Compare: pink-cap.jpg").last.click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("3 checks failed")).to_be_visible()
    lines = dialog.locator(".check-line")
    expect(lines).to_have_count(len(page.evaluate(REPORT)["checks"]))
    for at, words in enumerate(
        (
            ["Clean border", "exactly 255, 255, 255", "Off by up to 63 of 255", "Choose white as the background."],
            ["Size", "1000 to 10000 px", "600 × 600 px", "Choose a size in this range."],
            ["Format", "PNG or JPEG", "WebP", "Choose a format that is taken."],
        )
    ):
        expect(lines.nth(at)).to_have_attribute("data-verdict", "failed")
        for text in words:
            expect(lines.nth(at)).to_contain_text(text)
    assert ann.barriers() == []

    # The result matches the chosen options.
    with page.expect_download() as saved:
        dialog.get_by_role("link", name="Download").click()
    with Image.open(saved.value.path()) as picture:
        assert (picture.format, picture.size) == ("WEBP", (600, 600))
        corner = picture.convert("RGB").getpixel((0, 0))
        assert corner == (255, 224, 192)
    page.keyboard.press("Escape")

    # The options are kept for the next visit; one button resets them to the preset's.
    ann.arrive()
    expect(page.get_by_label("Size", exact=True)).to_have_value("600")
    page.get_by_role("button", name="All as preset").click()
    expect(page.get_by_label("Size", exact=True)).to_have_value("")


def test_the_mask_alone_is_made(visit: Visit) -> None:
    ann = visit().arrive()
    page = ann.page
    page.get_by_role("button", name="More options").click()
    page.get_by_text("Soft", exact=True).click()
    page.get_by_role("switch", name="Only the mask").press("Space")
    assert ann.barriers() == []
    ann.drop([PHOTOS / "pink-cap.jpg"])
    ann.sees(1, "done")
    page.get_by_role("button", name="Compare: pink-cap.jpg").last.click()
    with page.expect_download() as saved:
        page.get_by_role("dialog").get_by_role("link", name="Download").click()
    with Image.open(saved.value.path()) as picture:
        assert (picture.format, picture.mode) == ("PNG", "L")


def test_an_unsure_cut_out_is_said_in_plain_words_in_chinese(visit: Visit) -> None:
    ann = visit(locale="zh-CN").arrive(until="实时")
    ann.drop([{"name": "checks.jpg", "mimeType": "image/jpeg", "buffer": _cluttered()}])
    ann.sees(1, "done")
    expect(ann.page.locator(".card-chip")).to_have_text("需要检查")
    ann.page.get_by_role("button", name="对比：checks.jpg").last.click()
    dialog = ann.page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile(r"抠图正确的可能性约为 \d\d%"))).to_be_visible()
    expect(dialog.get_by_text("背景杂乱，抠图可能不准确")).to_be_visible()
    expect(dialog.locator(".check-line")).to_have_count(len(ann.page.evaluate(REPORT)["checks"]))
    expect(dialog.get_by_text("四周均为纯白（255, 255, 255）")).to_be_visible()
    assert ann.barriers() == []


def _cluttered() -> bytes:
    """Return a red square on a chequerboard of bright colours."""
    colours = [(250, 220, 20), (20, 60, 220), (30, 170, 60), (240, 130, 20), (120, 20, 140)]
    photo = Image.new("RGB", (600, 600))
    for n in range(144):
        x, y = n % 12, n // 12
        photo.paste(colours[(x * 2 + y * 3) % 5], (x * 50, y * 50, x * 50 + 50, y * 50 + 50))
    photo.paste((200, 30, 30), (180, 160, 430, 440))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=92)
    return file.getvalue()
