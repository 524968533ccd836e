"""The dialog shows the service's verdict and the findings' positions in the photo."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.page.conftest import Visit


@dataclass(frozen=True)
class Words:
    """Texts of the page in one language."""

    locale: str
    live: str
    compare: str
    ready: str
    review: str
    summary: str
    regions: str
    finding: str


ENGLISH = Words(
    "en-GB",
    "Live",
    "Compare: ",
    "All checks passed",
    "Needs review",
    "Needs review before use",
    "Where in your photo",
    "The product touches the edge of the photo",
)
CHINESE = Words(
    "zh-CN", "实时", "对比：", "全部检查通过", "需要检查", "使用前请检查", "在原图中的位置", "主体碰到照片边缘"
)


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_a_finding_is_outlined_in_the_photo_and_the_badge_follows_the_verdict(visit: Visit, words: Words) -> None:
    ann = visit(locale=words.locale).arrive(until=words.live)
    page = ann.page
    ann.drop([{"name": "cut.png", "mimeType": "image/png", "buffer": _photo(left=0)}])
    ann.sees(1, "done")
    expect(page.locator(".card-chip")).to_have_text(words.review)
    page.get_by_role("button", name=f"{words.compare}cut.png").last.click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(words.summary)).to_be_visible()
    expect(dialog.get_by_text(words.ready)).to_have_count(0)
    original = dialog.get_by_role("figure", name=words.regions).get_by_role("img")
    finding = dialog.get_by_role("button", name=words.finding)
    box = dialog.locator(".region").filter(has_text=finding.locator(".located-number").inner_text())
    whole, part = ann.boxes(original, box)
    # The product is cut off at the left edge, from 25 to 75 % of the photo's height.
    top = (part["y"] - whole["y"]) / whole["height"]
    bottom = (part["y"] + part["height"] - whole["y"]) / whole["height"]
    assert [top, bottom] == pytest.approx([0.25, 0.75], abs=0.06)
    assert part["x"] == pytest.approx(whole["x"], abs=6)
    assert part["width"] < 0.15 * whole["width"]

    expect(box).to_have_attribute("data-active", "false")
    finding.focus()
    expect(box).to_have_attribute("data-active", "true")
    finding.blur()
    expect(box).to_have_attribute("data-active", "false")
    finding.hover()
    expect(box).to_have_attribute("data-active", "true")
    page.mouse.move(0, 0)
    finding.press("Enter")
    expect(finding).to_have_attribute("aria-pressed", "true")
    finding.blur()
    expect(box).to_have_attribute("data-active", "true")
    assert ann.barriers() == []


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_a_result_without_a_doubt_has_no_badge(visit: Visit, words: Words) -> None:
    ann = visit(locale=words.locale).arrive(until=words.live)
    ann.drop([{"name": "good.png", "mimeType": "image/png", "buffer": _photo(left=500)}])
    ann.sees(1, "done")
    ann.page.get_by_role("button", name=f"{words.compare}good.png").last.click()
    dialog = ann.page.get_by_role("dialog")
    expect(dialog.get_by_text(words.ready)).to_be_visible()
    expect(dialog.get_by_role("figure", name=words.regions)).to_have_count(0)
    ann.page.keyboard.press("Escape")
    expect(ann.page.locator(".card-chip")).to_have_count(0)


def _photo(*, left: int) -> bytes:
    """Return a red box with a little texture on pale grey, 1600 × 1200, 600 pixels wide from column ``left``."""
    photo = np.full((1200, 1600, 3), (214, 216, 220), np.float64)
    photo[300:900, left : left + 600] = (170, 40, 30)
    photo += np.random.default_rng(0).normal(0, 2, photo.shape)
    file = io.BytesIO()
    Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
